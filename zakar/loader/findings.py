"""What is found at a server: what it offers, what a load would do there, what lacks, each in a sentence. Pure."""

import shlex
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from zakar import location
from zakar.broker.account import Account
from zakar.broker.link import Link
from zakar.broker.memphis import messages
from zakar.dataset.layout import Split
from zakar.dataset.store import Dataset
from zakar.loader.load import LeftOut
from zakar.loader.options import Mode
from zakar.loader.plan import Action, LoadPlan, StreamPlan, mib, no_storage

_DOES = {
    Action.CREATE: "create with {size}",
    Action.RECREATE: "delete {stored:,} messages, create anew with {size}",
    Action.CONTINUE: "go on after {stored:,} messages{enlarged}",
    Action.NOTHING: "nothing: all is there{beyond}",
    Action.REFUSE: "REFUSE: {why}",
    Action.DELETE: "delete {stored:,} messages and the stream",
}

_PARTITIONS = (
    "`{station}` has {number} partitions, `{station}$1` to `{station}${number}`, a cell's messages in one: that of the "
    "key `(x,y)` for zakar and Memphis's Python SDK. Its Node SDK (memphis-dev) looks one partition before that, or in "
    "none; read by number there. SDKs of before 1.1 are refused"
)


@dataclass(frozen=True)
class Offer:
    """What a server offers, and how it is reached: ``compressed``, through a ``websocket``, as a ``memphis`` broker.

    ``jetstream``: whether there is any, None where it could not be asked. ``header_bytes``: of header lines that each
    message carries for SDKs of Memphis, 0 where nobody serves them. ``slow`` says why there is no fast ingest,
    ``lacks`` why there is no ``account``, or why nothing can be loaded into it; empty where there is, and it can.
    """

    server: str
    version: str
    encrypted: bool
    max_payload: int
    slow: str
    link: Link
    account: Account | None
    lacks: str = ""
    jetstream: bool | None = True
    websocket: bool = False
    compressed: bool = False
    memphis: bool = False
    header_bytes: int = 0

    @property
    def fast_ingest(self) -> bool:
        """Whether there is fast ingest."""
        return not self.slow

    @property
    def dedupe_header(self) -> str | None:
        """The header by which a repeated message is known; None without JetStream, and through Memphis.

        A real Memphis broker reads ``msg-id``; stock NATS does not, also where it answers Memphis's SDKs.
        """
        return None if self.account is None or self.memphis else "Nats-Msg-Id"


@dataclass(frozen=True)
class Findings:
    """What was found: the server's offer, and, for a dataset, what a load would do and take.

    ``seconds`` is an estimate, None where there is none; ``days_that_fit`` is told where storage does not suffice,
    and whether a load of them ``starts_over``, since they do only once the stations are deleted. ``left_out`` are the
    tables of answers that a load leaves out, and what their stations hold. ``bare``: streams with messages
    that lack what SDKs of Memphis read in each, where these are served. ``unreadable``: without a dataset, what keeps
    the stations of datasets that are there from being read, each with the fix.
    """

    offer: Offer
    plan: LoadPlan | None = None
    seconds: float | None = None
    days_that_fit: int | None = None
    starts_over: bool = False
    left_out: LeftOut = field(default_factory=dict)
    bare: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()

    @property
    def batch(self) -> bool:
        """Whether messages go by fast ingest: as the load that is asked about would send them, else as it could."""
        if self.plan is None:
            return self.offer.fast_ingest and self.offer.account is not None
        return any(row.mode == Mode.BATCH for row in self.plan.stations.values())


def missing(findings: Findings, dataset: Dataset | None, where: str | None, options: str = "") -> list[str]:
    """Return a line for all that is missing or could be better, each with the fix.

    ``options`` are those of the load that is asked about, for a command that loads less.
    """
    offer, plan = findings.offer, findings.plan
    lines = [offer.lacks] if offer.lacks else []
    if offer.account is not None and not offer.fast_ingest:
        faster = f"nats-server 2.14 and later load faster{' at a nats:// address' if offer.memphis else ''}"
        lines.append(f"fast ingest: {offer.slow}; {faster}")
    if offer.link.rate is None:
        lines.append(f"rate: not measured, since {offer.link.why}; no time can be predicted")
    if plan is None or dataset is None or where is None:
        if offer.account is not None and offer.account.max_bytes == 0:
            lines.append(no_storage(offer.account))
        return [*lines, *findings.unreadable]
    lines += [f"station stream `{o.stream}` {o.why}; {o.fix}" for o in plan.refusals.values()]
    lines += [f"the messages of station stream `{stream}` {messages.WITHOUT}" for stream in findings.bare]
    lines += [*plan.elsewhere, *plan.shortages, *plan.afterwards]
    days = findings.days_that_fit
    if days is not None:
        asked = any(o.action in {Action.RECREATE, Action.DELETE} for o in plan.stations.values())
        recreate = asked or findings.starts_over
        options += " --with-alerts" if dataset.answers and not findings.left_out else ""
        lines.append(_shorter(dataset, where, days, options + (" --recreate" if recreate else "")))
    return lines


def notes(findings: Findings) -> list[str]:
    """Return a line for each station of several partitions: which SDK of Memphis finds what there."""
    stations = findings.plan.stations.values() if findings.plan is not None else ()
    streams = [o.stream for o in stations if o.action is not Action.DELETE]
    lines = []
    for station, number in Counter(stream.rpartition("$")[0] for stream in streams).items():
        if number > 1:
            lines.append(_PARTITIONS.format(station=station, number=number))
    return lines


