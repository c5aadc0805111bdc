"""Fires that are true, whether or not anybody reports them: ignition, initial attack, spread, regrowth."""

from dataclasses import dataclass, fields, replace
from itertools import pairwise

import numpy as np

from zakar.models.island import fuel, ignition, initial_attack, spread
from zakar.models.island.fuel import Fuel
from zakar.models.island.fwi import Danger
from zakar.models.island.ignition import Ignitions
from zakar.models.island.initial_attack import InitialAttacks
from zakar.models.island.settings import DatedCalendar, Wildfires
from zakar.models.island.spread import NO_ACTIVE_CELLS, NUMBERS_A_DAY, ActiveCells
from zakar.models.island.terrain import Island
from zakar.models.island.weather import Weather
from zakar.seeds import Seeds

CELL_HA = 100


@dataclass(frozen=True)
class Fires:
    """A catalogue in (day, cell) order, one element a fire.

    ``number``: int64, unique for ever: day * 1000 and a count within the day, never 0. ``day``: of ignition, int64.
    ``cell``: where, cell number, int64. ``human``: bool, else lightning. ``escaped``: bool, whether initial attack
    failed, known on the day of ignition. ``area_ha``: float32, of a contained fire drawn at ignition, of an escaped
    one 100 ha for each cell that it burned. ``last_day``: int64, the last day on which it burned. Of a fire that
    burns on when a run ends, both are what is known by then.
    """

    number: np.ndarray
    day: np.ndarray
    cell: np.ndarray
    human: np.ndarray
    escaped: np.ndarray
    area_ha: np.ndarray
    last_day: np.ndarray

    def where(self, chosen: np.ndarray | slice) -> "Fires":
        """Return the fires that a mask, an index or a slice chooses."""
        return Fires(*(column[chosen] for column in _columns(self)))

    def between(self, first_day: int, last_day: int) -> "Fires":
        """Return the fires that started on the days from ``first_day`` to ``last_day``, both included."""
        return self.where(_days_between(self.day, first_day, last_day))

    def burning(self, first_day: int, last_day: int) -> "Fires":
        """Return the fires that burned on any day from ``first_day`` to ``last_day``, both included."""
        return self.where((self.day <= last_day) & (self.last_day >= first_day))

    def joined(self, *later: "Fires") -> "Fires":
        """Return these fires followed by ``later`` ones."""
        return Fires(*(np.concatenate(parts) for parts in zip(*map(_columns, (self, *later)), strict=True)))


@dataclass(frozen=True)
class BurnedCells:
    """Cells that burned, in (day, cell) order, one element a cell that an escaped fire reached that day.

    ``day``, ``cell`` (cell number), ``fire`` (its number): int64. A fire's first is the cell where it started.
    """

    day: np.ndarray
    cell: np.ndarray
    fire: np.ndarray

    def where(self, chosen: np.ndarray | slice) -> "BurnedCells":
        """Return the cells that a mask, an index or a slice chooses."""
        return BurnedCells(*(column[chosen] for column in _columns(self)))

    def between(self, first_day: int, last_day: int) -> "BurnedCells":
        """Return the cells reached on the days from ``first_day`` to ``last_day``, both included."""
        return self.where(_days_between(self.day, first_day, last_day))

    def joined(self, *later: "BurnedCells") -> "BurnedCells":
        """Return these cells followed by ``later`` ones."""
        return BurnedCells(*(np.concatenate(parts) for parts in zip(*map(_columns, (self, *later)), strict=True)))


_NO_NUMBERS, _NO_FLAGS, _NO_AREAS = np.empty(0, np.int64), np.empty(0, bool), np.empty(0, np.float32)
NO_FIRES = Fires(_NO_NUMBERS, _NO_NUMBERS, _NO_NUMBERS, _NO_FLAGS, _NO_FLAGS, _NO_AREAS, _NO_NUMBERS)
NO_BURNED_CELLS = BurnedCells(_NO_NUMBERS, _NO_NUMBERS, _NO_NUMBERS)


@dataclass(frozen=True)
class FireState:
    """What one run hands to the next.

    ``missing``, ``since``: the fuel, as in ``Fuel``. ``active_cells``: what burns at midnight. ``human_anomaly``,
    ``severity_rating``: the last day's.
    """

    missing: np.ndarray
    since: np.ndarray
    active_cells: ActiveCells
    human_anomaly: float
    severity_rating: float


def start(wildfires: Wildfires, island: Island, seeds: Seeds) -> FireState:
    """Return the state before the first day: nothing burns, and the fuel has an age."""
    missing = fuel.missing_at_first(wildfires, island, seeds)
    return FireState(
        missing, np.zeros(len(missing), np.int64), NO_ACTIVE_CELLS, human_anomaly=0.0, severity_rating=fuel.GREEN
    )


