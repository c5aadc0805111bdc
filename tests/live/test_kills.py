"""Loaders and servers killed, connections cut inside a frame, acks lost: all over a load, and every load ends whole."""

import asyncio
import contextlib
import json
import random
from pathlib import Path

import psutil
import pytest
from frame_proxy import FrameProxy, acked, frame_proxied, is_ack
from helpers import assert_whole, free_port, load, publisher, started, stored, until, zakar

from zakar.broker import station
from zakar.broker.access import Access
from zakar.broker.server import Server, ServerSettings, running
from zakar.dataset.schema import PUBLIC, READINGS
from zakar.dataset.store import Dataset, batches
from zakar.dataset.wire import encode
from zakar.lab.link import Direction, Settings, opened
from zakar.loader.load import LoadReport, Progress
from zakar.loader.options import Mode, PublishOptions

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:unclosed transport:ResourceWarning")]

MODES = [Mode.NONBLOCKING, Mode.BATCH]


def _shares(points: int) -> list[float]:
    """Shares of a load, evenly over all of it."""
    return [round((point + 0.5) / points, 4) for point in range(points)]


async def _killed(dataset: Dataset, server: str, direct: Access, messages: int, *options: str) -> int:
    """Start a loader and kill it once so many messages are stored; return how many there were when it was dead."""
    process = started("load", str(dataset.root), "--server", server, *options)
    try:
        async with publisher(direct) as connection:

            async def far() -> bool:
                return await stored(connection) >= messages

            await until(far)
            process.kill()
            await asyncio.to_thread(process.communicate)
            return await stored(connection)
    finally:
        process.kill()


async def _gone_on(dataset: Dataset, access: Access) -> int:
    """Load to the end; return how many messages it found stored."""
    again = await asyncio.to_thread(zakar, "load", str(dataset.root), "--server", access.servers[0], "--json")
    assert again.returncode == 0, again.stderr
    report = json.loads(again.stdout)
    assert report["already_stored"] + report["acknowledged"] == report["records"]
    return int(report["already_stored"])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("share", [0.01, 0.1, 0.3, 0.37, 0.38, 0.5, 0.7, 0.8, 0.85, 0.9])
def test_a_loader_killed_while_it_sends_goes_on(sample: Dataset, access: Access, share: float, mode: Mode):
    async def main() -> None:
        records = sample.manifest.records
        options = ("--rate", "4000", "--mode", mode)  # so slow that half a second of it is left after 90 %
        there = await _killed(sample, access.servers[0], access, int(records * share), *options)
        assert 0 < there < records
        assert await _gone_on(sample, access) >= there
        await assert_whole(sample, access)

    asyncio.run(main())


@pytest.mark.parametrize(("share", "mode"), list(zip(_shares(4), MODES * 2, strict=True)))
def test_frames_of_a_killed_loader_that_arrive_while_the_next_one_starts_double_nothing(
    large: Dataset, access: Access, share: float, mode: Mode
):
    async def main() -> None:
        records, passed = large.manifest.records, 0
        holds = int(records * share)

        def pass_until(frame: bytes) -> bool:
            nonlocal passed
            asks = b"9223372036854775807" in frame  # who hears the subject; no stream keeps it
            passed += frame.startswith((b"PUB zakar-", b"HPUB zakar-")) and not asks
            if passed == holds:
                proxy.up.open.clear()  # from the next frame on
            return False

        async with frame_proxied(access.servers[0]) as proxy:
            proxy.up.lose = pass_until
            there = await _killed(large, proxy.url, access, holds, "--in-flight", "50000", "--mode", mode)
            assert there == holds < records
            going_on = asyncio.create_task(_gone_on(large, access))
            await asyncio.sleep(
                random.Random(holds).uniform(0, 2)
            )  # before it connects, while it looks, while it sends
            proxy.up.open.set()
            assert await going_on >= there
        assert passed > holds
        await assert_whole(large, access)

    asyncio.run(main())


