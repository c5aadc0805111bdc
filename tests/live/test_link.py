"""A link is never faster than it says, however busy the machine; how much slower it may be is generous."""

import asyncio
import contextlib
import gc
import hashlib
import random
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from multiprocessing.context import SpawnProcess

import pytest
from ends import Handler, client, count, echo, flood, once, run, served, trip
from helpers import free_port

from zakar.errors import ConfigError
from zakar.lab import preset
from zakar.lab.link import Direction, Link, Settings, opened, running

FREE = Direction(0.0)
HOME = preset.read("home").settings


@contextlib.asynccontextmanager
async def _through(
    handler: Handler, up: Direction = FREE, down: Direction = FREE
) -> AsyncIterator[tuple[Link, asyncio.StreamReader, asyncio.StreamWriter]]:
    """A server, a link to it, and one connection through the link."""
    async with (
        served(handler) as target,
        opened(target, Settings(up, down)) as link,
        client(link.address) as (reader, writer),
    ):
        yield link, reader, writer


def test_a_round_trip_takes_both_delays_and_a_first_one_the_handshake_too():
    async def reached() -> bool:
        begun = time.perf_counter()
        async with _through(echo, Direction(0.03), Direction(0.05)) as (_, reader, writer):
            await trip(reader, writer)
            first = time.perf_counter() - begun
            trips = [await trip(reader, writer) for _ in range(10)]
        assert first >= 0.16
        assert min(trips) >= 0.08
        return min(trips) < 0.16

    async def test() -> None:
        assert await once(reached)

    run(test)


def test_each_direction_has_its_own_rate():
    up, down = Direction(0.01, rate=8e6), Direction(0.02, rate=24e6)
    taken: asyncio.Queue[int] = asyncio.Queue()

    async def both(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        flooding = asyncio.create_task(flood(writer))
        taken.put_nowait(await count(reader, 1.5))
        flooding.cancel()

    async def reached() -> bool:
        begun = time.perf_counter()
        async with _through(both, up, down) as (_, reader, writer):
            flooding = asyncio.create_task(flood(writer))
            received = await count(reader, 1.5)
            ended = time.perf_counter()
            sent = await taken.get()
            flooding.cancel()
            last = time.perf_counter()
        assert received <= 24e6 * (ended - begun - 0.02) / 8
        assert sent <= 8e6 * (last - begun - 0.01) / 8
        return received >= 24e6 * 1.5 * 0.8 / 8 and sent >= 8e6 * 1.5 * 0.8 / 8

    async def test() -> None:
        assert await once(reached)

    run(test)


@pytest.mark.slow
def test_delay_does_not_limit_bandwidth():
    async def reached() -> bool:
        begun = time.perf_counter()
        async with _through(lambda _, writer: flood(writer), FREE, Direction(0.3, rate=20e6)) as (_, reader, _w):
            await reader.readexactly(1)
            received = await count(reader, 2.0)
            seconds = time.perf_counter() - begun
        assert received <= 20e6 * (seconds - 0.3) / 8
        return received >= 20e6 * 2.0 * 0.8 / 8

    async def test() -> None:
        assert await once(reached)

    run(test)


def test_connections_share_the_rate_in_equal_parts():
    async def reached() -> bool:
        settings = Settings(FREE, Direction(0.0, rate=16e6))
        async with served(lambda _, writer: flood(writer)) as target, opened(target, settings) as link:
            begun = time.perf_counter()
            async with client(link.address) as (first, _), client(link.address) as (second, _):
                counts = await asyncio.gather(count(first, 1.0), count(second, 1.0))
            seconds = time.perf_counter() - begun
        assert sum(counts) <= 16e6 * seconds / 8
        return sum(counts) >= 16e6 * 1.0 * 0.8 / 8 and min(counts) >= 0.3 * sum(counts)

    async def test() -> None:
        assert await once(reached)

    run(test)


def test_jitter_neither_reorders_nor_loses_bytes_and_the_end_is_passed_on():
    content = random.Random(1).randbytes(3_000_000)
    digest = hashlib.sha256(content).digest()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read())  # returns at the client's end only
        await writer.drain()

    async def test() -> None:
        way = Direction(0.01, jitter=0.03, rate=100e6)
        async with _through(answer, way, way) as (_, reader, writer):
            writer.write(content)
            writer.write_eof()
            assert hashlib.sha256(await reader.read()).digest() == digest

    run(test)


