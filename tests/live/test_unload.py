"""A station as a Parquet file."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers import publisher, zakar

from zakar.__main__ import main
from zakar.broker import station
from zakar.broker.access import Access
from zakar.broker.connection import Connection
from zakar.broker.server import Server
from zakar.dataset import store, wire
from zakar.dataset.schema import PREDICTIONS, PUBLIC, READINGS
from zakar.dataset.store import Dataset
from zakar.errors import ConfigError, MismatchError
from zakar.loader import unload as unloading
from zakar.loader.load import load
from zakar.loader.producer import Pace
from zakar.loader.unload import unload
from zakar.stopping import until_stopped

GOOD = b'{"event_day":1,"geospatial_x":2,"geospatial_y":3}'


async def _unload(access: Access, name: str, out: Path, limit: int | None = None) -> int:
    async with publisher(access) as connection:
        return await unload(connection, name, out, limit)


def _filled(access: Access, name: str, payloads: list[bytes]) -> None:
    async def fill(connection: Connection) -> None:
        stream = station.stream_name(name)
        await station.create(connection, stream, {}, -1)
        for payload in payloads:
            await connection.jetstream().publish(station.subject(stream), payload)

    async def connected() -> None:
        async with publisher(access) as connection:
            await fill(connection)

    asyncio.run(connected())


@pytest.mark.parametrize("block", [65_536, 1_000])
def test_a_loaded_station_comes_out_as_its_table(
    sample: Dataset, access: Access, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
):
    monkeypatch.setattr(unloading, "_MESSAGES", block)
    asyncio.run(load(sample, access, PUBLIC, Pace()))
    for table in PUBLIC:
        out = tmp_path / f"{table.name}.parquet"
        expected = store.read(sample, table)
        assert asyncio.run(_unload(access, table.station, out)) == expected.num_rows
        found = pq.read_table(out)
        assert found.schema.equals(table.schema)
        assert found.equals(expected.cast(table.schema))
    few = tmp_path / "few.parquet"
    assert asyncio.run(_unload(access, PUBLIC[0].station, few, 5)) == 5
    assert pq.read_table(few).equals(store.read(sample, PUBLIC[0]).slice(0, 5))


def test_a_reading_that_is_given_up_ends_at_once_and_leaves_no_file(
    sample: Dataset, access: Access, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    asyncio.run(load(sample, access, PUBLIC, Pace()))
    stop, blocks, plain = asyncio.Event(), 0, wire.decode

    def decode(*words: Any) -> pa.Table:
        nonlocal blocks
        blocks += 1
        stop.set()
        return plain(*words)

    async def main() -> None:
        await until_stopped(_unload(access, READINGS.station, tmp_path / "x.parquet"), stop)

    monkeypatch.setattr(unloading, "_MESSAGES", 10)
    monkeypatch.setattr(unloading.wire, "decode", decode)
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(main())
    assert list(tmp_path.iterdir()) == []
    assert blocks < sample.manifest.tables["temperature_readings"].rows / 10


def test_a_message_that_is_no_prediction_is_named_and_no_file_appears(access: Access, tmp_path: Path):
    _filled(access, PREDICTIONS.station, [GOOD, GOOD, b'{"event_day":"soon","geospatial_x":2,"geospatial_y":3}'])
    out = tmp_path / "predictions.parquet"
    with pytest.raises(
        MismatchError, match="`zakar-fire-predictions`: message 3 is no row of `fire_predictions`.*soon"
    ):
        asyncio.run(_unload(access, PREDICTIONS.station, out))
    assert list(tmp_path.iterdir()) == []
    assert asyncio.run(_unload(access, PREDICTIONS.station, out, 2)) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["predictions.parquet"]


def test_an_empty_station_of_a_table_is_a_file_without_rows(access: Access, tmp_path: Path):
    _filled(access, PREDICTIONS.station, [])
    out = tmp_path / "predictions.parquet"
    assert asyncio.run(_unload(access, PREDICTIONS.station, out)) == 0
    assert pq.read_table(out).equals(PREDICTIONS.schema.empty_table())


def test_columns_of_another_station_are_those_of_its_first_messages(
    access: Access, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(unloading, "_MESSAGES", 2)
    _filled(access, "team-red", [b'{"a":1,"at":"2026-01-01"}', b'{"a":2}', b'{"a":3}', b'{"a":4,"b":5}'])
    out = tmp_path / "red.parquet"
    assert asyncio.run(_unload(access, "team-red", out, 3)) == 3
    assert pq.read_table(out).to_pydict() == {"a": [1, 2, 3], "at": ["2026-01-01", None, None]}
    out.write_bytes(b"what was there")
    with pytest.raises(MismatchError, match="message 4 is not like those before it.*`b`, which is no column"):
        asyncio.run(_unload(access, "team-red", out))
    assert out.read_bytes() == b"what was there"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("payloads", "said"),
    [([], "holds no messages to tell columns from"), ([b"{}"], "no column"), ([b'{"a":{}}'], "Parquet cannot hold")],
)
def test_a_station_without_columns_is_told(access: Access, tmp_path: Path, payloads: list[bytes], said: str):
    _filled(access, "team-red", payloads)
    with pytest.raises(MismatchError, match=said):
        asyncio.run(_unload(access, "team-red", tmp_path / "red.parquet"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", [lambda folder: folder, lambda folder: folder / "none" / "x"])
def test_a_file_that_cannot_be_written_is_told(access: Access, tmp_path: Path, place: Callable[[Path], Path]):
    _filled(access, PREDICTIONS.station, [GOOD])
    with pytest.raises(ConfigError, match="is no file|cannot be written"):
        asyncio.run(_unload(access, PREDICTIONS.station, place(tmp_path)))


def test_parquet_without_a_file_is_bad_usage(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr("sys.argv", ["zakar", "consume", "zakar-tweets", "--format", "parquet"])
    with pytest.raises(SystemExit) as exit_:
        main()
    assert exit_.value.code == 2
    assert "give --out the name of a file" in capsys.readouterr().err


def test_consume_writes_parquet(sample: Dataset, broker: Server, tmp_path: Path):
    asyncio.run(load(sample, Access(servers=(broker.url,)), PUBLIC, Pace()))
    out = tmp_path / "alerts.parquet"
    done = zakar(
        "consume", "zakar-fire-alerts", "--format", "parquet", "--out", str(out), "--server", broker.url, "--limit", "9"
    )
    assert (done.returncode, done.stdout) == (0, "")
    assert "9 rows" in done.stderr
    assert pq.read_table(out).num_rows == 9
