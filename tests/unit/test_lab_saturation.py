"""The lesson on saturation: its theory, and what is said of invented figures."""

import math
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zakar.lab import theory
from zakar.lab.lesson import Lesson
from zakar.lab.lessons.saturation import Case, _sizes, concluded
from zakar.lab.sent import Sent

DEADLINE = 2.0
positive = st.floats(1e-3, 1e4)


@dataclass
class Told:
    """What came of 200 messages in half a deadline, and of 800 in two."""

    early: int = 0
    late: int = 400
    lost: int = 100


def _case(messages: int, late: int, lost: int, rate: float = 200.0, link: str = "slow") -> Case:
    acks = tuple(step / 100 for step in range(101)) if late < messages else ()
    run = Sent(4.0, messages, messages - late, late, acks)
    return Case(link, rate, 0.0, messages, (run,) * 3, (messages - lost,) * 3)


def _lesson(told: Told, own_late: int = 0) -> Lesson:
    cases = [_case(200, told.early, 0), _case(800, told.late, told.lost), _case(800, 0, 0, 5_000, "fast")]
    return concluded(DEADLINE, 697.0, cases, [Sent(4.0, 800, 800 - own_late, own_late, (0.5,) * 101)])


@given(st.integers(1, 100_000), positive, positive, positive)
def test_time_outs_begin_where_the_drain_passes_the_deadline(messages, rate, round_trip, deadline):
    late = theory.late(messages, rate, round_trip, deadline)
    drain = theory.drain(messages, rate, round_trip)
    assert 0 <= late <= messages
    if drain < deadline * (1 - 1e-9):
        assert late == pytest.approx(0, abs=1e-6 * messages)
    if drain > deadline * (1 + 1e-9):
        assert late > 0


@given(positive, positive, st.floats(0, 1e4))
def test_what_has_drained_by_a_time_takes_that_time(rate, round_trip, more):
    by = round_trip + more
    assert theory.drain(theory.drained_by(by, rate, round_trip), rate, round_trip) == pytest.approx(by)


def test_a_message_of_697_bytes_over_a_slow_line_is_predicted():
    prediction = _lesson(Told()).prediction
    assert "slow takes 200 messages of 697 bytes a second, so 400 at once drain within 2 s" in prediction


def test_sizes_are_what_drains_in_so_many_deadlines_and_a_flood():
    assert _sizes((0.5, 2.0), 2.0, 200.0, 0.5) == [100, 700, 4_000]
    assert _sizes((0.5, 2.0), 2.0, math.inf, 0.0) == [4_000]
    assert _sizes((0.1,), 2.0, 200.0, 0.5) == [1, 4_000]


def test_time_outs_on_one_side_only_are_told_with_what_was_stored_all_the_same():
    seen = _lesson(Told()).seen
    assert "no messages timed out in 6 runs" in seen
    assert "in every run, 1,200 in all. Of these 900 were stored all the same and 300 never: a time-out says" in seen


def test_that_a_time_out_is_no_loss_is_not_said_where_all_was_lost():
    assert "'unknown'" not in _lesson(Told(late=400, lost=400)).seen


def test_time_outs_where_none_were_due_are_told():
    assert "15 messages timed out in 6 runs" in _lesson(Told(early=5)).seen


def test_no_time_outs_where_some_were_due_are_told():
    assert "none did either" in _lesson(Told(late=0, lost=0)).seen


@pytest.mark.parametrize(("late", "said"), [(0, "no time-outs"), (7, "7 time-outs")])
def test_zakars_own_time_outs_are_told_too(late: int, said: str):
    assert f"zakar's own window: {said}" in _lesson(Told(), late).seen


def test_a_link_that_nothing_saturates_is_said_with_the_evidence():
    lesson = concluded(DEADLINE, 697.0, [_case(4_000, 0, 0, math.inf)], [Sent(1.0, 10, 10, 0, (0.1,) * 101)])
    assert "nothing was sent that takes longer to drain" in lesson.seen
    assert "4,000 messages at once drain in 0.00 s" in lesson.unseen[0]
    assert not lesson.graphs[0].x_log
    assert "Without a link" in lesson.prediction


def test_that_no_message_was_lost_is_said():
    assert "never stored" in _lesson(Told(lost=0)).unseen[0]
    assert _lesson(Told()).unseen == ()


def test_the_table_accounts_for_every_message():
    for row in _lesson(Told()).tables[0].rows:
        sent, acknowledged, late, found, lost = (int(row[column].replace(",", "")) for column in (2, 4, 5, 6, 7))
        assert acknowledged + late == sent
        assert found + lost == late


def test_a_case_in_which_no_ack_came_has_no_ack_times():
    lesson = concluded(DEADLINE, 697.0, [_case(4_000, 4_000, 4_000)], [Sent(1.0, 10, 10, 0, (0.1,) * 101)])
    assert lesson.graphs[1].points == ()
