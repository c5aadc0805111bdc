#!/bin/sh
# kpn-senml 1.0.1: a SenML pack that is read has values only: times and units of its records are None.
#
# Expected: from_json() and from_cbor() give back what to_json() and to_cbor() wrote: name, value, unit, time (RFC 8428).
# Seen: a record read has a `time` and a `unit`, and both are None, whether they stood in the record or in the base
# fields; only the base value is applied. Nothing is raised. The same pack's to_json() then writes the readings without
# time, which for every other reader means "now".
#
# Exits 0 if that is so, 1 if not. Needs a POSIX shell and Python 3.11 or later.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --quiet --disable-pip-version-check install kpn-senml==1.0.1 cbor2==6.3.0
cat >"$folder/try.py" <<'PY'
import sys
from importlib.metadata import version

from kpn_senml import SenmlPack, SenmlRecord

written = SenmlPack("thermometer")
written.add(SenmlRecord("degrees", unit="Cel", value=21.5, time=1556841660))
written.add(SenmlRecord("humidity", unit="%RH", value=40, time=1556841720))
read = []
pack = SenmlPack("thermometer", lambda record, **_: read.append((record.name, record.value, record.unit, record.time)))
pack.from_json(written.to_json())
base = []
SenmlPack("thermometer", lambda record, **_: base.append((record.name, record.value, record.unit, record.time))).from_json(
    '[{"bn":"thermometer","bt":1556841600,"bv":20,"bu":"Cel","n":"degrees","v":1.5,"t":60}]'
)
print("kpn-senml", version("kpn-senml"))
print("written:    ", written.to_json())
print("read:       ", read)
print("base fields:", base)
print("written on: ", pack.to_json())
bare = [("degrees", 21.5, None, None), ("humidity", 40, None, None)]
sys.exit(0 if read == bare and base == [("degrees", 21.5, None, None)] and '"t"' not in pack.to_json() else 1)
PY
"$folder/venv/bin/python" "$folder/try.py"
