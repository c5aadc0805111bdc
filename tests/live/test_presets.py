"""Each link in configs/links is what it claims to be, with bytes through it; how much slower it may be is generous.

A busy machine makes a link slower and never faster. So what a link must not beat holds every time, and what it must
reach holds the best of a few times.
"""

import asyncio
import contextlib
import math
import multiprocessing
import re
import threading
import time
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest
from ends import Handler, client, echo, flood, once, run, served, trip

from zakar.errors import ConfigError
from zakar.lab.lane import Direction
from zakar.lab.link import Settings
from zakar.lab.preset import Preset, crossing, names, read

LINKS = [name for name in names() if read(name).settings]
TIMES = 3
SECONDS = 2.0
GENEROUS = 1.5 * SECONDS + 0.5


def settings_of(preset: Preset) -> Settings:
    assert preset.settings is not None
    return preset.settings


@contextlib.asynccontextmanager
async def across(handler: Handler, preset: Preset) -> AsyncIterator[str]:
    """A server, and the address of the way to it over a preset's link."""
    async with served(handler) as url:
        with crossing(url, preset) as there:
            yield urlsplit(there).netloc


@pytest.mark.parametrize(
    "name", [name if name == "home" else pytest.param(name, marks=pytest.mark.slow) for name in LINKS]
)
def test_round_trips_take_what_the_preset_says_and_vary_as_it_says(name: str):
    up, down = settings_of(read(name)).up, settings_of(read(name)).down
    least, jitter = up.delay + down.delay, up.jitter + down.jitter

    async def reached() -> bool:
        async with across(echo, read(name)) as address:
            begun = time.perf_counter()
            async with client(address) as (reader, writer):
                await trip(reader, writer)
                assert time.perf_counter() - begun >= 2 * least  # with the handshake
                trips = [await trip(reader, writer) for _ in range(10 if jitter == 0 else 40)]
        assert min(trips) >= least
        assert max(trips) - min(trips) >= jitter / 4  # 40 times
        return min(trips) < 2 * least + jitter

    async def test() -> None:
        assert await once(reached, TIMES)

    run(test)


