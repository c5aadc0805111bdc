import re
from dataclasses import fields
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from zakar import config
from zakar.errors import ConfigError
from zakar.models import registry, scenario_files
from zakar.models.island import relief, settlement
from zakar.models.island import terrain as island
from zakar.models.island.settings import Terrain
from zakar.models.island.terrain import BARE, BROADLEAF, CONIFER, FUELS, SHRUB, STEPS, URBAN, Island
from zakar.models.shared.settings import Grid
from zakar.seeds import Seeds

SEEDS = st.integers(0, 2**32)
FEW = settings(max_examples=25, deadline=None)
DEFAULTS = {
    "land_share": 0.5,
    "summit_m": 1200.0,
    "hurst": 0.8,
    "relief_noise": 0.42,
    "bare_share": 0.02,
    "grass_share": 0.13,
    "broadleaf_share": 0.11,
    "conifer_share": 0.26,
    "agroforestry_share": 0.15,
    "patch_km": 3.0,
    "people": 60_000,
    "rural_share": 0.1,
    "settlements": 16,
    "zipf_exponent": 1.0,
    "urban_density": 1000.0,
    "road_loops": 2,
}
ANY_TERRAIN = st.fixed_dictionaries(
    {
        "land_share": st.floats(0.2, 0.6),
        "summit_m": st.floats(50, 4000),
        "hurst": st.floats(0.3, 1),
        "relief_noise": st.floats(0, 1),
        "patch_km": st.floats(0.5, 20),
        "people": st.integers(100, 10_000_000),
        "rural_share": st.floats(0, 1),
        "settlements": st.integers(1, 200),
        "zipf_exponent": st.floats(0, 2),
        "road_loops": st.integers(0, 20),
    }
)
ANY_GRID = st.builds(Grid, width=st.integers(8, 40), height=st.integers(8, 40))
SQUARE = Grid(width=30, height=30)


def terrain(**changed: Any) -> Terrain:
    return msgspec.convert(DEFAULTS | changed, Terrain)


def drawn(seed: int, grid: Grid = SQUARE, **changed: Any) -> Island:
    chosen = terrain(**changed)
    chosen.check_grid(grid)
    return island.make(chosen, grid, Seeds(seed))


def fitting(grid: Grid, changed: dict[str, Any]) -> dict[str, Any]:
    """``changed``, with no more settlements than ``grid`` has land for."""
    most = int(changed["land_share"] * grid.cells / 6)
    return changed | {"settlements": min(changed["settlements"], most)}


def map_of_land(made: Island) -> np.ndarray:
    return made.elevation_m.reshape(made.width, made.height) > 0


def aspect_of(made: Island) -> np.ndarray:
    """The downhill direction of each land cell, degrees from north."""
    ground = relief.Relief(made.elevation_m.reshape(made.width, made.height), map_of_land(made))
    return relief.slope_and_aspect(ground)[1].ravel()[made.land]


@given(SEEDS, ANY_GRID, ANY_TERRAIN)
@FEW
def test_any_settings_make_one_piece_of_land_with_finite_maps(seed: int, grid: Grid, changed: dict[str, Any]) -> None:
    made = drawn(seed, grid, **fitting(grid, changed))
    land = map_of_land(made)
    assert ndimage.label(land, np.ones((3, 3)))[1] == 1
    assert np.array_equal(ndimage.binary_fill_holes(land), land)
    assert np.array_equal(made.land, np.flatnonzero(land))
    cells = len(made.land)
    for field in fields(made):
        value = getattr(made, field.name)
        if isinstance(value, np.ndarray) and field.name not in ("elevation_m", "towns", "town_residents", "roads"):
            assert len(value) == cells
            assert np.all(np.isfinite(value))
    assert np.isclose(made.elevation_m.max(), changed["summit_m"])
    assert made.residents.sum(dtype=float) == pytest.approx(changed["people"], rel=1e-4)
    assert made.residents.min() >= 0


