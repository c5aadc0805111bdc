"""A cell as the key of a partition: what each SDK of Memphis reads by it on a station that zakar has loaded."""

import json
from typing import Any

import numpy as np
import pytest
from clients import Broker, broking
from helpers import zakar

from zakar.broker.station import stream_name
from zakar.dataset import store
from zakar.dataset.schema import ALERTS
from zakar.dataset.store import Dataset
from zakar.loader import partition

pytestmark = pytest.mark.slow

OF = 3


@pytest.fixture(scope="module")
def broker(sample: Dataset):
    """A broker with the sample's alerts in three partitions."""
    with broking("--user", "root", "--password", "memphis") as where:
        secret = ["--user", where.user, "--password", where.password]
        words = ["--server", where.url, *secret, "--tables", "fire_alerts", "--partitions", str(OF)]
        assert zakar("load", str(sample.root), *words).returncode == 0
        yield where


@pytest.fixture(scope="module")
def cells(sample: Dataset) -> dict[int, tuple[int, int]]:
    """A cell with alerts in each partition."""
    alerts = _alerts(sample)
    x, y = (np.array([row[key] for row in alerts]) for key in ("geospatial_x", "geospatial_y"))
    found = dict(zip(partition.numbers(x, y, OF).tolist(), zip(x.tolist(), y.tolist(), strict=True), strict=True))
    assert sorted(found) == [1, 2, 3]
    return found


def _alerts(sample: Dataset) -> list[dict[str, Any]]:
    return [row for batch in store.batches(sample, ALERTS) for row in batch.to_pylist()]


def _in_partition(sample: Dataset, number: int) -> list[dict[str, Any]]:
    rows = _alerts(sample)
    x, y = (np.array([row[key] for row in rows]) for key in ("geospatial_x", "geospatial_y"))
    return [row for row, place in zip(rows, partition.numbers(x, y, OF), strict=True) if place == number]


@pytest.mark.parametrize("number", [1, 2, 3])
def test_python_reads_the_partition_of_the_cell_by_its_key(sdk, sample, cells, number):
    x, y = cells[number]
    [batch] = sdk("fetch", station=ALERTS.station, consumer=f"py-{number}", sizes=[100], key=f"({x},{y})")
    assert [json.loads(message["data"]) for message in batch] == _in_partition(sample, number)


@pytest.mark.parametrize("number", [2, 3])
def test_node_reads_the_partition_before_the_cells_by_its_key(node_sdk, sample, cells, number):
    x, y = cells[number]
    [batch] = node_sdk("fetch", station=ALERTS.station, consumer=f"node-{number}", sizes=[100], key=f"({x},{y})")
    assert [json.loads(message["data"]) for message in batch] == _in_partition(sample, number - 1)


def test_node_finds_no_partition_before_the_first(node_sdk, cells):
    x, y = cells[1]
    said = node_sdk("complaint", station=ALERTS.station, consumer="node-1", key=f"({x},{y})")
    assert said != ""


@pytest.mark.parametrize("number", [1, 2, 3])
def test_both_read_a_partition_by_its_number(sdk, node_sdk, sample, number):
    wanted = _in_partition(sample, number)
    arguments = {"station": ALERTS.station, "sizes": [100]}
    [pythons] = sdk("fetch", **arguments, consumer=f"py-no-{number}", partition=number)
    [nodes] = node_sdk("fetch", **arguments, consumer=f"node-no-{number}", partition=number)
    assert [json.loads(message["data"]) for message in pythons] == wanted
    assert [json.loads(message["data"]) for message in nodes] == wanted


def test_doctor_says_so_of_a_station_of_several_partitions(broker: Broker, sample: Dataset):
    words = ["--server", broker.url, "--user", broker.user, "--password", broker.password]
    said = zakar("doctor", str(sample.root), *words).stdout
    assert "note: `zakar-fire-alerts` has 3 partitions" in said
    assert stream_name(ALERTS.station, 3) in said
