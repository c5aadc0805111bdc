"""Lesson 3: what is sent faster than a link takes it waits in a queue, and longer than anybody waits for its ack."""

import math
from collections.abc import Sequence

from msgspec import Struct

from zakar.broker.station import stream_name
from zakar.lab import own, preset, sdk, theory
from zakar.lab.bench import Bench
from zakar.lab.lesson import Curve, Graph, Lesson, Point, Table
from zakar.lab.link import Settings
from zakar.lab.preset import Preset, crossing
from zakar.lab.sent import Sent

SDK, OWN = "Memphis SDK, no limit", "zakar, its own window"
SLOW, FAST = "slow-dsl", "home"
_SIZE = 512  # bytes, as in the article's benchmark
_DEADLINE, _QUICK_DEADLINE = 2.0, 1.5  # seconds for an ack
_DRAINS, _QUICK = (0.25, 0.5, 0.8, 0.9, 1.1, 1.25, 2.0), (0.8, 1.25)  # of what is sent at once, deadlines
_FLOOD, _FLOODS = 4_000, 3  # messages, more than a slow link's buffers hold; and repetitions of it, they take long
_WIDE = 0.05  # this near to the deadline nobody predicts anything
_SHARES = range(10, 101, 10)  # of a hundred acks


class Case(Struct, frozen=True):
    """So many messages sent at once over a link, in repetitions: what the SDK saw, and what was ``stored`` in the end.

    ``rate`` in messages a second is what the link takes, ``round_trip`` its own.
    """

    link: str
    rate: float
    round_trip: float
    messages: int
    runs: tuple[Sent, ...]
    stored: tuple[int, ...]

    @property
    def drain(self) -> float:
        """Seconds until the last ack, by theory."""
        return theory.drain(self.messages, self.rate, self.round_trip)

    @property
    def late(self) -> tuple[int, ...]:
        """Messages that timed out, by repetition."""
        return tuple(run.late for run in self.runs)

    @property
    def lost(self) -> tuple[int, ...]:
        """Messages that were never stored, by repetition."""
        return tuple(run.sent - stored for run, stored in zip(self.runs, self.stored, strict=True))

    @property
    def found(self) -> tuple[int, ...]:
        """Messages that timed out and were stored all the same, by repetition."""
        return tuple(late - lost for late, lost in zip(self.late, self.lost, strict=True))


def lesson(bench: Bench) -> Lesson:
    """Send ever more at once, over a link that is too slow for it and one that is not."""
    deadline = _QUICK_DEADLINE if bench.quick else _DEADLINE
    slow, wire = bench.link or preset.read(SLOW), _wire(bench)
    rate, round_trip = _figures(slow.settings, wire)
    sizes = _sizes(_QUICK if bench.quick else _DRAINS, deadline, rate, round_trip)
    most = sizes[-2:][0]  # but for the flood
    with crossing(bench.url, slow) as url:
        cases = [_case(bench, url, slow, wire, messages, deadline) for messages in sizes]
        own_runs = _own(bench, url, most, deadline)
    if bench.link is None:
        fast = preset.read(FAST)
        with crossing(bench.url, fast) as url:
            cases.append(_case(bench, url, fast, wire, most, deadline))
    return concluded(deadline, wire, cases, own_runs)


def concluded(deadline: float, wire: float, cases: Sequence[Case], beside: Sequence[Sent]) -> Lesson:
    """Return the lesson that the cases teach, of messages of ``wire`` bytes; ``beside`` are zakar's own runs.

    All cases but those of the first's link are of a faster one.
    """
    slow = [case for case in cases if case.link == cases[0].link]
    return Lesson(
        number=3,
        name="saturation",
        title="Do not saturate the channel",
        question="What happens to messages that are sent faster than the link takes them?",
        prediction=_prediction(deadline, wire, slow[0]),
        seen=_seen(deadline, cases, beside),
        graphs=(_timing_out(deadline, cases), _waiting(deadline, slow)),
        tables=(_table(deadline, cases, beside),),
        unseen=_unseen(deadline, cases),
        article=(
            "On the author's Mac and Linux machines everything could be sent without a limit. On Windows and on slow "
            "networks acks came after the SDK's deadline, and messages were not delivered: the round trips grow with "
            "the queue."
        ),
        further=(
            "The SDK waits 15 s unless told otherwise. How many messages at once does your own uplink drain in that?",
            "What does a program do that sends again whatever timed out? Count the messages stored twice.",
        ),
    )


