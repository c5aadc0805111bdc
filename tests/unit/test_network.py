"""The island's sensors on a made-up island under made-up weather and fires: what they read, how they fail."""

from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from making import sketched

from zakar.models.island import sensors
from zakar.models.island.fire import BurnedCells
from zakar.models.island.sensors import DEAD, DROPOUT, FAULTS, FLAME, NOISY, SPIKE, STUCK, Health, SensorSlots
from zakar.models.island.settings import SensorNetwork
from zakar.models.island.terrain import Island
from zakar.models.island.weather import Weather
from zakar.seeds import Seeds

USUAL: dict[str, Any] = {
    "sensors_per_cell": 1.45,
    "scattered_share": 0.2,
    "noise_sd_k": 0.3,
    "bias_mean_k": 0.3,
    "bias_sd_k": 0.4,
    "drift_sd_k_per_year": 0.1,
    "badly_sited_share": 0.05,
    "badly_sited_k": [1.0, 3.0],
    "spike_share": 0.002,
    "spike_k": [10.0, 40.0],
    "stuck_share": 0.003,
    "stuck_days": [3, 15],
    "noisy_share": 0.003,
    "noisy_days": 6.0,
    "noisy_sd_k": 3.0,
    "dropout_share": 0.04,
    "dropout_days": 4.0,
    "outage_share": 0.01,
    "outage_days": 2.0,
    "battery_shape": 1.8,
    "battery_years": 5.0,
    "battery_replaced_days": 20.0,
    "flame_share": 0.7,
    "flame_k": [20.0, 60.0],
    "destroyed_share": 0.55,
    "destroyed_replaced_days": 45.0,
    "fire_dropout_share": 0.15,
}
EXACT = {"noise_sd_k": 0.0, "bias_mean_k": 0.0, "bias_sd_k": 0.0, "drift_sd_k_per_year": 0.0, "badly_sited_share": 0.0}
SOUND = {"spike_share": 0.0, "stuck_share": 0.0, "noisy_share": 0.0, "dropout_share": 0.0, "outage_share": 0.0} | {
    "battery_years": 100.0,
    "fire_dropout_share": 0.0,
}
TROUBLED = {"spike_share": 0.05, "stuck_share": 0.1, "noisy_share": 0.1, "dropout_share": 0.1, "battery_years": 0.5}

SEEDS = st.integers(0, 2**32)


def settings(**changes: Any) -> SensorNetwork:
    return msgspec.convert(USUAL | changes, SensorNetwork)


