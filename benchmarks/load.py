"""Messages a second into and out of a station: zakar against what else a Python program can do.

    python benchmarks/load.py

An embedded nats-server stores the temperature readings of the `classic` scenario. In one run, round by round,
each into a stream of its own, all of them with the size that `zakar load` gives a stream (a fast batch into one
without a size takes the server some 7 % less):

- `zakar load`, mode `batch` (fast ingest), from the Parquet files to the last ack, connecting included
- `zakar load`, mode `nonblocking`: an ack a message, the same otherwise
- a blast of the same messages by fast ingest over a bare socket, to the same subject: frames encoded beforehand, no
  headers, an ack every 500 messages, writes of 64 KiB; as fast as the server takes them
- `zakar load`, blocking: one message in flight
- nats-py `js.publish`, one at a time
- nats-py `js.publish_async`, 1,000 in flight at most
- the recipe of 2023: a task for each message, which publishes and waits for its ack; on reaching 500 tasks, wait,
  looking every 0.1 s, until half of them are done

and out of the stream that the first one filled:

- `zakar verify`, which compares every message with the dataset
- nats-py pull subscription, `fetch(1000)`, no acks, which only counts

nats-py is given payloads encoded beforehand and a connection already made, and its messages carry no header,
where zakar's carry the sequence they expect to follow (in mode `batch` only the first). The slower a way,
the fewer messages it gets, so that each takes a few seconds. Each stream's length is checked afterwards.

Once, at the beginning, all tables are loaded by a process of its own, for its peak memory.
"""

import argparse
import asyncio
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import nats
from common import ACK_SECONDS, TASKS, Way, classic, encoded, give, over, parser, positive, recipe_of_2023, tell
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig

from zakar.broker import station
from zakar.broker.access import Access
from zakar.broker.connection import Connection, connected
from zakar.broker.server import ServerSettings, running
from zakar.dataset import store, wire
from zakar.dataset.schema import PUBLIC, READINGS
from zakar.dataset.store import Dataset
from zakar.loader import frames, plan
from zakar.loader.load import load
from zakar.loader.options import LoadOptions, Mode
from zakar.loader.verify import verify
from zakar.models import registry, scenario_files

WRITE = 65_536
FLOW = 500
AHEAD = 20_000
WINDOW = 1_000  # of publish_async
FETCH = 1_000
STREAM = station.stream_name(READINGS.station)
# Messages of each way, as shares of --messages: a few seconds each.
SHARES = {"blocking": 0.004, "publish": 0.004, "publish_async": 0.05, "recipe": 0.012, "fetch": 0.05}

Publish = Callable[[JetStreamContext, str, Sequence[bytes]], Awaitable[None]]


