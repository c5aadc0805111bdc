import datetime
from dataclasses import astuple

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from making import sketched

from zakar.models.island import weather
from zakar.models.island.settings import Climate, DatedCalendar
from zakar.models.island.terrain import Island
from zakar.models.island.weather import Weather, WeatherState
from zakar.seeds import Seeds

CALENDAR = DatedCalendar(first_date=datetime.date(2016, 1, 1), days=2557, holdout_days=1096)
DATES = CALENDAR.dates(np.arange(1, CALENDAR.last_day + 1))
MONTHS = DATES.astype("datetime64[M]").astype(np.int64) % 12

# A sketch of the climate: what these tests need of it, not what a scenario says.
SETTINGS = {
    "mean_c": 18.5,
    "amplitude_k": 8.0,
    "warmest_day": 217,
    "range_k": [7.0, 10.5],
    "residual_sd_k": [3.0, 2.2],
    "year_sd_k": 0.6,
    "year_humidity": 6.0,
    "wet_fraction": [0.33, 0.30, 0.25, 0.18, 0.11, 0.05, 0.02, 0.03, 0.08, 0.18, 0.27, 0.33],
    "wet_day_mm": [10.0, 9.5, 8.5, 8.0, 7.0, 6.0, 5.0, 6.0, 8.0, 10.5, 11.0, 11.0],
    "rain_shape": 0.789,
    "rain_per_km": 0.5,
    "year_rain_cv": 0.25,
    "lapse_k_per_km": 6.5,
    "coast_max_k": [1.0, -1.5],
    "coast_min_k": [1.2, 0.6],
    "coast_km": 2.5,
    "local_sd_k": 0.65,
    "local_km": 7.0,
    "local_lag_1": 0.5,
    "dew_depression_k": [0.5, 5.5],
    "blocking_months": [6, 7, 8],
    "blocking_per_day": 0.02,
    "blocking_days": 6.5,
    "blocking_k": 5.0,
    "blocking_humidity": 15.0,
    "wind_kmh": [20.0, 18.0],
    "wind_shape": 2.2,
    "wind_lag_1": 0.667,
    "wind_from_degrees": [250.0, 20.0],
    "wind_turn_degrees": 45.0,
}


def climate(**changes: object) -> Climate:
    return msgspec.convert(SETTINGS | changes, Climate)


def cone(size: int = 30) -> Island:
    """A round mountain of 1,000 m in a square sea."""
    x, y = np.divmod(np.arange(size * size), size)
    coast = size / 2.5 - np.hypot(x - size / 2 + 0.5, y - size / 2 + 0.5)
    elevation = (1000 * coast / coast.max()).astype(np.float32)
    land = np.flatnonzero(coast > 0)
    return sketched((coast > 0).reshape(size, size), elevation_m=elevation, coast_km=coast[land].astype(np.float32))


def advanced(
    seeds: Seeds, runs: list[tuple[int, int]], settings: Climate | None = None, island: Island | None = None
) -> list[tuple[Weather, WeatherState]]:
    """The weather of ``runs`` one after the other, each with the state that it ends in."""
    settings, island = settings or climate(), island or cone(12)
    state, found = weather.start(settings, island, seeds), []
    for first, last in runs:
        days, state = weather.advance(settings, CALENDAR, island, seeds, first, last, state)
        found.append((days, state))
    return found


def joined(found: list[tuple[Weather, WeatherState]]) -> Weather:
    return Weather(*(np.concatenate(parts) for parts in zip(*(astuple(days) for days, _ in found), strict=True)))


def without_season(values: np.ndarray) -> np.ndarray:
    """``values`` by day less the mean of their month."""
    return values - np.array([values[month == MONTHS].mean(axis=0) for month in range(12)])[MONTHS]


def same(one: Weather, two: Weather) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(astuple(one), astuple(two), strict=True))


@pytest.fixture(scope="module")
def decade() -> Weather:
    return joined(advanced(Seeds(2016), CALENDAR.runs(), island=cone()))


# How it is drawn.


@given(st.integers(2, 366), st.integers(0, 2**32))
@settings(max_examples=15)
def test_a_run_cut_short_is_the_beginning_of_the_longer_one(cut: int, root: int) -> None:
    (whole, _), (short, _) = advanced(Seeds(root), [(1, 366)])[0], advanced(Seeds(root), [(1, cut)])[0]
    assert same(short, Weather(*(values[:cut] for values in astuple(whole))))


