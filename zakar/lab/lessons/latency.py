"""Lesson 1: whoever waits for each ack sends one message in a round trip, however fast everything else is."""

from collections.abc import Sequence

from zakar.broker.station import stream_name
from zakar.lab import own, sdk, theory
from zakar.lab.bench import Bench
from zakar.lab.lesson import Claim, Curve, Graph, Lesson, Point
from zakar.lab.link import Direction, Settings, running

SDK, OWN = "Memphis SDK, blocking", "zakar, one in flight"
_SIZE = 100  # bytes, about a reading
_ROUND_TRIPS, _QUICK = (0.010, 0.020, 0.033, 0.050, 0.100, 0.150, 0.250), (0.010, 0.033, 0.250)
_SECONDS, _QUICK_SECONDS = 1.5, 0.6  # of a measurement, about
_LEAST = 5  # messages
_LOOPBACK_MESSAGES = 1_000
_CLOSE = 0.10


def lesson(bench: Bench) -> Lesson:
    """Send with one message in flight, over ever longer links."""
    bare = _measured(bench, bench.url, _LOOPBACK_MESSAGES, "bare loopback")
    far = [point for link in _links(bench) for point in _over(bench, link, bare)]
    return concluded({series: Point(series, 0.0, rates) for series, rates in bare.items()}, far)


def concluded(bare: dict[str, Point], far: Sequence[Point]) -> Lesson:
    """Return the lesson that the measurements teach: those without a link, by series, and those over links."""
    ten_thousand = 10_000 / bare[SDK].median
    return Lesson(
        number=1,
        name="latency",
        title="Do not underestimate latency",
        question="How many messages a second does a producer send that waits for each acknowledgement?",
        prediction=(
            "One a round trip: N messages take N times the round trip, which is the link's and the time that the "
            f"broker itself takes.{_prediction(far)}"
        ),
        seen=_seen(bare, far),
        graphs=(
            Graph(
                title="One message in flight, over ever longer round trips",
                x_label="the link's round trip, ms",
                y_label="messages a second",
                points=tuple(far),
                curves=(_curve([point.x for point in far]),) if far else (),
                claims=(Claim("the article of 2023, against its cloud", 30.0),),
                x_log=True,
                y_log=True,
            ),
        ),
        unseen=tuple(text for point in far if (text := _unseen(point))),
        article=(
            "Against the home network 11,000 messages a second were seen, against the cloud 30. Its worked figures: "
            "10,000 messages one after the other take 1 s where the round trip is 0.1 ms, and 100 s where it is 10 ms."
        ),
        further=(
            f"Without a link, 10,000 messages take the SDK {ten_thousand:.1f} s here. How long do they take at 250 ms?",
            "How long is the round trip to your own cloud? `zakar doctor --server URL` says it.",
        ),
    )


def _prediction(far: Sequence[Point]) -> str:
    """Say what that makes of the round trips that were measured."""
    trips = sorted({point.x for point in far})
    if not trips:
        return ""
    rates = ", ".join(f"{theory.blocking(trip / 1e3):,.3g}" for trip in trips)
    return f" At {', '.join(f'{trip:g}' for trip in trips)} ms that makes {rates} a second."


def _links(bench: Bench) -> list[Settings]:
    """Return the links to measure over: the one asked for, or round trips whose rate is no limit."""
    if bench.link is not None:
        return [bench.link.settings] if bench.link.settings else []
    ways = [Direction(round_trip / 2) for round_trip in (_QUICK if bench.quick else _ROUND_TRIPS)]
    return [Settings(way, way) for way in ways]


def _over(bench: Bench, settings: Settings, bare: dict[str, tuple[float, ...]]) -> list[Point]:
    """Measure both producers over a link."""
    round_trip = settings.round_trip
    messages = max(_LEAST, round((_QUICK_SECONDS if bench.quick else _SECONDS) / max(round_trip, 1e-3)))
    with running(bench.url, settings) as link:
        found = _measured(bench, link.url(), messages, f"a round trip of {round_trip * 1e3:g} ms")
    answering = {series: Point(series, 0.0, rates).median for series, rates in bare.items()}
    return [
        Point(series, round_trip * 1e3, rates, theory.blocking(round_trip + 1 / answering[series]))
        for series, rates in found.items()
    ]


def _measured(bench: Bench, url: str, messages: int, where: str) -> dict[str, tuple[float, ...]]:
    """Return the rates of both producers, one in flight."""
    bench.tell(f"latency: {messages:,} messages, {bench.rounds} times, over {where}")
    with bench.station() as place:
        by_sdk = bench.call(sdk.produce, url, place, messages, _SIZE, bench.rounds, {})
    with bench.station() as place:
        by_own = bench.call(own.produce, url, stream_name(place), messages, _SIZE, bench.rounds, 1)
    return {SDK: tuple(run.rate for run in by_sdk), OWN: tuple(run.rate for run in by_own)}


def _curve(milliseconds: Sequence[float]) -> Curve:
    xs = tuple(sorted(set(milliseconds)))
    return Curve("1 / round trip", xs, tuple(theory.blocking(x / 1_000) for x in xs))


def _seen(bare: dict[str, Point], far: Sequence[Point]) -> str:
    fast = f"Without a link, the program that waits sends {bare[SDK].median:,.0f} messages a second"
    if not far:
        return f"{fast}. No link was asked for, so nothing more was measured."
    longest = max((point for point in far if point.series == SDK), key=lambda point: point.x)
    worst = max(far, key=lambda point: abs((point.ratio or 1) - 1))
    off = abs((worst.ratio or 1) - 1)
    return (
        f"{fast}, over a round trip of {longest.x:g} ms {longest.median:,.1f}. Of what one message a round trip makes, "
        f"the measurements are off by {off:.1%} at most ({worst.series} at {worst.x:g} ms)."
    )


def _unseen(point: Point) -> str:
    """Say that something else than the link decided over one, if it did, with how much it was."""
    if point.ratio is None or point.expected is None or abs(point.ratio - 1) <= _CLOSE:
        return ""
    apart = 1e3 * (1 / point.median - 1 / point.expected)
    return (
        f"What a round trip of {point.x:g} ms alone does ({point.series}): each message took {abs(apart):.1f} ms "
        f"{'more' if apart > 0 else 'less'} than that and the time without a link, and the repetitions went from "
        f"{min(point.values):,.1f} to {max(point.values):,.1f} a second. If these lie close together, it is no chance: "
        "the emulated link itself takes a little, which counts where the round trip is short."
    )
