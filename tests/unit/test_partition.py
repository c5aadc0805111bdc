"""Partitions by cell, and work shared among connections."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zakar.dataset import store, wire
from zakar.dataset.schema import PUBLIC, READINGS, Table
from zakar.loader import partition, plan

COORDINATES = st.lists(st.tuples(st.integers(0, 999), st.integers(0, 999)), min_size=1, max_size=50)


def murmur3(data: bytes, seed: int) -> int:
    """MurmurHash3, 32 bits, as its author describes it (A. Appleby, public domain), a byte at a time."""
    mask = 0xFFFFFFFF

    def mixed(block: int) -> int:
        block = block * 0xCC9E2D51 & mask
        return (block << 15 | block >> 17) * 0x1B873593 & mask

    found = seed
    whole = len(data) // 4 * 4
    for at in range(0, whole, 4):
        found ^= mixed(int.from_bytes(data[at : at + 4], "little"))
        found = ((found << 13 | found >> 19) & mask) * 5 + 0xE6546B64 & mask
    if data[whole:]:
        found ^= mixed(int.from_bytes(data[whole:], "little"))
    found ^= len(data)
    found = (found ^ found >> 16) * 0x85EBCA6B & mask
    found = (found ^ found >> 13) * 0xC2B2AE35 & mask
    return found ^ found >> 16


@given(COORDINATES, st.integers(1, 64))
def test_a_partition_is_murmur3_of_the_cell(cells: list[tuple[int, int]], of: int) -> None:
    x, y = np.array(cells, np.int16).T
    expected = [1 + murmur3(f"({a},{b})".encode(), 31) % of for a, b in cells]
    assert partition.numbers(x, y, of).tolist() == expected


def test_the_reference_vectors_of_murmur3() -> None:
    assert [murmur3(b"", 0), murmur3(b"", 1), murmur3(b"test", 0x9747B28C)] == [0, 0x514E28B7, 0x704B81DC]


@pytest.mark.parametrize("table", PUBLIC, ids=lambda table: table.name)
def test_partitions_hold_every_row_once_and_keep_each_cells_order(pristine: Path, table: Table) -> None:
    dataset = store.open_dataset(str(pristine))
    of = 3
    every = store.read(dataset, table).to_pylist()
    found = [
        [row for batch in partition.batches(dataset, table, number, of) for row in batch.to_pylist()]
        for number in range(1, of + 1)
    ]
    for share, rows in zip(partition.shares(dataset, table, of), found, strict=True):
        assert share.records == len(rows)
        size = sum(
            len(row.as_py()) for b in partition.batches(dataset, table, share.number, of) for row in wire.encode(b)
        )
        assert share.wire_bytes == size
        cells = {(row["geospatial_x"], row["geospatial_y"]) for row in rows}
        assert rows == [row for row in every if (row["geospatial_x"], row["geospatial_y"]) in cells]
    assert sum(len(rows) for rows in found) == len(every)


@pytest.mark.parametrize("of", [1, 3])
def test_the_days_of_partitions_are_those_of_their_rows(pristine: Path, of: int) -> None:
    dataset = store.open_dataset(str(pristine))
    found = partition.by_day(dataset, READINGS, of)
    assert [(rows.sum(), size.sum()) for rows, size in found] == [
        (share.records, share.wire_bytes) for share in partition.shares(dataset, READINGS, of)
    ]
    first, _ = found[0]
    days = [row["day"] for batch in partition.batches(dataset, READINGS, 1, of) for row in batch.to_pylist()]
    assert first.tolist() == [days.count(day) for day in range(1, dataset.manifest.days + 1)]


@pytest.mark.parametrize("start", [0, 1, 100, 999, 10**6])
def test_a_partition_is_gone_on_with_from_any_row(pristine: Path, start: int) -> None:
    dataset = store.open_dataset(str(pristine))

    def rows(first: int) -> list[dict[str, int]]:
        return [row for batch in partition.batches(dataset, READINGS, 2, 3, first) for row in batch.to_pylist()]

    assert rows(start) == rows(0)[start:]


@given(st.lists(st.integers(0, 10**9), max_size=60), st.integers(1, 12))
def test_work_is_shared_so_that_all_end_together(weights: list[int], workers: int) -> None:
    shares = plan.shared(weights, workers)
    assert sorted(place for places in shares for place in places) == list(range(len(weights)))
    assert 1 <= len(shares) <= workers
    assert all(shares) or not weights
    loads = [sum(weights[place] for place in places) for places in shares]
    # The last piece went to whoever had least: nobody is above the mean by more than a piece.
    assert max(loads) <= sum(weights) / len(shares) + max(weights, default=0)