def _kill_hard(server: Server) -> None:
    """Kill a server without any warning."""
    for nats_server in psutil.Process(server.process.pid).children():
        nats_server.kill()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("share", _shares(10))
def test_a_server_killed_hard_and_started_again_on_its_store_is_filled_on(
    sample: Dataset, tmp_path: Path, share: float, mode: Mode
):
    async def main() -> None:
        records, in_flight = sample.manifest.records, 400
        settings = ServerSettings(port=free_port(), store=tmp_path / "store")
        killed: list[int] = []
        dead = asyncio.Event()

        def progress(p: Progress) -> None:
            if p.stored >= records * share and not killed:
                _kill_hard(server)
                killed.append(p.stored)
                dead.set()

        with contextlib.ExitStack() as first:
            server = first.enter_context(running(settings))
            access = Access(servers=(server.url,))
            loading = asyncio.create_task(
                load(sample, access, PUBLIC, PublishOptions(in_flight), mode=mode, progress=progress)
            )
            await asyncio.wait({loading, asyncio.ensure_future(dead.wait())}, return_when=asyncio.FIRST_COMPLETED)
            assert not loading.done()
        assert 0 < killed[0] < killed[0] + in_flight < records
        with contextlib.ExitStack() as second:
            await asyncio.to_thread(second.enter_context, running(settings))
            report = await loading
            assert report.reconnects >= 1
            await assert_whole(sample, access)

    asyncio.run(main())


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("way", ["up", "down"])
@pytest.mark.parametrize("seed", range(10))
def test_a_connection_cut_inside_a_frame_loses_and_doubles_nothing(
    sample: Dataset, access: Access, seed: int, way: str, mode: Mode
):
    draw = random.Random(f"{seed} {way} {mode}")
    share, further = (seed + draw.random()) / 10 * 0.96, draw.randrange(1, 400)

    async def main() -> None:
        armed: list[int] = []

        def progress(p: Progress) -> None:
            if p.stored > sample.manifest.records * share and not armed:
                armed.append(p.stored)
                getattr(proxy, way).left = further

        async with frame_proxied(access.servers[0]) as proxy:
            through = Access(servers=(proxy.url,))
            report = await load(sample, through, PUBLIC, PublishOptions(), mode=mode, progress=progress)
        assert proxy.partial
        assert 0 < armed[0] < report.records
        assert report.reconnects == 1
        assert report.acknowledged == report.records
        await assert_whole(sample, access)

    asyncio.run(main())


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("after", [0, 0.2, 0.6, 0.9, "last"])
def test_acks_that_never_come_over_a_connection_that_lives_are_noticed_and_gone_on_from(
    sample: Dataset, access: Access, after: float | str, mode: Mode
):
    async def main() -> None:
        losing, asked, readings = after == 0, False, 0
        last = sample.manifest.tables[READINGS.name].rows

        def progress(p: Progress) -> None:
            nonlocal losing
            losing = losing or (after != "last" and p.stored > p.records * float(after))

        def lose(frame: bytes) -> bool:
            return losing and not asked and is_ack(frame)

        def listen(frame: bytes) -> bool:
            nonlocal asked, losing, readings
            readings += f"PUB {station.stream_name(READINGS.station)}".encode() in frame[:60]
            losing = losing or (after == "last" and readings == last)
            # Once acks were lost, only who settles asks the stream again.
            asked = asked or (proxy.down.lost > 0 and b" $JS.API.STREAM.INFO." in frame[:40])
            return False

        async with frame_proxied(access.servers[0]) as proxy:
            proxy.down.lose, proxy.up.lose = lose, listen
            pace = PublishOptions(500, ack_timeout=1)
            report = await load(sample, Access(servers=(proxy.url,)), PUBLIC, pace, mode=mode, progress=progress)
        assert proxy.down.lost > 0
        assert asked
        # A batch that has ended says so when it is asked again, before the deadline.
        assert report.timeouts > 0 or (mode is Mode.BATCH and after == "last")
        assert (report.reconnects, proxy.connections) == (0, 1)
        assert report.acknowledged == report.records
        await assert_whole(sample, access)

    asyncio.run(main())


