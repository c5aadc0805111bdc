"""A dataset while it is written: parts are put whole, as often as they come, and nothing is a dataset before."""

import stat
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from zakar.dataset import manifest, store
from zakar.dataset.layout import KEY
from zakar.dataset.writer import folder_writer
from zakar.errors import ConfigError
from zakar.models import registry, scenario_files
from zakar.simulation import run
from zakar.simulation.run import emit, simulate


def test_a_block_that_is_emitted_again_puts_the_same_files(tmp_path: Path) -> None:
    source = scenario_files.find("tiny")
    scenario = registry.with_days(registry.read(source), 20)
    vocabulary = registry.vocabulary(scenario, registry.phrase_table(scenario, source))
    model = registry.model_of(scenario)
    writer = folder_writer(tmp_path / "dataset", overwrite=False)
    with run.spooled(vocabulary) as argument:
        block = next(model.blocks(scenario, registry.seeds_of(scenario, None), vocabulary, 20))
        first = emit(block, 0, argument, writer)
        files = {path: path.read_bytes() for path in writer.partial.rglob("*") if path.is_file()}
        assert emit(block, 0, argument, writer) == first
    assert {path: path.read_bytes() for path in writer.partial.rglob("*") if path.is_file()} == files
    assert {path.name for path in files} == {"part-00000.parquet"}
    assert sum(part.file.rows for part in first) == sum(pq.read_metadata(path).num_rows for path in files)


def test_nothing_is_a_dataset_before_the_manifest_is_there(tmp_path: Path) -> None:
    out = tmp_path / "dataset"
    writer = folder_writer(out, overwrite=False)
    writer.put("public/zakar-tweets/part-00000.parquet", b"whole")
    assert not out.exists()
    with pytest.raises(ConfigError, match="no dataset here"):
        store.open_dataset(str(writer.partial))
    writer.commit(b"{}")
    assert sorted(path.name for path in out.iterdir()) == [manifest.NAME, "public"]
    assert [path.name for path in tmp_path.iterdir()] == ["dataset"]


def test_a_dataset_that_somebody_else_made_meanwhile_stays(tmp_path: Path) -> None:
    first, second = (folder_writer(tmp_path / "dataset", overwrite=False) for _ in range(2))
    first.put("some", b"first")
    first.commit(b"{}")
    second.put("some", b"second")
    with pytest.raises(ConfigError, match="holds a dataset already"):
        second.commit(b"{}")
    second.abandon()
    assert (tmp_path / "dataset" / "some").read_bytes() == b"first"
    assert [path.name for path in tmp_path.iterdir()] == ["dataset"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
def test_a_secret_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    writer = folder_writer(tmp_path / "dataset", overwrite=False)
    writer.put(KEY, b"key\n", secret=True)
    writer.commit(b"{}")
    assert stat.S_IMODE((tmp_path / "dataset" / KEY).stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "dataset" / "private").stat().st_mode) == 0o700


def test_what_cannot_be_written_to_is_told_before_anything_is_simulated(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    days: list[int] = []
    source = scenario_files.find("tiny")
    with ThreadPoolExecutor(1) as executor, pytest.raises(ConfigError, match="file"):
        simulate(registry.read(source), source, tmp_path / "file" / "dataset", executor, progress=days.append)
    assert days == []