def plan_lines(findings: Findings) -> list[str]:
    """Say what a load would do with each station, what it needs, and how long it takes; nothing without a dataset."""
    plan = findings.plan
    if plan is None:
        return []
    width = max(map(len, plan.stations))
    lines = [f"{name:{width}}  {_line(row)}" for name, row in plan.stations.items()]
    left = "no limit to what is left" if plan.left is None else f"{mib(plan.left)} left"
    lines.append(f"storage: {mib(plan.needs)} needed, {left} in the account")
    if findings.seconds is not None and plan.sends:
        estimate = "an estimate from the link and what servers were seen to store"
        lines.append(f"time: about {max(1, round(findings.seconds)):,} s for {plan.sends:,} messages, {estimate}")
    return lines


def _line(o: StreamPlan) -> str:
    beyond = f", and {o.stored - o.records:,} messages of later days" if o.records < o.stored else ""
    enlarged = f", with {mib(o.max_bytes)} in place of what it has" if o.enlarged else ""
    line = _DOES[o.action].format(stored=o.stored, why=o.why, size=_size(o.max_bytes), beyond=beyond, enlarged=enlarged)
    line += f", needs {mib(o.needs)}" if o.needs > 1 and o.needs != o.max_bytes else ""
    return line + (f"; {o.sends:,} messages, mode {o.mode}" if o.sends else "")


def _shorter(dataset: Dataset, where: str, days: int, options: str) -> str:
    if days == 0:
        return "there is not room for a single day"
    held_out = " --split holdout" if dataset.split is Split.HOLDOUT else ""
    return (
        f"the first {days:,} of {dataset.whole.manifest.days:,} days have room: "
        f"`zakar load {shlex.quote(location.shown(where))}{held_out} --days {days}{options}`"
    )


def offer_rows(findings: Findings, *, with_messages: bool) -> dict[str, str]:
    """Say what a server offers, by what it is."""
    offer, account = findings.offer, findings.offer.account
    rows = {
        "server": f"{offer.server}, nats-server {offer.version}, {'TLS' if offer.encrypted else 'no TLS'}",
        "round trip": f"{offer.link.round_trip * 1e3:,.2f} ms",
        "rate": _rate(findings.offer.link, with_messages=with_messages),
        "max_payload": mib(offer.max_payload),
        "JetStream": _jetstream(offer),
        **switches(findings),
    }
    if account is not None:
        rows["Memphis SDKs"] = _sdks(offer)
        rows["dedupe"] = _dedupe(offer)
        rows["storage"] = (
            f"{mib(account.used)} used, {mib(account.committed)} reserved, of {_limit(account.max_bytes, mib)}; "
            f"a stream: {_limit(account.max_stream_bytes, mib)}"
            f"{', and it must have a size' if account.size_required else ''}"
        )
        rows["streams"] = f"{account.streams:,} of {_limit(account.max_streams, str)}"
    return rows


def switches(findings: Findings) -> dict[str, str]:
    """Say whether batch and compression are on, and if not, why."""
    offer = findings.offer
    why_no_batch = offer.slow or "the load would ask for an ack a message"
    if offer.account is None:
        why_no_batch = "there is no JetStream" if offer.jetstream is False else "what it needs is not there"
    over_tcp = "TCP is not compressed, a ws:// address of the server would be"
    if offer.memphis:
        over_tcp = "a Memphis broker is reached over TCP alone, which is not compressed"
    why_plain = "the server does not offer it" if offer.websocket else over_tcp
    return {
        "batch": _batch(findings, why_no_batch),
        "compression": "on" if offer.compressed else f"off: {why_plain}",
    }


def _batch(findings: Findings, why_not: str) -> str:
    if findings.offer.jetstream is None:
        return "unknown: JetStream could not be asked"
    return "on, fast ingest" if findings.batch else f"off: {why_not}"


def _jetstream(offer: Offer) -> str:
    if offer.jetstream is None:
        return "unknown: it could not be asked"
    domain = offer.account.domain if offer.account is not None else ""
    return f"yes{', domain ' + domain if domain else ''}" if offer.jetstream else "no"


def _dedupe(offer: Offer) -> str:
    if offer.dedupe_header is None:
        return (
            "a Memphis broker goes by the header msg-id; `zakar broker --memphis` ignores it, and goes by Nats-Msg-Id"
        )
    return f"by the header {offer.dedupe_header}; that of Memphis's SDKs, msg-id, is ignored"


def _sdks(offer: Offer) -> str:
    if offer.header_bytes:
        return (
            f"served here; each message carries the headers that they read, {offer.header_bytes} bytes. memphis-py 1.0 "
            "too, on stations of one partition; its lines `ping exception raised ... stream not found` mean nothing"
        )
    return "not served here, as far as this user may ask; `zakar broker --memphis` serves them"


def _rate(link: Link, *, with_messages: bool) -> str:
    if link.rate is None:
        return "not measured"
    messages = f", {link.messages:,.0f} messages/s" if with_messages else ""
    return f"{link.rate / 1e6:,.1f} MB/s{messages}, before the server stores anything"


def _size(size: int) -> str:
    return mib(size) if size > 0 else "no size"


def _limit(value: int | None, show: Callable[[int], str]) -> str:
    return "no limit" if value is None else show(value)
