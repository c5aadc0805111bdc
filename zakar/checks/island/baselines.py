"""Checks 14, 21 and 23 as far as they are about foreseeing where a fire starts: baselines for a cell on a day."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from zakar.checks import statistics
from zakar.checks.check import DAYS, FIRES, Check
from zakar.checks.island.history import History
from zakar.checks.island.posts import Rows
from zakar.models.island.terrain import FUELS
from zakar.models.shared import gregorian

_OTHERS = 0.01  # of the cell-days without a fire, those that are looked at
_FAR = 2  # cells: from how far posts count
_SCORES = 20.0  # of posts: beyond, more says nothing more
_RANGE = "a sceptic's range: neither signal decides alone"
FOR = ", for a fire's start in a cell on a day; trained on the first half of the days, tested on the second"
_TRIED: dict[str, tuple[str, float, float, tuple[str, ...]]] = {  # in words, the accepted range, the sections seen
    "temperature": ("the day's temperature", 0.60, 0.75, ("sensors",)),
    "posts": ("the day's posts", 0.65, 0.85, ("tweets",)),
    "fused": ("the day's temperature and posts", 0.80, 0.92, ("sensors", "tweets")),
    "everything": ("temperature, posts, map, date and the true FFMC", 0.50, 0.97, ("sensors", "tweets")),
}


@dataclass(frozen=True)
class CellDays:
    """Cells on days, in the order of their keys: index of the day, place, and whether a fire starts there that day."""

    day: np.ndarray
    place: np.ndarray
    fire: np.ndarray
    keys: np.ndarray

    def where(self, chosen: np.ndarray) -> "CellDays":
        """Return those that a mask chooses."""
        return CellDays(self.day[chosen], self.place[chosen], self.fire[chosen], self.keys[chosen])


def sample(history: History, share: float = _OTHERS) -> CellDays:
    """Return all cell-days on which a fire starts, and a fixed share of the others by a hash of day and cell."""
    return labelled(history, *history.ignition, share)


def labelled(history: History, day: np.ndarray, place: np.ndarray, share: float = _OTHERS) -> CellDays:
    """Return the cell-days that are said to have a fire, and a fixed share of the others by a hash of day and cell."""
    places = len(history.island.land)
    fires = np.unique(day * places + place)
    everything = np.arange(len(history.dates) * places)
    others = everything[statistics.sampled(everything + history.first_day * places, share)]
    chosen = np.union1d(fires, others)
    day, place = np.divmod(chosen, places)
    cell = history.island.land[place]
    keys = day * history.island.width * history.island.height + cell
    return CellDays(day, place, np.isin(chosen, fires, assume_unique=True), keys)


def static_features(history: History, at: CellDays) -> np.ndarray:
    """Return what the map and the weather say of each cell-day, (rows, k): fuels, people, roads, height, sea, FFMC."""
    island = history.island
    fuel = np.eye(len(FUELS))[island.fuel]
    maps = np.column_stack(
        [np.log1p(island.residents), island.road_km, np.log1p(island.road_km), island.height_m, island.coast_km, fuel]
    )
    ffmc = history.ffmc[at.day, at.place].astype(np.float64)
    return np.column_stack([maps[at.place], ffmc, np.maximum(ffmc - 80, 0)])


def season_features(history: History, at: CellDays) -> np.ndarray:
    """Return what the calendar says of each cell-day, (rows, 6): harmonics of the year, and weekends."""
    design = np.column_stack([statistics.harmonics(history.day_of_year, 2)[:, 1:], gregorian.is_weekend(history.dates)])
    return np.asarray(design[at.day])


def warmth_features(warmth_f: np.ndarray, at: CellDays) -> np.ndarray:
    """Return what sensors say of each cell-day, (rows, 2): its temperature, and how much that is above the island's."""
    value = warmth_f[at.day, at.place]
    return np.column_stack([value, value - warmth_f.mean(axis=1)[at.day]]).astype(np.float64)


def near(rows: Rows, at: CellDays, history: History) -> np.ndarray:
    """Return which posts are from a sampled cell-day, or from within _FAR cells of it that day: a mask."""
    width, height = history.island.width, history.island.height
    around = np.zeros((len(history.dates), width + 2 * _FAR, height + 2 * _FAR), bool)
    x, y = np.divmod(history.island.land[at.place], height)
    for dx, dy in itertools.product(range(2 * _FAR + 1), repeat=2):
        around[at.day, x + dx, y + dy] = True
    x, y = np.divmod(rows.cell, height)
    return np.asarray(around[rows.day, x + _FAR, y + _FAR])