@given(st.integers(2, 365))
@settings(max_examples=10)
def test_a_year_cut_in_two_stays_the_same_year_and_goes_on_from_where_it_was(cut: int) -> None:
    (_, before), (after, state) = advanced(Seeds(8), [(1, cut), (cut + 1, 366)])
    assert (state.year, state.year_k, state.year_rain) == (before.year, before.year_k, before.year_rain)
    assert state.year == 2016
    assert len(after.wet) == 366 - cut


def test_a_new_year_is_another_one() -> None:
    (_, first), (_, second) = advanced(Seeds(8), CALENDAR.runs()[:2])
    assert second.year == first.year + 1
    assert second.year_k != first.year_k


def test_nothing_tells_where_a_run_ends_and_the_next_begins() -> None:
    """Runs of one day each: a seam would leave no memory at all, neither of the island nor of its places."""
    days = joined(advanced(Seeds(6), [(day, day) for day in range(1, 367)]))
    rest = (
        days.tmax_c - np.array([days.tmax_c[month == MONTHS[:366]].mean() for month in range(12)])[MONTHS[:366], None]
    )
    island_wide = rest.mean(axis=1)
    assert 0.5 < np.corrcoef(island_wide[1:], island_wide[:-1])[0, 1] < 0.75
    places = rest - island_wide[:, None] - (rest - island_wide[:, None]).mean(axis=0)
    assert 0.4 < np.corrcoef(places[1:].ravel(), places[:-1].ravel())[0, 1] < 0.65


def test_released_days_are_the_same_whatever_the_secret_and_held_out_ones_are_not() -> None:
    runs = CALENDAR.runs()
    ends = [advanced(Seeds(1, secret, 2557), runs) for secret in (5, 6)]
    released = sum(last <= 2557 for _, last in runs)
    assert all(same(a[0], b[0]) for a, b in zip(*(end[:released] for end in ends), strict=True))
    assert not any(same(a[0], b[0]) for a, b in zip(*(end[released:] for end in ends), strict=True))


def test_another_seed_gives_other_weather() -> None:
    (one, _), (two, _) = advanced(Seeds(1), [(1, 366)])[0], advanced(Seeds(2), [(1, 366)])[0]
    assert not any(np.array_equal(a, b) for a, b in zip(astuple(one), astuple(two), strict=True))


def test_the_residuals_keep_unit_variance() -> None:
    covariance = weather.stationary_covariance()
    np.testing.assert_allclose(np.diag(covariance), 1, atol=0.005)
    assert covariance[0, 1] == pytest.approx(0.634, abs=0.001)
    np.testing.assert_allclose(weather.A @ covariance @ weather.A.T + weather.B @ weather.B.T, covariance, atol=1e-12)


# What it is like.


def test_every_value_is_one_that_weather_can_have(decade: Weather) -> None:
    assert (decade.tmin_c < decade.tmax_c).all()
    assert -25 < decade.tmin_c.min() < decade.tmax_c.max() < 50
    assert decade.humidity_percent.min() >= 5
    assert decade.humidity_percent.max() <= 100
    assert 0 <= decade.wind_kmh.min() < decade.wind_kmh.max() < 130
    assert ((decade.wind_from_degrees >= 0) & (decade.wind_from_degrees < 360)).all()
    for values in (decade.tmax_c, decade.tmin_c, decade.humidity_percent, decade.wind_kmh, decade.rain_mm):
        assert values.dtype == np.float32
        np.testing.assert_array_equal(values, np.round(values, 1))


def test_a_wet_day_is_wet_everywhere_and_a_dry_day_nowhere(decade: Weather) -> None:
    assert ((decade.rain_mm > 0) == decade.wet[:, None]).all()
    assert (decade.rain_mm[decade.wet].std(axis=1) > 0).mean() > 0.9


def test_wet_and_dry_spells_are_those_of_the_chain(decade: Weather) -> None:
    fraction = np.array(SETTINGS["wet_fraction"])
    surprise = []
    for before, chance in ((0, 0.7451 * fraction), (1, 0.2549 + 0.7451 * fraction)):
        for month in range(12):
            next_days = decade.wet[1:][(MONTHS[1:] == month) & (decade.wet[:-1] == before)]
            spread = np.sqrt(len(next_days) * chance[month] * (1 - chance[month]))
            surprise.append((next_days.sum() - len(next_days) * chance[month]) / spread)
    assert np.square(surprise).sum() < 43  # chi-square of 24 degrees of freedom at p = 0.01