@given(SEEDS, ANY_GRID, ANY_TERRAIN)
@FEW
def test_roads_reach_every_settlement_from_cell_to_neighbouring_cell(
    seed: int, grid: Grid, changed: dict[str, Any]
) -> None:
    made = drawn(seed, grid, **fitting(grid, changed))
    start, end = made.roads.T
    cells = len(made.land)
    assert np.all((made.neighbours[start] == end[:, None]).sum(1) == 1)
    joined = connected_components(csr_array((np.ones(len(start)), (start, end)), shape=(cells, cells)), False)[1]
    assert len(set(joined[made.towns].tolist())) == 1
    assert np.all(made.road_km[made.roads.ravel()] == 0)
    assert np.all(made.road_km[made.towns] == 0)
    assert len(np.unique(made.roads, axis=0)) == len(made.roads)


@given(SEEDS)
@FEW
def test_the_table_of_neighbours_leads_back_and_by_its_steps(seed: int) -> None:
    made = drawn(seed)
    place, step = np.nonzero(made.neighbours >= 0)
    there = made.neighbours[place, step]
    assert np.array_equal(made.neighbours[there, (step + 4) % 8], place)
    dx, dy = np.asarray(STEPS)[step].T
    x, y = np.divmod(made.land, made.height)
    assert np.array_equal(x[there] - x[place], dx)
    assert np.array_equal(y[there] - y[place], dy)
    assert len(place) == sum(
        np.isin((x + sx) * made.height + y + sy, made.land)[
            (x + sx >= 0) & (x + sx < made.width) & (y + sy >= 0) & (y + sy < made.height)
        ].sum()
        for sx, sy in STEPS
    )


@given(SEEDS)
@FEW
def test_settlements_are_apart_and_their_sizes_go_as_one_over_rank(seed: int) -> None:
    made = drawn(seed)
    assert np.allclose(made.town_residents * np.arange(1, 17), made.town_residents[0])
    assert made.town_residents.sum() == pytest.approx(54_000, rel=1e-5)
    x, y = np.divmod(made.land[made.towns], made.height)
    distance = np.hypot(np.subtract.outer(x, x), np.subtract.outer(y, y)) + 99 * np.eye(16)
    assert distance.min() >= 2
    assert np.all(made.fuel[made.towns] == URBAN)
    assert np.all(made.town[made.towns] == np.arange(16))


@given(SEEDS)
@FEW
def test_most_settlements_are_low_and_near_the_sea(seed: int) -> None:
    made = drawn(seed)
    assert np.median(made.height_m[made.towns]) < np.median(made.height_m) / 2
    assert np.mean(made.coast_km[made.towns] < 2) >= 0.5


@given(SEEDS)
@FEW
def test_fuels_have_their_shares_and_lie_in_patches(seed: int) -> None:
    made = drawn(seed)
    share = np.bincount(made.fuel, minlength=len(FUELS)) / len(made.fuel)
    assert share[[SHRUB, CONIFER]].sum() > 0.5
    assert share[CONIFER] == pytest.approx(0.26 * (1 - share[URBAN]), abs=0.002)
    assert share[[BARE, URBAN]].max() < 0.1
    is_land = made.neighbours >= 0
    alike = (made.fuel[made.neighbours] == made.fuel[:, None])[is_land].mean()
    assert alike > 1.5 * (share**2).sum()


def test_wider_patches_have_fewer_borders() -> None:
    def borders(patch_km: float) -> float:
        made = drawn(3, Grid(width=60, height=60), patch_km=patch_km)
        return float((made.fuel[made.neighbours] != made.fuel[:, None])[made.neighbours >= 0].mean())

    assert borders(0.5) > 1.3 * borders(3) > 1.3 * borders(8)


def test_woods_prefer_slopes_that_face_north_and_people_low_land() -> None:
    made = [drawn(seed) for seed in range(20)]
    north, fuel, height_m, residents = (
        np.concatenate(values)
        for values in zip(
            *((np.cos(np.radians(aspect_of(m))), m.fuel, m.height_m, m.residents) for m in made), strict=True
        )
    )
    assert north[fuel == BROADLEAF].mean() > north[fuel == SHRUB].mean() + 0.2
    assert north[fuel == CONIFER].mean() > north[fuel == SHRUB].mean() + 0.1
    assert residents[height_m < 200].mean() > 5 * residents[height_m > 500].mean()