def post_features(
    day: np.ndarray, cell: np.ndarray, score: np.ndarray, alarm: float, at: CellDays, history: History
) -> np.ndarray:
    """Return what posts say of each cell-day, (rows, 3 + _FAR).

    ``day``, ``cell``, ``score``: of at least the posts that ``near`` chooses. Features: logarithms of the number of
    posts in the cell, and of those that score above ``alarm`` in the cell and in each ring of cells around it; and the
    highest score in the cell.
    """
    number, best = np.zeros(len(at.day), np.int64), np.full(len(at.day), -_SCORES)
    loud = np.zeros((len(at.day), 1 + _FAR), np.int64)
    for ring, post, index in _matches(day, cell, at, history):
        loud[:, ring] += np.bincount(index[score[post] > alarm], minlength=len(at.day))
        if ring == 0:
            number = np.bincount(index, minlength=len(at.day))
            np.maximum.at(best, index, score[post])
    return np.column_stack([np.log1p(number), best.clip(-_SCORES, _SCORES), np.log1p(loud)])


def _matches(
    day: np.ndarray, cell: np.ndarray, at: CellDays, history: History
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Yield for each of the cells in and around a post's: the ring, 0 for the post's own cell, and the pairs.

    A pair is the index of a post and that of a sampled cell-day.
    """
    if len(at.keys) == 0:
        return
    width, height = history.island.width, history.island.height
    x, y = np.divmod(cell, height)
    for dx, dy in itertools.product(range(-_FAR, _FAR + 1), repeat=2):
        inside = (x + dx >= 0) & (x + dx < width) & (y + dy >= 0) & (y + dy < height)
        keys = (day * width + x + dx) * height + y + dy
        index = np.minimum(np.searchsorted(at.keys, keys), len(at.keys) - 1)
        post = np.flatnonzero(inside & (at.keys[index] == keys))
        yield max(abs(dx), abs(dy)), post, index[post]


# The baselines.


@dataclass(frozen=True)
class Signals:
    """What is known of sampled cell-days, (rows, k) each: from sensors, from posts, from map and weather, by date."""

    at: CellDays
    warmth: np.ndarray
    posts: np.ndarray
    maps: np.ndarray
    season: np.ndarray

    def of(self, name: str) -> np.ndarray:
        """Return the features of a baseline."""
        kinds = {
            "temperature": [self.warmth[:, :1]],
            "posts": [self.posts],
            "fused": [self.warmth, self.posts],
            "maps": [self.maps],
            "everything": [self.warmth, self.posts, self.maps, self.season],
        }
        return np.column_stack(kinds[name])


def sensed(
    history: History,
    warmth_f: np.ndarray,
    at: CellDays,
    day: np.ndarray,
    cell: np.ndarray,
    score: np.ndarray,
    alarm: float,
) -> Signals:
    """Return the signals of cell-days, given temperatures (days, n), and day, cell and score of posts."""
    return Signals(
        at,
        warmth_features(warmth_f, at),
        post_features(day, cell, score, alarm, at, history),
        static_features(history, at),
        season_features(history, at),
    )


def checks(released: Signals, first_test_day: int) -> list[Check]:
    """Return checks 14 and 21: trained on the days before the index ``first_test_day``, tested on those from it on."""
    scores = {name: skill(name, released, first_test_day) for name in ("maps", *_TRIED)}
    return [
        Check(
            "14/ignition-auc",
            f"AUC of the map and the true FFMC{FOR}",
            scores["maps"],
            0.70,
            0.89,
            "a sceptic's range",
            (*FIRES, *DAYS),
        ),
        *(
            Check(
                f"21/{name}",
                f"AUC of {what}{FOR}",
                scores[name],
                low,
                high,
                _RANGE,
                (*FIRES, *DAYS, *on),
                baseline=True,
            )
            for name, (what, low, high, on) in _TRIED.items()
        ),
    ]


def skill(name: str, released: Signals, first_test_day: int, unseen: Signals | None = None) -> float:
    """Return the AUC of a baseline trained on days before ``first_test_day``: on those from it on, or on ``unseen``."""
    features, fire = released.of(name), released.at.fire
    train = released.at.day < first_test_day
    test, told = (features[~train], fire[~train]) if unseen is None else (unseen.of(name), unseen.at.fire)
    if name == "temperature":  # a threshold, whatever it is, has nothing to learn
        return statistics.auc(test[:, 0], told)
    return statistics.auc(statistics.linear(test, statistics.logistic(features[train], fire[train])), told)


def held_out(released: Signals, first_test_day: int, unseen: Signals) -> Check:
    """Return check 23, as far as it is about foreseeing."""
    return Check(
        "23/auc-drop",
        "AUC of temperature and posts on the last released days, less that on the held-out ones",
        skill("fused", released, first_test_day) - skill("fused", released, first_test_day, unseen),
        -1,
        0.05,
        "the held-out days are as the released ones",
        (*FIRES, *DAYS, "sensors", "tweets"),
    )
