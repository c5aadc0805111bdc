"""Figures of a dataset against figures measured in the world, with a tolerance and a source for each.

The suite ``classic`` holds a dataset against the public artefacts of the 2023 hackathon.
"""

from collections.abc import Callable

import numpy as np
import pyarrow as pa

from zakar.checks import settings, statistics
from zakar.checks.check import Check
from zakar.dataset import store
from zakar.dataset.schema import ALERTS, READINGS, TWEETS
from zakar.dataset.store import Dataset
from zakar.models.classic.settings import ClassicScenario
from zakar.progress import Show, counted, unseen


def checks(dataset: Dataset, progress: Show = unseen) -> list[Check]:
    """Compare with the 2023 data set: volume, order, season, noise, fires, alerts, posts.

    ``progress`` is told the tables that were measured. Raises MismatchError if the manifest's scenario cannot be read.
    """
    scenario = settings.of_model(dataset, ClassicScenario)
    year, height = scenario.calendar.days_per_year, scenario.grid.height
    done = counted(progress, len(dataset.tables))
    figures = [*_volume(dataset), *_readings(dataset, year, scenario.grid.cells, height)]
    done(READINGS.name, 1)
    figures += _alerts(dataset, year, height)
    done(ALERTS.name, 1)
    figures += _tweets(dataset, year, height)
    done(TWEETS.name, 1)
    return figures


# Settings on which the figures depend.
_FIRES = ("calendar", "grid", "weather", "fires")
_SEEN = ("sensors", "tweets", "alerts")
_READINGS = (*_FIRES, "sensors")
_POSTS = ("calendar.days", "grid", "tweets")

_COUNTS = "2023 artefacts: the organisers' files, counted"
_ALERTS = "2023 artefacts: the complete alert file that a team saved"
_DAILY = "2023 artefacts: per-day figures that a team published"
_INFERRED = "2023 artefacts, inferred"


def _volume(dataset: Dataset) -> list[Check]:
    rows = {name: entry.rows for name, entry in dataset.manifest.tables.items()}
    return [
        Check("volume/all", "messages in all", sum(rows.values()), 4_000_001, 4_030_000, _COUNTS, (*_FIRES, *_SEEN)),
        Check(
            "volume/readings",
            "readings",
            rows["temperature_readings"],
            2_294_100,
            2_294_100,
            _COUNTS,
            ("calendar.days", "grid"),
        ),
        Check("volume/tweets", "tweets", rows["tweets"], 1_702_600, 1_719_700, _COUNTS, _POSTS),
        Check("volume/alerts", "fire alerts", rows["fire_alerts"], 5_325, 5_885, _COUNTS, _FIRES),
    ]