def test_about_half_of_the_squares_are_land_with_low_coasts() -> None:
    made = [drawn(seed) for seed in range(50)]
    assert all(400 <= len(m.land) <= 500 for m in made)
    assert np.mean([m.height_m[m.coast_km < 1].mean() for m in made]) < 150
    assert all(np.all(m.coast_km >= 0.5) for m in made)


def test_slope_and_aspect_of_a_plane_that_falls_to_the_east_or_the_north() -> None:
    x, y = np.mgrid[0:9, 0:9]
    for elevation, aspect in ((2000 - 100.0 * x, 90), (2000 - 100.0 * y, 0), (1000 + 100.0 * y, 180)):
        slope, downhill = relief.slope_and_aspect(relief.Relief(elevation, elevation > 0))
        assert np.allclose(slope, np.degrees(np.arctan(0.1)))
        assert np.allclose(downhill, aspect)
        assert np.all((downhill >= 0) & (downhill < 360))


def test_roads_go_round_a_mountain() -> None:
    neighbours = island.neighbours_of(np.ones((9, 5), bool))
    x, y = np.divmod(np.arange(45), 5)
    height_m = 900.0 * ((x == 4) & (y > 0))
    towns = np.asarray([2, 42])  # (0, 2) and (8, 2)
    ways = settlement.ways(neighbours, height_m, x.astype(float), y.astype(float))
    assert 20 in settlement.roads(towns, ways, loops=0)  # (4, 0), the pass


@given(SEEDS)
@FEW
def test_the_same_seed_makes_the_same_island_and_another_seed_another(seed: int) -> None:
    first, again, other = drawn(seed), drawn(seed), drawn(seed + 1)
    for field in fields(first):
        assert np.array_equal(getattr(first, field.name), getattr(again, field.name))
    for name in ("elevation_m", "land", "fuel", "residents", "towns", "roads"):
        assert not np.array_equal(getattr(first, name), getattr(other, name))


def test_loops_add_roads_and_change_no_relief() -> None:
    without, with_loops = drawn(1, road_loops=0), drawn(1, road_loops=3)
    assert {tuple(r) for r in without.roads.tolist()} < {tuple(r) for r in with_loops.roads.tolist()}
    assert np.array_equal(without.elevation_m, with_loops.elevation_m)


@pytest.mark.parametrize(
    ("width", "height", "said"),
    [
        (1, 1, "`grid.width`: Expected `int` >= 8; must be at least 8 and at most 250"),
        (30, 7, "`grid.height`: Expected `int` >= 8; must be at least 8 and at most 250"),
        (251, 30, "`grid.width`: Expected `int` <= 250; must be at least 8 and at most 250"),
        (8, 8, "`terrain.settlements` is 16, must be in 1..5"),
    ],
)
def test_a_grid_that_holds_no_island_is_refused_with_the_key_and_its_range(width: int, height: int, said: str) -> None:
    values = config.read_toml(scenario_files.find("island"))
    with pytest.raises(ConfigError, match=re.escape(f"mine.toml: {said}")):
        registry.scenario_of({**values, "grid": {"width": width, "height": height}}, "mine.toml")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("land_share", 0.7),
        ("land_share", -0.1),
        ("summit_m", 0.0),
        ("hurst", 1.5),
        ("people", -1),
        ("rural_share", 1.1),
        ("conifer_share", -0.1),
        ("settlements", 0),
        ("road_loops", -1),
    ],
)
def test_a_value_out_of_range_is_refused(key: str, value: float) -> None:
    with pytest.raises(msgspec.ValidationError, match=rf"\$\.{key}"):
        terrain(**{key: value})


def test_fuels_that_cover_more_than_the_land_are_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match=r"`conifer_share`.* are 1\.31 in all; must be at most 1"):
        terrain(conifer_share=0.9)


def test_an_island_of_two_hundred_kilometres_is_made() -> None:
    made = drawn(5, Grid(width=200, height=200))
    assert len(made.land) == pytest.approx(20_000, rel=0.05)
