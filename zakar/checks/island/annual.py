"""Figures of which a year gives one: judged over an ensemble of seeds, since ten years tell too little."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import resources

import msgspec
import numpy as np
from msgspec import Struct

from zakar.checks import statistics
from zakar.checks.check import DAYS, FIRES, Check
from zakar.checks.island.history import History
from zakar.models.island.settings import IslandScenario

SMALLEST_HA = 1.0  # of the fires that the size distribution is fitted to: below, records are not complete
FILE = "ensemble.json"

_WORLD = ("calendar.first_date", *FIRES)


@dataclass(frozen=True)
class Figure:
    """A figure of a history, with the range in which the ensemble's median is to lie."""

    id: str
    name: str
    of: Callable[[History], float]
    low: float
    high: float
    source: str


def summer_sd(history: History) -> float:
    """Return the standard deviation of the summers' (June to August) mean Tmax over the land, K."""
    whole = 90 if history.island.southern else 92  # days
    summers = [s.mean() for s in _summers(history) if len(s) >= whole]
    return float(np.std(summers, ddof=1)) if len(summers) > 2 else np.nan


def heat_wave_days(history: History) -> float:
    """Return the mean length of heat waves: at least 3 days of mean Tmax above the summer days' 90th percentile."""
    summer = np.concatenate(_summers(history))
    if len(summer) < 90:
        return np.nan
    waves = statistics.runs(history.tmax_mean_c > np.quantile(summer, 0.9))
    return float(waves[waves >= 3].mean()) if (waves >= 3).any() else np.nan


def size_exponent(history: History) -> float:
    """Return a of p(area) ~ area^-a, fitted to fires of at least SMALLEST_HA and at most the whole island."""
    return statistics.power_law(history.fires.area_ha, SMALLEST_HA, 100.0 * len(history.island.land))[0]


def summer_burn_share(history: History) -> float:
    """Return the share of the burned area that is of fires which started in the north's June to September."""
    month = history.season_month[history.fires.day - history.first_day]
    area = history.fires.area_ha.astype(float)
    return float(area[(month >= 6) & (month <= 9)].sum() / area.sum()) if area.any() else np.nan


def burn_variation(history: History) -> float:
    """Return the coefficient of variation of the whole years' burned area."""
    burned = _burned(history)
    return float(burned.std(ddof=1) / burned.mean()) if len(burned) > 2 and burned.any() else np.nan


def burn_explained(history: History) -> float:
    """Return R2 of the logarithm of the whole years' burned area on their sums of the Daily Severity Rating.

    DSR = 0.0272 FWI^1.77 (Van Wagner 1987), here the land's mean of each day.
    """
    severity = (0.0272 * history.fwi.astype(np.float64) ** 1.77).mean(axis=1)
    sums = np.array([severity[history.season_year == y].sum() for y in _whole_years(history)])
    burned = _burned(history)
    # A year without fire is one of less than a hundredth of a hectare.
    return statistics.correlation(np.log(np.maximum(burned, 0.01)), sums) ** 2


def daily_dispersion(history: History) -> float:
    """Return the variance of the day's number of fires over its mean, about a smooth rate of the season."""
    counts = np.bincount(history.fires.day - history.first_day, minlength=len(history.dates))
    return statistics.dispersion(counts, statistics.seasonal_rate(counts, history.day_of_year))


FIGURES = (
    Figure("8/summer-sd", "SD of summer means of Tmax, K", summer_sd, 0.4, 1.0, "a sceptic's range"),
    Figure(
        "8/heat-wave",
        "mean length of heat waves (>= 3 days of mean Tmax above the summers' 90th percentile), days",
        heat_wave_days,
        4,
        8,
        "a sceptic's range",
    ),
    Figure(
        "9/size-exponent",
        "exponent of fire sizes, power law from 1 ha to the whole island",
        size_exponent,
        1.5,
        2.0,
        "climate regions of Spain: 1.54-1.99",
    ),
    Figure(
        "11/summer-share",
        "June to September's share of burned area; in the south that of December to March",
        summer_burn_share,
        0.75,
        0.95,
        "a sceptic's range for the Mediterranean",
    ),
    Figure(
        "12/annual-cv",
        "coefficient of variation of a year's burned area",
        burn_variation,
        0.5,
        1.2,
        "a sceptic's range",
    ),
    Figure(
        "12/severity-r2",
        "R2 of log burned area on the year's sum of DSR",
        burn_explained,
        0.4,
        0.7,
        "DaCamara 2024, Portugal: 0.56",
    ),
    Figure(
        "13/dispersion",
        "variance over mean of fires a day, about the season's rate",
        daily_dispersion,
        1.5,
        np.inf,
        "1 is Poisson; fires come in clusters",
    ),
)


