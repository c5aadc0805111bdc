"""The limit on messages in flight that sets itself, and the pace of `--rate`, against simulated links."""

import math
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from zakar.loader.estimate import Estimate
from zakar.loader.schedule import RateSchedule
from zakar.loader.window import AutoWindow

ACK_TIMEOUT = 15.0
RATES = st.floats(math.log(20), math.log(200_000)).map(math.exp)  # messages a second
ROUND_TRIPS = st.floats(math.log(0.0005), math.log(0.6)).map(math.exp)


@dataclass
class Link:
    """A link and a server: one message after the other, in order, each acknowledged a round trip later.

    ``speed(now)``: messages a second. ``late(now)``: seconds that an ack comes later. ``loss``: the share of writes
    that arrive a round trip later, all behind them waiting.
    """

    speed: Callable[[float], float]
    round_trip: float
    late: Callable[[float], float] = lambda _: 0.0
    loss: float = 0.0
    dice: random.Random = field(default_factory=lambda: random.Random(1))

    def run(self, seconds: float) -> tuple[list[tuple[float, int]], float, int]:
        """Keep the link busy; return (time, stored by then), the longest wait for an ack, and the most in flight
        after the first three seconds."""
        window = AutoWindow(Estimate(ACK_TIMEOUT), ACK_TIMEOUT, 0)
        acks: deque[tuple[float, int, float]] = deque()
        now = free = last = longest = 0.0
        most = 0
        stored = [(0.0, 0)]
        while now < seconds:
            if room := window.room:
                piece, sequence = max(1, window.limit // 16), window.sent
                window.send(room, now)
                while sequence < window.sent:
                    number = min(piece, window.sent - sequence)
                    sequence += number
                    free = self._passed(max(free, now), number)
                    lost = self.round_trip if self.dice.random() < self.loss else 0.0
                    last = max(last, free + self.round_trip + lost + self.late(free))
                    acks.append((last, sequence, now))
                most = max(most, window.in_flight) if now > 3 else most
                continue
            now, sequence, sent = acks.popleft()
            longest = max(longest, now - sent)
            window.ack(sequence, now)
            stored.append((now, sequence))
        return stored, longest, most

    def _passed(self, begin: float, number: int) -> float:
        """When messages that begin at a time have passed; the speed is looked at every tenth of a second."""
        while number > 0:
            step = (math.floor(begin * 10 + 1e-6) + 1) / 10 - begin
            fits = step * self.speed(begin)
            if fits >= number:
                return begin + number / self.speed(begin)
            number, begin = number - fits, begin + step
        return begin


def delivered(stored: list[tuple[float, int]], begin: float, end: float) -> float:
    """Messages a second stored between two times."""
    before = max((n for at, n in stored if at <= begin), default=0)
    return (max(n for at, n in stored if at <= end) - before) / (end - begin)


@settings(deadline=None, max_examples=60)
@given(RATES, ROUND_TRIPS)
def test_any_link_is_filled_within_seconds_and_its_queue_stays_short(rate: float, round_trip: float) -> None:
    stored, longest, most = Link(lambda _: rate, round_trip).run(30)
    assert longest < ACK_TIMEOUT
    fillable = min(rate, 65_536 / (round_trip + 0.1))
    assert delivered(stored, 8, 28) >= 0.9 * fillable
    assert most <= max(64, 1.3 * rate * (3 * round_trip + 0.25))


@settings(deadline=None, max_examples=60)
@given(RATES, ROUND_TRIPS, st.floats(0, 0.02), st.floats(0, 1), st.integers(0, 2**32))
@example(math.exp(11), math.exp(-0.625), 0.01953125, 1.0, 1555)  # whose losses looked like a full link at the start
def test_jitter_and_loss_cost_no_time_out_and_little_speed(
    rate: float, round_trip: float, loss: float, jitter: float, seed: int
) -> None:
    dice = random.Random(seed)
    link = Link(lambda _: rate, round_trip, lambda _: dice.random() * jitter * round_trip / 2, loss, dice)
    stored, longest, _ = link.run(30)
    assert longest < ACK_TIMEOUT
    assert delivered(stored, 8, 28) >= 0.7 * min(rate, 65_536 / (2 * round_trip + 0.1))


@pytest.mark.slow
@settings(deadline=None, max_examples=60)
@given(RATES.filter(lambda rate: rate > 200), ROUND_TRIPS.filter(lambda seconds: seconds < 0.3), st.floats(4, 20))
def test_a_link_that_becomes_ten_times_slower_or_faster_is_followed(rate: float, round_trip: float, at: float) -> None:
    slower = Link(lambda now: rate if now < at else rate / 10, round_trip)
    stored, longest, _ = slower.run(60)
    assert longest < ACK_TIMEOUT
    assert delivered(stored, at + 10, 58) >= 0.9 * rate / 10
    faster = Link(lambda now: rate / 10 if now < at else rate, round_trip)
    stored, longest, _ = faster.run(60)
    assert longest < ACK_TIMEOUT
    assert delivered(stored, at + 10, 58) >= 0.9 * min(rate, 65_536 / (round_trip + 0.1))


@settings(deadline=None, max_examples=60)
@given(RATES, ROUND_TRIPS, st.floats(1, 20))
def test_a_link_that_stalls_ten_seconds_costs_no_time_out(rate: float, round_trip: float, at: float) -> None:
    link = Link(lambda now: 1e-9 if at <= now < at + 10 else rate, round_trip)
    stored, longest, _ = link.run(60)
    assert longest < ACK_TIMEOUT
    assert delivered(stored, at + 18, 58) >= 0.9 * min(rate, 65_536 / (round_trip + 0.1))


def test_a_longer_way_is_noticed() -> None:
    link = Link(lambda _: 20_000, 0.01, lambda now: 0.3 if now > 10 else 0.0)
    stored, longest, _ = link.run(90)
    assert longest < ACK_TIMEOUT
    assert delivered(stored, 60, 85) >= 0.9 * 20_000


@given(st.floats(0.01, 1e6), st.lists(st.tuples(st.floats(0, 30), st.floats(0, 1)), min_size=1, max_size=40))
def test_a_rate_is_never_exceeded_by_more_than_a_second_of_it(rate: float, waits: list[tuple[float, float]]) -> None:
    schedule, now, sent = RateSchedule(rate, 0.0), 0.0, []
    for wait, share in waits:
        now += wait
        number = math.ceil(schedule.due(now) * share)
        schedule.send(number)
        sent.append((now, number))
    for first, (begin, _) in enumerate(sent):
        for last in range(first, len(sent)):
            assert sum(n for _, n in sent[first : last + 1]) <= rate * (sent[last][0] - begin + 1.0) + 1


@given(st.floats(0.01, 1e5), st.integers(1, 200))
def test_a_rate_is_kept_by_whoever_comes_when_it_is_due(rate: float, pieces: int) -> None:
    schedule, now, sent = RateSchedule(rate, 0.0), 0.0, 0
    for _ in range(pieces):
        now = schedule.again + 1e-6
        number = schedule.due(now)
        assert number > 0
        schedule.send(number)
        sent += number
    assert sent >= 0.99 * rate * now - 1
