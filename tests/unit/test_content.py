import itertools

import pyarrow as pa
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from zakar.dataset.content import day_digests, fingerprint, table_digest
from zakar.dataset.schema import ALERTS, READINGS, TWEETS

Row = tuple[int, int, int, str]
INT16 = st.integers(-(2**15), 2**15 - 1)
ROWS = st.lists(st.tuples(st.integers(1, 5), INT16, INT16, st.text(max_size=8)), max_size=12).map(
    lambda rows: sorted(rows, key=lambda row: row[0])
)


def table(rows: list[Row]) -> pa.Table:
    columns = zip(*rows, strict=True) if rows else ((), (), (), ())
    arrays = [pa.array(list(column), field.type) for column, field in zip(columns, TWEETS.schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=TWEETS.schema)


def digest(rows: list[Row]) -> str:
    return table_digest(TWEETS, day_digests(TWEETS, table(rows)))


@given(ROWS, st.lists(st.integers(0, 12), max_size=4))
def test_the_digests_do_not_depend_on_how_rows_are_chunked(rows: list[Row], cuts: list[int]) -> None:
    whole = table(rows)
    bounds = sorted({0, len(rows), *(min(cut, len(rows)) for cut in cuts)})
    chunks = [whole.slice(a, b - a) for a, b in itertools.pairwise(bounds)]
    assert day_digests(TWEETS, pa.concat_tables(chunks or [whole])) == day_digests(TWEETS, whole)


@given(ROWS, ROWS)
def test_the_digests_do_not_depend_on_what_lies_around_a_slice(rows: list[Row], others: list[Row]) -> None:
    around = pa.concat_tables([table(others), table(rows), table(others)]).combine_chunks()
    assert day_digests(TWEETS, around.slice(len(others), len(rows))) == day_digests(TWEETS, table(rows))


@given(ROWS, st.integers(1, 6))
def test_a_block_cut_does_not_change_the_content(rows: list[Row], day: int) -> None:
    early, late = [row for row in rows if row[0] < day], [row for row in rows if row[0] >= day]
    blocks = day_digests(TWEETS, table(early)) + day_digests(TWEETS, table(late))
    assert table_digest(TWEETS, blocks) == digest(rows)


@given(ROWS, ROWS)
def test_other_rows_have_another_digest(rows: list[Row], others: list[Row]) -> None:
    assert (digest(rows) == digest(others)) == (rows == others)


@given(ROWS, st.data())
def test_any_changed_value_changes_the_digest(rows: list[Row], data: st.DataObject) -> None:
    assume(rows)
    at = data.draw(st.integers(0, len(rows) - 1))
    day, x, y, text = rows[at]
    for changed in ((day, x ^ 1, y, text), (day, x, y ^ 1, text), (day, x, y, text + "\0"), (day, y, x, text)):
        if changed != rows[at]:
            assert digest([*rows[:at], changed, *rows[at + 1 :]]) != digest(rows)


@given(ROWS)
def test_another_day_changes_the_digest(rows: list[Row]) -> None:
    assume(rows)
    assert digest([(day + 1, x, y, text) for day, x, y, text in rows]) != digest(rows)


@given(st.text(min_size=1), st.text())
def test_a_boundary_moved_between_two_texts_changes_the_digest(one: str, other: str) -> None:
    moved = digest([(1, 0, 0, one[:-1]), (1, 0, 0, one[-1] + other)])
    assert moved != digest([(1, 0, 0, one), (1, 0, 0, other)])


def test_two_rows_of_a_day_in_another_order_change_the_digest() -> None:
    assert digest([(1, 0, 0, "a"), (1, 0, 0, "b")]) != digest([(1, 0, 0, "b"), (1, 0, 0, "a")])


def test_a_row_moved_to_the_next_day_changes_the_digest() -> None:
    assert digest([(1, 0, 0, "a"), (1, 0, 0, "b"), (2, 0, 0, "c")]) != digest(
        [(1, 0, 0, "a"), (2, 0, 0, "b"), (2, 0, 0, "c")]
    )


def test_a_table_of_another_name_and_columns_has_another_digest() -> None:
    assert table_digest(READINGS, []) != table_digest(ALERTS, [])


def test_days_that_go_back_are_refused() -> None:
    with pytest.raises(ValueError, match="`day` goes back"):
        day_digests(TWEETS, table([(2, 0, 0, "a"), (1, 0, 0, "b")]))


def test_no_rows_have_no_days() -> None:
    assert day_digests(TWEETS, table([])) == []


def test_the_fingerprint_depends_on_names_and_digests_and_not_on_their_order() -> None:
    assert fingerprint({"a": "1", "b": "2"}) == fingerprint({"b": "2", "a": "1"})
    assert fingerprint({"a": "1", "b": "2"}) != fingerprint({"a": "2", "b": "1"})
    assert fingerprint({"a": "1", "b": "2"}) != fingerprint({"a": "1"})
