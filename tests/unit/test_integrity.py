import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from making import edit_manifest, rewrite, simulated, small_island

from zakar.checks import registry as suites
from zakar.checks.check import Check
from zakar.checks.integrity import check_private, integrity
from zakar.dataset import store
from zakar.dataset.schema import PUBLIC
from zakar.errors import MismatchError


@pytest.fixture
def folder(pristine: Path, tmp_path: Path) -> Path:
    """A dataset that a test may change."""
    return Path(shutil.copytree(pristine, tmp_path / "dataset"))


def failed(folder: Path) -> set[str]:
    return {check.id for check in integrity(store.open_dataset(str(folder))) if not check.ok}


def replaced(rows: pa.Table, column: str, values: pa.ChunkedArray) -> pa.Table:
    at = rows.schema.get_field_index(column)
    return rows.set_column(at, rows.schema.field(column), values)


def one_more(rows: pa.Table, column: str) -> pa.Table:
    """Raise the value in the middle row by one."""
    values = rows[column].to_pylist()
    values[len(values) // 2] += 1
    return replaced(rows, column, pa.chunked_array([pa.array(values, rows[column].type)]))


def swapped(rows: pa.Table) -> pa.Table:
    return pa.concat_tables([rows.slice(1, 1), rows.slice(0, 1), rows.slice(2)])


def test_a_fresh_dataset_is_what_its_manifest_says(pristine: Path) -> None:
    checks = integrity(store.open_dataset(str(pristine)))
    assert {check.id for check in checks} == {f"content/{t.name}" for t in PUBLIC} | {"content/fingerprint"}
    assert all(check.ok for check in checks)


def test_other_row_groups_are_the_same_content(folder: Path) -> None:
    for table in PUBLIC:
        rewrite(folder, table.name, 1, lambda rows: rows, row_group=50)
    assert failed(folder) == set()


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("temperature_readings", lambda rows: one_more(rows, "temperature")),
        ("temperature_readings", lambda rows: one_more(rows, "geospatial_y")),
        ("fire_alerts", lambda rows: one_more(rows, "notification_day")),
        (
            "tweets",
            lambda rows: replaced(rows, "tweet", pc.replace_substring(rows["tweet"], "a", "e", max_replacements=1)),
        ),
        ("tweets", swapped),
        ("temperature_readings", swapped),
        ("tweets", lambda rows: rows.slice(1)),
        ("temperature_readings", lambda rows: pa.concat_tables([rows.slice(0, 1), rows])),
    ],
    ids=["value", "place", "lag", "text", "posts swapped", "readings swapped", "row lost", "row twice"],
)
def test_changed_content_is_found(folder: Path, table: str, change: Callable[[pa.Table], pa.Table]) -> None:
    rewrite(folder, table, 2, change)
    assert failed(folder) == {f"content/{table}", "content/fingerprint"}


@pytest.mark.parametrize("table", ["weather", "tweet_topics"])
def test_a_truth_with_another_checksum_is_named_but_no_figure(folder: Path, table: str) -> None:
    dataset = store.open_dataset(str(folder))
    check_private(dataset)
    path = folder / "private" / "manifest.json"
    values = json.loads(path.read_bytes())
    values["truth"][table]["sha256"] = "0" * 64
    path.write_text(json.dumps(values))
    assert failed(folder) == set()
    place = re.escape((folder / "private" / "truth" / table).as_posix())
    with pytest.raises(MismatchError, match=f"^{place}: content is not what it should be"):
        check_private(dataset)


def test_a_truth_that_was_written_again_is_named_before_it_is_read(folder: Path) -> None:
    path = folder / "private" / "truth" / "fires" / "part-00000.parquet"
    pq.write_table(pq.read_table(path).slice(1), path)
    with pytest.raises(MismatchError, match=r"private/truth/fires/part-00000.parquet: .* bytes, the manifest says"):
        check_private(store.open_dataset(str(folder)))


def test_without_its_private_part_a_dataset_has_nothing_more_to_compare(folder: Path) -> None:
    shutil.rmtree(folder / "private")
    check_private(store.open_dataset(str(folder)))


def test_a_changed_map_and_a_changed_held_out_table_are_found(tmp_path: Path) -> None:
    folder = tmp_path / "dataset"
    simulated(folder, small_island(calendar={"days": 5, "holdout_days": 4}))
    assert failed(folder) == set()
    edit_manifest(folder, lambda values: values["maps"]["island_map"].update(sha256="0" * 64))
    assert failed(folder) == {"content/island_map"}
    path = folder / "private" / "manifest.json"
    values = json.loads(path.read_bytes())
    values["holdout"]["tweets"]["sha256"] = "0" * 64
    path.write_text(json.dumps(values))
    place = re.escape((folder / "private" / "holdout" / "tweets").as_posix())
    with pytest.raises(MismatchError, match=f"^{place}: content is not what it should be"):
        check_private(store.open_dataset(str(folder)))


def test_a_changed_fingerprint_is_found(folder: Path) -> None:
    edit_manifest(folder, lambda values: values.update(fingerprint="0" * 64))
    assert failed(folder) == {"content/fingerprint"}


def test_days_that_go_back_are_told_with_their_file(folder: Path) -> None:
    rewrite(folder, "tweets", 1, lambda rows: rows.take(list(range(rows.num_rows))[::-1]))
    place = re.escape((folder / "public" / "tweets" / "part-00001.parquet").as_posix())
    with pytest.raises(MismatchError, match=f"^{place}: .*goes back"):
        failed(folder)


def test_a_page_that_cannot_be_decoded_is_told_with_its_file(folder: Path) -> None:
    path = folder / "public" / "tweets" / "part-00001.parquet"
    content = bytearray(path.read_bytes())
    content[4:200] = bytes(196)
    path.write_bytes(content)
    with pytest.raises(MismatchError, match=r"public/tweets/part-00001\.parquet: cannot be decoded"):
        failed(folder)


@pytest.mark.parametrize(("value", "ok"), [(0.99, False), (1, True), (1.5, True), (2, True), (2.01, False)])
def test_both_ends_of_a_figures_range_are_accepted(value: float, ok: bool) -> None:
    assert Check("id", "name", value, 1, 2, "source").ok is ok


def test_a_figure_that_is_not_a_number_is_not_ok() -> None:
    assert not Check("id", "name", float("nan"), 1, 2, "source").ok


def test_a_scenario_that_the_classic_suite_cannot_read_is_told(folder: Path) -> None:
    edit_manifest(folder, lambda values: values["scenario"].pop("grid"))
    with pytest.raises(MismatchError, match=r"manifest\.json: scenario: `grid` is missing"):
        suites.figures(store.open_dataset(str(folder)), "classic")


def test_no_suite_means_no_figures(pristine: Path) -> None:
    assert suites.figures(store.open_dataset(str(pristine)), "none") == []