def test_heat_waves_come_in_their_months_and_are_dry(decade: Weather) -> None:
    begin = decade.blocking & ~np.append(False, decade.blocking[:-1])
    assert begin.any()
    assert set(MONTHS[begin]) <= {5, 6, 7}
    assert not (decade.blocking & decade.wet).any()
    august = MONTHS == 7
    hot, other = decade.blocking & august, ~decade.blocking & ~decade.wet & august
    assert decade.tmax_c[hot].mean() - decade.tmax_c[other].mean() > 3
    assert decade.humidity_percent[hot].mean() - decade.humidity_percent[other].mean() < -8


def test_a_day_remembers_the_day_before(decade: Weather) -> None:
    rest = np.where(decade.blocking, np.nan, without_season(decade.tmax_c.mean(axis=1)))
    pairs = np.isfinite(rest[1:] + rest[:-1])
    assert 0.55 < np.corrcoef(rest[1:][pairs], rest[:-1][pairs])[0, 1] < 0.75


def test_far_places_have_nearly_the_same_weather_and_near_ones_more_so(decade: Weather) -> None:
    island = cone()
    x, y = np.divmod(island.land, island.height)
    west, next_to_it, east = (int(np.flatnonzero((x == at) & (y == 15))[0]) for at in (4, 5, 25))
    rest = without_season(decade.tmax_c)
    far = np.corrcoef(rest[:, west], rest[:, east])[0, 1]
    near = np.corrcoef(rest[:, west], rest[:, next_to_it])[0, 1]
    assert 0.90 < far < 0.98 < near


def test_it_is_colder_and_wetter_on_the_mountain(decade: Weather) -> None:
    height = cone().height_m
    lapse = np.polyfit(height / 1000, decade.tmax_c.mean(axis=0), 1)[0]
    assert -7.5 < lapse < -5.5
    assert np.corrcoef(height, decade.rain_mm.mean(axis=0))[0, 1] > 0.9


def test_rain_has_the_mean_and_the_shape_that_are_set(decade: Weather) -> None:
    rain = decade.rain_mm.mean(axis=1)[decade.wet]
    shape = rain.mean() ** 2 / rain.var()
    assert 0.6 < shape < 0.95  # years that are wetter than others widen it
    expected = (np.array(SETTINGS["wet_day_mm"]) * np.array(SETTINGS["wet_fraction"]))[MONTHS].mean()
    assert decade.rain_mm.mean() == pytest.approx(expected, rel=0.25)


def test_warm_years_are_dry_ones() -> None:
    still = {"residual_sd_k": [0.0, 0.0], "wet_fraction": [0.0] * 12, "blocking_per_day": 0.0}
    found = advanced(Seeds(3), CALENDAR.runs()[:6], climate(year_sd_k=2.0, **still))
    warmer = [state.year_k for _, state in found]
    assert np.corrcoef(warmer, [days.tmax_c.mean() for days, _ in found])[0, 1] > 0.95
    assert np.corrcoef(warmer, [days.humidity_percent.mean() for days, _ in found])[0, 1] < -0.9


def test_a_large_island_has_weather_too() -> None:
    island = cone(200)
    days, _ = advanced(Seeds(1), [(1, 20)], island=island)[0]
    assert days.tmax_c.shape == (20, len(island.land))
    assert np.isfinite(days.tmax_c).all()


# What may be set.


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("year_sd_k", -1.0),
        ("blocking_per_day", 1.1),
        ("blocking_months", []),
        ("blocking_months", [13]),
        ("blocking_months", [6, 6]),
        ("wet_fraction", [0.2] * 11),
        ("wet_fraction", [1.0] * 12),
        ("range_k", [1.0, 10.0]),
        ("coast_min_k", [9.0, 0.0]),
        ("wind_kmh", [0.0, 10.0]),
        ("local_lag_1", 1.0),
    ],
)
def test_a_bad_value_is_refused_by_its_key(key: str, value: object) -> None:
    with pytest.raises(msgspec.ValidationError, match=key):
        climate(**{key: value})
