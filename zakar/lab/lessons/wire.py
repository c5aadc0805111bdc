"""Lesson 7: on a slow uplink what counts is bytes, and most of a small message's bytes are not the message."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from zakar.broker.station import stream_name, subject
from zakar.lab import own, preset, samples, sdk, tape, theory
from zakar.lab.bench import Bench
from zakar.lab.lesson import Curve, Graph, Lesson, Point, Table
from zakar.lab.preset import Preset
from zakar.lab.sent import Sent

SDK, EACH, BATCH, SQUEEZED = "Memphis SDK", "zakar, an ack each", "zakar, fast ingest", "zakar, fast ingest, compressed"
WAYS = (SDK, EACH, BATCH, SQUEEZED)
LINK = "slow-dsl"
_LIMIT = 500  # in flight, of the SDK
_COUNTED, _SQUEEZED = 1_000, 12_000  # messages; compressed ones by whole pieces
_SECONDS, _QUICK_SECONDS = 2.5, 1.2  # of a measurement, about
_LEAST, _MOST = 50, 200_000  # messages of one
_CLOSE = 0.15


@dataclass(frozen=True)
class Wire:
    """What messages of one kind are on the wire in one way, in bytes a message.

    ``parts``: by what they are for; empty where they cannot be told apart. ``up``: all of them; ``down``: of acks,
    None where nobody counted. ``payload``: of the message itself.
    """

    kind: str
    way: str
    payload: float
    up: float
    down: float | None
    parts: Mapping[str, float]


@dataclass(frozen=True)
class Rate:
    """What went over a link: ``rates``, one a repetition, and the ``bytes`` that a message had there."""

    kind: str
    way: str
    rates: tuple[float, ...]
    bytes: float
    expected: float | None


def lesson(bench: Bench) -> Lesson:
    """Count what a message is on the wire, then send messages over a slow link."""
    link = bench.link or preset.read(LINK)
    bench.tell("bytes: a small dataset is simulated")
    messages = samples.messages()
    wires = [_counted(bench, kind, way, payloads) for kind, payloads in messages.items() for way in WAYS]
    over = [
        _sent(bench, link, wire, messages[wire.kind]) for wire in wires if not bench.quick or wire.kind == "readings"
    ]
    return concluded(link.name, link.settings.up.rate if link.settings else math.inf, wires, over)


def _counted(bench: Bench, kind: str, way: str, payloads: Sequence[bytes]) -> Wire:
    """Count the bytes of a message of a kind, without any link."""
    messages = _SQUEEZED if way == SQUEEZED else _COUNTED
    bench.tell(f"bytes: {messages:,} {kind} are counted, {way}")
    payload = statistics.fmean(map(len, payloads))
    if way == SQUEEZED:
        with bench.station() as place:
            (sent,) = _carried(bench, bench.websocket_url, place, way, payloads, messages, 1)
        return Wire(kind, way, payload, sent.wire_bytes / messages, None, {})
    with bench.station() as place, tape.recording(bench.url) as recorded:
        _carried(bench, recorded.url, place, way, payloads, messages, 1)
        frames = tape.to(recorded.up, [subject(stream_name(place))])
        acks = [frame for frame in tape.to(recorded.down, ["_INBOX."]) if b'"seq":' in frame.payload]
    parts = {part: statistics.fmean(frame.parts[part] for frame in frames) for part in frames[0].parts}
    # Those of exactly what was sent: the first messages are not of the average size of all.
    return Wire(kind, way, parts["payload"], sum(parts.values()), sum(a.size for a in acks) / len(frames), parts)


def _sent(bench: Bench, link: Preset, wire: Wire, payloads: Sequence[bytes]) -> Rate:
    """Send for some seconds over a link."""
    url = bench.websocket_url if wire.way == SQUEEZED else bench.url
    up = link.settings.up.rate if link.settings else math.inf
    takes = theory.link_rate(up, wire.up)
    seconds = _QUICK_SECONDS if bench.quick else _SECONDS
    messages = max(_LEAST, min(_MOST, round(seconds * takes))) if math.isfinite(takes) else _SQUEEZED
    bench.tell(f"bytes: {messages:,} {wire.kind}, {bench.rounds} times over `{link.name}`, {wire.way}")
    with bench.station() as place, bench.across(link, url) as address:
        runs = _carried(bench, address, place, wire.way, payloads, messages, bench.rounds)
    trip = link.settings.round_trip if link.settings else 0.0
    expected = messages / theory.drain(messages, takes, trip) if math.isfinite(takes) else None
    size = sum(run.wire_bytes for run in runs) / sum(run.sent for run in runs)
    return Rate(wire.kind, wire.way, tuple(run.rate for run in runs), size, expected)


def _carried(
    bench: Bench, url: str, place: str, way: str, payloads: Sequence[bytes], messages: int, rounds: int
) -> list[Sent]:
    if way == SDK:
        options = {"nonblocking": True, "concurrent_task_limit": _LIMIT}
        return bench.call(sdk.carry, url, place, payloads, messages, rounds, options)
    return bench.call(own.carry, url, stream_name(place), payloads, messages, rounds, batch=way != EACH)


def concluded(link: str, bits: float, wires: Sequence[Wire], over: Sequence[Rate]) -> Lesson:
    """Return the lesson that counts and measurements teach; ``bits`` a second the link takes, infinite without one."""
    return Lesson(
        number=7,
        name="bytes",
        title="Count the bytes",
        question="How many bytes is a message on the wire, and what does a slow uplink make of it?",
        prediction=_prediction(link, bits, over),
        seen=_seen(link, wires, over),
        graphs=tuple(
            _graph(link, kind, {wire.way: wire.up for wire in _of(wires, kind)}, over)
            for kind in dict.fromkeys(rate.kind for rate in over)
        ),
        tables=(_sizes(wires), *(_anatomy(kind, wires) for kind in dict.fromkeys(wire.kind for wire in wires))),
        unseen=tuple(text for rate in over if (text := _short(link, rate, wires))),
        article="The article counts some 660 bytes for a payload of 512, headers and metadata, and leaves it at that.",
        further=(
            "TCP and IP put 40 to 52 bytes more before each packet, which holds several messages. What if it held one?",
            "A subject of 60 characters instead of 14: what does that make of the table?",
            "Why are posts compressed less well than readings?",
        ),
    )


def _prediction(link: str, bits: float, over: Sequence[Rate]) -> str:
    text = (
        "A full link takes its rate over the bytes of a message, headers and all: half the bytes, twice the messages."
    )
    if not math.isfinite(bits):
        return f"{text} `{link}` has no rate that could be full, so bytes should matter little there."
    rates = ", ".join(
        f"{rate.expected:,.0f} ({rate.way})" for rate in over if rate.kind == "readings" and rate.expected
    )
    return (
        f"{text} Of the readings that were sent over `{link}`, {bits / 1e6:g} Mbit/s take {rates} a second, by their "
        "bytes as they were counted and the round trip until the last ack."
    )


def _of(wires: Sequence[Wire], kind: str) -> list[Wire]:
    return [wire for wire in wires if wire.kind == kind]


def _seen(link: str, wires: Sequence[Wire], over: Sequence[Rate]) -> str:
    plain = {wire.way: wire for wire in _of(wires, "readings")}
    sizes = ", ".join(f"{wire.up:,.0f} ({way})" for way, wire in plain.items())
    rates = [rate for rate in over if rate.kind == "readings"]
    best, worst = (pick(rates, key=_median) for pick in (max, min))
    text = (
        f"A reading of {plain[SDK].payload:.0f} bytes is {sizes} on the wire. Over `{link}` the most went by "
        f"{best.way}, {_median(best):,.0f} a second, the fewest by {worst.way}, {_median(worst):,.0f}"
    )
    if not any(rate.expected for rate in rates):
        return f"{text}: with no link to fill, what decides is the work that each way makes."
    lighter = [_median(rate) for rate in sorted(rates, key=lambda rate: plain[rate.way].up)]
    if lighter == sorted(lighter, reverse=True):
        text += ": the fewer bytes, the more messages"
    else:
        text += (
            ": it was not bytes alone that decided" if lighter[0] == max(lighter) else ": it was not bytes that decided"
        )
    off = [(abs(_median(rate) / rate.expected - 1), rate) for rate in over if rate.expected]
    if not off:
        return f"{text}."
    worst_off, rate = max(off, key=lambda pair: pair[0])
    return f"{text}. Rate over bytes is off by {worst_off:.0%} at most ({rate.way}, {rate.kind})."


def _median(rate: Rate) -> float:
    return statistics.median(rate.rates)


def _short(link: str, rate: Rate, wires: Sequence[Wire]) -> str:
    """Say what kept a way from what its bytes allow, where it fell short."""
    if not rate.expected or _median(rate) >= (1 - _CLOSE) * rate.expected:
        return ""
    (counted,) = (wire.up for wire in wires if (wire.kind, wire.way) == (rate.kind, rate.way))
    text = f"{rate.way}, {rate.kind}, did not fill `{link}`: {_median(rate):,.0f} of {rate.expected:,.0f} a second"
    if rate.bytes > (1 + _CLOSE) * counted:
        text += f"; a message had {rate.bytes:.1f} bytes there, not {counted:.1f}: less was compressed at a time"
    return f"{text}."


def _graph(link: str, kind: str, counted: Mapping[str, float], over: Sequence[Rate]) -> Graph:
    """Draw the rates of one kind by the bytes ``counted`` by way, those that theory goes by."""
    rates = sorted((rate for rate in over if rate.kind == kind), key=lambda rate: counted[rate.way])
    known = [(counted[rate.way], rate.expected) for rate in rates if rate.expected]
    curve = (
        Curve("the link's rate over bytes, and a round trip", *map(tuple, zip(*known, strict=True))) if known else None
    )
    return Graph(
        title=f"{kind.capitalize()} over `{link}`, by their bytes on the wire",
        x_label="bytes a message on the wire",
        y_label="messages a second",
        points=tuple(Point(rate.way, counted[rate.way], rate.rates, rate.expected) for rate in rates),
        curves=(curve,) if curve else (),
        x_log=True,
        y_log=True,
    )


def _sizes(wires: Sequence[Wire]) -> Table:
    return Table(
        title="Bytes a message on the wire",
        columns=("messages", "way", "payload", "up, all in all", "payload over all", "down, for acks"),
        rows=tuple(
            (
                wire.kind,
                wire.way,
                f"{wire.payload:.1f}",
                f"{wire.up:.1f}",
                f"{wire.payload / wire.up:.0%}",
                "not counted" if wire.down is None else f"{wire.down:.1f}",
            )
            for wire in wires
        ),
    )


def _anatomy(kind: str, wires: Sequence[Wire]) -> Table:
    told = [wire for wire in _of(wires, kind) if wire.parts]
    parts = list(told[0].parts)
    return Table(
        title=f"What the bytes of {kind} are for",
        columns=("part", *(wire.way for wire in told)),
        rows=tuple((part, *(f"{wire.parts[part]:.1f}" for wire in told)) for part in parts),
    )