@dataclass(frozen=True)
class Bench:
    """What every way works with: a server, a connection to look after streams, and the readings."""

    access: Access
    admin: Connection
    large: Dataset
    small: Dataset

    @property
    def size(self) -> int:
        """Return the bytes that a stream is given for the readings of the large dataset."""
        return plan.target(self.large.manifest, READINGS).max_bytes

    async def load(self, dataset: Dataset, mode: Mode) -> tuple[int, float]:
        """Fill the readings' station by `zakar load`; return the messages and the seconds."""
        began = time.perf_counter()
        await load(dataset, self.access, LoadOptions((READINGS,), mode=mode))
        seconds = time.perf_counter() - began
        messages = dataset.manifest.tables[READINGS.name].rows
        await self.expect(STREAM, messages)
        return messages, seconds

    async def blast(self) -> tuple[int, float]:
        """Fill a stream with the readings of the large dataset by a bare socket."""
        stream = STREAM
        await station.create(self.admin, stream, {}, self.size)
        total = self.large.manifest.tables[READINGS.name].rows
        blocks, after, offsets = [], 0, [0]
        for batch in store.batches(self.large, READINGS):
            payloads = wire.encode(batch)
            subject, reply = station.subject(stream), f"_INBOX.blast.b.{FLOW}.fail."
            block = frames.batched(payloads, after, 0, total, subject, reply)
            offsets += (offsets.pop() + block.offsets).tolist()
            blocks.append(bytes(block.data))
            after += len(payloads)
        seconds = await asyncio.to_thread(_blast, self.access.servers[0], b"".join(blocks), offsets)
        await self.expect(stream, total)
        await station.delete(self.admin, stream)
        return total, seconds

    async def verify(self) -> tuple[int, float]:
        """Compare the readings' station with the large dataset by `zakar verify`."""
        began = time.perf_counter()
        found = (await verify(self.large, self.access, [READINGS]))[READINGS.station]
        seconds = time.perf_counter() - began
        if not found.ok:
            raise SystemExit(f"the station differs from the dataset: {found}")
        return found.stored, seconds

    async def fetch(self, messages: int) -> tuple[int, float]:
        """Read the first messages of the readings' station by nats-py's fetch."""
        client = await nats.connect(self.access.servers[0])
        config = ConsumerConfig(ack_policy=AckPolicy.NONE, mem_storage=True)
        subscription = await client.jetstream().pull_subscribe(station.subject(STREAM), stream=STREAM, config=config)
        received = 0
        began = time.perf_counter()
        while received < messages:
            received += len(await subscription.fetch(min(FETCH, messages - received)))
        seconds = time.perf_counter() - began
        await client.close()
        return received, seconds

    async def publish(self, key: str, way: Publish, payloads: Sequence[bytes]) -> tuple[int, float]:
        """Fill a stream of its own by a way to publish."""
        stream = station.stream_name(f"bench-{key}")
        await station.create(self.admin, stream, {}, self.size)
        client = await nats.connect(self.access.servers[0])
        context = client.jetstream(publish_async_max_pending=WINDOW)
        began = time.perf_counter()
        await way(context, station.subject(stream), payloads)
        seconds = time.perf_counter() - began
        await client.close()
        await self.expect(stream, len(payloads))
        await station.delete(self.admin, stream)
        return len(payloads), seconds

    async def expect(self, stream: str, messages: int) -> None:
        """Stop unless a stream holds that many messages: a rate of lost messages is none."""
        found = await station.look(self.admin, stream)
        if found is None or found.messages != messages:
            raise SystemExit(f"`{stream}` should hold {messages:,} messages: {found}")


def _blast(server: str, data: bytes, offsets: list[int]) -> float:
    """Send frames of a fast batch as they are, and wait for the PubAck that ends it; return the seconds."""
    host, _, port = server.rpartition("//")[2].rpartition(":")
    with socket.create_connection((host, int(port))) as link:
        link.recv(WRITE)  # INFO
        link.sendall(
            b'CONNECT {"verbose":false,"headers":true,"no_responders":true}\r\nSUB _INBOX.blast.> 1\r\nPING\r\n'
        )
        answers = b""
        while b"PONG" not in answers:
            answers += link.recv(WRITE)
        # Far more in flight than anything waits for, and less than overflows the stream's queue.
        room = threading.Semaphore(AHEAD // FLOW)
        per_flow = [
            data[offsets[i] : offsets[min(i + FLOW, len(offsets) - 1)]] for i in range(0, len(offsets) - 1, FLOW)
        ]
        began = time.perf_counter()
        sender = threading.Thread(target=_send, args=(link, per_flow, room))
        sender.start()
        while b'"count":' not in answers:
            chunk = link.recv(WRITE)
            room.release(chunk.count(b'"type":"ack"') or 1)
            answers = answers[-1_000:] + chunk
        seconds = time.perf_counter() - began
        sender.join()
        return seconds


def _send(link: socket.socket, pieces: list[bytes], room: threading.Semaphore) -> None:
    """Send pieces in writes of 64 KiB, a flow's messages for each ack."""
    waiting = bytearray()
    for piece in pieces:
        room.acquire()
        waiting += piece
        if len(waiting) >= WRITE:
            link.sendall(waiting)
            waiting.clear()
    link.sendall(waiting)


async def one_at_a_time(context: JetStreamContext, subject: str, payloads: Sequence[bytes]) -> None:
    """Publish and wait for the ack, message by message."""
    for payload in payloads:
        await context.publish(subject, payload, timeout=ACK_SECONDS)


async def windowed(context: JetStreamContext, subject: str, payloads: Sequence[bytes]) -> None:
    """Publish by nats-py's own non-blocking call, which waits while its window is full."""
    for payload in payloads:
        await context.publish_async(subject, payload)
    await context.publish_async_completed()


def main() -> None:
    """Measure and report."""
    options = parser(__doc__)
    options.add_argument(
        "--messages", type=positive, default=2_294_100, metavar="N", help="messages of the fastest ways (default: all)"
    )
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="zakar-bench-") as name, running(ServerSettings()) as server:
        tell("simulating")
        large = _readings(Path(name) / "large", given.messages)
        small = _readings(Path(name) / "small", _share(given.messages, "blocking"))
        asyncio.run(_measure(Access(servers=(server.url,)), large, small, given))


