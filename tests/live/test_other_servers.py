"""Servers that are older, smaller or shared, and clients of every version that zakar admits: each load ends whole."""

import asyncio
import contextlib
import importlib.metadata
import json
import re
import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from helpers import STREAMS, assert_whole, clean, free_port, load, pip, publisher, started, stored, until, zakar
from test_elsewhere import linked

from zakar.broker import server as servers
from zakar.broker import station
from zakar.broker.access import Access
from zakar.broker.connection import LOST, ApiError
from zakar.broker.server import Server, ServerSettings, running
from zakar.dataset.schema import PUBLIC
from zakar.dataset.store import Dataset
from zakar.loader.load import Progress
from zakar.loader.options import Mode, PublishOptions

pytestmark = pytest.mark.slow

MODES = [Mode.NONBLOCKING, Mode.BATCH]


@pytest.mark.parametrize("version", ["2.11.0", "2.12.8"], indirect=True)
def test_a_server_without_fast_ingest_is_loaded_with_an_ack_each_and_it_is_said_why(sample: Dataset, version: str):
    with running(ServerSettings()) as server:
        access = Access(servers=(server.url,))
        refused = zakar("load", str(sample.root), "--server", server.url, "--mode", "batch")
        assert refused.returncode == 3
        assert f"nats-server {version} has no fast ingest" in refused.stderr
        assert "use --mode auto" in refused.stderr
        done = zakar("load", str(sample.root), "--server", server.url, "--json")
        assert done.returncode == 0, done.stderr
        report = json.loads(done.stdout)
        assert report["mode"] == "nonblocking"
        assert f"nats-server {version} has no fast ingest" in report["mode_reason"]
        asyncio.run(assert_whole(sample, access))


@pytest.mark.parametrize("version", ["2.11.0", "2.12.8"], indirect=True)
def test_a_loader_killed_on_a_server_without_fast_ingest_goes_on(sample: Dataset, version: str):
    async def main(access: Access) -> None:
        process = started("load", str(sample.root), "--server", access.servers[0], "--rate", "4000")
        async with publisher(access) as connection:

            async def far() -> bool:
                return await stored(connection) > 5_000

            await until(far)
            process.kill()
            await asyncio.to_thread(process.communicate)
            assert 5_000 < await stored(connection) < sample.manifest.records
        again = await asyncio.to_thread(zakar, "load", str(sample.root), "--server", access.servers[0])
        assert again.returncode == 0, again.stderr
        await assert_whole(sample, access)

    with running(ServerSettings()) as server:
        asyncio.run(main(Access(servers=(server.url,))))


@pytest.mark.parametrize("version", ["2.14.0"], indirect=True)
@pytest.mark.parametrize("mode", MODES)
def test_the_first_server_with_fast_ingest_is_loaded_in_every_mode(sample: Dataset, version: str, mode: Mode):
    with running(ServerSettings()) as server:
        access = Access(servers=(server.url,))
        report = asyncio.run(load(sample, access, PUBLIC, PublishOptions(), mode=mode))
        assert report.mode == mode
        asyncio.run(assert_whole(sample, access))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", ["tcp", "websocket"])
@pytest.mark.parametrize("limit", [1_024, 4_096])
def test_a_small_max_payload_is_kept_to(sample: Dataset, limit: int, kind: str, mode: Mode):
    with running(ServerSettings(websocket_port=0, extra=f"max_payload: {limit}")) as server:
        direct = Access(servers=(server.url,))
        access = direct if kind == "tcp" else Access(servers=(server.websocket_url,))
        report = asyncio.run(load(sample, access, PUBLIC, PublishOptions(), mode=mode))
        assert (report.reconnects, report.acknowledged) == (0, report.records)
        asyncio.run(assert_whole(sample, access))
        asyncio.run(assert_whole(sample, direct))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", ["tcp", "websocket"])
