"""Lesson 2: with more than one message in flight the link is filled, and no window makes it carry more."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from zakar.broker.station import stream_name
from zakar.lab import own, sdk, theory
from zakar.lab.bench import Bench
from zakar.lab.lesson import Claim, Curve, Graph, Lesson, Point, Table
from zakar.lab.link import Direction, Settings
from zakar.lab.preset import Preset, crossing
from zakar.lab.sent import Sent

SLIDING, HALVED = "one more for each ack", "zakar drained to half"
SDK, AUTO = "the Memphis SDK", "zakar, its own window"
POLL = 0.1  # seconds between two looks of the SDK at what has drained

FAR = Preset(
    "60-ms",
    "a broker 60 ms away, 20 Mbit/s up",
    Settings(up=Direction(0.030, rate=20e6), down=Direction(0.030, rate=100e6)),
)
_SIZE = 100  # bytes, about a reading
_WINDOWS = {
    SLIDING: (1, 4, 16, 64, 256, 512, 1_024, 2_048, 8_192),
    HALVED: (16, 256, 1_024, 2_048, 8_192),
    SDK: (16, 64, 256, 1_000, 4_000),
}
_QUICK = {SLIDING: (1, 16, 256, 2_048, 8_192), HALVED: (256, 2_048), SDK: (256, 1_000)}
_LOOPBACK = 5_000  # in flight, where the server's own limit is measured
_SECONDS, _QUICK_SECONDS = 1.5, 0.6  # of a measurement, about,
_TRIPS, _QUICK_TRIPS = 20, 12  # and so many round trips, since the first one of a run brings nothing
_CLOSE = 0.15

Rates = Mapping[int, tuple[float, ...]]


@dataclass(frozen=True)
class Limits:
    """What was known before a window was tried: of the link, and of the machine on bare loopback.

    ``round_trip`` seconds, the link's and the bare one; ``bits`` a second the link takes; ``piece`` bytes that it
    passes on at a time; ``wire`` bytes of a message; ``server`` and ``sender``: messages a second of the producers
    and the broker without a link, the sender being the SDK.
    """

    round_trip: float
    bits: float
    piece: float
    wire: float
    server: float
    sender: float

    @property
    def link(self) -> float:
        """Messages a second."""
        return theory.link_rate(self.bits, self.wire)

    @property
    def product(self) -> float:
        """The bandwidth-delay product, in messages."""
        return theory.in_flight(self.link, self.round_trip)

    @property
    def onto(self) -> float:
        """Seconds that a piece takes to get onto the link."""
        return theory.transmission(self.piece, self.bits)

    def loaded(self, window: int) -> float:
        """Return the round trip of what is sent at once: it must get onto the link as well."""
        return self.round_trip + theory.transmission(min(window * self.wire, self.piece), self.bits)

    def expected(self, series: str, window: int) -> float:
        """Return the rate that theory expects of a series; of a window drained to half, the least."""
        trip = self.loaded(window)
        if series == SDK:
            return min(theory.polled(window, trip, POLL, self.sender), self.link)
        of = theory.halved if series == HALVED else theory.windowed
        return of(window, trip, self.link, self.server)


def lesson(bench: Bench) -> Lesson:
    """Send with ever more messages in flight."""
    preset = bench.link or FAR
    limits = _limits(bench, preset.settings)
    with crossing(bench.url, preset) as url:
        found = {
            series: {window: _rates(bench, url, limits, series, window) for window in windows}
            for series, windows in (_QUICK if bench.quick else _WINDOWS).items()
        }
        auto = _auto(bench, url, limits)
    return concluded(limits, found, [run.rate for run in auto], [run.ack(50) for run in auto])


def concluded(limits: Limits, found: Mapping[str, Rates], auto: Sequence[float], acks: Sequence[float]) -> Lesson:
    """Return the lesson that the measurements teach: rates by series and window, and zakar's with their median acks."""
    points = [
        Point(series, float(window), rates, None if series == HALVED else limits.expected(series, window))
        for series, by_window in found.items()
        for window, rates in by_window.items()
    ]
    beside = Point(AUTO, theory.in_flight(_median(auto), _median(acks)), tuple(auto), min(limits.link, limits.server))
    return Lesson(
        number=2,
        name="nonblocking",
        title="Do not wait for each acknowledgement",
        question="How many messages a second arrive with so many in flight, and when do more in flight bring no more?",
        prediction=_prediction(limits),
        seen=_seen(limits, points, beside),
        graphs=(
            Graph(
                title="Throughput against messages in flight",
                x_label="messages in flight",
                y_label="messages a second",
                points=(*points, beside),
                curves=_curves(limits, [point.x for point in points]),
                claims=(
                    Claim("the article of 2023, blocking", 30.0, 1.0),
                    Claim("the article of 2023, non-blocking, without a limit", 22_000.0),
                ),
                x_log=True,
                y_log=True,
            ),
        ),
        tables=(_table(limits),),
        unseen=_unseen(limits),
        article=(
            "With C messages in flight N take N times the round trip / C. Against the cloud, not waiting made 22,000 "
            "messages a second of 30."
        ),
        further=(
            "Try `--link continent`, 250 ms and 100 Mbit/s. What must the window be to fill that link?",
            "A window drained to half fills the link with twice the bandwidth-delay product only. Which would you use?",
        ),
    )


