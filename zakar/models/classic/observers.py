"""What was seen of the island of 2023: readings in every cell, posts from phrase tables, alerts three days late."""

import math
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from zakar.models.classic.phrases import FIELDS, FIGURATIVE, FIRE, ORDINARY, Phrases, compose
from zakar.models.classic.settings import EveryCellSensors, LateAlerts, PhraseTweets
from zakar.models.classic.world import Fires, Truth
from zakar.models.shared.settings import Grid
from zakar.seeds import Seeds


def every_cell(sensors: EveryCellSensors, grid: Grid, seeds: Seeds, truth: Truth) -> dict[str, np.ndarray]:
    """Return one reading for each day and cell, in (day, x, y) order: day, cell, temperature.

    Temperature is in whole degrees Fahrenheit: the island's mean and Gaussian noise; in a cell that burns
    on that day at least ``fire_least_f`` plus a gamma-distributed excess.
    """
    first_day = int(truth.days[0])
    noise = np.stack([seeds.stream("sensors/noise", int(d)).standard_normal(grid.cells) for d in truth.days])
    temperature = truth.means_f[:, None] + sensors.noise_sd_f * noise

    fires = truth.fires.between(first_day, int(truth.days[-1]))
    shape = (sensors.fire_excess_mean_f / sensors.fire_excess_sd_f) ** 2
    scale = sensors.fire_excess_mean_f / shape
    for day in np.unique(fires.day).tolist():
        cells = fires.between(day, day).cell
        excess = seeds.stream("sensors/fire", day).gamma(shape, scale, len(cells))
        row = temperature[day - first_day]
        row[cells] = np.maximum(row[cells], math.ceil(sensors.fire_least_f) + excess)

    return {
        "day": np.repeat(truth.days, grid.cells),
        "cell": np.tile(np.arange(grid.cells), len(truth.days)),
        "temperature": np.rint(temperature).ravel().astype(np.int16),
    }


@dataclass(frozen=True)
class _Day:
    """One day's posts in cell order, before they have words."""

    cell: np.ndarray  # (posts,)
    topic: np.ndarray  # (posts,)
    words: np.ndarray  # (FIELDS, posts), uniform in [0, 1): every choice of words still to make


def phrased(
    tweets: PhraseTweets, grid: Grid, seeds: Seeds, phrases: Phrases, truth: Truth
) -> dict[str, np.ndarray | pa.Array]:
    """Return the posts of these days in (day, x, y) order: day, cell, topic, tweet."""
    days = [_day(tweets, grid, seeds, truth.fires, int(day)) for day in truth.days]
    topic = np.concatenate([day.topic for day in days])
    words = np.concatenate([day.words for day in days], axis=1)
    return {
        "day": np.repeat(truth.days, [len(day.cell) for day in days]),
        "cell": np.concatenate([day.cell for day in days]),
        "topic": topic,
        "tweet": compose(phrases, topic, words, tweets.words_least, tweets.words_most),
    }


def _day(tweets: PhraseTweets, grid: Grid, seeds: Seeds, fires: Fires, day: int) -> _Day:
    draw = seeds.stream("tweets", day)
    number = round(tweets.per_day_mean + tweets.per_day_sd * draw.standard_normal())
    number = min(max(number, tweets.per_day_least), tweets.per_day_most)

    # Posts about fires take the place of others, so that the day's number says nothing.
    about_fire = _fire_cells(tweets, seeds, fires, day)[: number // 2]
    others = number - len(about_fire)

    active = draw.permutation(grid.cells)[: max(1, min(grid.cells, int(draw.poisson(tweets.cells_per_day))))]
    ordinary_cells = active[draw.integers(0, len(active), others)]
    ordinary_topics = np.where(draw.random(others) < tweets.figurative_share, FIGURATIVE, ORDINARY)

    cell = np.concatenate([ordinary_cells, about_fire])
    topic = np.concatenate([ordinary_topics, np.full(len(about_fire), FIRE)])
    # The key after the cell is drawn, so that a place's posts are in no order of topic.
    order = np.lexsort((draw.random(number), cell))
    return _Day(cell[order], topic[order], draw.random((FIELDS, number)))


def _fire_cells(tweets: PhraseTweets, seeds: Seeds, fires: Fires, day: int) -> np.ndarray:
    """Return the cells of the posts about fires on ``day``, one element a post, in no order."""
    draw = seeds.stream("tweets/fire", day)
    burning = fires.between(day - len(tweets.fire_posts) + 1, day)
    mean_posts = np.asarray(tweets.fire_posts)[day - burning.day]
    return draw.permutation(np.repeat(burning.cell, draw.poisson(mean_posts)))


def late(alerts: LateAlerts, truth: Truth) -> dict[str, np.ndarray]:
    """Return an alert for each fire of these days, in (event_day, x, y) order: days and cell."""
    fires = truth.fires.between(int(truth.days[0]), int(truth.days[-1]))
    return {
        "event_day": fires.day,
        "notification_day": fires.day + alerts.lag_days,
        "cell": fires.cell,
    }
