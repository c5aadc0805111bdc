#!/bin/sh
# pycayennelpp 2.4.0: values are cut off towards zero at the resolution of Cayenne LPP, not rounded.
#
# Expected: a temperature is sent to the nearest tenth of a degree: 21.57 as 21.6, -5.67 as -5.7.
# Seen: 21.5 and -5.6. Warm readings come out 0.045 too low on average and cold ones 0.045 too high, so that the daily
# range shrinks by up to 0.1. A position of four decimals, which the format holds exactly, loses its last digit whenever
# its double is just below: 38.7223 north becomes 38.7222, 11 metres away. Round before add_temperature() and add_gps().
#
# Exits 0 if that is so, 1 if not. Needs a POSIX shell and Python 3.11 or later.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --quiet --disable-pip-version-check install pycayennelpp==2.4.0
cat >"$folder/try.py" <<'PY'
import sys
from importlib.metadata import version

from cayennelpp import LppFrame


def carried(add, *values):
    frame = LppFrame()
    getattr(frame, add)(1, *values)
    return LppFrame.from_bytes(bytes(frame)).data[0].value


print("pycayennelpp", version("pycayennelpp"))
single = [carried("add_temperature", value)[0] for value in (21.57, -5.67)]
hundredths = {sign: [sign * hundredth / 100 for hundredth in range(1_000, 4_000)] for sign in (1, -1)}
bias = {sign: sum(carried("add_temperature", v)[0] - v for v in values) / len(values) for sign, values in hundredths.items()}
print("21.57 and -5.67 arrive as", single, "mean error of +10..+40: %+.3f, of -40..-10: %+.3f" % (bias[1], bias[-1]))
position = carried("add_gps", 38.7223, -9.1393, 0)
latitudes = [tenthousandth / 10_000 for tenthousandth in range(380_000, 390_000)]
short = sum(carried("add_gps", latitude, 0, 0)[0] != latitude for latitude in latitudes)
print("38.7223 arrives as", position[0], "; of 10,000 latitudes of four decimals", short, "arrive as another")
sys.exit(0 if single == [21.5, -5.6] and bias[1] < -0.04 and bias[-1] > 0.04 and position[0] == 38.7222 and short > 500 else 1)
PY
"$folder/venv/bin/python" "$folder/try.py"
