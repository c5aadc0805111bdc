"""Checksums of decoded content: the same for the same rows, however files, row groups and blocks are cut.

A day's digest is the SHA-256 of its rows, column by column: integers and floats as little-endian values,
strings as their int32 lengths and then their UTF-8 bytes. A table's digest is the SHA-256 of its columns'
names and types and of its days' digests in order. The fingerprint is the SHA-256 of the tables' digests.
"""

import hashlib
from collections.abc import Iterable
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from zakar.dataset.schema import Table


def day_digests(table: Table, rows: pa.Table) -> list[tuple[int, bytes]]:
    """Return (day, digest) for each day present in ``rows``, which hold whole days in order.

    Raises ValueError if the days go back.
    """
    days = rows[table.day].to_numpy()
    if np.any(np.diff(days) < 0):
        raise ValueError(f"`{table.day}` goes back")
    starts = np.flatnonzero(np.diff(days, prepend=days[:1] - 1)) if len(days) else np.empty(0, np.int64)
    bounds = np.append(starts, len(days)).tolist()
    columns = [_Bytes(rows[column.name]) for column in table.columns]
    digests = []
    for low, high in pairwise(bounds):
        digest = hashlib.sha256()
        for column in columns:
            column.feed(digest, low, high)
        digests.append((int(days[low]), digest.digest()))
    return digests


def table_digest(table: Table, days: Iterable[tuple[int, bytes]]) -> str:
    """Return a table's digest, given its days' digests in order."""
    digest = hashlib.sha256()
    for column in table.columns:
        digest.update(f"{column.name} {column.type}\n".encode())
    for day, day_digest in days:
        digest.update(f"{day} ".encode() + day_digest)
    return digest.hexdigest()


def fingerprint(digests: dict[str, str]) -> str:
    """Return the digest of several tables together, given each table's own."""
    return hashlib.sha256("".join(f"{name} {digests[name]}\n" for name in sorted(digests)).encode()).hexdigest()


class _Bytes:
    """A column's decoded bytes, addressable by rows."""

    def __init__(self, column: pa.ChunkedArray) -> None:
        array = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
        self._text: memoryview | None = None
        if pa.types.is_string(array.type):
            self._values = pc.binary_length(array).to_numpy().astype("<i4")
            self._offsets = np.concatenate([[0], np.cumsum(self._values, dtype=np.int64)])
            if len(array):
                start = np.frombuffer(array.buffers()[1], np.int32)[array.offset]
                self._text = memoryview(array.buffers()[2] or b"").cast("B")[int(start) :]
        else:
            values = array.to_numpy()
            self._values = values.astype(values.dtype.newbyteorder("<"))

    def feed(self, digest: "hashlib._Hash", low: int, high: int) -> None:
        digest.update(self._values[low:high].tobytes())
        if self._text is not None:
            digest.update(self._text[self._offsets[low] : self._offsets[high]])
