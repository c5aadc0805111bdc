import json
import multiprocessing
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import msgspec
import numpy as np
import pytest
from making import ROOT, tiny

from zakar import scenario
from zakar.check.integrity import integrity
from zakar.check.realism import classic
from zakar.dataset import store
from zakar.dataset.schema import ALERTS, READINGS
from zakar.dataset.store import Dataset
from zakar.errors import ConfigError
from zakar.simulate import simulate

TINY = scenario.find("tiny")
SHORT = tiny(calendar={"days": 60})


def _fingerprints(folder: Path) -> tuple[str, str]:
    return tuple(
        json.loads((folder / path).read_bytes())["fingerprint"] for path in ("manifest.json", "private/manifest.json")
    )


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    out = tmp_path_factory.mktemp("expected") / "dataset"
    with ThreadPoolExecutor(1) as executor:
        simulate(SHORT, TINY, out, executor)
    return _fingerprints(out)


@pytest.mark.parametrize("block_days", [1, 7, 59, 60, 1_000])
def test_the_cut_into_blocks_does_not_change_the_content(tmp_path, one_worker, expected, block_days: int):
    simulate(SHORT, TINY, tmp_path / "out", one_worker, block_days=block_days)
    assert _fingerprints(tmp_path / "out") == expected


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_the_workers_do_not_change_the_content(tmp_path, expected, kind: str):
    context = multiprocessing.get_context("spawn")
    with ThreadPoolExecutor(3) if kind == "threads" else ProcessPoolExecutor(2, context) as executor:
        simulate(SHORT, TINY, tmp_path / "out", executor, block_days=11)
    assert _fingerprints(tmp_path / "out") == expected


def test_another_seed_changes_every_table(tmp_path, one_worker):
    one = simulate(SHORT, TINY, tmp_path / "one", one_worker)
    two = simulate(msgspec.structs.replace(SHORT, seed=1), TINY, tmp_path / "two", one_worker)
    assert all(one.tables[name].sha256 != two.tables[name].sha256 for name in one.tables)


def test_the_committed_sample_is_what_tiny_makes(tmp_path, one_worker):
    simulate(scenario.read(TINY), TINY, tmp_path / "out", one_worker)
    sample = ROOT / "data" / "sample"
    assert _fingerprints(tmp_path / "out") == _fingerprints(sample)
    assert (tmp_path / "out" / "README.md").read_bytes().splitlines()[:20] == (
        sample / "README.md"
    ).read_bytes().splitlines()[:20]
    assert sum(path.stat().st_size for path in sample.rglob("*") if path.is_file()) < 1 << 20


class _Failing(Executor):
    """Fails at its fourth task, as a full disk would."""

    def __init__(self) -> None:
        self.tasks = 0

    def submit(self, function, /, *words, **options) -> Future:
        self.tasks += 1
        future: Future = Future()
        if self.tasks == 4:
            future.set_exception(OSError(28, "No space left on device", "part-00002.parquet"))
        else:
            future.set_result(function(*words, **options))
        return future


def test_a_failed_run_leaves_nothing_and_says_what_failed(tmp_path):
    with pytest.raises(ConfigError, match=r"part-00002\.parquet: cannot be written: No space left"):
        simulate(SHORT, TINY, tmp_path / "out", _Failing(), block_days=10)
    assert list(tmp_path.iterdir()) == []


def test_a_dataset_is_only_replaced_if_asked_to(tmp_path, one_worker):
    out = tmp_path / "out"
    simulate(SHORT, TINY, out, one_worker)
    before = (out / "manifest.json").read_bytes()
    with pytest.raises(ConfigError, match="--overwrite"):
        simulate(tiny(calendar={"days": 3}), TINY, out, one_worker)
    assert (out / "manifest.json").read_bytes() == before
    simulate(tiny(calendar={"days": 3}), TINY, out, one_worker, overwrite=True)
    assert store.open_dataset(str(out)).manifest.days == 3
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_other_peoples_files_are_never_replaced(tmp_path, one_worker):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("years of work")
    (tmp_path / "file").write_text("")
    for name in ("out", "file"):
        with pytest.raises(ConfigError, match=name):
            simulate(SHORT, TINY, tmp_path / name, one_worker, overwrite=True)
    assert (tmp_path / "out" / "thesis.txt").read_text() == "years of work"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dataset]:
    """The classic scenario at its full size."""
    path = scenario.find("classic")
    out = tmp_path_factory.mktemp("classic") / "dataset"
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as executor:
        simulate(scenario.read(path), path, out, executor)
    return store.open_dataset(str(out))


def test_classic_has_the_figures_of_2023(whole: Dataset):
    failed = [check for check in [*integrity(whole), *classic(whole)] if not check.ok]
    assert failed == []
    assert whole.manifest.records > 4_000_000


def test_classic_has_exactly_900_whole_readings_a_day(whole: Dataset):
    readings = store.read(whole, READINGS)
    assert np.array_equal(np.bincount(readings["day"].to_numpy()), [0] + [900] * 2_549)
    assert readings["temperature"].type == "int16"
    assert readings["temperature"].null_count == 0


def test_classic_alerts_come_exactly_three_days_later(whole: Dataset):
    alerts = store.read(whole, ALERTS)
    lag = alerts["notification_day"].to_numpy() - alerts["event_day"].to_numpy()
    assert set(lag.tolist()) == {3}
