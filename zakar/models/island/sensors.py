"""Thermometers that drift, fail and burn: a reading is the day's highest temperature as the sensor has it.

A sensor sends it at the end of the day, in whole degrees Fahrenheit. It stands in a slot of a cell; when it dies,
another one with a number of its own takes its place after a while. Every fault is a hazard of the day (no lifetime and
no end of a spell is drawn ahead), so that what happens on a held-out day is drawn on that day.
"""

from dataclasses import dataclass, fields
from math import gamma

import numpy as np
import pyarrow as pa

from zakar.models.island.fire import BurnedCells
from zakar.models.island.settings import SensorNetwork
from zakar.models.island.terrain import Island
from zakar.models.island.weather import Weather
from zakar.seeds import Seeds

FAULTS = ("", "spike", "stuck", "noisy", "dropout", "dead", "scorched")
OK, SPIKE, STUCK, NOISY, DROPOUT, DEAD, SCORCHED = range(len(FAULTS))  # from DROPOUT on there is no reading

COOL, WARM, FLAME = range(3)  # what a fire's front does to a sensor

_DAYS_PER_YEAR = 365.25
_OLDEST = 5  # times the battery's scale: none of the first sensors is older

# A sensor in a bad place is too warm on dry days, fully below the first of these winds, not at all above the second.
_CALM_KMH, _WINDY_KMH = 8.0, 20.0


@dataclass(frozen=True)
class SensorSlots:
    """The slots in which sensors stand, in cell order, each of shape (k,).

    ``cell``: cell number, int64. ``place``: its place among the land cells, int64. ``region``: the settlement whose
    outages strike it, int64, below ``regions``.
    """

    cell: np.ndarray
    place: np.ndarray
    region: np.ndarray
    regions: int


@dataclass(frozen=True)
class Sensors:
    """Sensors, one element each.

    ``sensor_id``: int32, growing with time. ``cell``: cell number, int64. ``since``: first day, 1 for those that stood
    before, int32. ``born``: the day on which the battery was new, int32. ``bias_k``: constant error, float32.
    ``drift_k_per_year``: its change from ``since`` on, float32. ``siting_k``: error on dry calm days, 0 where well
    sited, float32.
    """

    sensor_id: np.ndarray
    cell: np.ndarray
    since: np.ndarray
    born: np.ndarray
    bias_k: np.ndarray
    drift_k_per_year: np.ndarray
    siting_k: np.ndarray

    def take(self, chosen: np.ndarray) -> "Sensors":
        """Return the sensors that ``chosen``, indices or a mask, picks."""
        return Sensors(*(getattr(self, field.name)[chosen] for field in fields(self)))


@dataclass(frozen=True)
class Health:
    """How the sensors were on consecutive days; the arrays are of shape (days, k) over the network's slots.

    ``sensors``: all that stood on these days or later in the run, by number. ``sensor_id``: which of them stands in the
    slot, int32, rising within a cell. ``status``: index into FAULTS, uint8. ``heat``: COOL, WARM or FLAME, uint8.
    ``held_f``: the reading at which the sensor stuck last, degrees Fahrenheit, int16.
    """

    sensors: Sensors
    sensor_id: np.ndarray
    status: np.ndarray
    heat: np.ndarray
    held_f: np.ndarray

    def cut(self, low: int, high: int) -> "Health":
        """Return the days from the ``low``-th to before the ``high``-th, counted from 0."""
        days = slice(low, high)
        return Health(self.sensors, self.sensor_id[days], self.status[days], self.heat[days], self.held_f[days])


@dataclass(frozen=True)
class SensorState:
    """What one run hands to the next: the sensor in each slot and its trouble.

    ``next_id``: the number of the next new sensor. ``sensors``: slot by slot. ``mode``: index into FAULTS, (k,) uint8.
    ``spell``: for how many days, as far as that matters, (k,) int16. ``held_f``: as in Health, (k,) int16. ``outage``:
    where the network is down, (regions,) bool.
    """

    next_id: int
    sensors: Sensors
    mode: np.ndarray
    spell: np.ndarray
    held_f: np.ndarray
    outage: np.ndarray


