"""What a model says of itself: all that the rest of zakar asks of a world and its observers."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import pyarrow as pa

from zakar.dataset.schema import Table
from zakar.models.block import Block
from zakar.models.calendar import Calendar
from zakar.models.shared.settings import Scenario
from zakar.seeds import Seeds

S = TypeVar("S", bound=Scenario)


@dataclass(frozen=True)
class Model(Generic[S]):
    """A model as a value. Its name is the tag of its ``settings``, which a scenario's key `model` gives.

    - ``public``: the tables of ``schema.PUBLIC``, with the extras that it fills. ``truth``: the private tables.
    - ``limits``: what its data is not good for, a Markdown list for the card.
    - ``calendar``: the days of a scenario. ``posts_a_day``: about how many posts a day has, since posts take memory.
    - ``expected_rows``: about how many rows each public table has on a number of days.
    - ``blocks``: the blocks in order, of at most a number of days, given the seeds and the vocabulary. The world
      advances as they are taken.
    - ``phrases``: the name of the scenario's phrase table, which stands in its key `tweets.phrases`. ``vocabulary``:
      what is made of that table's file; raises ConfigError if it cannot be used. A model without both gets None.
    - ``maps``: rows of tables of ``schema.MAPS``. ``remarks``: what values come to, by the key's path.
    - ``drawn``: whether a report draws its truth, which then has the tables of ``schema.ISLAND_TRUTH``.
    - ``baselines``: the suite of checks that scores simple methods on its data; empty if none does.
    """

    settings: type[S]
    public: tuple[Table, ...]
    truth: tuple[Table, ...]
    limits: str
    calendar: Callable[[S], Calendar]
    posts_a_day: Callable[[S], float]
    expected_rows: Callable[[S, int], dict[str, int]]
    blocks: Callable[[S, Seeds, Any, int], Iterator[Block]]
    phrases: Callable[[S], str] | None = None
    vocabulary: Callable[[S, Path], Any] | None = None
    maps: Callable[[S, Any], dict[Table, pa.Table]] = lambda *_: {}
    remarks: Callable[[S], dict[str, str]] = lambda _: {}
    drawn: bool = False
    baselines: str = ""

    @property
    def tables(self) -> tuple[Table, ...]:
        """The tables that it makes: the public ones, then those of the truth."""
        return (*self.public, *self.truth)
