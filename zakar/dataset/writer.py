"""The dataset as it is written: parts made in memory and put whole under their names, the manifest last.

To put a part twice is to put it once: whoever emits one may be asked again. What is there is a dataset from ``commit``
on, and none before it.
"""

import contextlib
import glob
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from zakar.dataset import content, manifest, wire
from zakar.dataset.layout import ON_WIRE, ROW_GROUP, part_name
from zakar.dataset.manifest import File, TableEntry
from zakar.dataset.schema import Table
from zakar.errors import ConfigError
from zakar.files import replacing, writable

_ENCODED = 16_384  # rows handed to the encoder at a time


@dataclass(frozen=True)
class Part:
    """What the manifest needs of one file of a table."""

    table: str
    file: File
    wire_bytes: int
    days: list[tuple[int, bytes]]


class Writer(Protocol):
    """Where a dataset is written to. It goes to workers, which put parts."""

    def begin(self) -> None:
        """See that it can be written to, before the work begins."""

    def put(self, name: str, data: bytes | pa.Buffer, *, secret: bool = False) -> None:
        """Write a file whole, under its name below the dataset; a ``secret`` one for nobody else to read."""

    def commit(self, manifest_json: bytes) -> None:
        """Make a dataset of what was put. Raises ConfigError if somebody else was quicker."""

    def abandon(self) -> None:
        """Take away what was put, unless it was committed."""


@dataclass(frozen=True)
class FolderWriter:
    """Writes into a folder of this machine, which gets its name once all is whole.

    Raises ConfigError if ``out`` holds what must not be replaced, or is about to be put back.
    """

    out: Path
    overwrite: bool
    partial: Path

    def begin(self) -> None:
        """Make the folder that is to be renamed. Raises OSError."""
        self.partial.mkdir(parents=True)

    def put(self, name: str, data: bytes | pa.Buffer, *, secret: bool = False) -> None:
        """Write a file whole, under its name below the dataset. Raises OSError."""
        path = self.partial / name
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.partial-{os.getpid()}")
        if secret:
            part.touch(mode=0o600)
        part.write_bytes(data)
        part.replace(path)

    def commit(self, manifest_json: bytes) -> None:
        """Put the folder in its place; what it replaces goes only once it is there, and else comes back.

        Raises ConfigError if somebody else was quicker, and OSError.
        """
        self.put(manifest.NAME, manifest_json)
        with contextlib.suppress(FileNotFoundError):
            (self.partial / "private").chmod(0o700)  # others who use the machine may be participants
        check_free(self.out, self.overwrite)
        old = self.out.with_name(f"{self.out.name}.old-{os.getpid()}")
        if self.out.exists():
            self.out.rename(old)
        try:
            self.partial.rename(self.out)
        except BaseException:
            if old.exists() and not self.out.exists():
                old.rename(self.out)
            raise
        shutil.rmtree(old, ignore_errors=True)

    def abandon(self) -> None:
        """Take away what was put, unless it was committed."""
        shutil.rmtree(self.partial, ignore_errors=True)


def folder_writer(out: Path, *, overwrite: bool) -> FolderWriter:
    """Return what writes a dataset into a folder. Raises ConfigError if that is in the way."""
    check_free(out, overwrite)
    return FolderWriter(out, overwrite, out.with_name(f"{out.name}.partial-{os.getpid()}"))


def check_free(out: Path, overwrite: bool) -> None:
    """Raise ConfigError if ``out`` holds something that must not be replaced, or is about to be put back."""
    try:
        if not out.exists():
            for old in out.parent.glob(f"{glob.escape(out.name)}.old-*"):
                if (old / manifest.NAME).is_file():
                    raise ConfigError(
                        f"{old}: the dataset that a killed run was about to replace; "
                        f"rename it to {out.name}, or delete it, first"
                    )
            return
    except OSError as error:
        raise ConfigError(f"{str(out)[:80]}: cannot be used: {error.strerror}") from error
    if not out.is_dir():
        raise ConfigError(f"{out}: is a file; give --out a folder that does not exist yet")
    is_dataset = (out / manifest.NAME).is_file()
    if any(out.iterdir()) and not is_dataset:
        raise ConfigError(f"{out}: holds files that are no dataset; give --out another folder")
    if is_dataset and not overwrite:
        raise ConfigError(f"{out}: holds a dataset already; give --overwrite to replace it, or another --out")