def advance(
    wildfires: Wildfires,
    calendar: DatedCalendar,
    island: Island,
    weather: Weather,
    danger: Danger,
    seeds: Seeds,
    first: int,
    state: FireState,
) -> tuple[Fires, BurnedCells, FireState]:
    """Simulate the fires of the days of ``weather`` and ``danger``, the first of which has the number ``first``.

    Return the fires that start; the cells that are reached, by earlier fires too; the next run's state.
    """
    dates = calendar.dates(first + np.arange(len(weather.tmax_c)))
    human_anomaly = ignition.human_anomaly(wildfires, seeds, first, len(dates), state.human_anomaly)
    human = ignition.human_rates(wildfires, island, danger, dates, human_anomaly)
    lightning = ignition.lightning_rates(wildfires, island, weather, dates)
    ignitions = ignition.ignitions(human, lightning, seeds, first)
    severity_rating = fuel.severity_rating(danger, state.severity_rating)
    attacks = initial_attack.attacks(wildfires, island, weather, danger, severity_rating, ignitions, seeds, first)

    ground = spread.ground_of(island)
    fuels = Fuel(state.missing.copy(), state.since.copy(), fuel.regrowth_days(wildfires, island))
    draw = seeds.stream("fire/spread", first)
    active_cells = state.active_cells
    catalogue, burned_cells, burning_cells = [NO_FIRES], [NO_BURNED_CELLS], [NO_BURNED_CELLS]
    bounds = np.searchsorted(ignitions.row, np.arange(len(dates) + 1)).tolist()
    for row, (low, high) in enumerate(pairwise(bounds)):
        if low == high and active_cells.place.size == 0:
            continue
        day = first + row
        fires, new_cells = _started(
            wildfires, island, day, np.arange(low, high), ignitions, attacks, fuels, active_cells
        )
        catalogue.append(fires)
        if active_cells.place.size == new_cells.place.size == 0:
            continue
        burning_cells.append(_burned(island, day, active_cells.joined(new_cells)))
        today = spread.conditions(wildfires, weather, danger, row, day)
        load = fuels.load(slice(None), day)
        active_cells, reached = spread.burn_a_day(wildfires, island, ground, today, load, active_cells, new_cells, draw)
        fuels.burn(reached.place, day, 1.0)
        burned_cells.append(_burned(island, day, reached))

    reached_cells = NO_BURNED_CELLS.joined(*burned_cells)
    known = _summed(NO_FIRES.joined(*catalogue), reached_cells, NO_BURNED_CELLS.joined(*burning_cells))
    return (
        known,
        reached_cells,
        FireState(fuels.missing, fuels.since, active_cells, float(human_anomaly[-1]), float(severity_rating[-1])),
    )


def _started(
    wildfires: Wildfires,
    island: Island,
    day: int,
    today: np.ndarray,
    ignitions: Ignitions,
    attacks: InitialAttacks,
    fuels: Fuel,
    active_cells: ActiveCells,
) -> tuple[Fires, ActiveCells]:
    """Return the fires that the sparks numbered ``today`` start, and the flames of those that escape.

    Takes the fuel of contained ones.
    """
    load = fuels.load(ignitions.place[today], day)
    starts = np.flatnonzero(ignitions.least_load[today] < load)[: NUMBERS_A_DAY - 1]
    which, load = today[starts], load[starts]
    place = ignitions.place[which]
    elsewhere = initial_attack.busy(island, max(0, len(place) - 1) + len(np.unique(active_cells.fire)))
    escaped = attacks.luck[which] < initial_attack.escapes(wildfires, attacks.logit[which], load, elsewhere)
    area_ha = np.where(escaped, np.float32(0), attacks.contained_ha[which])
    fuels.burn(place, day, area_ha / CELL_HA)

    number = day * NUMBERS_A_DAY + 1 + np.arange(len(place))
    days = np.full(len(place), day, np.int64)
    fires = Fires(number, days, island.land[place], ignitions.human[which], escaped, area_ha, days)
    return fires, ActiveCells(place, number).where(escaped)


def _burned(island: Island, day: int, active_cells: ActiveCells) -> BurnedCells:
    by_cell = active_cells.where(np.argsort(active_cells.place))
    return BurnedCells(np.full(len(by_cell.place), day, np.int64), island.land[by_cell.place], by_cell.fire)


def _summed(fires: Fires, burned_cells: BurnedCells, burning_cells: BurnedCells) -> Fires:
    """Return the fires with the area that each has burned, and the last day on which it burned."""
    if not fires.escaped.any():
        return fires
    first_number = fires.number[0]
    area_ha, last_day = fires.area_ha.copy(), fires.last_day.copy()
    new = burned_cells.fire >= first_number  # earlier fires, which go on burning, are in an earlier catalogue
    np.add.at(area_ha, np.searchsorted(fires.number, burned_cells.fire[new]), CELL_HA)
    new = burning_cells.fire >= first_number
    np.maximum.at(last_day, np.searchsorted(fires.number, burning_cells.fire[new]), burning_cells.day[new])
    return replace(fires, area_ha=area_ha, last_day=last_day)


def _columns(table: Fires | BurnedCells) -> tuple[np.ndarray, ...]:
    return tuple(getattr(table, column.name) for column in fields(table))


def _days_between(days: np.ndarray, first_day: int, last_day: int) -> slice:
    low, high = np.searchsorted(days, [first_day, last_day + 1])
    return slice(int(low), int(high))