def _limits(bench: Bench, settings: Settings | None) -> Limits:
    """Measure what there is without a link."""
    bench.tell(f"nonblocking: what the server takes without a link, {bench.rounds} times")
    messages = 20_000 if bench.quick else 60_000
    with bench.station() as place:
        many = bench.call(own.slide, bench.url, stream_name(place), messages, _SIZE, bench.rounds, _LOOPBACK)
    with bench.station() as place:
        one = bench.call(own.slide, bench.url, stream_name(place), 500, _SIZE, bench.rounds, 1)
    with bench.station() as place:
        by_sdk = bench.call(sdk.produce, bench.url, place, 2_000, _SIZE, bench.rounds, {"nonblocking": True})
    return Limits(
        round_trip=1 / _median([run.rate for run in one]) + (settings.round_trip if settings else 0),
        bits=settings.up.rate if settings else math.inf,
        piece=settings.up.piece if settings else 0,
        wire=many[-1].wire_bytes / many[-1].sent,
        server=_median([run.rate for run in many]),
        sender=_median([run.rate for run in by_sdk]),
    )


def _rates(bench: Bench, url: str, limits: Limits, series: str, window: int) -> tuple[float, ...]:
    """Measure one window."""
    messages = _messages(bench, limits, limits.expected(series, window), window)
    bench.tell(f"nonblocking: {series}, {window:,} in flight: {messages:,} messages, {bench.rounds} times")
    with bench.station() as place:
        if series == SDK:
            options = {"nonblocking": True, "concurrent_task_limit": window}
            runs = bench.call(sdk.produce, url, place, messages, _SIZE, bench.rounds, options)
        else:
            work: Callable[..., list[Sent]] = own.slide if series == SLIDING else own.produce
            runs = bench.call(work, url, stream_name(place), messages, _SIZE, bench.rounds, window)
    return tuple(run.rate for run in runs)


def _auto(bench: Bench, url: str, limits: Limits) -> list[Sent]:
    messages = _messages(bench, limits, min(limits.link, limits.server), 1)
    bench.tell(f"nonblocking: {AUTO}: {messages:,} messages, {bench.rounds} times")
    with bench.station() as place:
        return bench.call(own.produce, url, stream_name(place), messages, _SIZE, bench.rounds)


def _messages(bench: Bench, limits: Limits, rate: float, window: int) -> int:
    """Return how many messages make a measurement that is long against a round trip."""
    seconds, trips = (_QUICK_SECONDS, _QUICK_TRIPS) if bench.quick else (_SECONDS, _TRIPS)
    return max(2 * window, round(rate * max(seconds, trips * limits.round_trip)))


def _prediction(limits: Limits) -> str:
    trip, onto = f"{limits.round_trip * 1e3:.3g} ms", limits.onto * 1e3
    if math.isinf(limits.bits):
        return (
            f"Window / round trip, here {trip}, until the server is full: measured first, it takes "
            f"{limits.server:,.0f} messages a second."
        )
    return (
        f"Window / round trip, here {trip}, until the link is full: {limits.bits / 1e6:g} Mbit/s are "
        f"{limits.link:,.0f} messages of {limits.wire:.0f} bytes a second. That takes a bandwidth-delay product in "
        f"flight, {limits.product:,.0f} messages; more of them only wait. What goes at once needs up to "
        f"{onto:.2g} ms more, to get onto the link."
    )