def island(width: int = 12, height: int = 10) -> Island:
    """Return land with one cell of sea around it and a road along its south, on which three towns lie."""
    inland = np.zeros((width, height), bool)
    inland[1:-1, 1:-1] = True
    x, y = np.nonzero(inland)
    towns = np.flatnonzero((y == 1) & np.isin(x, [1, width // 2, width - 2])).astype(np.int32)
    away = np.hypot(x[:, None] - x[towns], y[:, None] - y[towns])
    residents = (5000 * np.exp(-away / 0.4)).sum(1)
    return sketched(
        inland,
        residents=residents.astype(np.float32),
        road_km=(y - 1).astype(np.float32),
        towns=towns,
        town_residents=residents[towns].astype(np.float32),
        town=away.argmin(1).astype(np.int16),
    )


LAND = island()


def weather(days: int, seed: int = 0) -> Weather:
    """Return days from -5 to 40 C, half of them dry, with winds of up to 40 km/h."""
    draw = np.random.default_rng(seed)
    shape = (days, len(LAND.land))
    tmax = draw.uniform(-5, 40, shape).astype(np.float32)
    rain = np.where(draw.random(shape) < 0.5, 3, 0).astype(np.float32)
    wind = draw.uniform(0, 40, shape).astype(np.float32)
    none = np.zeros(days, bool)
    return Weather(tmax, tmax - 10, tmax, wind, rain, none.astype(np.float32), none, none)


def fires(days: int, seed: int = 0, share: float = 0.01) -> BurnedCells:
    burning = np.random.default_rng(seed).random((days, len(LAND.land))) < share
    day, place = np.nonzero(burning)
    return BurnedCells(day + 1, LAND.land[place], day * 1000 + 1)


def of_days(values: Weather, low: int, high: int) -> Weather:
    return Weather(*(getattr(values, field.name)[low:high] for field in fields(values)))


@dataclass(frozen=True)
class Run:
    """Days 1 to ``days`` under fires, run by run, and all that was seen."""

    network: SensorSlots
    truth: Weather
    health: Health
    reading: dict[str, np.ndarray]
    fault: dict[str, np.ndarray]
    installed: dict[str, np.ndarray]

    def errors_k(self) -> np.ndarray:
        """What each reading is above the truth of its cell and day, K."""
        place = np.searchsorted(LAND.land, self.reading["cell"])
        truth = self.truth.tmax_c[self.reading["day"] - 1, place]
        return np.asarray((self.reading["temperature"] - 32) / 1.8 - truth)

    def fault_of_readings(self) -> np.ndarray:
        """The status of each reading."""
        return np.asarray(self.health.status[self.health.status < DROPOUT])

    def heat_of_readings(self) -> np.ndarray:
        """What the front did to the sensor of each reading."""
        return np.asarray(self.health.heat[self.health.status < DROPOUT])


def together(parts: list[dict[str, Any]]) -> dict[str, np.ndarray]:
    return {key: np.concatenate([np.asarray(part[key]) for part in parts]) for key in parts[0]}


def observed(
    seeds: Seeds,
    days: int,
    changes: dict[str, Any] | None = None,
    *,
    runs: tuple[int, ...] = (),
    blocks: tuple[int, ...] = (),
    burned_cells: float = 0.01,
) -> Run:
    """Return what is seen when runs end with the days of ``runs``, and blocks also with those of ``blocks``."""
    chosen = settings(**changes or {})
    truth, flames = weather(days), fires(days, share=burned_cells)
    network = sensors.network(chosen, LAND, seeds)
    state = sensors.start(chosen, network, seeds)
    healths, reading, fault, installed = [], [], [], []
    bounds = [0, *sorted(day for day in set(runs) if day < days), days]
    for low, high in pairwise(bounds):
        part = of_days(truth, low, high)
        health, state = sensors.advance(chosen, network, LAND, part, flames, seeds, low + 1, state)
        healths.append(health)
        cuts = sorted({low, high, *(day for day in blocks if low < day < high)})
        for first, after in pairwise(cuts):
            block = health.cut(first - low, after - low)
            some = np.arange(first + 1, after + 1)
            reading.append(sensors.readings(chosen, network, of_days(truth, first, after), block, seeds, some))
            fault.append(sensors.faults(network, block, some))
            installed.append(sensors.installed(block, some))
    whole = {
        field.name: np.concatenate([getattr(health, field.name) for health in healths])
        for field in fields(Health)
        if field.name != "sensors"
    }
    all_health = Health(sensors=healths[-1].sensors, **whole)
    return Run(network, truth, all_health, together(reading), together(fault), together(installed))


def same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[key], other[key]) for key in one)


def until(table: dict[str, np.ndarray], day: int) -> dict[str, np.ndarray]:
    return {key: values[table["day"] <= day] for key, values in table.items()}


@pytest.fixture(scope="module")
def years() -> Run:
    """Six years as usual, but with fewer fires."""
    return observed(Seeds(1), 2192, runs=(366, 731, 1096, 1461, 1827), burned_cells=0.0005)


@given(SEEDS, st.lists(st.integers(1, 79), max_size=5))
@hypothesis_settings(max_examples=15, deadline=None)
def test_how_days_are_cut_into_blocks_changes_nothing(seed: int, cuts: list[int]) -> None:
    whole = observed(Seeds(seed), 80, TROUBLED, runs=(40,))
    parts = observed(Seeds(seed), 80, TROUBLED, runs=(40,), blocks=tuple(cuts))
    assert same(whole.reading, parts.reading)
    assert same(whole.fault, parts.fault)
    assert same(whole.installed, parts.installed)


@given(SEEDS, st.integers(1, 60))
@hypothesis_settings(max_examples=15, deadline=None)
def test_a_run_cut_short_is_the_beginning_of_the_longer_one(seed: int, days: int) -> None:
    long = observed(Seeds(seed), 60, TROUBLED)
    # The weather is drawn for all days at once: give the short run that of the long one.
    short_weather = of_days(long.truth, 0, days)
    chosen = settings(**TROUBLED)
    state = sensors.start(chosen, long.network, Seeds(seed))
    burned_cells = fires(60)
    health, _ = sensors.advance(chosen, long.network, LAND, short_weather, burned_cells, Seeds(seed), 1, state)
    some = np.arange(1, days + 1)
    assert same(
        sensors.readings(chosen, long.network, short_weather, health, Seeds(seed), some), until(long.reading, days)
    )
    assert same(sensors.installed(health, some), until(long.installed, days))


@given(SEEDS, st.integers(1, 59))
@hypothesis_settings(max_examples=15, deadline=None)
def test_released_days_do_not_depend_on_the_secret_and_held_out_days_do(seed: int, released: int) -> None:
    runs = [
        observed(Seeds(seed, secret, released), 60, TROUBLED, runs=(released,)) for secret in (None, 2**200, 2**201)
    ]
    for table in ("reading", "fault", "installed"):
        public, *others = (until(getattr(run, table), released) for run in runs)
        assert all(same(public, other) for other in others)
    assert not same(runs[1].reading, runs[2].reading)
    assert not same(runs[0].reading, runs[2].reading)


@given(SEEDS)
@hypothesis_settings(max_examples=10, deadline=None)
def test_readings_come_in_order_one_a_sensor_and_day(seed: int) -> None:
    run = observed(Seeds(seed), 120, TROUBLED)
    for table in (run.reading, run.fault, run.installed):
        order = np.lexsort((table["sensor_id"], table["cell"], table["day"]))
        assert np.array_equal(order, np.arange(len(order)))
    pairs = np.stack([run.reading["day"], run.reading["sensor_id"]])
    assert np.unique(pairs, axis=1).shape == pairs.shape
    assert run.reading["temperature"].dtype == np.int16
    assert len(run.installed["day"]) > len(run.network.cell)


@given(SEEDS)
@hypothesis_settings(max_examples=10, deadline=None)
def test_sensors_are_numbered_in_the_order_in_which_they_come_and_stay_in_their_cell(seed: int) -> None:
    run = observed(Seeds(seed), 120, TROUBLED, runs=(50,))
    number = len(run.installed["sensor_id"])
    assert np.array_equal(run.installed["sensor_id"], np.arange(1, number + 1))
    assert np.all(np.diff(run.installed["day"]) >= 0)
    for table in (run.reading, run.fault):
        its = table["sensor_id"] - 1
        assert np.array_equal(table["cell"], run.installed["cell"][its])
        assert np.all(table["day"] >= run.installed["day"][its])


@given(SEEDS)
@hypothesis_settings(max_examples=10, deadline=None)
def test_a_sensor_reads_nothing_exactly_when_it_dropped_out_or_is_dead(seed: int) -> None:
    run = observed(Seeds(seed), 120, TROUBLED)
    silent = np.isin(run.fault["fault"], FAULTS[DROPOUT:])
    view = np.stack([run.reading["day"], run.reading["sensor_id"]])
    unseen = np.stack([run.fault["day"][silent], run.fault["sensor_id"][silent]])
    every = np.concatenate([view, unseen], axis=1)
    sensor_state = np.stack([np.repeat(np.arange(1, 121), len(run.network.cell)), run.health.sensor_id.ravel()])
    assert np.array_equal(np.unique(every, axis=1), np.unique(sensor_state, axis=1))
    assert every.shape == sensor_state.shape  # so nothing is both


def test_a_dead_sensor_never_reads_again_and_another_takes_its_place() -> None:
    run = observed(Seeds(3), 300, TROUBLED)
    gone = np.isin(run.fault["fault"], FAULTS[DEAD:])
    died = dict(zip(run.fault["sensor_id"][gone][::-1], run.fault["day"][gone][::-1], strict=True))  # its first day
    last_read = dict(zip(run.reading["sensor_id"], run.reading["day"], strict=True))
    assert len(died) > 30
    assert all(last_read.get(sensor, 0) < day for sensor, day in died.items())
    sensor_state = np.array([len(np.unique(day)) for day in run.health.sensor_id])
    assert np.all(sensor_state == len(run.network.cell))


def test_an_exact_and_sound_sensor_reads_the_rounded_truth() -> None:
    run = observed(Seeds(4), 50, EXACT | SOUND, burned_cells=0.0)
    place = np.searchsorted(LAND.land, run.reading["cell"])
    truth = run.truth.tmax_c[run.reading["day"] - 1, place] * 1.8 + 32
    assert np.all(np.abs(run.reading["temperature"] - truth) <= 0.5 + 1e-4)


def test_what_is_wrong_with_a_sound_sensor_is_in_the_truth() -> None:
    changes = SOUND | {"noise_sd_k": 0.0, "badly_sited_share": 0.0, "drift_sd_k_per_year": 2.0}
    run = observed(Seeds(5), 400, changes, runs=(200,), burned_cells=0.0)
    its = run.reading["sensor_id"] - 1
    years = (run.reading["day"] - run.installed["day"][its]) / 365.25
    told = run.installed["bias_k"][its] + run.installed["drift_k_per_year"][its] * years
    assert np.abs(run.errors_k() - told).max() <= 0.5 / 1.8 + 1e-4


def test_a_badly_sited_sensor_is_too_warm_on_dry_calm_days_only() -> None:
    run = observed(Seeds(6), 60, SOUND | EXACT | {"badly_sited_share": 0.3}, burned_cells=0.0)
    bad = run.installed["badly_sited"][run.reading["sensor_id"] - 1] == 1
    day, place = run.reading["day"] - 1, np.searchsorted(LAND.land, run.reading["cell"])
    rain, wind = run.truth.rain_mm[day, place], run.truth.wind_kmh[day, place]
    error, rounding = run.errors_k(), 0.5 / 1.8 + 1e-4
    assert 0.15 < bad.mean() < 0.45
    calm = bad & (rain == 0) & (wind < 8)
    assert error[calm].min() >= 1 - rounding
    assert error[calm].max() <= 3 + rounding
    assert np.abs(error[~bad | (rain > 0) | (wind > 20)]).max() <= rounding


def test_spikes_noise_and_good_readings_are_as_far_off_as_the_settings_say() -> None:
    run = observed(Seeds(7), 400, TROUBLED | EXACT | {"noise_sd_k": 0.1}, burned_cells=0.0)
    error, fault = run.errors_k(), run.fault_of_readings()
    spikes = np.abs(error[fault == SPIKE])
    assert 9 < spikes.min() < 12
    assert 38 < spikes.max() < 41
    assert error[fault == SPIKE].mean() == pytest.approx(0, abs=2)
    assert error[fault == NOISY].std() == pytest.approx(3, rel=0.1)
    assert np.abs(error[fault == 0]).max() < 1


def test_a_stuck_sensor_repeats_the_reading_of_its_first_day_for_3_to_15_days() -> None:
    run = observed(Seeds(8), 365, SOUND | EXACT | {"stuck_share": 0.2}, burned_cells=0.0)
    status = np.zeros((366, len(run.installed["day"]) + 1), np.uint8)  # by day and sensor
    status[np.arange(1, 366)[:, None], run.health.sensor_id] = run.health.status
    temperature = np.zeros(status.shape)
    temperature[run.reading["day"], run.reading["sensor_id"]] = run.reading["temperature"]
    truth = np.rint(run.truth.tmax_c * 1.8 + 32)
    lengths = []
    for sensor in range(1, status.shape[1]):
        place = np.searchsorted(LAND.land, run.installed["cell"][sensor - 1])
        edges = np.flatnonzero(np.diff((status[:, sensor] == STUCK).astype(int), append=0)) + 1
        for begin, end in zip(edges[::2], edges[1::2], strict=True):
            assert np.all(temperature[begin:end, sensor] == temperature[begin, sensor])
            assert abs(temperature[begin, sensor] - truth[begin - 1, place]) <= 1
            lengths += [end - begin] if end < 366 and status[end, sensor] < DEAD else []
    assert (min(lengths), max(lengths)) == (3, 15)
    assert np.mean(lengths) == pytest.approx(9, abs=0.3)


def test_the_front_heats_some_sensors_of_its_cell_by_tens_of_degrees_and_destroys_others() -> None:
    run = observed(Seeds(9), 200, EXACT | SOUND, burned_cells=0.02)
    burned_cells = fires(200, share=0.02)
    in_flames = set(zip(burned_cells.day.tolist(), burned_cells.cell.tolist(), strict=True))
    scorched = run.fault["fault"] == "scorched"
    _, first = np.unique(run.fault["sensor_id"][scorched], return_index=True)
    burned = list(
        zip(run.fault["day"][scorched][first].tolist(), run.fault["cell"][scorched][first].tolist(), strict=True)
    )
    stood = sum(np.sum(run.reading["cell"][run.reading["day"] == day] == cell) for day, cell in in_flames)
    assert set(burned) <= in_flames  # nothing else destroys
    assert len(burned) / (stood + len(burned)) == pytest.approx(0.7 * 0.55, abs=0.05)

    error, heat = run.errors_k(), run.heat_of_readings()
    assert error[heat == FLAME].min() > 19
    assert error[heat == FLAME].max() < 61
    assert 0 < np.mean(error[heat == sensors.WARM]) < 1
    assert np.abs(error[heat == sensors.COOL]).max() < 0.3


def test_a_front_beside_the_sea_warms_nothing_on_the_other_shore() -> None:
    corner = BurnedCells(np.array([1]), LAND.land[:1], np.array([1001]))
    chosen = settings(**SOUND)
    network = sensors.network(chosen, LAND, Seeds(1))
    state = sensors.start(chosen, network, Seeds(1))
    health, _ = sensors.advance(chosen, network, LAND, weather(1), corner, Seeds(1), 1, state)
    x, y = np.divmod(network.cell, LAND.height)
    assert np.array_equal(health.heat[0] != sensors.COOL, (x <= 2) & (y <= 2))


def test_an_outage_silences_all_sensors_around_a_settlement() -> None:
    run = observed(Seeds(10), 1000, SOUND | {"dropout_share": 0.1, "outage_share": 0.1}, burned_cells=0.0)
    silent, alive = run.health.status == DROPOUT, run.health.status < DEAD
    for region in range(run.network.regions):
        its = run.network.region == region
        any_silent = silent[:, its].any(1)
        assert np.array_equal(silent[:, its], any_silent[:, None] & alive[:, its])
        assert any_silent.mean() == pytest.approx(0.1, abs=0.05)


def test_faults_take_the_share_of_days_that_the_settings_say(years: Run) -> None:
    share = np.bincount(years.health.status.ravel(), minlength=len(FAULTS)) / np.sum(years.health.status < DEAD)
    assert share[SPIKE] == pytest.approx(USUAL["spike_share"], rel=0.1)
    assert share[STUCK] == pytest.approx(USUAL["stuck_share"], rel=0.35)
    assert share[NOISY] == pytest.approx(USUAL["noisy_share"], rel=0.35)
    assert share[DROPOUT] == pytest.approx(USUAL["dropout_share"], rel=0.15)


def test_3_to_8_percent_of_readings_are_missing_in_bursts_and_more_near_fires(years: Run) -> None:
    missing = years.health.status >= DROPOUT
    assert 0.03 < missing.mean() < 0.08
    assert missing[1:][missing[:-1]].mean() > 0.6
    assert missing[years.health.heat > 0].mean() > 3 * missing.mean()


def test_sensors_are_a_few_tenths_of_a_degree_too_warm(years: Run) -> None:
    assert 0.2 < years.errors_k().mean() < 0.8


def test_batteries_last_about_as_long_as_the_settings_say(years: Run) -> None:
    died = np.unique(years.fault["sensor_id"][years.fault["fault"] == "dead"])
    a_year = len(died) / 6 / len(years.network.cell)
    assert a_year == pytest.approx(1 / (5 * 0.889), rel=0.25)  # the mean of Weibull's distribution, shape 1.8


def test_the_errors_of_neighbouring_sensors_have_nothing_to_do_with_each_other() -> None:
    products = []
    for seed in range(100):
        network = sensors.network(settings(), LAND, Seeds(seed))
        bias = sensors.start(settings(), network, Seeds(seed)).sensors.bias_k
        close = np.abs(network.place[:, None] - network.place) == 1
        z = bias - bias.mean()
        products.append((z[:, None] * z)[close].mean() / np.mean(z**2))
    assert np.mean(products) == pytest.approx(0, abs=0.03)


@given(SEEDS, st.floats(0.1, 5))
@hypothesis_settings(max_examples=20, deadline=None)
def test_the_number_of_sensors_goes_with_the_land(seed: int, a_cell: float) -> None:
    network = sensors.network(settings(sensors_per_cell=a_cell), LAND, Seeds(seed))
    assert len(network.cell) == max(1, round(a_cell * len(LAND.land)))
    assert np.all(np.diff(network.cell) >= 0)
    assert np.array_equal(LAND.land[network.place], network.cell)


def test_sensors_are_dense_in_towns_and_sparse_far_from_roads() -> None:
    counts = np.zeros(len(LAND.land))
    for seed in range(20):
        counts += np.bincount(sensors.network(settings(), LAND, Seeds(seed)).place, minlength=len(counts)) / 20
    assert counts[LAND.towns].mean() > 5
    assert counts[LAND.road_km > 4].mean() < 0.6


def test_another_seed_gives_another_network() -> None:
    one, other = (sensors.network(settings(), LAND, Seeds(seed)) for seed in (1, 2))
    assert not np.array_equal(one.cell, other.cell)


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"sensors_per_cell": 0}, "sensors_per_cell"),
        ({"dropout_share": -0.1}, "dropout_share"),
        ({"destroyed_share": 1.1}, "destroyed_share"),
        ({"battery_years": 0.0}, "battery_years"),
        ({"noisy_days": 0.5}, "noisy_days"),
        ({"stuck_days": [0, 3]}, "stuck_days"),
        ({"stuck_days": [9, 3]}, "stuck_days"),
        ({"flame_k": [60.0, 20.0]}, "flame_k"),
        ({"outage_share": 0.05}, "outage_share"),
        ({"stuck_share": 0.3, "noisy_share": 0.3}, "noisy_share"),
    ],
)
def test_settings_that_cannot_be_are_refused_by_name(changes: dict[str, Any], key: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=key):
        settings(**changes)
