"""Lesson 4: a limit on what is in flight keeps acks in time, if it suits the link; a window that learns suits any."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from zakar.broker.station import stream_name
from zakar.lab import own, sdk, theory
from zakar.lab.bench import Bench
from zakar.lab.lesson import Curve, Graph, Lesson, Point, Table
from zakar.lab.lessons.nonblocking import POLL
from zakar.lab.link import Direction, Settings
from zakar.lab.preset import Preset, crossing
from zakar.lab.sent import Sent, warming

SDK, OWN, AUTO = "Memphis SDK", "zakar", "zakar, its own window"
LIMITS = (1_000, 500, 250)  # the article's
_QUICK = {SDK: LIMITS, OWN: (1_000,)}
SLOW = Preset(
    "4-mbit",
    "4 Mbit/s up, 100 ms from the broker",
    Settings(up=Direction(0.050, rate=4e6), down=Direction(0.050, rate=8e6)),
)
_SIZE = 512  # bytes, as in the article's benchmark
DEADLINE = 1.0  # seconds for an ack
_SHORTENED = (
    f"The deadline is {DEADLINE:g} s in this lesson, for the SDK and for zakar. The SDK's own is {sdk.ACK_SECONDS:g} "
    f"s: the same happens to it on a link {sdk.ACK_SECONDS / DEADLINE:g} times as slow."
)
_MESSAGES, _QUICK_MESSAGES, _QUICK_ROUNDS = 2_000, 1_600, 2
_WIDE = 0.1  # this near to the deadline nobody predicts anything

Runs = Sequence[Sent]


@dataclass(frozen=True)
class Road:
    """What a limit meets: a link's ``name`` and ``round_trip``, and in messages a second what it takes of each.

    ``link`` is by producer, whose messages differ in size; the SDK by itself sends ``sender``.
    """

    name: str
    round_trip: float
    link: Mapping[str, float]
    sender: float

    def longest(self, who: str, limit: int) -> float:
        """Return how long the last ack of a full window takes, in seconds."""
        if who == SDK and self.sender <= self.link[who]:
            return self.round_trip  # the link's queue stays empty
        return theory.drain(limit, self.link[who], self.round_trip)

    def rate(self, who: str, limit: int) -> float | None:
        """Return the rate that theory expects where nothing times out, None where something does."""
        if self.longest(who, limit) > (1 - _WIDE) * DEADLINE:
            return None
        if who == SDK:
            return min(theory.polled(limit, self.round_trip, POLL, self.sender), self.link[who])
        if math.isinf(self.link[who]):
            return None  # the server limits, and nobody has measured it
        return theory.halved(limit, self.round_trip, self.link[who], self.link[who])


def lesson(bench: Bench) -> Lesson:
    """Send with the article's limits and with none that anybody had to choose."""
    preset = bench.link or SLOW
    road = _road(bench, preset)
    with crossing(bench.url, preset) as url:
        found = {
            (who, limit): _runs(bench, url, who, limit)
            for who, limits in (_QUICK if bench.quick else dict.fromkeys((SDK, OWN), LIMITS)).items()
            for limit in limits
        }
        auto = _runs(bench, url, AUTO, None)
    return concluded(road, found, auto)


def concluded(road: Road, found: Mapping[tuple[str, int], Runs], auto: Runs) -> Lesson:
    """Return the lesson that the runs teach: those with a limit, by producer and limit, and zakar's without."""
    return Lesson(
        number=4,
        name="limits",
        title="Limit what is in flight",
        question="How many messages may be in flight, so that the link is full and no ack is late?",
        prediction=_prediction(road),
        seen=_seen(found, auto),
        graphs=(
            _graph("Throughput", "messages a second", road, found, auto, lambda run: run.rate, road.rate),
            _graph("Ack times, 99 of 100", "seconds", road, found, auto, lambda run: run.ack(99), _in_time(road)),
        ),
        tables=(_table(road, found, auto),),
        unseen=_unseen(road, found),
        article=(
            "Once a limit is reached, the SDK waits until half of it is acknowledged. With a limit of 1,000 some "
            "participants still saw time-outs; with 500 or 250 all could load everything. Presumably, it says, they "
            f"were even further away. {_of_distance(road)}"
        ),
        further=(
            "Which limit is small enough with `--link slow-dsl`, and which is large enough with `--link continent`?",
            "A message of the SDK that timed out leaves its place, but still waits on the link. What of the next ones?",
        ),
    )


