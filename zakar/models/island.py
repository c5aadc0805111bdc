"""The island with a geography: its world a year at a time, its observations block by block."""

from collections.abc import Iterator
from pathlib import Path

from zakar.dataset.schema import ALERTS, ISLAND_TRUTH, READINGS, TWEETS
from zakar.models.block import Block
from zakar.scenario import IslandScenario
from zakar.seeds import Seeds

PUBLIC = tuple(table.full() for table in (TWEETS, READINGS, ALERTS))
TRUTH = ISLAND_TRUTH


def check_phrases(path: Path, seeds: Seeds) -> None:
    """Raise ConfigError if the phrase table cannot be used."""


def blocks(scenario: IslandScenario, seeds: Seeds, phrase_file: Path, block_days: int) -> Iterator[Block]:
    """Yield the scenario's blocks in order, the world advancing a year at a time."""
    raise NotImplementedError
