"""Which day each row comes with, and the first days of a dataset."""

from collections.abc import Iterator
from dataclasses import replace

import msgspec
import numpy as np
import pyarrow as pa

from zakar.dataset import store, wire
from zakar.dataset.schema import Table
from zakar.dataset.store import Dataset
from zakar.errors import ConfigError
from zakar.progress import Count, unseen

_ROWS = 65_536


def batches(dataset: Dataset, table: Table) -> Iterator[tuple[pa.RecordBatch, np.ndarray]]:
    """Yield a public table's rows, and the day that each comes with, from 0 on, shape (rows,).

    A row comes with its day, an alert with the day of its notification. None comes before another that precedes it in
    the table, since a station keeps that order: an alert waits for one that is told of later.
    """
    last, reached = dataset.manifest.days - 1, 0
    for batch in store.batches(dataset, table, rows=_ROWS):
        day = batch[table.known].to_numpy().astype(np.int64) - dataset.manifest.first_day
        day = np.maximum.accumulate(np.clip(day, reached, last))
        reached = int(day[-1])
        yield batch, day


def by_day(dataset: Dataset, table: Table) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows that come with each day and the bytes of their wire objects, each of shape (days,)."""
    days = dataset.manifest.days
    rows, size = np.zeros(days, np.int64), np.zeros(days, np.int64)
    for batch, day in batches(dataset, table):
        rows += np.bincount(day, minlength=days)
        size += np.bincount(day, wire.lengths(batch), minlength=days).astype(np.int64)
    return rows, size


def first(dataset: Dataset, days: int | None, progress: Count = unseen) -> Dataset:
    """Return the first ``days`` of a dataset as one that is a beginning of it; without a number, the dataset itself.

    ``progress`` is told a table and how many more of its rows were read. Raises ConfigError if it has not so many.
    """
    if days is None or days == dataset.manifest.days:
        return dataset
    if not 0 < days < dataset.manifest.days:
        raise ConfigError(f"--days {days}: the dataset has {dataset.manifest.days:,} days; give 1 to as many")
    tables = dict(dataset.manifest.tables)
    for table in dataset.tables:
        rows = size = 0
        for batch, day in batches(dataset, table):
            taken = batch[: int(np.searchsorted(day, days))]
            rows, size = rows + taken.num_rows, size + wire.size(taken)
            progress(table.name, taken.num_rows)
            if taken.num_rows < batch.num_rows:
                break
        tables[table.name] = msgspec.structs.replace(tables[table.name], rows=rows, wire_bytes=size)
    manifest = msgspec.structs.replace(dataset.manifest, days=days, tables=tables)
    return replace(dataset, manifest=manifest, longer=dataset)