@pytest.mark.parametrize("up", [Direction(0.0, rate=80_000, queue=20_000), Direction(0.05, rate=100e6, queue=20_000)])
def test_a_sender_is_held_back_by_the_rate_or_by_a_receiver_that_does_not_read(up: Direction):
    over = asyncio.Event()

    async def hold(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        if up.rate == 80_000:
            await reader.read()
        await over.wait()  # the reader takes no more than its own buffer

    async def test() -> None:
        loop, accepted = asyncio.get_running_loop(), 0
        async with served(hold) as target, opened(target, Settings(up, FREE)) as link:
            with socket.socket() as sender:
                sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 32_768)
                sender.setblocking(False)
                host, port = link.address.split(":")
                await loop.sock_connect(sender, (host, int(port)))
                with contextlib.suppress(TimeoutError):
                    while True:
                        async with asyncio.timeout(0.5):
                            await loop.sock_sendall(sender, bytes(4_096))
                            accepted += 4_096
            over.set()
            await asyncio.sleep(0)
        # The queue, the wire, and what the kernels of both ends hold; an unbounded link would take bytes for ever.
        assert 20_000 <= accepted <= 16_000_000
        if up.rate == 80_000:
            assert accepted <= 500_000

    run(test)


def test_a_stall_stops_both_directions_and_then_all_goes_on():
    async def reached() -> bool:
        async with _through(echo, Direction(0.02), Direction(0.02)) as (link, reader, writer):
            await trip(reader, writer)
            link.stall(0.4)
            assert await trip(reader, writer) >= 0.44
            sent = time.perf_counter()
            writer.write(b"ping")
            await asyncio.sleep(0.03)  # under way, up or down
            begun = time.perf_counter()
            link.stall(0.3)
            link.stall(0.1)  # within the first
            await reader.readexactly(4)
            stalled = time.perf_counter() - begun
            assert stalled >= 0.3 or begun - sent >= 0.04  # then it had arrived before the stall
            return stalled >= 0.3 and min([await trip(reader, writer) for _ in range(5)]) < 0.3

    async def test() -> None:
        assert await once(reached)
        async with _through(echo) as (link, _, _):
            with pytest.raises(ValueError, match="stall"):
                link.stall(-1)

    run(test)


def test_a_stall_makes_no_debt_and_no_credit():
    async def reached() -> bool:
        begun = time.perf_counter()
        async with _through(lambda _, writer: flood(writer), FREE, Direction(0.05, rate=16e6)) as (link, reader, _):
            before = await count(reader, 0.3)
            link.stall(0.4)
            during = await count(reader, 0.3)
            after = await count(reader, 0.8)
            seconds = time.perf_counter() - begun
        assert before + during + after <= 16e6 * (seconds - 0.45) / 8
        return during <= 2**20 and before + during + after >= 16e6 * 1.0 * 0.8 / 8  # what had arrived already

    async def test() -> None:
        assert await once(reached)

    run(test)


def test_a_change_of_rate_or_delay_holds_at_once():
    async def reached() -> bool:
        async with _through(lambda _, writer: flood(writer), FREE, Direction(0.0, rate=2e6)) as (link, reader, _):
            await count(reader, 0.2)
            link.down = replace(link.down, rate=40e6)
            begun = time.perf_counter()
            fast = await count(reader, 0.6)
            assert fast <= 40e6 * (time.perf_counter() - begun) / 8 + 2**18
            link.down = replace(link.down, rate=2e6)
            await count(reader, 0.2)
            begun = time.perf_counter()
            slow = await count(reader, 0.6)
            assert slow <= 2e6 * (time.perf_counter() - begun) / 8 + 2**18
            assert link.down == Direction(0.0, rate=2e6)
        return fast >= 40e6 * 0.6 * 0.7 / 8

    async def test() -> None:
        assert await once(reached)
        async with _through(echo) as (link, reader, writer):
            await trip(reader, writer)
            link.up = Direction(0.1)
            assert await trip(reader, writer) >= 0.1

    run(test)


