"""Initial attack: most fires are put out before they fill a cell."""

from dataclasses import dataclass
from math import log1p

import numpy as np

from zakar.models.island.fwi import Danger
from zakar.models.island.ignition import Ignitions
from zakar.models.island.settings import Wildfires
from zakar.models.island.terrain import Island
from zakar.models.island.weather import Weather
from zakar.seeds import Seeds

LARGEST_CONTAINED_HA = 99.0

# The fire for which `escape_share` holds.
_FWI, _WIND_KMH = 20.0, 15.0

_CREWS_KM2 = 500  # a larger island has more crews


@dataclass(frozen=True)
class InitialAttacks:
    """What initial attack comes to, for each of k sparks.

    ``logit``: of the probability that the fire escapes if no other one burns, ``luck``: it escapes if this lies below
    the probability, both (k,). ``contained_ha``: area if it does not, float32.
    """

    logit: np.ndarray
    luck: np.ndarray
    contained_ha: np.ndarray


def attacks(
    wildfires: Wildfires,
    island: Island,
    weather: Weather,
    danger: Danger,
    severity_rating: np.ndarray,
    ignitions: Ignitions,
    seeds: Seeds,
    first: int,
) -> InitialAttacks:
    """Draw what initial attack on ``ignitions`` of the days from ``first`` on comes to.

    ``severity_rating``: (days,), as ``fuel.severity_rating`` gives it. Fires escape in dangerous weather, drought and
    wind, and far from roads and people, where crews come late (Moreira 2010: fires that become large start there).
    """
    from scipy.special import logit

    at, place = (ignitions.row, ignitions.place), ignitions.place
    score = (
        logit(np.clip(wildfires.escape_share, 1e-12, 1 - 1e-12))
        + wildfires.escape_danger * (danger.fwi[at] - _FWI) / 10
        + wildfires.escape_drought * severity_rating[ignitions.row]
        + wildfires.escape_wind * (weather.wind_kmh[at] - _WIND_KMH) / 10
        + wildfires.escape_road * island.road_km[place]
        - wildfires.escape_people * np.log1p(island.residents[place])
    )
    draws = seeds.stream("fire/attack", first).random((len(place), 2))
    area_ha = contained_ha(wildfires.contained_least_ha, wildfires.contained_exponent, draws[:, 1])
    return InitialAttacks(score, draws[:, 0], area_ha)


def busy(island: Island, others: int) -> float:
    """Return how much the crews have to do elsewhere: ln(1 + other fires burning), on an island of 500 km2."""
    return log1p(others * _CREWS_KM2 / len(island.land))


def escapes(wildfires: Wildfires, score: np.ndarray, load: np.ndarray, elsewhere: float) -> np.ndarray:
    """Return the probability that fires escape, from their logit, their fuel and how busy the crews are elsewhere."""
    from scipy.special import expit

    if wildfires.escape_share == 0:
        return np.zeros(len(score))
    chance: np.ndarray = load * np.minimum(expit(score + wildfires.escape_others * elsewhere), wildfires.escape_most)
    return chance


def contained_ha(least_ha: float, exponent: float, uniform: np.ndarray) -> np.ndarray:
    """Return areas of a Pareto law of that density exponent, cut off short of a cell, from uniform numbers."""
    tail = 1 - exponent
    low, high = least_ha**tail, LARGEST_CONTAINED_HA**tail
    areas: np.ndarray = (low + uniform * (high - low)) ** (1 / tail)
    return areas.astype(np.float32)