def network(settings: SensorNetwork, island: Island, seeds: Seeds) -> SensorSlots:
    """Return where sensors stand: dense near people and roads, a share of them anywhere."""
    people = np.exp(-island.road_km / 1.5) * (0.2 + np.log1p(island.residents / 50.0))
    people = people.astype(np.float64)
    weight = settings.scattered_share / len(people) + (1.0 - settings.scattered_share) * people / people.sum()
    number = max(1, round(settings.sensors_per_cell * len(people)))
    in_cell = seeds.stream("sensors/network").multinomial(number, weight / weight.sum())
    place = np.repeat(np.arange(len(people)), in_cell)
    region = island.town[place].astype(np.int64)
    return SensorSlots(island.land[place], place, region, int(island.town.max()) + 1)


def heard_share(settings: SensorNetwork) -> float:
    """Return the share of days on which a sensor sends a reading, fires aside."""
    life_days = settings.battery_years * _DAYS_PER_YEAR * gamma(1 + 1 / settings.battery_shape)
    return (1 - settings.dropout_share) * life_days / (life_days + settings.battery_replaced_days)


def start(settings: SensorNetwork, slots: SensorSlots, seeds: Seeds) -> SensorState:
    """Return the state before day 1: sensors of all ages, some of them dropped out."""
    draw = seeds.stream("sensors/start")
    number = len(slots.cell)
    scale = settings.battery_years * _DAYS_PER_YEAR
    ages = np.arange(max(1, round(_OLDEST * scale)))
    # Where dead batteries are always replaced, ages are distributed as the chance of reaching them.
    reached = np.cumsum(np.exp(-((ages / scale) ** settings.battery_shape)))
    age = np.searchsorted(reached, draw.random(number) * reached[-1])
    dropped = draw.random(number) < _own_dropout(settings)
    return SensorState(
        next_id=number + 1,
        sensors=_new(settings, draw, 1, slots.cell, day=1, age=age),
        mode=np.where(dropped, DROPOUT, OK).astype(np.uint8),
        spell=np.ones(number, np.int16),
        held_f=np.zeros(number, np.int16),
        outage=np.zeros(slots.regions, bool),
    )


def advance(
    settings: SensorNetwork,
    slots: SensorSlots,
    island: Island,
    weather: Weather,
    burned_cells: BurnedCells,
    seeds: Seeds,
    first: int,
    state: SensorState,
) -> tuple[Health, SensorState]:
    """Let the sensors live through the days of ``weather``, the first of which has the number ``first``.

    ``burned_cells`` may hold other days too.
    """
    days, number = len(weather.tmax_c), len(slots.cell)
    sensor_id, status = np.empty((days, number), np.int32), np.empty((days, number), np.uint8)
    heat, held_f = np.empty((days, number), np.uint8), np.empty((days, number), np.int16)
    hazards = _hazards(settings, oldest=int(first + days - 1 - state.sensors.born.min()))
    draw = seeds.stream("sensors/health", first)
    stood = [state.sensors]

    for i, day in enumerate(range(first, first + days)):
        chance = draw.random(2 * number + slots.regions)
        trouble, fate, uplink = chance[:number], chance[number : 2 * number], chance[2 * number :]
        heat[i] = _heat(settings, slots, island, burned_cells, day, fate)

        state, new = _renewed(settings, slots, state, seeds, day, fate, heat[i])
        stood += [new] if new is not None else []
        mode = _modes(settings, hazards, state, day, trouble, heat[i])
        mode[(heat[i] == FLAME) & (fate < settings.flame_share * settings.destroyed_share) & (mode < DEAD)] = SCORCHED
        state = SensorState(
            next_id=state.next_id,
            sensors=state.sensors,
            mode=mode,
            spell=np.where(mode == state.mode, np.minimum(state.spell + 1, hazards.longest), 1),
            held_f=_held(slots, weather, state, mode, day, i),
            outage=np.where(state.outage, uplink >= hazards.outage_ends, uplink < hazards.outage_begins),
        )

        sensor_id[i], held_f[i] = state.sensors.sensor_id, state.held_f
        status[i] = np.where(state.outage[slots.region] & (mode < DEAD), DROPOUT, mode)
    return Health(_joined(stood), sensor_id, status, heat, held_f), state


