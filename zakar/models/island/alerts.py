"""The slow official system: it tells of a fire days later, of small ones often not at all, and at times of none."""

import numpy as np

from zakar.models.island.fire import Fires
from zakar.models.island.settings import SlowAlerts
from zakar.models.island.terrain import Island
from zakar.seeds import Seeds

_NONE = np.empty(0, np.int64)


def slow(settings: SlowAlerts, island: Island, fires: Fires, seeds: Seeds, days: np.ndarray) -> dict[str, np.ndarray]:
    """Return alerts of fires that start on ``days``, and false ones, one a day and cell, in (event_day, x, y) order.

    Columns: event_day, notification_day, cell, fire (its number, 0 where there is none). An alert depends on nothing
    that comes after its event day: of an escaped fire's area nothing is used.
    """
    parts = [_of_day(settings, island, fires, seeds, int(day)) for day in days]
    cell, fire, lag = (np.concatenate(part) for part in zip(*parts, strict=True))
    event_day = np.repeat(days, [len(part[0]) for part in parts])
    return {"event_day": event_day, "notification_day": event_day + lag, "cell": cell, "fire": fire}


def _of_day(
    settings: SlowAlerts, island: Island, fires: Fires, seeds: Seeds, day: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the cell, fire and lag in days of one day's alerts."""
    low, high = np.searchsorted(fires.day, [day, day + 1])
    draw = seeds.stream("alerts", day)
    view = low + np.flatnonzero(draw.random(high - low) >= _missed(settings, fires, low, high))
    alarms = island.land[draw.integers(0, len(island.land), draw.poisson(settings.false_per_day))]
    alarms = alarms[~np.isin(alarms, fires.cell[low:high])]  # where something burns, it would not be false
    if len(view) + len(alarms) == 0:
        return _NONE, _NONE, _NONE

    # Of two fires in a cell one alert tells; of two alarms too.
    cell, first = np.unique(np.append(fires.cell[view], alarms), return_index=True)
    fire = np.append(fires.number[view], np.zeros(len(alarms), np.int64))[first]
    far_km = island.road_km[np.searchsorted(island.land, cell)]
    # Whole days, at least one: what exceeds it is Poisson, many small delays.
    lag = 1 + draw.poisson(settings.lag_days - 1 + settings.lag_days_per_road_km * far_km.astype(np.float64))
    return cell, fire, lag


def _missed(settings: SlowAlerts, fires: Fires, low: int, high: int) -> np.ndarray:
    """Return the chance that nobody tells of each fire from the ``low``-th to before the ``high``-th."""
    contained = contained_missed(settings, fires.area_ha[low:high])
    return np.where(fires.escaped[low:high], settings.escaped_missed_share, contained)


def contained_missed(settings: SlowAlerts, area_ha: np.ndarray) -> np.ndarray:
    """Return the chance that nobody tells of contained fires of these areas."""
    missed: np.ndarray = settings.missed_share / (1 + area_ha.astype(np.float64) / settings.missed_half_ha)
    return missed
