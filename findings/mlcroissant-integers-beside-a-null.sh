#!/bin/sh
# mlcroissant 1.1.1: 64-bit integers of a Parquet file are rounded as soon as their column has one null.
#
# Expected: Parquet says int64 and which values are null, Croissant says sc:Integer: a record holds the integer, or None.
# Seen: with a null in the column the others pass through a float on their way: 1689012345678901235 (such as a post's id)
# becomes 1689012345678901248, of type int, without a warning. Without a null the same value is exact. Ids read so do not
# join with ids read otherwise. pyarrow reads the same file exactly.
#
# Exits 0 if that is so, 1 if not. Needs a POSIX shell and Python 3.11 or later.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --quiet --disable-pip-version-check install mlcroissant==1.1.1 pandas==3.1.1 pyarrow==26.0.1
cat >"$folder/try.py" <<'PY'
import hashlib
import sys
from importlib.metadata import version

import mlcroissant as mlc
import pyarrow as pa
import pyarrow.parquet as pq

NUMBER = 1_689_012_345_678_901_235


def record_set(name):
    source = mlc.Source(file_object="posts", extract=mlc.Extract(column=name))
    field = mlc.Field(id=f"{name}/id", name=f"{name}/id", data_types=mlc.DataType.INTEGER, source=source)
    return mlc.RecordSet(id=name, name=name, fields=[field])


folder = sys.argv[1]
pq.write_table(pa.table({"whole": pa.array([NUMBER, 2]), "gap": pa.array([NUMBER, None])}), f"{folder}/posts.parquet")
sha256 = hashlib.sha256(open(f"{folder}/posts.parquet", "rb").read()).hexdigest()
posts = mlc.FileObject(
    id="posts", name="posts", content_url="posts.parquet", encoding_formats=["application/x-parquet"], sha256=sha256
)
metadata = mlc.Metadata(
    name="posts", description="posts", url="https://example.org", license="CC0-1.0", distribution=[posts],
    record_sets=[record_set("whole"), record_set("gap")],
)
dataset = mlc.Dataset(jsonld=metadata.to_json(), mapping={"posts": f"{folder}/posts.parquet"})
values = {name: [record[f"{name}/id"] for record in dataset.records(name)] for name in ("whole", "gap")}
print("mlcroissant", version("mlcroissant"))
print("pyarrow:              ", pq.read_table(f"{folder}/posts.parquet")["gap"].to_pylist())
print("column without a null:", values["whole"])
print("column with a null:   ", values["gap"], [type(value).__name__ for value in values["gap"]])
sys.exit(0 if values == {"whole": [NUMBER, 2], "gap": [1_689_012_345_678_901_248, None]} else 1)
PY
"$folder/venv/bin/python" "$folder/try.py" "$folder" 2>"$folder/log" || { cat "$folder/log"; exit 1; }
