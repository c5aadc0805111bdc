"""The world of 2023: cells that can burn, one temperature for the whole island, fires that do not spread.

A year at a time: state in, arrays out.
"""

from dataclasses import dataclass

import numpy as np

from zakar.models.classic.settings import Calendar, ClassicScenario, ScatteredFires, SeasonalWeather
from zakar.seeds import Seeds


@dataclass(frozen=True)
class Island:
    """Static maps. ``burnable``: the cell numbers (x * height + y) that can catch fire, ascending."""

    burnable: np.ndarray


def make(scenario: ClassicScenario, seeds: Seeds) -> Island:
    """Draw the island's maps."""
    chosen = seeds.stream("island/burnable").permutation(scenario.grid.cells)
    return Island(burnable=np.sort(chosen[: scenario.fires.burnable_cells]))


def season_f(weather: SeasonalWeather, calendar: Calendar, days: np.ndarray) -> np.ndarray:
    """Return what the season alone makes of the island's temperature on ``days``, degrees Fahrenheit, (days,)."""
    season: np.ndarray = weather.mean_f + weather.amplitude_f * np.sin(2 * np.pi * days / calendar.days_per_year)
    return season


def seasonal_means_f(weather: SeasonalWeather, calendar: Calendar, seeds: Seeds, days: np.ndarray) -> np.ndarray:
    """Return the island's mean temperature on ``days``, degrees Fahrenheit, shape (days,).

    ``mean + amplitude * sin(2 pi day / days_per_year)`` and a Gaussian residual drawn for each day.
    """
    season = season_f(weather, calendar, days)
    residual = [seeds.stream("weather/residual", int(day)).standard_normal() for day in days]
    return season + weather.residual_sd_f * np.asarray(residual)


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


def fire_rates(fires: ScatteredFires, calendar: Calendar, days: np.ndarray, means_f: np.ndarray) -> np.ndarray:
    """Return the mean number of fires on each of ``days``, given its mean temperature: none out of season."""
    day_of_year = (days - 1) % calendar.days_per_year + 1
    in_season = (day_of_year >= fires.season_first) & (day_of_year <= fires.season_last)
    rates: np.ndarray = np.interp(means_f, fires.at_mean_f, fires.fires_per_day) * in_season
    return rates


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
    rates = fire_rates(fires, calendar, days, means_f)
    last_burned = {int(cell): int(day) for day, cell in zip(earlier.day, earlier.cell, strict=True)}
    event_days: list[np.ndarray] = []
    cells_of_days: list[np.ndarray] = []
    for day, rate in zip(days.tolist(), rates.tolist(), strict=True):
        if rate == 0:
            continue
        draw = seeds.stream("fire/scattered", day)
        number = min(int(draw.poisson(rate)), fires.most_per_day)
        order = draw.permutation(island.burnable)
        rested = [c for c in order.tolist() if day - last_burned.get(c, -fires.rest_days) > fires.rest_days]
        cells = np.sort(np.asarray(rested[:number], np.int64))
        last_burned.update(dict.fromkeys(cells.tolist(), day))
        event_days.append(np.full(len(cells), day, np.int64))
        cells_of_days.append(cells)
    return Fires(np.concatenate([NONE.day, *event_days]), np.concatenate([NONE.cell, *cells_of_days]))


@dataclass(frozen=True)
class State:
    """What one year hands to the next: the next day, and the fires recent enough to matter still."""

    next_day: int
    recent_fires: Fires


@dataclass(frozen=True)
class Truth:
    """What is true on a run of whole days.

    ``days``: consecutive day numbers, shape (n,). ``means_f``: the island's mean temperature on them,
    degrees Fahrenheit, shape (n,). ``fires``: those of these days and of the days before that still echo.
    """

    days: np.ndarray
    means_f: np.ndarray
    fires: Fires

    def cut(self, first_day: int, last_day: int, echo_days: int) -> "Truth":
        """Return the run from ``first_day`` to ``last_day``, with the fires of ``echo_days`` before it."""
        low, high = first_day - int(self.days[0]), last_day + 1 - int(self.days[0])
        return Truth(self.days[low:high], self.means_f[low:high], self.fires.between(first_day - echo_days, last_day))


START = State(next_day=1, recent_fires=NONE)


def echo_days(scenario: ClassicScenario) -> int:
    """Return for how many days after a fire something still depends on it."""
    return max(scenario.fires.rest_days, len(scenario.tweets.fire_posts))


def advance(scenario: ClassicScenario, island: Island, seeds: Seeds, state: State) -> tuple[Truth, State]:
    """Simulate one year, or what is left of the calendar, from ``state`` on."""
    calendar = scenario.calendar
    last_day = min(state.next_day + calendar.days_per_year - 1, calendar.days)
    days = np.arange(state.next_day, last_day + 1)
    means_f = seasonal_means_f(scenario.weather, calendar, seeds, days)
    new = scattered(scenario.fires, calendar, island, seeds, days, means_f, state.recent_fires)
    fires = state.recent_fires.joined(new)
    recent = fires.between(last_day - echo_days(scenario) + 1, last_day)
    return Truth(days, means_f, fires), State(last_day + 1, recent)
