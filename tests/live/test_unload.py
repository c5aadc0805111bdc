"""A station as a Parquet file."""

import asyncio
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from helpers import load, publisher, zakar

from zakar.__main__ import main
from zakar.broker import station
from zakar.broker.access import Access
from zakar.broker.connection import Connection
from zakar.broker.server import Server
from zakar.dataset import store, wire
from zakar.dataset.schema import PREDICTIONS, PUBLIC, READINGS, TWEETS
from zakar.dataset.store import Dataset
from zakar.errors import ConfigError, MismatchError
from zakar.loader import unload as unloading
from zakar.loader.options import PublishOptions
from zakar.loader.unload import NoRow, Unloaded, unload
from zakar.stopping import until_stopped

GOOD = b'{"event_day":1,"geospatial_x":2,"geospatial_y":3}'


async def _unload(access: Access, name: str, out: Path, limit: int | None = None) -> Unloaded:
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
    asyncio.run(load(sample, access, PUBLIC, PublishOptions()))
    for table in PUBLIC:
        out = tmp_path / f"{table.name}.parquet"
        expected = store.read(sample, table)
        assert asyncio.run(_unload(access, table.station, out)) == whole(expected.num_rows)
        found = pq.read_table(out)
        assert found.schema.equals(table.schema)
        assert found.equals(expected.cast(table.schema))
    few = tmp_path / "few.parquet"
    assert asyncio.run(_unload(access, PUBLIC[0].station, few, 5)) == whole(5)
    assert pq.read_table(few).equals(store.read(sample, PUBLIC[0]).slice(0, 5))