def encoded(table: Table, number: int, rows: pa.Table) -> tuple[Part, pa.Buffer]:
    """Return whole days of a table as the content of its ``number``-th file, and what the manifest needs of it.

    Columns whose values rarely repeat are stored plain, the rest as dictionaries.
    """
    sink = pa.BufferOutputStream()
    options = _options(rows.schema, [c.name for c in table.columns if not c.unique])
    pq.write_table(rows, sink, row_group_size=ROW_GROUP, **options)
    data = sink.getvalue()
    part = Part(
        table=table.name,
        file=File(part_name(number), rows.num_rows, data.size, hashlib.sha256(data).hexdigest()),
        wire_bytes=sum(wire.size(batch) for batch in rows.to_batches()) if table.name in ON_WIRE else 0,
        days=content.day_digests(table, rows),
    )
    return part, data


def entry(table: Table, parts: list[Part]) -> TableEntry:
    """Return a table's manifest entry, given its parts in row order."""
    return TableEntry(
        rows=sum(part.file.rows for part in parts),
        bytes=sum(part.file.bytes for part in parts),
        wire_bytes=sum(part.wire_bytes for part in parts),
        sha256=content.table_digest(table, [day for part in parts for day in part.days]),
        columns={column.name: str(column.type) for column in table.columns},
        files=tuple(part.file for part in parts),
    )


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[Callable[[pa.Table], None]]:
    """Yield a function that writes rows to a Parquet file, which gets its name once the block has ended well.

    The first rows, of which there may be none, say what columns there are. The function raises ValueError for
    columns that Parquet cannot hold. Raises ConfigError if ``path`` is in the way or cannot be written.
    """
    with writable(path):
        if path.exists() and not path.is_file():
            raise ConfigError(f"{path}: is no file; give --out the name of one")
    files = contextlib.ExitStack()
    writer: pq.ParquetWriter | None = None

    def write(rows: pa.Table) -> None:
        nonlocal writer
        if not rows.schema.names:
            raise ValueError("without any key there is no column")
        with writable(path):
            try:
                if writer is None:
                    options = _options(rows.schema, _repeating(rows.schema))
                    sink = files.enter_context(_created(partial))
                    writer = files.enter_context(pq.ParquetWriter(sink, rows.schema, **options))
                writer.write_table(rows, ROW_GROUP)
            except pa.ArrowException as error:
                raise ValueError(f"Parquet cannot hold this: {error}") from error

    with replacing(path) as partial:
        try:
            yield write
            with writable(path):
                files.close()
        finally:
            with contextlib.suppress(OSError, pa.ArrowException):  # of a file that is given up
                files.close()


def _created(path: Path) -> pa.NativeFile:
    """Return a new local file to write to, named by bytes: Arrow takes a text for UTF-8, whatever the locale is."""
    return pafs.LocalFileSystem().open_output_stream(os.fsencode(path))


def _options(schema: pa.Schema, repeating: list[str]) -> dict[str, Any]:
    """Return how files are written: columns whose values repeat as dictionaries, zstd level 1.

    The least and the greatest of a row group are kept of numbers; of texts nobody asks for them.
    """
    return {
        "compression": "zstd",
        "compression_level": 1,
        "use_dictionary": repeating,
        "write_statistics": [field.name for field in schema if not pa.types.is_string(field.type)],
        "write_batch_size": _ENCODED,
    }


def _repeating(schema: pa.Schema) -> list[str]:
    """Return the columns, of nobody knows what table, whose values are likely to repeat: all but texts."""
    return [field.name for field in schema if not pa.types.is_string(field.type)]
