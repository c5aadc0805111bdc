"""The key behind held-out days outlives the dataset that it is kept in, unless somebody says otherwise."""

import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from making import small_island

from zakar.dataset import store
from zakar.dataset.layout import Split
from zakar.errors import ConfigError
from zakar.models import scenario_files
from zakar.models.island.settings import IslandScenario
from zakar.simulation.keys import draw_key, kept_key
from zakar.simulation.run import simulate

SOURCE = scenario_files.find("island")
SHORT = small_island(calendar={"days": 3, "holdout_days": 2})
RELEASED_ONLY = small_island(calendar={"days": 3, "holdout_days": 0})
KEY, OTHER = b"0123456789abcdef" * 2, b"fedcba9876543210" * 2


def made(out: Path, settings: IslandScenario = SHORT, **options: Any) -> None:
    with ThreadPoolExecutor(1) as executor:
        simulate(settings, SOURCE, out, executor, **options)


def held_out(out: Path) -> str:
    return store.open_dataset(str(out), Split.HOLDOUT).manifest.fingerprint


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    made(tmp_path / "dataset", key=KEY)
    return tmp_path / "dataset"


def zakar(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "zakar", *words]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False, cwd=folder)
    assert "Traceback" not in done.stderr
    return done


def test_overwriting_keeps_the_key_and_the_held_out_days(dataset: Path) -> None:
    before = held_out(dataset)
    made(dataset, overwrite=True)
    assert kept_key(dataset) == KEY
    assert held_out(dataset) == before


def test_a_key_outlives_a_scenario_that_holds_nothing_out(dataset: Path) -> None:
    before = held_out(dataset)
    made(dataset, RELEASED_ONLY, overwrite=True)
    assert kept_key(dataset) == KEY
    made(dataset, overwrite=True)
    assert held_out(dataset) == before


def test_another_key_is_taken_where_that_is_said(dataset: Path) -> None:
    made(dataset, key=OTHER, overwrite=True)
    assert kept_key(dataset) == OTHER
    made(dataset, key=draw_key(), overwrite=True)
    assert kept_key(dataset) not in {KEY, OTHER, None}


def test_what_is_there_in_place_of_a_key_is_not_replaced_in_silence(dataset: Path) -> None:
    (dataset / "private" / "key").write_text("sealed until Sunday", encoding="utf-8")
    with pytest.raises(ConfigError, match="not replaced unless --key or --new-key says so") as caught:
        made(dataset, overwrite=True)
    assert "sealed" not in str(caught.value)
    assert (dataset / "private" / "key").read_text(encoding="utf-8") == "sealed until Sunday"
    made(dataset, key=OTHER, overwrite=True)
    assert kept_key(dataset) == OTHER


def test_a_key_that_is_kept_elsewhere_by_a_link_is_followed_and_stays_there(dataset: Path, tmp_path: Path) -> None:
    (dataset / "private").rename(tmp_path / "safe")
    (dataset / "private").symlink_to(tmp_path / "safe", target_is_directory=True)
    made(dataset, overwrite=True)
    assert kept_key(dataset) == KEY
    assert (tmp_path / "safe" / "key").read_bytes().strip() == KEY


def test_a_key_that_comes_while_simulating_is_not_replaced(dataset: Path) -> None:
    def swap(_days: int) -> None:
        (dataset / "private" / "key").write_bytes(OTHER)

    with pytest.raises(ConfigError, match="another key"):
        made(dataset, overwrite=True, progress=swap)
    assert kept_key(dataset) == OTHER


@pytest.mark.parametrize("error", [RuntimeError("a worker died"), KeyboardInterrupt()])
def test_a_simulation_that_fails_leaves_key_and_dataset(dataset: Path, error: BaseException) -> None:
    before = held_out(dataset)

    def fail(_days: int) -> None:
        raise error

    with pytest.raises(type(error)):
        made(dataset, overwrite=True, key=draw_key(), progress=fail)
    assert (kept_key(dataset), held_out(dataset)) == (KEY, before)


def test_a_dataset_that_cannot_be_put_in_place_does_not_cost_the_one_that_was_there(
    dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.rename

    def stubborn(self: Path, target: Path) -> Path:
        if ".partial-" in self.name:
            raise PermissionError(13, "Permission denied", str(target))
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", stubborn)
    with pytest.raises(ConfigError, match="Permission denied"):
        made(dataset, overwrite=True)
    assert kept_key(dataset) == KEY
    assert [path.name for path in dataset.parent.iterdir()] == ["dataset"]


def test_the_dataset_of_a_run_that_was_killed_between_two_renames_is_found_again(dataset: Path) -> None:
    dataset.rename(dataset.with_name("dataset.old-123"))
    for overwrite in (False, True):
        with pytest.raises(ConfigError, match=r"dataset\.old-123: .*rename it to dataset"):
            made(dataset, overwrite=overwrite)
    assert kept_key(dataset.with_name("dataset.old-123")) == KEY


def test_a_key_that_cannot_be_read_is_not_replaced(dataset: Path) -> None:
    (dataset / "private" / "key").unlink()
    (dataset / "private" / "key").mkdir()
    with pytest.raises(ConfigError, match="key: cannot be read"):
        made(dataset, overwrite=True)
    assert (dataset / "private" / "key").is_dir()


@pytest.mark.slow
def test_the_command_says_which_key_it_takes_and_that_days_are_others(tmp_path: Path) -> None:
    def simulated(*words: str) -> tuple[dict[str, Any], str]:
        done = zakar(tmp_path, "simulate", "island", "--days", "2", "--out", "x", "--workers", "1", "--json", *words)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout), (tmp_path / "x" / "private" / "key").read_text(encoding="utf-8").strip()

    first, key = simulated()
    again, same = simulated("--overwrite")
    assert (first["key"], again["key"]) == ("new", "kept")
    assert key == same
    rehearsed = zakar(tmp_path, "simulate", "--out", "x", "--overwrite", "--dry-run", "--json")
    assert json.loads(rehearsed.stdout)["key"] == "kept"
    done = zakar(tmp_path, "simulate", "island", "--days", "2", "--out", "x", "--overwrite", "--new-key")
    assert done.returncode == 0
    assert "a new key was drawn" in done.stderr
    assert "the held-out days are others" in done.stderr
    assert key not in done.stderr
    shutil.copy(tmp_path / "x" / "private" / "key", tmp_path / "mine")
    both = zakar(tmp_path, "simulate", "--out", "x", "--overwrite", "--new-key", "--key", "mine")
    assert (both.returncode, "give one of them" in both.stderr) == (2, True)
    none = zakar(tmp_path, "simulate", "tiny", "--out", "x", "--overwrite", "--new-key")
    assert (none.returncode, "has no held-out days" in none.stderr) == (2, True)
