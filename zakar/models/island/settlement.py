"""Where people live and the roads between them. Arrays over the n land cells, which are named by their place 0..n-1."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import dijkstra

_SLOW_GRADE = 0.08  # a road this steep costs twice as much as a level one
_REACH_KM = 0.35  # how far a town of 1,000 spreads


def sites(number: int, suitability: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the places of ``number`` settlements, the best first, each well away from those before it.

    ``suitability``: logarithmic, the higher the better. All of shape (n,), ``x`` and ``y`` in km.
    """
    apart = 0.6 * np.sqrt(len(x) / number)  # km: somewhat less than if they stood in a square lattice
    score = suitability.copy()
    chosen = np.empty(number, np.int32)
    for rank in range(number):
        place = int(score.argmax())
        chosen[rank] = place
        score -= 12 * np.exp(-((x - x[place]) ** 2 + (y - y[place]) ** 2) / apart**2)
        score[place] = -np.inf
    return chosen


def zipf(number: int, people: float, exponent: float) -> np.ndarray:
    """Return the sizes of ``number`` settlements of ``people`` in all, proportional to rank^-exponent."""
    weight = np.arange(1.0, number + 1) ** -exponent
    sizes: np.ndarray = people * weight / weight.sum()
    return sizes


def townspeople(towns: np.ndarray, sizes: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return how many people of all towns live in each cell: most in the town's own, a large town spreads farther."""
    distance = np.hypot(x[:, None] - x[towns], y[:, None] - y[towns])
    weight = np.exp(-distance / (_REACH_KM * np.cbrt(sizes / 1000).clip(0.5, 4)))
    people: np.ndarray = (weight * (sizes / weight.sum(0))).sum(1)
    return people


@dataclass(frozen=True)
class WayGraph:
    """Ways between neighbouring cells, one element a direction: places ``start``, ``end``, and ``cost``, in km."""

    start: np.ndarray
    end: np.ndarray
    cost: np.ndarray
    cells: int

    def matrix(self) -> sparse.csr_array:
        """Return the costs as a sparse matrix of shape (cells, cells)."""
        return sparse.csr_array((self.cost, (self.start, self.end)), shape=(self.cells, self.cells))

    def only(self, roads: np.ndarray) -> "WayGraph":
        """Return the ways along ``roads``, pairs of places (m, 2), in both directions."""
        number = np.concatenate([roads[:, 0] * self.cells + roads[:, 1], roads[:, 1] * self.cells + roads[:, 0]])
        kept = np.isin(self.start * self.cells + self.end, number)
        return WayGraph(self.start[kept], self.end[kept], self.cost[kept], self.cells)


def ways(neighbours: np.ndarray, height_m: np.ndarray, x: np.ndarray, y: np.ndarray) -> WayGraph:
    """Return all ways between neighbouring land cells, a steep one as dear as a longer level one."""
    start, step = np.nonzero(neighbours >= 0)
    end = neighbours[start, step].astype(np.int64)
    length = np.hypot(x[start] - x[end], y[start] - y[end])
    grade = (height_m[end] - height_m[start]) / (1000 * length)
    return WayGraph(start, end, length * (1 + (grade / _SLOW_GRADE) ** 2), len(neighbours))


def roads(towns: np.ndarray, network: WayGraph, loops: int) -> np.ndarray:
    """Return the roads that join all ``towns``, pairs of places (m, 2), the smaller first, ascending.

    A tree grows from the first town: again and again the town that is cheapest to reach from the roads so far is
    joined (Takahashi & Matsuyama 1980). Then, ``loops`` times, the two towns whose way by road is the greatest detour.
    """
    matrix = network.matrix()
    edges: set[tuple[int, int]] = set()
    reached, missing = [int(towns[0])], set(towns[1:].tolist())
    while missing:
        cost, before, _ = dijkstra(matrix, indices=np.unique(reached), min_only=True, return_predecessors=True)
        town = min(missing, key=lambda place: (cost[place], place))
        path = _path(before, town)
        reached += path
        missing -= set(path)
        edges |= _pairs(path)
    if len(towns) > 2 and loops:
        direct, towards = dijkstra(matrix, indices=towns, return_predecessors=True)
        for _ in range(loops):
            by_road = dijkstra(network.only(_sorted(edges)).matrix(), indices=towns)[:, towns]
            detour = by_road / np.maximum(direct[:, towns], 1e-9)
            start, end = np.unravel_index(detour.argmax(), detour.shape)
            edges |= _pairs(_path(towards[start], int(towns[end])))
    return _sorted(edges)


def _path(before: np.ndarray, end: int) -> list[int]:
    """Return the places from ``end`` back to where ``before`` leads no further."""
    path = [end]
    while (place := int(before[path[-1]])) >= 0:
        path.append(place)
    return path


def _pairs(path: list[int]) -> set[tuple[int, int]]:
    return {(min(pair), max(pair)) for pair in pairwise(path)}


def _sorted(pairs: set[tuple[int, int]]) -> np.ndarray:
    return np.asarray(sorted(pairs), np.int64).reshape(-1, 2)
