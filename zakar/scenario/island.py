"""Settings of the island with a geography: weather, fire danger, fires that spread, and imperfect observers."""

import datetime
from itertools import pairwise
from typing import Annotated

import numpy as np
from msgspec import Meta

from zakar.scenario.settings import Grid, Named, Settings


class DatedCalendar(Settings, frozen=True):
    """Days are 1-based, day 1 is ``first_date``. ``days`` are released, ``holdout_days`` more are held out."""

    first_date: datetime.date
    days: Annotated[int, Meta(ge=1, le=40_000)]
    holdout_days: Annotated[int, Meta(ge=0, le=40_000)]

    @property
    def last_day(self) -> int:
        """The last day of all, the held-out ones included."""
        return self.days + self.holdout_days

    def dates(self, days: np.ndarray) -> np.ndarray:
        """Return the dates of ``days``, as datetime64[D]."""
        return np.datetime64(self.first_date, "D") + (np.asarray(days, np.int64) - 1)

    def runs(self) -> list[tuple[int, int]]:
        """Return (first, last) day of each run that the world advances by: years, cut where held-out days begin."""
        years = self.dates(np.arange(1, self.last_day + 1)).astype("datetime64[Y]")
        starts = set((np.flatnonzero(np.diff(years.astype(np.int64))) + 2).tolist()) | {1, self.days + 1}
        bounds = sorted(day for day in starts if day <= self.last_day)
        return [(first, after - 1) for first, after in pairwise([*bounds, self.last_day + 1])]


# The island itself.


class Terrain(Settings, frozen=True):
    """The island's shape, vegetation and people."""


# What happens on it.


class Climate(Settings, frozen=True):
    """The weather."""


class Wildfires(Settings, frozen=True):
    """How fires start, are fought, spread, and how fuel grows back."""


# What is seen of it.


class SensorNetwork(Settings, frozen=True):
    """Thermometers, where they stand and how they fail."""


class Posts(Settings, frozen=True):
    """Posts: who writes how much about what.

    ``phrases`` names a table in ``configs/phrases/`` or a TOML file beside the scenario.
    """

    phrases: str


class SlowAlerts(Settings, frozen=True):
    """The slow official system."""


class IslandScenario(Named, frozen=True, tag_field="model", tag="island"):
    """All settings of an island with a geography, and of its observation."""

    calendar: DatedCalendar
    grid: Grid
    terrain: Terrain
    climate: Climate
    fires: Wildfires
    sensors: SensorNetwork
    tweets: Posts
    alerts: SlowAlerts
