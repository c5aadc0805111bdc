import json
import re
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from zakar.dataset import wire
from zakar.dataset.schema import PREDICTIONS, PUBLIC, Table

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


@given(st.sampled_from(["int8", "int16", "int32", "int64", "uint8", "uint64"]), st.data())
def test_integers_are_spelled_in_decimal_wherever_they_lie(kind: str, data: st.DataObject) -> None:
    limits = np.iinfo(kind)
    near = data.draw(st.integers(int(limits.min), int(limits.max)))
    close = st.integers(max(int(limits.min), near - 300), min(int(limits.max), near + 300))
    values = data.draw(st.lists(close | st.integers(int(limits.min), int(limits.max)), max_size=40))
    dense = data.draw(st.lists(close, min_size=600, max_size=700) | st.just([]))
    numbers = pa.array(np.array([*values, *dense], kind))
    for part in (numbers, numbers[len(values) :]):
        assert wire.spelled(part, "<", ">").to_pylist() == [f"<{number}>" for number in part.to_pylist()]


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


@given(ROWS)
def test_what_is_decoded_is_what_was_encoded(rows: list[dict[str, int | str]]) -> None:
    sent = wire.encode(batch(rows)).to_pylist()
    decoded = wire.decode(sent, SCHEMA)
    assert decoded.table.equals(pa.Table.from_batches([batch(rows)]))
    assert (decoded.bad, decoded.further) == ((), {})


GOOD = b'{"event_day":1,"geospatial_x":2,"geospatial_y":3}'
ODD = [
    b' {"geospatial_y" : 3,\r\n"geospatial_x":2,\t"event_day":1}\n',
    b'{"geospatial_y":3,"geospatial_x":2,"event_day":1}',
    b'{"\\u0065vent_day":1,"geospatial_x":2,"geospatial_y":3}',
]


@given(st.lists(st.sampled_from([GOOD, *ODD]), min_size=1, max_size=12))
def test_layout_and_order_of_keys_do_not_matter(messages: list[bytes]) -> None:
    rows = wire.decode(messages, PREDICTIONS.schema)
    assert rows.table.to_pylist() == [{"event_day": 1, "geospatial_x": 2, "geospatial_y": 3}] * len(messages)


ROW = {"event_day": 1, "geospatial_x": 2, "geospatial_y": 3}
FURTHER = [GOOD[:-1] + b',"notification_day":4,"why":{"deep":[[]]}}', b'{"notification_day":"4","day":1,' + GOOD[1:]]


def prediction(day: str) -> bytes:
    return f'{{"event_day":{day},"geospatial_x":2,"geospatial_y":3}}'.encode()


BAD = {
    b"": "is empty",
    b"fire!": "is no JSON",
    b"\xff\xfe": "is no JSON",
    b"7": "is no JSON object",
    b"[" + GOOD + b"]": "is no JSON object",
    GOOD + GOOD: "is no JSON",
    GOOD + b"\n" + GOOD: "is no JSON",
    GOOD + b"\0" + GOOD: "is no JSON",
    b"\xef\xbb\xbf" + GOOD: "is no JSON",
    GOOD[:-1] + b',"event_day":1}': "has a key twice",
    GOOD[:-1] + b',"event_day":2,"day":1}': "has a key twice",
    b'{"event_day":1,"geospatial_x":2}': "lacks `geospatial_y`",
    b"{}": "lacks `event_day`",
    prediction('"1"'): "`event_day` is '\"1\"', not int32",
    prediction("1.0"): "`event_day` is '1.0', not int32",
    prediction("true"): "not int32",
    prediction("null"): "`event_day` is 'null', not int32",
    prediction("2147483648"): "not int32",
    prediction("1" * 400): "not int32|is no JSON",
    prediction("NaN"): "is no JSON",
    prediction("[" * 100_000 + "]" * 100_000): "nested too deeply",
}


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("others", [[], [GOOD] * 5, [ODD[0]] * 3])
def test_messages_that_are_no_rows_are_told_and_the_others_taken(bad: bytes, others: list[bytes]) -> None:
    decoded = wire.decode([*others, bad, GOOD, bad], PREDICTIONS.schema)
    assert [index for index, _ in decoded.bad] == [len(others), len(others) + 2]
    assert decoded.table.to_pylist() == [ROW] * (len(others) + 1)
    for _, why in decoded.bad:
        assert re.search(BAD[bad], why)
        assert len(why) < 250


@given(st.lists(st.sampled_from([GOOD, *ODD, *BAD, *FURTHER]) | st.binary(max_size=60), max_size=12))
def test_messages_together_come_to_what_each_comes_to_alone(messages: list[bytes]) -> None:
    alone = [wire.decode([message], PREDICTIONS.schema) for message in messages]
    together = wire.decode(messages, PREDICTIONS.schema)
    assert together.table.to_pylist() == [row for one in alone for row in one.table.to_pylist()]
    assert together.table.schema.equals(PREDICTIONS.schema)
    assert [(index, one.bad[0][1]) for index, one in enumerate(alone) if one.bad] == list(together.bad)
    assert together.further == sum((one.further for one in alone), Counter())


