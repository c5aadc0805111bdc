"""The island with a geography: its world a run at a time, its observations block by block."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa

from zakar.dataset.schema import (
    ALERT_CAUSES,
    ALERTS,
    BURNED_CELLS,
    ISLAND_MAP,
    ISLAND_PLACES,
    ISLAND_TRUTH,
    READINGS,
    SENSOR_FAULTS,
    SENSORS,
    TRUE_FIRES,
    TRUE_WEATHER,
    TWEET_TOPICS,
    TWEETS,
    Table,
)
from zakar.models.block import Block, Rows, rows
from zakar.models.calendar import Calendar
from zakar.models.island import alerts, expected, posts, sensors, terrain, text, year
from zakar.models.island.authors import Authors, draw_authors
from zakar.models.island.remarks import remarks
from zakar.models.island.sensors import Health, SensorSlots
from zakar.models.island.settings import IslandScenario
from zakar.models.island.terrain import FUELS, Island
from zakar.models.island.text import Vocabulary
from zakar.models.island.year import Truth, joined
from zakar.models.model import Model
from zakar.models.scenario_files import island_name
from zakar.seeds import Seeds

PUBLIC = tuple(table.full() for table in (TWEETS, READINGS, ALERTS))
TRUTH = ISLAND_TRUTH
LIMITS = """\
- Cells are 1 km wide and steps a day long: no hours of weather, no fire line within a cell.
- One weather for the whole island, from which places depart by height, coast and a little chance: no winds of valleys
  or of the sea, one wind direction a day, no clouds, no snow, and no trend of the climate over the years.
- Fire danger is the Canadian Fire Weather Index, calculated from the warmest hour where that system asks for noon, with
  day lengths of a whole band of latitude, and not calibrated to this vegetation.
- Fire passes from a cell to its neighbours: no embers that leap over one, and no wind of a fire's own. The rates of
  spread were published for smaller cells and shorter steps, and are scaled.
- A fire that burns over New Year stands in the list of fires with the area and the last day known on
  31 December; what it burned afterwards is in the list of burned cells alone. The same goes for where the days end.
- Crews are a chance of holding a fire, not people who can be in one place only.
- Smoke has no plume: no sensor measures it, and those who write of it are likelier downwind, within 6 km.
- People, roads and vegetation stay as they are for all years, but for burned vegetation, which grows back.
- Sensors measure nothing but the highest temperature of a day.
- Posts are in one language, that of a phrase table (English in what comes with zakar), and composed from it: no
  pictures, no conversations, no followers, and fewer ways to say a thing than people have.
- A fire starts on a day, at no hour. The minutes of posts about it follow the everyday rhythm, from midnight of its
  first day on, and tell nothing of when it started.
- A repost has the words of another post of that day or the day before: what it says of place and hour, its topic and
  its fire are that one's, its own cell is where its author is. Who copies whom is chance.
- An account's posts are drawn one by one: hardly ever two in a minute, but minutes apart it may be kilometres away.
- Words such as "what a Monday morning" follow a post's day and minute. What people are doing does not: shops sell and
  choirs sing at night, and crops ripen in every season.
- Who writes of a fire is more often away from home than who does not: an account's usual cell tells a little.
- An alert names a day and a cell. It says nothing of a fire's size, and is never corrected.
- A parameter whose note names no source has a starting value, adjusted until the figures that `zakar check` compares
  were believable. So what is measured here was partly made to be so, and a method that works on this island has yet
  to work on a real one.
"""


@dataclass(frozen=True)
class _View:
    """What the observers of a block need. ``previous_day``: the truth of the day before it, None before day 1."""

    scenario: IslandScenario
    seeds: Seeds
    land: Island
    network: SensorSlots
    authors: Authors
    truth: Truth
    health: Health
    previous_day: Truth | None


def vocabulary(scenario: IslandScenario, path: Path) -> Vocabulary:
    """Return the vocabulary that a phrase table gives. Raises ConfigError if it cannot be used."""
    return text.load(path, scenario.tweets, Seeds(scenario.seed), island_name(scenario))


def blocks(scenario: IslandScenario, seeds: Seeds, vocabulary: Vocabulary, block_days: int) -> Iterator[Block]:
    """Yield the scenario's blocks in order, the world advancing a run of days at a time."""
    land = terrain.make(scenario.terrain, scenario.grid, seeds)
    network = sensors.network(scenario.sensors, land, seeds)
    authors = draw_authors(scenario.tweets, land, seeds, vocabulary)
    state = year.start(scenario, land, seeds)
    sensor_state = sensors.start(scenario.sensors, network, seeds)
    previous_day: Truth | None = None
    for run_first, run_last in scenario.calendar.runs():
        truth, state = year.advance(scenario, land, seeds, run_first, run_last, state)
        health, sensor_state = sensors.advance(
            scenario.sensors, network, land, truth.weather, truth.burned_cells, seeds, run_first, sensor_state
        )
        for first in range(run_first, run_last + 1, block_days):
            last = min(first + block_days - 1, run_last)
            low, high = first - run_first, last - run_first + 1
            view = _View(
                scenario,
                seeds,
                land,
                network,
                authors,
                truth.cut(first, last, posts.ECHO_DAYS + 1),
                health.cut(low, high),
                previous_day,
            )
            yield Block(first, last, partial(_observe, view), held_out=first > scenario.calendar.days)
            previous_day = truth.cut(last, last, 0)


