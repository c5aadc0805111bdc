"""What a dataset shows, counted: the arrays behind a report's pictures, read by the column."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from zakar.dataset import store
from zakar.dataset.schema import (
    ALERTS,
    BURNED_CELLS,
    ISLAND_MAP,
    READINGS,
    SENSOR_FAULTS,
    TRUE_FIRES,
    TRUE_WEATHER,
    TWEET_TOPICS,
    TWEETS,
    Table,
)
from zakar.dataset.store import Dataset
from zakar.errors import MismatchError
from zakar.models.calendar import Times
from zakar.models.shared.settings import Grid

REACH = 1  # cells around a fire's in which posts count as near it
BEFORE, AFTER = 30, 21  # days around a fire
QUIET = 10  # days before a fire from which on, backwards, posts are as always


@dataclass(frozen=True)
class Map:
    """The island's map, each of shape (width, height): x grows eastward, y northward.

    ``fuel`` is an index into ``fuels``; ``road`` tells whether a road passes.
    """

    elevation_m: np.ndarray
    land: np.ndarray
    fuel: np.ndarray
    fuels: tuple[str, ...]
    residents: np.ndarray
    road: np.ndarray


def island_map(dataset: Dataset, grid: Grid) -> Map | None:
    """Read the public map, if the dataset has one."""
    names = ("geospatial_x", "geospatial_y", "elevation_m", "land", "fuel", "residents", "road")
    parts = list(store.column_parts(dataset, ISLAND_MAP, names))
    if not parts:
        return None
    rows = pa.concat_tables(parts)
    cell = _cells(rows, grid)

    def spread(values: np.ndarray) -> np.ndarray:
        whole = np.zeros(grid.cells, values.dtype)
        whole[cell] = values
        return whole.reshape(grid.width, grid.height)

    fuel, fuels = coded(rows["fuel"])
    return Map(
        elevation_m=spread(rows["elevation_m"].to_numpy()),
        land=spread(rows["land"].to_numpy() > 0),
        fuel=spread(fuel),
        fuels=fuels,
        residents=spread(rows["residents"].to_numpy()),
        road=spread(rows["road"].to_numpy() > 0),
    )


@dataclass(frozen=True)
class Alerts:
    """The official alerts of the dataset's days, one element each: ``day`` of the event, ``lag`` in days, ``cell``."""

    day: np.ndarray
    lag: np.ndarray
    cell: np.ndarray


def alerts(dataset: Dataset, when: Times, grid: Grid) -> Alerts:
    """Read the alerts, none where they are withheld."""
    parts = store.column_parts(dataset, ALERTS, ALERTS.schema.names)
    rows = pa.concat_tables([ALERTS.schema.empty_table(), *parts])
    day = rows["event_day"].to_numpy()
    inside = (day >= when.first_day) & (day <= when.last_day)
    lag = rows["notification_day"].to_numpy() - day
    return Alerts(day[inside], lag[inside], _cells(rows, grid)[inside])


@dataclass(frozen=True)
class Readings:
    """All readings, one element each, and what they come to.

    ``index``: of its day, from 0; ``sensor``: index into ``ids`` and ``cells``, ascending by id; ``value_f``: degrees
    Fahrenheit. ``mean_f``, ``low_f``, ``high_f``: mean, 5th and 95th percentile of each day's, (days,), NaN where there
    is none. ``seen``: (sensors, days) whether a sensor has a reading.
    """

    index: np.ndarray
    sensor: np.ndarray
    value_f: np.ndarray
    ids: np.ndarray
    cells: np.ndarray
    mean_f: np.ndarray
    low_f: np.ndarray
    high_f: np.ndarray
    seen: np.ndarray

    @property
    def standing(self) -> np.ndarray:
        """Whether a sensor stands there, from its first reading to its last; (sensors, days)."""
        day = np.arange(self.seen.shape[1])
        first = self.seen.argmax(axis=1)
        last = self.seen.shape[1] - 1 - self.seen[:, ::-1].argmax(axis=1)
        stands: np.ndarray = (day >= first[:, None]) & (day <= last[:, None])
        return stands

    def of(self, identifier: int) -> np.ndarray:
        """Return a sensor's readings by day, degrees Fahrenheit, (days,), NaN where there is none."""
        series = np.full(self.seen.shape[1], np.nan)
        place = int(np.searchsorted(self.ids, identifier))
        if place < len(self.ids) and self.ids[place] == identifier:
            mine = self.sensor == place
            series[self.index[mine]] = self.value_f[mine]
        return series


