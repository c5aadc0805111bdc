"""Where and when fires start: by people, by lightning."""

from dataclasses import dataclass

import numpy as np

from zakar.models.island import fuel
from zakar.models.island.fwi import Danger
from zakar.models.island.settings import Wildfires
from zakar.models.island.terrain import AGROFORESTRY, BROADLEAF, CONIFER, FUELS, GRASS, SHRUB, Island
from zakar.models.island.weather import Weather
from zakar.models.shared import gregorian
from zakar.seeds import Seeds

# How readily each fuel is lit, in ln(rate).
_FUEL_EFFECT = {GRASS: 0.2, SHRUB: 0.3, BROADLEAF: -0.4, CONIFER: 0.1, AGROFORESTRY: 0.0}

# Mean and SD of the Fine Fuel Moisture Code over the years in a Mediterranean climate: fixed, for the mean of a run
# would tell its first day of its last.
_FFMC_MEAN, _FFMC_SD = 84.0, 12.0

# Lightning on a day with rain, January to December in the north, and on one without: rain in high summer is mostly
# thunder, in spring and autumn it seldom is; fires by lightning are most frequent in July and August.
_STORMS = np.array([0, 0, 0, 0, 0.15, 0.6, 1.6, 1.6, 0.6, 0.1, 0, 0], np.float32)
_DRY_STORMS = np.array([0, 0, 0, 0, 0, 0.03, 0.03, 0.03, 0, 0, 0, 0], np.float32)
_STORM_DAYS = 8.2  # sum of these over a year, rain counted for what it puts out
_SEASONS = 1.25  # so many times the fires of steady weather and full fuel were seen in 120 years of `island.toml`
_UPHILL_M = 500.0  # lightning becomes e times as frequent with this height
_WETTING_MM = 8.0  # and starts e times fewer fires with this rain


@dataclass(frozen=True)
class Ignitions:
    """What would start a fire if fuel were full, in (day, place) order, at most one a cell and day.

    ``row``: days since the first; ``place``: land cell; int64. ``human``: bool. ``least_load``: the fuel load from
    which it does start a fire, 0..1.
    """

    row: np.ndarray
    place: np.ndarray
    human: np.ndarray
    least_load: np.ndarray


def fires_a_year(wildfires: Wildfires, land_km2: float) -> float:
    """Return how many fires start in a year on so much land, in the climate of `island.toml`: others have others."""
    human = wildfires.human_per_100km2 * (5 + 2 * wildfires.weekend_factor) / 7
    return _SEASONS * (human + wildfires.lightning_per_100km2) * land_km2 / 100


def ignitions(human: np.ndarray, lightning: np.ndarray, seeds: Seeds, first: int) -> Ignitions:
    """Draw the sparks of the days from ``first`` on, from the rates of both causes, shape (days, n)."""
    chance = human + lightning
    np.negative(chance, out=chance)
    np.expm1(chance, out=chance)
    np.negative(chance, out=chance)
    drawn = seeds.stream("fire/ignition", first).random(chance.shape, np.float32)
    row, place = np.nonzero(drawn < chance)
    people = human[row, place] / (human[row, place] + lightning[row, place])
    by_people = seeds.stream("fire/cause", first).random(len(row)) < people
    return Ignitions(row, place, by_people, drawn[row, place] / chance[row, place])


def human_anomaly(wildfires: Wildfires, seeds: Seeds, first: int, days: int, before: float) -> np.ndarray:
    """Draw the logarithm of the island-wide factor on human fires, in SDs, of ``days`` days from ``first`` on.

    An AR(1) of unit variance that follows ``before``, that of the day before.
    """
    news = seeds.stream("fire/unrest", first).standard_normal(days)
    news *= np.sqrt(1 - wildfires.unrest_persistence**2)
    anomalies = []
    for new in news.tolist():
        before = wildfires.unrest_persistence * before + new
        anomalies.append(before)
    return np.array(anomalies)


def human_rates(
    wildfires: Wildfires, island: Island, danger: Danger, dates: np.ndarray, human_anomaly: np.ndarray
) -> np.ndarray:
    """Return the rate of human fires a day and cell at full fuel, float32 of shape (days, n).

    ``dates``: datetime64[D]. ``human_anomaly``: (days,), as above. The rate is
    exp(b0 + b1 z(FFMC) + b2 ln(1 + residents) - b3 road_km + fuel + weekend); b0 is such that the whole island has
    about ``human_per_100km2`` a year.
    """
    where = wildfires.people_effect * np.log1p(island.residents) - wildfires.road_effect * island.road_km
    where = np.exp(where + _of_fuel(island)) * fuel.burnable(island)
    share = where / max(float(where.mean()), 1e-30)
    a_day = wildfires.human_per_100km2 / 100 / fuel.YEAR
    spree = np.exp(wildfires.unrest_sd * human_anomaly - wildfires.unrest_sd**2 / 2)
    when = a_day * spree * np.where(gregorian.is_weekend(dates), wildfires.weekend_factor, 1.0)

    rates = (danger.ffmc - np.float32(_FFMC_MEAN)) * np.float32(wildfires.moisture_effect / _FFMC_SD)
    np.exp(rates, out=rates)
    rates *= share.astype(np.float32)
    rates *= when.astype(np.float32)[:, None]
    return rates


def lightning_rates(wildfires: Wildfires, island: Island, weather: Weather, dates: np.ndarray) -> np.ndarray:
    """Return the rate of fires by lightning a day and cell at full fuel, float32 of shape (days, n).

    Summer storms, most with rain, strike high ground more often and light less where it rains much.
    """
    where = np.exp(np.clip(island.height_m, 0, 2000) / _UPHILL_M + _of_fuel(island)) * fuel.burnable(island)
    share = where / max(float(where.mean()), 1e-30)
    month = gregorian.season_month(dates, island.southern) - 1
    storm = np.where(weather.wet, _STORMS[month], _DRY_STORMS[month])
    when = wildfires.lightning_per_100km2 / 100 / _STORM_DAYS * storm

    rates: np.ndarray = np.exp(weather.rain_mm * np.float32(-1 / _WETTING_MM))
    rates *= share.astype(np.float32)
    rates *= when.astype(np.float32)[:, None]
    return rates


def _of_fuel(island: Island) -> np.ndarray:
    effects = np.zeros(len(FUELS))
    effects[list(_FUEL_EFFECT)] = list(_FUEL_EFFECT.values())
    here: np.ndarray = effects[island.fuel]
    return here