def _readings(dataset: Dataset, year: int, cells: int, height: int) -> list[Check]:
    table = store.read(dataset, READINGS)
    day = table["day"].to_numpy()
    cell = table["geospatial_x"].to_numpy().astype(np.int64) * height + table["geospatial_y"].to_numpy()
    a_day = np.bincount(day)[1:]
    reading = table["temperature"].to_numpy().astype(float)
    if a_day.min() != a_day.max():  # the figures below need a full grid each day
        return [Check("readings/a-day", "fewest readings a day", a_day.min(), cells, cells, _COUNTS)]
    if len(a_day) < 2:
        return []
    temperature = reading.reshape(-1, cells)
    means = temperature.mean(axis=1)
    days = np.arange(1, len(means) + 1)
    angle = 2 * np.pi * days / year
    design = np.stack([np.ones(len(days)), np.sin(angle), np.cos(angle)], axis=1)
    (mean, sine, cosine), *_ = np.linalg.lstsq(design, means, rcond=None)
    residual = means - design @ [mean, sine, cosine]
    peak = (np.arctan2(sine, cosine) / (2 * np.pi) * year) % year
    noise = temperature - means[:, None]
    lag = float(np.corrcoef(noise[:-1].ravel(), noise[1:].ravel())[0, 1])

    alerts = store.read(dataset, ALERTS)
    fire_day = alerts["event_day"].to_numpy()
    fire_cell = alerts["geospatial_x"].to_numpy().astype(np.int64) * height + alerts["geospatial_y"].to_numpy()
    on_fire = temperature[fire_day - 1, fire_cell]
    hot = int(np.count_nonzero(temperature >= 110))
    fires_a_day = np.bincount(fire_day, minlength=len(days) + 1)[1:]
    checks = [
        Check("readings/days", "days without a gap", len(days), 2_549, 2_549, _COUNTS, ("calendar.days",)),
        Check("readings/a-day", "readings a day", a_day.min(), 900, 900, _COUNTS, ("grid",)),
        Check("readings/order", "rows out of (day, x, y) order", _disorder(day, cell), 0, 0, _COUNTS),
        Check("readings/mean", "island mean, F", mean, 50.0, 50.4, _DAILY, _READINGS),
        Check("readings/amplitude", "seasonal amplitude, F", np.hypot(sine, cosine), 50.8, 51.3, _DAILY, _READINGS),
        Check("readings/peak", "day of the seasonal peak", peak, 90, 92.5, _DAILY, _READINGS),
        Check("readings/residual", "SD of daily means off season, F", residual.std(), 0.61, 0.71, _DAILY, _READINGS),
        Check("readings/noise", "SD of readings about the day's mean, F", noise.std(), 7.3, 7.5, _DAILY, _READINGS),
        Check(
            "readings/cell-bias", "SD of cells' mean noise, F", noise.mean(axis=0).std(), 0.1, 0.25, _DAILY, _READINGS
        ),
        Check("readings/lag", "correlation of noise with the day before", lag, -0.01, 0.01, _DAILY, _READINGS),
        Check("fires/reading", "mean reading on fire, F", _of(np.mean, on_fire), 119.6, 121.6, _INFERRED, _READINGS),
        Check("fires/reading-sd", "SD of readings on fire, F", _of(np.std, on_fire), 8.1, 9.3, _INFERRED, _READINGS),
        Check("fires/reading-least", "least reading on fire, F", _of(np.min, on_fire), 110, 125, _INFERRED, _READINGS),
        # 9.3 % was inferred; with the measured noise and season the rest of the 110s come to 14 %.
        Check(
            "fires/of-hot",
            "share of fires among readings >= 110 F",
            len(fire_day) / hot if hot else np.nan,
            0.08,
            0.16,
            _INFERRED,
            (*_FIRES, *_SEEN),
        ),
    ]
    for low, high, rate, spread in (  # accepted: three standard errors of a Poisson rate over seven seasons
        (-50, 70, 0, 0.02),
        (80, 85, 1.9, 0.4),
        (85, 90, 4.7, 0.6),
        (90, 95, 7.0, 0.65),
        (100, 130, 9.4, 0.7),
    ):
        within = (means >= low) & (means < high)
        # In autumn the island is as warm again, without fires: the figures are those of the season.
        within &= ((days - 1) % year + 1 <= 182) | (high == 70)
        value = _of(np.mean, fires_a_day[within])
        name = f"fires a day at an island mean of {low} to {high} F" if low > 0 else "fires a day below 70 F"
        checks.append(
            Check(f"fires/at-{max(low, 0)}", name, value, max(0, rate - spread), rate + spread, _ALERTS, _FIRES)
        )
    return checks


