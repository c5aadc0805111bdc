import asyncio
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from helpers import STREAMS, free_port, started, stored, zakar

from zakar.broker import station
from zakar.broker.access import Access
from zakar.broker.connection import connected
from zakar.broker.server import ServerSettings, binary, running
from zakar.errors import ConfigError, ServerError


def test_a_running_server_has_jetstream_and_is_gone_afterwards():
    async def info(url: str) -> Any:
        async with connected(Access(servers=(url,))) as connection:
            return await station.info(connection)

    with running(ServerSettings()) as server:
        children = psutil.Process(server.process.pid).children()
        assert asyncio.run(info(server.url))["storage"] == 0
        assert server.url.startswith("nats://127.0.0.1:")
    assert children
    assert not any(child.is_running() for child in children)


def test_a_port_in_use_is_told_with_the_servers_own_words():
    with running(ServerSettings()) as server:
        port = int(server.url.rpartition(":")[2])
        with (
            pytest.raises(ServerError, match=r"address already in use|Only one usage"),
            running(ServerSettings(port=port)),
        ):
            pass


def test_a_folder_that_a_broker_has_is_refused_to_another_until_that_one_is_gone(tmp_path: Path):
    settings = ServerSettings(store=tmp_path / "store")
    with (
        running(settings),
        pytest.raises(ConfigError, match=r"store: another broker has it; stop that one"),
        running(settings),
    ):
        pass
    with running(settings):
        pass


def test_what_is_stored_in_a_named_folder_outlives_the_server(tmp_path: Path):
    async def fill(url: str) -> None:
        async with connected(Access(servers=(url,))) as connection:
            await station.create(connection, STREAMS[0], {}, -1)
            await connection.jetstream().publish(station.subject(STREAMS[0]), b"kept")

    async def count(url: str) -> int:
        async with connected(Access(servers=(url,))) as connection:
            return await stored(connection)

    settings = ServerSettings(store=tmp_path / "store")
    with running(settings) as server:
        asyncio.run(fill(server.url))
    with running(settings) as server:
        assert asyncio.run(count(server.url)) == 1


@pytest.mark.parametrize("listen", ["0.0.0.0", "192.0.2.1", "::"])
def test_a_public_address_without_credentials_and_tls_is_refused(listen: str):
    with (
        pytest.raises(ConfigError, match=r"let anybody on the network in.*credentials.*TLS"),
        running(ServerSettings(listen=listen)),
    ):
        pass


def test_a_public_address_with_credentials_alone_still_lacks_tls():
    with (
        pytest.raises(ConfigError, match=r"needs TLS"),
        running(ServerSettings(listen="0.0.0.0", user="a", password="b")),
    ):
        pass


_PARENT = """
import sys, time
from zakar.broker.server import ServerSettings, running
with running(ServerSettings()) as server:
    print(server.process.pid, server.folder, flush=True)
    time.sleep(600)
"""


def _parent() -> "tuple[subprocess.Popen[str], list[psutil.Process], Path]":
    parent = subprocess.Popen([sys.executable, "-c", _PARENT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid, _, folder = parent.stdout.readline().strip().partition(" ")
    guard = psutil.Process(int(pid))
    return parent, [guard, *guard.children()], Path(folder)


def test_a_killed_parent_leaves_no_server_and_no_folder_behind():
    parent, processes, folder = _parent()
    parent.kill()
    parent.communicate()
    assert len(processes) == 2
    assert not psutil.wait_procs(processes, timeout=30)[1]
    assert not folder.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent was killed")
def test_a_killed_guard_leaves_no_server_behind():
    parent, processes, _ = _parent()
    processes[0].kill()
    try:
        assert not psutil.wait_procs(processes[1:], timeout=30)[1]
    finally:
        parent.kill()
        parent.communicate()


def test_the_broker_command_prints_its_address_and_stops_cleanly(tmp_path: Path):
    port = free_port()
    process = started("broker", "--port", str(port), "--store", str(tmp_path / "s"))
    assert process.stdout is not None
    assert process.stdout.readline().strip().decode() == f"nats://127.0.0.1:{port}"
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    assert b"Traceback" not in errors
    assert not psutil.wait_procs(children, timeout=30)[1]


def test_the_broker_command_with_a_taken_port_exits_3():
    with running(ServerSettings()) as server:
        done = zakar("broker", "--port", server.url.rpartition(":")[2])
    assert done.returncode == 3
    assert "did not start" in done.stderr
    assert "Traceback" not in done.stderr


def test_secrets_of_the_server_are_in_no_file_and_no_argument():
    settings = ServerSettings(user="maria", password="s3cret-$word'\"")
    with running(settings) as server:
        for path in server.folder.rglob("*"):
            assert not path.is_file() or b"s3cret" not in path.read_bytes()
        for process in [psutil.Process(server.process.pid), *psutil.Process(server.process.pid).children()]:
            assert "s3cret" not in json.dumps(process.cmdline())
        assert "s3cret" not in repr(settings)

        async def ask(access: Access) -> int:
            async with connected(access) as connection:
                return (await station.info(connection))["storage"]

        right = Access(servers=(server.url,), user="maria", password="s3cret-$word'\"")
        assert asyncio.run(ask(right)) == 0
        with pytest.raises(ServerError, match="refuses these credentials"):
            asyncio.run(ask(Access(servers=(server.url,), user="maria", password="wrong")))


@pytest.mark.parametrize("text", ["tëst-ünï", "😀", "a\x01b\x7fc", "q'\"\\ $x", "12345", "tab\there"])
def test_any_password_and_any_folder_will_do(tmp_path: Path, text: str):
    folder = tmp_path / (text if text.isprintable() and sys.platform != "win32" else "plain")

    async def ask(access: Access) -> int:
        async with connected(access) as connection:
            return (await station.info(connection))["storage"]

    with running(ServerSettings(user="ana", password=text, store=folder)) as server:
        assert asyncio.run(ask(Access(servers=(server.url,), user="ana", password=text))) == 0


@pytest.mark.parametrize(
    "settings",
    [
        ServerSettings(user="", password=""),
        ServerSettings(token=""),
        ServerSettings(user="u", password="$2a$11$x"),
        ServerSettings(listen="::1%lo"),
    ],
)
def test_credentials_that_would_open_or_lock_the_broker_are_refused(settings: ServerSettings):
    with pytest.raises(ConfigError), running(settings):
        pass


@pytest.mark.parametrize(
    ("url", "reached"),
    [
        ("tls://0.0.0.0:4222", "tls://127.0.0.1:4222"),
        ("nats://[::]:4222", "nats://[::1]:4222"),
        ("nats://192.0.2.1:4222", "nats://192.0.2.1:4222"),
    ],
)
def test_a_server_that_listens_everywhere_is_reached_on_this_machine(url: str, reached: str):
    with running(ServerSettings()) as server:
        assert replace(server, url=url).local_url == reached


def test_the_server_is_the_one_installed_with_zakar():
    assert binary().is_file()
    assert os.access(binary(), os.X_OK)
