"""What draws posts besides daily life: fires, the fronts of those that escaped, and what people remember of them."""

from dataclasses import dataclass

import numpy as np

from zakar.models.island.authors import Authors
from zakar.models.island.fire import BurnedCells, Fires
from zakar.models.island.settings import Posts
from zakar.models.island.spread import NUMBERS_A_DAY
from zakar.models.island.terrain import Island

ECHO_DAYS = 8  # days, the first included, on which a fire's day still draws posts

_FAR = 6  # km: nobody farther away sees anything
OFFSETS = np.array([(dx, dy) for dx in range(-_FAR, _FAR + 1) for dy in range(-_FAR, _FAR + 1)])
KM = np.hypot(OFFSETS[:, 0], OFFSETS[:, 1])
_TALKED_KM = 2.5  # e-folding distance of interest
_REACH_POWER, _FAME_POWER = (
    0.75,
    0.4,
)  # posts grow more slowly than the people around; the whole island tells of large fires
_SHARED_POWER = 0.7  # posts about a fire fall with the number of those that burn on the day
_STALE_DAYS = 0.8  # in which the news of a fire that still burns halves
_SIZE_POWER = 0.45  # and than the burned area
_CELLS_POWER = 0.2  # and than the cells of a front


@dataclass(frozen=True)
class Sources:
    """What draws posts, in order of the day on which it does, each array of shape (k,).

    ``day``, ``place`` (of the land), ``fire`` (its number, 0 for none), ``mean`` posts expected, ``small``: whether it
    is a contained fire or none at all.
    """

    day: np.ndarray
    place: np.ndarray
    fire: np.ndarray
    mean: np.ndarray
    small: np.ndarray


def sources(
    settings: Posts, island: Island, authors: Authors, fires: Fires, burned_cells: BurnedCells, first: int, last: int
) -> Sources:
    """Return the sources of the days ``first`` to ``last``: contained fires, the fronts of others, and their echoes.

    Of an escaped fire only its front counts, up to the day: nobody knows yet how large it will be.
    """
    begun = ~fires.escaped & (fires.day > first - ECHO_DAYS) & (fires.day <= last)
    flames = (burned_cells.day > first - ECHO_DAYS) & (burned_cells.day <= last)
    # A front of many cells draws more posts than one of few, but fewer a cell.
    _, same, cells = np.unique(
        np.stack([burned_cells.day[flames], burned_cells.fire[flames]]), axis=1, return_inverse=True, return_counts=True
    )
    age = burned_cells.day[flames] - burned_cells.fire[flames] // NUMBERS_A_DAY
    # Fires of a day share what people can say of fires.
    burning, that_day = np.unique(burned_cells.day[flames], return_inverse=True)
    fires_that_day = np.bincount(that_day, 1 / cells[same.ravel()], len(burning))[that_day]
    size = np.concatenate(
        [
            settings.small_fire_posts * fires.area_ha[begun] ** _SIZE_POWER,
            settings.front_posts
            * cells[same.ravel()] ** (_CELLS_POWER - 1)
            * 0.5 ** (age / _STALE_DAYS)
            / fires_that_day**_SHARED_POWER,
        ]
    )
    day = np.concatenate([fires.day[begun], burned_cells.day[flames]])
    place = np.searchsorted(island.land, np.concatenate([fires.cell[begun], burned_cells.cell[flames]]))
    fire = np.concatenate([fires.number[begun], burned_cells.fire[flames]])
    small = np.arange(len(day)) < np.count_nonzero(begun)
    mean = size * _reach(island, authors, place) ** np.where(small, _REACH_POWER, _FAME_POWER)

    lag = np.tile(np.arange(ECHO_DAYS), len(day))
    day, place, fire, mean, small = (np.repeat(column, ECHO_DAYS) for column in (day, place, fire, mean, small))
    day, mean = day + lag, mean * 0.5 ** (lag / settings.half_life_days)
    order = np.argsort(day, kind="stable")
    order = order[(day[order] >= first) & (day[order] <= last)]
    return Sources(day[order], place[order], fire[order], mean[order], small[order])


def posts_of(settings: Posts, area_ha: np.ndarray) -> np.ndarray:
    """Return how many posts contained fires of these areas draw on all days, among an average number of people."""
    fading = (0.5 ** (np.arange(ECHO_DAYS) / settings.half_life_days)).sum()
    number: np.ndarray = settings.small_fire_posts * area_ha**_SIZE_POWER * fading
    return number


def around(island: Island, place: np.ndarray) -> np.ndarray:
    """Return the places within sight of each of k places, by OFFSETS, -1 for sea: shape (k, len(OFFSETS))."""
    number = np.full((island.width + 2 * _FAR, island.height + 2 * _FAR), -1, np.int32)
    x, y = np.divmod(island.land, island.height)
    number[x + _FAR, y + _FAR] = np.arange(len(island.land))
    near_x, near_y = x[place][:, None] + OFFSETS[:, 0], y[place][:, None] + OFFSETS[:, 1]
    around_cells: np.ndarray = number[near_x + _FAR, near_y + _FAR]
    return around_cells


def _reach(island: Island, authors: Authors, place: np.ndarray) -> np.ndarray:
    """Return how many people are around each place, weighted by nearness: 1 where all is as on average."""
    distinct, which = np.unique(place, return_inverse=True)
    near = around(island, distinct)
    weight = np.exp(-KM / _TALKED_KM)
    reach: np.ndarray = (np.where(near >= 0, authors.activity[near], 0.0) @ weight) / weight.sum()
    return reach[which]
