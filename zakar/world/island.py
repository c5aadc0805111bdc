"""The island: what does not change from day to day."""

from dataclasses import dataclass

import numpy as np

FUELS = ("bare", "grass", "shrub", "broadleaf", "conifer", "agroforestry", "urban")
BARE, GRASS, SHRUB, BROADLEAF, CONIFER, AGROFORESTRY, URBAN = range(len(FUELS))

# Columns of ``Island.neighbours``: steps (dx, dy) and the direction in which each leads, degrees clockwise from north.
STEPS = ((0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1))
BEARINGS = (0.0, 45.0, 90.0, 135.0, 180.0, 225.0, 270.0, 315.0)


@dataclass(frozen=True)
class Island:
    """Static maps of square cells 1 km wide. Cells are numbered x * height + y; x grows eastward, y northward.

    All but ``width``, ``height`` and ``elevation_m`` run over the n land cells, ascending by cell number, or name
    them by their place 0..n-1 in that order.

    ``elevation_m``: shape (width * height,), float32, negative under the sea. ``land``: the land's cell numbers,
    (n,) int64. ``neighbours``: (n, 8) int32, the place of the neighbour in each of STEPS, -1 for none. ``fuel``:
    (n,) uint8, index into FUELS. ``residents``: people who live there, (n,) float32. ``slope_degrees``: steepness,
    (n,) float32. ``aspect_degrees``: downhill direction clockwise from north, (n,) float32. ``coast_km``,
    ``road_km``: distance to the sea and to the nearest road, (n,) float32. ``towns``: places of the settlements,
    largest first, (k,) int32; ``town_residents``: (k,) float32; ``town``: nearest settlement by number, (n,) int16.
    ``roads``: pairs of places of neighbouring cells that a road joins, (m, 2) int32.
    """

    width: int
    height: int
    elevation_m: np.ndarray
    land: np.ndarray
    neighbours: np.ndarray
    fuel: np.ndarray
    residents: np.ndarray
    slope_degrees: np.ndarray
    aspect_degrees: np.ndarray
    coast_km: np.ndarray
    road_km: np.ndarray
    towns: np.ndarray
    town_residents: np.ndarray
    town: np.ndarray
    roads: np.ndarray

    @property
    def height_m(self) -> np.ndarray:
        """Elevation of the land cells, metres, shape (n,)."""
        height: np.ndarray = self.elevation_m[self.land]
        return height
