"""Who hears a subject: every stream, near or far, that would store what is published to it. Nothing is stored.

An empty message that expects a last sequence which no stream has is refused by every stream that it reaches, and the
refusal names the stream. A second one is only traced (ADR-41 of the NATS architecture; servers from 2.11 on): the
servers that it would pass say which streams, accounts and leaf nodes it reaches, with their domains; so it is clear
when all have said so. Where there is no tracing, answers are waited for until none comes any more.
"""

import asyncio
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import nats.errors

from zakar.broker.connection import DENIED, ApiError, Connection, Delivery

_EXPECTED, _NEVER = "Nats-Expected-Last-Sequence", str(2**63 - 1)  # the last sequence of no stream
_IMPOSSIBLE = f"{_EXPECTED}: {_NEVER}\r\n".encode()
_QUIET = 1.0  # seconds without another answer, where it is not known who is still to answer;
_TRIPS = 4  # as many round trips at least
_SPLIT = 300  # messages that ask where else a mapping leads, which may send each a way of its own
_TRACING = (2, 11)  # version of the first server that traces
_UNTRACED = "does not support"  # of an older server behind this one, in a trace's words
_ANSWER_SHOWN = 40  # characters
_MAPPED = re.compile(rb"^Nats-Subject:([^\r\n]*)\r?$", re.MULTILINE)  # what nobody hears, as mappings have it


@dataclass(frozen=True)
class Hearer:
    """A stream that hears a subject, or what else does. None or empty is what is not known.

    ``account``: another one, where something hears it by an import that may not be traced. ``answer``: what a program
    said that is no stream. ``nowhere``: the subject that a mapping leads to instead, where nothing listens; empty where
    it leads to none.
    """

    stream: str = ""
    domain: str | None = None
    server: str = ""
    account: str = ""
    answer: str = ""
    nowhere: str | None = None

    def __str__(self) -> str:
        """Return it as words of a sentence."""
        if self.nowhere is not None:
            return f"`{self.nowhere}`, where no stream listens" if self.nowhere else "nowhere"
        if self.answer:
            return f"a program that is no stream and answers {self.answer}"
        if self.account:
            return f"account {self.account}, which imports it and does not let see whether a stream stores it"
        where = [f"domain {self.domain}"] * bool(self.domain) + [f"server {self.server}"] * bool(self.server)
        at = f" ({', '.join(where)})" if where else ""
        return f"stream `{self.stream}`{at}"


@dataclass
class _Ear:
    """What has come so far for one subject: answers by number of the message, traces."""

    subject: str
    answers: dict[int, list[Delivery]] = field(default_factory=dict)
    traces: list[dict[str, Any]] = field(default_factory=list)
    traced: bool = True

    @property
    def whole(self) -> bool:
        """Whether all that can answer has. "Nobody at all" is the last word only where no trace is to come after it."""
        first = self.answers.get(0, [])
        if not self.traced:
            return any(delivery.headers for delivery in first)  # nobody at all
        return bool(self.traces) and trace_whole(self.traces) and len(first) >= len(traced(self.traces))

    @property
    def mapped(self) -> bool:
        """Whether a mapping may lead elsewhere the next time: one is on the way, or no trace would show it."""
        return not self.traces or is_mapped(self.traces)


