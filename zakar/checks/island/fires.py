"""Checks 9, 10 and 14, and 15 as far as it is about fires: the catalogue of what burned."""

import numpy as np

from zakar.checks import statistics
from zakar.checks.check import DAYS, FIRES, Check
from zakar.checks.island import annual
from zakar.checks.island.history import History


def checks(history: History) -> list[Check]:
    """Return the checks that need the fires and nothing else; check 9 also has a figure among the annual ones."""
    fires = history.fires
    enough = len(fires.day) > 0
    return [
        Check(
            "9/lognormal-ratio",
            "fire sizes: likelihood of a power law over that of a lognormal, both truncated, Vuong's z; not judged",
            annual.lognormal_ratio(history),
            -np.inf,
            np.inf,
            "a lognormal often fits better",
        ),
        Check(
            "10/below-40-ha",
            "share of fires below 40 ha",
            float((fires.area_ha < 40).mean()) if enough else np.nan,
            0.90,
            0.98,
            "USFS: 98 %; Ontario: initial attack succeeds in 79-98 %",
            (*FIRES, *DAYS),
        ),
        Check(
            "14/human-share",
            "share of fires that people caused",
            float(fires.human.mean()) if enough else np.nan,
            0.90,
            0.97,
            "Spain: 96 %",
            (*FIRES, *DAYS),
        ),
        Check(
            "15/ignitions",
            "Moran's I of the number of fires in each cell",
            ignition_moran(history),
            0.1,
            0.4,
            "fires start near people and roads, but also anywhere",
            (*FIRES, *DAYS),
        ),
    ]


def ignition_moran(history: History) -> float:
    """Return Moran's I of the number of fires that started in each land cell."""
    _, place = history.ignition
    count = np.bincount(place, minlength=len(history.island.land)).astype(float)
    return float(statistics.morans_i(count, history.island.neighbours))
