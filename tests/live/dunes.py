"""Two models that the package knows nothing of: a desert with a truth and a suite of its own, and an oasis."""

import datetime
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pyarrow as pa
from msgspec import Meta

from zakar.checks import settings
from zakar.checks.check import Check
from zakar.checks.registry import Suite
from zakar.dataset import store
from zakar.dataset.schema import ALERTS, ISLAND_PLACES, READINGS, TWEETS, Column, Table
from zakar.dataset.store import Dataset
from zakar.models.block import Block, Rows, rows
from zakar.models.calendar import Calendar
from zakar.models.model import Model
from zakar.models.shared import phrase_files
from zakar.models.shared.settings import About, Grid, Named, Settings
from zakar.progress import Show
from zakar.seeds import Seeds

SOURCE = Path(__file__).with_name("dunes.toml")
NOON = Table(
    "noon", "day", (READINGS.columns[0], Column("noon_f", pa.int16(), "degrees Fahrenheit", "at noon")), "Heat."
)
PUBLIC = (TWEETS.having({"author"}), READINGS, ALERTS)


class Dates(Settings, frozen=True):
    first_date: datetime.date
    days: Annotated[int, Meta(ge=1, le=1000)]
    holdout_days: Annotated[int, Meta(ge=0, le=1000)] = 0


class Heat(Settings, frozen=True):
    noon_f: Annotated[int, Meta(ge=0, le=200)]


class Dunes(Named, frozen=True, tag_field="model", tag="dunes"):
    checks: Literal["none", "dunes"]
    calendar: Dates
    grid: Grid
    heat: Heat
    about: About = About()


class Words(Settings, frozen=True):
    phrases: str


class Oasis(Named, frozen=True, tag_field="model", tag="oasis"):
    """Like dunes, but for posts from a phrase table, and days without dates or any that are held out."""

    checks: Literal["none"]
    calendar: Dates
    grid: Grid
    heat: Heat
    tweets: Words
    about: About = About()


def calendar(scenario: Dunes) -> Calendar:
    first = np.datetime64(scenario.calendar.first_date, "D")
    return Calendar(scenario.calendar.days, scenario.calendar.holdout_days, lambda days: first + (days - 1))


def blocks(scenario: Dunes | Oasis, seeds: Seeds, _words: object, block_days: int) -> Iterator[Block]:
    released = scenario.calendar.days
    for begin, end in ((1, released), (released + 1, released + scenario.calendar.holdout_days)):
        for first in range(begin, end + 1, block_days):
            last = min(first + block_days - 1, end)
            yield Block(first, last, partial(observe, scenario, seeds, first, last), held_out=first > released)


def observe(scenario: Dunes | Oasis, seeds: Seeds, first: int, last: int, words: list[str] | None) -> Rows:
    days, cells = np.arange(first, last + 1), scenario.grid.cells
    noon = np.array([scenario.heat.noon_f + seeds.stream("noon", day).integers(-9, 10) for day in days.tolist()])
    burning = np.array([seeds.stream("fires", day).integers(cells) for day in days.tolist()])
    posts = pa.array(words or ["Sand in the tea again."]).take(pa.array(days % len(words or "x")))
    everywhere = {"day": np.repeat(days, cells), "cell": np.tile(np.arange(cells), len(days))}
    for table, columns in (
        (PUBLIC[0], {"day": days, "cell": burning, "tweet": posts, "author": pa.array(["nomad"] * len(days))}),
        (READINGS, everywhere | {"temperature": np.repeat(noon, cells)}),
        (ALERTS, {"event_day": days, "notification_day": days + 2, "cell": burning}),
        (NOON, {"day": days, "noon_f": noon}),
    ):
        yield table, rows(table, columns, scenario.grid.height)


def expected_rows(scenario: Dunes | Oasis, days: int) -> dict[str, int]:
    return {TWEETS.name: days, READINGS.name: days * scenario.grid.cells, ALERTS.name: days}


def measure(dataset: Dataset, progress: Show) -> list[Check]:
    scenario = settings.of_model(dataset, Dunes)
    noon = store.columns(dataset, NOON, ["noon_f"])["noon_f"].to_numpy()
    progress("noon", 1, 1)
    return [
        Check("noon/mean", "mean heat at noon", noon.mean(), 95, 105, "a traveller", ("heat",)),
        Check("noon/departure", "greatest departure", np.abs(noon - scenario.heat.noon_f).max(), 0, 9, "the code"),
    ]


def vocabulary(_scenario: Oasis, path: Path) -> list[str]:
    return sorted(phrase_files.language(path) + letter for letter in "abc")


def maps(scenario: Oasis, words: list[str]) -> dict[Table, pa.Table]:
    places = {"cell": np.arange(len(words)), "name": pa.array(words), "residents": np.full(len(words), 7.0)}
    return {ISLAND_PLACES: rows(ISLAND_PLACES, places, scenario.grid.height)}


DUNES = Model(
    settings=Dunes,
    public=PUBLIC,
    truth=(NOON,),
    limits="- Nothing burns but sand.\n",
    calendar=calendar,
    posts_a_day=lambda _: 1,
    expected_rows=expected_rows,
    blocks=blocks,
    remarks=lambda scenario: {"heat.noon_f": f"{(scenario.heat.noon_f - 32) / 1.8:.0f} degrees Celsius"},
)
OASIS = replace(
    DUNES,
    settings=Oasis,
    limits="",
    calendar=lambda scenario: Calendar(scenario.calendar.days, days_per_year=20),
    phrases=lambda scenario: scenario.tweets.phrases,
    vocabulary=vocabulary,
    maps=maps,
)
SUITE = Suite(measure, reference=str(SOURCE), truth=True)
