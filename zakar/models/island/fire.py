"""Fires that are true, whether or not anybody reports them: ignition, initial attack, spread, regrowth."""

from dataclasses import dataclass, fields, replace
from itertools import pairwise

import numpy as np

from zakar.models.island import fuel, ignition, spread
from zakar.models.island import initial_attack as attack
from zakar.models.island.fuel import Fuel
from zakar.models.island.fwi import Danger
from zakar.models.island.ignition import Sparks
from zakar.models.island.initial_attack import Attacks
from zakar.models.island.settings import DatedCalendar, Wildfires
from zakar.models.island.spread import NO_FLAMES, NUMBERS_A_DAY, Flames
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
class Front:
    """Cells in flames, in (day, cell) order, one element a cell that the front of an escaped fire reached that day.

    ``day``, ``cell`` (cell number), ``fire`` (its number): int64. A fire's first is the cell where it started.
    """

    day: np.ndarray
    cell: np.ndarray
    fire: np.ndarray

    def where(self, chosen: np.ndarray | slice) -> "Front":
        """Return the cells that a mask, an index or a slice chooses."""
        return Front(*(column[chosen] for column in _columns(self)))

    def between(self, first_day: int, last_day: int) -> "Front":
        """Return the cells reached on the days from ``first_day`` to ``last_day``, both included."""
        return self.where(_days_between(self.day, first_day, last_day))

    def joined(self, *later: "Front") -> "Front":
        """Return this front followed by ``later`` ones."""
        return Front(*(np.concatenate(parts) for parts in zip(*map(_columns, (self, *later)), strict=True)))


_NO_NUMBERS, _NO_FLAGS, _NO_AREAS = np.empty(0, np.int64), np.empty(0, bool), np.empty(0, np.float32)
NO_FIRES = Fires(_NO_NUMBERS, _NO_NUMBERS, _NO_NUMBERS, _NO_FLAGS, _NO_FLAGS, _NO_AREAS, _NO_NUMBERS)
NO_FRONT = Front(_NO_NUMBERS, _NO_NUMBERS, _NO_NUMBERS)


@dataclass(frozen=True)
class FireState:
    """What one run hands to the next.

    ``missing``, ``since``: the fuel, as in ``Fuel``. ``flames``: what burns at midnight. ``unrest``, ``drought``:
    the last day's.
    """

    missing: np.ndarray
    since: np.ndarray
    flames: Flames
    unrest: float
    drought: float


def start(wildfires: Wildfires, island: Island, seeds: Seeds) -> FireState:
    """Return the state before the first day: nothing burns, and the fuel has an age."""
    missing = fuel.missing_at_first(wildfires, island, seeds)
    return FireState(missing, np.zeros(len(missing), np.int64), NO_FLAMES, unrest=0.0, drought=fuel.GREEN)


