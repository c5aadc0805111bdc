#!/bin/sh
# scoringrules 0.10.0: rps_score() counts classes from 1, and takes class 0, and any other number, without a word.
#
# Expected: the observed class is an index into the last axis of the forecast, or a number that no class has is refused
# (the formula of the docstring has classes 1 to K).
# Seen: nothing is checked. With classes 0, 1, 2 as labels (quiet, watch, fire) each observation is scored as the class before it. A forecast
# that gives class 0 all its probability scores the worst possible 3.0 when 0 comes true (the greatest right value is
# 2.0), and 0.0 when 1 does. 4 and -1 of three classes have scores too. The order of two forecasters turns round.
#
# Exits 0 if that is so, 1 if not. Needs a POSIX shell and Python 3.11 or later.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --quiet --disable-pip-version-check install scoringrules==0.10.0 numpy==2.4.6
cat >"$folder/try.py" <<'PY'
import sys
from importlib.metadata import version

import numpy as np
import scoringrules

print("scoringrules", version("scoringrules"))
sure = np.array([1.0, 0.0, 0.0])
scores = {observed: float(scoringrules.rps_score(np.array(observed), sure)) for observed in (-1, 0, 1, 2, 3, 4)}
print("a forecast that is sure of the first of three classes; observed class: score", scores)
observed = np.array([0, 0, 1, 2])
good = np.array([[0.9, 0.1, 0.0], [0.9, 0.1, 0.0], [0.1, 0.8, 0.1], [0.0, 0.1, 0.9]])
late = np.roll(good, -1, axis=1)
means = [float(scoringrules.rps_score(classes, forecast).mean()) for classes in (observed, observed + 1) for forecast in (good, late)]
print("labels 0..2: a right forecaster %.3f, one that is off by one class %.3f; labels 1..3: %.3f and %.3f" % tuple(means))
sys.exit(0 if scores == {-1: 3.0, 0: 3.0, 1: 0.0, 2: 1.0, 3: 2.0, 4: 3.0} and means[0] > means[1] and means[2] < means[3] else 1)
PY
"$folder/venv/bin/python" "$folder/try.py"
