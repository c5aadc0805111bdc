"""The island: what does not change from day to day."""

from dataclasses import dataclass

import numpy as np

from zakar.models.island import relief as relief_map
from zakar.models.island.settings import Terrain
from zakar.models.shared.settings import Grid
from zakar.seeds import Seeds

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
    (n,) uint8, index into FUELS. ``residents``: people who live there, (n,) float32. ``coast_km``, ``road_km``:
    distance to the sea and to the nearest road, (n,) float32. ``towns``: places of the settlements, largest first,
    (k,) int32; ``town_residents``: (k,) float32; ``town``: nearest settlement by number, (n,) int16. ``roads``: pairs
    of places of neighbouring cells that a road joins, (m, 2) int32. ``latitude``: degrees, negative in the south.
    """

    width: int
    height: int
    elevation_m: np.ndarray
    land: np.ndarray
    neighbours: np.ndarray
    fuel: np.ndarray
    residents: np.ndarray
    coast_km: np.ndarray
    road_km: np.ndarray
    towns: np.ndarray
    town_residents: np.ndarray
    town: np.ndarray
    roads: np.ndarray
    latitude: float

    @property
    def southern(self) -> bool:
        """Whether it lies in the south, where all seasons are turned by half a year."""
        return self.latitude < 0

    @property
    def height_m(self) -> np.ndarray:
        """Elevation of the land cells, metres, shape (n,)."""
        height: np.ndarray = self.elevation_m[self.land]
        return height


def make(terrain: Terrain, grid: Grid, seeds: Seeds) -> Island:
    """Draw the island's maps; ``terrain.check_grid(grid)`` must have passed."""
    from zakar.models.island import settlement

    width, height = grid.width, grid.height
    relief = relief_map.raised(
        width, height, terrain.land_share, terrain.summit_m, terrain.hurst, terrain.relief_noise, seeds
    )
    slope, aspect = relief_map.slope_and_aspect(relief)
    coast = relief_map.coast_km(relief.land)
    land = np.flatnonzero(relief.land)
    height_m, slope, aspect, coast = (values.ravel()[land] for values in (relief.elevation_m, slope, aspect, coast))
    x, y = (land // height).astype(np.float64), (land % height).astype(np.float64)
    neighbours = neighbours_of(relief.land)

    towns = settlement.sites(terrain.settlements, _habitable(height_m, slope, coast, seeds), x, y)
    sizes = settlement.zipf(terrain.settlements, terrain.people * (1 - terrain.rural_share), terrain.zipf_exponent)
    roads = settlement.roads(towns, settlement.ways(neighbours, height_m, x, y), terrain.road_loops)
    road = _road_km(relief.land, land, np.union1d(roads, towns))
    rural = _country(height_m, slope, road, seeds)
    residents = settlement.townspeople(towns, sizes, x, y) + terrain.people * terrain.rural_share * rural

    distance = np.hypot(x[:, None] - x[towns], y[:, None] - y[towns])
    fuel = _fuel(terrain, relief, land, slope, aspect, residents, distance.min(1), seeds)
    return Island(
        width=width,
        height=height,
        elevation_m=relief.elevation_m.ravel().astype(np.float32),
        land=land,
        neighbours=neighbours,
        fuel=fuel,
        residents=residents.astype(np.float32),
        coast_km=coast.astype(np.float32),
        road_km=road.astype(np.float32),
        towns=towns,
        town_residents=sizes.astype(np.float32),
        town=distance.argmin(1).astype(np.int16),
        roads=roads.astype(np.int32),
        latitude=terrain.latitude,
    )


def neighbours_of(land: np.ndarray) -> np.ndarray:
    """Return for each land cell of the map ``land`` (width, height) the place of its neighbour in each of STEPS."""
    place = np.full((land.shape[0] + 2, land.shape[1] + 2), -1, np.int32)
    place[1:-1, 1:-1][land] = np.arange(land.sum())
    x, y = np.nonzero(land)
    return np.stack([place[x + 1 + dx, y + 1 + dy] for dx, dy in STEPS], axis=1)


def _habitable(height_m: np.ndarray, slope: np.ndarray, coast: np.ndarray, seeds: Seeds) -> np.ndarray:
    """Return how well each cell suits a town, logarithmic: low, level, mostly at the sea, and by chance."""
    chance = seeds.stream("island/towns").gumbel(size=len(height_m))
    suitability: np.ndarray = chance - height_m / 120 - slope / 3 - np.minimum(coast, 6) / 3
    return suitability


def _road_km(land_map: np.ndarray, land: np.ndarray, with_road: np.ndarray) -> np.ndarray:
    """Return the distance of each land cell from the nearest of the places ``with_road``."""
    from scipy import ndimage

    without = np.ones(land_map.size, bool)
    without[land[with_road]] = False
    distance: np.ndarray = ndimage.distance_transform_edt(without.reshape(land_map.shape)).ravel()[land]
    return distance


def _country(height_m: np.ndarray, slope: np.ndarray, road: np.ndarray, seeds: Seeds) -> np.ndarray:
    """Return the share of the rural people who live in each cell: along roads, on low and level land, unevenly."""
    uneven = seeds.stream("island/people").gamma(1.0, size=len(road))
    weight = uneven * np.exp(-road / 1.5 - height_m / 300 - slope / 10)
    share: np.ndarray = weight / weight.sum()
    return share


def _fuel(
    terrain: Terrain,
    relief: relief_map.Relief,
    land: np.ndarray,
    slope: np.ndarray,
    aspect: np.ndarray,
    residents: np.ndarray,
    town_km: np.ndarray,
    seeds: Seeds,
) -> np.ndarray:
    """Return the fuel of each land cell, (n,) uint8.

    Fuels take their shares one after the other, each the cells that suit it best; shrub gets what remains.
    """
    draw = seeds.stream("island/fuel")
    patches = {
        fuel: relief_map.clumps(relief.land.shape, terrain.patch_km, draw).ravel()[land]
        for fuel in (BARE, AGROFORESTRY, BROADLEAF, CONIFER, GRASS)
    }
    high = relief.elevation_m.ravel()[land] / terrain.summit_m
    moist = _moisture(relief, land, slope, aspect)
    suits = {
        BARE: 6 * high + slope / 8 - moist,
        AGROFORESTRY: -town_km / 3 - 3 * high - slope / 4,
        BROADLEAF: 1.5 * moist - 6 * np.abs(high - 0.35),
        CONIFER: 0.5 * moist + 3 * np.minimum(high, 0.5),
        GRASS: -moist - slope / 6,
    }
    shares = {
        BARE: terrain.bare_share,
        AGROFORESTRY: terrain.agroforestry_share,
        BROADLEAF: terrain.broadleaf_share,
        CONIFER: terrain.conifer_share,
        GRASS: terrain.grass_share,
    }
    fuel = np.full(len(land), SHRUB, np.uint8)
    fuel[residents >= terrain.urban_density] = URBAN
    fuel[town_km == 0] = URBAN
    country = np.count_nonzero(fuel != URBAN)
    for kind, suited in suits.items():
        free = np.flatnonzero(fuel == SHRUB)
        best = np.argsort(-(suited + patches[kind])[free], kind="stable")
        fuel[free[best[: round(shares[kind] * country)]]] = kind
    return fuel


def _moisture(relief: relief_map.Relief, land: np.ndarray, slope: np.ndarray, aspect: np.ndarray) -> np.ndarray:
    """Return how moist the ground is, about -2 to 2: slopes facing north keep the sun off, hollows gather water."""
    from scipy import ndimage

    ground = np.maximum(relief.elevation_m, 0)
    hollow = (ndimage.gaussian_filter(ground, 2.0) - ground).ravel()[land]
    north = np.cos(np.radians(aspect)) * np.minimum(slope / 4, 1)
    moisture: np.ndarray = north + hollow / max(float(hollow.std()), 1.0) / 2
    return moisture
