"""Check 18: the slow official system, held against the fires that it should tell of."""

import numpy as np

from zakar.checks import statistics
from zakar.checks.check import DAYS, FIRES, Check
from zakar.checks.island.history import History
from zakar.dataset import store
from zakar.dataset.schema import ALERT_CAUSES, ALERTS
from zakar.dataset.store import Dataset
from zakar.models.island.settings import SlowAlerts

_CONFIGURED = "the scenario's alerts"


def checks(dataset: Dataset, history: History, settings: SlowAlerts) -> list[Check]:
    """Return check 18."""
    rows = store.columns(dataset, ALERTS, ["event_day", "notification_day"])
    lag = rows["notification_day"].to_numpy() - rows["event_day"].to_numpy()
    cause = store.columns(dataset, ALERT_CAUSES, ["fire"])["fire"].to_numpy()
    return judged(history, settings, lag.astype(float), cause)


def judged(history: History, settings: SlowAlerts, lag: np.ndarray, cause: np.ndarray) -> list[Check]:
    """Return check 18, given each alert's ``lag`` in days and the number of the fire behind it, 0 for none."""
    fires = history.fires
    _, place = history.ignition
    true = cause > 0
    order = np.argsort(fires.number)
    row = order[np.clip(np.searchsorted(fires.number[order], cause[true]), 0, max(len(order) - 1, 0))]
    expected_lag = settings.lag_days + settings.lag_days_per_road_km * history.island.road_km[place[row]]
    late = lag[true] - expected_lag
    # A lag is a day more than a Poisson draw, so that all of them together are one; of few, chance has more.
    low, high = statistics.poisson_range(float((expected_lag - 1).sum()))
    missed = ~np.isin(fires.number, cause)
    return [
        Check(
            "18/lag",
            "alerts' mean lag, less what is configured for their places, days",
            float(late.mean()) if len(late) else np.nan,
            min(-0.3, low / max(1, len(late))),
            max(0.3, high / max(1, len(late))),
            _CONFIGURED,
        ),
        Check(
            "18/misses",
            "chance of the number of missed fires in five classes of size, chi-square",
            misses_p(fires.area_ha.astype(float), fires.escaped, missed, settings),
            statistics.RARE,
            1,
            _CONFIGURED,
        ),
        Check(
            "18/small-missed",
            "chance that a missed fire is smaller than one that was told of",
            statistics.auc(-fires.area_ha, missed),
            0.55,
            1,
            "misses rise as size falls",
            (*FIRES, *DAYS, "alerts"),
        ),
        Check(
            "18/false",
            "chance of the number of false alarms",
            _false_p(int((~true).sum()), settings, history),
            statistics.RARE,
            1,
            _CONFIGURED,
        ),
    ]


def misses_p(area_ha: np.ndarray, escaped: np.ndarray, missed: np.ndarray, settings: SlowAlerts) -> float:
    """Return the chance of as many missed fires, in classes that grow tenfold in size."""
    small = settings.missed_share / (1 + area_ha / settings.missed_half_ha)
    chance = np.where(escaped, settings.escaped_missed_share, small)
    size = np.searchsorted([0.1, 1, 10, 100], area_ha, "right")
    each = (missed.astype(float), chance, chance * (1 - chance))
    observed, expected, variance = (np.bincount(size, values, minlength=5) for values in each)
    return statistics.pooled_p(observed, expected, variance)


def _false_p(number: int, settings: SlowAlerts, history: History) -> float:
    """Return the two-sided chance of a number of false alarms.

    They are Poisson on each cell and day; of several there is one alert, and where a fire starts none.
    """
    cells = len(history.island.land)
    chance = -np.expm1(-settings.false_per_day / cells)
    expected = chance * (len(history.dates) * cells - len(history.fires.day))
    if expected < 5:
        return np.nan if expected else float(number == 0)
    return statistics.pooled_p(np.array([number]), np.array([expected]), np.array([expected * (1 - chance)]))
