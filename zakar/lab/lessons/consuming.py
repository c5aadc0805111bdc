"""Lesson 8: whoever fetches waits a round trip for each fetch, and acks are messages too."""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from zakar.broker.station import stream_name
from zakar.lab import own, preset, pull, theory
from zakar.lab.bench import Bench
from zakar.lab.lesson import Curve, Graph, Lesson, Point, Table
from zakar.lab.link import Settings
from zakar.lab.preset import Preset
from zakar.lab.pull import Acks, Got

SDK, PULL = "Memphis SDK", "zakar, pulls on a durable"
LINK = "home"
_SIZES = (1, 10, 100, 1_000)
_CONSUMERS, _QUICK_CONSUMERS = (2, 4, 8), (4,)
_SHARED, _ACKED, _AWAITED = 10, 100, 10  # messages a fetch: of several consumers, with other acks, with awaited ones
_STORED, _PAYLOAD = 60_000, 100  # messages, bytes
_READ, _READ_SECONDS = 30_000, 2.0  # messages in order, or what a link takes in so long
_BARE = 1_000  # fetches without a link, where there are so many
_SECONDS, _QUICK_SECONDS = 1.5, 0.5  # of a measurement over a link, about
_LEAST = 3  # fetches
_SETTING_UP = 3  # round trips of an ordered reader: what is there, a consumer, the first message
_CLOSE, _LINEAR = 0.15, 0.8


@dataclass(frozen=True)
class Path:
    """The way to the broker, as known before anything is fetched over it: ``link`` by name, bytes a message.

    ``down``: bytes of a message as it is delivered, ``ack``: of its ack.
    """

    link: str
    settings: Settings | None
    down: float
    ack: float

    @property
    def deliveries(self) -> float:
        """Messages a second that the link delivers."""
        return theory.link_rate(self.settings.down.rate, self.down) if self.settings else math.inf

    def acks(self, share: float = 1.0) -> float:
        """Return the messages a second whose acks the link takes where ``share`` of them get one."""
        return theory.link_rate(self.settings.up.rate, self.ack * share) if self.settings and share else math.inf

    def expected(self, size: int, working: float, share: float = 1.0, trips: int = 1) -> float | None:
        """Return the rate that theory has of fetches of ``size`` that take ``working`` seconds without the link."""
        if self.settings is None:
            return None
        return theory.fetched(size, trips * self.settings.round_trip, working, self.deliveries, self.acks(share))


@dataclass(frozen=True)
class Consumed:
    """What was measured. ``bare`` and ``far``: rates by series and fetch size, without a link and over it.

    ``acks``: rates over the link by what was said of messages, ``consumers``: by how many shared a durable, of pulls of
    ``_SHARED``; ``repeated``: messages that came to more than one of them. ``ordered``: of zakar's reader, ``read``
    messages at a time, ``bare_ordered`` without the link.
    """

    path: Path
    bare: Mapping[str, Mapping[int, tuple[float, ...]]]
    far: Mapping[str, Mapping[int, tuple[float, ...]]]
    acks: Mapping[Acks, tuple[float, ...]]
    consumers: Mapping[int, tuple[float, ...]]
    repeated: int
    read: int
    ordered: tuple[float, ...]
    bare_ordered: tuple[float, ...] = field(default=())

    def working(self, series: str, size: int) -> float:
        """Seconds that a fetch takes without a link."""
        return size / statistics.median(self.bare[series][size])

    def expected(self, series: str, size: int) -> float | None:
        """Return the rate that theory has of a series' fetches."""
        return self.path.expected(size, self.working(series, size))


def lesson(bench: Bench) -> Lesson:
    """Fetch what a partition holds in several ways."""
    link = bench.link or preset.read(LINK)
    with bench.station() as place:
        bench.tell(f"consuming: {_STORED:,} messages are put into a station")
        bench.call(own.produce, bench.url, stream_name(place), _STORED, _PAYLOAD, 1, batch=True)
        return concluded(_consumed(bench, link, place))