def readings(
    settings: SensorNetwork, slots: SensorSlots, weather: Weather, health: Health, seeds: Seeds, days: np.ndarray
) -> dict[str, np.ndarray]:
    """Return the readings of ``days``, those of ``weather`` and ``health``, in (day, x, y, sensor_id) order.

    Columns: day, cell, temperature (degrees Fahrenheit, int16), sensor_id. A missing reading is no row.
    """
    streams = [seeds.stream("sensors/readings", int(day)) for day in days]
    number = len(slots.cell)
    normal = np.stack([stream.standard_normal(number, np.float32) for stream in streams])
    chance = np.stack([stream.random(number, np.float32) for stream in streams])

    status, heat = health.status, health.heat
    calm = _dry_calm(weather.rain_mm, weather.wind_kmh)[:, slots.place]
    felt_c = weather.tmax_c[:, slots.place] + _error_k(health.sensors, _index(health), days[:, None], calm)
    felt_c += np.where(status == NOISY, np.float32(settings.noisy_sd_k), np.float32(settings.noise_sd_k)) * normal
    felt_c[heat == WARM] += chance[heat == WARM]
    felt_c[heat == FLAME] += _between(settings.flame_k, chance[heat == FLAME])
    spike = 2 * chance[status == SPIKE] - 1
    felt_c[status == SPIKE] += np.sign(spike) * _between(settings.spike_k, np.abs(spike))
    temperature = np.where(status == STUCK, health.held_f, _fahrenheit(felt_c))

    day, slot = np.nonzero(status < DROPOUT)
    return {
        "day": days[day],
        "cell": slots.cell[slot],
        "temperature": temperature[day, slot],
        "sensor_id": health.sensor_id[day, slot],
    }


def faults(slots: SensorSlots, health: Health, days: np.ndarray) -> dict[str, np.ndarray | pa.Array]:
    """Return what was wrong on ``days``, in (day, x, y, sensor_id) order: day, cell, sensor_id, fault (its word)."""
    day, slot = np.nonzero(health.status)
    return {
        "day": days[day],
        "cell": slots.cell[slot],
        "sensor_id": health.sensor_id[day, slot],
        "fault": pa.array(FAULTS).take(pa.array(health.status[day, slot])),
    }


def installed(health: Health, days: np.ndarray) -> dict[str, np.ndarray]:
    """Return the sensors that stand from one of ``days`` on, with their errors, in (day, x, y, sensor_id) order."""
    new = health.sensors.take(np.isin(health.sensors.since, days))
    return {
        "day": new.since,
        "cell": new.cell,
        "sensor_id": new.sensor_id,
        "bias_k": new.bias_k,
        "drift_k_per_year": new.drift_k_per_year,
        "badly_sited": (new.siting_k > 0).astype(np.int8),
    }


@dataclass(frozen=True)
class _Hazards:
    """Chances of a day. ``begins``: of SPIKE, STUCK, NOISY, DROPOUT, summed up. ``ends``: by mode and days of it.

    ``battery``: by the battery's age in days.
    """

    begins: np.ndarray
    ends: np.ndarray
    longest: int
    battery: np.ndarray
    outage_begins: float
    outage_ends: float


def _joined(parts: list[Sensors]) -> Sensors:
    """Return the sensors of all parts in one."""
    return Sensors(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Sensors)))


def _own_dropout(settings: SensorNetwork) -> float:
    """Return the share of days on which a sensor drops out by itself, so that with the outages it is the whole."""
    return (settings.dropout_share - settings.outage_share) / (1.0 - settings.outage_share)


