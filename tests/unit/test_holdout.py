"""The held-out days: drawn from a key alone, told of nowhere, and without a seam."""

import json
import stat
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from making import small_island

from zakar.dataset import store
from zakar.dataset.layout import Split
from zakar.dataset.schema import ISLAND_MAP, ISLAND_TRUTH, TWEETS, Table
from zakar.errors import ConfigError
from zakar.models import scenario_files
from zakar.models.island.settings import IslandScenario
from zakar.seeds import Seeds, secret_root
from zakar.simulation.keys import read_key
from zakar.simulation.run import simulate

KEY, OTHER = b"0123456789abcdef" * 2, b"fedcba9876543210" * 2
PUBLIC = {"tweets", "temperature_readings", "fire_alerts"}


def made(out: Path, settings: IslandScenario, key: bytes | None = KEY, block_days: int = 128) -> Path:
    with ThreadPoolExecutor(1) as executor:
        simulate(settings, scenario_files.find("island"), out, executor, key=key, block_days=block_days)
    return out


def private(folder: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads((folder / "private" / "manifest.json").read_bytes())
    return values


def digests(folder: Path, part: str) -> dict[str, str]:
    return {name: entry["sha256"] for name, entry in private(folder).get(part, {}).items()}


def published(folder: Path) -> dict[str, bytes]:
    files = [p for p in sorted(folder.rglob("*")) if p.is_file() and folder / "private" not in p.parents]
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files}


@pytest.fixture(scope="module")
def held_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("held-out") / "dataset", small_island())


def test_what_is_published_is_the_same_byte_by_byte_whether_or_not_days_are_held_out(
    held_out: Path, tmp_path: Path
) -> None:
    without = made(tmp_path / "without", small_island(calendar={"holdout_days": 0}))
    assert published(held_out) == published(without)
    assert digests(held_out, "truth") == digests(without, "truth")
    assert not (without / "private" / "key").exists()


def test_another_key_changes_every_held_out_table_and_no_released_one(held_out: Path, tmp_path: Path) -> None:
    other = made(tmp_path / "other", small_island(), OTHER)
    assert published(held_out) == published(other)
    for part in ("holdout", "holdout_truth"):
        one, two = digests(held_out, part), digests(other, part)
        assert {name for name in one if one[name] == two[name]} <= {"sensors"}  # none may have been replaced
    assert set(digests(held_out, "holdout")) == PUBLIC


def test_the_same_key_makes_the_same_held_out_days(held_out: Path, tmp_path: Path) -> None:
    again = made(tmp_path / "again", small_island(), block_days=11)
    for part in ("truth", "holdout", "holdout_truth"):
        assert digests(held_out, part) == digests(again, part)


def test_held_out_draws_do_not_depend_on_the_seed() -> None:
    one, two = (Seeds(root, secret_root(KEY), 60) for root in (1, 2))
    assert one.stream("x", 61).random() == two.stream("x", 61).random()
    assert one.stream("x", 60).random() != two.stream("x", 60).random()
    assert one.stream("x").random() == Seeds(1).stream("x").random()


def test_every_day_after_the_released_ones_is_held_out(held_out: Path) -> None:
    for split, first, last in ((Split.TRAIN, 1, 60), (Split.HOLDOUT, 61, 86)):
        dataset = store.open_dataset(str(held_out), split)
        days = np.unique(store.read(dataset, dataset.tables[0])["day"].to_numpy())
        assert days.tolist() == list(range(first, last + 1))


@pytest.mark.parametrize("table", [*ISLAND_TRUTH, TWEETS.full(), ISLAND_MAP], ids=lambda table: table.name)
def test_a_table_of_held_out_days_is_read_whole_and_by_the_file_alike(held_out: Path, table: Table) -> None:
    dataset = store.open_dataset(str(held_out), Split.HOLDOUT)
    rows = pa.concat_tables(store.column_parts(dataset, table, table.schema.names)).cast(table.schema)
    if table is ISLAND_MAP:
        assert len(rows) == 144
    else:
        assert rows.equals(store.columns(dataset, table, table.schema.names))
        assert set(rows[table.day].to_pylist()) <= set(range(61, 87))


def test_weather_goes_on_without_a_seam(held_out: Path) -> None:
    before, after = (
        pq.read_table(held_out / "private" / part / "weather", columns=["day", "dc"])
        for part in ("truth", "holdout-truth")
    )
    last = before.filter(np.asarray(before["day"]) == 60)["dc"].to_numpy()
    first = after.filter(np.asarray(after["day"]) == 61)["dc"].to_numpy()
    assert len(last) == len(first)
    assert np.all(np.abs(first - last) < 40)  # a day moves the drought code by a few points, rain by more
    assert np.corrcoef(first, last)[0, 1] > 0.8


def test_a_shorter_dataset_is_the_beginning_of_a_longer_one(held_out: Path, tmp_path: Path) -> None:
    short = store.open_dataset(str(made(tmp_path / "short", small_island(calendar={"days": 41, "holdout_days": 0}))))
    long = store.open_dataset(str(held_out))
    for table in long.tables:
        rows = store.read(long, table)
        assert store.read(short, table).equals(rows.filter(np.asarray(rows[table.day]) <= 41))


def test_another_seed_changes_every_table(held_out: Path, tmp_path: Path) -> None:
    other = made(tmp_path / "other", msgspec.structs.replace(small_island(), seed=7))
    one, two = (json.loads((folder / "manifest.json").read_bytes())["tables"] for folder in (held_out, other))
    assert {name for name in one if one[name]["sha256"] == two[name]["sha256"]} == set()
    assert {n for n, digest in digests(held_out, "truth").items() if digest == digests(other, "truth")[n]} == set()


def test_public_files_tell_nothing_of_what_is_held_out(held_out: Path) -> None:
    files = published(held_out)
    for name, content in files.items():
        assert KEY not in content
        if not name.endswith(".parquet"):
            for word in ("private", "holdout", "held", "truth", "secret"):
                assert word not in content.decode().lower(), (name, word)


def test_the_key_is_kept_where_only_its_owner_can_read_it(held_out: Path) -> None:
    path = held_out / "private" / "key"
    assert read_key(path) == KEY
    if sys.platform != "win32":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_key_is_drawn_anew_where_none_is_given(tmp_path: Path) -> None:
    short = small_island(calendar={"days": 3, "holdout_days": 2})
    one, two = (made(tmp_path / name, short, None) for name in ("one", "two"))
    keys = [read_key(folder / "private" / "key") for folder in (one, two)]
    assert keys[0] != keys[1]
    assert all(len(key) >= 32 for key in keys)


@pytest.mark.parametrize("text", ["", "0123", "g" * 40, "0123456789abcdef" * 2 + " 00"])
def test_a_key_that_is_too_short_or_no_hexadecimal_is_refused_and_not_shown(tmp_path: Path, text: str) -> None:
    path = tmp_path / "key"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match="not a key: expected 32 or more hexadecimal digits") as caught:
        read_key(path)
    assert not text or text not in str(caught.value)


def test_a_scenario_that_holds_nothing_out_says_so(pristine: Path) -> None:
    with pytest.raises(ConfigError, match="no days are held out here"):
        store.open_dataset(str(pristine), Split.HOLDOUT)


def test_a_dataset_without_its_private_part_says_so(held_out: Path, tmp_path: Path) -> None:
    for name, content in published(held_out).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    assert store.open_dataset(str(tmp_path)).manifest.days == 60
    with pytest.raises(ConfigError, match="without its private part"):
        store.open_dataset(str(tmp_path), Split.HOLDOUT)