@pytest.mark.slow
@pytest.mark.parametrize("name", LINKS)
def test_bytes_pass_at_the_rate_of_each_way(name: str):
    """As many as the rate carries in SECONDS, both ways at once."""
    up, down = settings_of(read(name)).up, settings_of(read(name)).down
    upload, download = (int(way.rate * SECONDS / 8) for way in (up, down))
    arrived: asyncio.Queue[float] = asyncio.Queue()

    async def both(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        flooding = asyncio.create_task(flood(writer))
        try:
            await passed(reader, upload)
            arrived.put_nowait(time.perf_counter())
            while await reader.read(2**20):
                pass
        finally:
            flooding.cancel()

    async def seconds() -> tuple[float, float]:
        """How long the way up took, and the way down."""
        async with across(both, read(name)) as address:
            begun = time.perf_counter()
            async with client(address) as (reader, writer):
                flooding = asyncio.create_task(flood(writer))
                await passed(reader, download)
                there = time.perf_counter()
                sent = await arrived.get()
                flooding.cancel()
        return sent - begun, there - begun

    async def test() -> None:
        best_up = best_down = math.inf
        for _ in range(TIMES):
            taken_up, taken_down = await seconds()
            assert taken_up >= up.delay + upload * 8 / up.rate
            assert taken_down >= down.delay + download * 8 / down.rate
            best_up, best_down = min(best_up, taken_up), min(best_down, taken_down)
            if max(best_up, best_down) <= GENEROUS:
                break
        assert max(best_up, best_down) <= GENEROUS

    run(test)


async def passed(reader: asyncio.StreamReader, size: int) -> None:
    """Wait for so many bytes."""
    while size > 0:
        data = await reader.read(min(size, 2**20))
        assert data
        size -= len(data)


@pytest.mark.slow
@pytest.mark.parametrize("name", LINKS)
def test_a_full_queue_makes_a_round_trip_longer_by_the_time_that_it_takes_to_drain(name: str):
    """One connection fills the way up, another one's round trips wait behind it."""
    up, down = settings_of(read(name)).up, settings_of(read(name)).down
    least, drain = up.delay + down.delay, up.queue * 8 / up.rate

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Echo who says ping, and swallow the flood."""
        while data := await reader.read(65_536):
            if data == b"ping":
                writer.write(data)

    async def reached() -> bool:
        async with (
            across(answer, read(name)) as address,
            client(address) as (reader, writer),
            client(address) as (_, flooded),
        ):
            flooding = asyncio.create_task(flood(flooded))
            await asyncio.sleep(least + 0.2)
            trips = [await trip(reader, writer) for _ in range(TIMES)]
            flooding.cancel()
        return max(trips) >= least + drain * 0.7 and min(trips) <= 2 * least + drain * 1.5 + 0.2

    async def test() -> None:
        assert await once(reached, TIMES)

    run(test)


@pytest.mark.slow
@pytest.mark.parametrize("way", ["up", "down"])
def test_the_rate_that_drops_has_dropped_once_its_time_has_come_and_not_before(way: str):
    preset = read("rate-drop")
    (change,) = preset.changes
    before = getattr(settings_of(preset), way).rate
    after = getattr(change, way)
    assert after == before / 10

    async def seen() -> list[tuple[float, int]]:
        """Bytes that arrive, and when, from the moment when the link is there until three seconds after the drop."""
        found = []

        async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await (take(reader) if way == "up" else flood(writer))

        async def take(reader: asyncio.StreamReader) -> None:
            while data := await reader.read(2**20):
                found.append((time.perf_counter() - begun, len(data)))

        async with across(server, preset) as address:
            begun = time.perf_counter()
            async with client(address) as (reader, writer):
                at_work = asyncio.create_task(take(reader) if way == "down" else flood(writer))
                await asyncio.sleep(change.after + 4.5 - (time.perf_counter() - begun))
                at_work.cancel()
        return found

    async def reached() -> bool:
        found = await seen()
        early = sum(size for when, size in found if when < change.after - 0.5)
        late = sum(size for when, size in found if change.after + 1.5 <= when < change.after + 4.5)
        assert early <= before * (change.after - 0.5) / 8
        return (
            early >= before * (change.after - 0.5) * 0.5 / 8
            and after * 3.0 * 0.5 / 8 <= late <= after * 3.0 * 2 / 8 + 2**18
        )

    async def test() -> None:
        assert await once(reached, TIMES)

    run(test)


def test_on_one_machine_nothing_stands_between_client_and_server():
    async def test() -> None:
        met: asyncio.Queue[int] = asyncio.Queue()

        async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            met.put_nowait(writer.get_extra_info("peername")[1])

        async with across(meet, read("same-machine")) as address, client(address) as (_, writer):
            assert await met.get() == writer.get_extra_info("sockname")[1]

    run(test)


@pytest.mark.parametrize(
    ("url", "seen"),
    [
        ("memphis://me:p%40ss@localhost:1?account=1", r"memphis://me:p%40ss@127\.0\.0\.1:\d+\?account=1"),
        ("ws://[::1]:1/path", r"ws://127\.0\.0\.1:\d+/path"),
        ("127.0.0.1:1", r"127\.0\.0\.1:\d+"),
    ],
)
def test_only_host_and_port_of_an_address_change_and_a_change_to_come_keeps_nobody_waiting(url: str, seen: str):
    running, begun = threading.active_count(), time.perf_counter()
    with crossing(url, read("rate-drop")) as there:
        assert re.fullmatch(seen, there)
        assert [process.name for process in multiprocessing.active_children()] == ["link"]
    assert time.perf_counter() - begun < read("rate-drop").changes[0].after
    assert threading.active_count() == running
    assert multiprocessing.active_children() == []


def test_what_is_no_address_cannot_be_crossed_to():
    with pytest.raises(ConfigError, match="not an address"), crossing("http://127.0.0.1", read("home")):
        pass


def test_changes_of_a_link_that_has_died_disturb_nobody():
    preset = Preset("brief", "", Settings(Direction(0.0), Direction(0.0)), read("rate-drop").changes)
    with crossing("127.0.0.1:1", preset):
        (process,) = multiprocessing.active_children()
        process.kill()
        process.join()