class Band(Struct, frozen=True):
    """What an ensemble has of a figure: its median, and from where to where a dataset's is accepted.

    The bands of all figures together hold 95 % of the seeds. Were each to hold 95 %, every fourth good dataset would
    fail one of the seven.
    """

    median: float
    low: float
    high: float


class Ensemble(Struct, frozen=True):
    """Figures of the worlds of many seeds. ``bands``: by the days of the histories, then by figure.

    ``world`` is the digest of the settings that it is of.
    """

    world: str
    seeds: int
    bands: dict[str, dict[str, Band]]


def world_digest(scenario: IslandScenario) -> str:
    """Return the SHA-256 of the settings that the world depends on, the number of days and the seed aside."""
    parts = (scenario.calendar.first_date, scenario.grid, scenario.terrain, scenario.climate, scenario.fires)
    return hashlib.sha256(msgspec.json.encode(parts, order="sorted")).hexdigest()


@cache
def ensemble() -> Ensemble | None:
    """Return the ensemble that comes with this zakar, None if none does."""
    file = resources.files("zakar.checks.island") / FILE
    return msgspec.json.decode(file.read_bytes(), type=Ensemble) if file.is_file() else None


def judged(history: History, scenario: IslandScenario) -> list[Check]:
    """Judge a history's annual figures, and the medians of the ensemble.

    A history inside the ensemble's band; one of another length than the ensemble's inside the target itself.
    """
    known = ensemble()
    bands = (known.bands if known and known.world == world_digest(scenario) else {}).get(str(len(history.dates)), {})
    checks = []
    for figure in FIGURES:
        value, band = figure.of(history), bands.get(figure.id)
        if band is None or known is None:
            name = f"{figure.name} (no ensemble of these settings and days)"
            checks.append(Check(figure.id, name, value, figure.low, figure.high, figure.source, (*_WORLD, *DAYS)))
            continue
        source = f"benchmarks/ensemble.py: {known.seeds} seeds, of which 95 % have all figures inside"
        middle = f"{figure.name}: median of {known.seeds} seeds"
        checks.append(Check(figure.id, figure.name, value, band.low, band.high, source, _WORLD))
        checks.append(
            Check(f"{figure.id}/ensemble", middle, band.median, figure.low, figure.high, figure.source, _WORLD)
        )
    return checks


def lognormal_ratio(history: History) -> float:
    """Return how much better a power law fits the fires' sizes than a lognormal does (Vuong), both truncated."""
    most = 100.0 * len(history.island.land)
    _, power = statistics.power_law(history.fires.area_ha, SMALLEST_HA, most)
    *_, log_normal = statistics.lognormal(history.fires.area_ha, SMALLEST_HA, most)
    return statistics.likelihood_ratio(power, log_normal)


def _summers(history: History) -> list[np.ndarray]:
    """Return the mean Tmax of the summer days of each year."""
    summer = (history.season_month >= 6) & (history.season_month <= 8)
    return [history.tmax_mean_c[summer & (history.season_year == y)] for y in np.unique(history.season_year)]


def _whole_years(history: History) -> list[int]:
    years, days = np.unique(history.season_year, return_counts=True)
    return [int(y) for y, n in zip(years, days, strict=True) if n >= 365]


def _burned(history: History) -> np.ndarray:
    """Return the area of the fires that started in each whole year, ha."""
    year = history.season_year[history.fires.day - history.first_day]
    return np.array([history.fires.area_ha[year == y].sum(dtype=np.float64) for y in _whole_years(history)])
