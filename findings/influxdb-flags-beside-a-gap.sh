#!/bin/sh
# influxdb-client 1.50.0 (pandas 3.1.1): a column of booleans that has one gap is written as text, and a tag of whole
# numbers changes its values.
#
# Expected: True is `ok=true` in line protocol, and a row without a value has no such field; cell 3 is cell=3.
# Seen: `ok="True"`, a string field: the first such batch makes the field a text for good, and a later one with a type
# of its own is refused by the server as a conflict. A tag column of 1, 2, 3 is cell=1, with one gap cell=1.0, which is
# another series. The same booleans without a gap are `ok=True`, a boolean, and so are pandas' nullable ones with a gap.
#
# Exits 0 if that is so, 1 if not. Needs a POSIX shell and Python 3.11 or later.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --quiet --disable-pip-version-check install influxdb-client==1.50.0 pandas==3.1.1 numpy==2.4.6
cat >"$folder/try.py" <<'PY'
import sys
from importlib.metadata import version

import pandas as pd
from influxdb_client.client.write.dataframe_serializer import data_frame_to_list_of_points
from influxdb_client.client.write_api import PointSettings


def lines(ok, cell):
    readings = pd.DataFrame({"ok": ok, "cell": cell}, index=pd.to_datetime(["2019-05-03", "2019-05-04"]))
    return data_frame_to_list_of_points(
        readings, PointSettings(), data_frame_measurement_name="r", data_frame_tag_columns=["cell"]
    )


seen = {
    "whole": lines([True, False], [1, 2]),
    "with gaps": lines([True, None], [1, None]),
    "nullable": lines(pd.array([True, None], "boolean"), [1, 2]),
}
print("influxdb-client", version("influxdb-client"), "pandas", pd.__version__)
for name, written in seen.items():
    print(f"{name}:", written)
first = {name: written[0].split(" ")[:2] for name, written in seen.items()}
sys.exit(0 if first == {"whole": ["r,cell=1", "ok=True"], "with gaps": ["r,cell=1.0", 'ok="True"'], "nullable": ["r,cell=1", "ok=True"]} else 1)
PY
"$folder/venv/bin/python" "$folder/try.py"