@pytest.mark.parametrize("limit", [1_024, 4_096])
def test_a_load_interrupted_on_a_server_with_a_small_max_payload_goes_on(
    sample: Dataset, limit: int, kind: str, mode: Mode
):
    async def main(access: Access) -> None:
        stop = asyncio.Event()

        def progress(p: Progress) -> None:
            if p.stored > 9_000:
                stop.set()

        first = await load(sample, access, PUBLIC, PublishOptions(500), mode=mode, stop=stop, progress=progress)
        assert first.interrupted
        second = await load(sample, access, PUBLIC, PublishOptions(), mode=mode)
        assert 0 < second.already_stored < second.records
        await assert_whole(sample, access)

    with running(ServerSettings(websocket_port=0, extra=f"max_payload: {limit}")) as server:
        asyncio.run(main(Access(servers=(server.url if kind == "tcp" else server.websocket_url,))))


@pytest.mark.parametrize("share", [0.0, 0.5])
@pytest.mark.parametrize("modes", [("batch", "batch"), ("nonblocking", "nonblocking"), ("batch", "nonblocking")])
def test_of_two_loaders_at_once_whoever_stops_says_why_and_the_stations_end_whole(
    sample: Dataset, access: Access, modes: tuple[str, str], share: float
):
    async def main() -> None:
        words = ["load", str(sample.root), "--server", access.servers[0], "--rate", "9000", "--mode"]
        async with publisher(access) as connection:

            async def far() -> bool:
                return await stored(connection) >= sample.manifest.records * share

            with contextlib.ExitStack() as stack:
                first = started(*words, modes[0])
                stack.callback(first.kill)
                await until(far)
                second = started(*words, modes[1])
                stack.callback(second.kill)
                said = [(await asyncio.to_thread(process.communicate))[1].decode() for process in (first, second)]
        codes = [first.returncode, second.returncode]
        for code, text in zip(codes, said, strict=True):
            assert code in {0, 3, 4}, text
            assert "Traceback" not in text
            assert code == 0 or re.search("another loader is (writing|making)", text), text
        if 0 not in codes:  # each had marked a stream that the other one had made, which takes two that begin together
            again = started(*words, modes[0])
            _, errors = await asyncio.to_thread(again.communicate)
            assert again.returncode == 0, errors
        await assert_whole(sample, access)

    asyncio.run(main())


@pytest.mark.parametrize("end", ["lowest", "newest"])
def test_every_nats_py_that_is_admitted_loads_and_verifies(sample: Dataset, access: Access, tmp_path: Path, end: str):
    (admitted,) = (
        found[1]
        for requirement in importlib.metadata.requires("zakar") or ()
        if (found := re.match(r"nats-py\[nkeys\]\s*([^;]+)$", requirement))
    )
    lowest = re.search(r">=\s*([\d.]+)", admitted)
    assert lowest is not None
    wanted = f"nats-py=={lowest[1]}" if end == "lowest" else f"nats-py{admitted.strip()}"
    pip("install", "--no-deps", "--target", str(tmp_path / "nats-py"), wanted)
    first = {"PYTHONPATH": str(tmp_path / "nats-py")}
    asked = [sys.executable, "-c", "import nats, importlib.metadata as m; print(nats.__file__, m.version('nats-py'))"]
    used = subprocess.run(asked, capture_output=True, encoding="utf-8", check=True, env=clean() | first).stdout
    assert used.startswith(str(tmp_path))
    assert end == "newest" or used.split()[-1].startswith(lowest[1])
    where = (str(sample.root), "--server", access.servers[0])
    for mode in MODES:
        done = zakar("load", *where, "--mode", mode, "--recreate", "--json", **first)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["acknowledged"] == sample.manifest.records
        verified = zakar("verify", *where, **first)
        assert verified.returncode == 0, verified.stderr
    asyncio.run(assert_whole(sample, access))