def _figures(settings: Settings | None, wire: float) -> tuple[float, float]:
    """Return what a link takes, in messages a second, and its round trip."""
    return (theory.link_rate(settings.up.rate, wire), settings.round_trip) if settings else (math.inf, 0.0)


def _sizes(drains: Sequence[float], deadline: float, rate: float, round_trip: float) -> list[int]:
    """Return how many messages drain in so many deadlines, and a flood."""
    wanted = (theory.drained_by(part * deadline, rate, round_trip) for part in drains)
    return sorted({max(1, round(min(messages, _FLOOD))) for messages in (*wanted, _FLOOD)})


def _wire(bench: Bench) -> float:
    """Return the bytes of a message of the SDK on the wire."""
    bench.tell(f"saturation: how many bytes the SDK makes of {_SIZE}")
    with bench.station() as place:
        sent = bench.call(sdk.flood, bench.url, place, 200, _SIZE, _DEADLINE)
    return sent.wire_bytes / sent.sent


def _case(bench: Bench, url: str, link: Preset, wire: float, messages: int, deadline: float) -> Case:
    rate, round_trip = _figures(link.settings, wire)
    rounds = (1 if bench.quick else _FLOODS) if messages == _FLOOD else bench.rounds
    bench.tell(f"saturation: {messages:,} messages at once over {link.name}, {rounds} times")
    runs, stored = [], []
    for _ in range(rounds):
        with bench.station() as place:
            runs.append(bench.call(sdk.flood, url, place, messages, _SIZE, deadline))
            stored.append(bench.settled(place, messages + 1) - 1)  # but for the one before the flood
    return Case(link.name, rate, round_trip, messages, tuple(runs), tuple(stored))


def _own(bench: Bench, url: str, messages: int, deadline: float) -> list[Sent]:
    bench.tell(f"saturation: {OWN}: {messages:,} messages, {bench.rounds} times")
    with bench.station() as place:
        return bench.call(
            own.produce, url, stream_name(place), messages, _SIZE, bench.rounds, None, ack_timeout=deadline
        )


def _timing_out(deadline: float, cases: Sequence[Case]) -> Graph:
    """Return how much timed out against how long it takes to drain."""
    slow = cases[0]
    points = [
        Point(
            f"{SDK}, {case.link}",
            case.drain / deadline,
            tuple(late / case.messages * 100 for late in case.late),
            theory.late(case.messages, case.rate, case.round_trip, deadline) / case.messages * 100,
        )
        for case in cases
    ]
    xs = sorted({0.1, 1.0, *(1 + 0.05 * step for step in range(1, 21)), *(point.x for point in points)})
    return Graph(
        title="Acks that did not come in time",
        x_label="time to drain, in ack deadlines",
        y_label="timed out, %",
        points=tuple(points),
        curves=(Curve("all that drains after the deadline", tuple(xs), tuple(_share(slow, x, deadline) for x in xs)),),
        x_log=all(x > 0 for x in xs),
    )


def _share(case: Case, drains: float, deadline: float) -> float:
    """Return how many of a hundred messages drain after the deadline if all do in so many deadlines."""
    all_but_trip = drains * deadline - case.round_trip
    return 100 * max(0.0, drains - 1) * deadline / all_but_trip if all_but_trip > 0 else 0.0


def _waiting(deadline: float, slow: Sequence[Case]) -> Graph:
    """Return how long an ack takes against how many messages went before."""
    answered = [case for case in slow if all(run.acks for run in case.runs)]
    points = tuple(
        point for case in answered for point in _acks(case) if case in (answered[0], answered[-2:][0], answered[-1])
    )
    xs = tuple(sorted({1.0, *(point.x for point in points)}))
    return Graph(
        title="How long an ack takes, by how many messages went before",
        x_label="number of the message",
        y_label="seconds until its ack",
        points=points,
        curves=(
            Curve("number / what the link takes + round trip", xs, tuple(_drained(slow[0], x) for x in xs)),
            Curve("deadline", xs, (deadline,) * len(xs)),
        ),
    )