def _alerts(dataset: Dataset, year: int, height: int) -> list[Check]:
    table = store.read(dataset, ALERTS)
    day = table["event_day"].to_numpy()
    lag = table["notification_day"].to_numpy() - day
    cell = table["geospatial_x"].to_numpy().astype(np.int64) * height + table["geospatial_y"].to_numpy()
    day_of_year = (day - 1) % year + 1
    seasons = np.bincount((day - 1) // year)
    burned = np.bincount(cell)
    burned = burned[burned > 0]
    by_cell = np.lexsort((day, cell))
    gaps = np.diff(day[by_cell])[np.diff(cell[by_cell]) == 0]
    return [
        Check("alerts/lag-least", "least notification lag, days", _of(np.min, lag), 3, 3, _ALERTS, ("alerts",)),
        Check("alerts/lag-most", "greatest notification lag, days", _of(np.max, lag), 3, 3, _ALERTS, ("alerts",)),
        Check("alerts/order", "rows out of (event_day, x, y) order", _disorder(day, cell), 0, 0, _ALERTS),
        Check("alerts/season-least", "alerts in the quietest season", _of(np.min, seasons), 700, 835, _ALERTS, _FIRES),
        Check("alerts/season-most", "alerts in the busiest season", _of(np.max, seasons), 760, 900, _ALERTS, _FIRES),
        Check(
            "alerts/first-day", "first day of the year with a fire", _of(np.min, day_of_year), 27, 30, _ALERTS, _FIRES
        ),
        Check(
            "alerts/last-day", "last day of the year with a fire", _of(np.max, day_of_year), 150, 156, _ALERTS, _FIRES
        ),
        Check("alerts/median-day", "median day of the year", _of(np.median, day_of_year), 88, 92, _ALERTS, _FIRES),
        Check("alerts/most-a-day", "most fires on a day", _of(np.max, np.bincount(day)), 15, 21, _ALERTS, _FIRES),
        Check("alerts/cells", "cells that ever burn", len(burned), 475, 483, _ALERTS, _FIRES),
        Check("alerts/a-cell", "mean fires in a cell that burns", _of(np.mean, burned), 11.1, 12.3, _ALERTS, _FIRES),
        Check("alerts/rest", "fewest days between fires of a cell", _of(np.min, gaps), 5, 400, _ALERTS, _FIRES),
    ]


def _tweets(dataset: Dataset, year: int, height: int) -> list[Check]:
    table = store.read(dataset, TWEETS)
    day = table["day"].to_numpy()
    cell = table["geospatial_x"].to_numpy().astype(np.int64) * height + table["geospatial_y"].to_numpy()
    a_day = np.bincount(day)[1:]
    angle = 2 * np.pi * np.arange(len(a_day)) / year
    season = abs(statistics.correlation(a_day, np.sin(angle))) + abs(statistics.correlation(a_day, np.cos(angle)))
    pairs = np.unique(day.astype(np.int64) * (int(cell.max(initial=0)) + 1) + cell)
    active = len(pairs) / len(a_day) if len(a_day) else np.nan
    words = np.concatenate([np.zeros(0, np.int64), *(_words(chunk) for chunk in table["tweet"].chunks if len(chunk))])
    return [
        Check("tweets/least", "fewest posts a day", _of(np.min, a_day), 480, 560, _DAILY, _POSTS),
        Check("tweets/most", "most posts a day", _of(np.max, a_day), 790, 910, _DAILY, _POSTS),
        Check("tweets/mean", "mean posts a day", _of(np.mean, a_day), 665, 677, _DAILY, _POSTS),
        Check("tweets/sd", "SD of posts a day", _of(np.std, a_day), 55, 63, _DAILY, _POSTS),
        Check("tweets/season", "correlation of posts a day with the season", season, 0, 0.1, _DAILY, _POSTS),
        Check("tweets/cells", "cells that post on a day", active, 180, 200, _INFERRED, _POSTS),
        Check("tweets/order", "rows out of (day, x, y) order", _disorder(day, cell), 0, 0, _COUNTS),
        Check("tweets/words-least", "fewest words", _of(np.min, words), 12, 13, _COUNTS, ("calendar.days", "tweets")),
        Check("tweets/words-most", "most words", _of(np.max, words), 38, 40, _COUNTS, ("calendar.days", "tweets")),
    ]


def _of(figure: Callable[[np.ndarray], float], values: np.ndarray) -> float:
    """Return a figure of some values; NaN of none."""
    return float(figure(values)) if len(values) else np.nan


def _disorder(day: np.ndarray, cell: np.ndarray) -> int:
    """Return in how many places the (day, cell) order goes back."""
    return int(np.count_nonzero(np.diff(day.astype(np.int64) * (int(cell.max(initial=0)) + 1) + cell) < 0))


def _words(posts: pa.Array) -> np.ndarray:
    """Return each post's number of words; mentions, hashtags, dashes and emoji are none."""
    offsets = np.frombuffer(posts.buffers()[1], np.int32)[posts.offset : posts.offset + len(posts) + 1]
    text = np.frombuffer(posts.buffers()[2], np.uint8)[offsets[0] : offsets[-1]]
    first = np.empty(len(text), bool)  # of a run between spaces
    first[1:] = text[:-1] == ord(" ")
    first[offsets[:-1] - offsets[0]] = True
    letter = np.zeros(256, bool)
    letter[[*range(ord("0"), ord("9") + 1), *range(ord("A"), ord("Z") + 1), *range(ord("a"), ord("z") + 1)]] = True
    return np.add.reduceat(first & letter[text], offsets[:-1] - offsets[0], dtype=np.int64)
