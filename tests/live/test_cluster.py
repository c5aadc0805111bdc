"""Three real servers as a cluster: the one that leads a stream dies or steps down while the stream is filled."""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nats.errors
import psutil
import pytest
from helpers import free_port, load, publisher, started, until, zakar

from zakar.broker import station
from zakar.broker.access import Access
from zakar.broker.connection import LOST, ApiError, Connection
from zakar.broker.memphis.protocol import CONSUMER_CREATION, STATION_CREATION
from zakar.broker.memphis.responder import responding
from zakar.broker.server import Server, ServerSettings, running
from zakar.dataset.schema import PUBLIC, TWEETS
from zakar.dataset.store import Dataset
from zakar.loader.options import Mode, PublishOptions
from zakar.loader.verify import verify

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:unclosed transport:ResourceWarning")]

MODES = [Mode.NONBLOCKING, Mode.BATCH]
NODES = ["north", "east", "west"]
STREAM = station.stream_name(TWEETS.station)


@dataclass(frozen=True)
class Cluster:
    """Servers by name."""

    servers: dict[str, Server]

    def urls(self, names: Sequence[str] = NODES) -> tuple[str, ...]:
        return tuple(self.servers[name].url for name in names)

    def kill(self, name: str) -> None:
        for nats_server in psutil.Process(self.servers[name].process.pid).children():
            nats_server.kill()

    def serving(self, process: int) -> str:
        """The node that a process is connected to."""
        ports = {int(server.url.rpartition(":")[2]): name for name, server in self.servers.items()}
        connections = psutil.Process(process).net_connections("tcp")
        found = {ports[c.raddr.port] for c in connections if c.raddr and c.raddr.port in ports}
        assert len(found) == 1
        return found.pop()


@contextlib.asynccontextmanager
async def _cluster(folder: Path) -> AsyncIterator[Cluster]:
    """Three nodes with JetStream, ready to hold streams of three replicas."""
    routes = {name: free_port() for name in NODES}
    addresses = ", ".join(f'"nats://127.0.0.1:{port}"' for port in routes.values())
    with contextlib.ExitStack() as stack:
        servers = {}
        for name, port in routes.items():
            extra = f'server_name: {name}\ncluster {{ name: zakar, listen: "127.0.0.1:{port}", routes: [{addresses}] }}'
            settings = ServerSettings(store=folder / name, extra=extra)
            servers[name] = await asyncio.to_thread(stack.enter_context, running(settings))
        cluster = Cluster(servers)
        async with publisher(Access(servers=cluster.urls())) as connection:

            async def ready() -> bool:
                with contextlib.suppress(ApiError, *LOST):
                    trial = {"name": "trial", "num_replicas": 3}
                    await connection.api("STREAM.CREATE.trial", trial, 1)
                    await connection.api("STREAM.DELETE.trial", patience=1)
                    return True
                return False

            await until(ready, 120)
        try:
            yield cluster
        finally:
            for name in NODES:  # told to stop, they would first look for others to lead
                cluster.kill(name)


async def _leader(connection: Connection, stream: str = STREAM) -> str:
    """The node that leads a stream; empty while there is none."""
    with contextlib.suppress(ApiError, *LOST):
        answer = await connection.api(f"STREAM.INFO.{stream}", patience=2)
        return str(answer["cluster"].get("leader", ""))
    return ""


async def _stored(connection: Connection) -> int:
    """Messages in the stream, 0 while it does not say."""
    with contextlib.suppress(ApiError, *LOST):
        found = await station.look(connection, STREAM, 2)
        return found.messages if found is not None else 0
    return 0


async def _at_least(connection: Connection, messages: int) -> None:
    async def far() -> bool:
        return await _stored(connection) >= messages

    await until(far, 120)


