"""Where the files of a dataset are below its folder, and which of them are published."""

import enum
from pathlib import Path

from zakar.dataset.manifest import Manifest, TableEntry
from zakar.dataset.schema import MAPS, PUBLIC, Table

ROW_GROUP = 65_536  # rows
KEY = "private/key"
ON_WIRE = frozenset(table.name for table in PUBLIC)
PUBLISHED = ON_WIRE | {table.name for table in MAPS}


class Split(enum.StrEnum):
    """Which days of a dataset: those that are released, or those that are held out, in its private part."""

    TRAIN = "train"
    HOLDOUT = "holdout"


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
    if table.name in PUBLISHED:
        return private / "holdout" / table.name if held_out else Path("public") / table.name
    return private / ("holdout-truth" if held_out else "truth") / table.name
