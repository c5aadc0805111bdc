"""Lesson 6: partitions relieve a broker whose queue is the bottleneck, and nobody else."""

import math
import os
from collections.abc import Mapping
from functools import partial

from zakar.lab import bench as benches
from zakar.lab import preset, steady, theory
from zakar.lab.bench import Bench
from zakar.lab.lesson import Claim, Curve, Graph, Lesson, Point, Table
from zakar.lab.preset import Preset
from zakar.lab.steady import Pacing, Producing, Received

LINK = "continent"
_PRODUCERS, _PARTITIONS = (1, 2, 4, 8), (1, 2, 4)
_GRID = tuple((partitions, producers) for partitions in _PARTITIONS for producers in _PRODUCERS)
_QUICK_GRID = ((1, 1), (1, 8), (2, 8), (4, 8))
_PACING, _QUICK_PACING = Pacing(5, 1.5, 1.0), Pacing(3, 1.0, 0.5)
_MOST = max(_PRODUCERS)
_HELPS = 1.15  # times as much; less may be chance
_ONE_QUEUE = 50_000  # messages a second: 20 us each
_BUSY = 0.5  # cores: a queue is written by one at a time, so a broker of one queue cannot use much more than one

Grid = Mapping[tuple[int, int], Received]  # by partitions and producers


def lesson(bench: Bench) -> Lesson:
    """Fill one, two and four partitions by ever more processes."""
    link = bench.link or preset.read(LINK)
    pacing = _QUICK_PACING if bench.quick else _PACING
    with benches.crewed(_MOST) as crew:
        bench.tell(f"partitions: {_MOST} processes begin")
        steady.warm(crew, _MOST)

        def measured(partitions: int, work: Producing, processes: int, who: str) -> Received:
            times = f"{pacing.number} intervals of {pacing.seconds:g} s"
            bench.tell(f"partitions: {who}, partitions: {partitions}, {times} over `{link.name}`")
            return steady.received(bench, crew, link, partitions, work, processes, pacing)

        grid = {
            (partitions, producers): measured(
                partitions, steady.by_sdk, producers, f"producers of the SDK: {producers}"
            )
            for partitions, producers in (_QUICK_GRID if bench.quick else _GRID)
        }
        own = {
            partitions: measured(partitions, partial(steady.by_own, partitions=partitions), 1, "zakar's producer")
            for partitions in (_PARTITIONS[-1:] if bench.quick else _PARTITIONS)
        }
    return concluded(link, grid, own, os.cpu_count() or 1)


def concluded(link: Preset, grid: Grid, own: Mapping[int, Received], cores: int) -> Lesson:
    """Return the lesson that the measurements teach, with zakar's producer by partitions; one SDK producer among them.

    ``cores``: of this machine.
    """
    capacity = steady.capacity(link)
    return Lesson(
        number=6,
        name="partitions",
        title="Embrace partitions",
        question="Do several producers bring more into a station of several partitions than into one partition?",
        prediction=(
            "Only if the broker is what limits them. It writes a partition's messages one after the other, some 10 to "
            f"20 us of a processor each: one partition takes tens of thousands a second. {_prediction(link)}"
        ),
        seen=_seen(link.name, grid, cores),
        graphs=(_graph(link.name, capacity, grid, own), _relative(grid)),
        tables=(_table(grid, own, cores),),
        unseen=_unseen(grid, capacity, cores),
        article=(
            "A station of one queue has overhead: the broker takes locks to keep messages in the order of arrival and "
            "to store them safely. On one partition a straight line from one to four producers was seen, on two "
            "partitions one up to eight, and little more on four, since locks take little time against a network. With "
            "the keys of Memphis 1.3.0 each producer can have a partition of its own, which should bring more still. "
            "It says no rates, and the broker was a cloud's: so only the shape of its graph is drawn."
        ),
        further=(
            "`zakar load --partitions 8 --connections 8` gives each connection partitions of its own. What is gained?",
            "Partitions also let several consumers share a station: each reads its own. See lesson 8.",
            "How many messages a second would keep a broker's core busy that needs 10 us for each?",
        ),
    )


def _prediction(link: Preset) -> str:
    """Say whether theory expects partitions to help over the link that is measured."""
    if link.settings is None:
        return (
            f"`{link.name}` has no round trip to wait for, so {_MOST} producers may come near that, if the machine has "
            "processors left for them."
        )
    trip = link.settings.round_trip
    most = theory.windowed(_MOST * steady.LIMIT, trip, steady.capacity(link), math.inf)
    text = f"Over `{link.name}` {_MOST} producers bring {most:,.0f} at most, {steady.LIMIT} each in {trip * 1e3:g} ms"
    if most > _ONE_QUEUE:
        return f"{text}, which may be more than one partition takes, if the machine has processors left for them."
    return f"{text}, so one partition is enough for them, and two or four bring what it brings."


