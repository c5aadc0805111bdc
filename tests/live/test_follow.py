"""A station that is followed: what is there, then what comes, in order, with its sequence and the broker's time."""

import asyncio
import contextlib
import json
import subprocess
import sys
import time
from contextlib import aclosing
from pathlib import Path

import pytest
from helpers import clean, publisher, zakar

from zakar.broker import reader, station
from zakar.broker.access import Access
from zakar.broker.connection import Connection
from zakar.broker.server import Server, ServerSettings, running
from zakar.errors import ServerError


async def made(connection: Connection, *streams: str) -> None:
    for name in streams:
        await station.make(connection, {"name": name, "subjects": [f"{name}.>"], "storage": "file"})


async def told(connection: Connection, stream: str, *numbers: int) -> None:
    for number in numbers:
        await connection.jetstream().publish(f"{stream}.final", b"%d" % number)


async def heard(connection: Connection, stream: str, count: int, first: int = 1) -> list[tuple[int, int, bytes]]:
    """The first messages of those that follow: sequence, time, payload."""
    rows: list[tuple[int, int, bytes]] = []
    async with aclosing(reader.follow(connection, stream, first)) as chunks:
        async for chunk in chunks:
            rows += [(reader.sequence(d), reader.stored_at(d), d.payload) for d in chunk]
            if len(rows) >= count:
                return rows
    raise AssertionError


def test_what_is_there_comes_first_and_then_what_is_stored_later_with_sequence_and_time(access: Access):
    async def main() -> None:
        async with publisher(access) as connection, publisher(access) as other:
            await made(connection, "s$1")
            began = time.time_ns()
            await told(other, "s$1", 1, 2)
            following = asyncio.create_task(heard(connection, "s$1", 4))
            await asyncio.sleep(0)
            await told(other, "s$1", 3)
            await told(other, "s$1", 4)
            rows = await following
            assert [(sequence, payload) for sequence, _, payload in rows] == [(n, b"%d" % n) for n in range(1, 5)]
            times = [when for _, when, _ in rows]
            assert times == sorted(times)
            assert began <= times[0] <= times[-1] <= time.time_ns()
            assert [payload for _, _, payload in await heard(connection, "s$1", 2, first=3)] == [b"3", b"4"]
            assert (await other.api("CONSUMER.NAMES.s$1"))["consumers"] in (None, [])

    asyncio.run(main())


def test_a_stream_that_is_empty_is_waited_for_and_messages_that_were_deleted_are_passed(access: Access):
    async def main() -> None:
        async with publisher(access) as connection, publisher(access) as other:
            await made(connection, "s$1")
            following = asyncio.create_task(heard(connection, "s$1", 1))
            await told(other, "s$1", 1)
            assert [row[0] for row in await following] == [1]
            await told(other, "s$1", 2, 3)
            for sequence in (3, 2):  # so that a read ends before the stream's last sequence
                await other.api("STREAM.MSG.DELETE.s$1", {"seq": sequence})
            following = asyncio.create_task(heard(connection, "s$1", 2))
            await told(other, "s$1", 4)
            assert [row[0] for row in await following] == [1, 4]

    asyncio.run(main())


def test_a_server_that_is_started_anew_is_followed_on(tmp_path: Path):
    async def main() -> None:
        with contextlib.ExitStack() as stack:
            server = stack.enter_context(running(ServerSettings(store=tmp_path / "store")))
            port = int(server.url.rpartition(":")[2])
            async with publisher(Access(servers=(server.url,))) as connection:
                await made(connection, "s$1")
                await told(connection, "s$1", 1)
                following = asyncio.create_task(heard(connection, "s$1", 2))
                await asyncio.to_thread(stack.close)
                with running(ServerSettings(store=tmp_path / "store", port=port)) as again:
                    async with publisher(Access(servers=(again.url,))) as other:
                        await told(other, "s$1", 2)
                    assert [payload for _, _, payload in await following] == [b"1", b"2"]

    asyncio.run(main())


@pytest.mark.parametrize("anew", [False, True])
def test_a_stream_that_is_deleted_or_made_anew_ends_following_with_a_sentence(access: Access, anew: bool):
    async def main() -> None:
        async with publisher(access) as connection, publisher(access) as other:
            await made(connection, "s$1")
            await told(other, "s$1", 1)
            chunks = reader.follow(connection, "s$1")
            async with aclosing(chunks):
                assert [d.payload for d in await anext(chunks)] == [b"1"]
                await other.api("STREAM.DELETE.s$1")
                if anew:
                    await made(other, "s$1")
                    await told(other, "s$1", 5, 6)
                with pytest.raises(ServerError, match="made it anew" if anew else "deleted it"):
                    await anext(chunks)

    asyncio.run(main())


def test_all_partitions_of_a_station_are_followed_and_a_lost_one_ends_it(access: Access):
    async def main() -> None:
        async with publisher(access) as connection, publisher(access) as other:
            await made(connection, "s$1", "s$2")
            await told(other, "s$1", 1)
            seen: dict[str, list[bytes]] = {}

            async def follow() -> None:
                async with aclosing(reader.follow_station(connection, "s")) as chunks:
                    async for stream, chunk in chunks:
                        seen.setdefault(stream, []).extend(d.payload for d in chunk)
                        if len(seen) == 1:
                            await told(other, "s$2", 2)
                        else:
                            await other.api("STREAM.DELETE.s$2")

            with pytest.raises(ServerError, match=r"s\$2.* deleted it"):
                await follow()
            assert seen == {"s$1": [b"1"], "s$2": [b"2"]}
            assert (await other.api("CONSUMER.NAMES.s$1"))["consumers"] in (None, [])

    asyncio.run(main())


def test_the_command_prints_what_comes_when_it_comes_until_its_limit(broker: Server):
    async def main() -> None:
        async with publisher(Access(servers=(broker.url,))) as connection:
            await made(connection, "s$1")
            await told(connection, "s$1", 1)
            words = ["consume", "s", "--follow", "--limit", "2", "--server", broker.url]
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "zakar", *words, stdout=subprocess.PIPE, env=clean()
            )
            assert process.stdout is not None
            assert await process.stdout.readline() == b"1\n"
            await told(connection, "s$1", 2, 3)
            assert await process.stdout.read() == b"2\n"
            assert await process.wait() == 0

    asyncio.run(main())


def test_the_command_follows_into_no_file_of_its_own(broker: Server, tmp_path: Path):
    for words in (["--format", "parquet", "--out", str(tmp_path / "x")], ["--out", str(tmp_path / "x")]):
        done = zakar("consume", "zakar-fire-alerts", "--follow", *words, "--server", broker.url)
        assert done.returncode == 2
        assert "`> FILE`" in done.stderr
    assert list(tmp_path.iterdir()) == []
    away = zakar("consume", "zakar-nothing", "--follow", "--server", broker.url)
    assert (away.returncode, json.dumps(away.stdout)) == (1, '""')
