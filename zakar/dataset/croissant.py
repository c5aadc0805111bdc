"""croissant.json: what the files that are published hold, for tools that read Croissant.

The format is https://mlcommons.org/croissant/1.1, JSON-LD.
"""

from collections.abc import Iterator
from typing import Any

import msgspec
import pyarrow as pa

import zakar
from zakar.dataset import store
from zakar.dataset.manifest import Manifest, TableEntry
from zakar.dataset.schema import Column, Table

NAME = "croissant.json"

_TERMS = (
    *("annotation", "arrayShape", "citeAs", "column", "containedIn", "equivalentProperty", "excludes", "extract"),
    *("field", "fileObject", "fileProperty", "fileSet", "format", "includes", "isArray", "isLiveDataset", "jsonPath"),
    *("key", "md5", "parentField", "path", "readLines", "recordSet", "references", "regex", "repeated", "replace"),
    *("samplingRate", "sdVersion", "separator", "source", "subField", "transform", "unArchive"),
)
# The specification also lists "value"; mlcroissant 1.1 reads it at schema.org, where it is without.
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


def render(manifest: Manifest) -> bytes:
    """Return a dataset's Croissant metadata as JSON-LD that a person can read.

    A file set and a record set a table, and each file with its size and SHA-256.
    """
    tables = store.published(manifest)
    metadata = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.1",
        "name": manifest.title,
        "description": str(manifest.scenario.get("description") or manifest.title),
        "license": "https://creativecommons.org/licenses/by/4.0/",
        "url": "README.md",
        "creator": {"@type": "sc:Organization", "name": "zakar"},
        "datePublished": zakar.__date__,
        "version": f"{manifest.software['zakar']}+{manifest.fingerprint[:12]}",
        "citeAs": f"{manifest.title}, simulated by zakar {manifest.software['zakar']}, seed {manifest.seed}, "
        f"fingerprint {manifest.fingerprint}",
        "keywords": ["wildfire", "simulation", "synthetic", "streaming"],
        "isLiveDataset": False,
        "distribution": [part for table, entry in tables for part in _distribution(table, entry)],
        "recordSet": [_SPLITS, *(_record_set(table, entry) for table, entry in tables)],
    }
    return msgspec.json.format(msgspec.json.encode(metadata), indent=2) + b"\n"


_SPLITS = {
    "@type": "cr:RecordSet",
    "@id": "splits",
    "name": "splits",
    "description": "All days are meant to learn from.",
    "dataType": "cr:Split",
    "key": {"@id": "splits/name"},
    "field": [
        {"@type": "cr:Field", "@id": "splits/name", "name": "name", "dataType": "sc:Text"},
        {"@type": "cr:Field", "@id": "splits/url", "name": "url", "dataType": ["sc:URL", "cr:Split"]},
    ],
    "data": [{"splits/name": "train", "splits/url": "cr:TrainingSplit"}],
}


def _distribution(table: Table, entry: TableEntry) -> Iterator[dict[str, object]]:
    """Yield a table's file set, then its files."""
    place = store.folder(table, held_out=False).as_posix()
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
    return {
        "@type": "cr:Field",
        "@id": f"{table.name}/split",
        "name": "split",
        "description": "the split, the same for all rows",
        "dataType": "sc:Text",
        "value": "train",
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
