"""How a fire spreads from cell to cell: PROPAGATOR, at one kilometre.

Source of all equations and values: Trucchia et al. 2020, "PROPAGATOR: an operational cellular-automata based wildfire
simulator", Fire 3(3) 26, and the code that its authors publish. There a cell of 20 m carries on or does not; here a
kilometre's front advances at the rate of spread, over the share of it that carries on.
"""

from dataclasses import dataclass

import numpy as np

from zakar.models.island import fuel, initial_attack
from zakar.models.island.fwi import Danger
from zakar.models.island.settings import Wildfires
from zakar.models.island.terrain import BEARINGS, STEPS, Island
from zakar.models.island.weather import Weather

# Rate of spread without wind and slope, m/h, by fuel as in FUELS; rock and towns do not burn here.
_RATE = np.array([0, 120, 140, 140, 200, 120, 0], np.float32)

# Probability that fire passes from one fuel (row) to the next (column), both as in FUELS.
PASSES = np.array(
    [
        [0, 0, 0, 0, 0, 0, 0],
        [0, 0.475, 0.35, 0.25, 0.1, 0.3, 0],
        [0, 0.475, 0.375, 0.375, 0.325, 0.25, 0],
        [0, 0.45, 0.375, 0.3, 0.225, 0.25, 0],
        [0, 0.475, 0.4, 0.275, 0.35, 0.475, 0],
        [0, 0.375, 0.3, 0.25, 0.2, 0.35, 0],
        [0, 0, 0, 0, 0, 0, 0],
    ]
)

_STRONGEST_KMH = 60.0  # PROPAGATOR's limit of the wind's effect
_EXTINCTION = 0.3  # moisture at which nothing burns
_CELL_M = 1000.0
NUMBERS_A_DAY = 1000  # a fire's number is the day of its ignition times this, and a count from 1 on

# A day's sub-steps of four hours, and how strongly fire spreads in each against the afternoon.
_STEP_HOURS = 4
_ACTIVITY = (0.2, 0.1, 0.5, 1.0, 0.9, 0.4)
_NOON = 3


def moisture(ffmc: np.ndarray) -> np.ndarray:
    """Return the moisture of dead fine fuel, a share of its dry mass, from the Fine Fuel Moisture Code.

    Van Wagner & Pickett 1985, equation 1 solved for m: in percent with 147.27723, as a share with 1.4727723.
    """
    share: np.ndarray = 1.4727723 * (101 - ffmc) / (59.5 + ffmc)
    return share


def moisture_factor(share: np.ndarray) -> np.ndarray:
    """Return how moisture, a share of dry mass, reduces the probability of spread: 1 when dry, 0 from 0.3 on."""
    x = np.clip(share / _EXTINCTION, 0, 1)
    factor = ((((-11.507 * x + 22.963) * x - 17.331) * x + 6.598) * x - 1.7211) * x + 1.0003
    return np.where(x < 1, np.clip(factor, 0, 1), 0.0)


def wind_slope_factor(wind_kmh: np.ndarray, angle_degrees: np.ndarray) -> np.ndarray:
    """Return the factor on the rate of spread at an angle to where the wind blows; 1 without wind."""
    wind = np.minimum(wind_kmh, _STRONGEST_KMH)
    strength = 1 + 0.7 * (np.tanh(wind / 8.2 - 2) + np.tanh(2)) + wind / 50
    a = (strength - 1) / 4
    factor: np.ndarray = (a + 1) * (1 - a * a) / (1 - a * np.cos(np.radians(angle_degrees)))
    return factor


def slope_factor(rise: np.ndarray) -> np.ndarray:
    """Return the factor on the rate of spread up a slope (rise over distance): 0.5..2, 1 on flat ground."""
    factor: np.ndarray = 2 ** np.tanh((3 * rise) ** 2 * np.sign(rise))
    return factor


@dataclass(frozen=True)
class Ground:
    """What of the island steers spread, in each of the 8 STEPS; float64 of shape (n, 8).

    ``rate``: m/h and ``passes``: probability, both without wind, slope and moisture; 0 where nothing can burn.
    ``slope``: the slope's factor. ``distance_m``: (8,).
    """

    rate: np.ndarray
    passes: np.ndarray
    slope: np.ndarray
    distance_m: np.ndarray


def ground_of(island: Island) -> Ground:
    """Return what of the island steers spread."""
    there = island.neighbours >= 0
    to = np.where(there, island.neighbours, 0)
    distance = _CELL_M * np.hypot(*np.array(STEPS, float).T)
    height = island.height_m.astype(float)
    from_fuel, burns = island.fuel[:, None], fuel.burnable(island)
    return Ground(
        rate=np.where(there & burns[to], _RATE[from_fuel], 0.0),
        passes=np.where(there, PASSES[from_fuel, island.fuel[to]], 0.0),
        slope=slope_factor((height[to] - height[:, None]) / distance),
        distance_m=distance,
    )


