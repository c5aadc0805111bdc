"""The scenario of 2023: its world a year at a time, its observations block by block."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pyarrow as pa

from zakar.dataset.schema import ALERTS, CLASSIC_TRUTH, READINGS, TWEETS
from zakar.models.block import Block, Rows, rows
from zakar.observe import classic, phrases
from zakar.observe.phrases import Phrases
from zakar.scenario import ClassicScenario, island_name
from zakar.seeds import Seeds
from zakar.world import classic as world
from zakar.world.classic import Truth

PUBLIC = (TWEETS, READINGS, ALERTS)
TRUTH = CLASSIC_TRUTH


def words(scenario: ClassicScenario, path: Path) -> Phrases:
    """Return the words of a phrase table. Raises ConfigError if it cannot be used."""
    return phrases.load(path, Seeds(scenario.seed), island_name(scenario))


def blocks(scenario: ClassicScenario, seeds: Seeds, block_days: int) -> Iterator[Block]:
    """Yield the scenario's blocks in order, the world advancing a year at a time."""
    land = world.make(scenario, seeds)
    echo = world.echo_days(scenario)
    state = world.START
    while state.next_day <= scenario.calendar.days:
        truth, state = world.advance(scenario, land, seeds, state)
        year_end = int(truth.days[-1])
        for first in range(int(truth.days[0]), year_end + 1, block_days):
            last = min(first + block_days - 1, year_end)
            run = truth.cut(first, last, echo)
            yield Block(first, last, partial(_observe, scenario, seeds, run))


def _observe(scenario: ClassicScenario, seeds: Seeds, truth: Truth, words: Phrases) -> Rows:
    height = scenario.grid.height
    posts = classic.phrased(scenario.tweets, scenario.grid, seeds, words, truth)
    posts["topic"] = pa.array(phrases.TOPICS).take(pa.array(posts["topic"]))
    fires = truth.fires.between(int(truth.days[0]), int(truth.days[-1]))
    found = [
        (TWEETS, posts),
        (READINGS, classic.every_cell(scenario.sensors, scenario.grid, seeds, truth)),
        (ALERTS, classic.late(scenario.alerts, truth)),
        (TRUTH[0], {"day": truth.days, "mean_f": truth.means_f}),
        (TRUTH[1], {"event_day": fires.day, "cell": fires.cell}),
        (TRUTH[2], posts),
    ]
    for table, columns in found:
        yield table, rows(table, columns, height)
