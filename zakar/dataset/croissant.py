"""croissant.json: what the files that are published hold, for tools that read Croissant.

The format is https://mlcommons.org/croissant/1.1, JSON-LD.
"""

import datetime
from collections.abc import Iterator
from typing import Any

import msgspec
import pyarrow as pa

from zakar.dataset import layout
from zakar.dataset.about import about, size
from zakar.dataset.manifest import Manifest, TableEntry
from zakar.dataset.schema import Column, Table

NAME = "croissant.json"
SPLIT = "public"  # the value to filter by

_TERMS = (
    *("annotation", "arrayShape", "citeAs", "column", "containedIn", "equivalentProperty", "excludes", "extract"),
    *("field", "fileObject", "fileProperty", "fileSet", "format", "includes", "isArray", "isLiveDataset", "jsonPath"),
    *("key", "md5", "parentField", "path", "readLines", "recordSet", "references", "regex", "repeated", "replace"),
    *("samplingRate", "sdVersion", "separator", "source", "subField", "transform", "unArchive"),
)
_CONTEXT: dict[str, object] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "description": {"@container": "@language"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "name": {"@container": "@language"},
    **{term: f"cr:{term}" for term in _TERMS},
}


def render(manifest: Manifest, day: datetime.date | None = None) -> bytes:
    """Return a dataset's Croissant metadata as JSON-LD that a person can read.

    A file set and a record set a table, and each file with its size and SHA-256. ``day``: when it is published, where
    its scenario does not say.
    """
    tables, known, software = layout.published(manifest), about(manifest), f"zakar {manifest.software['zakar']}"
    contact = {known.contact_kind: known.contact} if known.contact else {}
    creator = {"@type": "sc:Organization", "name": known.creator, **contact}
    described = str(manifest.scenario.get("description") or manifest.title)
    metadata = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.1",
        "name": manifest.title,
        "description": f"{described} {size(manifest)}",
        "license": known.licence_address or known.licence,
        "url": "README.md",
        **({"creator": creator} if known.creator else {}),
        **({"datePublished": known.published or str(day)} if known.published or day else {}),
        **({"inLanguage": manifest.language} if manifest.language else {}),
        "version": f"{known.version}+{manifest.fingerprint[:12]}",
        "citeAs": f"{known.creator + ': ' if known.creator else ''}{manifest.title}, simulated by {software}, "
        f"seed {manifest.seed}, fingerprint {manifest.fingerprint}",
        "rai:dataCollection": f"Simulated by {software}: no real place, person or post. All settings and their sources "
        "are in README.md.",
        "keywords": ["wildfire", "simulation", "synthetic", "streaming"],
        "isLiveDataset": False,
        "distribution": [part for table, entry in tables for part in _distribution(table, entry)],
        "recordSet": [_splits(manifest), *(_record_set(table, entry) for table, entry in tables)],
    }
    return msgspec.json.format(msgspec.json.encode(metadata), indent=2) + b"\n"


def _splits(manifest: Manifest) -> dict[str, object]:
    """Return the one split. Tools filter by a piece of a file's path, so it is called after the folder."""
    if manifest.withheld:
        url, words = (
            "cr:TestSplit",
            f"All days are to be predicted: {', '.join(manifest.withheld)} of them are withheld.",
        )
    else:
        url, words = "cr:TrainingSplit", "All days are meant to learn from."
    return {
        "@type": "cr:RecordSet",
        "@id": "splits",
        "name": "splits",
        "description": words,
        "dataType": "cr:Split",
        "key": {"@id": "splits/name"},
        "field": [
            {"@type": "cr:Field", "@id": "splits/name", "name": "name", "dataType": "sc:Text"},
            {"@type": "cr:Field", "@id": "splits/url", "name": "url", "dataType": ["sc:URL", "cr:Split"]},
        ],
        "data": [{"splits/name": SPLIT, "splits/url": url}],
    }


def _distribution(table: Table, entry: TableEntry) -> Iterator[dict[str, object]]:
    """Yield a table's file set, then its files."""
    place = layout.folder(table, held_out=False).as_posix()
    yield {
        "@type": "cr:FileSet",
        "@id": _files(table),
        "name": _files(table),
        "description": f"The Parquet files of {table.name}; name order is row order.",
        "encodingFormat": _PARQUET,
        "includes": f"{place}/part-*.parquet",
    }
    for file in entry.files:
        yield {
            "@type": "cr:FileObject",
            "@id": f"{place}/{file.name}",
            "name": file.name,
            "contentUrl": f"{place}/{file.name}",
            "contentSize": f"{file.bytes} B",
            "encodingFormat": _PARQUET,
            "sha256": file.sha256,
        }


def _record_set(table: Table, entry: TableEntry) -> dict[str, object]:
    return {
        "@type": "cr:RecordSet",
        "@id": table.name,
        "name": table.name,
        "description": f"{table.doc} {entry.rows:,} rows.",
        "field": [*(_field(table, column) for column in table.columns), _split(table)],
    }


def _split(table: Table) -> dict[str, Any]:
    """Return a table's field of its split: a regular expression over the paths of its own files and of no others.

    To filter, mlcroissant replaces the group by a value and takes the files whose paths match. It applies the
    expression to what it has found by it too, so all behind the group may be missing.
    """
    return {
        "@type": "cr:Field",
        "@id": f"{table.name}/split",
        "name": "split",
        "description": "the split, the same for all rows",
        "dataType": "sc:Text",
        "source": {
            "fileSet": {"@id": _files(table)},
            "extract": {"fileProperty": "fullpath"},
            "transform": {"regex": f"^({SPLIT})(?:/{table.name}/part-.*)?$"},
        },
        "references": {"field": {"@id": "splits/name"}},
    }


def _field(table: Table, column: Column) -> dict[str, Any]:
    return {
        "@type": "cr:Field",
        "@id": f"{table.name}/{column.name}",
        "name": column.name,
        "description": f"{column.doc} (unit: {column.unit})",
        "dataType": _data_type(column.type),
        "source": {"fileSet": {"@id": _files(table)}, "extract": {"column": column.name}},
    }


def _files(table: Table) -> str:
    return f"{table.name}-files"


_PARQUET = "application/x-parquet"


def _data_type(kind: pa.DataType) -> str:
    if pa.types.is_integer(kind):
        return "sc:Integer"
    return "sc:Float" if pa.types.is_floating(kind) else "sc:Text"
