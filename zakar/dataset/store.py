"""The dataset on disk or in an object store: Parquet parts written and read by the batch."""

import contextlib
import enum
import hashlib
import os
import posixpath
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from zakar import location
from zakar.dataset import content, manifest, schema, wire
from zakar.dataset.manifest import File, Manifest, PrivateManifest, TableEntry
from zakar.dataset.schema import ANSWERS, MAPS, PUBLIC, Table
from zakar.errors import ConfigError, MismatchError
from zakar.location import shown
from zakar.progress import Count, unseen

_ROW_GROUP = 65_536
_PIECE = 1 << 20  # bytes read at once, of a file that is not decoded
_WRITTEN = 16_384  # rows handed to the encoder at a time
_ON_WIRE = frozenset(table.name for table in PUBLIC)
_STORES = ("s3", "gs", "gcs", "abfs", "abfss", "hdfs", "viewfs", "file")  # whose URLs can be opened
_PUBLIC = _ON_WIRE | {table.name for table in MAPS}


@dataclass(frozen=True)
class Part:
    """One written file of a table and what the manifest needs of it."""

    table: str
    file: File
    wire_bytes: int
    days: list[tuple[int, bytes]]


class Split(enum.StrEnum):
    """Which days of a dataset: those that are released, or those that are held out, in its private part."""

    TRAIN = "train"
    HOLDOUT = "holdout"


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


def published(manifest: Manifest) -> list[tuple[Table, TableEntry]]:
    """Return the tables that are published, maps included, as they are in this dataset, and what is said of each."""
    entries = [(table, manifest.tables[table.name]) for table in PUBLIC if table.name in manifest.tables]
    entries += [(table, manifest.maps[table.name]) for table in MAPS if table.name in manifest.maps]
    return [(table.having(entry.columns), entry) for table, entry in entries]


def part_name(number: int) -> str:
    """Return the name of a table's ``number``-th file; name order is row order."""
    return f"part-{number:05d}.parquet"


def folder(table: Table, held_out: bool) -> Path:
    """Return the folder of a table's files below that of the dataset."""
    private = Path("private")
    if table.name in _PUBLIC:
        return private / "holdout" / table.name if held_out else Path("public") / table.name
    return private / ("holdout-truth" if held_out else "truth") / table.name


def write_part(folder: Path, number: int, table: Table, rows: pa.Table) -> Part:
    """Write whole days of a table into ``folder`` as its ``number``-th part.

    Columns whose values rarely repeat are stored plain, the rest as dictionaries.
    """
    path = folder / part_name(number)
    options = _options(rows.schema, [c.name for c in table.columns if not c.unique])
    with _created(path) as sink:
        pq.write_table(rows, sink, row_group_size=_ROW_GROUP, **options)
    return Part(
        table=table.name,
        file=File(path.name, rows.num_rows, path.stat().st_size, _sha256(path)),
        wire_bytes=sum(wire.size(batch) for batch in rows.to_batches()) if table.name in _ON_WIRE else 0,
        days=content.day_digests(table, rows),
    )


def _created(path: Path) -> pa.NativeFile:
    """Return a new local file to write to, named by bytes: Arrow takes a text for UTF-8, whatever the locale is."""
    return pafs.LocalFileSystem().open_output_stream(os.fsencode(path))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
                writer.write_table(rows, _ROW_GROUP)
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


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield the name of a file beside ``path``, which takes its place once the block has ended well, and else goes.

    A link is followed: what it leads to is replaced. Raises ConfigError if that cannot be done.
    """
    whole = Path(os.path.realpath(path))
    partial = whole.with_name(f"{whole.name}.partial-{os.getpid()}")
    try:
        yield partial
        with writable(path):
            partial.replace(whole)
    finally:
        with contextlib.suppress(OSError):  # of a file that is given up
            partial.unlink(missing_ok=True)


@contextlib.contextmanager
def writable(name: object) -> Iterator[None]:
    """Turn what the system says of a file that cannot be written into a ConfigError that names it.

    Not a BrokenPipeError: whoever reads a pipe may have seen enough.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise ConfigError(f"{name}: cannot be written: {error.strerror or error}") from error