def test_keys_that_are_no_columns_are_counted_and_left_out() -> None:
    decoded = wire.decode([GOOD, *FURTHER, prediction("true")[:-1] + b',"notification_day":4}'], PREDICTIONS.schema)
    assert decoded.table.to_pylist() == [ROW] * (1 + len(FURTHER))
    assert decoded.further == {"notification_day": 2, "why": 1, "day": 1}
    assert [index for index, _ in decoded.bad] == [1 + len(FURTHER)]


def test_a_column_that_a_row_may_lack_is_null_there() -> None:
    schema = PREDICTIONS.full().schema
    named = GOOD[:-1] + b',"team":"owls"}'
    decoded = wire.decode([named, GOOD, GOOD[:-1] + b',"team":7}', GOOD[:-1] + b',"team":null}'], schema)
    assert decoded.table["team"].to_pylist() == ["owls", None, None]
    assert decoded.bad == ((2, "`team` is '7', not string"),)


def test_text_that_is_no_utf8_is_no_row() -> None:
    decoded = wire.decode([b'{"t":"a"}', b'{"t":"\xed\xa0\x80"}'], pa.schema([("t", pa.string())]))
    assert decoded.table.to_pylist() == [{"t": "a"}]
    ((index, why),) = decoded.bad
    assert index == 1
    assert "is no JSON" in why


def test_without_a_schema_columns_and_types_are_those_that_fit_all() -> None:
    messages = [b'{"a":1,"when":"2026-01-01"}', b'{"a":2.5,"who":{"at":["2026-01-01T00:00:00Z"]}}']
    rows = [
        {"a": 1.0, "when": "2026-01-01", "who": None},
        {"a": 2.5, "when": None, "who": {"at": ["2026-01-01T00:00:00Z"]}},
    ]
    assert wire.decode(messages).table.to_pylist() == rows
    decoded = wire.decode([b"fire!", *messages])
    assert decoded.table.to_pylist() == rows
    assert [index for index, _ in decoded.bad] == [0]


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (b'{"a":"x"}', "`a` is '\"x\"', not int64"),
        (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
        (b"x", "is no JSON"),
        (b'{"at":1}', "`at` is '1', not string"),
    ],
)
def test_without_a_schema_what_fits_no_column_of_those_before_it_is_told(bad: bytes, why: str) -> None:
    decoded = wire.decode([b'{"a":1,"at":"2026-01-01"}', b'{"b":[1],"at":"soon"}', bad, b'{"a":2,"c":true}'])
    ((index, said),) = decoded.bad
    assert index == 2
    assert why in said
    assert decoded.table.to_pylist() == [
        {"a": 1, "at": "2026-01-01", "b": None, "c": None},
        {"a": None, "at": "soon", "b": [1], "c": None},
        {"a": 2, "at": None, "b": None, "c": True},
    ]


def test_what_parquet_cannot_hold_is_left_out_as_other_keys_are() -> None:
    decoded = wire.decode([b'{"a":1,"b":{},"c":[{"d":{}}]}', b'{"a":2,"b":{}}'])
    assert decoded.table.to_pylist() == [{"a": 1}, {"a": 2}]
    assert decoded.further == {"b": 2, "c": 1}


def test_messages_become_a_line_each() -> None:
    assert wire.lines([]) == b""
    assert wire.lines([b'{"a": 1}', b"", b"plain"]) == b'{"a": 1}\n\nplain\n'


@pytest.mark.parametrize(
    ("message", "line"),
    [
        (
            b'{\r\n  "a": 1.50,\r\n  "a": [\r\n    123456789012345678901234567890\r\n  ]\r\n}\r\n',
            b'{"a":1.50,"a":[123456789012345678901234567890]}',
        ),
        (b'{"a": "x  \\n y"}\n', b'{"a":"x  \\n y"}'),
        (b"two\r\nlines\n", b"two lines"),
        (b'{"a": "\n"}', b'{"a": " "}'),
        (b"\xff\n\xfe", b"\xff \xfe"),
        (b"[" * 9_999 + b"\n" + b"]" * 9_999, b"[" * 9_999 + b" " + b"]" * 9_999),
        (b"\n", b""),
    ],
    ids=["pretty JSON", "an escaped line end", "text", "no JSON", "no UTF-8", "too deep", "nothing"],
)
def test_a_message_of_several_lines_becomes_one_and_its_neighbours_stay(message: bytes, line: bytes) -> None:
    assert wire.lines([b'{"b": 2}', message, b"c"]) == b'{"b": 2}\n' + line + b"\nc\n"


def test_messages_without_line_ends_are_joined_without_a_look_at_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "_folded", None)
    assert wire.lines([b"a", b"b"]) == b"a\nb\n"
