"""Programs in the manner of 2023 run on loaded stations, told nothing but a host, a port, a user and a password."""

import contextlib
import json
import sqlite3
import subprocess
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import stock
from clients import HERE, Broker, broking, called
from helpers import clean, zakar

from zakar.broker.station import stream_name
from zakar.dataset import store, wire
from zakar.dataset.schema import ALERTS, PREDICTIONS, PUBLIC, READINGS, Table
from zakar.dataset.store import Dataset
from zakar.loader import partition

pytestmark = pytest.mark.slow

PROGRAMS = ("predictor", "two_stage", "ingester", "dashboard", "saver")
DAYS = 40  # the first alerts are among them
HOT = 95  # what the predictor takes for a fire


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """The first days of `classic`."""
    out = tmp_path_factory.mktemp("days") / "classic"
    done = zakar("simulate", "classic", "--days", str(DAYS), "--out", str(out))
    assert done.returncode == 0, done.stderr
    return store.open_dataset(str(out))


@pytest.fixture(scope="module")
def loaded(broker: Broker, days: Dataset) -> Broker:
    load(days, broker)
    return broker


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the programs run and leave their files."""
    return tmp_path_factory.mktemp("programs")


@pytest.fixture(scope="module")
def ended(python: str, loaded: Broker, folder: Path) -> dict[str, tuple[int, str, str]]:
    """Each program's exit code, and what it printed, also as errors. All ran at once."""
    running = {
        name: subprocess.Popen(
            [python, str(HERE / "programs" / f"{name}.py"), *loaded.words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            cwd=folder,
            env=clean(),
        )
        for name in PROGRAMS
    }
    said = {name: process.communicate() for name, process in running.items()}
    return {name: (process.returncode, *said[name]) for name, process in running.items()}


def test_the_predictor_gets_exactly_a_day_in_each_fetch(ended, loaded, days):
    assert ended["predictor"] == (0, f"{DAYS}\n", "")
    hot = [predicted(row) for row in rows(days, READINGS) if row["temperature"] >= HOT]
    assert len(hot) > DAYS
    assert predictions(loaded, "predictor") == hot


def test_the_two_stage_predictor_closes_each_day_but_the_last(ended, loaded, days):
    assert ended["two_stage"] == (0, "900\n", "")
    by_day = [list(group) for _, group in groupby(rows(days, READINGS), key=itemgetter("day"))]
    hottest = [max(day, key=itemgetter("temperature")) for day in by_day[:-1]]
    assert len(hottest) == DAYS - 1
    assert predictions(loaded, "two-stage") == [predicted(row) for row in hottest]


def test_the_ingester_ends_with_every_row_of_every_station(ended, folder, days):
    assert ended["ingester"] == (0, "", "")
    with contextlib.closing(sqlite3.connect(folder / "zakar.db")) as database:
        for table in PUBLIC:
            stored = database.execute(f'select * from "{table.station}" order by rowid').fetchall()
            assert stored == [tuple(row[column.name] for column in table.columns) for row in rows(days, table)]


def test_the_dashboard_shows_each_alert_twice(ended, days):
    alerts = [line.decode() for line in lines(days, ALERTS)]
    assert len(alerts) > 10
    code, shown, complaints = ended["dashboard"]
    assert (code, complaints) == (0, "")
    assert json.loads(shown) == dict.fromkeys(alerts, 2)


def test_the_saver_has_saved_each_alert_once_and_in_order(ended, folder, days):
    assert ended["saver"] == (0, "", "")
    assert (folder / "alerts.jsonl").read_bytes().splitlines() == lines(days, ALERTS)


def test_the_sdk_reads_the_partitions_that_zakar_loads(python, days):
    alerts = rows(days, ALERTS)
    x, y = (np.array([row[key] for row in alerts]) for key in ("geospatial_x", "geospatial_y"))
    texts = np.array(lines(days, ALERTS)).astype(str)
    with broking("--user", "root", "--password", "memphis") as where:
        load(days, where, "--tables", "fire_alerts", "--partitions", "3")
        for number in (1, 2, 3):
            wanted = {"station": ALERTS.station, "consumer": f"of-{number}", "sizes": [900], "partition": number}
            [batch] = called([python, str(HERE / "calls.py"), *where.words, "fetch"], wanted)
            assert [message["data"] for message in batch] == texts[partition.numbers(x, y, 3) == number].tolist()


def load(dataset: Dataset, broker: Broker, *words: str) -> None:
    where = ["--server", broker.url, "--user", broker.user, "--password", broker.password]
    done = zakar("load", str(dataset.root), *where, *words)
    assert done.returncode == 0, done.stderr


def rows(dataset: Dataset, table: Table) -> list[dict[str, Any]]:
    return [row for batch in store.batches(dataset, table) for row in batch.to_pylist()]


def lines(dataset: Dataset, table: Table) -> list[bytes]:
    return [line for batch in store.batches(dataset, table) for line in wire.encode(batch).to_pylist()]


def predicted(row: dict[str, Any]) -> dict[str, int]:
    return {"event_day": row["day"], "geospatial_x": row["geospatial_x"], "geospatial_y": row["geospatial_y"]}


def predictions(broker: Broker, producer: str) -> list[dict[str, int]]:
    """What a program has published, in order."""
    stored = stock.read(broker.access, stream_name(PREDICTIONS.station))
    return [json.loads(m.payload) for m in stored if m.headers["$memphis_producedBy"] == producer]
