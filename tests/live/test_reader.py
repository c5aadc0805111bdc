"""What a reader makes at the server, what it asks for, and how a pull ends: held against real servers with limits."""

import asyncio
import contextlib
import signal
import time
from contextlib import aclosing

import pytest
from helpers import assert_whole, load, proxied, publisher, started, until, zakar

from zakar.broker import reader, station
from zakar.broker.access import Access
from zakar.broker.connection import ApiError, Connection
from zakar.broker.server import Server, ServerSettings, running
from zakar.dataset.schema import PUBLIC, READINGS, TWEETS
from zakar.dataset.store import Dataset
from zakar.errors import ServerError
from zakar.loader.options import PublishOptions
from zakar.loader.verify import verify

STREAM = station.stream_name(TWEETS.station)
USERS = """
accounts {{ team {{
    jetstream {{ max_file: 1GB, max_mem: 10MB, max_consumers: {} }}
    users: [ {{user: boss, password: pw}}, {{user: ana, password: pw, permissions: {{publish: {{ {} }} }} }} ]
}} }}
"""


def _as(user: str, server: Server) -> Access:
    return Access(servers=(server.url,), user=user, password="pw")


async def _consumers(connection: Connection, stream: str = STREAM) -> list[str]:
    return list((await connection.api(f"CONSUMER.NAMES.{stream}"))["consumers"] or ())


async def _counted(connection: Connection, stream: str = STREAM) -> int:
    async with aclosing(reader.read(connection, stream)) as chunks:
        return sum([len(chunk) async for chunk in chunks])


@pytest.mark.parametrize("end", ["the last message", "a limit", "an early stop", "a fault"])
def test_what_a_reader_made_goes_with_it(sample: Dataset, access: Access, end: str):
    async def main() -> None:
        await load(sample, access, [TWEETS], PublishOptions())
        async with publisher(access) as connection, publisher(access) as other:
            with contextlib.suppress(ZeroDivisionError):
                async with aclosing(reader.read(connection, STREAM, 3 if end == "a limit" else None)) as chunks:
                    async for _ in chunks:
                        assert len(await _consumers(other)) == 1
                        if end == "an early stop":
                            break
                        if end == "a fault":
                            _ = 1 / 0
            assert await _consumers(other) == []

    asyncio.run(main())


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_a_command_that_is_interrupted_leaves_no_consumer_behind(sample: Dataset, access: Access, tmp_path, form: str):
    async def main() -> None:
        await load(sample, access, [READINGS], PublishOptions())
        stream = station.stream_name(READINGS.station)
        async with proxied(access.servers[0]) as proxy, publisher(access) as other:
            words = ["consume", READINGS.station, "--server", proxy.url, "--format", form]
            process = started(*words, *(["--out", str(tmp_path / "out.parquet")] if form == "parquet" else []))

            async def reading() -> bool:
                if not await _consumers(other, stream):
                    return False
                proxy.answering.clear()
                return True

            await until(reading)
            process.send_signal(signal.SIGINT)
            proxy.answering.set()
            await asyncio.to_thread(process.communicate)
            assert await _consumers(other, stream) == []

    asyncio.run(main())


@pytest.mark.parametrize("cuts", [0, 2])
def test_where_there_may_be_one_consumer_a_station_is_read_again_and_again(sample: Dataset, cuts: int):
    """nats-server tells two readers apart from one that came back: only the first one's place must be free again."""

    async def main(server: Server) -> None:
        await load(sample, _as("boss", server), PUBLIC, PublishOptions())
        async with proxied(server.url) as proxy:
            left = cuts

            def progress(_station: str, _messages: int) -> None:
                nonlocal left
                if left:
                    left -= 1
                    proxy.cut()

            access = Access(servers=(proxy.url,), user="boss", password="pw")
            for _ in range(2):
                found = await verify(sample, access, PUBLIC, progress)
                assert all(comparison.ok for comparison in found.values()), found

    with running(ServerSettings(extra=USERS.format(1, 'deny: "none"'))) as server:
        asyncio.run(main(server))