def _road(bench: Bench, preset: Preset) -> Road:
    """Measure, without a link, the bytes of a message of each, and how fast the SDK is by itself."""
    bench.tell("limits: how many bytes each makes of a message, and how fast the SDK is without a link")
    with bench.station() as place:
        by_sdk = bench.call(sdk.flood, bench.url, place, 2_000, _SIZE, sdk.ACK_SECONDS)
    with bench.station() as place:
        (by_own,) = bench.call(own.produce, bench.url, stream_name(place), 2_000, _SIZE, 1)
    bits, trip = (preset.settings.up.rate, preset.settings.round_trip) if preset.settings else (math.inf, 0.0)
    link = {who: theory.link_rate(bits, sent.wire_bytes / sent.sent) for who, sent in ((SDK, by_sdk), (OWN, by_own))}
    return Road(preset.name, trip, link, by_sdk.rate)


def _runs(bench: Bench, url: str, who: str, limit: int | None) -> list[Sent]:
    messages, rounds = (_QUICK_MESSAGES, _QUICK_ROUNDS) if bench.quick else (_MESSAGES, bench.rounds)
    bench.tell(f"limits: {_named(who, limit)}: {messages:,} messages, {rounds} times")
    if who == SDK:
        return [_by_sdk(bench, url, messages, limit) for _ in range(rounds)]
    with bench.station() as place:
        stream = stream_name(place)
        return bench.call(own.produce, url, stream, messages, _SIZE, rounds, limit, ack_timeout=DEADLINE)


def _by_sdk(bench: Bench, url: str, messages: int, limit: int | None) -> Sent:
    """Measure once, and wait until the link is empty: what timed out would delay the next measurement."""
    options = {"nonblocking": True, "concurrent_task_limit": limit}
    with bench.station() as place:
        (sent,) = bench.call(sdk.produce, url, place, messages, _SIZE, 1, options, DEADLINE)
        bench.settled(place, messages + warming(messages))
    return sent


def _named(who: str, limit: int | None) -> str:
    return who if limit is None else f"{who}, limit {limit:,}"


def _prediction(road: Road) -> str:
    full = "The last of a full window waits for all before it: limit / what the link takes + round trip."
    waits = ", ".join(f"{road.longest(SDK, limit):.2f} s with {limit:,}" for limit in LIMITS)
    late = [f"{limit:,}" for limit in LIMITS if road.longest(SDK, limit) > DEADLINE]
    which = f"so {' and '.join(late)} {'is' if len(late) == 1 else 'are'} too many" if late else "so none is too many"
    return f"{full} Over `{road.name}` the SDK's wait {waits}; an ack is due in {DEADLINE:g} s, {which}. {_SHORTENED}"


def _of_distance(road: Road) -> str:
    """Say how much of the longest wait is distance, and how much the link's rate."""
    most = max(LIMITS)
    return (
        f"Distance adds one round trip to each wait, here {road.round_trip:.2f} of the {road.longest(SDK, most):.2f} s "
        f"with {most:,}, whatever the limit; the rest is the link's rate. No distance on Earth makes "
        f"{sdk.ACK_SECONDS:g} s, a slow uplink does."
    )


def _seen(found: Mapping[tuple[str, int], Runs], auto: Runs) -> str:
    late = {limit: _late(runs) for (who, limit), runs in found.items() if who == SDK}
    some = [f"{share:.0%} with a limit of {limit:,}" for limit, share in sorted(late.items(), reverse=True) if share]
    timed_out = f"Of the SDK's messages {', '.join(some)} timed out" if some else "No message of the SDK timed out"
    none = [f"{limit:,}" for limit, share in sorted(late.items(), reverse=True) if not share]
    rest = f", none with {' or '.join(none)}" if some and none else ""
    best = max(_rate(runs) for runs in found.values())
    compared = f"{_rate(auto) / best:.0%} of the best throughput with a limit" if best else "all that came through"
    own_late = f"{_late(auto):.0%}" if _late(auto) else "none"
    return (
        f"{timed_out}{rest}. Of zakar's, with a window that nobody chose, {own_late} did; it had 99 of 100 acks "
        f"within {_ack(auto, 99):.2f} s, and {compared}."
    )