def test_a_reading_that_is_given_up_ends_at_once_and_leaves_no_file(
    sample: Dataset, access: Access, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    asyncio.run(load(sample, access, PUBLIC, PublishOptions()))
    stop, blocks, plain = asyncio.Event(), 0, wire.decode

    def decode(*words: Any) -> wire.Rows:
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


def whole(rows: int) -> Unloaded:
    """What is told of a station all of whose messages are rows."""
    return Unloaded(rows, 0, (), Counter())


def test_messages_that_are_no_predictions_are_listed_and_the_others_taken(access: Access, tmp_path: Path):
    soon = b'{"event_day":"soon","geospatial_x":2,"geospatial_y":3}'
    _filled(access, PREDICTIONS.station, [GOOD, b"", soon, GOOD, b"fire!"])
    out = tmp_path / "predictions.parquet"
    unloaded = asyncio.run(_unload(access, PREDICTIONS.station, out))
    assert (unloaded.rows, unloaded.bad) == (2, 3)
    assert [(told.stream, told.sequence) for told in unloaded.listed] == [
        (station.stream_name(PREDICTIONS.station), sequence) for sequence in (2, 3, 5)
    ]
    assert ["empty" in unloaded.listed[0].why, "soon" in unloaded.listed[1].why] == [True, True]
    assert pq.read_table(out).to_pylist() == [{"event_day": 1, "geospatial_x": 2, "geospatial_y": 3}] * 2
    assert asyncio.run(_unload(access, PREDICTIONS.station, out, 1)) == whole(1)
    assert [path.name for path in tmp_path.iterdir()] == ["predictions.parquet"]


def test_a_message_is_named_by_its_number_in_the_stream_where_others_were_deleted(access: Access, tmp_path: Path):
    _filled(access, PREDICTIONS.station, [GOOD, GOOD, GOOD, b"fire!"])
    stream = station.stream_name(PREDICTIONS.station)

    async def delete() -> None:
        async with publisher(access) as connection:
            await connection.jetstream().delete_msg(stream, 2)

    asyncio.run(delete())
    (told,) = asyncio.run(_unload(access, PREDICTIONS.station, tmp_path / "x.parquet")).listed
    assert (told.stream, told.sequence) == (stream, 4)


def test_a_station_of_messages_that_are_no_rows_is_a_file_without_rows_and_a_list_of_the_first(
    access: Access, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(unloading, "_LISTED", 3)
    monkeypatch.setattr(unloading, "_MESSAGES", 2)
    _filled(access, PREDICTIONS.station, [b"fire!"] * 5)
    out = tmp_path / "predictions.parquet"
    unloaded = asyncio.run(_unload(access, PREDICTIONS.station, out))
    assert (unloaded.rows, unloaded.bad, len(unloaded.listed)) == (0, 5, 3)
    assert pq.read_table(out).equals(PREDICTIONS.schema.empty_table())


def test_a_first_message_that_is_no_row_does_not_say_what_columns_there_are(access: Access, tmp_path: Path):
    """The posts of `island` have further columns; one who writes less, or nothing, does not take them from all."""
    posts = [
        b'{"day":%d,"geospatial_x":1,"geospatial_y":1,"tweet":"a","tweet_id":%d,"author":"b","minute":3}' % (day, day)
        for day in range(1, 4)
    ]
    _filled(access, TWEETS.station, [b"hello", b'{"day":1,"geospatial_x":1,"geospatial_y":1,"tweet":"a"}', *posts])
    out = tmp_path / "tweets.parquet"
    assert (asyncio.run(_unload(access, TWEETS.station, out))).bad == 2
    assert pq.read_table(out).schema.equals(TWEETS.full().schema)
    assert pq.read_table(out)["tweet_id"].to_pylist() == [1, 2, 3]


def test_predictions_of_teams_that_say_who_they_are_are_told_apart(access: Access, tmp_path: Path):
    _filled(access, PREDICTIONS.station, [GOOD, GOOD[:-1] + b',"team":"owls"}', GOOD[:-1] + b',"team":"crows"}'])
    out = tmp_path / "predictions.parquet"
    assert asyncio.run(_unload(access, PREDICTIONS.station, out)) == whole(3)
    assert pq.read_table(out)["team"].to_pylist() == [None, "owls", "crows"]
    assert pq.read_table(out).schema.equals(PREDICTIONS.full().schema)


def test_an_empty_station_of_a_table_is_a_file_without_rows(access: Access, tmp_path: Path):
    _filled(access, PREDICTIONS.station, [])
    out = tmp_path / "predictions.parquet"
    assert asyncio.run(_unload(access, PREDICTIONS.station, out)) == whole(0)
    assert pq.read_table(out).equals(PREDICTIONS.schema.empty_table())


def test_columns_of_another_station_are_those_of_its_first_messages(
    access: Access, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(unloading, "_MESSAGES", 2)
    messages = [b'{"a":1,"at":"2026-01-01"}', b'{"a":2}', b'{"a":3}', b'{"a":4,"b":5}', b'{"a":"x"}', b'{"a":6}']
    _filled(access, "team-red", messages)
    out = tmp_path / "red.parquet"
    assert asyncio.run(_unload(access, "team-red", out, 3)) == whole(3)
    assert pq.read_table(out).to_pydict() == {"a": [1, 2, 3], "at": ["2026-01-01", None, None]}
    told = NoRow("team-red$1", 5, "`a` is '\"x\"', not int64")
    assert asyncio.run(_unload(access, "team-red", out)) == Unloaded(5, 1, (told,), Counter(b=1))
    assert pq.read_table(out)["a"].to_pylist() == [1, 2, 3, 4, 6]
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("payloads", [[], [b"{}"], [b'{"a":{}}'], [b"fire!"]])
def test_a_station_without_columns_is_told_and_what_was_there_stays(
    access: Access, tmp_path: Path, payloads: list[bytes]
):
    _filled(access, "team-red", payloads)
    out = tmp_path / "red.parquet"
    out.write_bytes(b"what was there")
    with pytest.raises(MismatchError, match="holds no messages to tell columns from"):
        asyncio.run(_unload(access, "team-red", out))
    assert out.read_bytes() == b"what was there"
    assert len(list(tmp_path.iterdir())) == 1


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
    asyncio.run(load(sample, Access(servers=(broker.url,)), PUBLIC, PublishOptions()))
    out = tmp_path / "alerts.parquet"
    done = zakar(
        "consume", "zakar-fire-alerts", "--format", "parquet", "--out", str(out), "--server", broker.url, "--limit", "9"
    )
    assert (done.returncode, done.stdout) == (0, "")
    assert "9 rows" in done.stderr
    assert pq.read_table(out).num_rows == 9


def test_consume_writes_the_good_rows_lists_the_others_and_exits_with_1(access: Access, broker: Server, tmp_path: Path):
    further = GOOD[:-1] + b',"notification_day":4}'
    _filled(access, PREDICTIONS.station, [further, *[b"fire!\x1b[2J"] * 25, b'{"day":1}', GOOD])
    out = tmp_path / "predictions.parquet"
    done = zakar("consume", PREDICTIONS.station, "--format", "parquet", "--out", str(out), "--server", broker.url)
    assert (done.returncode, done.stdout) == (1, "")
    assert pq.read_table(out).num_rows == 2
    said = done.stderr.splitlines()
    assert said[0].endswith("predictions.parquet: 2 rows")
    assert said[1] == "left out: the key 'notification_day', which is no column, of 1 messages"
    assert said[2].startswith("no row: `zakar-fire-predictions$1`, message 2: 'fire!\\x1b[2J' is no JSON")
    assert said[22] == "no row: 6 more messages"
    assert "26 of 28 messages are no rows and not in " in said[23]
    assert len(said) == 24


def test_predictions_with_a_further_key_are_a_table_and_the_key_is_named(
    access: Access, broker: Server, tmp_path: Path
):
    """As the predictor of 2023 sent them."""
    _filled(
        access, PREDICTIONS.station, [b'{"event_day":5,"notification_day":8,"geospatial_x":2,"geospatial_y":3}'] * 2
    )
    out = tmp_path / "predictions.parquet"
    done = zakar("consume", PREDICTIONS.station, "--format", "parquet", "--out", str(out), "--server", broker.url)
    assert done.returncode == 0
    assert pq.read_table(out).schema.equals(PREDICTIONS.schema)
    assert pq.read_table(out).num_rows == 2
    assert "the key 'notification_day', which is no column, of 2 messages" in done.stderr