def test_where_the_only_consumer_is_another_it_is_said_what_to_do(sample: Dataset):
    async def main(server: Server) -> None:
        await load(sample, _as("boss", server), [TWEETS], PublishOptions())
        async with publisher(_as("boss", server)) as connection:
            config = {"durable_name": "team", "ack_policy": "explicit"}
            request = {"stream_name": STREAM, "config": config}
            await connection.api(f"CONSUMER.DURABLE.CREATE.{STREAM}.team", request)
            with pytest.raises(ApiError, match=r"maximum consumers limit reached.*raise max_consumers"):
                await _counted(connection)
            assert await _consumers(connection) == ["team"]

    with running(ServerSettings(extra=USERS.format(1, 'deny: "none"'))) as server:
        asyncio.run(main(server))


@pytest.mark.parametrize("most", [1, 250, 100_000])
def test_pulls_ask_for_no_more_messages_than_the_server_lets_them(sample: Dataset, tmp_path, most: int):
    extra = f'jetstream {{ store_dir: "{tmp_path.as_posix()}", limits {{ max_request_batch: {most} }} }}'
    with running(ServerSettings(extra=extra)) as server:
        access = Access(servers=(server.url,))
        asyncio.run(load(sample, access, PUBLIC, PublishOptions()))
        asyncio.run(assert_whole(sample, access))
        done = zakar("consume", TWEETS.station, "--server", server.url, "--limit", "700")
        assert (done.returncode, len(done.stdout.splitlines())) == (0, 700)


@pytest.mark.parametrize(
    "limits", [{"inactive_threshold": 5 * 10**9}, {"inactive_threshold": 10**8}, {"max_ack_pending": 1}]
)
def test_a_consumer_is_made_within_what_its_stream_allows(sample: Dataset, access: Access, limits: dict[str, int]):
    async def main() -> None:
        async with publisher(access) as connection:
            config = {"name": STREAM, "subjects": [f"{STREAM}.>"], "storage": "file", "consumer_limits": limits}
            await connection.api(f"STREAM.CREATE.{STREAM}", config)
            await load(sample, access, PUBLIC, PublishOptions())
            assert await _counted(connection) == sample.manifest.tables["tweets"].rows

    asyncio.run(main())


def test_no_more_is_asked_for_than_is_wanted(sample: Dataset, access: Access):
    async def main() -> None:
        await load(sample, access, [TWEETS], PublishOptions())
        async with (
            publisher(access) as connection,
            publisher(access) as other,
            aclosing(reader.read(connection, STREAM, 3)) as chunks,
        ):
            async for _ in chunks:
                (name,) = await _consumers(other)
                info = await other.api(f"CONSUMER.INFO.{STREAM}.{name}")
                assert (info["delivered"]["stream_seq"], info["num_waiting"]) == (3, 0)

    asyncio.run(main())


def test_a_reader_whose_consumer_was_forgotten_goes_on(large: Dataset, access: Access, monkeypatch):
    monkeypatch.setattr(reader, "_FORGOTTEN", 0.1)

    async def main() -> int:
        await load(large, access, [TWEETS], PublishOptions())
        read = 0
        async with publisher(access) as connection, publisher(access) as other:

            async def forgotten() -> bool:
                return not await _consumers(other)

            async with aclosing(reader.read(connection, STREAM)) as chunks:
                async for payloads in chunks:
                    if read == 0:
                        await until(forgotten)
                    read += len(payloads)
        return read

    assert asyncio.run(main()) == large.manifest.tables["tweets"].rows


def test_a_pull_that_is_refused_ends_a_read_at_once_with_what_the_server_says(
    sample: Dataset, access: Access, monkeypatch
):
    """Somebody narrows the consumer in the middle of a read: nats-server 2.15.1 answers each larger pull by a 409."""
    monkeypatch.setattr(reader, "_PULL", 100)

    async def main() -> None:
        await load(sample, access, [TWEETS], PublishOptions())
        async with (
            publisher(access) as connection,
            publisher(access) as other,
            aclosing(reader.read(connection, STREAM)) as chunks,
        ):
            async for _ in chunks:
                (name,) = await _consumers(other)
                config = (await other.api(f"CONSUMER.INFO.{STREAM}.{name}"))["config"] | {"max_batch": 10}
                request = {"stream_name": STREAM, "config": config}
                await other.api(f"CONSUMER.CREATE.{STREAM}.{name}", request)

    began = time.monotonic()
    with pytest.raises(ApiError, match=r"Exceeded MaxRequestBatch of 10 \(409\)"):
        asyncio.run(main())
    assert time.monotonic() - began < reader._PATIENCE


