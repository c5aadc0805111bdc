"""Comparing a station with its table, on plain lists."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from zakar.loader.verify import Comparison, compare

MESSAGES = st.lists(st.sampled_from([b"a", b"b", b"c", b"d", b"e"]), max_size=30)


def _compared(expected: list[bytes], stored: list[bytes], cut: int = 4, chunk: int = 3) -> Comparison:
    def rows() -> Iterator[pa.Array]:
        return (pa.array(expected[i : i + cut], pa.binary()) for i in range(0, len(expected), cut))

    async def read() -> AsyncIterator[list[bytes]]:
        for i in range(0, len(stored), chunk):
            yield stored[i : i + chunk]

    return asyncio.run(compare(rows, read()))


def _numbered(number: int) -> list[bytes]:
    return [b"%d" % n for n in range(number)]


@given(MESSAGES, st.integers(1, 9), st.integers(1, 9))
def test_the_same_is_the_same_however_it_is_cut(messages, cut, chunk):
    assert _compared(messages, messages, cut, chunk) == Comparison(len(messages), len(messages))


@given(MESSAGES, MESSAGES, st.integers(1, 9), st.integers(1, 9))
def test_cuts_change_nothing_about_what_is_found(expected, stored, cut, chunk):
    found = _compared(expected, stored, cut, chunk)
    assert found == _compared(expected, stored, 100, 100)
    assert (found.expected, found.stored) == (len(expected), len(stored))
    assert found.ok == (expected == stored)


@given(MESSAGES, MESSAGES)
def test_the_counts_add_up(expected, stored):
    found = _compared(expected, stored)
    kept = found.expected - found.missing
    assert kept == found.stored - found.duplicates - found.different


@given(st.integers(1, 40), st.data())
def test_a_dropped_message_is_missing_and_nothing_else(number, data):
    messages = _numbered(number)
    at = data.draw(st.integers(0, number - 1))
    found = _compared(messages, messages[:at] + messages[at + 1 :])
    assert (found.missing, found.duplicates, found.out_of_order, found.different) == (1, 0, 0, 0)


@given(st.integers(1, 40), st.data())
def test_an_earlier_message_stored_again_is_a_duplicate(number, data):
    messages = _numbered(number)
    which, at = data.draw(st.integers(0, number - 1)), data.draw(st.integers(0, number))
    found = _compared(messages, [*messages[:at], messages[which], *messages[at:]])
    assert (found.missing, found.duplicates, found.different) == (0, 1, 0)


@given(st.integers(1, 40), st.data())
def test_an_altered_message_is_different_and_its_row_missing(number, data):
    messages = _numbered(number)
    at = data.draw(st.integers(0, number - 1))
    found = _compared(messages, [*messages[:at], b"altered", *messages[at + 1 :]])
    assert (found.missing, found.duplicates, found.out_of_order, found.different) == (1, 0, 0, 1)


@given(st.integers(2, 40), st.data())
def test_two_swapped_messages_are_out_of_order_only(number, data):
    messages = _numbered(number)
    at = data.draw(st.integers(0, number - 2))
    stored = [*messages[:at], messages[at + 1], messages[at], *messages[at + 2 :]]
    found = _compared(messages, stored)
    assert (found.missing, found.duplicates, found.out_of_order, found.different) == (0, 0, 1, 0)


@given(st.integers(1, 20))
def test_everything_twice_is_as_many_duplicates(number):
    messages = _numbered(number)
    found = _compared(messages, messages + messages)
    assert (found.missing, found.duplicates, found.different) == (0, number, 0)


def test_rows_that_are_equal_by_right_are_no_duplicates():
    assert _compared([b"a", b"a", b"b"], [b"a", b"a", b"b"]).ok
    assert _compared([b"a", b"a", b"b"], [b"a", b"b"]).missing == 1
