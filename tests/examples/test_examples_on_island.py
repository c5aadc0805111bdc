"""The examples on `island`, which has a geography, sensors that fail, and tables with further keys."""

import asyncio
import contextlib
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from helpers import load

from zakar.broker.access import Access
from zakar.broker.server import ServerSettings, running
from zakar.dataset import store
from zakar.loader.options import PublishOptions
from zakar.models import registry, scenario_files
from zakar.simulation.run import simulate

pytestmark = pytest.mark.slow

DAYS = 60


def simulated(folder: Path, days: int) -> str:
    path, out = scenario_files.find("island"), folder / "dataset"
    with ThreadPoolExecutor(1) as executor:
        simulate(registry.with_days(registry.read(path), days), path, out, executor)
    return str(out)


@contextlib.contextmanager
def loaded(folder: str) -> Iterator[str]:
    """The address of a broker whose stations hold a dataset."""
    dataset = store.open_dataset(folder)
    with running(ServerSettings()) as server:
        asyncio.run(load(dataset, Access((server.url,)), dataset.tables, PublishOptions()))
        yield server.url


@pytest.fixture(scope="module")
def island(tmp_path_factory: pytest.TempPathFactory) -> str:
    return simulated(tmp_path_factory.mktemp("island"), DAYS)


def test_the_first_early_warning_system_beats_chance_there_too(tmp_path: Path, run):
    with loaded(simulated(tmp_path, 3 * 365)) as broker:
        said = run("03", broker).stdout
    precision, chance, recall = map(float, re.findall(r"([\d.]+)%", said))
    assert precision > 5 * chance > 0
    assert recall > 5 * chance


def test_its_stations_are_read(island: str, run):
    with loaded(island) as broker:
        assert "'notification_day'" in run("01", broker).stdout
        days = run("02", broker, edit={"QUIET_SECONDS = 7, 5": "QUIET_SECONDS = 7, 0.5"})
    assert days.stdout.splitlines()[-1].startswith(f"day {DAYS}:")


@pytest.mark.parametrize("number", ["04", "05", "06"])
def test_its_tables_are_asked(island: str, run, number: str):
    ended = run(number, island)
    assert ended.returncode == 0, ended.stderr
    assert all("posts" in line for line in ended.stderr.splitlines())  # which says how far it is
    assert len(ended.stdout.splitlines()) > 8
