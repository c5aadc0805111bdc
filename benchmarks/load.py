"""Messages a second into and out of a station: zakar against what else a Python program can do.

    python benchmarks/load.py

An embedded nats-server stores the temperature readings of the `classic` scenario. In one run, round by round,
each into a stream of its own:

- `zakar load`, non-blocking at its default pace, from the Parquet files to the last ack, connecting included
- `zakar load`, blocking: one message in flight
- nats-py `js.publish`, one at a time
- nats-py `js.publish_async`, 1,000 in flight at most
- the recipe of 2023: a task for each message, which publishes and waits for its ack; on reaching 500 tasks, wait,
  looking every 0.1 s, until half of them are done

and out of the stream that the first one filled:

- `zakar verify`, which compares every message with the dataset
- nats-py pull subscription, `fetch(1000)`, no acks, which only counts

nats-py is given payloads encoded beforehand and a connection already made, and its messages carry no header,
where zakar's carry the sequence they expect to follow. The slower a way, the fewer messages it gets, so that each
takes a few seconds. Each stream's length is checked afterwards.
"""

import argparse
import asyncio
import itertools
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import nats
from common import Way, give, over, parser, positive, tell
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, PubAck

from zakar import scenario as scenarios
from zakar.broker import station
from zakar.broker.connection import Access, Connection, connected
from zakar.broker.server import ServerSettings, running
from zakar.cli.common import workers
from zakar.dataset import store, wire
from zakar.dataset.schema import READINGS
from zakar.dataset.store import Dataset
from zakar.loader.load import load
from zakar.loader.producer import Pace
from zakar.loader.verify import verify
from zakar.simulate import simulate

TARGET = 8.0  # times the recipe of 2023
WINDOW = 1_000  # of publish_async
TASKS = 500  # of the recipe
POLL_SECONDS = 0.1  # of the recipe: what the Memphis SDK slept between two looks
ACK_SECONDS = 15.0
FETCH = 1_000
STREAM = station.stream_name(READINGS.station)
# Messages of each way, as shares of --messages: a few seconds each.
SHARES = {"blocking": 0.02, "publish": 0.02, "publish_async": 0.25, "recipe": 0.05, "fetch": 0.25}

Publish = Callable[[JetStreamContext, str, Sequence[bytes]], Awaitable[None]]


@dataclass(frozen=True)
class Bench:
    """What every way works with: a server, a connection to look after streams, and the readings."""

    access: Access
    admin: Connection
    large: Dataset
    small: Dataset

    async def load(self, dataset: Dataset, pace: Pace) -> tuple[int, float]:
        """Fill the readings' station by `zakar load`; return the messages and the seconds."""
        began = time.perf_counter()
        await load(dataset, self.access, [READINGS], pace)
        seconds = time.perf_counter() - began
        messages = dataset.manifest.tables[READINGS.name].rows
        await self.expect(STREAM, messages)
        return messages, seconds

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
        await station.create(self.admin, stream, {}, max_bytes=-1)
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


async def one_at_a_time(context: JetStreamContext, subject: str, payloads: Sequence[bytes]) -> None:
    """Publish and wait for the ack, message by message."""
    for payload in payloads:
        await context.publish(subject, payload, timeout=ACK_SECONDS)


async def windowed(context: JetStreamContext, subject: str, payloads: Sequence[bytes]) -> None:
    """Publish by nats-py's own non-blocking call, which waits while its window is full."""
    for payload in payloads:
        await context.publish_async(subject, payload)
    await context.publish_async_completed()


async def recipe_of_2023(context: JetStreamContext, subject: str, payloads: Sequence[bytes]) -> None:
    """Publish by a task a message; when there are too many, poll until half of them are done."""
    tasks: set[asyncio.Task[PubAck]] = set()
    for payload in payloads:
        task = asyncio.create_task(context.publish(subject, payload, timeout=ACK_SECONDS))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        if len(tasks) >= TASKS:
            while len(tasks) > TASKS / 2:  # noqa: ASYNC110 - polling is what is measured
                await asyncio.sleep(POLL_SECONDS)
        await asyncio.sleep(0)  # non-blocking produce lets the loop turn once a message
    await asyncio.gather(*tasks)


def main() -> None:
    """Measure and report."""
    options = parser(__doc__)
    options.add_argument(
        "--messages", type=positive, default=450_000, metavar="N", help="messages of the fastest way (default 450000)"
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
        "nonblocking": Way("zakar load, non-blocking"),
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
    payloads = _payloads(large, max(_share(given.messages, key) for key in publishing))
    async with connected(access, "zakar bench") as admin:
        bench = Bench(access, admin, large, small)
        for number in range(1, given.rounds + 1):
            ways["nonblocking"].note(*await bench.load(large, Pace()))
            ways["verify"].note(*await bench.verify())
            ways["fetch"].note(*await bench.fetch(_share(given.messages, "fetch")))
            await station.delete(admin, STREAM)
            ways["blocking"].note(*await bench.load(small, Pace(in_flight=1)))
            await station.delete(admin, STREAM)
            for key, publish in publishing.items():
                ways[key].note(*await bench.publish(key, publish, payloads[: _share(given.messages, key)]))
            tell(f"round {number}: " + "; ".join(f"{way.label} {way.rates[-1]:,.0f}/s" for way in ways.values()))
        facts: dict[str, object] = {
            "nats_server": str(admin.connected_server_version).strip("<>").rpartition(" v")[2],
            "payload_bytes": round(sum(map(len, payloads)) / len(payloads)),
            "in_flight_limit": Pace.in_flight,
        }
    ratios = {
        f"{one}_over_{other}": over(ways[one], ways[other], target)
        for one, other, target in (
            ("nonblocking", "recipe", TARGET),
            ("nonblocking", "publish_async", None),
            ("nonblocking", "blocking", None),
            ("blocking", "publish", None),
            ("verify", "fetch", None),
        )
    }
    give("load", "messages", ways, ratios, facts, given)


def _share(messages: int, key: str) -> int:
    return max(1, round(messages * SHARES[key]))


def _readings(out: Path, messages: int) -> Dataset:
    """Simulate as many whole days of `classic` as have at least ``messages`` readings."""
    source = scenarios.find("classic")
    scenario = scenarios.read(source)
    scenario = scenarios.with_days(scenario, -(-messages // scenario.grid.cells))
    with workers(None) as executor:
        simulate(scenario, source, out, executor)
    return store.open_dataset(str(out))


def _payloads(dataset: Dataset, messages: int) -> list[bytes]:
    """Encode the first readings as wire objects."""
    encoded = (wire.encode(batch).to_pylist() for batch in store.batches(dataset, READINGS))
    return list(itertools.islice(itertools.chain.from_iterable(encoded), messages))


if __name__ == "__main__":
    main()
