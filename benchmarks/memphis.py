"""Messages a second of the Memphis SDK against `zakar load`, and how fast control requests are answered.

    python benchmarks/memphis.py

A nats-server with `zakar broker --memphis` beside it stores the temperature readings of the `classic` scenario, on
loopback and over a link of 33 ms and 20 Mbit/s (zakar.lab.link, in a process of its own). In one run, round by round:

- `zakar load` as it is, which takes fast ingest here, and with `--mode nonblocking`, an ack a message: from the
  Parquet files to the last ack, connecting included, into a station that zakar makes
- memphis-py 1.3.1 in a process of its own, into a station that is made for it: blocking; non-blocking, without a
  limit and with `concurrent_task_limit` 1,000, 500 and 250: from the first message to the last ack, with the messages
  read beforehand and the connection made

The slower a way, the fewer messages it gets, so that each takes a few seconds. Each station's length is checked
afterwards.

Then 200 clients of the SDK, in one process, each make a producer and a consumer at once. At last clients ask for
what an SDK asks for, on the same subjects and with the same fields, and time each answer: one client alone; 200 clients
each in its own time, 200 requests a second together; and 200 at the same moment. Whoever asks shares the cores with
whoever answers.

memphis-py is installed by pip into a folder that goes afterwards (tests/sdk/requirements.txt).
"""

import argparse
import asyncio
import contextlib
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import nats
from common import Way, classic, encoded, give, over, parser, positive, tell
from nats.aio.client import Client

from zakar.broker import station
from zakar.broker.access import Access
from zakar.broker.connection import Connection, connected
from zakar.broker.server import ServerSettings
from zakar.broker.server import running as serving
from zakar.dataset.schema import READINGS
from zakar.dataset.store import Dataset
from zakar.lab import preset
from zakar.loader.load import load
from zakar.loader.options import LoadOptions, Mode
from zakar.models import registry, scenario_files

SDK = Path(__file__).parents[1] / "tests" / "sdk"
LINKS = {"loopback": "loopback", "home": "33 ms"}
LOADS = {"load": ("zakar load", Mode.AUTO), "nonblocking": ("zakar load, nonblocking", Mode.NONBLOCKING)}
SDKS: dict[str, tuple[str, dict[str, Any]]] = {
    "sdk_blocking": ("SDK, blocking", {}),
    "sdk_unlimited": ("SDK, non-blocking", {"nonblocking": True}),
    **{
        f"sdk_{limit}": (f"SDK, non-blocking, limit {limit:,}", {"nonblocking": True, "concurrent_task_limit": limit})
        for limit in (1_000, 500, 250)
    },
}
# Messages of each way, as shares of --messages: a few seconds each.
SHARES = {
    "loopback": dict.fromkeys(LOADS, 1.0) | dict.fromkeys(SDKS, 0.02) | {"sdk_blocking": 0.006},
    "home": dict.fromkeys(LOADS, 0.08)
    | dict.fromkeys(SDKS, 0.01)
    | {"sdk_blocking": 0.00005, "sdk_500": 0.005, "sdk_250": 0.0025},
}
TARGET = 25.0
CLIENTS = 200
REQUESTS = 200  # of each kind
ANSWER_MS = 10.0
PATIENCE = 20.0


@dataclass(frozen=True)
class Bench:
    """What every way works with. ``python`` has the SDK; ``datasets`` and ``lines`` are there for each link."""

    admin: Connection
    python: str
    datasets: dict[str, Dataset]
    messages: Path

    async def load(self, link: str, access: Access, mode: Mode) -> tuple[int, float]:
        """Fill the readings' station by `zakar load`; return the messages and the seconds."""
        dataset = self.datasets[link]
        began = time.perf_counter()
        await load(dataset, access, LoadOptions((READINGS,), mode=mode))
        seconds = time.perf_counter() - began
        messages = dataset.manifest.tables[READINGS.name].rows
        await self.emptied(READINGS.station, messages)
        return messages, seconds

    async def produce(self, access: Access, messages: int, options: dict[str, Any]) -> tuple[int, float]:
        """Fill a station by the SDK; return the messages and the seconds."""
        arguments = {"station": "bench-sdk", "file": str(self.messages), "count": messages, **options}
        seconds = await asyncio.to_thread(called, self.python, access, "publish", arguments)
        await self.emptied("bench-sdk", messages)
        return messages, seconds

    async def emptied(self, name: str, messages: int) -> None:
        """Delete a station that holds so many messages, else stop: a rate of lost messages is none."""
        stream = station.stream_name(name)
        found = await station.look(self.admin, stream)
        if found is None or found.messages != messages:
            raise SystemExit(f"`{stream}` should hold {messages:,} messages: {found}")
        await station.delete(self.admin, stream)


