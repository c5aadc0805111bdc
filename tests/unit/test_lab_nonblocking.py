"""The lesson on non-blocking: its theory, and what is said of invented figures."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zakar.lab import theory
from zakar.lab.lesson import Lesson
from zakar.lab.lessons.nonblocking import AUTO, HALVED, SDK, SLIDING, Limits, concluded

# 20 Mbit/s of messages of 200 bytes are 12,500 a second; with 80 ms the product is 1,000.
LIMITS = Limits(round_trip=0.080, bits=20e6, piece=0, wire=200, server=100_000, sender=5_000)
windows, rates, trips = st.integers(1, 100_000), st.floats(1, 1e6), st.floats(1e-4, 10)


def _lesson(sliding: float, half: float, limits: Limits = LIMITS) -> Lesson:
    """Return the lesson where every sliding window brought a share of what theory expects, one at half another."""
    found = {
        SLIDING: {window: (sliding * limits.expected(SLIDING, window),) * 3 for window in (1, 100, 10_000)},
        HALVED: {100: (half * limits.expected(SLIDING, 100),)},
        SDK: {4_000: (limits.sender,)},
    }
    return concluded(limits, found, [12_000.0], [0.1])


def test_the_product_and_the_rate_are_those_of_the_link():
    assert LIMITS.link == 12_500
    assert LIMITS.product == pytest.approx(1_000)
    assert "12,500 messages of 200 bytes" in _lesson(1, 1).prediction
    assert "1,000 messages; more of them only wait" in _lesson(1, 1).prediction


def test_what_is_sent_at_once_must_get_onto_the_link_too():
    limits = replace(LIMITS, piece=12_500)  # 5 ms of the rate
    assert limits.loaded(1) == pytest.approx(0.080 + 200 * 8 / 20e6)
    assert limits.loaded(10_000) == pytest.approx(0.085)


@given(windows, trips, rates, rates)
def test_half_a_window_brings_half_of_it_or_all_that_link_and_server_take(window, trip, link, server):
    whole = theory.windowed(window, trip, link, server)
    assert whole / 2 <= theory.halved(window, trip, link, server) <= whole


@given(windows, trips, st.floats(1e-3, 1), rates)
def test_polling_never_brings_more_than_the_sender_or_than_a_window_a_round_trip(window, trip, poll, sender):
    rate = theory.polled(window, trip, poll, sender)
    assert rate <= min(sender, window / trip) * (1 + 1e-9)


def test_a_poll_is_awaited_by_what_is_back_sooner():
    assert theory.polled(100, 0.033, 0.1, 5_000) == pytest.approx(100 / 0.12)
    assert theory.polled(100, 0.150, 0.1, 5_000) == pytest.approx(100 / 0.22)
    assert theory.polled(1_000, 0.033, 0.1, 5_000) == 5_000


@pytest.mark.parametrize(
    ("share", "said"),
    [(1.0, ": as predicted, off by 0%"), (0.9, ": as predicted, off by 10%"), (0.5, "not as predicted, off by 50%")],
)
def test_it_says_whether_theory_held(share: float, said: str):
    assert said in _lesson(share, 1).seen


@pytest.mark.parametrize(
    ("share", "said"),
    [(0.95, "costs little: 95%"), (0.5, "zakar drained to half brings 50% of what is possible with 100")],
)
def test_it_says_what_draining_to_half_costs(share: float, said: str):
    assert said in _lesson(1, share).seen


def test_it_says_where_theory_did_not_hold_of_the_sdk():
    assert "The Memphis SDK" not in _lesson(1, 1).seen
    found = {SLIDING: {1: (LIMITS.expected(SLIDING, 1),)}, SDK: {256: (2_000.0,), 4_000: (8_000.0,)}}
    seen = concluded(LIMITS, found, [12_000.0], [0.1]).seen
    assert ": as predicted, off by 0%" in seen
    assert "The Memphis SDK was not: off by 60% (with 4,000), 8,000 a second where theory has 5,000" in seen


def test_the_own_window_stands_where_littles_law_puts_it():
    (point,) = [point for point in _lesson(1, 1).graphs[0].points if point.series == AUTO]
    assert point.x == pytest.approx(1_200)


def test_a_limit_that_is_never_reached_is_said_with_the_evidence():
    server, sdk = _lesson(1, 1).unseen
    assert "100,000" in server
    assert "12,500" in server
    assert "5,000" in sdk
    assert _lesson(1, 1, replace(LIMITS, server=9_000, sender=20_000)).unseen == ()


def test_without_a_link_only_the_server_limits():
    lesson = _lesson(1, 1, replace(LIMITS, bits=math.inf, round_trip=1e-4))
    assert "until the server is full" in lesson.prediction
    assert all(math.isfinite(y) for curve in lesson.graphs[0].curves for y in curve.ys)
    assert "no limit" in lesson.tables[0].rows[3]
