"""Checks 16 and 17, and 15 as far as it is about sensors: readings held against the true weather."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy import ndimage

from zakar.checks import statistics
from zakar.checks.check import DAYS, FIRES, WEATHER, Check
from zakar.checks.island.history import History
from zakar.dataset import store
from zakar.dataset.schema import BURNED_CELLS, READINGS, SENSOR_FAULTS
from zakar.dataset.store import Dataset
from zakar.models.island.terrain import Island

_SILENT = ("dropout", "dead", "scorched")
_NEAR_FIRE_DAYS = 2  # a front's day and the day after it


@dataclass(frozen=True)
class SensorDays:
    """Sensors on days, an element each: index of the day, place of the cell, number of the sensor, int64."""

    day: np.ndarray
    place: np.ndarray
    sensor: np.ndarray

    def where(self, chosen: np.ndarray) -> "SensorDays":
        """Return those that a mask chooses."""
        return SensorDays(self.day[chosen], self.place[chosen], self.sensor[chosen])

    def keys(self, days: int) -> np.ndarray:
        """Return a number for each; that of the sensor's next day is greater by 1. ``days``: of the whole history."""
        return np.asarray(self.sensor * (days + 1) + self.day)


@dataclass(frozen=True)
class Readings:
    """All readings: whose, and degrees Fahrenheit, int16."""

    at: SensorDays
    temperature_f: np.ndarray


def read(dataset: Dataset, history: History) -> Readings:
    """Read a dataset's readings."""
    rows = store.columns(dataset, READINGS, ["day", "geospatial_x", "geospatial_y", "sensor_id", "temperature"])
    return Readings(_sensor_days(rows, history), rows["temperature"].to_numpy())


def checks(dataset: Dataset, history: History, readings: Readings) -> list[Check]:
    """Return checks 16 and 17 and a part of 15."""
    faults = store.columns(dataset, SENSOR_FAULTS, ["day", "geospatial_x", "geospatial_y", "sensor_id", "fault"])
    faulty = _sensor_days(faults, history)
    silent = pc.is_in(faults["fault"], pa.array(_SILENT)).to_numpy(zero_copy_only=False)
    front = store.columns(dataset, BURNED_CELLS, ["day", "geospatial_x", "geospatial_y"])
    burned = _places(front, history)
    near = near_fires(front["day"].to_numpy() - history.first_day, burned, history)
    return [
        *missing(faulty.where(silent), readings.at, near),
        *errors(history, readings, faulty),
    ]


def missing(silent: SensorDays, heard: SensorDays, near: np.ndarray) -> list[Check]:
    """Return check 16. ``near``: (days, n) bool, where a front is or was the day before, in the cell or beside it."""
    days = len(near)
    share = len(silent.day) / max(len(silent.day) + len(heard.day), 1)
    keys = np.sort(silent.keys(days))
    last = silent.day < days - 1  # on the last day nobody knows the next
    again = np.isin(silent.keys(days)[last] + 1, keys)
    burst = float(again.mean()) / share if len(again) and share > 0 else np.nan
    quiet_near, heard_near = (int(near[at.day, at.place].sum()) for at in (silent, heard))
    at_fire = quiet_near / (quiet_near + heard_near) if quiet_near + heard_near else np.nan
    return [
        Check(
            "16/missing",
            "share of readings that are missing",
            share,
            0.03,
            0.08,
            "the scenario's sensors",
            (*FIRES, "sensors"),
        ),
        Check(
            "16/bursts",
            "chance that a reading is missing if it was the day before, over that of any day",
            burst,
            3,
            np.inf,
            "missing independently: 1",
            (*FIRES, "sensors"),
        ),
        Check(
            "16/near-fires",
            "share missing in and beside a front's cells, that day and the next, over that of all",
            at_fire / share if share > 0 else np.nan,
            1.2,
            np.inf,
            "fires destroy sensors and links (Doolin and Sitar 2005)",
            (*FIRES, *DAYS, "sensors"),
        ),
    ]


