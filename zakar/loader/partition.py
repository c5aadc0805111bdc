"""Which partition of a station carries a row: that of its cell, so that a cell's messages stay in order."""

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import mmh3
import numpy as np
import pyarrow as pa

from zakar.dataset import days as day_by_day
from zakar.dataset import store, wire
from zakar.dataset.schema import Table
from zakar.dataset.store import Dataset

_SEED = 31  # Memphis's
_SPAN = 1 << 16  # a coordinate is 16 bits wide


class Share(NamedTuple):
    """A partition's share of a table: partition ``number``, from 1, of ``of``."""

    number: int
    of: int
    records: int
    wire_bytes: int


def numbers(x: np.ndarray, y: np.ndarray, of: int) -> np.ndarray:
    """Return the partition, from 1, of each row, given its cell's coordinates; all of shape (rows,)."""
    cells, place = np.unique(x.astype(np.int64) * _SPAN + y, return_inverse=True)
    return np.array([_number(int(cell) // _SPAN, int(cell) % _SPAN, of) for cell in cells], np.int64)[place]


@lru_cache(maxsize=1 << 20)
def _number(x: int, y: int, of: int) -> int:
    return 1 + int(mmh3.hash(f"({x},{y})", _SEED, signed=False)) % of


def first(dataset: Dataset, table: Table, number: int, of: int, rows: int) -> Iterator[pa.RecordBatch]:
    """Yield a partition's first ``rows`` rows, in order."""
    for batch in batches(dataset, table, number, of):
        yield batch[:rows]
        rows -= batch.num_rows
        if rows <= 0:
            return


def batches(dataset: Dataset, table: Table, number: int, of: int, start: int = 0) -> Iterator[pa.RecordBatch]:
    """Yield a partition's rows from its row ``start`` on, in order."""
    if of == 1:
        yield from store.batches(dataset, table, start)
        return
    for batch in store.batches(dataset, table):
        rows = np.flatnonzero(_of_batch(batch, of) == number)
        if start < len(rows):
            yield batch.take(pa.array(rows[start:]))
        start = max(0, start - len(rows))


def shares(dataset: Dataset, table: Table, of: int) -> list[Share]:
    """Return the share of each partition of a table. Reads all of it, unless it has one alone."""
    if of == 1:
        entry = dataset.manifest.tables[table.name]
        return [Share(1, 1, entry.rows, entry.wire_bytes)]
    records, size = np.zeros(of + 1, np.int64), np.zeros(of + 1, np.int64)
    for batch in store.batches(dataset, table):
        partition = _of_batch(batch, of)
        records += np.bincount(partition, minlength=of + 1)
        size += np.bincount(partition, wire.lengths(batch), minlength=of + 1).astype(np.int64)
    return [Share(number, of, int(records[number]), int(size[number])) for number in range(1, of + 1)]


def by_day(dataset: Dataset, table: Table, of: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the messages of each day in each partition and the bytes of their payloads, each of shape (days,)."""
    if of == 1:
        return [day_by_day.by_day(dataset, table)]
    days = dataset.manifest.days
    records, size = np.zeros(of * days, np.int64), np.zeros(of * days, np.int64)
    for batch, day in day_by_day.batches(dataset, table):
        place = (_of_batch(batch, of) - 1) * days + day
        records += np.bincount(place, minlength=of * days)
        size += np.bincount(place, wire.lengths(batch), minlength=of * days).astype(np.int64)
    return list(zip(records.reshape(of, days), size.reshape(of, days), strict=True))


def largest(dataset: Dataset, table: Table, number: int, of: int, start: int = 0) -> int:
    """Return the bytes of a partition's largest payload from its row ``start`` on. Reads all of it."""
    return max((int(wire.lengths(b).max(initial=0)) for b in batches(dataset, table, number, of, start)), default=0)


def _of_batch(batch: pa.RecordBatch, of: int) -> np.ndarray:
    return numbers(batch["geospatial_x"].to_numpy(), batch["geospatial_y"].to_numpy(), of)
