"""The first days of a dataset: what they hold, and that more days begin with them."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from making import simulated, small_island

from zakar.dataset import days, store, wire
from zakar.dataset.layout import Split
from zakar.dataset.schema import ALERTS, READINGS, TWEETS
from zakar.dataset.store import Dataset
from zakar.errors import ConfigError
from zakar.loader import partition

DAYS, HELD_OUT = 60, 26


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return simulated(tmp_path_factory.mktemp("days") / "island", small_island()).root


@pytest.fixture(scope="module", params=list(Split))
def island(request: pytest.FixtureRequest, folder: str) -> Dataset:
    """Released days, and held-out ones, which do not begin with 1."""
    return store.open_dataset(folder, request.param)


@pytest.mark.parametrize("number", [1, 13, 25])
def test_the_first_days_are_the_rows_of_those_days_and_the_alerts_that_are_told_by_then(island: Dataset, number: int):
    some = days.first(island, number)
    last = island.manifest.first_day + number - 1
    for table in (TWEETS, READINGS):
        whole, part = store.read(island, table.full()), store.read(some, table.full())
        assert part.equals(whole.filter(pa.array(whole["day"].to_numpy() <= last)))
        assert some.manifest.tables[table.name].rows == part.num_rows
        assert some.manifest.tables[table.name].wire_bytes == sum(wire.size(batch) for batch in part.to_batches())
    whole, part = store.read(island, ALERTS), store.read(some, ALERTS)
    assert part.equals(whole.slice(0, part.num_rows))
    assert (part["notification_day"].to_numpy() <= last).all()
    if part.num_rows < whole.num_rows:  # an alert is missing for one that has not come
        assert whole["notification_day"][part.num_rows].as_py() > last
    assert (some.manifest.days, some.manifest.fingerprint) == (number, island.manifest.fingerprint)


def test_all_days_are_the_dataset_itself_with_the_alerts_that_are_told_of_after_its_end(island: Dataset):
    assert days.first(island, island.manifest.days) is island
    assert days.first(island, None) is island
    most = days.first(island, island.manifest.days - 1)
    assert most.whole is island
    assert sum(days.by_day(island, ALERTS)[0]) == island.manifest.tables["fire_alerts"].rows


@given(st.integers(1, HELD_OUT - 1), st.integers(1, HELD_OUT - 1), st.integers(1, 3))
@settings(deadline=None, max_examples=20)
def test_more_days_begin_with_fewer_in_every_partition(folder: str, one: int, other: int, of: int):
    island = store.open_dataset(folder)
    fewer, more = (days.first(island, number) for number in sorted((one, other)))
    for table in island.tables:
        for number in range(1, of + 1):
            short, long = (
                pa.Table.from_batches(partition.batches(dataset, table, number, of), table.schema)
                for dataset in (fewer, more)
            )
            assert short.equals(long.slice(0, short.num_rows))
            assert short.num_rows == partition.shares(fewer, table, of)[number - 1].records


@pytest.mark.parametrize("of", [1, 3])
def test_what_comes_with_each_day_adds_up_to_the_first_days(island: Dataset, of: int):
    for table in island.tables:
        for number in (1, 20):
            shares = partition.shares(days.first(island, number), table, of)
            by_day = partition.by_day(island, table, of)
            assert [(int(rows[:number].sum()), int(size[:number].sum())) for rows, size in by_day] == [
                (share.records, share.wire_bytes) for share in shares
            ]


def test_rows_are_skipped_and_ended_where_they_are_within_a_batch(folder: str):
    some = days.first(store.open_dataset(folder), 31)
    whole = store.read(some, READINGS.full())
    for start in (0, 1, whole.num_rows - 1, whole.num_rows, whole.num_rows + 1):
        part = pa.Table.from_batches(store.batches(some, READINGS.full(), start, rows=7), READINGS.full().schema)
        assert part.equals(whole.slice(start))
    assert np.all(np.diff(whole["day"].to_numpy()) >= 0)


@pytest.mark.parametrize("number", [0, -1, DAYS + 1])
def test_days_that_a_dataset_does_not_have_are_refused(folder: str, number: int):
    with pytest.raises(ConfigError, match=rf"--days {number}: the dataset has {DAYS} days; give 1 to as many"):
        days.first(store.open_dataset(folder), number)
