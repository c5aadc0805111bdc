"""Stations of several partitions, and several connections."""

import asyncio
import json
import signal
import sys
import time
from pathlib import Path

import psutil
import pytest
from helpers import assert_whole, examine, load, publisher, started, stored, until, zakar

from zakar.broker import reader, station
from zakar.broker.access import Access
from zakar.broker.connection import connected
from zakar.broker.server import ServerSettings, running
from zakar.dataset.schema import ALERTS, PUBLIC, READINGS, TWEETS
from zakar.dataset.store import Dataset
from zakar.errors import ConfigError, MismatchError
from zakar.loader.load import Progress
from zakar.loader.options import Mode, PublishOptions, Transport
from zakar.loader.verify import verify

MODES = [Mode.NONBLOCKING, Mode.BATCH]


def _streams(partitions: int) -> list[str]:
    return [station.stream_name(table.station, n) for table in PUBLIC for n in range(1, partitions + 1)]


@pytest.mark.parametrize("connections", [1, 3])
@pytest.mark.parametrize("mode", MODES)
def test_every_partition_is_whole_and_a_second_load_sends_nothing(
    sample: Dataset, access: Access, mode: Mode, connections: int
):
    async def main() -> None:
        report = await load(sample, access, PUBLIC, PublishOptions(), mode=mode, partitions=4, connections=connections)
        assert (report.acknowledged, report.connections) == (report.records, connections)
        assert {entry.partitions for entry in report.stations.values()} == {4}
        await assert_whole(sample, access)
        async with publisher(access) as looking:
            found = [await station.look(looking, stream) for stream in _streams(4)]
            assert all(stream is not None and stream.messages > 0 for stream in found)
        again = await load(sample, access, PUBLIC, PublishOptions(), mode=mode)  # the station says how many it has
        assert (again.sent, again.already_stored) == (0, report.records)

    asyncio.run(main())


def test_another_number_of_partitions_is_refused_and_recreate_leaves_none_behind(sample: Dataset, access: Access):
    async def main() -> None:
        await load(sample, access, [ALERTS, TWEETS], PublishOptions(), partitions=3)
        with pytest.raises(MismatchError, match=r"one of 3 partitions, not of 2; give --partitions 3"):
            await load(sample, access, [TWEETS], PublishOptions(), partitions=2)
        await load(sample, access, PUBLIC, PublishOptions(), recreate=True)
        async with publisher(access) as looking:
            assert await station.look(looking, station.stream_name(TWEETS.station, 2)) is None
        await assert_whole(sample, access)

    asyncio.run(main())


def test_a_missing_partition_is_made_and_filled_again(sample: Dataset, access: Access):
    async def main() -> None:
        await load(sample, access, PUBLIC, PublishOptions(), partitions=3)
        async with publisher(access) as connection:
            await station.delete(connection, station.stream_name(READINGS.station, 3))
        report = await load(sample, access, PUBLIC, PublishOptions())
        assert 0 < report.sent < report.records
        await assert_whole(sample, access)

    asyncio.run(main())


def test_partitions_behind_a_missing_one_are_seen_by_all(sample: Dataset, access: Access):
    async def main() -> None:
        await load(sample, access, [ALERTS], PublishOptions(), partitions=4)
        rows = sample.manifest.tables[ALERTS.name].rows
        async with publisher(access) as connection:
            await station.delete(connection, station.stream_name(ALERTS.station, 1))
            left = await stored(connection, [station.stream_name(ALERTS.station, n) for n in (2, 3, 4)])
            payloads = [p async for chunk in reader.read_station(connection, ALERTS.station) for p in chunk]
            assert len(payloads) == left < rows
        (found,) = (await verify(sample, access, [ALERTS])).values()
        assert (found.expected, found.stored, found.missing) == (rows, left, rows - left)
        report = await load(sample, access, [ALERTS], PublishOptions())
        assert (report.sent, report.already_stored) == (rows - left, left)
        async with publisher(access) as connection:
            for number in (1, 3):
                await station.delete(connection, station.stream_name(ALERTS.station, number))
        await load(sample, access, [ALERTS], PublishOptions(), recreate=True, partitions=2)
        assert (await verify(sample, access, [ALERTS]))[ALERTS.station].ok
        async with publisher(access) as connection:
            assert [s.name[-2:] for s in await station.partitions(connection, ALERTS.station)] == ["$1", "$2"]

    asyncio.run(main())


