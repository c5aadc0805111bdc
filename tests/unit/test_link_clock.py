import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zakar.lab.lane import Direction, Lane, departure

SIZES = st.integers(1, 200_000)
FINITE = st.floats(1e3, 1e9)
RATES = st.one_of(FINITE, st.just(math.inf))
DIRECTIONS = st.builds(
    Direction, delay=st.floats(0, 2), jitter=st.floats(0, 0.5), rate=RATES, queue=st.integers(1_500, 2**20)
)
PUTS = st.lists(st.tuples(st.floats(0, 0.5), SIZES), min_size=1, max_size=8)  # seconds since the last, bytes
NEVER = 1e12


def _arrivals(direction: Direction, puts: list[tuple[float, int]], chance: float) -> list[tuple[float, float, int]]:
    """Put everything at its time; return time of coming, of arrival, and bytes of each run that arrives."""
    lane: Lane[float] = Lane(direction, lambda: chance)
    now, found = 0.0, []
    for pause, size in puts:
        while (due := lane.next) is not None and due <= now + pause:
            found += [(come, due, len(data)) for come, data in lane.take(due)]
        now += pause
        lane.put(now, now, memoryview(bytes(size)))
    while (due := lane.next) is not None:
        found += [(come, due, len(data)) for come, data in lane.take(due)]
    return found


@given(st.floats(0, 1e6), st.integers(0, 2**20), RATES)
def test_a_piece_takes_its_bits_over_the_rate(begun: float, size: int, rate: float) -> None:
    assert departure(begun, size, rate) == pytest.approx(begun + 8 * size / rate)


@given(DIRECTIONS, PUTS, st.floats(0, 0.999))
def test_nothing_is_lost_early_or_out_of_order(
    direction: Direction, puts: list[tuple[float, int]], chance: float
) -> None:
    found = _arrivals(direction, puts, chance)
    assert sum(size for _, _, size in found) == sum(size for _, size in puts)
    assert [come for come, _, _ in found] == sorted(come for come, _, _ in found)
    times = [arrived for _, arrived, _ in found]
    assert times == sorted(times)
    assert all(arrived >= come + direction.delay for come, arrived, _ in found)
    assert all(size <= direction.piece for _, _, size in found)


@given(DIRECTIONS, FINITE, PUTS, st.floats(0, 1), st.floats(0, 1))
def test_between_any_two_moments_no_more_departs_than_the_rate_and_one_piece(
    direction: Direction, rate: float, puts: list[tuple[float, int]], first: float, second: float
) -> None:
    direction = replace(direction, jitter=0.0, rate=rate)
    found = _arrivals(direction, puts, 0.0)
    begin, end = sorted((first * found[-1][1], second * found[-1][1]))
    within = sum(size for _, arrived, size in found if begin <= arrived <= end)
    assert within <= rate * (end - begin) / 8 * (1 + 1e-6) + direction.piece + 1


@given(DIRECTIONS, PUTS, st.floats(0, 1))
def test_looking_late_costs_no_bandwidth(direction: Direction, puts: list[tuple[float, int]], late: float) -> None:
    punctual: Lane[None] = Lane(direction, lambda: 0.0)
    tardy: Lane[None] = Lane(direction, lambda: 0.0)
    for _, size in puts:
        for lane in (punctual, tardy):
            lane.put(0.0, None, memoryview(bytes(size)))
    last = 0.0
    while (due := punctual.next) is not None:
        punctual.take(due)
        last = due
    tardy.take(last * late)
    tardy.take(last)
    assert (tardy.waiting, tardy.next) == (0, None)


@given(FINITE, FINITE, PUTS, st.floats(0, 5))
def test_a_change_of_rate_holds_for_what_has_not_departed(
    before: float, after: float, puts: list[tuple[float, int]], when: float
) -> None:
    lane: Lane[None] = Lane(Direction(0.0, rate=before))
    for _, size in puts:
        lane.put(0.0, None, memoryview(bytes(size)))
    early = sum(len(data) for _, data in lane.take(when))
    lane.change(when, replace(lane.direction, rate=after))
    rest, last = 0, when
    while (due := lane.next) is not None:
        assert due >= last
        rest += sum(len(data) for _, data in lane.take(due))
        last = due
    total = sum(size for _, size in puts)
    assert early + rest == total
    assert early * 8 <= before * when * (1 + 1e-6)
    # The piece that is cut in two loses less than a byte of its time.
    assert total * 8 <= (before * when + after * (last - when)) * (1 + 1e-6)
    if rest:
        assert total * 8 >= (before * when + after * (last - when)) * (1 - 1e-6) - 16


def test_only_what_waits_for_the_rate_takes_room() -> None:
    lane: Lane[None] = Lane(Direction(delay=10.0, rate=8e6, queue=10_000))
    assert lane.fits(1_000_000)
    lane.put(0.0, None, memoryview(bytes(10_000)))
    assert not lane.fits(1)
    assert lane.take(0.006) == []
    assert lane.waiting == 5_000
    assert lane.fits(5_000)
    assert not lane.fits(5_001)


def test_an_empty_run_arrives_in_its_place() -> None:
    lane: Lane[str] = Lane(Direction(delay=1.0, rate=8e6))
    for to, size in (("a", 6_000), ("a", 0), ("b", 1_000)):
        lane.put(0.0, to, memoryview(bytes(size)))
    assert [(to, len(data)) for to, data in lane.take(NEVER)] == [("a", 5_000), ("a", 1_000), ("a", 0), ("b", 1_000)]


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"delay": -0.1}, "delay"),
        ({"delay": math.inf}, "delay"),
        ({"delay": math.nan}, "delay"),
        ({"delay": 0, "jitter": -1}, "jitter"),
        ({"delay": 0, "rate": 0}, "rate"),
        ({"delay": 0, "rate": math.nan}, "rate"),
        ({"delay": 0, "queue": 1_499}, "queue"),
    ],
)
def test_what_makes_no_link_is_refused_by_name(wrong: dict[str, float], named: str) -> None:
    with pytest.raises(ValueError, match=f"^{named} is "):
        Direction(**wrong)  # type: ignore[arg-type]
