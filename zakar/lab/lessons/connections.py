"""Lesson 5: several connections bring what one alone does not, until the link is full or the processors are."""

import math
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial

from zakar.lab import bench as benches
from zakar.lab import preset, steady, theory
from zakar.lab.bench import Bench
from zakar.lab.lesson import Claim, Curve, Graph, Lesson, Point, Table
from zakar.lab.preset import Preset
from zakar.lab.steady import Pacing, Producing, Received

SDK, OWN, SHARED = "Memphis SDK, a process each", "zakar, one connection", "Memphis SDK, one object"
_PRODUCERS = (1, 2, 4, 8)
_SHARING = 4  # producers of one SDK object
LINKS, _QUICK_LINKS = ("continent", "home"), ("continent",)
_PACING, _QUICK_PACING = Pacing(5, 2.0, 1.0), Pacing(3, 1.0, 0.5)
_ARTICLE = (1, 2, 4)  # producers for which the article saw a straight line


@dataclass(frozen=True)
class Scaling:
    """What a broker received at the end of a link, by number of producers.

    ``shared``: from so many producers of one SDK object, which share its connection; ``own``: from zakar's one.
    """

    link: Preset
    sdk: Mapping[int, Received]
    shared: Mapping[int, Received]
    own: Received

    @property
    def capacity(self) -> float:
        """Messages a second that the link takes, infinite if it has no rate."""
        return steady.capacity(self.link)

    @property
    def rates(self) -> dict[int, float]:
        """Messages a second by number of producers."""
        return {number: received.rate for number, received in self.sdk.items()}


def lesson(bench: Bench) -> Lesson:
    """Fill one partition by ever more processes."""
    links = [bench.link] if bench.link else [preset.read(name) for name in _links(bench)]
    with benches.crewed(max(_PRODUCERS)) as crew:
        bench.tell(f"connections: {max(_PRODUCERS)} processes begin")
        steady.warm(crew, max(_PRODUCERS))
        return concluded([_over(bench, crew, link) for link in links], os.cpu_count() or 1)


def _links(bench: Bench) -> Sequence[str]:
    return _QUICK_LINKS if bench.quick else LINKS


def _over(bench: Bench, crew: Executor, link: Preset) -> Scaling:
    pacing = _QUICK_PACING if bench.quick else _PACING

    def measured(work: Producing, processes: int, who: str) -> Received:
        bench.tell(f"connections: {who}, {pacing.number} intervals of {pacing.seconds:g} s over `{link.name}`")
        return steady.received(bench, crew, link, 1, work, processes, pacing)

    by_sdk = {number: measured(steady.by_sdk, number, f"{number} of the SDK's producers") for number in _PRODUCERS}
    together = partial(steady.by_sdk, producers=_SHARING)
    shared = {_SHARING: measured(together, 1, f"{_SHARING} producers of one SDK object")}
    return Scaling(link, by_sdk, shared, measured(steady.by_own, 1, "zakar's producer"))


def concluded(scalings: Sequence[Scaling], cores: int) -> Lesson:
    """Return the lesson that the measurements teach, one a link, on a machine of so many cores."""
    return Lesson(
        number=5,
        name="connections",
        title="Use more than one connection",
        question="Do several producers, each a process with its own connection, bring more than one?",
        prediction=(
            f"One producer with {steady.LIMIT} messages in flight at most sends {steady.LIMIT} a round trip at most. "
            "Others do not disturb it: n bring n times as much, until the link or the processors are full. "
            f"{' '.join(_prediction(scaling.link) for scaling in scalings)}"
        ),
        seen=" ".join(_seen(scaling) for scaling in scalings),
        graphs=tuple(_graph(scaling) for scaling in scalings),
        tables=tuple(_table(scaling, cores) for scaling in scalings),
        unseen=tuple(text for scaling in scalings if (text := _unseen(scaling, cores))),
        article=(
            "All producers and consumers of one SDK object share a connection, which may not fill the way to the "
            "broker; so each producer was a process of its own. From a home to a cloud, with a limit of 500, payloads "
            "of 512 bytes (some 660 on the wire) and intervals of five minutes, one to four of them brought linearly "
            "more. No rates were given; the line here is drawn from what one producer brings."
        ),
        further=(
            "`zakar lab run connections --link home`: how many connections does it take to fill 20 Mbit/s?",
            "Four producers of one object share a connection and a processor. Which of the two do you see here?",
            "How many messages are in flight where one connection fills the link? Lesson 2 has the formula.",
            "Which limit would make one producer as quick as four, and why not use it everywhere? See lesson 4.",
        ),
    )


