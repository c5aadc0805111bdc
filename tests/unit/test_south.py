"""An island of the south: what depends on the season is turned by half a year, and all else is as in the north."""

import datetime

import msgspec
import numpy as np
import pytest
from making import small_island

from zakar import config
from zakar.checks.island import annual
from zakar.checks.island.history import History, simulated
from zakar.errors import ConfigError
from zakar.models import registry, scenario_files
from zakar.models.island import posts as tweets
from zakar.models.island.settings import IslandScenario
from zakar.models.shared import gregorian

CALENDAR = {"first_date": datetime.date(2016, 1, 1), "days": 1461, "holdout_days": 0}


def at(latitude: float) -> History:
    return simulated(small_island(calendar=CALENDAR, terrain={"latitude": latitude}), 5)


@pytest.fixture(scope="module")
def north() -> History:
    return at(37.0)


@pytest.fixture(scope="module")
def south() -> History:
    return at(-37.0)


def warmest(history: History) -> int:
    return int(np.argmax([history.tmax_mean_c[history.month == month].mean() for month in range(1, 13)])) + 1


def test_the_south_is_warm_dry_and_in_flames_when_the_north_is_cool(north: History, south: History) -> None:
    assert warmest(north) in {7, 8}
    assert warmest(south) in {1, 2}
    for history, summer in ((north, (6, 7, 8)), (south, (12, 1, 2))):
        inside = np.isin(history.month, summer)
        month = history.month[history.fires.day - history.first_day]
        assert 3 * history.wet[inside].mean() < history.wet[~inside].mean()
        assert np.isin(history.month[history.blocking], [*summer, summer[-1] % 12 + 1]).all()
        assert np.isin(month, summer).mean() > 0.35
        assert np.isin(month[~history.fires.human], [*summer, summer[-1] % 12 + 1]).mean() > 0.6
        assert history.fwi[inside].mean() > 2 * history.fwi[~inside].mean()


def test_the_annual_figures_of_the_south_are_those_of_its_summers(north: History, south: History) -> None:
    for history in (north, south):
        assert annual.summer_burn_share(history) > 0.6
        assert annual.heat_wave_days(history) >= 3
        assert annual.summer_sd(history) > 0
    assert set(np.unique(south.season_year)) == {2016, 2017, 2018, 2019, 2020}


def test_seasons_of_the_south_are_half_a_year_away_and_its_years_run_from_july() -> None:
    dates = np.arange("2019-01", "2020-01", dtype="datetime64[M]").astype("datetime64[D]")
    assert gregorian.season_month(dates, southern=False).tolist() == list(range(1, 13))
    assert gregorian.season_month(dates, southern=True).tolist() == [7, 8, 9, 10, 11, 12, 1, 2, 3, 4, 5, 6]
    assert gregorian.season_year(dates, southern=True).tolist() == [2019] * 6 + [2020] * 6


def test_people_post_most_in_the_summer_of_where_they_live() -> None:
    settings = small_island(calendar=CALENDAR)
    days = np.arange(1, 1462)
    month = gregorian.month(settings.calendar.dates(days))
    for southern, most, least in ((False, 7, 1), (True, 1, 7)):
        expected = tweets._expected(settings.tweets, settings.calendar, days, southern)
        assert expected[month == most].mean() > 1.1 * expected[month == least].mean()


def test_latitudes_of_one_band_have_the_same_fire_danger_and_others_another(north: History) -> None:
    same, tropics = at(60.0), at(12.0)
    assert np.array_equal(same.fwi, north.fwi)
    assert np.array_equal(tropics.tmax_c, north.tmax_c)
    assert not np.array_equal(tropics.fwi, north.fwi)


def test_without_a_latitude_an_island_is_the_shipped_one() -> None:
    values = config.read_toml(scenario_files.find("island"))
    assert values["terrain"].pop("latitude") == 37.0
    assert msgspec.convert(values, IslandScenario) == registry.read(scenario_files.find("island"))


@pytest.mark.parametrize("day", [1, 35, 90, 275, 366])
def test_a_climate_written_for_the_south_is_refused_since_it_would_be_turned_twice(day: int) -> None:
    with pytest.raises(ConfigError, match=r"`climate.warmest_day` is \d+, must be in 91..274 .*turned by half a year"):
        small_island(terrain={"latitude": -1.0}, climate={"warmest_day": day})
    assert small_island(terrain={"latitude": 1.0}, climate={"warmest_day": day})


@pytest.mark.parametrize("latitude", [-90.1, 91.0])
def test_a_latitude_that_is_nowhere_is_refused(latitude: float) -> None:
    with pytest.raises(ConfigError, match=r"`terrain.latitude`.*must be at least -90 and at most 90"):
        small_island(terrain={"latitude": latitude})
