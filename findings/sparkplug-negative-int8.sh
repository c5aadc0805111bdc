#!/bin/sh
# Sparkplug B: pysparkplug 0.6.1's negative Int8 and Int16 are large positive numbers for sparkplug-payload 1.0.3 (Node,
# of the Tahu project), and its are an error there.
#
# Expected: two libraries of one standard carry -5 degrees from one to the other.
# Seen: both put the number into the same unsigned 32-bit field, pysparkplug as the two's complement of the type's own
# width (251, 65531), sparkplug-payload as that of 32 bits (4294967291). Read across, an Int8 of -5 is 251 in Node and an
# Int16 of -5 is 65531, both without an error; the other way pysparkplug raises OverflowError. Int32 is right both ways.
# A thermometer that sends whole degrees as Int8 shows 251 degrees at its first frost.
#
# Exits 0 if that is so, 1 if not. Needs a POSIX shell, Python 3.11 or later, Node and npm.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --quiet --disable-pip-version-check install pysparkplug==0.6.1
npm install --silent --no-audit --no-fund --prefix "$folder" sparkplug-payload@1.0.3 >"$folder/npm.log" 2>&1 || { cat "$folder/npm.log"; exit 1; }
cat >"$folder/node.js" <<'JS'
// node.js encode: a line of hex a type; node.js decode HEX...: a line of JSON a payload.
const payloads = require('sparkplug-payload').get('spBv1.0');
const [direction, ...texts] = process.argv.slice(2);
if (direction === 'encode')
  for (const type of ['Int8', 'Int16', 'Int32'])
    console.log(Buffer.from(payloads.encodePayload({ timestamp: 1, seq: 0, metrics: [{ name: 't', timestamp: 1, type, value: -5 }] })).toString('hex'));
else for (const text of texts) console.log(JSON.stringify(payloads.decodePayload(Buffer.from(text, 'hex')).metrics[0].value));
JS
cat >"$folder/try.py" <<'PY'
import subprocess
import sys
from importlib.metadata import version

from pysparkplug import DataType, Metric, NData


def node(*arguments):
    return subprocess.run(["node", f"{sys.argv[1]}/node.js", *arguments], check=True, capture_output=True, text=True).stdout.split()


def encoded(datatype):
    metric = Metric(timestamp=1, name="t", datatype=datatype, value=-5)
    return NData(timestamp=1, seq=0, metrics=(metric,)).encode(include_dtypes=True).hex()


def decoded(payload):
    try:
        return NData.decode(bytes.fromhex(payload)).metrics[0].value
    except OverflowError as error:
        return type(error).__name__


print("pysparkplug", version("pysparkplug"), "sparkplug-payload 1.0.3")
types = [DataType.INT8, DataType.INT16, DataType.INT32]
payloads = [encoded(datatype) for datatype in types]
own = [decoded(payload) for payload in payloads]
in_node = [int(value) for value in node("decode", *payloads)]
in_python = [decoded(payload) for payload in node("encode")]
for datatype, *values in zip(types, own, in_node, in_python):
    print(f"{datatype.name} -5: Python to Python {values[0]}, Python to Node {values[1]}, Node to Python {values[2]}")
as_expected = own == [-5, -5, -5] and in_node == [251, 65531, -5] and in_python == ["OverflowError", "OverflowError", -5]
sys.exit(0 if as_expected else 1)
PY
"$folder/venv/bin/python" "$folder/try.py" "$folder"