def _acks(case: Case) -> list[Point]:
    """Return the ack times of a case. They come in order, so that their percentiles are those of their numbers."""
    number = sorted(run.acknowledged for run in case.runs)[len(case.runs) // 2]
    numbers = {share: max(1.0, number * share / 100) for share in _SHARES}
    return [
        Point(f"{case.messages:,} at once", x, tuple(run.ack(share) for run in case.runs), _drained(case, x))
        for share, x in numbers.items()
    ]


def _drained(case: Case, number: float) -> float:
    return theory.drain(round(number), case.rate, case.round_trip)


def _prediction(deadline: float, wire: float, slow: Case) -> str:
    start = (
        "They queue, so each waits for all before it: number / what the link takes + round trip. Time-outs begin "
        "where that passes the deadline, not before; what timed out may be stored all the same. The deadline is "
        f"{deadline:g} s in this lesson; the SDK's own is {sdk.ACK_SECONDS:g} s."
    )
    fits = theory.drained_by(deadline, slow.rate, slow.round_trip)
    if math.isinf(fits):
        return f"{start} Without a link nothing queues."
    return (
        f"{start} {slow.link} takes {slow.rate:,.0f} messages of {wire:.0f} bytes a second, so {fits:,.0f} at once "
        f"drain within {deadline:g} s, and of more the rest times out."
    )


def _seen(deadline: float, cases: Sequence[Case], beside: Sequence[Sent]) -> str:
    fitting, passing = _sides(deadline, cases)
    early, spared = sum(sum(case.late) for case in fitting), sum(case.late.count(0) for case in passing)
    runs = sum(len(case.runs) for case in fitting)
    held = (
        f"Where the drain fits the deadline of {deadline:g} s, {early or 'no'} messages timed out in {runs} runs"
        if fitting
        else "Nothing that was sent fits the deadline"
    )
    if not passing:
        return f"{held}; nothing was sent that takes longer to drain on this link. {_of_own(beside)}"
    late, lost = sum(sum(case.late) for case in passing), sum(sum(case.lost) for case in passing)
    if not late:
        return f"{held}; where it does not, none did either, which theory does not explain. {_of_own(beside)}"
    over = f"all but {spared} of {sum(len(case.runs) for case in passing)} runs" if spared else "every run"
    moral = ": a time-out says 'unknown', not 'lost'" if late > lost else ""
    return (
        f"{held}; where it does not, some did in {over}, {late:,} in all. Of these {late - lost:,} were stored all the "
        f"same and {lost:,} never{moral}. {_of_own(beside)}"
    )


def _sides(deadline: float, cases: Sequence[Case]) -> tuple[list[Case], list[Case]]:
    """Return the cases that drain in time and those that do not, without those too near to tell."""
    fitting = [case for case in cases if case.drain <= (1 - _WIDE) * deadline]
    return fitting, [case for case in cases if case.drain >= (1 + _WIDE) * deadline]


def _of_own(beside: Sequence[Sent]) -> str:
    late, slowest = sum(run.late for run in beside), max(run.ack(99) for run in beside)
    return f"zakar's own window: {late or 'no'} time-outs, 99 of 100 acks within {slowest:.2f} s."


def _unseen(deadline: float, cases: Sequence[Case]) -> tuple[str, ...]:
    said = []
    _, passing = _sides(deadline, cases)
    if not passing:
        said.append(
            f"Time-outs: {max(case.messages for case in cases):,} messages at once drain in "
            f"{max(case.drain for case in cases):.2f} s on this link, and the deadline is {deadline:g} s."
        )
    elif not any(map(sum, (case.lost for case in passing))):
        said.append(
            f"Messages that are never stored: even of {max(case.messages for case in passing):,} at once all arrived, "
            "since buffers outside of the program held what it left."
        )
    return tuple(said)


def _table(deadline: float, cases: Sequence[Case], beside: Sequence[Sent]) -> Table:
    rows = [_row(case, deadline) for case in cases]
    middle = sorted(beside, key=lambda run: run.late)[len(beside) // 2]
    rows.append((OWN, cases[0].link, f"{middle.sent:,}", "", f"{middle.acknowledged:,}", f"{middle.late:,}", "0", "0"))
    columns = ("who", "link", "sent", "drain, s", "acknowledged", "timed out", "but stored", "never stored")
    return Table(f"What became of messages sent at once, deadline {deadline:g} s (middle runs)", columns, tuple(rows))


def _row(case: Case, deadline: float) -> tuple[str, ...]:
    middle = sorted(range(len(case.runs)), key=lambda run: case.runs[run].late)[len(case.runs) // 2]
    run, mark = case.runs[middle], " > deadline" if case.drain > deadline else ""
    return (
        SDK,
        case.link,
        f"{run.sent:,}",
        f"{case.drain:.2f}{mark}",
        f"{run.acknowledged:,}",
        f"{run.late:,}",
        f"{case.found[middle]:,}",
        f"{case.lost[middle]:,}",
    )
