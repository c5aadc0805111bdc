#!/bin/sh
# frictionless 5.21.0: a cell that does not fit the type guessed from the first 100 rows is read as None, without an error.
#
# Expected: reading a CSV ends with an error, or leaves the text, where row 150 has 21.5 in a column that was whole
# numbers until then.
# Seen: rows() of a resource (also extract() and to_pandas()) give None there; the value is gone, and so is "A1" in a
# column of codes of which the first were digits ("007" is 7 by then). Only each row's `errors`, which nobody must look at,
# and validate() know of it. Sorted readings whose early days were quiet lose exactly the days that are not.
#
# Exits 0 if that is so, 1 if not. Needs a POSIX shell and Python 3.11 or later.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --quiet --disable-pip-version-check install 'frictionless[pandas]==5.21.0'
cat >"$folder/try.py" <<'PY'
import sys
from importlib.metadata import version

import frictionless

rows = [f"{day},{day % 30},{day % 10:03}" for day in range(150)] + ["150,21.5,A1", "151,22,007"]
with open("readings.csv", "w") as file:
    file.write("\n".join(["day,degrees,code", *rows]) + "\n")
print("frictionless", version("frictionless"))
with frictionless.Resource("readings.csv") as resource:
    read = [row.to_dict() for row in resource.row_stream]
extracted = frictionless.extract("readings.csv")["readings"]
frame = frictionless.Resource("readings.csv").to_pandas()
errors = [error for task in frictionless.validate("readings.csv").tasks for error in task.errors]
print("row_stream:", read[-2:])
print("extract:   ", extracted[-2:])
print("to_pandas: ", frame.tail(2).to_dict("records"))
print("validate: ", len(errors), "errors")
lost = [{"day": 150, "degrees": None, "code": None}, {"day": 151, "degrees": 22, "code": 7}]
sys.exit(0 if read[-2:] == extracted[-2:] == lost and frame["degrees"].isna().sum() == 1 and len(errors) == 2 else 1)
PY
cd "$folder"
"$folder/venv/bin/python" "$folder/try.py"
