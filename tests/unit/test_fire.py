import datetime
from dataclasses import fields
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from making import sketched

from zakar.models.island import fire, fuel, ignition, initial_attack, spread
from zakar.models.island.fire import NO_BURNED_CELLS, NO_FIRES, BurnedCells, Fires, FireState
from zakar.models.island.fuel import Fuel
from zakar.models.island.fwi import Danger
from zakar.models.island.settings import DatedCalendar, Wildfires
from zakar.models.island.terrain import BARE, CONIFER, GRASS, SHRUB, STEPS, URBAN, Island
from zakar.models.island.weather import Weather
from zakar.seeds import Seeds

SEEDS = st.integers(0, 2**32)
SIDE = 9
DAYS = 60
CALENDAR = DatedCalendar(first_date=datetime.date(2016, 6, 1), days=DAYS, holdout_days=0)


# So many fires that a small island has some in two months.
SETTINGS = {
    "human_per_100km2": 900.0,
    "lightning_per_100km2": 90.0,
    "moisture_effect": 1.4,
    "people_effect": 0.25,
    "road_effect": 0.15,
    "weekend_factor": 1.2,
    "unrest_sd": 1.05,
    "unrest_persistence": 0.3,
    "escape_share": 0.2,
    "escape_most": 1.0,
    "escape_danger": 0.4,
    "escape_drought": 2.0,
    "escape_wind": 0.3,
    "escape_road": 0.15,
    "escape_people": 0.1,
    "escape_others": 0.3,
    "contained_least_ha": 0.25,
    "contained_exponent": 1.7,
    "spread_factor": 0.5,
    "burnout_per_day": 0.3,
    "dousing_rain_mm": 3.0,
    "suppression_per_day": 5.0,
    "suppression_fwi": 18.0,
    "suppression_growth": 0.2,
    "grass_years": 1.5,
    "shrub_years": 6.0,
    "broadleaf_years": 10.0,
    "conifer_years": 12.0,
    "agroforestry_years": 3.0,
    "return_years": 25.0,
}


def wildfires(**changes: float) -> Wildfires:
    return msgspec.convert({**SETTINGS, **changes}, Wildfires)


def small_island(seed: int) -> Island:
    """An island of 81 square kilometres within a sea one cell wide, its fuels drawn at random."""
    draw = np.random.default_rng(seed)
    inland = np.zeros((SIDE + 2, SIDE + 2), bool)
    inland[1:-1, 1:-1] = True
    n = int(inland.sum())
    return sketched(
        inland,
        elevation_m=np.where(inland.ravel(), draw.uniform(0, 900, inland.size), -10).astype(np.float32),
        fuel=draw.integers(0, 7, n).astype(np.uint8),
        residents=draw.exponential(50, n).astype(np.float32),
        coast_km=np.ones(n, np.float32),
        road_km=draw.uniform(0, 4, n).astype(np.float32),
    )


def summer(island: Island, seed: int, days: int = DAYS) -> tuple[Weather, Danger]:
    """Hot days with some rain, and a danger to match."""
    draw = np.random.default_rng(seed)
    shape = (days, len(island.land))

    def field(low: float, high: float) -> np.ndarray:
        return draw.uniform(low, high, shape).astype(np.float32)

    wet = draw.random(days) < 0.1
    weather = Weather(
        tmax_c=field(25, 38),
        tmin_c=field(15, 20),
        humidity_percent=field(15, 60),
        wind_kmh=field(0, 40),
        rain_mm=np.where(wet[:, None], field(0, 8), np.float32(0)),
        wind_from_degrees=draw.uniform(0, 360, days).astype(np.float32),
        wet=wet,
        blocking=np.zeros(days, bool),
    )
    return weather, Danger(field(75, 97), field(20, 90), field(200, 600), field(3, 20), field(40, 150), field(10, 60))


def part(daily: Any, low: int, high: int) -> Any:
    return type(daily)(*(getattr(daily, column.name)[low:high] for column in fields(daily)))