def readings(dataset: Dataset, when: Times, grid: Grid) -> Readings:
    """Read the temperature readings. Where sensors have no ids, each cell is one."""
    named = "sensor_id" in dataset.manifest.tables[READINGS.name].columns
    table = READINGS.full() if named else READINGS
    parts = list(store.column_parts(dataset, table, table.schema.names))
    day = np.concatenate([part["day"].to_numpy() for part in parts])
    cell = np.concatenate([_cells(part, grid) for part in parts])
    value = np.concatenate([part["temperature"].to_numpy() for part in parts])
    identifier = np.concatenate([part["sensor_id"].to_numpy() for part in parts]) if named else cell
    inside = (day >= when.first_day) & (day <= when.last_day)
    day, cell, value, identifier = day[inside], cell[inside], value[inside], identifier[inside]

    index = day - when.first_day
    ids, first, sensor = np.unique(identifier, return_index=True, return_inverse=True)
    has_reading = np.zeros((len(ids), when.days), bool)
    has_reading[sensor, index] = True
    mean, low, high = _by_day(index, value, when.days)
    return Readings(index, sensor.astype(np.int32), value, ids, cell[first], mean, low, high, has_reading)


def _by_day(index: np.ndarray, value: np.ndarray, days: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return mean, 5th and 95th percentile of each day's values, NaN where it has none."""
    count = np.bincount(index, minlength=days)
    if not len(value):
        return (np.full(days, np.nan),) * 3
    least, most = np.percentile(value, [0.001, 99.999]).astype(int)  # a broken sensor may say anything
    bins = most - least + 1
    bounded = np.clip(value, least, most).astype(np.int64) - least
    so_far = np.bincount(index * bins + bounded, minlength=days * bins).reshape(days, bins).cumsum(axis=1)
    with np.errstate(invalid="ignore"):
        mean = np.bincount(index, value, minlength=days) / count
    low, high = ((so_far < share * count[:, None]).sum(axis=1) + float(least) for share in (0.05, 0.95))
    return mean, np.where(count > 0, low, np.nan), np.where(count > 0, high, np.nan)


def missing_near(readings: Readings, official: Alerts, when: Times, grid: Grid) -> np.ndarray:
    """Return the share of readings that are missing within REACH cells of alerts, by the day from the fire on.

    Days -BEFORE to AFTER; NaN where no reading is expected.
    """
    standing = readings.standing
    missing = standing & ~readings.seen
    x, y = readings.cells // grid.height, readings.cells % grid.height
    lost, expected = np.zeros(BEFORE + AFTER + 1), np.zeros(BEFORE + AFTER + 1)
    for day, cell in zip((official.day - when.first_day).tolist(), official.cell.tolist(), strict=True):
        near = (abs(x - cell // grid.height) <= REACH) & (abs(y - cell % grid.height) <= REACH)
        first, last = max(day - BEFORE, 0), min(day + AFTER + 1, when.days)
        place = slice(first - day + BEFORE, last - day + BEFORE)
        lost[place] += missing[near, first:last].sum(axis=0)
        expected[place] += standing[near, first:last].sum(axis=0)
    return lost / np.where(expected > 0, expected, np.nan)


def gaps(readings: Readings) -> np.ndarray:
    """Return the length in days of each run of days without a reading between a sensor's first and last."""
    missing = readings.standing & ~readings.seen
    edges = np.diff(np.pad(missing, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    return np.asarray(np.nonzero(edges < 0)[1] - np.nonzero(edges > 0)[1])


@dataclass(frozen=True)
class Posts:
    """``by_cell``: posts of each day in each cell, (days, width, height). ``by_hour``: of each hour, (24,), or None."""

    by_cell: np.ndarray
    by_hour: np.ndarray | None


def posts(dataset: Dataset, when: Times, grid: Grid) -> Posts:
    """Count the posts."""
    timed = "minute" in dataset.manifest.tables[TWEETS.name].columns
    names = ["day", "geospatial_x", "geospatial_y", *(["minute"] if timed else [])]
    cells = grid.cells
    by_cell = np.zeros((when.days, cells), np.uint16)
    by_hour = np.zeros(24, np.int64)
    for part in store.column_parts(dataset, TWEETS.full(), names):
        index = part["day"].to_numpy() - when.first_day
        inside = (index >= 0) & (index < when.days)
        index, cell = index[inside], _cells(part, grid)[inside]
        if len(index):
            first, last = int(index.min()), int(index.max()) + 1
            number = np.bincount((index - first) * cells + cell, minlength=(last - first) * cells)
            by_cell[first:last] += number.reshape(-1, cells).astype(np.uint16)
        if timed:
            by_hour += np.bincount(np.clip(part["minute"].to_numpy() // 60, 0, 23), minlength=24)
    return Posts(by_cell.reshape(when.days, grid.width, grid.height), by_hour if timed else None)


@dataclass(frozen=True)
class Bursts:
    """Posts near alerts by the day from the fire on, -BEFORE to AFTER.

    ``near``: (alerts, days) posts within REACH cells, -1 on days outside the dataset. ``relative``: (days,) their sum
    over all alerts, as a multiple of that long before the fires.
    """

    near: np.ndarray
    relative: np.ndarray

    @property
    def usual(self) -> np.ndarray:
        """Posts a day near each alert long before the fire, (alerts,)."""
        quiet = self.near[:, : BEFORE - QUIET]
        return np.asarray(np.maximum(quiet, 0).sum(axis=1) / np.maximum((quiet >= 0).sum(axis=1), 1))

    @property
    def greatest(self) -> int:
        """The alert with the most posts above the usual number in the fire's first four days."""
        first = np.maximum(self.near[:, BEFORE : BEFORE + 4], 0).sum(axis=1)
        return int(np.argmax(first - 4 * self.usual))


def bursts(written: Posts, official: Alerts, when: Times) -> Bursts:
    """Count the posts near each alert, on the days around it."""
    _, width, height = written.by_cell.shape
    lags = np.arange(-BEFORE, AFTER + 1)
    index = official.day[:, None] - when.first_day + lags
    inside = (index >= 0) & (index < when.days)
    index = np.where(inside, index, 0)
    near = np.zeros(index.shape, np.int64)
    for dx in range(-REACH, REACH + 1):
        for dy in range(-REACH, REACH + 1):
            x, y = official.cell // height + dx, official.cell % height + dy
            on_grid = (x >= 0) & (x < width) & (y >= 0) & (y < height)
            x, y = np.where(on_grid, x, 0), np.where(on_grid, y, 0)
            near += np.where(on_grid[:, None], written.by_cell[index, x[:, None], y[:, None]], 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(inside, near, 0).sum(axis=0) / inside.sum(axis=0)
        relative = mean / mean[: BEFORE - QUIET].mean()
    return Bursts(np.where(inside, near, -1), relative)


@dataclass(frozen=True)
class Post:
    """A post as it is shown: how many days after the fire, time of day, author and text; empty where not known."""

    lag: int
    time: str
    author: str
    text: str


def posts_near(dataset: Dataset, grid: Grid, day: int, cell: int, most: int) -> list[Post]:
    """Return up to ``most`` posts near a cell, spread evenly over those of ``day`` and the day after."""
    table = TWEETS.having(dataset.manifest.tables[TWEETS.name].columns)
    rows = store.columns(dataset, table, table.schema.names, (day, day + 1))
    (x, y), (to_x, to_y) = np.divmod(_cells(rows, grid), grid.height), divmod(cell, grid.height)
    near = np.maximum(abs(x - to_x), abs(y - to_y)) <= REACH
    rows_near = rows.filter(pa.array(near)).to_pylist()
    rows_near.sort(key=lambda row: (row["day"], row.get("minute", 0)))
    chosen = [rows_near[n * len(rows_near) // min(most, len(rows_near))] for n in range(min(most, len(rows_near)))]
    return [_post(row, day) for row in chosen]


def _post(row: dict[str, object], day: int) -> Post:
    minute = row.get("minute")
    time = f"{minute // 60:02d}:{minute % 60:02d}" if isinstance(minute, int) else ""
    return Post(int(str(row["day"])) - day, time, str(row.get("author", "")), str(row["tweet"]))


@dataclass(frozen=True)
class Fires:
    """The true fires, one element each, and the cells that burned.

    ``number`` ascends; ``day``, ``cell`` of ignition; ``human``, ``escaped``: bool; ``area_ha``. ``burned_cell``: each
    cell that a front reached, as often as one did.
    """

    number: np.ndarray
    day: np.ndarray
    cell: np.ndarray
    human: np.ndarray
    escaped: np.ndarray
    area_ha: np.ndarray
    burned_cell: np.ndarray


def fires(dataset: Dataset, grid: Grid) -> Fires:
    """Read the true fires."""
    rows = _all(
        dataset, TRUE_FIRES, ("event_day", "geospatial_x", "geospatial_y", "fire", "cause", "escaped", "area_ha")
    )
    burned = _all(dataset, BURNED_CELLS, ("geospatial_x", "geospatial_y"))
    cause, causes = coded(rows["cause"])
    return Fires(
        number=rows["fire"].to_numpy(),
        day=rows["event_day"].to_numpy(),
        cell=_cells(rows, grid),
        human=np.asarray([name == "human" for name in causes], bool)[cause],
        escaped=rows["escaped"].to_numpy() > 0,
        area_ha=rows["area_ha"].to_numpy(),
        burned_cell=_cells(burned, grid),
    )


@dataclass(frozen=True)
class Topics:
    """What posts are about: ``names``, and ``count`` of each.

    ``by_lag``: posts of each topic about escaped fires, by the day from the fire on, -BEFORE to AFTER, (topics, days).
    """

    names: tuple[str, ...]
    count: np.ndarray
    by_lag: np.ndarray


def topics(dataset: Dataset, true: Fires) -> Topics:
    """Count the posts by topic."""
    day_of = dict(zip(true.number[true.escaped].tolist(), true.day[true.escaped].tolist(), strict=True))
    count: dict[str, int] = {}
    by_lag: dict[str, np.ndarray] = {}
    numbers, days = np.asarray(sorted(day_of)), np.asarray([day_of[number] for number in sorted(day_of)])
    for part in store.column_parts(dataset, TWEET_TOPICS, ("day", "topic", "fire")):
        code, names = coded(part["topic"])
        fire, day = part["fire"].to_numpy(), part["day"].to_numpy()
        place = np.searchsorted(numbers, fire)
        about = np.isin(fire, numbers)
        lag = day[about] - days[place[about]] + BEFORE if len(days) else day[about]
        inside = (lag >= 0) & (lag <= BEFORE + AFTER)
        for n, name in enumerate(names):
            count[name] = count.get(name, 0) + int(np.count_nonzero(code == n))
            mine = np.bincount(lag[inside & (code[about] == n)], minlength=BEFORE + AFTER + 1)
            by_lag[name] = by_lag.get(name, 0) + mine
    ordered = sorted(count, key=lambda name: (-count[name], name))
    width = BEFORE + AFTER + 1
    return Topics(
        tuple(ordered),
        np.asarray([count[name] for name in ordered], np.int64),
        np.asarray([by_lag[name] for name in ordered], np.int64).reshape(len(ordered), width),
    )


@dataclass(frozen=True)
class Faults:
    """What was wrong with sensors, an element a day: ``sensor`` is an id, ``kind`` an index into ``kinds``."""

    day: np.ndarray
    sensor: np.ndarray
    cell: np.ndarray
    kind: np.ndarray
    kinds: tuple[str, ...]


def faults(dataset: Dataset, grid: Grid) -> Faults:
    """Read the true faults."""
    rows = _all(dataset, SENSOR_FAULTS, ("day", "geospatial_x", "geospatial_y", "sensor_id", "fault"))
    kind, kinds = coded(rows["fault"])
    return Faults(rows["day"].to_numpy(), rows["sensor_id"].to_numpy(), _cells(rows, grid), kind, kinds)


@dataclass(frozen=True)
class Episode:
    """A fault that went on from ``first`` to ``last`` day."""

    kind: int
    sensor: int
    cell: int
    first: int
    last: int


def episodes(wrong: Faults) -> list[Episode]:
    """Join days in a row on which the same was wrong with the same sensor."""
    if not len(wrong.day):
        return []
    order = np.lexsort((wrong.day, wrong.kind, wrong.sensor))
    day, kind, sensor, cell = (values[order] for values in (wrong.day, wrong.kind, wrong.sensor, wrong.cell))
    new = (np.diff(sensor) != 0) | (np.diff(kind) != 0) | (np.diff(day) != 1)
    first = np.flatnonzero(np.concatenate([[True], new]))
    last = np.append(first[1:], len(day)) - 1
    spells = zip(kind[first], sensor[first], cell[first], day[first], day[last], strict=True)
    return [Episode(*map(int, values)) for values in spells]


@dataclass(frozen=True)
class Weather:
    """The true weather, mean of the land cells: ``rain_mm`` and ``fwi`` by day, (days,); ``tmax_f`` of chosen cells."""

    rain_mm: np.ndarray
    fwi: np.ndarray
    tmax_f: dict[int, np.ndarray]


def weather(dataset: Dataset, when: Times, grid: Grid, cells: Sequence[int]) -> Weather:
    """Read the true weather; keep the highest temperature, degrees Fahrenheit, of ``cells`` alone."""
    number = np.zeros(when.days)
    total = {"rain_mm": np.zeros(when.days), "fwi": np.zeros(when.days)}
    kept = {cell: np.full(when.days, np.nan) for cell in cells}
    names = ("day", "geospatial_x", "geospatial_y", "tmax_c", *total)
    for part in store.column_parts(dataset, TRUE_WEATHER, names):
        index, cell = part["day"].to_numpy() - when.first_day, _cells(part, grid)
        number += np.bincount(index, minlength=when.days)
        for name in total:
            total[name] += np.bincount(index, part[name].to_numpy(), minlength=when.days)
        for chosen, series in kept.items():
            mine = cell == chosen
            series[index[mine]] = part["tmax_c"].to_numpy()[mine] * 1.8 + 32
    number = np.where(number > 0, number, np.nan)
    return Weather(total["rain_mm"] / number, total["fwi"] / number, kept)


def coded(column: pa.ChunkedArray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return a column of words as indices into the words, which are sorted."""
    whole = column.unify_dictionaries().combine_chunks()
    if isinstance(whole, pa.ChunkedArray):  # of no chunk at all
        return np.empty(0, np.int64), ()
    words = whole.dictionary.to_pylist()
    order = np.argsort(np.asarray(words, object), kind="stable")
    rank = np.empty(len(words), np.int64)
    rank[order] = np.arange(len(words))
    return rank[whole.indices.to_numpy()], tuple(words[n] for n in order)


def _all(dataset: Dataset, table: Table, columns: Sequence[str]) -> pa.Table:
    """Return some columns of a table of the truth, words as dictionaries; no rows where it is not here."""
    empty = table.schema.empty_table().select(columns)
    parts: Iterator[pa.Table] = store.column_parts(dataset, table, columns)
    words = [n for n, field in enumerate(empty.schema) if pa.types.is_string(field.type)]
    for n in words:
        empty = empty.set_column(n, empty.schema.names[n], empty.column(n).dictionary_encode())
    return pa.concat_tables([*parts, empty], promote_options="permissive")


def _cells(rows: pa.Table | pa.RecordBatch, grid: Grid) -> np.ndarray:
    """Return the rows' cell numbers, x * height + y. Raises MismatchError if one lies outside the grid."""
    x, y = rows["geospatial_x"].to_numpy().astype(np.int64), rows["geospatial_y"].to_numpy()
    if len(x) and not (0 <= x.min() <= x.max() < grid.width and 0 <= y.min() <= y.max() < grid.height):
        raise MismatchError(
            f"a row lies outside the grid of {grid.width} x {grid.height} cells; `zakar check` says which table "
            "is not as it was made"
        )
    return np.asarray(x * grid.height + y)