def _observe(view: _View, vocabulary: Vocabulary) -> Rows:
    scenario, seeds, land, truth, previous_day = view.scenario, view.seeds, view.land, view.truth, view.previous_day
    height, days = scenario.grid.height, truth.days
    known = truth if previous_day is None else joined(previous_day, truth)
    post_columns = posts.posts(
        scenario.tweets, scenario.calendar, land, view.authors, seeds, vocabulary, int(days[0]), known
    )
    alert_columns = alerts.slow(scenario.alerts, land, truth.fires, seeds, days)
    readings = sensors.readings(scenario.sensors, view.network, truth.weather, view.health, seeds, days)
    tables: list[tuple[Table, dict[str, np.ndarray | pa.Array]]] = [
        (PUBLIC[0], post_columns),
        (PUBLIC[1], readings),
        (PUBLIC[2], alert_columns),
        (TRUE_WEATHER, _weather(land, truth)),
        (TRUE_FIRES, _fires(truth)),
        (BURNED_CELLS, _burned(truth)),
        (SENSORS, sensors.installed(view.health, days)),
        (SENSOR_FAULTS, sensors.faults(view.network, view.health, days)),
        (TWEET_TOPICS, post_columns),
        (ALERT_CAUSES, alert_columns),
    ]
    for table, columns in tables:
        yield table, rows(table, columns, height)


def _weather(land: Island, truth: Truth) -> dict[str, np.ndarray | pa.Array]:
    weather, danger, days = truth.weather, truth.danger, truth.days
    cells = len(land.land)
    fields = {name: getattr(weather, name) for name in ("tmax_c", "tmin_c", "humidity_percent", "wind_kmh", "rain_mm")}
    codes = {name: getattr(danger, name) for name in ("ffmc", "dmc", "dc", "isi", "bui", "fwi")}
    return {
        "day": np.repeat(days, cells),
        "cell": np.tile(land.land, len(days)),
        "wind_from_degrees": np.repeat(np.round(weather.wind_from_degrees), cells),
        "blocking": np.repeat(weather.blocking, cells),
        **{name: np.round(values, 1).ravel() for name, values in (fields | codes).items()},
    }


def _fires(truth: Truth) -> dict[str, np.ndarray | pa.Array]:
    fires = truth.fires.between(int(truth.days[0]), int(truth.days[-1]))
    return {
        "event_day": fires.day,
        "cell": fires.cell,
        "fire": fires.number,
        "cause": pa.array(["lightning", "human"]).take(pa.array(fires.human.astype(np.int8))),
        "escaped": fires.escaped,
        "area_ha": fires.area_ha,
        "last_day": fires.last_day,
    }


def _burned(truth: Truth) -> dict[str, np.ndarray | pa.Array]:
    burned_cells = truth.burned_cells.between(int(truth.days[0]), int(truth.days[-1]))
    return {"day": burned_cells.day, "cell": burned_cells.cell, "fire": burned_cells.fire}


def map_rows(scenario: IslandScenario) -> pa.Table:
    """Return the rows of the island's map, a cell each in (x, y) order."""
    land = terrain.make(scenario.terrain, scenario.grid, Seeds(scenario.seed))
    cells = np.arange(scenario.grid.cells)
    is_land = np.isin(cells, land.land)
    passed = np.zeros(len(cells), bool)
    passed[land.land[np.unique(land.roads)]] = True

    def spread(values: np.ndarray, at_sea: float) -> np.ndarray:
        whole = np.full(len(cells), at_sea, np.float32)
        whole[land.land] = values
        return whole

    fuel = spread(land.fuel, len(FUELS)).astype(np.int8)
    columns: dict[str, np.ndarray | pa.Array] = {
        "cell": cells,
        "elevation_m": np.round(land.elevation_m),
        "land": is_land,
        "fuel": pa.array([*FUELS, "sea"]).take(pa.array(fuel)),
        "residents": np.round(spread(land.residents, 0)),
        "road_km": np.round(spread(land.road_km, 0), 1),
        "coast_km": np.round(spread(land.coast_km, 0), 1),
        "road": passed,
    }
    return rows(ISLAND_MAP, columns, scenario.grid.height)


def place_rows(scenario: IslandScenario, vocabulary: Vocabulary) -> pa.Table:
    """Return the rows of the island's places, a settlement each in (x, y) order."""
    land = terrain.make(scenario.terrain, scenario.grid, Seeds(scenario.seed))
    order = np.argsort(land.towns, kind="stable")
    columns: dict[str, np.ndarray | pa.Array] = {
        "cell": land.land[land.towns[order]],
        "name": pa.array([vocabulary.names[number % len(vocabulary.names)] for number in order.tolist()]),
        "residents": np.round(land.town_residents[order]),
    }
    return rows(ISLAND_PLACES, columns, scenario.grid.height)


def calendar(scenario: IslandScenario) -> Calendar:
    """Return the days of a scenario, which have dates."""
    return Calendar(scenario.calendar.days, scenario.calendar.holdout_days, scenario.calendar.dates)


def posts_a_day(scenario: IslandScenario) -> float:
    """Return how many posts a day has, about, those about fires apart."""
    tweets = scenario.tweets
    return tweets.per_day + tweets.lookalikes_per_day * tweets.lookalike_posts


def maps(scenario: IslandScenario, vocabulary: Vocabulary) -> dict[Table, pa.Table]:
    """Return the rows of what does not change from day to day."""
    return {ISLAND_MAP: map_rows(scenario), ISLAND_PLACES: place_rows(scenario, vocabulary)}


MODEL = Model(
    settings=IslandScenario,
    public=PUBLIC,
    truth=TRUTH,
    limits=LIMITS,
    calendar=calendar,
    posts_a_day=posts_a_day,
    expected_rows=expected.rows,
    blocks=blocks,
    phrases=lambda scenario: scenario.tweets.phrases,
    vocabulary=vocabulary,
    maps=maps,
    remarks=remarks,
    drawn=True,
    baselines="island",
)
