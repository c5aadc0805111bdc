"""Fuel: what there is to burn, and how it grows back."""

from dataclasses import dataclass

import numpy as np

from zakar.models.island.fwi import Danger
from zakar.models.island.settings import Wildfires
from zakar.models.island.terrain import AGROFORESTRY, BARE, BROADLEAF, CONIFER, FUELS, GRASS, SHRUB, URBAN, Island
from zakar.seeds import Seeds

YEAR = 365.25
_PATCH_CELLS = 8  # the fires before the first day left patches of about this size
_LEAST_LOAD = 0.05  # less carries no fire

GREEN = -1.0  # the drought of living plants that lack nothing
_DROUGHT_DAYS = 45.0
_JUNE_SEVERITY = 20.0  # DSR


@dataclass
class Fuel:
    """The fuel of the n land cells, as it burns and grows back.

    ``missing``: the share of its full load that a cell lacked on the day ``since``, float64 and int64 of shape (n,).
    ``days``: in which 63 % of what is missing comes back, (n,); infinite where nothing grows.
    """

    missing: np.ndarray
    since: np.ndarray
    days: np.ndarray

    def load(self, places: np.ndarray | slice, day: int) -> np.ndarray:
        """Return the load of some places on ``day``, 0..1; 0 where it is too little to carry a fire."""
        load = 1 - self.missing[places] * np.exp((self.since[places] - day) / self.days[places])
        return np.where(load < _LEAST_LOAD, 0.0, load)

    def burn(self, places: np.ndarray, day: int, share: np.ndarray | float) -> None:
        """Take away a share of what the places hold on ``day``."""
        missing = self.missing[places] * np.exp((self.since[places] - day) / self.days[places])
        self.missing[places] = missing + (1 - missing) * share
        self.since[places] = day


def regrowth_days(wildfires: Wildfires, island: Island) -> np.ndarray:
    """Return the days in which fuel comes back to 63 %, float64 of shape (n,); infinite where nothing burns."""
    years = np.full(len(FUELS), np.inf)
    years[GRASS] = wildfires.grass_years
    years[SHRUB] = wildfires.shrub_years
    years[BROADLEAF] = wildfires.broadleaf_years
    years[CONIFER] = wildfires.conifer_years
    years[AGROFORESTRY] = wildfires.agroforestry_years
    days: np.ndarray = years[island.fuel] * YEAR
    return days


def burnable(island: Island) -> np.ndarray:
    """Return which land cells have fuel at all, bool of shape (n,): neither rock nor towns burn."""
    has_fuel: np.ndarray = (island.fuel != BARE) & (island.fuel != URBAN)
    return has_fuel


def severity_rating(danger: Danger, before: float) -> np.ndarray:
    """Return how dry living plants are on each day, (days,): GREEN in a wet winter, 0 as in June, more later on.

    It is the island's mean Daily Severity Rating (Van Wagner 1987) of about the last six weeks against that of June,
    less 1. ``before``: the day before's. That a season's burned area follows the sum of that rating (DaCamara 2024)
    would not come of each day's danger alone.
    """
    severity = (0.0272 * danger.fwi**1.77).mean(axis=1)
    ratings = []
    for today in severity.tolist():
        before += (today / _JUNE_SEVERITY - 1 - before) / _DROUGHT_DAYS
        ratings.append(before)
    return np.array(ratings)


def missing_at_first(wildfires: Wildfires, island: Island, seeds: Seeds) -> np.ndarray:
    """Draw what is missing of each cell's fuel before the first day, 0..1, float64 of shape (n,); 1 where none grows.

    Without it the first years would burn more than the later ones. Patches have an exponential age.
    """
    from scipy.spatial import cKDTree

    draw = seeds.stream("fire/age")
    where = np.stack(np.divmod(island.land, island.height), axis=1)
    patches = max(1, len(where) // _PATCH_CELLS)
    centres = where[draw.integers(0, len(where), patches)]
    age = draw.exponential(wildfires.return_years * YEAR, patches)
    nearest = cKDTree(centres).query(where)[1]
    missing: np.ndarray = np.exp(-age[nearest] / regrowth_days(wildfires, island))
    return missing