def test_pulls_that_nobody_answers_end_a_read_with_what_the_server_says(sample: Dataset, monkeypatch):
    """An account that imports all that a reader asks for but the messages."""
    monkeypatch.setattr(reader, "_REFUSING", 1.0)
    services = ["STREAM.NAMES", "STREAM.INFO.*", "CONSUMER.CREATE.>", "CONSUMER.DELETE.>", "INFO"]
    exports = ", ".join(f'{{service: "$JS.API.{name}"}}' for name in services)
    imports = ", ".join(f'{{service: {{account: boss, subject: "$JS.API.{name}"}}}}' for name in services)
    accounts = f"""accounts {{
        boss {{ jetstream: enabled, users: [{{user: boss, password: pw}}], exports: [{exports}] }}
        ana {{ users: [{{user: ana, password: pw}}], imports: [{imports}] }}
    }}"""
    with running(ServerSettings(extra=accounts)) as server:
        asyncio.run(load(sample, _as("boss", server), PUBLIC, PublishOptions()))
        with pytest.raises(ServerError, match=r"while reading: the server says: no consumer answers there \(503\)"):
            asyncio.run(verify(sample, _as("ana", server), PUBLIC))


@pytest.mark.parametrize("denied", ["CONSUMER.CREATE.*", "CONSUMER.CREATE.*.*", "CONSUMER.DELETE.>", "CONSUMER.INFO.>"])
def test_a_reader_needs_one_of_the_rights_to_make_a_consumer_and_none_to_delete_it(sample: Dataset, denied: str):
    with running(ServerSettings(extra=USERS.format(-1, f'deny: "$JS.API.{denied}"'))) as server:
        asyncio.run(load(sample, _as("boss", server), PUBLIC, PublishOptions()))
        asyncio.run(assert_whole(sample, _as("ana", server)))


def test_a_consumer_that_may_not_be_deleted_is_forgotten_soon(sample: Dataset):
    async def main(server: Server) -> None:
        await load(sample, _as("boss", server), [TWEETS], PublishOptions())
        async with publisher(_as("ana", server)) as connection, publisher(_as("boss", server)) as other:
            await _counted(connection)
            (name,) = await _consumers(other)
            config = (await other.api(f"CONSUMER.INFO.{STREAM}.{name}"))["config"]
            assert config["inactive_threshold"] == reader._FORGOTTEN * 1e9

    with running(ServerSettings(extra=USERS.format(-1, 'deny: "$JS.API.CONSUMER.DELETE.>"'))) as server:
        asyncio.run(main(server))


SHARED = """
accounts {
    organiser { jetstream: enabled, users: [{user: boss, password: pw}], exports: [{service: "$JS.API.>"}] }
    team { users: [{user: ana, password: pw}], imports: [{service: {account: organiser, subject: "$JS.API.>"}}] }
}
"""


@pytest.mark.slow
def test_an_import_that_hands_on_one_answer_a_request_is_read_message_by_message(sample: Dataset):
    """The usual `response_type`, singleton: of each pull of thousands one message comes, the others are lost."""

    async def main(server: Server) -> None:
        await load(sample, _as("boss", server), sample.tables, PublishOptions())
        await assert_whole(sample, _as("ana", server))
        async with publisher(_as("ana", server)) as ana, publisher(_as("boss", server)) as boss:
            assert await _counted(ana) == sample.manifest.tables["tweets"].rows
            assert await _consumers(boss) == []
            async with aclosing(reader.read(ana, STREAM, 3)) as chunks:
                assert sum([len(chunk) async for chunk in chunks]) == 3

    with running(ServerSettings(extra=SHARED)) as server:
        asyncio.run(main(server))