def advance(
    wildfires: Wildfires,
    calendar: DatedCalendar,
    island: Island,
    weather: Weather,
    danger: Danger,
    seeds: Seeds,
    first: int,
    last: int,
    state: FireState,
) -> tuple[Fires, Front, FireState]:
    """Simulate the fires of the days from ``first`` to ``last``; ``weather`` and ``danger`` are of these days.

    Return the fires that start; the cells that are reached, by earlier fires too; the next run's state.
    """
    dates = calendar.dates(np.arange(first, last + 1))
    unrest = ignition.unrest(wildfires, seeds, first, len(dates), state.unrest)
    human = ignition.human_rates(wildfires, island, danger, dates, unrest)
    lightning = ignition.lightning_rates(wildfires, island, weather, dates)
    sparks = ignition.sparks(human, lightning, seeds, first)
    drought = fuel.drought(danger, state.drought)
    attacks = attack.attacks(wildfires, island, weather, danger, drought, sparks, seeds, first)

    ground = spread.terrain(island)
    fuels = Fuel(state.missing.copy(), state.since.copy(), fuel.regrowth_days(wildfires, island))
    draw = seeds.stream("fire/spread", first)
    flames = state.flames
    catalogue, front, burned = [NO_FIRES], [NO_FRONT], [NO_FRONT]
    bounds = np.searchsorted(sparks.row, np.arange(len(dates) + 1)).tolist()
    for row, (low, high) in enumerate(pairwise(bounds)):
        if low == high and flames.place.size == 0:
            continue
        day = first + row
        fires, lit = _started(wildfires, island, day, np.arange(low, high), sparks, attacks, fuels, flames)
        catalogue.append(fires)
        if flames.place.size == lit.place.size == 0:
            continue
        burned.append(_front(island, day, flames.joined(lit)))
        today = spread.conditions(wildfires, weather, danger, row)
        load = fuels.load(slice(None), day)
        flames, reached = spread.burn_a_day(wildfires, island, ground, today, day, load, flames, lit, draw)
        fuels.burn(reached.place, day, 1.0)
        front.append(_front(island, day, reached))

    reached_cells = NO_FRONT.joined(*front)
    known = _summed(NO_FIRES.joined(*catalogue), reached_cells, NO_FRONT.joined(*burned))
    return known, reached_cells, FireState(fuels.missing, fuels.since, flames, float(unrest[-1]), float(drought[-1]))


def _started(
    wildfires: Wildfires,
    island: Island,
    day: int,
    today: np.ndarray,
    sparks: Sparks,
    attacks: Attacks,
    fuels: Fuel,
    flames: Flames,
) -> tuple[Fires, Flames]:
    """Return the fires that the sparks numbered ``today`` start, and the flames of those that escape.

    Takes the fuel of contained ones.
    """
    load = fuels.load(sparks.place[today], day)
    starts = np.flatnonzero(sparks.least_load[today] < load)[: NUMBERS_A_DAY - 1]
    which, load = today[starts], load[starts]
    place = sparks.place[which]
    elsewhere = attack.busy(island, max(0, len(place) - 1) + len(np.unique(flames.fire)))
    escaped = attacks.luck[which] < attack.escapes(wildfires, attacks.logit[which], load, elsewhere)
    area_ha = np.where(escaped, np.float32(0), attacks.contained_ha[which])
    fuels.burn(place, day, area_ha / CELL_HA)

    number = day * NUMBERS_A_DAY + 1 + np.arange(len(place))
    days = np.full(len(place), day, np.int64)
    fires = Fires(number, days, island.land[place], sparks.human[which], escaped, area_ha, days)
    return fires, Flames(place, number).where(escaped)


def _front(island: Island, day: int, flames: Flames) -> Front:
    by_cell = flames.where(np.argsort(flames.place))
    return Front(np.full(len(by_cell.place), day, np.int64), island.land[by_cell.place], by_cell.fire)


def _summed(fires: Fires, front: Front, burned: Front) -> Fires:
    """Return the fires with the area of the front that each has had, and the last day on which it burned."""
    if not fires.escaped.any():
        return fires
    first_number = fires.number[0]
    area_ha, last_day = fires.area_ha.copy(), fires.last_day.copy()
    new = front.fire >= first_number  # earlier fires, which go on burning, are in an earlier catalogue
    np.add.at(area_ha, np.searchsorted(fires.number, front.fire[new]), CELL_HA)
    new = burned.fire >= first_number
    np.maximum.at(last_day, np.searchsorted(fires.number, burned.fire[new]), burned.day[new])
    return replace(fires, area_ha=area_ha, last_day=last_day)


def _columns(table: Fires | Front) -> tuple[np.ndarray, ...]:
    return tuple(getattr(table, column.name) for column in fields(table))


def _days_between(days: np.ndarray, first_day: int, last_day: int) -> slice:
    low, high = np.searchsorted(days, [first_day, last_day + 1])
    return slice(int(low), int(high))
