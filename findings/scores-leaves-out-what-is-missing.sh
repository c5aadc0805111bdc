#!/bin/sh
# scores 2.7.0: brier_score(), mse() and the contingency table score only the days that forecast and observation share, and
# say nothing of the others.
#
# Expected: a forecast that lacks 980 of 1,000 observed days is an error, or NaN for those days, as roc_auc() of the same
# library, which raises AlignmentError, and xskillscore 0.0.29, which does too.
# Seen: the two are joined by their labels, inner, and a mean over 20 quiet days comes back: 0.0, the perfect score, where
# the same forecaster has a Brier score of 0.05 on all days. In a contest, leaving out is rewarded. With no
# day in common the answer is nan. Compare the coordinates before scoring (xarray.align(..., join="exact")).
#
# Exits 0 if that is so, 1 if not. Needs a POSIX shell and Python 3.11 or later.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --quiet --disable-pip-version-check install scores==2.7.0 xskillscore==0.0.29 numpy==2.4.6
cat >"$folder/try.py" <<'PY'
import sys
import warnings
from importlib.metadata import version

import numpy as np
import xarray as xr

warnings.simplefilter("ignore")
import xskillscore  # noqa: E402
from scores.categorical import ThresholdEventOperator  # noqa: E402
from scores.continuous import mse  # noqa: E402
from scores.probability import brier_score, roc_auc  # noqa: E402

DAYS = 1_000
fires = xr.DataArray((np.arange(DAYS) % 20 == 19).astype(float), dims="day", coords={"day": np.arange(DAYS)})
silent = fires * 0
quiet_days_only = silent.sel(day=fires.day[fires == 0][:20])


def outcome(score, *arguments, **keywords):
    try:
        return float(score(*arguments, **keywords))
    except xr.AlignmentError as error:
        return type(error).__name__


def days_counted(forecast, observed):
    operator = ThresholdEventOperator(default_event_threshold=0.5)
    return operator.make_contingency_manager(forecast, observed).transform().get_counts()["total_count"]


seen = {
    "brier_score, all days": outcome(brier_score, silent, fires),
    "brier_score, 20 of them": outcome(brier_score, quiet_days_only, fires),
    "mse, 20 of them": outcome(mse, quiet_days_only, fires),
    "days in the contingency table": outcome(days_counted, quiet_days_only, fires),
    "roc_auc, 20 of them": outcome(roc_auc, quiet_days_only, fires),
    "xskillscore's brier_score": outcome(xskillscore.brier_score, fires, quiet_days_only),
}
print("scores", version("scores"), "xskillscore", version("xskillscore"), "xarray", xr.__version__)
for name, value in seen.items():
    print(f"{name}: {value}")
sys.exit(0 if list(seen.values()) == [0.05, 0.0, 0.0, 20.0, "AlignmentError", "AlignmentError"] else 1)
PY
"$folder/venv/bin/python" "$folder/try.py"
