import json

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from zakar.dataset import wire
from zakar.dataset.schema import PUBLIC, Table

INT16, INT32 = st.integers(-(2**15), 2**15 - 1), st.integers(-(2**31), 2**31 - 1)
TEXT = st.one_of(st.text(), st.text(alphabet=[chr(code) for code in range(0x20)] + ['"', "\\", "/", "\x7f", "a", "🔥"]))
SCHEMA = pa.schema(
    [
        pa.field("day", pa.int32(), nullable=False),
        pa.field("said", pa.string(), nullable=False),
        pa.field("x", pa.int16(), nullable=False),
        pa.field("last words", pa.string(), nullable=False),
    ]
)
ROWS = st.lists(
    st.tuples(INT32, TEXT, INT16, TEXT).map(lambda values: dict(zip(SCHEMA.names, values, strict=True))), max_size=12
)


def batch(rows: list[dict[str, int | str]], schema: pa.Schema = SCHEMA) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist(rows, schema)


def plain(row: dict[str, int | str]) -> bytes:
    return json.dumps(row, separators=(",", ":"), ensure_ascii=False).encode()


@given(ROWS)
@example([{"day": -(2**31), "said": "".join(map(chr, range(0x21))), "x": -(2**15), "last words": '"\\\u2028𝄞'}])
def test_every_row_is_what_json_dumps_makes_of_it(rows: list[dict[str, int | str]]) -> None:
    assert wire.encode(batch(rows)).to_pylist() == [plain(row) for row in rows]


@given(ROWS)
def test_every_row_parses_back_with_its_keys_in_order(rows: list[dict[str, int | str]]) -> None:
    for row, sent in zip(rows, wire.encode(batch(rows)).to_pylist(), strict=True):
        assert list(json.loads(sent).items()) == list(row.items())


@given(ROWS)
def test_the_size_is_the_sum_of_the_lengths(rows: list[dict[str, int | str]]) -> None:
    assert wire.size(batch(rows)) == sum(len(plain(row)) for row in rows)


@given(ROWS, st.data())
def test_a_slice_is_encoded_like_the_rows_it_holds(rows: list[dict[str, int | str]], data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(rows)))
    stop = data.draw(st.integers(start, len(rows)))
    part = batch(rows).slice(start, stop - start)
    assert wire.encode(part).to_pylist() == [plain(row) for row in rows[start:stop]]
    assert wire.size(part) == sum(len(plain(row)) for row in rows[start:stop])


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1))
@example([-(2**63), 2**63 - 1, 0, -1, 9, 10, -9, -10, 10**18])
def test_the_size_counts_the_digits_of_any_integer(numbers: list[int]) -> None:
    rows = batch([{"n": n} for n in numbers], pa.schema([("n", pa.int64())]))
    assert wire.encode(rows).to_pylist() == [b'{"n":%d}' % n for n in numbers]
    assert wire.size(rows) == sum(len(b'{"n":%d}' % n) for n in numbers)


@pytest.mark.parametrize("table", PUBLIC, ids=lambda table: table.name)
def test_no_rows_are_no_messages(table: Table) -> None:
    empty = batch([], table.schema)
    assert wire.encode(empty).to_pylist() == []
    assert wire.encode(empty).type == pa.binary()
    assert wire.size(empty) == 0


def test_a_table_that_ends_in_text_closes_it() -> None:
    rows = batch([{"t": "a"}], pa.schema([("t", pa.string())]))
    assert wire.encode(rows).to_pylist() == [b'{"t":"a"}']
