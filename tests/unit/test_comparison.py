"""A station compared with its table, against a count that keeps everything in memory."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import pairwise

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from zakar.loader.verify import Comparison, compare

TABLES = st.one_of(
    st.lists(st.sampled_from([b"a", b"b", b"c", b"dd", b""]), max_size=25),
    st.integers(0, 25).map(lambda number: [b"%d" % n for n in range(number)]),
)
Edit = Callable[[list[bytes], int, int], list[bytes]]
EDITS: dict[str, Edit] = {
    "drop": lambda rows, i, _: rows[:i] + rows[i + 1 :],
    "duplicate": lambda rows, i, _: rows[: i + 1] + rows[i:],
    "swap": lambda rows, i, j: [rows[{i: j, j: i}.get(n, n)] for n in range(len(rows))],
    "alter": lambda rows, i, _: [*rows[:i], rows[i] + b"!", *rows[i + 1 :]],
    "append again": lambda rows, i, _: [*rows, rows[i]],
    "cut short": lambda rows, i, _: rows[:i],
    "twice": lambda rows, *_: rows + rows,
    "empty": lambda *_: [],
    "foreign": lambda rows, i, _: [*rows[:i], b"foreign", *rows[i:]],
}


def compared(table: list[bytes], station: list[bytes], data: st.DataObject) -> Comparison:
    """Compare, both sides cut into chunks at random, some of them empty."""
    batches, chunks = data.draw(cut(table)), data.draw(cut(station))
    told: list[int] = []

    def expected() -> Iterator[pa.Array]:
        return (pa.array(batch, pa.binary()) for batch in batches)

    async def stored() -> AsyncIterator[list[bytes]]:
        for chunk in chunks:
            yield chunk

    found = asyncio.run(compare(expected, stored(), told.append))
    assert sum(told) == len(station)
    return found


@st.composite
def cut(draw: st.DrawFn, rows: list[bytes]) -> list[list[bytes]]:
    ends = sorted(draw(st.lists(st.integers(0, len(rows)), max_size=5)))
    return [rows[a:b] for a, b in zip([0, *ends], [*ends, len(rows)], strict=True)]


def counted(table: list[bytes], station: list[bytes]) -> Comparison:
    """Count as the documentation says, in the plainest way."""
    wanted, held = Counter(table), Counter(station)
    places: dict[bytes, list[int]] = {}
    for place, row in enumerate(table):
        places.setdefault(row, []).append(place)
    order, seen = [], Counter[bytes]()
    for row in station:
        if seen[row] < wanted[row]:
            order.append(places[row][seen[row]])
        seen[row] += 1
    return Comparison(
        expected=len(table),
        stored=len(station),
        missing=(wanted - held).total(),
        duplicates=sum(max(0, held[row] - wanted[row]) for row in wanted),
        out_of_order=sum(later < earlier for earlier, later in pairwise(order)),
        different=sum(number for row, number in held.items() if row not in wanted),
    )


@given(TABLES, TABLES, st.data())
def test_any_station_is_counted_as_the_documentation_says(
    table: list[bytes], station: list[bytes], data: st.DataObject
) -> None:
    assert compared(table, station, data) == counted(table, station)


@given(TABLES, st.lists(st.sampled_from(sorted(EDITS)), max_size=4), st.data())
def test_an_edited_station_is_counted_as_the_documentation_says(
    table: list[bytes], edits: list[str], data: st.DataObject
) -> None:
    station = table
    for edit in edits:
        if station:
            i, j = (data.draw(st.integers(0, len(station) - 1)) for _ in range(2))
            station = EDITS[edit](station, i, j)
    found = compared(table, station, data)
    assert found == counted(table, station)
    assert found.ok == (station == table)


@given(TABLES, st.data())
def test_an_empty_station_misses_everything(table: list[bytes], data: st.DataObject) -> None:
    assert compared(table, [], data) == Comparison(expected=len(table), stored=0, missing=len(table))


@given(TABLES, st.data())
def test_an_empty_table_has_nothing_of_what_is_stored(station: list[bytes], data: st.DataObject) -> None:
    assert compared([], station, data) == Comparison(expected=0, stored=len(station), different=len(station))