def _prediction(link: Preset) -> str:
    """Say what theory has of one producer and of all, over the link that is measured."""
    if link.settings is None:
        return f"`{link.name}` has no round trip to wait for, so the processors are what is full."
    trip = link.settings.round_trip
    text = (
        f"Over `{link.name}` one brings {theory.windowed(steady.LIMIT, trip, math.inf, math.inf):,.0f} a second at most"
    )
    text += f" ({trip * 1e3:g} ms)"
    bits, size = link.settings.up.rate, steady.frame("lab-0")
    if math.isinf(bits):
        return f"{text}, and the link takes any number."
    takes = theory.link_rate(bits, size)
    return (
        f"{text}; a message of {steady.SIZE} bytes is {size} on the wire, of which {bits / 1e6:g} Mbit/s take "
        f"{takes:,.0f} a second, however many send them."
    )


def _seen(scaling: Scaling) -> str:
    rates, one = scaling.rates, scaling.rates[1]
    most, straight = max(rates), steady.linear(scaling.rates)
    times = ", ".join(f"{rates[number] / one:.1f}" for number in sorted(rates) if number > 1)
    numbers = ", ".join(str(number) for number in sorted(rates) if number > 1)
    text = f"Over `{scaling.link.name}`, {numbers} producers brought {times} times the {one:,.0f} messages a second of "
    text += f"one: linear up to {straight}" if straight > 1 else "one: not linear"
    if straight < most and not steady.held_back(most, scaling.sdk[most], scaling.capacity, 1):
        text += f", since the link was full with {rates[most]:,.0f} of the {scaling.capacity:,.0f} that it takes"
    several = "".join(
        f" {number} producers of one object, on one connection, brought {received.rate:,.0f}."
        for number, received in scaling.shared.items()
    )
    return f"{text}.{several} One connection of zakar's brought {scaling.own.rate:,.0f}."


def _unseen(scaling: Scaling, cores: int) -> str:
    """Say why more producers brought less than theory has it, if they did."""
    most, straight = max(scaling.sdk), steady.linear(scaling.rates)
    why = steady.held_back(most, scaling.sdk[most], scaling.capacity, cores) if straight < most else ""
    return f"Whether {most} producers can be linear over `{scaling.link.name}`: {why}." if why else ""


def _graph(scaling: Scaling) -> Graph:
    one = scaling.rates[1]
    numbers = tuple(float(number) for number in sorted(scaling.rates))

    def expected(number: float) -> float:
        return theory.side_by_side(int(number), one, scaling.capacity)

    points = [
        *(Point(SDK, float(n), by.rates, expected(n) if n > 1 else None) for n, by in scaling.sdk.items()),
        *(Point(SHARED, float(n), by.rates) for n, by in scaling.shared.items()),
        Point(OWN, 1.0, scaling.own.rates),
    ]
    full = (Curve("what the link takes of the SDK's messages", (1.0, max(numbers)), (scaling.capacity,) * 2),)
    return Graph(
        title=f"Messages that the broker received over `{scaling.link.name}`",
        x_label="producers",
        y_label="messages a second",
        points=tuple(points),
        curves=(
            Curve("n times one, until the link is full", numbers, tuple(expected(number) for number in numbers)),
            *(full if math.isfinite(scaling.capacity) else ()),
        ),
        claims=tuple(Claim("the article: linear from 1 to 4", n * one, float(n)) for n in _ARTICLE),
    )


def _table(scaling: Scaling, cores: int) -> Table:
    rows = [(f"{number} of the SDK", received) for number, received in sorted(scaling.sdk.items())]
    rows += [(f"{number} of one SDK object", received) for number, received in sorted(scaling.shared.items())]
    return Table(
        title=f"Who was busy, over `{scaling.link.name}`: of {cores} cores",
        columns=("producers", "messages a second", "cores of the producers", "cores of the broker"),
        rows=tuple(
            (who, f"{by.rate:,.0f}", f"{by.producer_cores:.2f}", f"{by.server_cores:.2f}")
            for who, by in (*rows, ("1 of zakar", scaling.own))
        ),
    )
