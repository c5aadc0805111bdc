#!/bin/sh
# daft 0.6.14: stddev() is that of a population (divided by n), in the API and in SQL.
#
# Expected: what STDDEV is in SQL and std in pandas and Polars: that of a sample (divided by n - 1), with stddev_pop for
# the other.
# Seen: 1.118 for 1, 2, 3, 4, where the others say 1.291. For cells with a few readings a day it is a quarter or more too small
# (of two readings by 29 %, and 0 instead of nothing for one), so thresholds of "two sigmas" fire more often.
#
# Exits 0 if that is so, 1 if not. Needs a POSIX shell and Python 3.11 or later.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --quiet --disable-pip-version-check install daft==0.6.14 pyarrow==26.0.1
cat >"$folder/try.py" <<'PY'
import statistics
import sys

import daft

readings = {"cell": [1, 1, 1, 1, 2, 2, 3], "degrees": [1.0, 2.0, 3.0, 4.0, 20.0, 22.0, 30.0]}
sensors = daft.from_pydict(readings)
by_api = sensors.groupby("cell").agg(daft.col("degrees").stddev()).sort("cell").to_pydict()["degrees"]
by_sql = daft.sql("select cell, stddev(degrees) as deviation from sensors group by cell order by cell").to_pydict()["deviation"]
print("daft", daft.__version__)
print("of 1 2 3 4, of 20 22, of 30: daft", by_api, "its SQL", by_sql)
print("of samples (statistics.stdev): ", statistics.stdev(readings["degrees"][:4]), statistics.stdev(readings["degrees"][4:6]), "and none")
as_population = [1.25**0.5, 1.0, 0.0]
near = all(abs(a - b) < 1e-9 and abs(c - b) < 1e-9 for a, b, c in zip(by_api, as_population, by_sql))
sys.exit(0 if near else 1)
PY
"$folder/venv/bin/python" "$folder/try.py"
