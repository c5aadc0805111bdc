import json

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from zakar.dataset import wire
from zakar.dataset.schema import PUBLIC, TWEETS

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
CONTROLS = st.text(st.sampled_from([chr(code) for code in range(0x20)] + ['"', "\\", "/", "\x7f", "\u2028", "🔥", "é"]))
DAY, CELL = st.integers(-(2**31), 2**31 - 1), st.integers(-(2**15), 2**15 - 1)


def _batch(rows: list[tuple[int, int, int, str]]) -> pa.RecordBatch:
    columns = list(zip(*rows, strict=True)) or [[], [], [], []]
    return pa.RecordBatch.from_arrays(
        [pa.array(column, field.type) for column, field in zip(columns, TWEETS.schema, strict=True)],
        schema=TWEETS.schema,
    )


@given(st.lists(st.tuples(DAY, CELL, CELL, TEXT | CONTROLS), max_size=30))
def test_every_text_and_number_comes_back_from_a_json_parser(rows):
    batch = _batch(rows)
    objects = [json.loads(payload) for payload in wire.encode(batch).to_pylist()]
    assert objects == batch.to_pylist()
    assert all(list(row) == TWEETS.schema.names for row in objects)


@given(st.lists(st.tuples(DAY, CELL, CELL, TEXT | CONTROLS), max_size=30))
def test_the_size_is_that_of_the_encoded_rows(rows):
    batch = _batch(rows)
    assert wire.size(batch) == sum(len(payload) for payload in wire.encode(batch).to_pylist())


@given(st.lists(st.tuples(DAY, CELL, CELL, CONTROLS), min_size=1, max_size=20), st.data())
def test_a_slice_encodes_as_the_same_rows_alone(rows, data):
    start = data.draw(st.integers(0, len(rows) - 1))
    batch = _batch(rows)
    assert wire.encode(batch.slice(start)).to_pylist() == wire.encode(batch).to_pylist()[start:]
    assert wire.size(batch.slice(start)) == wire.size(_batch(rows[start:]))


def test_the_objects_are_compact():
    assert wire.encode(_batch([(1, 2, 3, 'a "b"')])).to_pylist() == [
        b'{"day":1,"geospatial_x":2,"geospatial_y":3,"tweet":"a \\"b\\""}'
    ]


def test_the_keys_are_those_of_2023():
    assert {table.name: table.schema.names for table in PUBLIC} == {
        "tweets": ["day", "geospatial_x", "geospatial_y", "tweet"],
        "temperature_readings": ["day", "geospatial_x", "geospatial_y", "temperature"],
        "fire_alerts": ["event_day", "notification_day", "geospatial_x", "geospatial_y"],
    }