def _seen(link: str, grid: Grid, cores: int) -> str:
    one, eight = grid[1, 1].rate, {partitions: grid[partitions, _MOST].rate for partitions in _PARTITIONS}
    numbers = ", ".join(f"{rate / one:.1f}" for rate in eight.values())
    gain = eight[2] / eight[1]
    text = (
        f"Over `{link}`, {_MOST} producers brought {numbers} times the {one:,.0f} messages a second of one into a "
        f"station of {', '.join(map(str, eight))} partitions: "
    )
    text += f"{gain:.2f} times as much with a second one"
    if steady.exhausted(grid[1, _MOST], cores):
        return f"{text}, on a machine that was busy with the producers: that says nothing of partitions."
    if _server(grid) < _BUSY:
        little = 1 / _HELPS < gain < _HELPS
        return f"{text}{' (little)' if little else ', by chance'}, for the broker had time to spare with one."
    first, second = (grid[partitions, _MOST].rates for partitions in (1, 2))
    sure = gain >= _HELPS and min(second) > max(first)
    return f"{text}: it {'relieved' if sure else 'did not relieve'} a broker that was busy."


def _server(grid: Grid) -> float:
    return max(found.server_cores for found in grid.values())


def _unseen(grid: Grid, capacity: float, cores: int) -> tuple[str, ...]:
    """Say what could not be seen: partitions that relieve a broker, and producers that do not disturb each other."""
    found = []
    if _server(grid) < _BUSY or steady.exhausted(grid[1, _MOST], cores):
        busiest = max(grid.values(), key=lambda received: (received.server_cores, received.rate))
        found.append(
            f"What partitions do for a broker that is the bottleneck: it kept {busiest.server_cores:.2f} of {cores} "
            f"cores busy at most, at {busiest.rate:,.0f} messages a second, while the producers used "
            f"{busiest.producer_cores:.2f}."
        )
    line = {producers: received.rate for (partitions, producers), received in grid.items() if partitions == 1}
    if steady.linear(line) < _MOST:
        why = steady.held_back(_MOST, grid[1, _MOST], capacity, cores)
        why = why or f"the link was full with {line[_MOST]:,.0f} of {capacity:,.0f} messages a second"
        found.append(f"Whether {_MOST} producers can be linear on one partition: {why}.")
    return tuple(found)


def _graph(link: str, capacity: float, grid: Grid, own: Mapping[int, Received]) -> Graph:
    one = grid[1, 1].rate

    def expected(producers: float) -> float:
        return theory.side_by_side(int(producers), one, capacity)

    xs = tuple(float(number) for number in sorted({producers for _, producers in grid}))
    return Graph(
        title=f"Messages that the broker received over `{link}`",
        x_label="producers",
        y_label="messages a second",
        points=(
            *(
                Point(_series(partitions), float(n), found.rates, expected(n))
                for (partitions, n), found in grid.items()
            ),
            *(Point(f"zakar, one connection, {_series(partitions)}", 1.0, f.rates) for partitions, f in own.items()),
        ),
        curves=(Curve("n times one, until the link is full", xs, tuple(map(expected, xs))),),
    )


def _relative(grid: Grid) -> Graph:
    """Draw the article's graph: how many times as much as one producer on one partition."""
    one = grid[1, 1].rate
    return Graph(
        title="The article's graph: how many times as much as one producer on one partition",
        x_label="producers",
        y_label="times one producer on one partition",
        points=tuple(
            Point(_series(partitions), float(producers), tuple(rate / one for rate in found.rates))
            for (partitions, producers), found in grid.items()
        ),
        claims=(
            *(Claim("the article, 1 partition: linear up to 4", float(n), float(n)) for n in (1, 2, 4)),
            Claim("the article, 2 partitions: linear up to 8", 8.0, 8.0),
        ),
    )


def _series(partitions: int) -> str:
    return f"{partitions} partition{'s' if partitions > 1 else ''}"


def _table(grid: Grid, own: Mapping[int, Received], cores: int) -> Table:
    rows = [(f"{n} of the SDK", partitions, found) for (partitions, n), found in grid.items()]
    rows += [("1 of zakar", partitions, found) for partitions, found in own.items()]
    return Table(
        title=f"Who was busy, of {cores} cores, and what each partition holds",
        columns=("producers", "partitions", "messages a second", "cores of the producers", "of the broker", "stored"),
        rows=tuple(
            (
                who,
                str(partitions),
                f"{found.rate:,.0f}",
                f"{found.producer_cores:.2f}",
                f"{found.server_cores:.2f}",
                " + ".join(f"{count:,}" for count in found.stored),
            )
            for who, partitions, found in rows
        ),
    )
