"""What truly happened on an island, as arrays: read from a dataset's truth, or simulated anew."""

from dataclasses import dataclass, fields, replace
from functools import cached_property

import numpy as np

from zakar.dataset import store
from zakar.dataset.schema import TRUE_FIRES, TRUE_WEATHER
from zakar.dataset.store import Dataset
from zakar.errors import MismatchError
from zakar.models.island import terrain as island
from zakar.models.island import year
from zakar.models.island.fire import Fires
from zakar.models.island.settings import IslandScenario
from zakar.models.island.terrain import Island
from zakar.models.shared import gregorian
from zakar.seeds import Seeds

_DAILY = ("tmax_c", "rain_mm", "ffmc", "fwi")
_BY_DAY = (*_DAILY, "dates", "blocking")


@dataclass(frozen=True)
class History:
    """Weather, danger and fires of consecutive days on the n land cells of an island.

    ``first_day``: number of the first. ``dates``: (days,) datetime64[D]. ``tmax_c``, ``rain_mm``, ``ffmc``, ``fwi``:
    (days, n) float32. ``blocking``: (days,) bool.
    """

    island: Island
    first_day: int
    dates: np.ndarray
    tmax_c: np.ndarray
    rain_mm: np.ndarray
    ffmc: np.ndarray
    fwi: np.ndarray
    blocking: np.ndarray
    fires: Fires

    @cached_property
    def year(self) -> np.ndarray:
        """Calendar year of each day."""
        return gregorian.year(self.dates)

    @cached_property
    def month(self) -> np.ndarray:
        """Month of each day, 1-12."""
        return gregorian.month(self.dates)

    @cached_property
    def season_month(self) -> np.ndarray:
        """Month of each day, 1-12, that has its season in the north."""
        return gregorian.season_month(self.dates, self.island.southern)

    @cached_property
    def season_year(self) -> np.ndarray:
        """Year of each day, the calendar's in the north and from July on in the south: none has a summer cut in two."""
        return gregorian.season_year(self.dates, self.island.southern)

    @cached_property
    def day_of_year(self) -> np.ndarray:
        """Day of the year of each day, from 1."""
        return gregorian.day_of_year(self.dates)

    @cached_property
    def wet(self) -> np.ndarray:
        """Whether it rains on the island on each day, bool."""
        return np.asarray((self.rain_mm > 0).any(axis=1))

    @cached_property
    def tmax_mean_c(self) -> np.ndarray:
        """The land's mean highest temperature of each day."""
        return np.asarray(self.tmax_c.mean(axis=1, dtype=np.float64))

    @property
    def ignition(self) -> tuple[np.ndarray, np.ndarray]:
        """Index of the day and place of each fire's start, int64."""
        return self.fires.day - self.first_day, np.searchsorted(self.island.land, self.fires.cell)

    def until(self, days: int) -> "History":
        """Return the first ``days`` days, with the fires that started on them as they ended."""
        parts = {name: getattr(self, name)[:days] for name in _BY_DAY}
        started = self.fires.day < self.first_day + days
        fires = Fires(**{field.name: getattr(self.fires, field.name)[started] for field in fields(Fires)})
        return History(self.island, self.first_day, fires=fires, **parts)

    def joined(self, later: "History") -> "History":
        """Return this history and that of the days after it as one."""
        parts = {name: np.concatenate([getattr(self, name), getattr(later, name)]) for name in _BY_DAY}
        return History(self.island, self.first_day, fires=_joined(self.fires, later.fires), **parts)


def recorded(dataset: Dataset, scenario: IslandScenario, land: Island) -> History:
    """Read the truth of a dataset, or of its held-out part, on the island ``land``.

    Raises ConfigError if the private part is not here and MismatchError if it is not whole.
    """
    first, days, height = dataset.manifest.first_day, dataset.manifest.days, scenario.grid.height
    weather = store.columns(dataset, TRUE_WEATHER, ["geospatial_x", "geospatial_y", *_DAILY, "blocking"])
    cells = np.asarray(weather["geospatial_x"].to_numpy().astype(np.int64) * height + weather["geospatial_y"])
    if not np.array_equal(cells, np.tile(land.land, days)):
        raise MismatchError(f"{dataset.root}: the truth `weather` has not every land cell on every day")
    daily = {name: weather[name].to_numpy().reshape(days, -1) for name in _DAILY}
    blocking = weather["blocking"].to_numpy()[:: len(land.land)].astype(bool)
    dates = scenario.calendar.dates(np.arange(first, first + days))
    return History(land, first, dates, blocking=blocking, fires=_catalogue(dataset, height), **daily)


def simulated(scenario: IslandScenario, seed: int) -> History:
    """Simulate the world of a scenario with another seed, and nothing of what is seen of it."""
    seeds = Seeds(seed)
    land = island.make(scenario.terrain, scenario.grid, seeds)
    state = year.start(scenario, land, seeds)
    runs = []
    for first, last in scenario.calendar.runs():
        truth, state = year.advance(scenario, land, seeds, first, last, state)
        weather, danger = truth.weather, truth.danger
        dates = scenario.calendar.dates(np.arange(first, last + 1))
        fires = truth.fires  # with those of earlier runs that still burn, or echo
        runs.append(
            History(
                land, first, dates, weather.tmax_c, weather.rain_mm, danger.ffmc, danger.fwi, weather.blocking, fires
            )
        )
    whole = runs[0]
    for run in runs[1:]:
        whole = whole.joined(run)
    return replace(whole, fires=_latest(whole.fires))


def _catalogue(dataset: Dataset, height: int) -> Fires:
    rows = store.columns(dataset, TRUE_FIRES, TRUE_FIRES.schema.names)
    value = {name: rows[name].to_numpy() for name in rows.column_names}
    return Fires(
        number=value["fire"],
        day=value["event_day"].astype(np.int64),
        cell=value["geospatial_x"].astype(np.int64) * height + value["geospatial_y"],
        human=value["cause"] == "human",
        escaped=value["escaped"].astype(bool),
        area_ha=value["area_ha"],
        last_day=value["last_day"].astype(np.int64),
    )


def _latest(fires: Fires) -> Fires:
    """Return each fire once, as the last run knows it."""
    _, last = np.unique(fires.number[::-1], return_index=True)
    chosen = len(fires.number) - 1 - last
    return Fires(**{f.name: getattr(fires, f.name)[chosen] for f in fields(Fires)})


def _joined(early: Fires, late: Fires) -> Fires:
    return Fires(**{f.name: np.concatenate([getattr(early, f.name), getattr(late, f.name)]) for f in fields(Fires)})