def _hazards(settings: SensorNetwork, oldest: int) -> _Hazards:
    """Return the chances that make the shares of days come true, for batteries up to ``oldest`` days old."""
    least, longest = settings.stuck_days
    shares = np.array([settings.spike_share, settings.stuck_share, settings.noisy_share, _own_dropout(settings)])
    means = np.array([1.0, (least + longest) / 2, settings.noisy_days, settings.dropout_days])

    ends = np.zeros((len(FAULTS), longest + 1))
    ends[[SPIKE, NOISY, DROPOUT]] = 1 / means[[0, 2, 3], None]
    spell = np.arange(least, longest + 1)
    ends[STUCK, least:] = 1.0 / (longest + 1 - spell)  # every length from the least to the longest alike

    life = (np.arange(oldest + 2) / (settings.battery_years * _DAYS_PER_YEAR)) ** settings.battery_shape
    return _Hazards(
        begins=np.cumsum(shares / means) / (1.0 - shares.sum()),
        ends=ends,
        longest=longest,
        battery=1.0 - np.exp(-np.diff(life)),
        outage_begins=settings.outage_share / (1.0 - settings.outage_share) / settings.outage_days,
        outage_ends=1.0 / settings.outage_days,
    )


def _new(
    settings: SensorNetwork, draw: np.random.Generator, first_id: int, cell: np.ndarray, day: int, age: np.ndarray
) -> Sensors:
    """Return new sensors, one in each of ``cell``, whose batteries are ``age`` days old on ``day``."""
    number = len(cell)
    bias, drift = draw.standard_normal((2, number))
    badly_sited, amount = draw.random((2, number))
    return Sensors(
        sensor_id=np.arange(first_id, first_id + number, dtype=np.int32),
        cell=cell,
        since=np.full(number, day, np.int32),
        born=(day - age).astype(np.int32),
        bias_k=(settings.bias_mean_k + settings.bias_sd_k * bias).astype(np.float32),
        drift_k_per_year=(settings.drift_sd_k_per_year * drift).astype(np.float32),
        siting_k=np.where(
            badly_sited < settings.badly_sited_share, _between(settings.badly_sited_k, amount), 0.0
        ).astype(np.float32),
    )


def _heat(
    settings: SensorNetwork, slots: SensorSlots, island: Island, burned_cells: BurnedCells, day: int, fate: np.ndarray
) -> np.ndarray:
    """Return what the front does to each slot on ``day``: flames for a share of those in its cells, warmth beside."""
    heat = np.zeros(len(slots.cell), np.uint8)
    low, high = np.searchsorted(burned_cells.day, [day, day + 1])
    if low == high:
        return heat
    burning = np.searchsorted(island.land, burned_cells.cell[low:high])
    on_land = np.zeros(len(island.land) + 1, np.uint8)  # the last one takes the neighbours in the sea
    on_land[island.neighbours[burning]] = WARM
    on_land[burning] = FLAME
    heat[:] = on_land[slots.place]
    heat[(heat == FLAME) & (fate >= settings.flame_share)] = WARM
    return heat


def _renewed(
    settings: SensorNetwork,
    slots: SensorSlots,
    state: SensorState,
    seeds: Seeds,
    day: int,
    fate: np.ndarray,
    heat: np.ndarray,
) -> tuple[SensorState, Sensors | None]:
    """Return the state after the dead sensors that are replaced on ``day`` have been, and the new ones."""
    dead = np.flatnonzero(state.mode >= DEAD)
    burned = state.mode[dead] == SCORCHED
    chance = 1.0 / np.where(burned, settings.destroyed_replaced_days, settings.battery_replaced_days)
    chosen = dead[(fate[dead] < chance) & (heat[dead] == COOL)]
    if len(chosen) == 0:
        return state, None
    draw = seeds.stream("sensors/new", day)
    new = _new(settings, draw, state.next_id, slots.cell[chosen], day, np.zeros(len(chosen), np.int64))
    index = np.arange(len(slots.cell))
    index[chosen] = len(index) + np.arange(len(chosen))
    number, mode, spell = state.sensors.sensor_id.copy(), state.mode.copy(), state.spell.copy()
    number[chosen], mode[chosen], spell[chosen] = new.sensor_id, OK, 1
    order = np.lexsort((number, slots.cell))  # a cell's slots are in the order of their sensors' numbers
    renewed = SensorState(
        next_id=state.next_id + len(chosen),
        sensors=_joined([state.sensors, new]).take(index[order]),
        mode=mode[order],
        spell=spell[order],
        held_f=state.held_f[order],
        outage=state.outage,
    )
    return renewed, new