def burn(
    seed: int, *ends: int, last: int = DAYS, at: FireState | None = None, **changes: float
) -> tuple[Fires, BurnedCells, FireState, Island]:
    """Two months of fires on a small island, in runs that end on the days ``ends`` and ``last``."""
    island = small_island(seed)
    weather, danger = summer(island, seed)
    settings, seeds = wildfires(**changes), Seeds(seed)
    state = at or fire.start(settings, island, seeds)
    fires, burned_cells, first = NO_FIRES, NO_BURNED_CELLS, 1
    for end in (*ends, last):
        days = (part(weather, first - 1, end), part(danger, first - 1, end))
        new, reached, state = fire.advance(settings, CALENDAR, island, *days, seeds, first, state)
        fires, burned_cells, first = fires.joined(new), burned_cells.joined(reached), end + 1
    return fires, burned_cells, state, island


def same(one: Fires | BurnedCells, other: Fires | BurnedCells) -> bool:
    return all(np.array_equal(getattr(one, c.name), getattr(other, c.name)) for c in fields(one))


@given(SEEDS)
@settings(max_examples=12)
def test_the_catalogue_is_in_order_of_day_and_cell_and_its_numbers_are_unique(seed: int) -> None:
    fires, burned_cells, _, island = burn(seed)
    assert len(fires.day) > 0
    assert np.all(np.diff(fires.number) > 0)
    assert np.array_equal(fires.number // spread.NUMBERS_A_DAY, fires.day)
    assert np.all(fires.number % spread.NUMBERS_A_DAY > 0)
    for table in (fires, burned_cells):
        assert np.all(np.diff(table.day * island.elevation_m.size + table.cell) > 0)


@given(SEEDS)
@settings(max_examples=12)
def test_nothing_burns_at_sea_on_rock_or_in_towns(seed: int) -> None:
    fires, burned_cells, _, island = burn(seed)
    can_burn = island.land[(island.fuel != BARE) & (island.fuel != URBAN)]
    assert set(fires.cell.tolist()) | set(burned_cells.cell.tolist()) <= set(can_burn.tolist())


@given(SEEDS)
@settings(max_examples=12)
def test_a_burned_cell_does_not_burn_before_its_fuel_is_back(seed: int) -> None:
    settings = wildfires()
    fires, burned_cells, _, island = burn(seed)
    rest = 0.05 * fuel.regrowth_days(settings, island)
    for day, cell in zip(burned_cells.day.tolist(), burned_cells.cell.tolist(), strict=True):
        soon = day + rest[np.searchsorted(island.land, cell)]
        assert not np.any((burned_cells.cell == cell) & (burned_cells.day > day) & (burned_cells.day < soon))
        assert not np.any((fires.cell == cell) & (fires.day > day) & (fires.day < soon))


@given(SEEDS)
@settings(max_examples=12)
def test_a_front_goes_from_the_cell_of_ignition_to_neighbours_day_by_day(seed: int) -> None:
    fires, burned_cells, _, island = burn(seed)
    escaped = fires.where(fires.escaped)
    assert set(burned_cells.fire.tolist()) == set(escaped.number.tolist())
    for number, day, cell, last_day in zip(
        escaped.number.tolist(), escaped.day.tolist(), escaped.cell.tolist(), escaped.last_day.tolist(), strict=True
    ):
        of_it = burned_cells.where(burned_cells.fire == number)
        reached = {cell}
        for today in np.unique(of_it.day).tolist():
            new = set(of_it.cell[of_it.day == today].tolist()) - reached
            while near := {c for c in new if any(_touch(c, r, island.height) for r in reached)}:
                reached |= near
                new -= near
            assert not new
        assert of_it.day[0] == day
        assert cell in of_it.cell[of_it.day == day]
        assert of_it.day[-1] <= last_day


def _touch(one: int, other: int, height: int) -> bool:
    (x, y), (u, v) = divmod(one, height), divmod(other, height)
    return max(abs(x - u), abs(y - v)) == 1


@given(SEEDS)
@settings(max_examples=12)
def test_areas_are_those_of_the_front_or_less_than_a_cell(seed: int) -> None:
    fires, burned_cells, _, _ = burn(seed)
    cells = {number: int(np.sum(burned_cells.fire == number)) for number in burned_cells.fire.tolist()}
    for number, escaped, area in zip(
        fires.number.tolist(), fires.escaped.tolist(), fires.area_ha.tolist(), strict=True
    ):
        assert area == 100 * cells[number] if escaped else 0 < area < 100
    assert np.all(fires.last_day[~fires.escaped] == fires.day[~fires.escaped])


@given(SEEDS, st.integers(1, DAYS - 1))
@settings(max_examples=12)
def test_a_shorter_run_is_the_beginning_of_a_longer_one(seed: int, last: int) -> None:
    fires, burned_cells, _, _ = burn(seed, last=last)
    longer, longer_front, _, _ = burn(seed)
    assert same(burned_cells, longer_front.between(1, last))
    head = longer.between(1, last)
    assert same(fires.where(fires.last_day < last), head.where(head.last_day < last))
    for column in ("number", "day", "cell", "human", "escaped"):
        assert np.array_equal(getattr(fires, column), getattr(head, column))


@given(SEEDS)
@settings(max_examples=5)
def test_the_same_seed_burns_the_same_and_another_seed_otherwise(seed: int) -> None:
    fires, burned_cells, _, _ = burn(seed)
    again, front_again, _, _ = burn(seed)
    assert same(fires, again)
    assert same(burned_cells, front_again)
    assert not same(fires, burn(seed + 1)[0])


@given(SEEDS)
@settings(max_examples=12)
def test_what_burns_at_the_end_of_a_run_burns_on_in_the_next(seed: int) -> None:
    eternal = {"burnout_per_day": 0.1, "suppression_per_day": 0.0, "dousing_rain_mm": 100.0, "spread_factor": 0.2}
    fires, _, state, _ = burn(seed, last=20, **eternal)
    both, burned_cells, _, _ = burn(seed, 20, last=DAYS, **eternal)
    assert same(fires, both.between(1, 20))  # what was published stays
    carried = set(state.active_cells.fire.tolist())
    assert carried <= set(fires.number[fires.escaped].tolist())
    later = burned_cells.between(21, DAYS)
    assert set(later.fire[later.fire <= fires.number[-1]].tolist()) <= carried
    assert np.all(both.last_day[np.isin(both.number, list(carried))] <= 20)


def test_runs_cut_in_two_burn_as_much_as_whole_ones() -> None:
    whole, halves = ([burn(seed, *ends) for seed in range(25)] for ends in ((), (DAYS // 2,)))
    number = [np.mean([len(fires.day) for fires, *_ in those]) for those in (whole, halves)]
    reached = [np.mean([len(burned_cells.day) for _, burned_cells, *_ in those]) for those in (whole, halves)]
    assert number[1] == pytest.approx(number[0], rel=0.1)
    assert reached[1] == pytest.approx(reached[0], rel=0.3)
    assert all(len(burned_cells.between(31, DAYS).day) for _, burned_cells, *_ in halves)


def test_nothing_burns_when_nothing_lights_it() -> None:
    fires, burned_cells, state, _ = burn(1, human_per_100km2=0.0, lightning_per_100km2=0.0)
    assert len(fires.day) == len(burned_cells.day) == len(state.active_cells.place) == 0


def test_nothing_escapes_or_spreads_at_zero_rates() -> None:
    fires, burned_cells, _, _ = burn(1, escape_share=0.0)
    assert len(fires.day) > 0
    assert not fires.escaped.any()
    assert len(burned_cells.day) == 0
    fires, burned_cells, _, _ = burn(1, spread_factor=0.0)
    assert np.array_equal(burned_cells.fire, fires.number[fires.escaped])
    assert np.all(fires.area_ha[fires.escaped] == 100)


def test_rain_and_crews_put_fires_out() -> None:
    def flames(rain_mm: float, **changes: float) -> float:
        island = small_island(7)
        weather, danger = summer(island, 7, days=1)
        weather.rain_mm[:] = rain_mm
        settings = wildfires(spread_factor=0.0, **changes)
        today = spread.conditions(settings, weather, danger, 0, 1)
        alight = spread.ActiveCells(np.arange(SIDE**2), np.full(SIDE**2, 1001))
        ground, load, draw = spread.ground_of(island), np.ones(SIDE**2), np.random.default_rng(7)
        left, _ = spread.burn_a_day(settings, island, ground, today, load, alight, spread.NO_ACTIVE_CELLS, draw)
        return len(left.place) / SIDE**2

    assert flames(0.0, burnout_per_day=0.5, suppression_per_day=0.0) == pytest.approx(np.exp(-0.5), abs=0.15)
    assert flames(30.0, dousing_rain_mm=3.0) < 0.05
    assert flames(0.0, suppression_per_day=100.0) < flames(0.0, suppression_per_day=1.0)


def test_drought_builds_up_over_weeks_and_goes_on_from_the_day_before() -> None:
    _, danger = summer(small_island(8), 8)
    danger.fwi[:] = 60.0
    whole = fuel.severity_rating(danger, fuel.GREEN)
    assert np.all(np.diff(whole) > 0)
    assert whole[0] < -0.9
    halves = [fuel.severity_rating(part(danger, 0, 30), fuel.GREEN)]
    halves.append(fuel.severity_rating(part(danger, 30, DAYS), float(halves[0][-1])))
    assert np.array_equal(np.concatenate(halves), whole)


def test_fires_of_a_day_are_at_most_as_many_as_can_be_numbered() -> None:
    fires, _, _, _ = burn(3, human_per_100km2=1000.0, weekend_factor=10.0, unrest_sd=3.0)
    assert np.bincount(fires.day).max() < spread.NUMBERS_A_DAY


def test_fires_can_be_cut_by_start_and_by_what_burned() -> None:
    fires, burned_cells, _, _ = burn(2)
    middle = fires.between(10, 20)
    assert np.array_equal(middle.day, fires.day[(fires.day >= 10) & (fires.day <= 20)])
    assert same(fires.between(1, 9).joined(middle, fires.between(21, DAYS)), fires)
    assert np.all(fires.burning(10, 20).last_day >= 10)
    assert set(burned_cells.between(10, 20).fire.tolist()) <= set(fires.burning(10, 20).number.tolist())


def test_fuel_comes_back_by_its_years_and_never_on_rock() -> None:
    island = small_island(4)
    days = fuel.regrowth_days(wildfires(shrub_years=6.0), island)
    fuels = Fuel(np.where(np.isinf(days), 1.0, 0.0), np.zeros(len(days), np.int64), days)
    everywhere = np.arange(len(days))
    assert np.all(fuels.load(everywhere, 0) == np.isfinite(days))
    fuels.burn(everywhere, 100, 1.0)
    assert not fuels.load(everywhere, 101).any()
    shrub = np.flatnonzero(island.fuel == SHRUB)
    six_years_later = 100 + round(6 * 365.25)
    assert fuels.load(shrub, six_years_later) == pytest.approx(1 - np.exp(-1), abs=1e-3)
    assert not fuels.load(np.flatnonzero(np.isinf(days)), 20_000).any()


def test_a_partly_burned_cell_keeps_the_rest_of_its_fuel() -> None:
    fuels = Fuel(np.zeros(1), np.zeros(1, np.int64), np.array([1000.0]))
    fuels.burn(np.array([0]), 10, 0.4)
    assert fuels.load(slice(None), 10) == pytest.approx(0.6)
    fuels.burn(np.array([0]), 10, 0.5)
    assert fuels.load(slice(None), 10) == pytest.approx(0.3)


def test_moisture_follows_the_fine_fuel_moisture_code() -> None:
    assert spread.moisture(np.array([101.0, 85.0])) == pytest.approx([0, 0.16307], abs=1e-4)
    wetter = spread.moisture_factor(np.linspace(0, 0.5, 200))
    assert wetter[0] == 1
    assert np.all(np.diff(wetter) <= 0)
    assert np.all(wetter[-80:] == 0)


def test_wind_drives_fire_ahead_and_slope_uphill() -> None:
    assert spread.wind_slope_factor(np.zeros(4), np.array([0.0, 90, 180, 270])) == pytest.approx(np.ones(4))
    ahead, across, back = spread.wind_slope_factor(np.full(3, 30.0), np.array([0.0, 90, 180]))
    assert ahead > across > back > 0
    assert spread.slope_factor(np.array([-5.0, 0, 5])) == pytest.approx([0.5, 1, 2], rel=1e-3)


def test_fire_runs_where_the_wind_blows() -> None:
    island = small_island(5)
    flat = {"elevation_m": np.ones_like(island.elevation_m), "fuel": np.full(SIDE**2, SHRUB, np.uint8)}
    ground = spread.ground_of(Island(**{f.name: getattr(island, f.name) for f in fields(island)} | flat))
    middle = np.array([SIDE**2 // 2])
    hazard = spread.hazards(ground, middle, np.array([40.0]), 0.0, np.array([94.0]))[0]  # from the north
    assert np.argmax(hazard) == STEPS.index((0, -1))
    assert np.argmin(hazard) in (STEPS.index((1, 1)), STEPS.index((-1, 1)))


def test_fire_goes_from_conifers_to_grass_far_more_readily_than_back() -> None:
    assert spread.PASSES[GRASS, CONIFER] == 0.1
    assert spread.PASSES[CONIFER, GRASS] == 0.475


@given(st.floats(0.001, 50), st.floats(1.01, 4), st.lists(st.floats(0, 1, exclude_max=True), min_size=1))
def test_contained_areas_lie_between_the_least_and_a_cell(least: float, exponent: float, luck: list[float]) -> None:
    areas = initial_attack.contained_ha(least, exponent, np.array(luck))
    assert np.all((areas >= least * 0.999) & (areas < 100))


def test_dry_days_people_and_roads_bring_fires_and_storms_bring_lightning() -> None:
    island = small_island(6)
    weather, danger = summer(island, 6)
    settings = wildfires(people_effect=0.5, road_effect=0.0, moisture_effect=1.0)
    dates = CALENDAR.dates(np.arange(1, DAYS + 1))
    rates = ignition.human_rates(settings, island, danger, dates, np.zeros(DAYS))
    shrub = island.fuel == SHRUB
    assert np.corrcoef(island.residents[shrub], rates[:, shrub].mean(0))[0, 1] > 0.8
    assert np.corrcoef(danger.ffmc[:, shrub].ravel(), rates[:, shrub].ravel())[0, 1] > 0.2
    lightning = ignition.lightning_rates(settings, island, weather, dates)
    assert lightning[weather.wet].mean() > 3 * lightning[~weather.wet].mean()
    winter = dates + np.timedelta64(200, "D")
    assert not ignition.lightning_rates(settings, island, weather, winter).any()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("human_per_100km2", -1.0),
        ("escape_share", 1.1),
        ("unrest_persistence", 1.0),
        ("contained_exponent", 1.0),
        ("burnout_per_day", 0.0),
        ("shrub_years", 0.0),
        ("spread_factor", -0.1),
    ],
)
def test_settings_out_of_range_are_refused_by_name(key: str, value: float) -> None:
    with pytest.raises(msgspec.ValidationError, match=key):
        wildfires(**{key: value})