async def who_hears(connection: Connection, subjects: Sequence[str]) -> list[list[Hearer]]:
    """Return for each subject who hears it, streams first. Nothing is stored anywhere.

    Raises ApiError if this user may not publish to one, and what lost connections raise.
    """
    inbox, loop = connection.short_inbox(), asyncio.get_running_loop()
    ears = [_Ear(subject, traced=_traces(connection)) for subject in subjects]
    arrived = asyncio.Event()

    def take(chunk: list[Delivery]) -> None:
        for delivery in chunk:
            place, _, number = delivery.subject.rpartition(b".")
            ear = ears[int(place.rpartition(b".")[2])]
            if number == b"t":
                ear.traces.append(msgspec.json.decode(delivery.payload))
            else:
                ear.answers.setdefault(int(number), []).append(delivery)
        arrived.set()

    async def hear() -> None:
        began = loop.time()
        await connection.flush()  # refusals of the right to publish have come then
        quiet = max(_QUIET, _TRIPS * (loop.time() - began))
        for place, ear in enumerate(ears):
            if denied := connection.denial(ear.subject) or connection.deaf:
                raise ApiError(DENIED, denied)
            if connection.denial(f"{inbox}.{place}.t"):
                ear.traced = False
        losses, until = connection.losses, loop.time() + quiet
        while not all(ear.whole for ear in ears) and loop.time() < until:
            arrived.clear()
            try:
                async with asyncio.timeout_at(until):
                    await arrived.wait()
            except TimeoutError:
                break
            until = loop.time() + quiet
        if connection.losses != losses:
            raise ConnectionError("the connection was lost")

    tap = await connection.tap(f"{inbox}.>", take)
    try:
        frames = [
            _frame(ear.subject, f"{inbox}.{place}.0")
            + _frame(ear.subject, "", f"Nats-Trace-Dest: {inbox}.{place}.t\r\nNats-Trace-Only: true\r\n")
            for place, ear in enumerate(ears)
        ]
        await connection.send(memoryview(b"".join(frames)))
        await hear()
        if split := [ear for ear in ears if ear.mapped]:
            frames = [
                _frame(ear.subject, f"{inbox}.{ears.index(ear)}.{number}")
                for ear in split
                for number in range(1, _SPLIT + 1)
            ]
            await connection.send(memoryview(b"".join(frames)))
            await connection.flush()
            await _answered(split, arrived)
    finally:
        await connection.untap(tap)
    return [read(ear.subject, [ear.answers[number] for number in sorted(ear.answers)], ear.traces) for ear in ears]


async def unheard(connection: Connection, subject: str) -> bool:
    """Return whether the server says that nobody hears a subject. Nothing is stored.

    Raises what lost connections raise.
    """
    try:
        await connection.request(subject, timeout=_QUIET, headers={_EXPECTED: _NEVER})
    except nats.errors.NoRespondersError:
        return True
    except nats.errors.TimeoutError:  # whoever hears it may say nothing
        return False
    return False


def _traces(connection: Connection) -> bool:
    """Whether the server that is connected to traces messages."""
    version = connection.connected_server_version
    return (version.major, version.minor) >= _TRACING


async def _answered(ears: Sequence[_Ear], arrived: asyncio.Event) -> None:
    """Wait until each of many messages has an answer, or none comes any more."""
    while not all(len(ear.answers) > _SPLIT for ear in ears):
        arrived.clear()
        try:
            async with asyncio.timeout(_QUIET):
                await arrived.wait()
        except TimeoutError:
            return


def _frame(subject: str, reply: str, further: str = "") -> bytes:
    header = b"NATS/1.0\r\n" + _IMPOSSIBLE + further.encode() + b"\r\n"
    words = f"{subject} {reply}" if reply else subject
    return f"HPUB {words} {len(header)} {len(header)}\r\n".encode() + header + b"\r\n"


def read(subject: str, answers: Sequence[Sequence[Delivery]], traces: Sequence[dict[str, Any]]) -> list[Hearer]:
    """Return who hears a subject, from the answers to each message that was sent to it, and the traces of one."""
    hearers = traced(traces)
    for delivered in answers:
        hearers_here = [answer for each in delivered if (answer := _said(subject, each)) is not None]
        counts = Counter(hearer.stream for hearer in hearers if hearer.stream)
        named = Counter(answer.stream for answer in hearers_here if answer.stream)
        hearers += [Hearer(name) for name, count in (named - counts).items() for _ in range(count)]
        hearers += [answer for answer in hearers_here if not answer.stream and answer not in hearers]
    return hearers + imports(traces)


def _said(subject: str, delivery: Delivery) -> Hearer | None:
    """Return who gave an answer; None where it says that nobody hears the subject, without a mapping on the way."""
    if delivery.headers and not delivery.payload:
        instead = _MAPPED.search(delivery.headers)
        where = instead[1].decode(errors="replace").strip() if instead else subject
        return None if where == subject else Hearer(nowhere=where)
    try:
        answer = msgspec.json.decode(delivery.payload, type=dict[str, Any])
        if answer.get("stream") and "error" in answer:
            return Hearer(str(answer["stream"]))
    except msgspec.DecodeError:
        pass
    return Hearer(answer=repr(delivery.payload[:_ANSWER_SHOWN].decode(errors="replace")))


