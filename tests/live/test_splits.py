"""Released and held-out days in stations, and stations with extra keys read out again."""

import asyncio
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from helpers import assert_whole, load, zakar
from islands import simulated

from zakar.broker.access import Access
from zakar.broker.server import Server
from zakar.dataset import store
from zakar.dataset.layout import Split
from zakar.dataset.schema import ALERTS, READINGS, TWEETS
from zakar.dataset.store import Dataset
from zakar.errors import MismatchError
from zakar.loader.options import PublishOptions


@pytest.fixture(scope="module")
def island(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("island") / "dataset"
    simulated("island", out, days=9)
    return out


def filled(dataset: Dataset, access: Access) -> None:
    async def main() -> None:
        await load(dataset, access, dataset.tables, PublishOptions())
        await assert_whole(dataset, access)

    asyncio.run(main())


def test_held_out_days_are_loaded_and_verified_by_their_split(island: Path, broker: Server):
    loaded = zakar("load", str(island), "--server", broker.url, "--split", "holdout", "--json")
    assert loaded.returncode == 0, loaded.stderr
    held_out = store.open_dataset(str(island), Split.HOLDOUT).manifest
    alerts = held_out.tables[ALERTS.name].rows  # which are what is to be predicted
    assert json.loads(loaded.stdout)["records"] == held_out.records - alerts
    verified = zakar("verify", str(island), "--server", broker.url, "--split", "holdout", "--json")
    assert json.loads(verified.stdout)["ok"] is True
    assert zakar("verify", str(island), "--server", broker.url).returncode == 1


@pytest.mark.slow
def test_the_first_held_out_days_are_loaded_and_verified(island: Path, broker: Server):
    words = [str(island), "--server", broker.url, "--split", "holdout", "--days", "2", "--json"]
    loaded = zakar("load", *words)
    assert loaded.returncode == 0, loaded.stderr
    held_out = store.open_dataset(str(island), Split.HOLDOUT)
    readings = store.read(held_out, READINGS.full())["day"].to_numpy()
    stations = json.loads(loaded.stdout)["stations"]
    assert stations[READINGS.station]["records"] == int((readings < held_out.manifest.first_day + 2).sum())
    assert ALERTS.station not in stations
    assert json.loads(zakar("verify", *words).stdout)["ok"] is True
    assert zakar("verify", *words[:5]).returncode == 1


def test_a_station_of_released_days_takes_no_held_out_ones(island: Path, access: Access):
    filled(store.open_dataset(str(island)), access)
    with pytest.raises(MismatchError):
        filled(store.open_dataset(str(island), Split.HOLDOUT), access)


def test_a_station_with_extra_keys_is_written_as_the_table_it_carries(island: Path, broker: Server, tmp_path: Path):
    dataset = store.open_dataset(str(island))
    filled(dataset, Access(servers=(broker.url,)))
    for table in (TWEETS, READINGS):
        out = tmp_path / f"{table.name}.parquet"
        done = zakar("consume", table.station, "--server", broker.url, "--format", "parquet", "--out", str(out))
        assert done.returncode == 0, done.stderr
        assert pq.read_table(out).equals(store.read(dataset, table.full()))


def test_what_holds_nothing_out_says_so(sample: Dataset, broker: Server):
    done = zakar("load", sample.root, "--server", broker.url, "--split", "holdout")
    assert done.returncode == 2
    assert "no days are held out here" in done.stderr