async def _step_down(connection: Connection, to: str) -> None:
    """Have the stream's leader give way to another node, and wait until that leads."""

    async def given_way() -> bool:
        with contextlib.suppress(ApiError, *LOST):
            await connection.api(f"STREAM.LEADER.STEPDOWN.{STREAM}", {"placement": {"preferred": to}}, 2)
        return await _leader(connection) == to

    await until(given_way, 120)


async def _assert_whole(dataset: Dataset, access: Access) -> None:
    (comparison,) = (await verify(dataset, access, [TWEETS])).values()
    assert comparison.ok, comparison
    assert comparison.stored == dataset.manifest.tables[TWEETS.name].rows


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("own", [False, True], ids=["another-node-than-the-loaders", "the-loaders-own-node"])
def test_a_load_goes_on_by_itself_when_the_node_that_leads_its_stream_is_killed(
    sample: Dataset, tmp_path: Path, own: bool, mode: Mode
):
    records = sample.manifest.tables[TWEETS.name].rows

    async def main() -> None:
        async with _cluster(tmp_path) as cluster:
            servers = [word for url in cluster.urls() for word in ("--server", url)]
            process = started(
                "load", str(sample.root), *servers, "--replicas", "3", "--tables", TWEETS.name, "--mode", mode,
                "--rate", "1200", "--ack-timeout", "3", "--json",
            )  # fmt: skip
            try:
                async with publisher(Access(servers=cluster.urls())) as connection:
                    await _at_least(connection, records // 20)
                    mine = cluster.serving(process.pid)
                    leader = await _leader(connection)
                    if own and leader != mine:
                        await _step_down(connection, mine)
                    elif not own and leader == mine:
                        await _step_down(connection, next(name for name in NODES if name != mine))
                    leader = await _leader(connection)
                    assert (leader == mine) == own
                    before = await _stored(connection)
                    await _at_least(connection, before + 100)
                    there = await _stored(connection)
                    cluster.kill(leader)
                    assert 0 < there < records * 0.9
                said, errors = await asyncio.to_thread(process.communicate)
            finally:
                process.kill()
            assert process.returncode == 0, errors
            report = json.loads(said)
            assert report["acknowledged"] == report["records"] == records
            assert report["mode"] == mode
            assert (report["reconnects"] > 0) == own
            await _assert_whole(sample, Access(servers=cluster.urls([name for name in NODES if name != leader])))

    asyncio.run(main())


@pytest.mark.parametrize("mode", MODES)
def test_a_load_goes_on_by_itself_whenever_the_leader_of_its_stream_steps_down(
    sample: Dataset, tmp_path: Path, mode: Mode
):
    records = sample.manifest.tables[TWEETS.name].rows

    async def main() -> None:
        async with _cluster(tmp_path) as cluster:
            process = started(
                "load", str(sample.root), "--server", ",".join(cluster.urls()), "--replicas", "3", "--tables",
                TWEETS.name, "--mode", mode, "--rate", "1000", "--ack-timeout", "3", "--json",
            )  # fmt: skip
            try:
                async with publisher(Access(servers=cluster.urls())) as connection:
                    for share in (0.05, 0.3, 0.55):
                        await _at_least(connection, int(records * share))
                        assert 0 < await _stored(connection) < records
                        leader = await _leader(connection)
                        await _step_down(connection, next(name for name in NODES if name != leader))
                said, errors = await asyncio.to_thread(process.communicate)
            finally:
                process.kill()
            assert process.returncode == 0, errors
            report = json.loads(said)
            assert report["acknowledged"] == report["records"] == records
            await _assert_whole(sample, Access(servers=cluster.urls()))

    asyncio.run(main())


def test_memphis_sdks_are_answered_while_a_node_and_the_responder_on_it_are_lost(tmp_path: Path):
    async def ask(client: Connection, subject: str, request: dict[str, Any]) -> str:
        for _ in range(5):  # as SDKs do, which have 20 seconds each time
            with contextlib.suppress(nats.errors.TimeoutError):
                return (await client.request(subject, json.dumps(request).encode(), timeout=20)).data.decode()
        return "no answer"

    async def main() -> None:
        async with (
            _cluster(tmp_path) as cluster,
            publisher(Access(servers=cluster.urls(["west"]))) as client,
            responding(Access(servers=cluster.urls(["north"]))),
            responding(Access(servers=cluster.urls(["east"]))),
        ):

            async def heard() -> bool:  # the servers tell each other who listens
                with contextlib.suppress(nats.errors.NoRespondersError):
                    made = {"name": "a", "replicas": 3, "retention_value": 3600, "partitions_number": 2}
                    return await ask(client, STATION_CREATION, made) == ""
                return False

            await until(heard)
            for number in range(6):
                if number == 3:
                    cluster.kill("north")
                usual = {"name": f"c{number}", "station_name": "a", "req_version": 4, "consumer_type": "application"}
                start = {"start_consume_from_sequence": 1, "last_messages": -1}
                answer = await ask(client, CONSUMER_CREATION, usual | start)
                assert json.loads(answer)["partitions_update"]["partitions_list"] == [1, 2], answer
            assert (await client.api("STREAM.INFO.a$2"))["config"]["num_replicas"] == 3
            assert (await client.api("CONSUMER.NAMES.a$2"))["total"] == 6

    asyncio.run(main())


def test_a_stream_whose_only_node_is_down_is_named_and_the_connection_is_not_said_to_be_lost(
    sample: Dataset, tmp_path: Path
):
    async def main() -> None:
        async with _cluster(tmp_path) as cluster:
            await load(sample, Access(servers=cluster.urls()), PUBLIC, PublishOptions())
            async with publisher(Access(servers=cluster.urls())) as connection:
                leader = await _leader(connection)
            cluster.kill(leader)
            left = ",".join(cluster.urls([name for name in NODES if name != leader]))
            for words in (["load", str(sample.root)], ["consume", STREAM.partition("$")[0], "--limit", "1"]):
                done = await asyncio.to_thread(zakar, *words, "--server", left)
                assert done.returncode == 3, done.stderr
                assert "connection lost" not in done.stderr
                said = r"no answer to \$JS\.API\.[^ ]+; of a cluster|stream is offline"
                assert re.search(said, done.stderr), done.stderr

    asyncio.run(main())


def test_a_doctor_names_all_stations_whose_only_node_is_down_without_waiting_for_each(sample: Dataset, tmp_path: Path):
    """The list of streams says which are missing; it is asked for once, since it takes the server seconds."""

    async def main() -> None:
        async with _cluster(tmp_path) as cluster:
            await load(sample, Access(servers=cluster.urls()), PUBLIC, PublishOptions(), partitions=2)
            async with publisher(Access(servers=cluster.urls())) as connection:
                names = [stream.name for stream in await station.every(connection)]
                kept = {name: await _leader(connection, name) for name in names}
            leader = kept[STREAM]
            cluster.kill(leader)
            left = Access(servers=cluster.urls([name for name in NODES if name != leader]))
            async with publisher(left) as connection:

                async def led() -> bool:
                    with contextlib.suppress(ApiError, *LOST):
                        return bool(await connection.api("STREAM.NAMES", {"offset": 0}, 1))
                    return False

                await until(led, 120)  # another leads the cluster
                there, silent = await station.every_one(connection)
            assert sorted(silent) == sorted(name for name, node in kept.items() if node == leader)
            assert sorted([*silent, *(stream.name for stream in there)]) == sorted(kept)
            for words in (["doctor"], ["doctor", str(sample.root)], ["load", str(sample.root), "--dry-run"]):
                done = await asyncio.to_thread(zakar, *words, "--server", ",".join(left.servers))
                assert done.returncode == 3, done.stderr
                assert "no server of the cluster answers for station stream" in done.stderr
                assert all(f"`{name}`" in done.stderr for name in silent)
                assert "no answer to" not in done.stderr  # which is what a wait ends with

    asyncio.run(main())