def _events(traces: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [event for trace in traces for event in trace.get("events") or ()]


def traced(traces: Sequence[dict[str, Any]]) -> list[Hearer]:
    """Return the streams that traces name."""
    return [
        Hearer(event["stream"], trace["server"].get("domain", ""), trace["server"].get("name", ""))
        for trace in traces
        for event in trace.get("events") or ()
        if event["type"] == "js" and event.get("stream")
    ]


def imports(traces: Sequence[dict[str, Any]]) -> list[Hearer]:
    """Return the imports of other accounts by which a message goes to anything but a subscriber that a trace shows."""
    events = _events(traces)
    into = Counter(event.get("acc", "") for event in events if event["type"] == "se")
    shown = Counter(event["acc"] for event in events if event["type"] == "eg" and event.get("acc"))
    return [Hearer(account=account) for account in (into - shown).elements()]


def is_mapped(traces: Sequence[dict[str, Any]]) -> bool:
    """Whether a mapping of the account is on the way, which may lead elsewhere the next time."""
    return any(event["type"] == "sm" for event in _events(traces))


def _is_client(event: dict[str, Any]) -> bool:
    """Whether an event is a delivery to a program, which may answer."""
    return event["type"] == "eg" and event.get("kind") == 0 and not event.get("acc")


def trace_whole(traces: Sequence[dict[str, Any]]) -> bool:
    """Whether all servers that a message passes have said so, and nothing is left that cannot be traced."""
    hops = {
        str(hop) for trace in traces for hop in trace.get("request", {}).get("header", {}).get("Nats-Trace-Hop", ())
    }
    first = any("Nats-Trace-Hop" not in trace.get("request", {}).get("header", {}) for trace in traces)
    events = _events(traces)
    awaited = {str(event["hop"]) for event in events if "hop" in event and not event.get("error")}
    opaque = any(event["type"] == "si" or _is_client(event) or _UNTRACED in event.get("error", "") for event in events)
    return first and awaited <= hops and not opaque


def strangers(hearers: Sequence[Hearer], stream: str, domain: str, *, there: bool = True) -> list[Hearer]:
    """Return who hears a subject besides the one stream that is to, or is to once it is ``there``."""
    left = [h for h in hearers if h.nowhere is None or not h.nowhere.startswith(f"{stream}.")]
    ours = [h for known in (domain, None) for h in left if there and (h.stream, h.domain) == (stream, known)]
    if ours:
        left.remove(ours[0])
    streams = [hearer for hearer in left if not hearer.account]
    # A stream in another account, if a trace shows it, is reached by one of the imports.
    return streams + [hearer for hearer in left if hearer.account][sum(bool(h.stream) for h in streams) :]


def republished(subject: str, source: str, destination: str) -> str | None:
    """Return the subject under which a stream publishes again what it stores; None if it does not, or it is not clear.

    Source and destination are as in a stream's ``republish``.
    """
    words, taken = subject.split("."), []
    pattern = (source or ">").split(".")
    for place, word in enumerate(pattern):
        if word == ">":
            rest = words[place:]
            break
        if place >= len(words) or word not in ("*", words[place]):
            return None
        taken += [words[place]] if word == "*" else []
    else:
        rest = []
        if len(words) != len(pattern):
            return None
    made: list[str] = []
    for word in destination.split("."):
        if word == ">":
            made += rest
        elif match := re.fullmatch(r"\$([0-9]+)|\{\{\s*wildcard\(\s*([0-9]+)\s*\)\s*\}\}", word, re.IGNORECASE):
            number = int(match[1] or match[2])
            if not 0 < number <= len(taken):
                return None
            made.append(taken[number - 1])
        elif "{{" in word:
            return None
        else:
            made.append(word)
    return ".".join(made)
