import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from making import history, tiny

from zakar.models.classic import observers as classic
from zakar.models.classic.world import Truth
from zakar.seeds import Seeds

SEEDS = st.integers(0, 2**32)


def observed(seed: int, days: int = 120, **changes: float) -> tuple[Truth, dict[str, np.ndarray]]:
    scenario = tiny(seed=seed, calendar={"days": days}, grid={"width": 30, "height": 30}, sensors=changes)
    truth = history(scenario)
    return truth, classic.every_cell(scenario.sensors, scenario.grid, Seeds(seed), truth)


@given(SEEDS, st.integers(1, 40))
@settings(max_examples=10)
def test_every_cell_has_one_reading_a_day_in_order(seed: int, days: int) -> None:
    _, readings = observed(seed, days)
    assert np.array_equal(readings["day"], np.repeat(np.arange(1, days + 1), 900))
    assert np.array_equal(readings["cell"], np.tile(np.arange(900), days))


def test_readings_are_integers() -> None:
    assert observed(1)[1]["temperature"].dtype == np.int16


@given(SEEDS)
@settings(max_examples=10)
def test_a_burning_cell_reads_at_least_the_fires_least(seed: int) -> None:
    truth, readings = observed(seed)
    temperature = readings["temperature"].reshape(-1, 900)
    on_fire = temperature[truth.fires.day - 1, truth.fires.cell]
    assert len(on_fire) > 0
    assert on_fire.min() >= 110


def test_a_fire_changes_no_reading_but_its_own() -> None:
    truth, readings = observed(1)
    _, cool = observed(1, fire_least_f=-100.0)
    burning = np.zeros((120, 900), bool)
    burning[truth.fires.day - 1, truth.fires.cell] = True
    differs = (readings["temperature"] != cool["temperature"]).reshape(-1, 900)
    assert differs.any()
    assert not np.any(differs & ~burning)


def test_readings_lie_about_the_islands_mean() -> None:
    truth, readings = observed(2)
    noise = readings["temperature"].reshape(-1, 900) - truth.means_f[:, None]
    assert np.all(np.abs(np.median(noise, axis=1)) < 1.5)
    assert 7.0 < noise.std() < 7.6


def test_without_noise_a_reading_is_the_rounded_mean() -> None:
    truth, readings = observed(2, noise_sd_f=0.0, fire_least_f=-100.0)
    cold = readings["temperature"].reshape(-1, 900)[:20]  # before the season
    assert np.array_equal(cold, np.repeat(np.rint(truth.means_f[:20]), 900).reshape(-1, 900))


@given(SEEDS, st.integers(0, 9))
@settings(max_examples=10)
def test_every_fire_gives_one_alert_after_exactly_the_lag(seed: int, lag: int) -> None:
    scenario = tiny(seed=seed, alerts={"lag_days": lag})
    truth = history(scenario)
    found = classic.late(scenario.alerts, truth)
    assert np.array_equal(found["event_day"], truth.fires.day)
    assert np.array_equal(found["cell"], truth.fires.cell)
    assert np.all(found["notification_day"] - found["event_day"] == lag)


def test_a_run_of_days_gives_no_alert_for_the_fires_before_it() -> None:
    scenario = tiny()
    run = history(scenario).cut(80, 99, 4)
    found = classic.late(scenario.alerts, run)
    assert run.fires.day.min() < 80 <= found["event_day"].min()