def test_a_partition_too_many_is_never_called_whole(sample: Dataset, access: Access):
    async def main() -> None:
        await load(sample, access, [ALERTS], PublishOptions(), partitions=2)
        async with publisher(access) as connection:
            stream = station.stream_name(ALERTS.station, 4)
            await station.create(connection, stream, {}, -1)
            await connection.jetstream().publish(station.subject(stream), b"a copy")
        assert (await verify(sample, access, [ALERTS]))[ALERTS.station].different == 1
        with pytest.raises(MismatchError, match=r"alerts\$4` is a partition too many: its station is to have 2"):
            await load(sample, access, [ALERTS], PublishOptions())
        found = await examine(access, sample, [ALERTS])
        assert found.plan is not None
        assert [outlook.stream for outlook in found.plan.refusals.values()] == [stream]
        await load(sample, access, [ALERTS], PublishOptions(), recreate=True)
        assert (await verify(sample, access, [ALERTS]))[ALERTS.station].ok

    asyncio.run(main())


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_connections_killed_half_way_and_started_again_at_once_double_nothing(
    large: Dataset, access: Access, mode: Mode
):
    words = ("load", str(large.root), "--server", access.servers[0], "--mode", mode)
    loader = started(*words, "--partitions", "4", "--connections", "2", "--rate", "50000")

    async def half() -> None:
        async with connected(access) as looking:

            async def reached() -> bool:
                return await stored(looking, _streams(4)) > large.manifest.records // 3

            await until(reached)

    asyncio.run(half())
    children = psutil.Process(loader.pid).children(recursive=True)
    for process in [loader, *children]:
        process.kill()
    loader.communicate()
    done = zakar(*words, "--connections", "2", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert 0 < report["already_stored"] < large.manifest.records
    asyncio.run(assert_whole(large, access))


@pytest.mark.slow
def test_a_killed_producer_stops_the_load_and_the_next_goes_on(large: Dataset, access: Access):
    words = ("load", str(large.root), "--server", access.servers[0], "--connections", "2", "--tables")
    loader = started(*words, "temperature_readings,fire_alerts", "--partitions", "2", "--rate", "40000")

    async def some() -> None:
        async with connected(access) as looking:

            async def reached() -> bool:
                return await stored(looking, _streams(2)) > 20_000

            await until(reached)

    asyncio.run(some())
    workers = [p for p in psutil.Process(loader.pid).children() if "spawn_main" in " ".join(p.cmdline())]
    workers[0].kill()
    _, errors = loader.communicate(timeout=120)
    assert loader.returncode == 4, errors
    assert b"a producer's process was killed; run this again" in errors
    assert b"Traceback" not in errors
    asyncio.run(load(large, access, PUBLIC, PublishOptions()))
    asyncio.run(assert_whole(large, access))


def test_a_connection_that_is_refused_is_no_failed_start_once_something_is_stored(sample: Dataset):
    stop = asyncio.Event()

    def progress(p: Progress) -> None:
        if p.stored > 500:
            stop.set()

    with running(ServerSettings(extra="max_connections: 3")) as server:
        access = Access((server.url,))
        asyncio.run(load(sample, access, PUBLIC, PublishOptions(100), partitions=6, stop=stop, progress=progress))
        done = zakar("load", str(sample.root), "--server", server.url, "--connections", "4", "--rate", "100")
    assert (done.returncode, "Traceback" in done.stderr) == (4, False), done.stderr
    assert "run this again" in done.stderr


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot send one process a Ctrl-C")
def test_a_second_ctrl_c_stops_every_connection_at_once(large: Dataset):
    with running(ServerSettings()) as server:
        nats_server = psutil.Process(server.process.pid).children()[0]
        words = ("load", str(large.root), "--server", server.url, "--partitions", "3", "--connections", "3")
        loader = started(*words, "--ack-timeout", "600", "--rate", "20000")

        async def some() -> None:
            async with connected(Access((server.url,))) as looking:

                async def reached() -> bool:
                    return await stored(looking, _streams(3)) > 10_000

                await until(reached)

        try:
            asyncio.run(some())
            workers = psutil.Process(loader.pid).children(recursive=True)
            nats_server.suspend()
            for _ in range(2):
                time.sleep(0.5)
                loader.send_signal(signal.SIGINT)
            _, errors = loader.communicate(timeout=60)  # a tenth of the ack deadline
        finally:
            loader.kill()
            nats_server.resume()
        assert (loader.returncode, b"Traceback" in errors) == (130, False), errors
        assert not psutil.wait_procs(workers, 10)[1]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot send one process a Ctrl-C")
@pytest.mark.parametrize("after", [0, *(pytest.param(s, marks=pytest.mark.slow) for s in (0.05, 0.15, 0.4))])
def test_ctrl_c_while_connections_start_prints_no_traceback(large: Dataset, access: Access, after: float):
    words = ("load", str(large.root), "--server", access.servers[0], "--partitions", "4", "--connections", "4")
    loader = started(*words, "--rate", "20000")

    async def starting() -> bool:
        return len(psutil.Process(loader.pid).children()) > 1

    asyncio.run(until(starting))
    time.sleep(after)
    for process in [psutil.Process(loader.pid), *psutil.Process(loader.pid).children()]:  # as a terminal does
        process.send_signal(signal.SIGINT)
    _, errors = loader.communicate(timeout=120)
    assert (loader.returncode, b"Traceback" in errors) == (130, False), errors


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot send one process a Ctrl-C")
def test_ctrl_c_drains_every_connection_and_says_how_to_go_on(large: Dataset, access: Access):
    words = ("load", str(large.root), "--server", access.servers[0], "--partitions", "2", "--connections", "2")
    loader = started(*words, "--rate", "20000", "--json")

    async def some() -> None:
        async with connected(access) as looking:

            async def reached() -> bool:
                return await stored(looking, _streams(2)) > 10_000

            await until(reached)

    asyncio.run(some())
    time.sleep(0.2)
    loader.send_signal(signal.SIGINT)
    output, errors = loader.communicate(timeout=120)
    assert (loader.returncode, b"Traceback" in errors) == (130, False), errors
    report = json.loads(output)
    assert report["interrupted"]
    assert 0 < report["acknowledged"] == report["sent"] < report["records"]


def test_a_station_of_partitions_is_consumed_whole(sample: Dataset, access: Access, tmp_path: Path):
    asyncio.run(load(sample, access, [ALERTS], PublishOptions(), partitions=3))
    done = zakar("consume", ALERTS.station, "--server", access.servers[0])
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(rows) == sample.manifest.tables[ALERTS.name].rows
    few = zakar("consume", ALERTS.station, "--server", access.servers[0], "--limit", str(len(rows) - 1))
    assert [json.loads(line) for line in few.stdout.splitlines()] == rows[:-1]

    async def lose_the_first() -> None:
        async with publisher(access) as connection:
            await station.delete(connection, station.stream_name(ALERTS.station, 1))

    asyncio.run(lose_the_first())
    rest = zakar("consume", ALERTS.station, "--server", access.servers[0])
    assert [json.loads(line) for line in rest.stdout.splitlines()] == rows[-len(rest.stdout.splitlines()) :]
    assert rest.returncode == 0, rest.stderr


@pytest.mark.slow
def test_of_two_ways_the_faster_is_taken_unless_one_is_asked_for(sample: Dataset):
    with running(ServerSettings(websocket_port=0)) as server:
        both = Access(servers=(server.url, server.websocket_url))
        for way, used in ((Transport.TCP, "tcp"), (Transport.WEBSOCKET, "websocket")):
            report = asyncio.run(load(sample, both, PUBLIC, PublishOptions(), transport=way, recreate=True))
            assert report.transport == used
        assert asyncio.run(load(sample, both, PUBLIC, PublishOptions(), recreate=True)).transport in {
            "tcp",
            "websocket",
        }
        asyncio.run(assert_whole(sample, both))
        dead = Access(servers=("nats://127.0.0.1:1", server.websocket_url))
        assert asyncio.run(load(sample, dead, PUBLIC, PublishOptions())).transport == "websocket"
        with pytest.raises(ConfigError, match=r"--transport websocket: no server is given by a ws://"):
            asyncio.run(load(sample, Access((server.url,)), PUBLIC, PublishOptions(), transport=Transport.WEBSOCKET))
