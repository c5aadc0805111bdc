"""The dataset as it is read, from a folder or an object store: Parquet parts, by the batch."""

import contextlib
import hashlib
import os
import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from zakar import location
from zakar.dataset import manifest, schema
from zakar.dataset.layout import ON_WIRE, PUBLISHED, ROW_GROUP, Split, folder, part_name
from zakar.dataset.manifest import File, Manifest, PrivateManifest, TableEntry
from zakar.dataset.schema import ANSWERS, PUBLIC, Table
from zakar.errors import ConfigError, MismatchError
from zakar.location import shown
from zakar.progress import Count, unseen

_PIECE = 1 << 20  # bytes read at once, of a file that is not decoded
_STORES = ("s3", "gs", "gcs", "abfs", "abfss", "hdfs", "viewfs", "file")  # whose URLs can be opened


@dataclass(frozen=True)
class Dataset:
    """An opened dataset, or its held-out part: its manifest, and where its files are.

    A dataset of its first days alone has a manifest that says so, and knows the ``longer`` one. ``progress`` is told a
    table and its rows of each file that was read to its end.
    """

    filesystem: Any
    root: str
    manifest: Manifest
    split: Split = Split.TRAIN
    longer: "Dataset | None" = None
    progress: Count = unseen

    @property
    def whole(self) -> "Dataset":
        """The dataset of all days."""
        return self.longer or self

    @property
    def tables(self) -> tuple[Table, ...]:
        """The public tables as they are here, in the order in which stations are filled."""
        here = self.manifest.tables
        return tuple(table.having(here[table.name].columns) for table in PUBLIC if table.name in here)

    @property
    def answers(self) -> tuple[Table, ...]:
        """The public tables that tell what is to be predicted, here or not; none of released days."""
        names = ANSWERS if self.split is Split.HOLDOUT else self.manifest.withheld
        return tuple(table for table in PUBLIC if table.name in names)

    @property
    def local(self) -> Path | None:
        """Its folder, if it is one of this machine; None for an object store."""
        return Path(self.root) if isinstance(self.filesystem, pafs.LocalFileSystem) else None

    def files(self, table: str) -> list[str]:
        """Return the paths of a public table's files, in row order."""
        return _paths(self, schema.public(table), self.manifest.tables[table])


def watched(dataset: Dataset, progress: Count) -> Dataset:
    """Return a dataset that tells ``progress`` what is read of it."""
    longer = None if dataset.longer is None else replace(dataset.longer, progress=progress)
    return replace(dataset, longer=longer, progress=progress)


def _paths(dataset: Dataset, table: Table, entry: TableEntry) -> list[str]:
    """Return the paths of a table's files, in row order; a map is the same whichever days are asked for."""
    held_out = dataset.split is Split.HOLDOUT and table.name not in dataset.manifest.maps
    place = posixpath.join(dataset.root, folder(table, held_out).as_posix())
    return [posixpath.join(place, file.name) for file in entry.files]


def open_dataset(where: str, split: Split = Split.TRAIN) -> Dataset:
    """Open a dataset in a folder or at an object-store URL, and hold its files against its manifest.

    Looks at sizes, row counts and columns, not at content. Held-out days that were handed out are a dataset of their
    own, whose split is either. Raises ConfigError if there is no dataset, or no held-out part where that is asked for,
    and MismatchError naming the file that is missing, truncated or foreign.
    """
    filesystem, root = _locate(where)
    path = posixpath.join(root, manifest.NAME)
    try:
        listed = manifest.decode(_content(filesystem, path, where), path)
    except FileNotFoundError as error:
        raise ConfigError(
            f"{shown(where)}: no dataset here ({manifest.NAME} is missing); make one with `zakar simulate`"
        ) from error
    if listed.withheld:
        split = Split.TRAIN
    if split is Split.HOLDOUT:
        listed = manifest.held_out(listed, _private(filesystem, root, where))
        if listed.days == 0:
            raise ConfigError(f"{shown(where)}: no days are held out here; scenario `{listed.name}` has none")
    dataset = Dataset(filesystem, root, listed, split)
    for table in PUBLIC:
        if table.name not in listed.withheld or table.name in listed.tables:
            _checked(dataset, table, listed.tables.get(table.name))
    return dataset


