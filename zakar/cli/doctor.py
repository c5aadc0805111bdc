"""`zakar doctor`, and what `zakar load --dry-run` says: what a server offers, what a dataset needs, what lacks."""

import shlex
from collections import Counter
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console

from zakar import location
from zakar.broker.access import Access
from zakar.broker.account import Account
from zakar.broker.link import Link
from zakar.broker.memphis import messages
from zakar.cli import common
from zakar.cli.access import connects
from zakar.cli.common import Json, answer_lines, first_days, meter, run
from zakar.cli.printing import give, tell
from zakar.dataset import store
from zakar.dataset.layout import Split
from zakar.dataset.store import Dataset
from zakar.errors import ConfigError, MismatchError, ServerError
from zakar.loader.doctor import Findings, Offer, examine
from zakar.loader.load import choose
from zakar.loader.options import LoadOptions
from zakar.loader.plan import Action, StreamPlan, mib, no_storage
from zakar.progress import counted
from zakar.stopping import until_stopped

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


@connects
def doctor_command(
    who: Access,
    where: Annotated[
        str | None, typer.Argument(metavar="[DIR]", help="A dataset, to see whether a load of it would fit.")
    ] = None,
    which: common.Which = Split.TRAIN,
    with_alerts: common.WithAlerts = False,
    days: common.Days = None,
    json: Json = False,
) -> None:
    """Say what a server offers, whether a dataset fits, what is missing, and the fix.

    Without DIR, whether the dataset's stations that are there can be read. Measures the link for about a second, with
    messages that go to no station. Nothing is created or changed.

    Example: `zakar doctor data/classic --server nats://127.0.0.1:4222`
    """
    of_a_dataset = {"--split holdout": which is Split.HOLDOUT, "--with-alerts": with_alerts, "--days": days is not None}
    given = ", ".join(option for option, is_given in of_a_dataset.items() if is_given)
    if where is None and given:
        raise ConfigError(f"{given}: of a dataset; give DIR, the dataset that is to be loaded, too")
    dataset = first_days(where, which, days) if where is not None else None
    tables = choose(dataset, None, answers=with_alerts) if dataset is not None else ()
    findings = _examined(who, dataset, LoadOptions(tables), "zakar doctor")
    plan, missing = findings.plan, lacking(findings, dataset, where)
    readable = not (findings.unreadable or (plan is not None and plan.afterwards))
    if json:
        give(
            {
                "ok": not findings.offer.lacks and (plan is None or plan.ok) and readable,
                **_offer(findings, dataset),
                **load_report(findings),
                "missing": missing,
                "notes": notes(findings),
            }
        )
    else:
        _show_offer(findings, dataset)
        show_preview(findings, dataset, missing)
    refuse(findings, where)
    if findings.unreadable:
        raise MismatchError(f"{who.shown}: stations cannot be read; what is missing, and the fix, is said above")
    if plan is not None and plan.afterwards:
        raise MismatchError(
            f"{location.shown(where or '')}: can be loaded, but what is missing for the rest is said above"
        )


def rehearse(
    where: str,
    dataset: Dataset,
    who: Access,
    options: LoadOptions,
    *,
    json: bool,
) -> None:
    """Say what a load would do with each station, and raise what would keep it from being done."""
    findings = _examined(who, dataset, options, "zakar load --dry-run")
    missing = lacking(findings, dataset, where, options.words)
    if json:
        ok = findings.plan is not None and findings.plan.ok
        head = {"dry_run": True, "ok": ok, "server": findings.offer.server, **_switches(findings)}
        give({**head, **load_report(findings), "missing": missing, "notes": notes(findings)})
    else:
        _show(_switched(findings))
        show_preview(findings, dataset, missing)
        if findings.plan is not None and findings.plan.ok:
            tell("nothing was created, changed or sent to a station")
    refuse(findings, where)


def _examined(who: Access, dataset: Dataset | None, options: LoadOptions, name: str) -> Findings:
    """Examine with a progress meter, for a dataset may have to be read whole."""
    with meter("reading rows") as show:
        watched = None if dataset is None else store.watched(dataset, counted(show, None))
        return run(lambda stop: until_stopped(examine(who, watched, options, name), stop))


