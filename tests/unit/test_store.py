import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from making import edit_manifest, rewrite

from zakar.check.integrity import integrity
from zakar.dataset import store
from zakar.dataset.schema import PUBLIC, TWEETS
from zakar.errors import ConfigError, MismatchError


@pytest.fixture
def copy(pristine: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "dataset"
    shutil.copytree(pristine, folder)
    return folder


def _refused(folder: Path, *words: str) -> None:
    with pytest.raises(MismatchError) as caught:
        store.open_dataset(str(folder))
    assert all(word in str(caught.value) for word in words), caught.value


@given(start=st.integers(0, 4_000), rows=st.integers(1, 5_000))
def test_batches_from_any_row_are_the_rest_of_the_table(pristine: Path, start: int, rows: int):
    dataset = store.open_dataset(str(pristine))
    whole = store.read(dataset, TWEETS)
    found = pa.Table.from_batches(store.batches(dataset, TWEETS, start, rows), TWEETS.schema)
    assert found.equals(whole.slice(start))


def test_batches_skip_row_groups_too(copy: Path):
    rewrite(copy, "tweets", 1, lambda rows: rows, row_group=100)
    dataset = store.open_dataset(str(copy))
    whole = store.read(dataset, TWEETS)
    for start in (0, 1_200, 1_300, 1_399, 1_400, 1_401, whole.num_rows - 1, whole.num_rows):
        found = pa.Table.from_batches(store.batches(dataset, TWEETS, start, 70), TWEETS.schema)
        assert found.equals(whole.slice(start))


def test_a_folder_without_a_manifest_is_no_dataset(tmp_path: Path):
    with pytest.raises(ConfigError, match="no dataset here"):
        store.open_dataset(str(tmp_path))


def test_a_missing_file_is_named(copy: Path):
    (copy / "public" / "tweets" / "part-00001.parquet").unlink()
    _refused(copy, "tweets/part-00001.parquet", "missing")


def test_a_truncated_file_is_named(copy: Path):
    path = copy / "public" / "tweets" / "part-00000.parquet"
    path.write_bytes(path.read_bytes()[:-100])
    _refused(copy, "tweets/part-00000.parquet", "the manifest says")


def test_a_file_that_is_no_parquet_is_named(copy: Path):
    path = copy / "public" / "tweets" / "part-00000.parquet"
    path.write_bytes(b"x" * path.stat().st_size)
    _refused(copy, "tweets/part-00000.parquet", "not a readable Parquet file")


def test_a_file_of_another_table_is_named(copy: Path):
    rewrite(copy, "tweets", 0, lambda rows: rows.drop_columns(["tweet"]))
    _refused(copy, "tweets/part-00000.parquet", "columns")


def test_a_file_with_other_rows_is_named(copy: Path):
    rewrite(copy, "tweets", 0, lambda rows: rows.slice(1))
    edit_manifest(copy, lambda m: m["tables"]["tweets"]["files"][0].update(rows=9))
    _refused(copy, "tweets/part-00000.parquet", "9")


def test_a_manifest_that_leads_out_of_the_dataset_is_refused(copy: Path):
    edit_manifest(copy, lambda m: m["tables"]["tweets"]["files"][0].update(name="../../../x.parquet"))
    _refused(copy, "manifest.json", "part-00000.parquet")


@pytest.mark.parametrize(
    ("content", "word"),
    [(b"{", "not a zakar manifest"), (b"[]", "not a zakar manifest"), (b'{"format": 1}', "missing")],
)
def test_what_is_no_manifest_is_told(copy: Path, content: bytes, word: str):
    (copy / "manifest.json").write_bytes(content)
    _refused(copy, "manifest.json", word)


def test_a_manifest_of_another_format_says_what_to_do(copy: Path):
    edit_manifest(copy, lambda m: m.update(format=99))
    _refused(copy, "format 99", "simulate the dataset again")


def test_a_manifest_without_a_table_is_told(copy: Path):
    edit_manifest(copy, lambda m: m["tables"].pop("tweets"))
    _refused(copy, "no table `tweets`")


def test_integrity_holds_for_a_dataset_as_written(pristine: Path):
    assert all(check.ok for check in integrity(store.open_dataset(str(pristine))))


def test_integrity_finds_a_changed_value_where_sizes_still_fit(copy: Path):
    def change(rows: pa.Table) -> pa.Table:
        values = rows["temperature"].to_numpy().copy()
        values[17] += 1
        return rows.set_column(3, rows.schema.field(3), pa.array(values.astype(np.int16)))

    rewrite(copy, "temperature_readings", 1, change)
    failed = {check.id for check in integrity(store.open_dataset(str(copy))) if not check.ok}
    assert failed == {"content/temperature_readings", "content/fingerprint"}


def test_public_files_tell_nothing_of_what_is_private(pristine: Path):
    manifest = (pristine / "manifest.json").read_text(encoding="utf-8")
    card = (pristine / "README.md").read_text(encoding="utf-8")
    assert "private" not in manifest
    assert "private" not in card
    assert "topic" not in manifest
    for table in PUBLIC:
        for path in (pristine / "public" / table.name).iterdir():
            assert pq.read_schema(path).names == table.schema.names


def test_the_card_has_every_column(pristine: Path):
    card = (pristine / "README.md").read_text(encoding="utf-8")
    for table in PUBLIC:
        for column in table.columns:
            assert f"| `{column.name}` | {column.type} | {column.unit} | {column.doc} |" in card
    assert json.loads((pristine / "manifest.json").read_bytes())["fingerprint"] in card