def _graph(
    title: str,
    label: str,
    road: Road,
    found: Mapping[tuple[str, int], Runs],
    auto: Runs,
    figure: Callable[[Sent], float],
    expected: Callable[[str, int], float | None],
) -> Graph:
    points = [
        Point(who, float(limit), tuple(figure(run) for run in runs), expected(who, limit))
        for (who, limit), runs in found.items()
        if all(run.acks for run in runs)
    ]
    in_flight = theory.in_flight(_rate(auto), _ack(auto, 50))
    beside = Point(AUTO, in_flight, tuple(figure(run) for run in auto))
    xs = sorted({*(float(limit) for limit in LIMITS), in_flight})
    curves = (_in_curve(road, xs), Curve("deadline", tuple(xs), (DEADLINE,) * len(xs)))
    link = Curve("what the link takes of the SDK", tuple(xs), (min(road.link[SDK], road.sender),) * len(xs))
    return Graph(
        title=title,
        x_label="limit, or messages in flight",
        y_label=label,
        points=(*points, beside),
        curves=curves if label == "seconds" else (link,),
        x_log=True,
    )


def _in_curve(road: Road, xs: Sequence[float]) -> Curve:
    return Curve("the last of a full window", tuple(xs), tuple(road.longest(SDK, round(x)) for x in xs))


def _in_time(road: Road) -> Callable[[str, int], float | None]:
    """Return what says how long the last ack of a full window takes, where it is in time."""

    def longest(who: str, limit: int) -> float | None:
        seconds = road.longest(who, limit)
        return seconds if seconds <= (1 - _WIDE) * DEADLINE else None

    return longest


def _table(road: Road, found: Mapping[tuple[str, int], Runs], auto: Runs) -> Table:
    columns = ("who", "last ack by theory, s", "messages a second", "p50, s", "p99, s", "timed out")
    rows = [
        (_named(who, limit), f"{road.longest(who, limit):.2f}", *_figures(runs)) for (who, limit), runs in found.items()
    ]
    return Table(f"Limits over {road.name}, deadline {DEADLINE:g} s", columns, (*rows, (AUTO, "", *_figures(auto))))


def _figures(runs: Runs) -> tuple[str, ...]:
    return f"{_rate(runs):,.0f}", f"{_ack(runs, 50):.2f}", f"{_ack(runs, 99):.2f}", f"{_late(runs):.1%}"


def _unseen(road: Road, found: Mapping[tuple[str, int], Runs]) -> tuple[str, ...]:
    said = []
    if not any(_late(runs) for runs in found.values()):
        said.append(
            f"A limit that is too large: over `{road.name}` the last of {max(LIMITS):,} waits "
            f"{road.longest(SDK, max(LIMITS)):.2f} s, and an ack is due in {DEADLINE:g} s."
        )
    if road.sender <= road.link[SDK] < math.inf:
        said.append(
            f"What a limit does to this link's queue: by itself the SDK sends {road.sender:,.0f} messages a second "
            f"here, and the link takes {road.link[SDK]:,.0f}."
        )
    return tuple(said)


def _rate(runs: Runs) -> float:
    return _median([run.rate for run in runs])


def _ack(runs: Runs, share: int) -> float:
    return _median([run.ack(share) for run in runs if run.acks] or [0.0])


def _late(runs: Runs) -> float:
    """Return which share of messages timed out, over all repetitions."""
    return sum(run.late for run in runs) / sum(run.sent for run in runs)


def _median(values: Sequence[float]) -> float:
    return Point("", 0.0, tuple(values)).median
