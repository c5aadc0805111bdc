import datetime
import json
import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest
from making import ROOT, simulated, small_island, tiny

from zakar.dataset import croissant, store
from zakar.dataset.manifest import Manifest
from zakar.errors import ConfigError, ZakarError
from zakar.models import registry, scenario_files
from zakar.simulation.run import simulate

SAMPLE = ROOT / "data" / "sample"
SOURCE = scenario_files.find("tiny")
SHORT = tiny(  # two short years and a bit
    calendar={"days": 120, "days_per_year": 50},
    fires={"season_first": 1, "season_last": 50},
)


class Failing(Executor):
    """Runs tasks at once, except that the third one raises."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.submitted = 0

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.submitted += 1
        if self.submitted == 3:
            future.set_exception(self.error)
        else:
            future.set_result(fn(*args, **kwargs))
        return future


@pytest.fixture(scope="module")
def processes() -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as executor:
        yield executor


def digests(folder: Path) -> dict[str, str]:
    """The checksum of every table, public and private."""
    public = json.loads((folder / "manifest.json").read_bytes())["tables"]
    private = json.loads((folder / "private" / "manifest.json").read_bytes())["truth"]
    return {name: entry["sha256"] for name, entry in (public | private).items()}


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    out = tmp_path_factory.mktemp("reference") / "dataset"
    simulated(out, SHORT, block_days=1000)
    return digests(out)


@pytest.mark.parametrize("block_days", [1, 7, 128])
def test_the_cut_into_blocks_does_not_change_the_content(
    tmp_path: Path, reference: dict[str, str], block_days: int
) -> None:
    simulated(tmp_path / "out", SHORT, block_days)
    assert digests(tmp_path / "out") == reference


def test_threads_do_not_change_the_content(tmp_path: Path, reference: dict[str, str]) -> None:
    with ThreadPoolExecutor(3) as executor:
        simulate(SHORT, SOURCE, tmp_path / "out", executor, block_days=16)
    assert digests(tmp_path / "out") == reference


def test_processes_do_not_change_the_content(
    tmp_path: Path, reference: dict[str, str], processes: ProcessPoolExecutor
) -> None:
    simulate(SHORT, SOURCE, tmp_path / "out", processes, block_days=16)
    assert digests(tmp_path / "out") == reference


def test_the_same_blocks_make_the_same_files_byte_by_byte(tmp_path: Path, processes: ProcessPoolExecutor) -> None:
    simulated(tmp_path / "one", SHORT)
    simulate(SHORT, SOURCE, tmp_path / "two", processes)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_another_seed_changes_every_table(tmp_path: Path, reference: dict[str, str]) -> None:
    simulated(tmp_path / "out", msgspec.structs.replace(SHORT, seed=2024))
    changed = digests(tmp_path / "out")
    assert {name for name in reference if reference[name] == changed[name]} == set()


def test_the_return_value_is_the_manifest_on_disk(tmp_path: Path, one_worker: ThreadPoolExecutor) -> None:
    returned = simulate(SHORT, SOURCE, tmp_path / "out", one_worker)
    written = msgspec.json.decode((tmp_path / "out" / "manifest.json").read_bytes(), type=Manifest)
    assert msgspec.json.encode(returned) == msgspec.json.encode(written)


def test_progress_tells_every_day_once(tmp_path: Path, one_worker: ThreadPoolExecutor) -> None:
    told: list[int] = []
    simulate(SHORT, SOURCE, tmp_path / "out", one_worker, block_days=40, progress=told.append)
    assert sum(told) == 120


def test_truth_stands_row_by_row_beside_what_is_seen(pristine: Path) -> None:
    def read(name: str) -> Any:
        return pq.read_table(pristine / name)

    place = ["day", "geospatial_x", "geospatial_y"]
    assert read("private/truth/tweet_topics").select(place).equals(read("public/tweets").select(place))
    fires, alerts = read("private/truth/fires"), read("public/fire_alerts")
    assert fires.equals(alerts.select(fires.column_names))
    assert read("private/truth/weather")["day"].to_pylist() == list(range(1, 50))


def test_the_rows_that_are_expected_are_about_those_that_come(tmp_path: Path) -> None:
    year = {"first_date": datetime.date(2016, 1, 1), "days": 366, "holdout_days": 0}
    island = small_island(calendar=year, fires={"human_per_100km2": 100.0, "escape_share": 0.0105})
    made = {"sample": SAMPLE, "island": simulated(tmp_path / "island", island).root}
    settings = {"sample": registry.read(SOURCE), "island": island}
    for name, folder in made.items():
        tables = store.open_dataset(str(folder)).manifest.tables
        expected, held_out = registry.expected_rows(settings[name])
        assert held_out == {}
        assert list(expected) == list(tables)
        for table, share in {"tweets": 0.05, "temperature_readings": 0.03, "fire_alerts": 0.4}.items():
            assert expected[table] == pytest.approx(tables[table].rows, rel=share), (name, table)


def test_held_out_rows_are_expected_for_the_days_that_are_held_out() -> None:
    released, held_out = registry.expected_rows(small_island(calendar={"days": 100, "holdout_days": 50}))
    assert held_out == {table: pytest.approx(rows / 2, abs=1) for table, rows in released.items()}


def test_a_file_in_the_way_is_kept_and_told(tmp_path: Path, one_worker: ThreadPoolExecutor) -> None:
    out = tmp_path / "out"
    out.write_text("mine", encoding="utf-8")
    for overwrite in (False, True):
        with pytest.raises(ConfigError, match="out: is a file"):
            simulate(SHORT, SOURCE, out, one_worker, overwrite=overwrite)
    assert contents(tmp_path) == {"out": b"mine"}


def test_a_folder_of_other_files_is_kept_and_told(tmp_path: Path, one_worker: ThreadPoolExecutor) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "notes.txt").write_text("mine", encoding="utf-8")
    for overwrite in (False, True):
        with pytest.raises(ConfigError, match="out: holds files that are no dataset"):
            simulate(SHORT, SOURCE, out, one_worker, overwrite=overwrite)
    assert contents(tmp_path) == {"out/notes.txt": b"mine"}


def test_a_dataset_is_kept_unless_it_may_be_overwritten(tmp_path: Path, one_worker: ThreadPoolExecutor) -> None:
    out = tmp_path / "out"
    simulated(out, SHORT)
    before = contents(tmp_path)
    with pytest.raises(ConfigError, match=r"out: holds a dataset already; give --overwrite"):
        simulate(SHORT, SOURCE, out, one_worker)
    assert contents(tmp_path) == before


def test_overwrite_replaces_a_dataset_and_leaves_nothing_of_it(tmp_path: Path, one_worker: ThreadPoolExecutor) -> None:
    out = tmp_path / "out"
    simulated(out, SHORT, block_days=16)  # more parts than its successor
    new = simulate(msgspec.structs.replace(SHORT, seed=5), SOURCE, out, one_worker, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert store.open_dataset(str(out)).manifest.fingerprint == new.fingerprint
    listed = {file.name for file in new.tables["tweets"].files}
    assert {path.name for path in (out / "public" / "tweets").iterdir()} == listed


def test_an_empty_folder_is_filled(tmp_path: Path, one_worker: ThreadPoolExecutor) -> None:
    (tmp_path / "out").mkdir()
    simulate(SHORT, SOURCE, tmp_path / "out", one_worker)
    assert store.open_dataset(str(tmp_path / "out")).manifest.days == 120


@pytest.mark.parametrize("error", [RuntimeError("a worker died"), MemoryError()])
def test_a_failure_in_the_middle_leaves_no_folder(tmp_path: Path, error: Exception) -> None:
    with pytest.raises(type(error)):
        simulate(SHORT, SOURCE, tmp_path / "out", Failing(error), block_days=16)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_told_and_leaves_no_folder(tmp_path: Path) -> None:
    full = OSError(28, "No space left on device", "part-00002.parquet")
    with pytest.raises(ConfigError, match=r"part-00002\.parquet: cannot be written: No space left on device"):
        simulate(SHORT, SOURCE, tmp_path / "out", Failing(full), block_days=16)
    assert list(tmp_path.iterdir()) == []


def test_a_worker_that_is_killed_is_told_in_plain_words(tmp_path: Path) -> None:
    with pytest.raises(ZakarError):
        simulate(SHORT, SOURCE, tmp_path / "out", Failing(BrokenProcessPool("killed")), block_days=16)
    assert list(tmp_path.iterdir()) == []


def test_a_failure_while_overwriting_keeps_the_dataset(tmp_path: Path) -> None:
    simulated(tmp_path / "out", SHORT)
    before = contents(tmp_path)
    with pytest.raises(RuntimeError):
        simulate(SHORT, SOURCE, tmp_path / "out", Failing(RuntimeError()), overwrite=True, block_days=16)
    assert contents(tmp_path) == before


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path, one_worker: ThreadPoolExecutor) -> None:
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    with pytest.raises(ConfigError, match="file"):
        simulate(SHORT, SOURCE, tmp_path / "file" / "out", one_worker)
    assert contents(tmp_path) == {"file": b"mine"}


def test_the_working_folder_itself_can_be_filled_or_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_worker: ThreadPoolExecutor
) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        simulate(SHORT, SOURCE, Path(), one_worker)
    except ConfigError:
        assert list(tmp_path.iterdir()) == []
    else:
        assert store.open_dataset(str(tmp_path)).manifest.days == 120


def test_public_files_tell_nothing_of_what_is_private(pristine: Path) -> None:
    published = [p for p in pristine.rglob("*") if p.is_file() and pristine / "private" not in p.parents]
    texts = [path.read_text(encoding="utf-8") for path in published if path.suffix != ".parquet"]
    footers = [str(pq.read_schema(path)) for path in published if path.suffix == ".parquet"]
    assert (len(texts), len(footers)) == (3, 9)
    for word in ("private", "truth", "topic", "held", "holdout", "secret"):
        assert not any(word in text.lower() for text in (*texts, *footers))


@pytest.fixture(scope="module")
def again(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("again") / "dataset"
    simulated(out, registry.read(SOURCE))
    return out


@pytest.mark.parametrize("name", ["manifest.json", "private/manifest.json"])
def test_the_committed_sample_is_simulated_again(again: Path, name: str) -> None:
    committed, made = (json.loads((folder / name).read_bytes()) for folder in (SAMPLE, again))
    assert made["fingerprint"] == committed["fingerprint"]


def test_the_committed_sample_holds_its_content_and_card() -> None:
    dataset = store.open_dataset(str(SAMPLE))
    assert (SAMPLE / "README.md").read_text(encoding="utf-8") == registry.rendered(dataset.manifest)
    assert (SAMPLE / "croissant.json").read_bytes() == croissant.render(dataset.manifest)
    settings = registry.scenario_of(dataset.manifest.scenario, "data/sample")
    assert settings == registry.read(SOURCE)


def test_the_committed_sample_is_under_a_mebibyte() -> None:
    assert sum(len(content) for content in contents(SAMPLE).values()) < 2**20
