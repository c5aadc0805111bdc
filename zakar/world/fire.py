"""Fires that are true, whether or not anybody reports them."""

from dataclasses import dataclass

import numpy as np

from zakar.scenario import Calendar, ScatteredFires
from zakar.seeds import Seeds
from zakar.world.island import Island


@dataclass(frozen=True)
class Fires:
    """Fires in (day, cell) order: ``day`` and ``cell`` (x * height + y), int64, one element a fire."""

    day: np.ndarray
    cell: np.ndarray

    def between(self, first_day: int, last_day: int) -> "Fires":
        """Return the fires of the days from ``first_day`` to ``last_day``, both included."""
        low, high = np.searchsorted(self.day, [first_day, last_day + 1])
        return Fires(self.day[low:high], self.cell[low:high])

    def joined(self, later: "Fires") -> "Fires":
        """Return these fires followed by ``later`` ones."""
        return Fires(np.concatenate([self.day, later.day]), np.concatenate([self.cell, later.cell]))


NONE = Fires(np.empty(0, np.int64), np.empty(0, np.int64))


def scattered(
    fires: ScatteredFires,
    calendar: Calendar,
    island: Island,
    seeds: Seeds,
    days: np.ndarray,
    means_f: np.ndarray,
    earlier: Fires,
) -> Fires:
    """Draw the fires of ``days``, given each day's mean temperature and the fires before them.

    A day's number is Poisson with a mean interpolated over the temperature; its cells are drawn without
    replacement from the burnable ones that have not burned in the last ``rest_days`` days.
    """
    day_of_year = (days - 1) % calendar.days_per_year + 1
    in_season = (day_of_year >= fires.season_first) & (day_of_year <= fires.season_last)
    rates = np.interp(means_f, fires.at_mean_f, fires.fires_per_day) * in_season

    last_burned = {int(cell): int(day) for day, cell in zip(earlier.day, earlier.cell, strict=True)}
    found_days: list[np.ndarray] = []
    found_cells: list[np.ndarray] = []
    for day, rate in zip(days.tolist(), rates.tolist(), strict=True):
        if rate == 0:
            continue
        draw = seeds.stream("fire/scattered", day)
        number = min(int(draw.poisson(rate)), fires.most_per_day)
        order = draw.permutation(island.burnable)
        rested = [c for c in order.tolist() if day - last_burned.get(c, -fires.rest_days) > fires.rest_days]
        cells = np.sort(np.asarray(rested[:number], np.int64))
        last_burned.update(dict.fromkeys(cells.tolist(), day))
        found_days.append(np.full(len(cells), day, np.int64))
        found_cells.append(cells)
    return Fires(np.concatenate([NONE.day, *found_days]), np.concatenate([NONE.cell, *found_cells]))
