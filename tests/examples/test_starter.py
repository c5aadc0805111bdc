"""The starter: learned from released days, warning where there are no alerts."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from helpers import zakar

from zakar.broker.server import ServerSettings, running
from zakar.dataset.schema import PREDICTIONS

pytestmark = pytest.mark.slow  # it needs what `pip install '.[examples]'` brings

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "data" / "sample"
ALERTS = pq.read_table(SAMPLE / "public" / "fire_alerts")


def around(places: set[tuple[int, int, int]]) -> set[tuple[int, int, int]]:
    return {(day, x + i, y + j) for day, x, y in places for i in (-1, 0, 1) for j in (-1, 0, 1)}


def places(rows: list[dict]) -> set[tuple[int, int, int]]:
    return {(row["event_day"], row["geospatial_x"], row["geospatial_y"]) for row in rows}


def test_learned_from_a_folder_it_warns_at_a_broker_that_has_no_alerts(tmp_path: Path, run):
    other = tmp_path / "other"
    assert zakar("simulate", "tiny", "--seed", "7", "--out", str(other)).returncode == 0
    true = places(pq.read_table(other / "public" / "fire_alerts").to_pylist())
    with running(ServerSettings()) as server:
        words = ["--tables", "tweets,temperature_readings", "--server", server.url]
        assert zakar("load", str(other), *words).returncode == 0
        for team in ("owls", "owls", "crows"):
            ended = run("09", "--learn", str(SAMPLE), "--warn", server.url, "--team", team, OMP_NUM_THREADS="1")
            assert ended.returncode == 0, ended.stderr
        said = zakar("consume", PREDICTIONS.station, "--server", server.url).stdout
    rows = [json.loads(line) for line in said.splitlines()]
    warned = places(rows)
    assert len(rows) == 2 * len(warned) > 0  # each team's once
    assert len(warned & around(true)) / len(warned) > 0.8
    assert len(true & around(warned)) / len(true) > 0.7  # by chance a twentieth


def test_it_learns_from_no_alert_that_has_not_been_told(tmp_path: Path, run):
    """Alerts that come after the last day of what is learned from are as if they were not there."""
    less = tmp_path / "less"
    shutil.copytree(SAMPLE / "public", less / "public")
    last = 120
    told = ALERTS.filter(pc.less_equal(ALERTS["notification_day"], last))
    assert told.num_rows < ALERTS.num_rows
    pq.write_table(told, less / "public" / "fire_alerts" / "part-00000.parquet")
    warned = [
        run("09", "--learn", str(place), "--warn", str(SAMPLE), "--team", "owls", OMP_NUM_THREADS="1").stdout
        for place in (SAMPLE, less)
    ]
    assert warned[0] == warned[1] != ""


def test_days_without_an_alert_teach_nothing_and_are_told_so(tmp_path: Path, run):
    bare = tmp_path / "bare"
    shutil.copytree(SAMPLE / "public", bare / "public")
    pq.write_table(pa.table(ALERTS.schema.empty_table()), bare / "public" / "fire_alerts" / "part-00000.parquet")
    ended = run("09", "--learn", str(bare), "--warn", str(SAMPLE))
    assert ended.returncode == 2
    assert "no alert was told by day 120, so there is nothing to learn from" in ended.stderr


def test_on_an_island_that_nothing_was_chosen_on_its_warnings_are_worth_something():
    """By chance 0.6 % come true. A model that is sure of what it has learned by heart has an F1 of 0.1 to 0.17."""
    command = [sys.executable, str(ROOT / "benchmarks" / "starter.py"), "--json", "14"]
    ended = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    assert ended.returncode == 0, ended.stderr
    (island,) = json.loads(ended.stdout)["by_seed"]
    assert island["f1"] > 0.2
    assert island["precision"] > 0.18
    assert island["recall"] > 0.15
