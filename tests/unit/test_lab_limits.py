"""The lesson on limits: its theory, and what is said of invented figures."""

import math
from dataclasses import replace

import pytest

from zakar.lab.lesson import Lesson
from zakar.lab.lessons.limits import AUTO, LIMITS, OWN, SDK, Road, concluded
from zakar.lab.sent import Sent

ROAD = Road("a-link", round_trip=0.1, link={SDK: 700.0, OWN: 800.0}, sender=5_000)


def _run(late: int, rate: float, ack: float) -> Sent:
    acks = (ack,) * 101 if late < 1_000 else ()
    return Sent((1_000 - late) / rate or 1.0, 1_000, 1_000 - late, late, acks)


def _lesson(late: dict[int, int], own_late: int = 0, road: Road = ROAD) -> Lesson:
    """Return the lesson where of the SDK's thousand messages so many timed out, by limit."""
    found = {(SDK, limit): [_run(late.get(limit, 0), 700, 0.5)] * 3 for limit in LIMITS}
    return concluded(road, found, [_run(own_late, 770, 0.25)] * 3)


def test_the_last_of_a_full_window_waits_for_all_before_it():
    assert ROAD.longest(SDK, 700) == pytest.approx(1.1)
    assert ROAD.longest(OWN, 400) == pytest.approx(0.6)
    assert replace(ROAD, sender=500).longest(SDK, 700) == 0.1  # the link is never full


def test_a_rate_is_expected_only_where_nothing_should_time_out():
    assert ROAD.rate(SDK, 1_000) is None
    assert ROAD.rate(SDK, 250) == 700
    assert ROAD.rate(OWN, 250) == 800
    assert ROAD.rate(OWN, 10) == pytest.approx(10 / 0.2)


def test_the_limits_that_are_too_many_are_predicted():
    assert "1.53 s with 1,000, 0.81 s with 500, 0.46 s with 250" in _lesson({}).prediction
    assert "so 1,000 is too many" in _lesson({}).prediction
    assert "so 1,000 and 500 are too many" in _lesson({}, road=replace(ROAD, round_trip=0.4)).prediction
    assert "so none is too many" in _lesson({}, road=replace(ROAD, sender=100)).prediction


@pytest.mark.parametrize(
    ("late", "said"),
    [
        ({1_000: 400}, "Of the SDK's messages 40% with a limit of 1,000 timed out, none with 500 or 250."),
        ({}, "No message of the SDK timed out."),
        (
            {1_000: 400, 500: 200, 250: 100},
            "messages 40% with a limit of 1,000, 20% with a limit of 500, 10% with a limit of 250 timed out. ",
        ),
    ],
)
def test_it_says_with_which_limits_messages_timed_out(late: dict[int, int], said: str):
    assert said in _lesson(late).seen


@pytest.mark.parametrize(("late", "said"), [(0, "none did"), (100, "10% did")])
def test_it_says_how_zakars_own_window_did(late: int, said: str):
    seen = _lesson({}, late).seen
    assert said in seen
    assert "within 0.25 s, and 110% of the best throughput" in seen


def test_the_own_window_stands_where_littles_law_puts_it():
    (point,) = [point for point in _lesson({}).graphs[0].points if point.series == AUTO]
    assert point.x == pytest.approx(770 * 0.25)


def test_a_limit_that_is_never_too_large_and_a_link_never_full_are_said_with_the_evidence():
    assert _lesson({1_000: 400}).unseen == ()
    large, full = _lesson({}, road=replace(ROAD, sender=500)).unseen
    assert "the last of 1,000 waits 0.10 s" in large
    assert "500 messages a second" in full


def test_runs_without_an_ack_have_no_points_and_no_link_no_limit():
    assert SDK not in {point.series for point in _lesson(dict.fromkeys(LIMITS, 1_000)).graphs[1].points}
    bare = _lesson({}, road=Road("none", 0.0, {SDK: math.inf, OWN: math.inf}, 5_000))
    points = [point for graph in bare.graphs for point in graph.points]
    assert all(point.expected is None or math.isfinite(point.expected) for point in points)
    assert bare.graphs[0].points[0].expected == 5_000
    assert "inf" not in " ".join(bare.unseen)
