import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from making import edit_manifest, rewrite

from zakar import location
from zakar.dataset import store, wire
from zakar.dataset.manifest import Manifest, software
from zakar.dataset.schema import ALERTS, CLASSIC_TRUTH, PREDICTIONS, PUBLIC, READINGS, TWEETS, Table
from zakar.dataset.store import Dataset
from zakar.errors import ConfigError, MismatchError, ZakarError
from zakar.models import registry

PART = "public/temperature_readings/part-00001.parquet"


@pytest.fixture
def folder(pristine: Path, tmp_path: Path) -> Path:
    """A dataset that a test may break."""
    return Path(shutil.copytree(pristine, tmp_path / "dataset"))


@pytest.fixture(scope="module")
def grouped(pristine: Path, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """A dataset of several parts, each of several small row groups."""
    out = Path(shutil.copytree(pristine, tmp_path_factory.mktemp("grouped") / "dataset"))
    for table, size in ((TWEETS, 100), (READINGS, 333), (ALERTS, 4)):
        for number in range(3):
            rewrite(out, table.name, number, lambda rows: rows, row_group=size)
    return store.open_dataset(str(out))


@pytest.fixture(scope="module")
def whole(grouped: Dataset) -> dict[str, pa.Table]:
    return {
        table.name: pa.concat_tables(pq.ParquetFile(path).read() for path in grouped.files(table.name))
        for table in PUBLIC
    }


def refusal(folder: Path, kind: type[ZakarError]) -> str:
    with pytest.raises(kind) as caught:
        store.open_dataset(str(folder))
    assert type(caught.value) is kind
    return str(caught.value)


@pytest.mark.parametrize("table", PUBLIC, ids=lambda table: table.name)
@given(data=st.data())
@settings(max_examples=25)
def test_batches_yield_exactly_the_rows_from_the_start_on(
    grouped: Dataset, whole: dict[str, pa.Table], table: Table, data: st.DataObject
) -> None:
    rows = whole[table.name]
    start = data.draw(st.integers(0, rows.num_rows + 2))
    most = data.draw(st.integers(1, 1000))
    batches = list(store.batches(grouped, table, start, most))
    assert pa.Table.from_batches(batches, table.schema).equals(rows.slice(start))
    assert all(0 < batch.num_rows <= most for batch in batches)


@pytest.mark.parametrize("table", PUBLIC, ids=lambda table: table.name)
def test_read_returns_the_whole_table(grouped: Dataset, whole: dict[str, pa.Table], table: Table) -> None:
    assert store.read(grouped, table).equals(whole[table.name])


def test_a_dataset_is_opened_by_url_like_by_path(pristine: Path) -> None:
    assert store.open_dataset(pristine.as_uri()).manifest == store.open_dataset(str(pristine)).manifest


def test_a_url_of_no_known_kind_is_refused() -> None:
    with pytest.raises(ConfigError, match="gopher://zakar/dataset"):
        store.open_dataset("gopher://zakar/dataset")


@pytest.mark.parametrize(
    ("where", "shown"),
    [
        ("data/classic", "data/classic"),
        ("data/a@b?c", "data/a@b?c"),
        ("s3://bucket/x", "s3://bucket/x"),
        ("s3://bucket/a@b/x?region=eu", "s3://bucket/a@b/x"),
        ("s3://KEY:SECRET@bucket/x?endpoint_override=host", "s3://bucket/x"),
        ("s3://KEY:SEC/RET@bucket/x", "s3://..."),
        ("s3://KEY:123/45@bucket/x", "s3://..."),
        ("s3://KEY:SEC@R?ET@bucket/x", "s3://..."),
        ("ftp://me:SECRET@host:21/d", "ftp://host:21/d"),
        ("ftp://host:21/a@b", "ftp://..."),
        ("hdfs://[::1]:8020/a@b", "hdfs://..."),
    ],
)
def test_a_url_is_shown_without_secrets(where: str, shown: str) -> None:
    assert location.shown(where) == shown


@pytest.mark.parametrize(
    "where",
    [
        "s3://KEY:SECRET@bucket/x?foo=HIDDEN",
        "s3://KEY:SECRET @bucket/x?HIDDEN",
        "s3://KEY:SEC/RET@bucket/x",
        "s3://KEY:SECRET@bucket/x?HIDDEN",
        "ftp://KEY:SECRET@host/d",
        "ftp://KEY@host/d?HIDDEN",
    ],
)
def test_a_url_that_cannot_be_opened_is_told_without_its_secrets(where: str) -> None:
    with pytest.raises(ConfigError) as caught:
        store.open_dataset(where)
    assert str(caught.value).startswith(f"{location.shown(where)}: cannot be opened")
    assert not re.search("KEY|SEC|RET|HIDDEN", str(caught.value))


@pytest.mark.parametrize("name", ["", "none"])
def test_a_folder_without_a_dataset_is_told(tmp_path: Path, name: str) -> None:
    message = refusal(tmp_path / name, ConfigError)
    assert str(tmp_path / name) in message
    assert "zakar simulate" in message


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / PART).unlink()
    assert f"{PART}: missing" in refusal(folder, MismatchError)


