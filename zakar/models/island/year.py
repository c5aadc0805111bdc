"""The island's whole truth, a year at a time: weather, then fire danger, then fires."""

from dataclasses import dataclass, fields
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike

from zakar.models.island import fire, fwi, weather
from zakar.models.island.fire import BurnedCells, Fires, FireState
from zakar.models.island.fwi import Danger
from zakar.models.island.settings import IslandScenario
from zakar.models.island.terrain import Island
from zakar.models.island.weather import Weather, WeatherState
from zakar.models.shared import gregorian
from zakar.seeds import Seeds

ECHO_DAYS = 60  # for so long, earlier fires are kept for those who still speak of them

Daily = TypeVar("Daily", Weather, Danger)


@dataclass(frozen=True)
class IslandState:
    """What one run hands to the next, and the ``fires`` and ``burned_cells`` of the last ECHO_DAYS."""

    weather: WeatherState
    danger: tuple[ArrayLike, ArrayLike, ArrayLike]
    fire: FireState
    fires: Fires
    burned_cells: BurnedCells


@dataclass(frozen=True)
class Truth:
    """What is true on a run of whole days.

    ``days``: consecutive day numbers, shape (d,). ``weather``, ``danger``: of these days. ``fires``: those that burned
    on these days or on days before that still echo. ``burned_cells``: the cells that were reached on any of these days.
    """

    days: np.ndarray
    weather: Weather
    danger: Danger
    fires: Fires
    burned_cells: BurnedCells

    def cut(self, first_day: int, last_day: int, echo: int) -> "Truth":
        """Return the days from ``first_day`` to ``last_day``, with the fires and front of ``echo`` days before them.

        Raises ValueError if ``echo`` is longer than what is kept.
        """
        if echo > ECHO_DAYS:
            raise ValueError(f"echo is {echo} days, at most {ECHO_DAYS} are kept")
        rows = slice(first_day - int(self.days[0]), last_day + 1 - int(self.days[0]))
        return Truth(
            self.days[rows],
            rows_of(self.weather, rows),
            rows_of(self.danger, rows),
            self.fires.burning(first_day - echo, last_day),
            self.burned_cells.between(first_day - echo, last_day),
        )


def start(scenario: IslandScenario, island: Island, seeds: Seeds) -> IslandState:
    """Return the state before the first day."""
    return IslandState(
        weather.start(scenario.climate, island, seeds),
        fwi.START,
        fire.start(scenario.fires, island, seeds),
        fire.NO_FIRES,
        fire.NO_BURNED_CELLS,
    )


def advance(
    scenario: IslandScenario, island: Island, seeds: Seeds, first: int, last: int, state: IslandState
) -> tuple[Truth, IslandState]:
    """Simulate the days from ``first`` to ``last``, a run of the calendar, from ``state`` on."""
    calendar = scenario.calendar
    days = np.arange(first, last + 1)
    months = gregorian.month(calendar.dates(days))
    air, air_state = weather.advance(scenario.climate, calendar, island, seeds, first, last, state.weather)
    risk, codes = fwi.advance(air, months, state.danger, island.latitude)
    fires, burned_cells, fire_state = fire.advance(
        scenario.fires, calendar, island, air, risk, seeds, first, state.fire
    )
    fires, burned_cells = state.fires.joined(fires), state.burned_cells.joined(burned_cells)
    recent = last - ECHO_DAYS + 1
    after = IslandState(air_state, codes, fire_state, fires.burning(recent, last), burned_cells.between(recent, last))
    return Truth(days, air, risk, fires, burned_cells), after


def rows_of(daily: Daily, rows: slice) -> Daily:
    """Return some of the days of weather or fire danger."""
    return type(daily)(*(getattr(daily, column.name)[rows] for column in fields(daily)))


def joined(earlier: Truth, later: Truth) -> Truth:
    """Return the days of ``earlier`` and then those of ``later``, with the fires and burned cells of ``later``."""
    return Truth(
        np.concatenate([earlier.days, later.days]),
        _after(earlier.weather, later.weather),
        _after(earlier.danger, later.danger),
        later.fires,
        later.burned_cells,
    )


def _after(earlier: Daily, later: Daily) -> Daily:
    """Return the days of ``earlier`` and then those of ``later``."""
    columns = [(getattr(earlier, column.name), getattr(later, column.name)) for column in fields(later)]
    return type(later)(*(np.concatenate(pair) for pair in columns))
