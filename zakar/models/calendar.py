"""The days of a scenario, as its model counts them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from zakar.models.shared import gregorian

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True)
class Calendar:
    """Days are 1-based: ``days`` are released, ``held_out`` more are not.

    ``dates`` turns days into datetime64[D]. It is None where days have no dates; a year then has ``days_per_year``.
    """

    days: int
    held_out: int = 0
    dates: Callable[[np.ndarray], np.ndarray] | None = None
    days_per_year: int = 365

    def times(self, first_day: int, days: int) -> "Times":
        """Return the years and seasons of ``days`` days from ``first_day`` on."""
        day = np.arange(first_day, first_day + days)
        if self.dates is not None:
            dates = self.dates(day)
            year, month = gregorian.year(dates), gregorian.month(dates)
            return Times(first_day, year, gregorian.day_of_year(dates), month - 1, _MONTHS, True)
        length = self.days_per_year
        parts = min(len(_MONTHS), length)
        day_of_year = (day - 1) % length
        names = tuple(str(-(-n * length // parts) + 1) for n in range(parts))
        return Times(first_day, (day - 1) // length + 1, day_of_year + 1, day_of_year * parts // length, names, False)


@dataclass(frozen=True)
class Times:
    """The dataset's days, from ``first_day`` on: the year, the day of the year (from 1) and the part of the year.

    ``year``, ``day_of_year``, ``part``: (days,). Parts are months where days have dates (``dated``), and else twelfths
    of a year, named by their first days.
    """

    first_day: int
    year: np.ndarray
    day_of_year: np.ndarray
    part: np.ndarray
    names: tuple[str, ...]
    dated: bool

    @property
    def days(self) -> int:
        """Number of days."""
        return len(self.year)

    @property
    def last_day(self) -> int:
        """The last day's number."""
        return self.first_day + self.days - 1

    @property
    def month(self) -> np.ndarray:
        """The number of the month, or twelfth of a year, from 0 on through all years; (days,)."""
        count = (self.year - self.year[0]) * len(self.names) + self.part
        return np.asarray(count - count[0])

    @property
    def month_starts(self) -> np.ndarray:
        """The day number on which each of the months begins."""
        starts: np.ndarray = self.first_day + np.flatnonzero(np.diff(self.month, prepend=-1))
        return starts