def test_a_cut_breaks_all_connections_and_new_ones_are_accepted():
    async def test() -> None:
        async with _through(echo, Direction(0.02), Direction(0.02)) as (link, reader, writer):
            await trip(reader, writer)
            link.cut()
            with pytest.raises(ConnectionError):
                await reader.readexactly(1)
            async with client(link.address) as (again, sender):
                await trip(again, sender)

    run(test)


def test_last_words_arrive_before_a_reset():
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)
        writer.write(b"-ERR\r\n")
        await writer.drain()
        linger = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        await asyncio.sleep(0.05)

    async def test() -> None:
        async with _through(refuse, FREE, Direction(0.1, rate=1e6)) as (_, reader, writer):
            writer.write(b"x")
            assert await reader.readline() == b"-ERR\r\n"
            with pytest.raises(ConnectionError):
                await reader.read()
            await asyncio.sleep(0.2)  # the link's end of it comes to an end of its own, with nothing to complain of
            gc.collect()

    run(test)


def test_a_server_that_is_down_is_a_connection_reset():
    async def test() -> None:
        target = f"ws://127.0.0.1:{free_port()}/path"
        async with opened(target, HOME) as link, client(link.address) as (reader, _):
            with pytest.raises(ConnectionError):
                await reader.readexactly(1)

    run(test)


@pytest.mark.parametrize("target", ["", "nats://", "http://127.0.0.1", "nats://me:s3cret@h:99999", "h:x", "[::1"])
def test_what_is_no_address_is_bad_usage(target: str):
    with pytest.raises(ConfigError, match="not an address") as caught, running(target, HOME):
        pass
    assert "s3cret" not in str(caught.value)


@pytest.mark.skipif(sys.platform == "win32", reason="signals cannot be blocked there")
def test_a_link_that_is_starting_is_deaf_to_ctrl_c(monkeypatch):
    start, blocked = SpawnProcess.start, []

    def noted(process: SpawnProcess) -> None:
        blocked.append(signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, []))
        start(process)

    monkeypatch.setattr(SpawnProcess, "start", noted)
    with running("127.0.0.1:4222", HOME):
        assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])
    assert blocked == [True]


@pytest.mark.slow
def test_a_link_in_its_own_process_obeys_and_carries_much_over_a_long_delay():
    with socket.create_server(("127.0.0.1", 0)) as server, contextlib.ExitStack() as stack:
        target = f"127.0.0.1:{server.getsockname()[1]}"
        link = stack.enter_context(running(target, Settings(Direction(0.1), Direction(0.1))))
        assert link.url("ws") == f"ws://{link.address}"
        host, port = link.address.split(":")
        client = stack.enter_context(socket.create_connection((host, int(port)), timeout=20))
        accepted = stack.enter_context(server.accept()[0])
        accepted.settimeout(20)

        def flood() -> None:
            with contextlib.suppress(OSError):
                while True:
                    client.sendall(bytes(2**18))

        sender = threading.Thread(target=flood)
        sender.start()
        assert _rate(accepted, 0.7) >= 200e6  # thousands where nothing else runs
        link.up = replace(link.up, rate=8e6)
        _rate(accepted, 0.4)  # what was on the wire
        assert _rate(accepted, 0.6) <= 16e6
        link.stall(0.5)
        time.sleep(0.1)
        assert _rate(accepted, 0.2) <= 40e6  # from the kernel's buffers
        link.cut()
        sender.join(20)
        assert not sender.is_alive()


def _rate(receiver: socket.socket, seconds: float) -> float:
    """Bits per second that arrive."""
    begun, received = time.perf_counter(), 0
    receiver.settimeout(seconds)
    with contextlib.suppress(TimeoutError):
        while time.perf_counter() - begun < seconds:
            received += len(receiver.recv(2**20))
    receiver.settimeout(20)
    return received * 8 / (time.perf_counter() - begun)


PARENT = """
import time
from zakar.lab import preset
from zakar.lab.link import running

if __name__ == "__main__":
    with running("127.0.0.1:4222", preset.read("home").settings) as link:
        print(link.address, flush=True)
        time.sleep(60)
"""


def test_a_link_does_not_outlive_a_parent_that_is_killed(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        host, port = parent.stdout.readline().strip().split(":")
        socket.create_connection((host, int(port)), timeout=10).close()
        parent.kill()
    deadline = time.monotonic() + 20
    while _answers(host, int(port)):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _answers(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=10).close()
    except OSError:
        return False
    return True