def test_a_folder_in_a_files_place_is_named(folder: Path) -> None:
    (folder / PART).unlink()
    (folder / PART).mkdir()
    assert f"{PART}: missing" in refusal(folder, MismatchError)


@pytest.mark.parametrize("left", [0, 3, 1000])
def test_a_truncated_file_is_named(folder: Path, left: int) -> None:
    (folder / PART).write_bytes((folder / PART).read_bytes()[:left])
    assert f"{PART}: {left} bytes, the manifest says" in refusal(folder, MismatchError)


def test_a_file_that_is_not_parquet_is_named(folder: Path) -> None:
    size = (folder / PART).stat().st_size
    (folder / PART).write_bytes(b"x" * size)
    assert f"{PART}: not a readable Parquet file" in refusal(folder, MismatchError)


@pytest.mark.parametrize(
    "change",
    [
        lambda rows: rows.rename_columns(["day", "geospatial_x", "geospatial_y", "celsius"]),
        lambda rows: rows.drop_columns(["temperature"]),
        lambda rows: rows.select(["geospatial_x", "day", "geospatial_y", "temperature"]),
        lambda rows: rows.set_column(3, "temperature", rows["temperature"].cast(pa.float64())),
        lambda rows: rows.append_column("humidity", rows["day"]),
    ],
    ids=["renamed", "dropped", "in another order", "of another type", "more"],
)
def test_a_file_with_foreign_columns_is_named(folder: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    rewrite(folder, "temperature_readings", 1, change)
    message = refusal(folder, MismatchError)
    assert f"{PART}: columns" in message
    assert "`temperature_readings`" in message


def test_a_file_of_another_table_is_named(folder: Path) -> None:
    rewrite(folder, "temperature_readings", 1, lambda _: pq.read_table(folder / "public/tweets/part-00001.parquet"))
    assert f"{PART}: columns" in refusal(folder, MismatchError)


def test_a_file_with_another_number_of_rows_is_named(folder: Path) -> None:
    def one_row_more(values: dict[str, Any]) -> None:
        values["tables"]["temperature_readings"]["files"][1]["rows"] += 1

    edit_manifest(folder, one_row_more)
    assert f"{PART}: 2100 rows, the manifest says 2101" in refusal(folder, MismatchError)


def test_a_page_that_cannot_be_decoded_is_told_with_its_file(folder: Path) -> None:
    content = bytearray((folder / PART).read_bytes())
    content[4:200] = bytes(196)
    (folder / PART).write_bytes(content)
    dataset = store.open_dataset(str(folder))
    with pytest.raises(MismatchError, match=PART):
        list(store.batches(dataset, READINGS))


@pytest.mark.parametrize("content", [b"", b"not json", b"[]", b"{}", b'{"format": "one"}', b"\xff\xfe"])
def test_a_manifest_that_is_none_is_named(folder: Path, content: bytes) -> None:
    (folder / "manifest.json").write_bytes(content)
    assert f"{folder}/manifest.json: not a zakar manifest" in refusal(folder, MismatchError)


def test_a_manifest_of_another_format_is_told_with_both_numbers(folder: Path) -> None:
    edit_manifest(folder, lambda values: values.update(format=2))
    message = refusal(folder, MismatchError)
    assert f"{folder}/manifest.json: format 2" in message
    assert "reads format 1" in message


def test_a_manifest_of_a_later_format_is_told_whatever_else_it_holds(folder: Path) -> None:
    (folder / "manifest.json").write_text(json.dumps({"format": 7, "something": "new"}), encoding="utf-8")
    assert f"{folder}/manifest.json: format 7" in refusal(folder, MismatchError)


@pytest.mark.parametrize("name", ["../../../x.parquet", "part-00001.parquet", "/etc/passwd", ""])
def test_a_manifest_that_leads_out_of_the_dataset_is_refused(folder: Path, name: str) -> None:
    edit_manifest(folder, lambda values: values["tables"]["tweets"]["files"][0].update(name=name))
    message = refusal(folder, MismatchError)
    assert "manifest.json" in message
    assert "part-00000.parquet" in message


@pytest.mark.parametrize("table", PUBLIC, ids=lambda table: table.name)
def test_a_table_that_the_manifest_lacks_is_named(folder: Path, table: Table) -> None:
    edit_manifest(folder, lambda values: values["tables"].pop(table.name))
    message = refusal(folder, MismatchError)
    assert f"{folder}/manifest.json: no table `{table.name}`" in message


def test_a_dataset_opens_without_its_private_part(folder: Path) -> None:
    shutil.rmtree(folder / "private")
    assert store.open_dataset(str(folder)).manifest.days == 49


def test_the_manifest_says_what_it_was_made_with(pristine: Path) -> None:
    found = store.open_dataset(str(pristine)).manifest
    assert found.software == software()
    assert {"zakar", "faker", "numpy", "pyarrow"} == set(found.software)
    assert found.scenario["calendar"] == {"days": 49, "days_per_year": 365}
    assert found.records == sum(entry.rows for entry in found.tables.values()) > 0


@pytest.mark.parametrize("table", PUBLIC, ids=lambda table: table.name)
def test_the_manifests_sizes_are_those_of_the_files(pristine: Path, table: Table) -> None:
    entry = store.open_dataset(str(pristine)).manifest.tables[table.name]
    paths = sorted((pristine / "public" / table.name).iterdir())
    assert [(file.name, file.bytes) for file in entry.files] == [(p.name, p.stat().st_size) for p in paths]
    assert [file.rows for file in entry.files] == [pq.ParquetFile(path).metadata.num_rows for path in paths]
    assert entry.columns == {column.name: str(column.type) for column in table.columns}


@pytest.mark.parametrize("table", PUBLIC, ids=lambda table: table.name)
def test_the_manifests_wire_bytes_are_what_is_sent(pristine: Path, table: Table) -> None:
    dataset = store.open_dataset(str(pristine))
    sent = b"".join(row for batch in store.batches(dataset, table) for row in wire.encode(batch).to_pylist())
    assert dataset.manifest.tables[table.name].wire_bytes == len(sent) > 0


def test_the_card_mentions_every_column_table_and_station(pristine: Path) -> None:
    found: Manifest = store.open_dataset(str(pristine)).manifest
    text = registry.rendered(found)
    for table in (*PUBLIC, PREDICTIONS):
        assert f"### {table.name}\n" in text
        assert f"`{table.station}`" in text
        for column in table.columns:
            assert f"| `{column.name}` | {column.type} | {column.unit} | {column.doc} |" in text
    assert found.fingerprint in text
    assert "CC-BY-4.0" in text
    assert (pristine / "README.md").read_text(encoding="utf-8") == text


def test_wire_keys_are_exactly_those_of_2023() -> None:
    keys = {table.station: [column.name for column in table.columns] for table in (*PUBLIC, PREDICTIONS)}
    assert keys == {
        "zakar-tweets": ["day", "geospatial_x", "geospatial_y", "tweet"],
        "zakar-temperature-readings": ["day", "geospatial_x", "geospatial_y", "temperature"],
        "zakar-fire-alerts": ["event_day", "notification_day", "geospatial_x", "geospatial_y"],
        "zakar-fire-predictions": ["event_day", "geospatial_x", "geospatial_y"],
    }


@pytest.mark.parametrize("table", [*PUBLIC, PREDICTIONS, *CLASSIC_TRUTH], ids=lambda table: table.name)
def test_every_column_says_its_unit_and_meaning_and_is_never_null(table: Table) -> None:
    assert table.day == table.schema.names[0]
    for column in table.columns:
        assert column.unit
        assert column.doc
        assert not table.schema.field(column.name).nullable
