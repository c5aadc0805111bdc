"""Checks 3 to 7, and 15 as far as it is about weather: every day and place."""

import numpy as np

from zakar.checks import statistics
from zakar.checks.check import DAYS, WEATHER, Check
from zakar.checks.island.history import History

_MOST_PLACES = 600  # that are compared with each other: of a large island every so-manyth


def checks(history: History, wet_fraction: tuple[float, ...]) -> list[Check]:
    """Return checks 3 to 7 and a part of 15. ``wet_fraction``: configured share of wet days, January to December."""
    return [
        Check(
            "3/tmax-lag-1",
            "correlation of the land's mean Tmax with the next day's, season removed, outside blocking",
            tmax_lag(history),
            0.55,
            0.75,
            "Richardson and Wright 1984: 0.62",
            WEATHER,
        ),
        Check(
            "4/wet-transitions",
            "chance of the transitions between wet and dry days, pooled chi-square over months",
            transitions_p(history, wet_fraction),
            statistics.RARE,
            1,
            "Sommer and Kaplan 2017: p11, p01 of the configured wet fraction",
        ),
        Check(
            "5/rain-shape",
            "shape of the gamma distribution of a wet day's rain in a cell, month's mean removed",
            rain_shape(history),
            0.7,
            0.9,
            "Sommer and Kaplan 2017: 0.789",
            (*WEATHER, *DAYS),
        ),
        Check(
            "6/correlation",
            "correlation of Tmax in cells 20-30 km apart, season removed",
            distant_correlation(history),
            0.90,
            0.98,
            "30 km is far below the correlation length of weather",
            WEATHER,
        ),
        Check(
            "7/lapse-rate",
            "lapse rate, from the cells' mean Tmax regressed on height, K/km",
            lapse_rate(history),
            -7.5,
            -5.5,
            "standard atmosphere: -6.5",
            WEATHER,
        ),
        Check(
            "15/temperature",
            "Moran's I of Tmax over neighbouring cells, mean over days",
            temperature_moran(history),
            0.5,
            1,
            "weather is alike in places near to each other",
            WEATHER,
        ),
    ]


def tmax_lag(history: History) -> float:
    """Return the lag-1 correlation of the mean Tmax off season, over pairs of days without blocking."""
    if len(history.dates) < 365:
        return np.nan
    free = ~history.blocking
    season = statistics.harmonics(history.day_of_year, 2)
    fitted, *_ = np.linalg.lstsq(season[free], history.tmax_mean_c[free], rcond=None)
    return statistics.lag_correlation(history.tmax_mean_c - season @ fitted, free)


def transitions_p(history: History, wet_fraction: tuple[float, ...]) -> float:
    """Return the chance of transitions to wet as far from GWGEN's probabilities, over months and both kinds of day.

    p11 = 0.2549 + 0.7451 f after a wet day, p01 = 0.7451 f after a dry one (Sommer and Kaplan 2017), f being the wet
    fraction of the later day's month, or of the month that has its season in the north.
    """
    month = history.season_month[1:]
    before, after = history.wet[:-1], history.wet[1:]
    fraction = np.asarray(wet_fraction)[month - 1]
    chance = 0.7451 * fraction + np.where(before, 0.2549, 0)
    kind = 2 * (month - 1) + before
    observed, expected, variance = (
        np.bincount(kind, values, minlength=24) for values in (after, chance, chance * (1 - chance))
    )
    return statistics.pooled_p(observed, expected, variance)


def rain_shape(history: History) -> float:
    """Return the shape of the gamma distribution of wet days' rain over its month's mean, in cells of all parts."""
    rain = history.rain_mm[:, :: _step(history)].astype(np.float64)
    relative = []
    for month in range(1, 13):
        of_month = rain[history.month == month]
        wet = np.count_nonzero(of_month, axis=0)
        mean = of_month.sum(axis=0) / np.maximum(wet, 1)
        # Where it hardly ever rains, a mean of the few days is too near to each of them.
        chosen = wet >= 15
        relative.append((of_month[:, chosen] / mean[chosen]).ravel())
    return statistics.gamma_shape(np.concatenate(relative))


def distant_correlation(history: History) -> float:
    """Return the mean correlation of Tmax, season removed, over pairs of cells 20 to 30 km apart."""
    if len(history.dates) < 365:
        return np.nan
    step = _step(history)
    x, y = np.divmod(history.island.land[::step], history.island.height)
    distance = np.hypot(x[:, None] - x, y[:, None] - y)
    pairs = (distance >= 20) & (distance <= 30)
    if not pairs.any():
        return np.nan
    residual = statistics.off_season(history.tmax_c[:, ::step], history.day_of_year)
    return float(np.corrcoef(residual, rowvar=False)[pairs].mean())


def lapse_rate(history: History) -> float:
    """Return the slope of the cells' mean Tmax on their height, K/km."""
    km = history.island.height_m / 1000.0
    if not km.std() > 0:
        return np.nan
    return float(np.polyfit(km, history.tmax_c.mean(axis=0, dtype=np.float64), 1)[0])


def temperature_moran(history: History) -> float:
    """Return the mean over days, every tenth of them, of Moran's I of Tmax."""
    daily = statistics.morans_i(history.tmax_c[::10].astype(np.float64), history.island.neighbours)
    return float(daily.mean())


def unchanged(released: History, held_out: History) -> Check:
    """Return check 23, as far as it is about the climate: of whole years."""
    chances = [
        statistics.same_mean_p(one, other) for one, other in zip(_yearly(released), _yearly(held_out), strict=True)
    ]
    return Check(
        "23/climate",
        "chance of the held-out years' mean Tmax, rain and FWI against the released ones', the least of three",
        min(1.0, 3 * min(chances)) if not np.isnan(chances).any() else np.nan,
        statistics.RARE,
        1,
        "the same climate; Student's t, three tests allowed for",
    )


def _yearly(history: History) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return mean Tmax, mean rain and mean FWI of each whole year."""
    number, days = np.unique(history.year, return_counts=True)
    whole = [history.year == y for y in number[days >= 365]]
    of = (history.tmax_c, history.rain_mm, history.fwi)
    tmax, rain, fwi = (np.array([v[days].mean(dtype=np.float64) for days in whole]) for v in of)
    return tmax, rain, fwi


def _step(history: History) -> int:
    return -(-len(history.island.land) // _MOST_PLACES)
