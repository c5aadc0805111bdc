"""Checks 1, 2 and 24, which run the code: fire danger, the weather's matrices, and a part of the simulation again."""

from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike

from zakar.checks.check import Check
from zakar.dataset import store
from zakar.dataset.schema import Table
from zakar.dataset.store import Dataset
from zakar.errors import ConfigError
from zakar.models import registry
from zakar.models.block import Block
from zakar.models.island import fwi as danger
from zakar.models.island import weather
from zakar.models.island.model import MODEL
from zakar.models.island.settings import IslandScenario
from zakar.models.island.text import Vocabulary
from zakar.models.shared import phrase_files

# Test data of cffdrs, the Canadian Forest Service's own code: temperature, humidity, wind, rain, and the six
# components; 13 to 16 April, from the standard start.
_REFERENCE = np.array(
    [
        (17, 42, 25, 0, 87.65, 8.545, 19.01, 10.78, 8.49, 10.04),
        (20, 21, 25, 2.4, 86.2, 10.4, 23.57, 8.771, 10.36, 9.22),
        (8.5, 40, 17, 0, 86.91, 11.8, 26.05, 6.478, 11.74, 7.517),
        (6.5, 25, 6, 0, 88.76, 13.18, 28.18, 4.851, 13.11, 6.095),
    ]
)
_SUMMER = (181, 220)  # of the first year, for there are fires then; of a shorter dataset its last forty days
_BLOCK_DAYS = (7, 50)


def equations() -> list[Check]:
    """Return checks 1 and 2."""
    covariance = np.asarray(weather.stationary_covariance())
    return [
        Check(
            "1/fwi",
            "greatest departure of the FWI System from its reference rows",
            danger_error(),
            0,
            0.006,
            "cffdrs test data",
        ),
        Check(
            "2/stationary-variance",
            "greatest departure from 1 of the stationary variances of the weather's residuals",
            float(np.abs(np.diag(covariance) - 1).max()),
            0,
            0.005,
            "Richardson and Wright 1984",
        ),
    ]


def danger_error() -> float:
    """Return the greatest difference between the FWI System's components and the reference's."""
    state: tuple[ArrayLike, ArrayLike, ArrayLike] = danger.START
    error = 0.0
    for temperature, humidity, wind, rain, *expected in _REFERENCE.tolist():
        components = danger.fwi(temperature, humidity, wind, rain, 4, state)
        state = components[:3]
        error = max(error, *(abs(float(one) - other) for one, other in zip(components, expected, strict=True)))
    return error


def repeated(dataset: Dataset, scenario: IslandScenario) -> list[Check]:
    """Return check 24: forty days simulated again in this process, in blocks of two sizes, against the files."""
    last = min(_SUMMER[1], dataset.manifest.days)
    first = max(1, last - _SUMMER[1] + _SUMMER[0])
    released = {table.name: days_of(dataset, table, first, last) for table in MODEL.tables}
    return [
        Check(
            f"24/blocks-of-{size}",
            f"tables whose days {first}-{last}, simulated again by one worker in blocks of {size} days, are others",
            sum(not released[name].equals(rows) for name, rows in again(dataset, scenario, size, first, last).items()),
            0,
            0,
            "the same scenario and seed make the same content",
        )
        for size in _BLOCK_DAYS
    ]


def again(dataset: Dataset, scenario: IslandScenario, block_days: int, first: int, last: int) -> dict[str, pa.Table]:
    """Simulate days again and return each table's rows of them.

    Raises ConfigError if the phrase table is not at hand, or another one.
    """
    tables: dict[str, list[pa.Table]] = {table.name: [] for table in MODEL.tables}
    spoken = registry.vocabulary(scenario, _phrase_table(dataset, scenario.tweets.phrases))
    for block in _between(scenario, spoken, block_days, first, last):
        for table, rows in block.observe(spoken):
            tables[table.name].append(_days(rows, table, first, last))
    return {name: pa.concat_tables(rows).combine_chunks() for name, rows in tables.items()}


def days_of(dataset: Dataset, table: Table, first: int, last: int) -> pa.Table:
    """Return the rows of a dataset's table from day ``first`` to ``last``."""
    return store.columns(dataset, table, table.schema.names, days=(first, last)).combine_chunks()


def _days(rows: pa.Table, table: Table, first: int, last: int) -> pa.Table:
    low, high = np.searchsorted(rows[table.day].to_numpy(), [first, last + 1])
    return rows.slice(low, high - low)


def _between(scenario: IslandScenario, spoken: Vocabulary, block_days: int, first: int, last: int) -> list[Block]:
    blocks = []
    for block in MODEL.blocks(scenario, registry.seeds_of(scenario, None), spoken, block_days):
        if block.first_day > last:
            break
        if block.last_day >= first:
            blocks.append(block)
    return blocks


def _phrase_table(dataset: Dataset, name: str) -> Path:
    """Return the phrase table that a dataset was made with: one of zakar's own, or one in the current folder."""
    try:
        path = phrase_files.find(name)
    except ConfigError as error:
        raise ConfigError(
            f"phrase table `{name}` is not here, and some days are simulated again with it; "
            "run `zakar check` in the folder that it is in"
        ) from error
    if phrase_files.digest(path) != dataset.manifest.phrases:
        raise ConfigError(
            f"{path}: not the phrase table that this dataset was made with; check it with the zakar that made it"
        )
    return path
