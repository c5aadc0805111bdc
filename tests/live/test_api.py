"""What programs and notebooks call, with a real server: also inside a running event loop, and with bad input."""

import asyncio
import json
import threading
import time
from pathlib import Path

import pyarrow as pa
import pytest
from helpers import publisher

import zakar

ALERT = {"event_day": 1, "notification_day": 4, "geospatial_x": 2, "geospatial_y": 3}


def _publish(server: str, subject: str, *payloads: bytes) -> None:
    async def main() -> None:
        async with publisher(zakar.access(server)) as connection:
            for payload in payloads:
                await connection.jetstream().publish(subject, payload)

    asyncio.run(main())


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> zakar.Dataset:
    return zakar.simulate("tiny", tmp_path_factory.mktemp("api") / "dataset", days=40, seed=5)


def test_progress_reaches_the_end(tmp_path: Path) -> None:
    days: list[tuple[int, int]] = []
    dataset = zakar.simulate("tiny", tmp_path / "dataset", days=40, progress=lambda *now: days.append(now))
    assert days[-1] == (40, 40)
    messages: list[tuple[int, int]] = []
    with zakar.local_broker() as server:
        report = zakar.load(dataset, server, progress=lambda *now: messages.append(now))
    assert messages[-1] == (report.records, report.records)


def test_a_station_is_the_table_that_was_loaded(dataset: zakar.Dataset) -> None:
    with zakar.local_broker(websocket=True) as server:
        zakar.load(dataset, server, tables=["tweets"], mode="nonblocking")
        table = zakar.read_table(dataset, "tweets")
        assert zakar.read_station("zakar-tweets", server).select(table.schema.names).equals(table)
        assert zakar.read_station("zakar-tweets", server, limit=7).num_rows == 7


def test_messages_that_are_no_rows_are_left_out_with_a_warning(dataset: zakar.Dataset) -> None:
    with zakar.local_broker() as server:
        zakar.load(dataset, server, tables=["fire_alerts"])
        rows = zakar.read_table(dataset, "fire_alerts").num_rows
        _publish(server, "zakar-fire-alerts$1.final", b"no row", json.dumps(ALERT).encode())
        with pytest.warns(UserWarning, match=rf"1 messages are no rows .*zakar-fire-alerts\$1 {rows + 1:,} "):
            assert zakar.read_station("zakar-fire-alerts", server).num_rows == rows + 1
        comparison = zakar.verify(dataset, server, tables=["fire_alerts"])["zakar-fire-alerts"]
        assert (comparison.ok, comparison.different) == (False, 2)


def test_what_comes_later_is_followed_and_a_loop_that_is_left_leaves_nothing_behind(dataset: zakar.Dataset) -> None:
    threads = set(threading.enumerate())
    with zakar.local_broker() as server:
        zakar.load(dataset, server, tables=["fire_alerts"])
        rows = zakar.read_table(dataset, "fire_alerts").num_rows
        later = threading.Timer(0.5, _publish, (server, "zakar-fire-alerts$1.final", json.dumps(ALERT).encode()))
        later.start()
        began, sequences = time.time_ns(), []
        for batch in zakar.follow("zakar-fire-alerts", server):
            assert batch.rows.num_rows == len(batch.sequences) == len(batch.stored_at)
            sequences += batch.sequences.to_pylist()
            if sequences[-1] > rows:
                break
        assert sequences == [*range(1, rows + 2)]
        assert batch.rows.slice(batch.rows.num_rows - 1).to_pylist()[0]["notification_day"] == 4
        assert batch.stored_at[-1].value >= began // 1_000
        later.join()
    assert {thread.name for thread in {*threading.enumerate()} - threads} <= {"asyncio_0"}


def test_a_station_of_anything_is_followed_as_bytes() -> None:
    with zakar.local_broker() as server:

        async def main() -> None:
            async with publisher(zakar.access(server)) as connection:
                await connection.jetstream().add_stream(name="notes$1", subjects=["notes$1.>"])

        asyncio.run(main())
        _publish(server, "notes$1.final", b"\xff\x00", b"two")
        following = zakar.follow("notes", server)
        messages = [message for batch in [next(following)] for message in batch.rows["message"].to_pylist()]
        following.close()
        assert messages[0] == b"\xff\x00"


def test_bad_input_is_one_sentence_inside_a_running_loop_too(dataset: zakar.Dataset) -> None:
    async def notebook() -> None:
        with pytest.raises(zakar.ServerError, match="127.0.0.1:1"):
            zakar.load(dataset, "nats://127.0.0.1:1")
        with pytest.raises(zakar.ServerError, match="127.0.0.1:1"):
            next(zakar.follow("zakar-tweets", "nats://127.0.0.1:1"))

    asyncio.run(notebook())
    with pytest.raises(zakar.ConfigError, match="mode 'fast': must be one of auto, "):
        zakar.load(dataset, mode="fast")
    with pytest.raises(zakar.ConfigError, match="split 'test': must be one of train, holdout"):
        zakar.open_dataset(dataset.root, split="test")
    with pytest.raises(zakar.ConfigError, match="no table `zakar-tweets` in this dataset; it has tweets, "):
        zakar.read_table(dataset, "zakar-tweets")
    with pytest.raises(zakar.ConfigError, match="`passwort`: must be one of creds, password, "):
        zakar.access("nats://127.0.0.1:1", passwort="x")
    with pytest.raises(zakar.ConfigError, match="no table"):
        zakar.load(dataset, tables=["zakar-tweets"])


def test_the_truth_is_read_as_a_table_where_it_is_here(dataset: zakar.Dataset) -> None:
    topics = zakar.read_table(dataset, "tweet_topics")
    assert isinstance(topics, pa.Table)
    assert topics.num_rows == zakar.read_table(dataset, "tweets").num_rows