def called(python: str, access: Access, call: str, arguments: dict[str, Any]) -> Any:
    """Have the SDK do something in a process of its own; return what came of it."""
    address = urlsplit(access.servers[0])
    where = [str(address.hostname), str(address.port), "root", "memphis"]
    command = [python, str(SDK / "calls.py"), *where, call, json.dumps(arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, encoding="utf-8", check=True)
    return json.loads(done.stdout)


def main() -> None:
    """Measure and report."""
    options = parser(__doc__)
    options.add_argument(
        "--messages", type=positive, default=2_294_100, metavar="N", help="messages of the fastest ways (default: all)"
    )
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="zakar-bench-") as name, serving(ServerSettings()) as server:
        tell("installing the SDK")
        made = [sys.executable, str(SDK / "environment.py"), str(Path(name) / "sdk")]
        python = subprocess.run(made, stdout=subprocess.PIPE, encoding="utf-8", check=True).stdout.strip()
        tell("simulating")
        cells = registry.read(scenario_files.find("classic")).grid.cells
        datasets = {
            link: classic(Path(name) / link, -(-_share(given.messages, link, "load") // cells)) for link in LINKS
        }
        messages = Path(name) / "messages"
        most = max(_share(given.messages, link, key) for link in LINKS for key in SDKS)
        messages.write_bytes(b"\n".join(encoded(datasets["loopback"], READINGS, most)))
        with _responding(server.url), preset.crossing(server.url, preset.read("home")) as there:
            accesses = {"loopback": Access((server.url,)), "home": Access((there,))}
            asyncio.run(_measure(accesses, python, datasets, messages, given))


@contextlib.contextmanager
def _responding(url: str) -> Iterator[None]:
    """Answer Memphis SDKs at a server, as a user has them answered."""
    command = [sys.executable, "-m", "zakar", "broker", "--memphis", "--server", url]
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    try:
        assert process.stderr is not None
        process.stderr.readline()  # it answers from here on
        yield
    finally:
        process.terminate()
        process.communicate()


async def _measure(
    accesses: dict[str, Access],
    python: str,
    datasets: dict[str, Dataset],
    messages: Path,
    given: argparse.Namespace,
) -> None:
    """Run every way once a round, in turn, then ask for control; report."""
    ways = {
        f"{link}_{key}": Way(f"{name}: {label}")
        for link, name in LINKS.items()
        for key, (label, _) in {**LOADS, **SDKS}.items()
    }
    async with connected(accesses["loopback"], "zakar bench") as admin:
        bench = Bench(admin, python, datasets, messages)
        for number in range(1, given.rounds + 1):
            for link, access in accesses.items():
                for key, (_, mode) in LOADS.items():
                    ways[f"{link}_{key}"].note(*await bench.load(link, access, mode))
                for key, (_, options) in SDKS.items():
                    count = _share(given.messages, link, key)
                    ways[f"{link}_{key}"].note(*await bench.produce(access, count, options))
            tell(f"round {number}: " + "; ".join(f"{way.label} {way.rates[-1]:,.0f}/s" for way in ways.values()))
        facts: dict[str, object] = {"nats_server": str(admin.connected_server_version).strip("<>").rpartition(" v")[2]}
    ratios = {
        f"{link}_{one}_over_{other}": over(ways[f"{link}_{one}"], ways[f"{link}_{other}"], target)
        for link in LINKS
        for one, other, target in (
            ("load", "sdk_blocking", None),
            ("load", "sdk_unlimited", None),
            ("load", "sdk_1000", None),
            ("load", "sdk_500", TARGET if link == "loopback" else None),
            ("load", "sdk_250", None),
            ("nonblocking", "sdk_500", None),
        )
    }
    tell("asking for control")
    access = accesses["loopback"]
    crowd = await asyncio.to_thread(called, python, access, "crowd", {"clients": CLIENTS, "stations": CLIENTS // 10})
    facts |= {
        **await _control(access.servers[0]),
        f"seconds_until_{CLIENTS}_SDK_clients_at_once_had_producer_and_consumer": round(max(crowd), 2),
    }
    give("memphis", "messages", ways, ratios, facts, given)


async def _control(url: str) -> dict[str, object]:
    """Ask as an SDK asks, alone and among many; return the milliseconds until answers, and whether they will do."""
    names = [str(uuid.uuid4()) for _ in range(CLIENTS)]
    clients = [await nats.connect(url, name=f"{name}::root") for name in names]
    alone: dict[str, list[float]] = {}
    for number in range(REQUESTS):
        for kind, request in _life(number, names[0]).items():
            alone.setdefault(kind, []).append(await _asked(clients[0], kind, request))

    async def later(number: int) -> list[float]:
        times = []
        for turn in range(5):
            await asyncio.sleep(random.uniform(0, 2))
            kind = ("producer_creations", "consumer_creations")[turn % 2]
            times.append(await _asked(clients[number], kind, _life(number, names[number])[kind]))
        return times

    together = [ms for times in await asyncio.gather(*map(later, range(CLIENTS))) for ms in times]
    kind = "consumer_creations"
    lives = [_life(number, name)[kind] for number, name in enumerate(names)]
    at_once = await asyncio.gather(*(_asked(client, kind, life) for client, life in zip(clients, lives, strict=True)))
    for client in clients:
        await client.close()
    return {
        "control_requests_of_one_client_ms": {kind: _spread(times) for kind, times in alone.items()},
        f"control_requests_of_{CLIENTS}_clients_ms": {
            "in_their_own_time": _spread(together),
            "at_once": _spread(at_once),
        },
        f"under_{ANSWER_MS:g}_ms": {
            "one client, 99th of 100": _met(max(_rank(times, 0.99) for times in alone.values())),
            f"{CLIENTS} clients in their own time, median": _met(statistics.median(together)),
            f"{CLIENTS} clients in their own time, 99th of 100": _met(_rank(together, 0.99)),
        },
    }


def _met(ms: float) -> str:
    return "met" if ms < ANSWER_MS else "MISSED"


def _life(number: int, connection: str) -> dict[str, dict[str, Any]]:
    """Return what an SDK asks for, from a station's creation to its destruction, by subject."""
    place = f"control-{number}"
    who = {"username": "root", "connection_id": connection}
    member = {"station_name": place, "req_version": 4, "app_id": str(uuid.uuid4()), "sdk_lang": "python", **who}
    gone = {"station_name": place, "req_version": 1, **who}
    return {
        "station_creations": {
            "name": place,
            "retention_type": "message_age_sec",
            "retention_value": 1_209_600,
            "storage_type": "file",
            "replicas": 1,
            "idempotency_window_in_ms": 120_000,
            "schema_name": "",
            "dls_configuration": {"poison": True, "Schemaverse": True},
            "username": "root",
            "tiered_storage_enabled": False,
            "partitions_number": 1,
            "dls_station": "",
        },
        "producer_creations": {"name": "producer", "producer_type": "application", **member},
        "consumer_creations": {
            "name": "consumer",
            "consumer_type": "application",
            "consumers_group": "",
            "max_ack_time_ms": 30_000,
            "max_msg_deliveries": 2,
            "start_consume_from_sequence": 1,
            "last_messages": -1,
            **member,
        },
        "consumer_destructions": {"name": "consumer", **gone},
        "producer_destructions": {"name": "producer", **gone},
        "station_destructions": {"station_name": place, "username": "root"},
    }


async def _asked(client: Client, kind: str, request: dict[str, Any]) -> float:
    """Return the milliseconds until a request was answered. Stops for an answer that is an error."""
    payload = json.dumps(request).encode()
    began = time.perf_counter()
    answer = await client.request(f"$memphis_{kind}", payload, timeout=PATIENCE)
    took = (time.perf_counter() - began) * 1_000
    if answer.data and (not answer.data.startswith(b"{") or json.loads(answer.data)["error"]):
        raise SystemExit(f"{kind}: {answer.data.decode()}")
    return took


def _spread(times: Sequence[float]) -> dict[str, float]:
    return {"median": round(statistics.median(times), 1), "99th_of_100": round(_rank(times, 0.99), 1)}


def _rank(times: Sequence[float], share: float) -> float:
    return sorted(times)[round((len(times) - 1) * share)]


def _share(messages: int, link: str, key: str) -> int:
    return max(1, round(messages * SHARES[link][key]))


if __name__ == "__main__":
    main()