def _private_manifest(root: str) -> str:
    return posixpath.join(root, "private", manifest.NAME)


def _private(filesystem: Any, root: str, where: str) -> PrivateManifest:
    """Read what a dataset says of its private part. Raises ConfigError if that is not here."""
    private = _private_if_here(filesystem, root, where)
    if private is None:
        raise ConfigError(
            f"{shown(where)}: without its private part ({_private_manifest(root)} is missing); "
            "whoever made the dataset has it"
        )
    return private


def _private_if_here(filesystem: Any, root: str, where: str) -> PrivateManifest | None:
    path = _private_manifest(root)
    try:
        return manifest.decode_private(_content(filesystem, path, where), path)
    except FileNotFoundError:
        return None


def _content(filesystem: Any, path: str, where: str) -> bytes:
    """Return a file of a dataset. Raises FileNotFoundError, and ConfigError if it cannot be read."""
    try:
        with filesystem.open_input_stream(os.fsencode(path)) as stream:
            return stream.read()  # type: ignore[no-any-return]
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ConfigError(f"{shown(where)}: cannot be read: {_without_secrets(str(error), where)}") from error


def _without_secrets(text: str, where: str) -> str:
    """Return what Arrow says of a URL, which it may repeat; without what is not to be printed of it."""
    rest = where.partition("://")[2]
    text = text.replace(where, shown(where))
    who = location.user(rest)[:-1]
    secrets = {who, who.rpartition(":")[2], *re.split("[?#]", rest)[1:]} - {""}
    if any(secret in text or unquote(secret) in text for secret in secrets):
        return "what is said of it would show its secrets"
    return text


def batches(dataset: Dataset, table: Table, start: int = 0, rows: int = 16_384) -> Iterator[pa.RecordBatch]:
    """Yield a public table's rows from row ``start`` on, in order, at most ``rows`` at a time.

    Skips files and row groups before ``start`` without decoding them.
    """
    left = dataset.manifest.tables[table.name].rows - start
    for path, file in zip(dataset.files(table.name), dataset.manifest.tables[table.name].files, strict=True):
        if left <= 0:
            return
        if start >= file.rows:
            start -= file.rows
            continue
        with _readable(path), dataset.filesystem.open_input_file(os.fsencode(path)) as source:
            parquet = pq.ParquetFile(source)
            groups: list[int] = []
            for group in range(parquet.num_row_groups):
                size = parquet.metadata.row_group(group).num_rows
                if not groups and start >= size:
                    start -= size
                else:
                    groups.append(group)
            for batch in parquet.iter_batches(rows, row_groups=groups):
                if start < batch.num_rows and left > 0:
                    yield batch.slice(start, left).cast(table.schema)
                    left -= batch.num_rows - start
                start = max(0, start - batch.num_rows)
        dataset.progress(table.name, file.rows)


def parts(dataset: Dataset, table: Table) -> Iterator[tuple[str, pa.Table]]:
    """Yield a table file by file: name and rows. Raises as ``columns`` does."""
    for path in _checked(dataset, table, _listed(dataset, table)):
        with _readable(path), dataset.filesystem.open_input_file(os.fsencode(path)) as source:
            rows = pq.read_table(source)
            yield posixpath.basename(path), rows
        dataset.progress(table.name, rows.num_rows)


def read(dataset: Dataset, table: Table) -> pa.Table:
    """Return a whole public table."""
    return pa.Table.from_batches(batches(dataset, table, rows=ROW_GROUP), table.schema)


def columns(dataset: Dataset, table: Table, names: list[str], days: tuple[int, int] | None = None) -> pa.Table:
    """Return some columns of a table, a public one or one of the truth; all days, or those from one to another.

    Raises ConfigError if the truth is wanted and the private part is not here, and MismatchError naming a file
    that is missing, is not what the manifest lists, or cannot be decoded.
    """
    paths = _checked(dataset, table, _listed(dataset, table))
    chosen = [(table.day, ">=", days[0]), (table.day, "<=", days[1])] if days else None
    tables = []
    for path in paths:
        with _readable(path), dataset.filesystem.open_input_file(os.fsencode(path)) as source:
            tables.append(pq.read_table(source, columns=names, filters=chosen))
    return pa.concat_tables(tables or [table.schema.empty_table().select(names)])


