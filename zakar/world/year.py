"""A year of truth: the serial part of a simulation, one year at a time, state in and arrays out."""

from dataclasses import dataclass

import numpy as np

from zakar.scenario import Scenario
from zakar.seeds import Seeds
from zakar.world import fire, weather
from zakar.world.fire import Fires
from zakar.world.island import Island


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


START = State(next_day=1, recent_fires=fire.NONE)


def echo_days(scenario: Scenario) -> int:
    """Return for how many days after a fire something still depends on it."""
    return max(scenario.fires.rest_days, len(scenario.tweets.fire_posts))


def advance(scenario: Scenario, island: Island, seeds: Seeds, state: State) -> tuple[Truth, State]:
    """Simulate one year, or what is left of the calendar, from ``state`` on."""
    calendar = scenario.calendar
    last_day = min(state.next_day + calendar.days_per_year - 1, calendar.days)
    days = np.arange(state.next_day, last_day + 1)
    means_f = weather.seasonal_means_f(scenario.weather, calendar, seeds, days)
    new = fire.scattered(scenario.fires, calendar, island, seeds, days, means_f, state.recent_fires)
    fires = state.recent_fires.joined(new)
    recent = fires.between(last_day - echo_days(scenario) + 1, last_day)
    return Truth(days, means_f, fires), State(last_day + 1, recent)
