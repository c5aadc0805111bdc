import pytest
from hypothesis import given
from hypothesis import strategies as st

from zakar.loader.window import Window

LIMITS, STARTS = st.integers(1, 50), st.integers(0, 2**40)


@given(LIMITS, STARTS)
def test_after_the_limit_nothing_may_be_sent_until_half_is_stored(limit: int, start: int) -> None:
    window = Window(limit, 15, start)
    window.send(limit, 0.0)
    for stored in range(limit):
        drained = limit - stored <= limit // 2
        assert window.room == (stored if drained else 0)
        window.ack(start + stored + 1, 0.0)
    assert window.room == limit


@given(LIMITS, STARTS, st.data())
def test_below_the_limit_sending_never_waits(limit: int, start: int, data: st.DataObject) -> None:
    window = Window(limit, 15, start)
    part = data.draw(st.integers(0, limit - 1))
    for sent in range(part):
        assert window.room == limit - sent
        window.send(1, float(sent))
    assert window.in_flight == part


@given(LIMITS, STARTS, st.lists(st.integers(-60, 60), max_size=20))
def test_late_repeated_and_early_acks_do_no_harm(limit: int, start: int, acks: list[int]) -> None:
    window = Window(limit, 15, start)
    window.send(limit, 0.0)
    for ack in acks:
        before = window.acked
        window.ack(start + ack, 0.0)
        assert before <= window.acked <= window.sent == start + limit
        assert window.acked == max(before, min(start + ack, start + limit))


@given(LIMITS, st.integers())
def test_no_messages_and_more_than_the_room_are_refused(limit: int, extra: int) -> None:
    window = Window(limit, 15, 0)
    for number in (0, -abs(extra), limit + 1 + abs(extra)):
        with pytest.raises(ValueError, match="do not fit"):
            window.send(number, 0.0)
    assert (window.in_flight, window.deadline) == (0, None)


def test_the_deadline_is_that_of_the_oldest_block_not_yet_stored_whole() -> None:
    window = Window(100, 15, 1000)
    window.send(10, 1.0)
    window.send(10, 2.0)
    assert window.deadline == 16.0
    window.ack(1009, 0.0)
    assert window.deadline == 16.0
    window.ack(1010, 0.0)
    assert window.deadline == 17.0
    window.ack(1020, 0.0)
    assert window.deadline is None
