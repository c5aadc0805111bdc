"""The scenario of 2023: its world a year at a time, its observations block by block."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa

from zakar.dataset.schema import ALERTS, CLASSIC_TRUTH, READINGS, TWEETS
from zakar.models.block import Block, Rows, rows
from zakar.models.calendar import Calendar
from zakar.models.classic import observers, phrases, world
from zakar.models.classic.phrases import Phrases
from zakar.models.classic.settings import ClassicScenario
from zakar.models.classic.world import Truth
from zakar.models.model import Model
from zakar.models.scenario_files import island_name
from zakar.seeds import Seeds

PUBLIC = (TWEETS, READINGS, ALERTS)
TRUTH = CLASSIC_TRUTH
LIMITS = """\
- No geography: every cell has the same weather, and fires start anywhere that can burn.
- A fire lasts a day and does not spread; what burned can burn again some days later.
- The temperature is a sine over the year, with noise. There is no rain, wind or humidity.
- Every sensor reports every day and none fails; their errors are alike and independent.
- Alerts come exactly as late as configured; none is missed, and none is false.
- Posts are composed from phrase tables: no authors, no conversations, and fewer words than people have.
"""


def vocabulary(scenario: ClassicScenario, path: Path) -> Phrases:
    """Return the vocabulary that a phrase table gives. Raises ConfigError if it cannot be used."""
    return phrases.load(path, Seeds(scenario.seed), island_name(scenario))


def blocks(scenario: ClassicScenario, seeds: Seeds, _vocabulary: Phrases, block_days: int) -> Iterator[Block]:
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


def _observe(scenario: ClassicScenario, seeds: Seeds, truth: Truth, vocabulary: Phrases) -> Rows:
    height = scenario.grid.height
    posts = observers.phrased(scenario.tweets, scenario.grid, seeds, vocabulary, truth)
    posts["topic"] = pa.array(phrases.TOPICS).take(pa.array(posts["topic"]))
    fires = truth.fires.between(int(truth.days[0]), int(truth.days[-1]))
    tables = [
        (TWEETS, posts),
        (READINGS, observers.every_cell(scenario.sensors, scenario.grid, seeds, truth)),
        (ALERTS, observers.late(scenario.alerts, truth)),
        (TRUTH[0], {"day": truth.days, "mean_f": truth.means_f}),
        (TRUTH[1], {"event_day": fires.day, "cell": fires.cell}),
        (TRUTH[2], posts),
    ]
    for table, columns in tables:
        yield table, rows(table, columns, height)


def expected_rows(scenario: ClassicScenario, days: int) -> dict[str, int]:
    """Return how many rows each public table has on the first ``days`` days, about.

    Posts about fires take the place of others.
    """
    when = np.arange(1, days + 1)
    warmth = world.season_f(scenario.weather, scenario.calendar, when)
    fires = world.fire_rates(scenario.fires, scenario.calendar, when, warmth)
    return {
        TWEETS.name: round(days * scenario.tweets.per_day_mean),
        READINGS.name: days * scenario.grid.cells,
        ALERTS.name: round(float(np.minimum(fires, scenario.fires.most_per_day).sum())),
    }


def remarks(scenario: ClassicScenario) -> dict[str, str]:
    """Return what values of a scenario come to, by the key's path."""
    calendar, grid = scenario.calendar, scenario.grid
    return {
        "calendar.days": f"{calendar.days / calendar.days_per_year:.1f} years",
        "grid.height": f"{grid.cells:,} cells in all",
    }


MODEL = Model(
    settings=ClassicScenario,
    public=PUBLIC,
    truth=TRUTH,
    limits=LIMITS,
    calendar=lambda scenario: Calendar(scenario.calendar.days, days_per_year=scenario.calendar.days_per_year),
    posts_a_day=lambda scenario: scenario.tweets.per_day_mean,
    expected_rows=expected_rows,
    blocks=blocks,
    phrases=lambda scenario: scenario.tweets.phrases,
    vocabulary=vocabulary,
    remarks=remarks,
)