def _options(schema: pa.Schema, repeating: list[str]) -> dict[str, Any]:
    """Return how files are written: columns whose values repeat as dictionaries, zstd level 1.

    The least and the greatest of a row group are kept of numbers; of texts nobody asks for them.
    """
    return {
        "compression": "zstd",
        "compression_level": 1,
        "use_dictionary": repeating,
        "write_statistics": [field.name for field in schema if not pa.types.is_string(field.type)],
        "write_batch_size": _WRITTEN,
    }


def _repeating(schema: pa.Schema) -> list[str]:
    """Return the columns, of nobody knows what table, whose values are likely to repeat: all but texts."""
    return [field.name for field in schema if not pa.types.is_string(field.type)]


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


def open_dataset(where: str, split: Split = Split.TRAIN) -> Dataset:
    """Open a dataset in a folder or at an object-store URL, and hold its files against its manifest.

    Looks at sizes, row counts and columns, not at content. Held-out days that were handed out are a dataset of their
    own, whose split is either. Raises ConfigError if there is no dataset, or no held-out part where that is asked for,
    and MismatchError naming the file that is missing, truncated or foreign.
    """
    filesystem, root = _locate(where)
    path = posixpath.join(root, manifest.NAME)
    try:
        found = manifest.decode(_content(filesystem, path, where), path)
    except FileNotFoundError as error:
        raise ConfigError(
            f"{shown(where)}: no dataset here ({manifest.NAME} is missing); make one with `zakar simulate`"
        ) from error
    if found.withheld:
        split = Split.TRAIN
    if split is Split.HOLDOUT:
        found = manifest.held_out(found, _private(filesystem, root, where))
        if found.days == 0:
            raise ConfigError(f"{shown(where)}: no days are held out here; scenario `{found.name}` has none")
    dataset = Dataset(filesystem, root, found, split)
    for table in PUBLIC:
        if table.name not in found.withheld or table.name in found.tables:
            _checked(dataset, table, found.tables.get(table.name))
    return dataset


def _private_manifest(root: str) -> str:
    return posixpath.join(root, "private", manifest.NAME)


def _private(filesystem: Any, root: str, where: str) -> PrivateManifest:
    """Read what a dataset says of its private part. Raises ConfigError if that is not here."""
    found = _private_if_here(filesystem, root, where)
    if found is None:
        raise ConfigError(
            f"{shown(where)}: without its private part ({_private_manifest(root)} is missing); "
            "whoever made the dataset has it"
        )
    return found


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
    return pa.Table.from_batches(batches(dataset, table, rows=_ROW_GROUP), table.schema)


def columns(dataset: Dataset, table: Table, names: list[str], days: tuple[int, int] | None = None) -> pa.Table:
    """Return some columns of a table, a public one or one of the truth; all days, or those from one to another.

    Raises ConfigError if the truth is wanted and the private part is not here, and MismatchError naming a file
    that is missing, is not what the manifest lists, or cannot be decoded.
    """
    paths = _checked(dataset, table, _listed(dataset, table))
    chosen = [(table.day, ">=", days[0]), (table.day, "<=", days[1])] if days else None
    found = []
    for path in paths:
        with _readable(path), dataset.filesystem.open_input_file(os.fsencode(path)) as source:
            found.append(pq.read_table(source, columns=names, filters=chosen))
    return pa.concat_tables(found or [table.schema.empty_table().select(names)])


def held_out(dataset: Dataset) -> Dataset | None:
    """Return the held-out part of an opened dataset, None if it holds no days out.

    Raises ConfigError if the private part is not here.
    """
    found = manifest.held_out(dataset.manifest, _private(dataset.filesystem, dataset.root, dataset.root))
    return Dataset(dataset.filesystem, dataset.root, found, Split.HOLDOUT) if found.days else None


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
    if entry is None and table.name not in _PUBLIC:
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
            said = set(parquet.metadata.metadata or {}) - {b"ARROW:schema"} | set(parquet.schema_arrow.metadata or {})
        if said:
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
        said = str(error).partition("\n")[0]
        raise MismatchError(f"{path}: cannot be decoded ({said}); simulate the dataset again") from error


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
    table = (schema.public(table.name) if table.name in _ON_WIRE else table).having(entry.columns)
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