def refuse(findings: Findings, where: str | None) -> None:
    """Raise what keeps a load from being done: ServerError without JetStream, MismatchError if it does not fit."""
    if findings.offer.lacks:
        raise ServerError(f"{findings.offer.server}: {findings.offer.lacks}")
    plan = findings.plan
    if plan is not None and not plan.ok:
        shown = location.shown(where or "")
        raise MismatchError(f"{shown}: cannot be loaded; what is missing, and the fix, is said above")


def lacking(findings: Findings, dataset: Dataset | None, where: str | None, options: str = "") -> list[str]:
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


def show_preview(findings: Findings, dataset: Dataset | None, missing: list[str]) -> None:
    """Print what a load would do, what it leaves out, and what is missing."""
    console = Console(soft_wrap=True)
    plan = findings.plan
    if plan is not None:
        width = max(map(len, plan.stations))
        for name, o in plan.stations.items():
            console.print(f"{name:{width}}  {_line(o)}", markup=False, highlight=False)
        left = "no limit to what is left" if plan.left is None else f"{mib(plan.left)} left"
        console.print(f"storage: {mib(plan.needs)} needed, {left} in the account", highlight=False)
        if findings.seconds is not None and plan.sends:
            estimate = "an estimate from the link and what servers were seen to store"
            took = max(1, round(findings.seconds))
            console.print(f"time: about {took:,} s for {plan.sends:,} messages, {estimate}", highlight=False)
    for line in answer_lines(dataset, findings.left_out) if dataset is not None else ():
        console.print(line, markup=False, highlight=False)
    for line in notes(findings):
        console.print(f"note: {line}", markup=False, highlight=False)
    for line in missing:
        console.print(f"missing: {line}", markup=False, highlight=False)


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


def _show_offer(findings: Findings, dataset: Dataset | None) -> None:
    offer, account = findings.offer, findings.offer.account
    rows = {
        "server": f"{offer.server}, nats-server {offer.version}, {'TLS' if offer.encrypted else 'no TLS'}",
        "round trip": f"{offer.link.round_trip * 1e3:,.2f} ms",
        "rate": _rate(findings.offer.link, with_messages=dataset is not None),
        "max_payload": mib(offer.max_payload),
        "JetStream": _jetstream(offer),
        **_switched(findings),
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
    _show(rows)


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


def _show(rows: dict[str, str]) -> None:
    console = Console(soft_wrap=True)
    for name, text in rows.items():
        console.print(f"{name:12} {text}", markup=False, highlight=False)


def _switches(findings: Findings) -> dict[str, bool]:
    return {"batch": findings.batch, "compression": findings.offer.compressed}


def _switched(findings: Findings) -> dict[str, str]:
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


def _rate(link: Link, *, with_messages: bool) -> str:
    if link.rate is None:
        return "not measured"
    messages = f", {link.messages:,.0f} messages/s" if with_messages else ""
    return f"{link.rate / 1e6:,.1f} MB/s{messages}, before the server stores anything"


def _offer(findings: Findings, dataset: Dataset | None) -> dict[str, Any]:
    offer = findings.offer
    return {
        "server": offer.server,
        "version": offer.version,
        "tls": offer.encrypted,
        "round_trip_seconds": offer.link.round_trip,
        "bytes_per_second": offer.link.rate,
        "messages_per_second": offer.link.messages if dataset is not None else None,
        "max_payload": offer.max_payload,
        "jetstream": offer.jetstream,
        "fast_ingest": offer.fast_ingest,
        "dedupe_header": offer.dedupe_header,
        "memphis_sdks": offer.header_bytes > 0,
        **_switches(findings),
        "account": None if offer.account is None else _account(offer.account),
    }


def _account(account: Account) -> dict[str, Any]:
    return {**msgspec.to_builtins(account), "left": account.left}


def load_report(findings: Findings) -> dict[str, Any]:
    """Return the keys that say what a load would do, none without a dataset."""
    plan = findings.plan
    if plan is None:
        return {}
    stations = {name: {**msgspec.to_builtins(o), "sends": o.sends} for name, o in plan.stations.items()}
    return {
        "stations": stations,
        "sends": plan.sends,
        "needs": plan.needs,
        "left": plan.left,
        "seconds": findings.seconds,
        "days_that_fit": findings.days_that_fit,
        "left_out": common.messages(findings.left_out),
        "readable": not plan.afterwards,
    }


def _size(size: int) -> str:
    return mib(size) if size > 0 else "no size"


def _limit(value: int | None, show: Any) -> str:
    return "no limit" if value is None else show(value)