@pytest.mark.parametrize("version", ["2.12.8", "2.10.26"], indirect=True)
def test_streams_beyond_a_leaf_node_are_filled_as_the_server_that_keeps_them_can(
    sample: Dataset, tmp_path: Path, version: str, monkeypatch: pytest.MonkeyPatch
):
    """The server that is connected to has fast ingest, and the one that keeps the streams knows nothing of it."""
    port = free_port()
    jetstream = f'jetstream {{ store_dir: "{tmp_path.as_posix()}", domain: hub }}'
    extra = f'server_name: hub, {jetstream}, leafnodes {{ listen: "127.0.0.1:{port}" }}'
    with running(ServerSettings(extra=extra)) as hub:
        monkeypatch.undo()
        remote = f'jetstream: disabled, leafnodes {{ remotes: [{{ url: "nats://127.0.0.1:{port}" }}] }}'
        with running(ServerSettings(extra=f"server_name: edge, {remote}")) as leaf:
            asyncio.run(linked(leaf, hub))
            words = [str(sample.root), "--server", leaf.url, "--js-domain", "hub"]
            refused = zakar("load", *words, "--mode", "batch")
            assert (refused.returncode, "older than nats-server 2" in refused.stderr) == (3, True), refused.stderr
            promised = zakar("load", *words, "--dry-run", "--json")
            done = zakar("load", *words, "--json")
            assert (promised.returncode, done.returncode) == (0, 0), done.stderr
            modes = {outlook["mode"] for outlook in json.loads(promised.stdout)["stations"].values()}
            assert (modes, json.loads(done.stdout)["mode"]) == ({"nonblocking"}, "nonblocking")
            asyncio.run(assert_whole(sample, Access(servers=(hub.url,))))


@pytest.mark.parametrize("version", ["2.12.8", "2.11.0"], indirect=True)
def test_in_a_cluster_of_two_versions_each_stream_is_filled_as_the_server_that_keeps_it_can(
    sample: Dataset, tmp_path: Path, version: str, monkeypatch: pytest.MonkeyPatch
):
    """As in the middle of an upgrade. A stream that asks for what its server does not know is kept from everybody."""
    old = servers.binary()
    monkeypatch.undo()
    binaries = [servers.binary(), servers.binary(), old]
    ports = [free_port() for _ in binaries]
    routes = ", ".join(f'"nats://127.0.0.1:{port}"' for port in ports)

    async def until_led(access: Access) -> None:
        async with publisher(access) as connection:

            async def led() -> bool:
                with contextlib.suppress(ApiError, *LOST):
                    return bool(await connection.api("INFO", patience=1.0))
                return False

            await until(led)

    async def place(access: Access, number: int) -> None:
        async with publisher(access) as connection:
            for stream in STREAMS:
                await station.delete(connection, stream)
                config = {"name": stream, "subjects": [f"{stream}.>"], "discard": "new"}
                await station.make(connection, config | {"placement": {"tags": [f"s{number}"]}})

    def started_as(number: int) -> AbstractContextManager[Server]:
        cluster = f'cluster {{ name: both, listen: "127.0.0.1:{ports[number]}", routes: [{routes}] }}'
        settings = ServerSettings(extra=f"server_name: s{number}\nserver_tags: [s{number}]\n{cluster}")
        monkeypatch.setattr(servers, "binary", lambda: binaries[number])
        return running(settings)

    with contextlib.ExitStack() as stack:
        first, *_ = (stack.enter_context(started_as(number)) for number in range(3))
        access = Access(servers=(first.url,))
        asyncio.run(until_led(access))
        words = [str(sample.root), "--server", first.url]
        for number in (None, 0, 2, None):
            if number is not None:
                asyncio.run(place(access, number))
            promised = zakar("load", *words, "--dry-run", "--json")
            done = zakar("load", *words, *(["--recreate"] if number is None else []), "--json")
            assert (promised.returncode, done.returncode) == (0, 0), done.stderr
            asyncio.run(assert_whole(sample, access))
        asyncio.run(place(access, 2))
        for rehearsed in ([], ["--dry-run"]):
            refused = zakar("load", *words, "--mode", "batch", *rehearsed)
            assert refused.returncode in {1, 3}
            assert "older" in refused.stdout + refused.stderr