async def _measure(access: Access, large: Dataset, small: Dataset, given: argparse.Namespace) -> None:
    """Run every way once a round, in turn, and report."""
    ways = {
        "batch": Way("zakar load, batch"),
        "blast": Way("bare socket, fast ingest"),
        "nonblocking": Way("zakar load, nonblocking"),
        "blocking": Way("zakar load, blocking"),
        "publish": Way("nats-py publish, one at a time"),
        "publish_async": Way(f"nats-py publish_async, window {WINDOW:,}"),
        "recipe": Way(f"the recipe of 2023, {TASKS} tasks"),
        "verify": Way("zakar verify"),
        "fetch": Way(f"nats-py fetch({FETCH})"),
    }
    publishing: dict[str, Publish] = {
        "publish": one_at_a_time,
        "publish_async": windowed,
        "recipe": recipe_of_2023,
    }
    peak = await asyncio.to_thread(
        _peak_mib, access, large
    )  # while this process is small: a new one starts as its copy
    payloads = encoded(large, READINGS, max(_share(given.messages, key) for key in publishing))
    async with connected(access, "zakar bench") as admin:
        bench = Bench(access, admin, large, small)
        for table in PUBLIC:
            await station.delete(admin, station.stream_name(table.station))
        cpus: list[float] = []
        for number in range(1, given.rounds + 1):
            cpu = time.process_time()
            ways["batch"].note(*await bench.load(large, Mode.BATCH))
            cpus.append((time.process_time() - cpu) / ways["batch"].count * 1e6)
            await station.delete(admin, STREAM)
            ways["blast"].note(*await bench.blast())
            ways["nonblocking"].note(*await bench.load(large, Mode.NONBLOCKING))
            ways["verify"].note(*await bench.verify())
            ways["fetch"].note(*await bench.fetch(_share(given.messages, "fetch")))
            await station.delete(admin, STREAM)
            ways["blocking"].note(*await bench.load(small, Mode.BLOCKING))
            await station.delete(admin, STREAM)
            for key, publish in publishing.items():
                ways[key].note(*await bench.publish(key, publish, payloads[: _share(given.messages, key)]))
            tell(f"round {number}: " + "; ".join(f"{way.label} {way.rates[-1]:,.0f}/s" for way in ways.values()))
        facts: dict[str, object] = {
            "nats_server": str(admin.connected_server_version).strip("<>").rpartition(" v")[2],
            "payload_bytes": round(sum(map(len, payloads)) / len(payloads)),
            "in_flight_limit": "auto",
            "client_microseconds_of_cpu_a_message_batch": round(statistics.median(cpus), 2),
        }
        if peak is not None:
            facts["peak_mib_of_a_loader_of_all_tables"] = peak
    ratios = {
        f"{one}_over_{other}": over(ways[one], ways[other], target)
        for one, other, target in (
            ("batch", "blast", 0.85),
            ("batch", "publish_async", 6.0),
            ("batch", "recipe", 20.0),
            ("batch", "nonblocking", None),
            ("nonblocking", "recipe", 8.0),
            ("nonblocking", "publish_async", None),
            ("nonblocking", "blocking", None),
            ("blocking", "publish", None),
            ("verify", "fetch", 3.0),
        )
    }
    give("load", "messages", ways, ratios, facts, given)


def _peak_mib(access: Access, dataset: Dataset) -> int | None:
    """Load all tables by `zakar load` in a process; return the most memory that it held, None on Windows."""
    command = [sys.executable, "-m", "zakar", "load", str(dataset.root), "--server", access.servers[0]]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    if sys.platform == "win32":
        process.wait()
        return None
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit("a load of all tables failed")
    return usage.ru_maxrss >> 20 if sys.platform == "darwin" else usage.ru_maxrss >> 10  # bytes there, KiB elsewhere


def _share(messages: int, key: str) -> int:
    return max(1, round(messages * SHARES[key]))


def _readings(out: Path, messages: int) -> Dataset:
    """Simulate as many whole days of `classic` as have at least ``messages`` readings."""
    cells = registry.read(scenario_files.find("classic")).grid.cells
    return classic(out, -(-messages // cells))


if __name__ == "__main__":
    main()
