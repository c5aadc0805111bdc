import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zakar.dataset.content import day_digests, fingerprint, table_digest
from zakar.dataset.schema import TWEETS

ROWS = st.lists(st.tuples(st.integers(1, 5), st.integers(0, 9), st.integers(0, 9), st.text(max_size=5)), max_size=25)


def _table(rows, chunk: int = 1_000) -> pa.Table:
    schema = TWEETS.schema
    chunks = [rows[i : i + chunk] for i in range(0, len(rows), chunk)]
    batches = [
        pa.RecordBatch.from_arrays(
            [pa.array(column, field.type) for column, field in zip(zip(*part, strict=True), schema, strict=True)],
            schema=schema,
        )
        for part in chunks
    ]
    return pa.Table.from_batches(batches, schema)


def _digest(rows, chunk: int = 1_000) -> str:
    return table_digest(TWEETS, day_digests(TWEETS, _table(sorted(rows, key=lambda row: row[0]), chunk)))


@given(ROWS, st.integers(1, 7))
def test_chunks_do_not_change_a_digest(rows, chunk):
    assert _digest(rows, chunk) == _digest(rows)


@given(ROWS, st.integers(0, 30))
def test_slices_do_not_change_a_digest(rows, extra):
    padded = _table([(1, 0, 0, "x" * extra), *rows])
    assert day_digests(TWEETS, _table([])) == []
    days = sorted(rows, key=lambda row: row[0])
    whole = _table([(0, 0, 0, "x" * extra), *days])
    assert day_digests(TWEETS, whole.slice(1)) == day_digests(TWEETS, _table(days))
    assert padded.num_rows == len(rows) + 1


@given(ROWS.filter(bool), st.data())
def test_any_other_value_changes_the_digest(rows, data):
    rows = sorted(rows, key=lambda row: row[0])
    at = data.draw(st.integers(0, len(rows) - 1))
    day, x, y, text = rows[at]
    changed = data.draw(st.sampled_from([(day, x + 1, y, text), (day, x, y + 1, text), (day, x, y, text + "!")]))
    assert _digest([*rows[:at], changed, *rows[at + 1 :]]) != _digest(rows)


def test_a_letter_moved_to_the_next_text_changes_the_digest():
    assert _digest([(1, 0, 0, "ab"), (1, 0, 0, "c")]) != _digest([(1, 0, 0, "a"), (1, 0, 0, "bc")])


def test_a_row_moved_to_the_next_day_changes_the_digest():
    assert _digest([(1, 0, 0, "a"), (1, 0, 0, "b")]) != _digest([(1, 0, 0, "a"), (2, 0, 0, "b")])


def test_days_that_go_back_are_refused():
    with pytest.raises(ValueError, match="goes back"):
        day_digests(TWEETS, _table([(2, 0, 0, "a"), (1, 0, 0, "b")]))


def test_the_fingerprint_depends_on_names_and_digests_but_not_on_their_order():
    assert fingerprint({"a": "1", "b": "2"}) == fingerprint({"b": "2", "a": "1"}) != fingerprint({"a": "2", "b": "1"})
