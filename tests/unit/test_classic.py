"""The classic scenario at full size, held against the figures of 2023."""

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import msgspec
import numpy as np
import pytest

from zakar.checks.check import Check
from zakar.checks.classic import checks as classic
from zakar.checks.integrity import integrity
from zakar.dataset import store, wire
from zakar.dataset.schema import ALERTS, PUBLIC, READINGS, TWEETS, Table
from zakar.dataset.store import Dataset
from zakar.models import registry, scenario_files
from zakar.simulation.run import simulate

SOURCE = scenario_files.find("classic")
KEYS = {
    "tweets": b'{"day":1,"geospatial_x":0,"geospatial_y":',
    "temperature_readings": b'{"day":1,"geospatial_x":0,"geospatial_y":0,"temperature":',
    "fire_alerts": b'{"event_day":',
}


@pytest.fixture(scope="module")
def processes() -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as executor:
        yield executor


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory, processes: ProcessPoolExecutor) -> Dataset:
    out: Path = tmp_path_factory.mktemp("classic") / "dataset"
    simulate(registry.read(SOURCE), SOURCE, out, processes)
    return store.open_dataset(str(out))


def wrong(checks: list[Check]) -> list[tuple[str, float, float, float]]:
    return [(check.id, float(check.value), check.low, check.high) for check in checks if not check.ok]


def test_every_figure_of_2023_is_met(dataset: Dataset) -> None:
    checks = classic(dataset)
    assert len(checks) > 40
    assert len({check.id for check in checks}) == len(checks)
    assert wrong(checks) == []


@pytest.mark.slow
def test_another_seed_meets_the_figures_too(
    tmp_path_factory: pytest.TempPathFactory, processes: ProcessPoolExecutor
) -> None:
    out = tmp_path_factory.mktemp("other") / "dataset"
    simulate(msgspec.structs.replace(registry.read(SOURCE), seed=42), SOURCE, out, processes)
    assert wrong(classic(store.open_dataset(str(out)))) == []


def test_the_content_is_what_the_manifest_says(dataset: Dataset) -> None:
    assert wrong(integrity(dataset)) == []


def test_there_are_more_than_four_million_messages(dataset: Dataset) -> None:
    assert dataset.manifest.records > 4_000_000
    assert dataset.manifest.records == sum(store.read(dataset, table).num_rows for table in PUBLIC)


def test_every_day_has_exactly_one_integer_reading_in_each_of_900_cells(dataset: Dataset) -> None:
    readings = store.read(dataset, READINGS)
    assert np.array_equal(readings["day"].to_numpy(), np.repeat(np.arange(1, 2550), 900))
    assert np.array_equal(readings["geospatial_x"].to_numpy(), np.tile(np.repeat(np.arange(30), 30), 2549))
    assert np.array_equal(readings["geospatial_y"].to_numpy(), np.tile(np.arange(30), 30 * 2549))
    assert str(readings.schema.field("temperature").type) == "int16"


def test_every_fire_has_one_alert_exactly_three_days_later(dataset: Dataset) -> None:
    alerts = store.read(dataset, ALERTS).to_pylist()
    assert {row["notification_day"] - row["event_day"] for row in alerts} == {3}
    places = [(row["event_day"], row["geospatial_x"], row["geospatial_y"]) for row in alerts]
    assert places == sorted(set(places))


def test_days_have_508_to_897_posts(dataset: Dataset) -> None:
    a_day = np.bincount(store.read(dataset, TWEETS)["day"].to_numpy())[1:]
    assert len(a_day) == 2549
    assert 508 <= a_day.min() <= a_day.max() <= 897


@pytest.mark.parametrize("table", PUBLIC, ids=lambda table: table.name)
def test_messages_have_the_keys_of_2023(dataset: Dataset, table: Table) -> None:
    first = wire.encode(next(store.batches(dataset, table)))[0].as_py()
    assert first.startswith(KEYS[table.name])