def test_a_message_that_a_broker_acknowledged_and_lost_is_sent_again_and_counted_once(sample: Dataset, access: Access):
    stream = station.stream_name(READINGS.station)
    rows = sample.manifest.tables[READINGS.name].rows

    async def lose(proxy: FrameProxy) -> None:
        """While nobody gets through, put a stream with half of what was acknowledged in the stream's place."""
        proxy.end()
        proxy.up.open.clear()
        async with publisher(access) as connection:
            config = (await connection.api(f"STREAM.INFO.{stream}"))["config"]
            kept = await stored(connection, [stream]) // 2
            payloads = [payload for batch in batches(sample, READINGS) for payload in encode(batch).to_pylist()][:kept]
            await station.delete(connection, stream)
            await station.make(connection, config)
            for payload in payloads:
                await connection.request(station.subject(stream), payload)
        proxy.up.open.set()

    async def main() -> None:
        async with frame_proxied(access.servers[0]) as proxy:
            losing: list[asyncio.Task[None]] = []

            def progress(p: Progress) -> None:
                if not losing and p.stored > rows // 3:
                    losing.append(asyncio.create_task(lose(proxy)))

            pace = PublishOptions(500, ack_timeout=5, rate=8_000)
            to = Access(servers=(proxy.url,))
            report = await load(sample, to, [READINGS], pace, mode=Mode.NONBLOCKING, progress=progress)
            await losing[0]
        assert report.sent > rows
        assert report.acknowledged == report.records == rows
        async with publisher(access) as connection:
            assert await stored(connection, [stream]) == rows

    asyncio.run(main())


@pytest.mark.parametrize("mode", MODES)
def test_acks_lost_between_others_need_nothing_sent_again(sample: Dataset, access: Access, mode: Mode):
    async def main() -> None:
        draw = random.Random(5)
        last = {entry.rows for entry in sample.manifest.tables.values()}

        def lose(frame: bytes) -> bool:
            closing = is_ack(frame) and (b'"count":' in frame or acked(frame) in last)
            return is_ack(frame) and not closing and draw.random() < 0.5

        async with frame_proxied(access.servers[0]) as proxy:
            proxy.down.lose = lose
            report = await load(sample, Access(servers=(proxy.url,)), PUBLIC, PublishOptions(2_000), mode=mode)
            assert proxy.down.lost > 5
        assert (report.sent, report.timeouts, report.retries) == (report.records, 0, 0)
        await assert_whole(sample, access)

    asyncio.run(main())


def test_a_link_that_stalls_for_thirty_seconds_loses_and_doubles_nothing(sample: Dataset):
    async def through_a_stall(mode: Mode) -> None:
        way = Direction(0.02, rate=20e6)
        with contextlib.ExitStack() as stack:
            server = await asyncio.to_thread(stack.enter_context, running(ServerSettings()))
            async with opened(server.url, Settings(up=way, down=way)) as link:
                stalled: list[int] = []

                def progress(p: Progress) -> None:
                    if p.stored > 0.3 * p.records and not stalled:
                        stalled.append(p.stored)
                        link.stall(30)

                through = Access(servers=(link.url(),))
                report: LoadReport = await load(sample, through, PUBLIC, PublishOptions(), mode=mode, progress=progress)
            assert 0 < stalled[0] < report.records
            assert report.seconds > 30
            assert report.acknowledged == report.records
            await assert_whole(sample, Access(servers=(server.url,)))

    async def main() -> None:
        await asyncio.gather(*(through_a_stall(mode) for mode in MODES))

    asyncio.run(main())