def _modes(
    settings: SensorNetwork, hazards: _Hazards, state: SensorState, day: int, trouble: np.ndarray, heat: np.ndarray
) -> np.ndarray:
    """Return each sensor's mode on ``day``, given its mode the day before, but for what flames do."""
    mode = state.mode.copy()
    ill = np.flatnonzero(state.mode)
    mode[ill[trouble[ill] < hazards.ends[state.mode[ill], state.spell[ill]]]] = OK
    drops_out = hazards.begins[-1] + np.where(heat == COOL, 0.0, settings.fire_dropout_share)
    begins = np.flatnonzero((state.mode == OK) & (trouble < drops_out))
    kind = np.searchsorted(hazards.begins, trouble[begins], side="right")
    mode[begins] = SPIKE + np.minimum(kind, DROPOUT - SPIKE)
    mode[(trouble >= 1.0 - hazards.battery[day - state.sensors.born]) & (mode < DEAD)] = DEAD
    return mode


def _held(slots: SensorSlots, weather: Weather, state: SensorState, mode: np.ndarray, day: int, i: int) -> np.ndarray:
    """Return ``held_f`` on ``day``, the ``i``-th of ``weather``: a sensor sticks at its first reading of the spell."""
    stuck = np.flatnonzero((mode == STUCK) & (state.mode != STUCK))
    if len(stuck) == 0:
        return state.held_f
    place = slots.place[stuck]
    calm = _dry_calm(weather.rain_mm[i, place], weather.wind_kmh[i, place])
    held_f = state.held_f.copy()
    held_f[stuck] = _fahrenheit(weather.tmax_c[i, place] + _error_k(state.sensors, stuck, day, calm))
    return held_f


def _index(health: Health) -> np.ndarray:
    """Return which of ``health.sensors`` stands in each slot."""
    numbers = health.sensors.sensor_id
    where = np.zeros(numbers.max() + 1, np.int32)
    where[numbers] = np.arange(len(numbers))
    index: np.ndarray = where[health.sensor_id]
    return index


def _error_k(sensors: Sensors, index: np.ndarray, day: np.ndarray | int, calm: np.ndarray) -> np.ndarray:
    """Return the constant, drifting and siting error of the sensors at ``index`` on ``day``, K, as float32."""
    years = ((day - sensors.since[index]) / _DAYS_PER_YEAR).astype(np.float32)
    error: np.ndarray = sensors.bias_k[index] + sensors.drift_k_per_year[index] * years + sensors.siting_k[index] * calm
    return error


def _dry_calm(rain_mm: np.ndarray, wind_kmh: np.ndarray) -> np.ndarray:
    """Return how much a bad place shows: 0 in rain or wind, 1 on a dry calm day."""
    calm = np.clip((_WINDY_KMH - wind_kmh) / (_WINDY_KMH - _CALM_KMH), 0.0, 1.0)
    shown: np.ndarray = np.where(rain_mm > 0, 0.0, calm).astype(np.float32)
    return shown


def _between(bounds: tuple[float, float], share: np.ndarray) -> np.ndarray:
    """Return the values that lie at ``share``, 0 to 1, of the way from the first bound to the second."""
    low, high = bounds
    value: np.ndarray = low + (high - low) * share
    return value


def _fahrenheit(celsius: np.ndarray) -> np.ndarray:
    """Return whole degrees Fahrenheit, int16."""
    whole: np.ndarray = np.rint(celsius * 1.8 + 32.0).astype(np.int16)
    return whole