def held_out(dataset: Dataset) -> Dataset | None:
    """Return the held-out part of an opened dataset, None if it holds no days out.

    Raises ConfigError if the private part is not here.
    """
    later = manifest.held_out(dataset.manifest, _private(dataset.filesystem, dataset.root, dataset.root))
    return Dataset(dataset.filesystem, dataset.root, later, Split.HOLDOUT) if later.days else None


def private_tables(dataset: Dataset, truth: Sequence[Table]) -> Iterator[tuple[Dataset, Table, TableEntry]]:
    """Yield the tables of the private part, if it is here, each with the split that it belongs to and its entry.

    ``truth``: the tables of the truth that the dataset's model makes.
    """
    private = _private_if_here(dataset.filesystem, dataset.root, dataset.root)
    if private is None:
        return
    yield from ((dataset, table, private.truth[table.name]) for table in truth if table.name in private.truth)
    if private.holdout_days:
        later = replace(dataset, manifest=manifest.held_out(dataset.manifest, private), split=Split.HOLDOUT)
        entries = {**private.holdout, **private.holdout_truth}
        yield from ((later, table, entries[table.name]) for table in (*PUBLIC, *truth) if table.name in entries)


def private_rows(dataset: Dataset, truth: Sequence[Table]) -> int:
    """Return how many rows the tables of the private part have, 0 where that is not here."""
    return sum(entry.rows for _, _, entry in private_tables(dataset, truth))


def has_truth(dataset: Dataset) -> bool:
    """Return whether the truth of a dataset's days is here, beside what is published."""
    return bool(_truth(dataset, _private_if_here(dataset.filesystem, dataset.root, dataset.root)))


def column_parts(dataset: Dataset, table: Table, names: Sequence[str]) -> Iterator[pa.Table]:
    """Yield some columns of a table file by file: of a public one, a map, or one of the truth.

    Words that repeat come as dictionaries. Yields nothing for a truth or a map that is not here. Raises
    MismatchError naming a file that is missing, damaged or without such columns.
    """
    entry = (dataset.manifest.maps | dataset.manifest.tables).get(table.name)
    if entry is None and table.name not in PUBLISHED:
        truth = _truth(dataset, _private_if_here(dataset.filesystem, dataset.root, dataset.root))
        entry = truth.get(table.name)
    words = [c.name for c in table.columns if c.name in names and pa.types.is_string(c.type) and not c.unique]
    for path in _checked(dataset, table, entry) if entry is not None else ():
        with _readable(path), dataset.filesystem.open_input_file(os.fsencode(path)) as source:
            rows = pq.ParquetFile(source, read_dictionary=words).read(columns=list(names))
        if rows.schema.names != list(names):
            raise MismatchError(f"{path}: has not all of the columns {', '.join(names)}; simulate the dataset again")
        yield rows
        dataset.progress(table.name, rows.num_rows)


def _truth(dataset: Dataset, private: PrivateManifest | None) -> dict[str, TableEntry]:
    """Return what a private part, if it is here, says of the truth of a dataset's days."""
    if private is None:
        return {}
    return private.holdout_truth if dataset.split is Split.HOLDOUT else private.truth


def extra_metadata(dataset: Dataset, table: Table, entry: TableEntry) -> Iterator[str]:
    """Yield the files of a published table that say more than its rows: pandas, for one, notes things of its own."""
    for path in _checked(dataset, table, entry):
        with _readable(path), dataset.filesystem.open_input_file(os.fsencode(path)) as source:
            parquet = pq.ParquetFile(source)
            keys = set(parquet.metadata.metadata or {}) - {b"ARROW:schema"} | set(parquet.schema_arrow.metadata or {})
        if keys:
            yield path


def check_bytes(dataset: Dataset, tables: Sequence[Table]) -> None:
    """Hold the bytes of public tables' files against the manifest. Raises MismatchError naming one that is another."""
    for table in tables:
        entry = dataset.whole.manifest.tables[table.name]
        for path, file in zip(_paths(dataset, table, entry), entry.files, strict=True):
            digest = hashlib.sha256()
            with _readable(path), dataset.filesystem.open_input_stream(os.fsencode(path)) as source:
                while piece := source.read(_PIECE):
                    digest.update(piece)
            if file.sha256 and digest.hexdigest() != file.sha256:
                raise MismatchError(f"{path}: not the bytes that the manifest lists; simulate the dataset again")