def _consumed(bench: Bench, link: Preset, place: str) -> Consumed:
    bare, sample = _without_link(bench, place)
    path = Path(link.name, link.settings, sample.wire_bytes / sample.messages, sample.ack_bytes / sample.messages)
    known = Consumed(path, bare, {}, {}, {}, 0, _read_size(path), ())
    stream = stream_name(place)

    def number(series: str, size: int) -> int:
        """Return the messages of a measurement: whole fetches, for about so many seconds."""
        expected = known.expected(series, size) or _BARE * size
        wanted = expected * (_QUICK_SECONDS if bench.quick else _SECONDS)
        return max(_LEAST, min(round(wanted / size), _most(bench) // size)) * size

    def told(what: str) -> None:
        bench.tell(f"consuming: {what}, {bench.rounds} times over `{link.name}`")

    bench.tell(f"consuming: {known.read:,} messages in order, {bench.rounds} times without a link")
    bare_ordered = _rates(bench.call(pull.read, bench.url, stream, known.read, bench.rounds))
    with bench.across(link) as url:
        far: dict[str, dict[int, tuple[float, ...]]] = {SDK: {}, PULL: {}}
        for size in _SIZES:
            told(f"fetches of {size:,}")
            by_sdk = bench.call(pull.by_sdk, url, place, size, number(SDK, size), bench.rounds)
            by_pull = bench.call(pull.fetch, url, stream, size, number(PULL, size), bench.rounds)
            far[SDK][size], far[PULL][size] = _rates(by_sdk), _rates(by_pull)
        acks = {Acks.EACH: far[PULL][_ACKED]}
        for kind in (Acks.NONE, Acks.LAST, Acks.AWAITED):
            told(f"acks: {kind}")
            size = _AWAITED if kind is Acks.AWAITED else _ACKED
            messages = _AWAITED if kind is Acks.AWAITED else number(PULL, size)
            acks[kind] = _rates(bench.call(pull.fetch, url, stream, size, messages, bench.rounds, kind))
        consumers, repeated = {1: far[PULL][_SHARED]}, 0
        for many in _QUICK_CONSUMERS if bench.quick else _CONSUMERS:
            told(f"{many} consumers of one durable")
            messages = min(many * number(PULL, _SHARED), _most(bench) // _SHARED * _SHARED)
            found = bench.call(pull.fetch, url, stream, _SHARED, messages, bench.rounds, Acks.EACH, many)
            consumers[many] = _rates(found)
            repeated += sum(got.messages - got.different for got in found)
        told(f"{known.read:,} messages in order")
        ordered = _rates(bench.call(pull.read, url, stream, known.read, bench.rounds))
    return Consumed(path, bare, far, acks, consumers, repeated, known.read, ordered, bare_ordered)


def _without_link(bench: Bench, place: str) -> tuple[dict[str, dict[int, tuple[float, ...]]], Got]:
    """Return the rates on bare loopback, and what one run had of bytes."""
    found: dict[str, dict[int, tuple[float, ...]]] = {SDK: {}, PULL: {}}
    for size in _SIZES:
        bench.tell(f"consuming: fetches of {size:,}, {bench.rounds} times without a link")
        messages = min(_BARE, _most(bench) // size) * size
        found[SDK][size] = _rates(
            bench.call(pull.by_sdk, bench.url, place, size, min(messages, 5 * _BARE), bench.rounds)
        )
        runs = bench.call(pull.fetch, bench.url, stream_name(place), size, messages, bench.rounds)
        found[PULL][size] = _rates(runs)
    return found, runs[-1]


def _most(bench: Bench) -> int:
    """Return how many messages a measurement may take, so that there are enough for all repetitions and a first."""
    return (_STORED - max(_SIZES) * max(_CONSUMERS)) // bench.rounds


def _read_size(path: Path) -> int:
    return min(_READ, max(1, round(_READ_SECONDS * path.deliveries))) if path.settings else _READ


def _rates(runs: Sequence[Got]) -> tuple[float, ...]:
    return tuple(got.rate for got in runs)


def concluded(consumed: Consumed) -> Lesson:
    """Return the lesson that the measurements teach."""
    path = consumed.path
    return Lesson(
        number=8,
        name="consuming",
        title="Fetch many, and do not wait for acks",
        question="How many messages a second does a consumer get, by how many it asks for at a time and how it acks?",
        prediction=(
            "A fetch takes a round trip, so ten times the size brings ten times as much, until the messages' own time "
            f"counts: {path.down:.0f} bytes down and {path.ack:.0f} up for an ack are more than the {_PAYLOAD} of the "
            "payload. Whoever waits for the answer to each ack gets one message a round trip, whatever the fetch. "
            "Consumers that share a durable have a round trip each: n bring n times as much. A reader that asks for "
            "the next thousands before it has the last waits for no round trip and fills the link."
        ),
        seen=_seen(consumed),
        graphs=(_by_size(consumed), _by_number(consumed)),
        tables=(_of_acks(consumed), _of_readers(consumed)),
        unseen=_unseen(consumed),
        article="The article ends with the promise of benchmarks of consumers, and none followed: this is ours.",
        further=(
            "A consumer acks a message, then crashes before its work is done. Where should `ack` stand in the loop?",
            "What does a larger fetch cost the one who shares a durable with others?",
            "`zakar consume` has no durable. What happens if it is stopped and started again?",
        ),
    )


def _median(rates: Sequence[float]) -> float:
    return statistics.median(rates)


def _offs(consumed: Consumed) -> list[tuple[float, str, int]]:
    """Return how far each measurement is off theory, and which it is, by series and size."""
    return [
        (abs(_median(rates) / expected - 1), series, size)
        for series, by_size in consumed.far.items()
        for size, rates in by_size.items()
        if (expected := consumed.expected(series, size))
    ]


def _seen(consumed: Consumed) -> str:
    pulls = {size: _median(rates) for size, rates in consumed.far[PULL].items()}
    text = (
        f"Over `{consumed.path.link}`, fetches of {_listed(pulls)} brought {_listed(pulls.values())} messages a second"
    )
    text += f", the SDK's {_listed(_median(rates) for rates in consumed.far[SDK].values())}"
    first, last = pulls[_SIZES[1]] / pulls[_SIZES[0]], pulls[_SIZES[-1]] / pulls[_SIZES[-2]]
    text += f": ten times the size brought {first:.1f} times as much at first, {last:.1f} times at last"
    if offs := _offs(consumed):
        off, series, size = max(offs)
        text += f"; theory is off by {off:.0%} at most ({series}, fetches of {size:,})"
    each, awaited = _median(consumed.acks[Acks.EACH]), _median(consumed.acks[Acks.AWAITED])
    text += f". To wait for each ack {_compared(awaited, each)} {awaited:,.0f} instead of {each:,.0f}"
    many = max(consumed.consumers)
    times = _median(consumed.consumers[many]) / _median(consumed.consumers[1])
    text += f". {many} consumers of one durable brought {times:.1f} times what one did"
    text += ", nearly as many times as there are" if times >= _LINEAR * many else ", fewer than there are"
    best, ordered = max(pulls.values()), _median(consumed.ordered)
    return f"{text}. zakar's reader in order {_compared(ordered, best)} {ordered:,.0f}, the best durable {best:,.0f}."


def _listed(numbers: Iterable[float]) -> str:
    return ", ".join(f"{number:,.0f}" for number in numbers)


def _compared(this: float, other: float) -> str:
    """Say whether a rate is smaller or larger than another, or about the same."""
    if 1 - _CLOSE <= this / other <= 1 + _CLOSE:
        return "made little difference:"
    return "brought fewer:" if this < other else "brought more:"


def _unseen(consumed: Consumed) -> tuple[str, ...]:
    if consumed.path.settings is None:
        return ("What a round trip does to fetches: without a link there is none to speak of.",)
    return tuple(
        f"How {series} fetches {size:,} on a machine of its own: theory is off by {off:.0%}. It counts the "
        f"{1e3 * consumed.working(series, size):.0f} ms that such a fetch took without the link, as if the machine had "
        "been as busy over the link as then."
        for off, series, size in _offs(consumed)
        if off > _CLOSE
    )


def _by_size(consumed: Consumed) -> Graph:
    path = consumed.path
    far = [
        Point(f"{series}, over `{path.link}`", float(size), rates, consumed.expected(series, size))
        for series, by_size in consumed.far.items()
        for size, rates in by_size.items()
    ]
    bare = [
        Point(f"{series}, without a link", float(size), rates)
        for series, by_size in consumed.bare.items()
        for size, rates in by_size.items()
    ]
    return Graph(
        title=f"Fetches of so many messages over `{path.link}`, each message acknowledged and no ack waited for",
        x_label="messages a fetch",
        y_label="messages a second",
        points=(*far, *bare),
        curves=_curves(consumed),
        x_log=True,
        y_log=True,
    )


def _curves(consumed: Consumed) -> tuple[Curve, ...]:
    """Return what theory has of fetches by their size: the round trip alone, and all that it knows of each series."""
    path, sizes = consumed.path, tuple(map(float, _SIZES))
    if path.settings is None:
        return ()
    trip = path.settings.round_trip
    full = tuple(theory.windowed(size, trip, path.deliveries, math.inf) for size in _SIZES)
    each = {series: tuple(consumed.expected(series, size) or 0.0 for size in _SIZES) for series in consumed.far}
    return (
        Curve("size / round trip, until the link is full", sizes, full),
        *(Curve(f"{series}: a fetch's own time and acks too", sizes, ys) for series, ys in each.items()),
    )


def _by_number(consumed: Consumed) -> Graph:
    one = _median(consumed.consumers[1])
    numbers = tuple(map(float, sorted(consumed.consumers)))
    most = consumed.path.deliveries
    return Graph(
        title=f"Consumers that share a durable over `{consumed.path.link}`, in fetches of {_SHARED}",
        x_label="consumers",
        y_label="messages a second",
        points=tuple(
            Point("zakar, a connection each", float(n), rates, theory.side_by_side(n, one, most) if n > 1 else None)
            for n, rates in consumed.consumers.items()
        ),
        curves=(Curve("n times one", numbers, tuple(theory.side_by_side(int(n), one, most) for n in numbers)),),
    )


def _of_acks(consumed: Consumed) -> Table:
    rows = []
    for kind, rates in consumed.acks.items():
        size = _AWAITED if kind is Acks.AWAITED else _ACKED
        share = {Acks.NONE: 0.0, Acks.LAST: 1 / size}.get(kind, 1.0)
        if kind is Acks.AWAITED:
            working = (size + 1) * consumed.working(PULL, 1)
            expected = consumed.path.expected(size, working, 0.0, trips=size + 1)
        else:
            expected = consumed.path.expected(size, consumed.working(PULL, size), share)
        rows.append((str(kind), str(size), f"{_median(rates):,.0f}", _or_none(expected)))
    return Table(
        title=f"Acks over `{consumed.path.link}`",
        columns=("acks", "messages a fetch", "messages a second", "theory"),
        rows=tuple(rows),
    )


def _of_readers(consumed: Consumed) -> Table:
    largest = _SIZES[-1]
    working = consumed.read / _median(consumed.bare_ordered) if consumed.bare_ordered else 0.0
    expected = consumed.path.expected(consumed.read, working, 0.0, trips=_SETTING_UP)
    rows = [
        ("zakar's reader, in order, no acks", _median(consumed.ordered), expected),
        (f"{PULL}, {largest:,} a fetch", _median(consumed.far[PULL][largest]), consumed.expected(PULL, largest)),
        (f"{SDK}, {largest:,} a fetch", _median(consumed.far[SDK][largest]), consumed.expected(SDK, largest)),
    ]
    return Table(
        title=f"In order against a durable, over `{consumed.path.link}`",
        columns=("consumer", "messages a second", "theory"),
        rows=(
            *((who, f"{rate:,.0f}", _or_none(theirs)) for who, rate, theirs in rows),
            ("messages that came to two of the consumers of a durable", f"{consumed.repeated:,}", "0"),
        ),
    )


def _or_none(rate: float | None) -> str:
    return "none" if rate is None else f"{rate:,.0f}"
