"""What the calendar says of dates: arrays of datetime64[D], of any shape."""

import numpy as np


def year(dates: np.ndarray) -> np.ndarray:
    """Return the calendar year of each date."""
    years: np.ndarray = dates.astype("datetime64[Y]").astype(np.int64) + 1970
    return years


def month(dates: np.ndarray) -> np.ndarray:
    """Return the month of each date, 1-12."""
    months: np.ndarray = dates.astype("datetime64[M]").astype(np.int64) % 12 + 1
    return months


def season_month(dates: np.ndarray, southern: bool) -> np.ndarray:
    """Return the month, 1-12, that has each date's season in the north: in the south January's is July."""
    months = month(dates)
    return (months + 5) % 12 + 1 if southern else months


def season_year(dates: np.ndarray, southern: bool) -> np.ndarray:
    """Return the year of which each date's summer is: in the south years run from July, so that none is cut in two."""
    years = year(dates)
    return years + (month(dates) >= 7) if southern else years


def day_of_year(dates: np.ndarray) -> np.ndarray:
    """Return the day of the year of each date, from 1."""
    days: np.ndarray = (dates - dates.astype("datetime64[Y]")).astype(np.int64) + 1
    return days


def weekday(dates: np.ndarray) -> np.ndarray:
    """Return the day of the week of each date, 0 for Monday."""
    days: np.ndarray = (dates.astype(np.int64) + 3) % 7  # 1 January 1970, date 0, was a Thursday
    return days


def is_weekend(dates: np.ndarray) -> np.ndarray:
    """Return whether each date is a Saturday or a Sunday."""
    weekend: np.ndarray = weekday(dates) >= 5
    return weekend