def hazards(
    ground: Ground, places: np.ndarray, wind_kmh: np.ndarray, wind_from_degrees: float, ffmc: np.ndarray
) -> np.ndarray:
    """Return the hazard an hour that fire passes from burning ``places`` to their 8 neighbours, shape (k, 8).

    ``wind_kmh`` and ``ffmc``: at these places, (k,). The hazard is the rate of spread over the distance times the
    probability that the front carries on.
    """
    dead = moisture(ffmc)[:, None]
    angle = np.asarray(BEARINGS) - (wind_from_degrees + 180)
    wind_slope = wind_slope_factor(wind_kmh[:, None], angle) * ground.slope[places]
    alpha = 1 + np.where(wind_slope > 1, (wind_slope - 1) / 2.13, (wind_slope - 1) / 1.12)
    carries = (1 - (1 - ground.passes[places]) ** np.maximum(alpha, 0)) * moisture_factor(dead)
    rate = ground.rate[places] * wind_slope * np.exp(-1.4 * dead)
    hazard: np.ndarray = rate * carries / ground.distance_m
    return hazard


@dataclass(frozen=True)
class ActiveCells:
    """Land cells in flames: ``place``, and ``fire``, the number of the fire that burns there; int64 of shape (k,)."""

    place: np.ndarray
    fire: np.ndarray

    def where(self, chosen: np.ndarray) -> "ActiveCells":
        """Return the cells that a mask or an index chooses."""
        return ActiveCells(self.place[chosen], self.fire[chosen])

    def joined(self, *others: "ActiveCells") -> "ActiveCells":
        """Return these cells and the others."""
        every = (self, *others)
        return ActiveCells(np.concatenate([f.place for f in every]), np.concatenate([f.fire for f in every]))


NO_ACTIVE_CELLS = ActiveCells(np.empty(0, np.int64), np.empty(0, np.int64))


@dataclass(frozen=True)
class Conditions:
    """What spread depends on, on ``day``, over the n land cells.

    ``wind_kmh``, ``ffmc``: (n,). ``wind_from_degrees``: one. ``quenching``: the hazard a day that a cell's flames go
    out unattended, ``crews``: the one that a first day's crews add, both (n,).
    """

    day: int
    wind_kmh: np.ndarray
    wind_from_degrees: float
    ffmc: np.ndarray
    quenching: np.ndarray
    crews: np.ndarray


def conditions(wildfires: Wildfires, weather: Weather, danger: Danger, row: int, day: int) -> Conditions:
    """Return what spread depends on, on ``day``, that of ``row``."""
    return Conditions(
        day=day,
        wind_kmh=weather.wind_kmh[row],
        wind_from_degrees=float(weather.wind_from_degrees[row]),
        ffmc=danger.ffmc[row],
        quenching=wildfires.burnout_per_day + weather.rain_mm[row] / wildfires.dousing_rain_mm,
        crews=wildfires.suppression_per_day * np.exp(-danger.fwi[row] / wildfires.suppression_fwi),
    )


def burn_a_day(
    wildfires: Wildfires,
    island: Island,
    ground: Ground,
    today: Conditions,
    load: np.ndarray,
    active_cells: ActiveCells,
    new_cells: ActiveCells,
    draw: np.random.Generator,
) -> tuple[ActiveCells, ActiveCells]:
    """Let ``active_cells`` burn from midnight and ``new_cells`` from noon on.

    ``load``: fuel of all land cells, (n,); taken from those that are reached. Return what burns at the next midnight,
    and what was reached, the ``new_cells`` first.
    """
    reached = new_cells
    load[new_cells.place] = 0
    others = len(np.unique(np.concatenate([active_cells.fire, new_cells.fire]))) - 1
    attention = 1 / (1 + initial_attack.busy(island, others))
    for step in range(0 if active_cells.place.size else _NOON, len(_ACTIVITY)):
        if step == _NOON:
            active_cells = active_cells.joined(new_cells)
        if active_cells.place.size == 0:
            continue
        places = active_cells.place
        to = island.neighbours[places]
        hours = wildfires.spread_factor * _ACTIVITY[step] * _STEP_HOURS
        passing = hazards(ground, places, today.wind_kmh[places], today.wind_from_degrees, today.ffmc[places])
        age = today.day - active_cells.fire // NUMBERS_A_DAY
        effort = (1 + wildfires.suppression_growth * age) * attention
        quenching = today.quenching[places] + today.crews[places] * effort

        chances = draw.random((len(places), 9))
        passed = chances[:, :8] < -np.expm1(-hours * passing * load[to])
        stays = chances[:, 8] < np.exp(-quenching * (_STEP_HOURS / 24))
        place, which = np.unique(to[passed], return_index=True)
        caught = ActiveCells(place.astype(np.int64), active_cells.fire[np.nonzero(passed)[0][which]])
        load[caught.place] = 0
        reached = reached.joined(caught)
        active_cells = active_cells.where(stays).joined(caught)
    return active_cells, reached