def _seen(limits: Limits, points: Sequence[Point], beside: Point) -> str:
    slid = [point for point in points if point.series == SLIDING]
    one, most = slid[0], max(slid, key=lambda point: point.median)
    worst = max(slid, key=lambda point: abs((point.ratio or 1) - 1))
    off = abs((worst.ratio or 1) - 1)
    verdict = "as predicted" if off <= _CLOSE else "not as predicted"
    return (
        f"{one.median:,.0f} messages a second with {one.x:.0f} in flight, {most.median:,.0f} with {most.x:,.0f}: "
        f"{verdict}, off by {off:.0%} at most (with {worst.x:,.0f}). {_of_sdk(points, limits.sender)}"
        f"{_of_halves(limits, points)}"
        f"zakar's own window had {beside.x:,.0f} in flight and brought {beside.median:,.0f}."
    )


def _of_sdk(points: Sequence[Point], sender: float) -> str:
    """Say how far the SDK was off what theory has of it, if it was."""
    points = [point for point in points if point.series == SDK and point.ratio]
    if not points:
        return ""
    worst = max(points, key=lambda point: abs((point.ratio or 1) - 1))
    off = abs((worst.ratio or 1) - 1)
    if off <= _CLOSE:
        return ""
    return (
        f"{_capital(SDK)} was not: off by {off:.0%} (with {worst.x:,.0f}), {worst.median:,.0f} a second where theory "
        f"has {worst.expected:,.0f}, by the {sender:,.0f} that it sent without a link. "
    )


def _of_halves(limits: Limits, points: Sequence[Point]) -> str:
    """Say what draining to half costs, at the window where it costs most."""
    halves = [point for point in points if point.series in (HALVED, SDK)]
    if not halves:
        return ""

    def share(point: Point) -> float:
        able = limits.sender if point.series == SDK else math.inf
        return point.median / min(limits.expected(SLIDING, int(point.x)), able)

    least = min(halves, key=share)
    if share(least) >= 1 - _CLOSE:
        return f"Draining to half costs little: {share(least):.0%} of what is possible at the least. "
    return f"{_capital(least.series)} brings {share(least):.0%} of what is possible with {least.x:,.0f}. "


def _curves(limits: Limits, windows: Sequence[float]) -> tuple[Curve, ...]:
    xs = sorted({round(x) for x in _steps(max(1.0, min(windows)), max(windows))})
    labels = {
        SLIDING: "the least of window / round trip, link and server",
        HALVED: "drained to half, at least",
        SDK: "drained to half as the SDK does, looking every 0.1 s",
    }
    return tuple(
        Curve(label, tuple(float(x) for x in xs), tuple(limits.expected(series, x) for x in xs))
        for series, label in labels.items()
    )


def _steps(first: float, last: float) -> list[float]:
    """Return numbers that grow by the fourth root of two."""
    steps = math.ceil(4 * math.log2(last / first))
    return [*(first * 2 ** (step / 4) for step in range(steps)), last]


def _table(limits: Limits) -> Table:
    unlimited = math.isinf(limits.bits)
    rows = (
        ("round trip, with the server's own time", f"{limits.round_trip * 1e3:.2f} ms"),
        ("what goes at once gets onto the link in up to", f"{limits.onto * 1e3:.2f} ms"),
        ("bytes of a message on the wire", f"{limits.wire:.0f}"),
        ("the link takes", "no limit" if unlimited else f"{limits.link:,.0f} messages a second"),
        ("bandwidth-delay product", "none" if unlimited else f"{limits.product:,.0f} messages"),
        ("server and producer without a link", f"{limits.server:,.0f} messages a second"),
        ("the SDK without a link or a limit", f"{limits.sender:,.0f} messages a second"),
    )
    return Table("What limits there are", ("what", "how much"), rows)


def _unseen(limits: Limits) -> tuple[str, ...]:
    said = []
    if limits.server > limits.link:
        said.append(
            f"How a server that is full looks: without a link this one takes {limits.server:,.0f} messages a second, "
            f"the link {limits.link:,.0f}."
        )
    if limits.sender < min(limits.link, limits.server):
        said.append(
            f"How the SDK fills this: by itself it sends {limits.sender:,.0f} messages a second here, where link and "
            f"server take {min(limits.link, limits.server):,.0f}."
        )
    return tuple(said)


def _capital(text: str) -> str:
    return text if text.startswith("zakar") else text[0].upper() + text[1:]


def _median(values: Sequence[float]) -> float:
    return Point("", 0.0, tuple(values)).median