def errors(history: History, readings: Readings, faulty: SensorDays) -> list[Check]:
    """Return check 17 and a part of 15, from sensors on days without a labelled fault."""
    days, at = len(history.dates), readings.at
    sound = ~np.isin(at.keys(days), faulty.keys(days))
    at = at.where(sound)
    error = (readings.temperature_f[sound] - 32) / 1.8 - history.tmax_c[at.day, at.place]
    count, total = np.bincount(at.sensor), np.bincount(at.sensor, error)
    enough = count >= 30  # days, for a mean that says something of the sensor
    mean = total[enough] / count[enough]
    place = np.zeros(len(count), np.int64)
    place[at.sensor] = at.place
    return [
        Check(
            "17/sensor-bias",
            "mean over sensors of their mean error, days with a fault left out, K",
            float(mean.mean()) if len(mean) else np.nan,
            0.2,
            0.8,
            "Coney 2022: stations of amateurs are too warm in the field",
            (*WEATHER, "sensors"),
        ),
        Check(
            "15/sensor-error",
            "Moran's I of the sensors' mean error, cells' means, days with a fault left out",
            error_moran(mean, place[enough], history.island),
            -0.1,
            0.1,
            "errors belong to sensors, not to places",
            ("grid", "terrain", "sensors"),
        ),
    ]


def error_moran(error: np.ndarray, place: np.ndarray, island: Island) -> float:
    """Return Moran's I of the cells' mean error, over the cells that have a sensor."""
    places = np.unique(place)
    if len(places) < 10:
        return np.nan
    count = np.bincount(place)
    mean = np.bincount(place, error)[places] / count[places]
    return float(statistics.morans_i(mean, statistics.among(island.neighbours, places)))


def near_fires(day: np.ndarray, place: np.ndarray, history: History) -> np.ndarray:
    """Return where and when, (days, n) bool, a front is or was the day before, in the cell or beside it.

    ``day``: index; ``place``: of each cell that a front reached.
    """
    near = np.zeros((len(history.dates) + _NEAR_FIRE_DAYS, len(history.island.land) + 1), bool)
    for later in range(_NEAR_FIRE_DAYS):
        near[day + later, place] = True
        near[(day + later)[:, None], history.island.neighbours[place]] = True  # -1, none, is the last column
    return near[: len(history.dates), :-1]


def warmth(history: History, readings: Readings) -> np.ndarray:
    """Return what sensors say of each cell on each day, degrees Fahrenheit, (days, n) float32.

    The mean of the cell's own sensors; where there is none, of those within one cell, then within three, and else of
    the whole island, the last day's that is known.
    """
    island, days = history.island, len(history.dates)
    shape = (days, island.width * island.height)
    at = readings.at.day * shape[1] + island.land[readings.at.place]
    count = np.bincount(at, minlength=shape[0] * shape[1]).astype(np.float32)
    total = np.bincount(at, readings.temperature_f, minlength=len(count)).astype(np.float32)
    daily = total.reshape(shape).sum(axis=1), count.reshape(shape).sum(axis=1)
    known = np.maximum.accumulate(np.where(daily[1] > 0, np.arange(days), 0))
    means = np.divide(*daily, out=np.zeros(days, np.float32), where=daily[1] > 0)[known]
    warmth_of_cells = np.repeat(means[:, None], len(island.land), axis=1)
    for width in (7, 3, 1):  # the nearest last, so that it stands
        sums, numbers = (_around(values.reshape(-1, island.width, island.height), width) for values in (total, count))
        sums, numbers = sums.reshape(shape)[:, island.land], numbers.reshape(shape)[:, island.land]
        np.divide(sums, numbers, out=warmth_of_cells, where=numbers > 0.5)
    return warmth_of_cells


def _around(maps: np.ndarray, width: int) -> np.ndarray:
    """Return the sum over the square of ``width`` cells around each; maps of shape (days, width, height)."""
    if width == 1:
        return maps
    return np.asarray(ndimage.uniform_filter(maps, (1, width, width), mode="constant") * width**2)


def _sensor_days(rows: pa.Table, history: History) -> SensorDays:
    day = rows["day"].to_numpy().astype(np.int64) - history.first_day
    return SensorDays(day, _places(rows, history), rows["sensor_id"].to_numpy().astype(np.int64))


def _places(rows: pa.Table, history: History) -> np.ndarray:
    """Return the place of each row's cell."""
    cell = rows["geospatial_x"].to_numpy().astype(np.int64) * history.island.height + rows["geospatial_y"].to_numpy()
    return np.asarray(np.searchsorted(history.island.land, cell))