@contextlib.contextmanager
def _readable(path: str) -> Iterator[None]:
    """Turn what Parquet says of a damaged file into a MismatchError that names it."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise MismatchError(f"{path}: cannot be decoded ({reason}); simulate the dataset again") from error


def _locate(where: str) -> tuple[Any, str]:
    """Return the filesystem of a folder or of an object-store URL, and the path there. Raises ConfigError."""
    kind = location.scheme(where)
    if not where.strip():
        raise ConfigError("no dataset: what should be its folder is empty")
    if not kind:
        return pafs.LocalFileSystem(), Path(where).absolute().as_posix()
    begin, separator, rest = where.partition("://")
    if kind not in _STORES or begin.lower() != kind or not separator:
        ways = ", ".join(f"{name}://" for name in _STORES)
        raise ConfigError(
            f"{shown(where)}: cannot be opened; give a folder, or an address that begins with one of {ways}"
        )
    try:
        return pafs.FileSystem.from_uri(f"{kind}://{rest}")  # type: ignore[no-any-return]
    except (pa.ArrowException, OSError) as error:
        raise ConfigError(f"{shown(where)}: cannot be opened: {_without_secrets(str(error), where)}") from error


def _listed(dataset: Dataset, table: Table) -> TableEntry | None:
    """Return what is said of a table, a map or a truth. Raises ConfigError if the private part says it and is away."""
    entry = {**dataset.manifest.maps, **dataset.manifest.tables}.get(table.name)
    if entry is not None:
        return entry
    return _truth(dataset, _private(dataset.filesystem, dataset.root, dataset.root)).get(table.name)


def _checked(dataset: Dataset, table: Table, entry: TableEntry | None) -> list[str]:
    """Return the paths of a table's files, in row order, each held against its manifest's entry.

    Raises MismatchError naming what is missing, truncated or foreign.
    """
    place = folder(table, dataset.split is Split.HOLDOUT)
    private = "private" if place.parts[0] == "private" else ""
    listed = posixpath.join(dataset.root, private, manifest.NAME)
    if entry is None:
        raise MismatchError(f"{listed}: no table `{table.name}`; simulate the dataset again")
    for number, file in enumerate(entry.files):
        if file.name != part_name(number):
            raise MismatchError(f"{listed}: `{table.name}` lists {file.name!r} where {part_name(number)} belongs")
    table = (schema.public(table.name) if table.name in ON_WIRE else table).having(entry.columns)
    paths = _paths(dataset, table, entry)
    for path, file in zip(paths, entry.files, strict=True):
        _check_file(dataset.filesystem, path, file, table)
    if entry.rows != sum(file.rows for file in entry.files) or min(entry.rows, entry.wire_bytes) < 0:
        raise MismatchError(
            f"{listed}: `{table.name}` has {entry.rows} rows, its files "
            f"{sum(file.rows for file in entry.files)}; simulate the dataset again"
        )
    return paths


def _check_file(filesystem: Any, path: str, file: File, table: Table) -> None:
    """Raise MismatchError if a file is missing, truncated, no Parquet, or has other rows or columns."""
    again = "simulate the dataset again, or copy the file again from where it came"
    info = filesystem.get_file_info(os.fsencode(path))
    if info.type != pafs.FileType.File:
        raise MismatchError(f"{path}: missing, but the manifest lists it; {again}")
    if info.size != file.bytes:
        raise MismatchError(f"{path}: {info.size} bytes, the manifest says {file.bytes}; {again}")
    try:
        with filesystem.open_input_file(os.fsencode(path)) as source:
            parquet = pq.ParquetFile(source)
            rows, schema = parquet.metadata.num_rows, parquet.schema_arrow
    except (pa.ArrowException, OSError) as error:
        raise MismatchError(f"{path}: not a readable Parquet file ({error}); {again}") from error
    if not schema.equals(table.schema):
        raise MismatchError(
            f"{path}: columns {', '.join(schema.names)} are not those of `{table.name}` "
            f"({', '.join(table.schema.names)}); {again}"
        )
    if rows != file.rows:
        raise MismatchError(f"{path}: {rows} rows, the manifest says {file.rows}; {again}")
