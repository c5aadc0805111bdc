"""The commands that need no broker, as a user runs them."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from making import edit_manifest, rewrite

import zakar
from zakar.dataset.schema import MAPS, PREDICTIONS, PUBLIC
from zakar.models import scenario_files
from zakar.models.registry import MODELS

TINY = scenario_files.find("tiny").read_text(encoding="utf-8")


def run(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "zakar", *words]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False, cwd=folder)
    assert "Traceback" not in done.stderr
    return done


def scenario_file(folder: Path, old: str, new: str) -> str:
    assert TINY.count(old) == 1
    (folder / "mine.toml").write_text(TINY.replace(old, new), encoding="utf-8")
    return "mine.toml"


def test_schema_prints_every_table_with_its_keys_units_and_station(tmp_path: Path) -> None:
    printed = json.loads(run(tmp_path, "schema", "--json").stdout)
    carried = {table.name: (table, table.station) for table in (t.full() for t in (*PUBLIC, PREDICTIONS))}
    true = {f"truth/{model}/{table.name}": (table, None) for model in MODELS for table in MODELS[model].truth}
    expected = carried | {table.name: (table, None) for table in MAPS} | true
    assert list(printed) == list(expected)
    for name, (table, station) in expected.items():
        assert printed[name]["station"] == station
        assert printed[name]["doc"] == table.doc
        assert [column["name"] for column in printed[name]["columns"]] == table.schema.names
        assert all(column["unit"] and column["doc"] for column in printed[name]["columns"])
    text = run(tmp_path, "schema").stdout
    assert all(table.station in text for table in (*PUBLIC, PREDICTIONS))
    assert "\nisland_map, in public/island_map, no station: What does not change" in text
    assert "\nfires, in private/truth/fires of model classic, no station: Every fire" in text
    assert "\nfires, in private/truth/fires of model island, no station: Every fire" in text


def test_the_version_is_that_of_the_package(tmp_path: Path) -> None:
    assert run(tmp_path, "--version").stdout == f"zakar {zakar.__version__}\n"


def test_options_go_over_the_scenarios_seed_and_days(tmp_path: Path) -> None:
    done = run(tmp_path, "simulate", "tiny", "--out", "x", "--seed", "5", "--days", "9", "--dry-run", "--json")
    said = {"dataset": "x", "scenario": "tiny", "seed": 5, "days": 9, "holdout_days": 0, "cells": 100}
    rows = {"tweets": {"rows": 540}, "temperature_readings": {"rows": 900}, "fire_alerts": {"rows": 0}}
    assert json.loads(done.stdout) == said | {"tables": rows, "holdout": {}, "key": None, "dry_run": True}


def test_a_dry_run_says_about_how_many_rows_there_would_be(tmp_path: Path) -> None:
    lines = run(tmp_path, "simulate", "island", "--out", "x", "--dry-run").stderr.splitlines()
    assert lines[1:] == [
        "about 2,600,000 rows of tweets, and 1,100,000 held-out ones",
        "about 1,600,000 rows of temperature_readings, and 680,000 held-out ones",
        "about 690 rows of fire_alerts, and 300 held-out ones",
    ]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("width = 10", "widht = 10", "did you mean `width`?"),
        ('phrases = "en" ', 'phrases = "klingon" ', "no phrase table `klingon`"),
        (
            'phrases = "en" ',
            'phrases = "" ',
            "mine.toml: `tweets.phrases`: no phrase table ``; must be one of `en`, `is",
        ),
    ],
)
def test_a_scenario_that_cannot_be_used_exits_2_with_one_line(tmp_path: Path, old: str, new: str, said: str) -> None:
    done = run(tmp_path, "simulate", scenario_file(tmp_path, old, new), "--out", "x")
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["mine.toml"]


def test_the_working_folder_can_be_filled_or_is_refused(tmp_path: Path) -> None:
    done = run(tmp_path, "simulate", "tiny", "--out", ".", "--days", "5", "--workers", "1")
    assert done.returncode in {0, 2}
    assert (tmp_path / "manifest.json").is_file() == (done.returncode == 0)


def test_check_of_changed_content_exits_1_and_names_the_table(pristine: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(pristine, tmp_path / "dataset"))

    def hotter(rows: pa.Table) -> pa.Table:
        temperature = pa.array([n + 1 for n in rows["temperature"].to_pylist()], pa.int16())
        return rows.set_column(3, rows.schema.field(3), temperature)

    rewrite(folder, "temperature_readings", 0, hotter)
    done = run(tmp_path, "check", "dataset", "--json")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "temperature_readings" in done.stderr
    checked = json.loads(done.stdout)
    assert checked["ok"] is False
    assert {check["id"] for check in checked["checks"] if not check["ok"]} == {
        "content/temperature_readings",
        "content/fingerprint",
    }


def test_a_suite_of_checks_that_is_unknown_exits_1(pristine: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(pristine, tmp_path / "dataset"))
    edit_manifest(folder, lambda values: values["scenario"].update(checks="modern"))
    done = run(tmp_path, "check", "dataset")
    assert done.returncode == 1
    assert "`modern`" in done.stderr
