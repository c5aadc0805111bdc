#!/bin/sh
# daft 0.6.14: a date cast to text has no leading zeros.
#
# Expected: ISO 8601, 2019-04-14, as pyarrow, Polars, DuckDB and daft's own write_csv give it, and as daft itself writes
# the date in a timestamp.
# Seen: 2019-4-14, from cast() and from SQL alike. Sorted as text October comes before April, texts do not join with those
# of any other tool, and `>=` on them is wrong without an error.
#
# Exits 0 if that is so, 1 if not. Needs a POSIX shell and Python 3.11 or later.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --quiet --disable-pip-version-check install daft==0.6.14 pyarrow==26.0.1
cat >"$folder/try.py" <<'PY'
import datetime
import sys

import daft
import pyarrow as pa

days = [datetime.date(2019, 4, 14), datetime.date(2019, 10, 1)]
fires = daft.from_pydict({"day": days, "time": [datetime.datetime.combine(day, datetime.time(6, 7)) for day in days]})
text = daft.DataType.string()
cast = fires.select(daft.col("day").cast(text).alias("day"), daft.col("time").cast(text).alias("time")).to_pydict()
by_sql = daft.sql("select cast(day as varchar) as day from fires").to_pydict()["day"]
in_order = fires.select(daft.col("day").cast(text).alias("day")).sort("day").to_pydict()["day"]
later = fires.where(daft.col("day").cast(text) >= "2019-05-01").count_rows()
print("daft", daft.__version__)
print("pyarrow:", pa.array(days).cast(pa.string()).to_pylist())
print("daft, dates:", cast["day"], "by SQL:", by_sql, "timestamps:", cast["time"])
print("sorted as text:", in_order, "; rows from 2019-05-01 on, of one:", later)
expected = ["2019-4-14", "2019-10-1"]
sys.exit(0 if cast["day"] == by_sql == expected and cast["time"][0].startswith("2019-04-14") and in_order == expected[::-1] else 1)
PY
"$folder/venv/bin/python" "$folder/try.py"
