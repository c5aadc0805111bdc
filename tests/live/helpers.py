"""What live tests share: the command line as a process, a stream's length, a proxy that can be cut."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from zakar.broker import station
from zakar.broker.access import Access
from zakar.broker.connection import Connection, connected
from zakar.broker.server import binary
from zakar.dataset.schema import PUBLIC, Table
from zakar.dataset.store import Dataset
from zakar.loader import doctor
from zakar.loader import load as loading
from zakar.loader.findings import Findings
from zakar.loader.load import LoadReport, Progress
from zakar.loader.options import LoadOptions, PublishOptions
from zakar.loader.verify import Comparison, verify

_QUICK = PublishOptions()
STREAMS = [station.stream_name(table.station) for table in PUBLIC]


async def load(
    dataset: Dataset,
    access: Access,
    tables: Sequence[Table],
    publish: PublishOptions = _QUICK,
    *,
    stop: asyncio.Event | None = None,
    progress: Callable[[Progress], None] = lambda _: None,
    **options: Any,
) -> LoadReport:
    """Load, with options as they come."""
    return await loading.load(
        dataset, access, LoadOptions(tuple(tables), publish, **options), stop=stop, progress=progress
    )


async def examine(
    access: Access, dataset: Dataset | None = None, tables: Sequence[Table] = (), **options: Any
) -> Findings:
    """Examine, with options as they come."""
    if dataset is None:
        return await doctor.examine(access)
    chosen = tuple(tables) or loading.choose(dataset, None)
    return await doctor.examine(access, dataset, LoadOptions(chosen, **options))


def zakar(*words: str, cwd: Path | None = None, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run a zakar command to its end."""
    command = [sys.executable, "-m", "zakar", *words]
    # Bytes and UTF-8, since Windows would take the console's code page.
    return subprocess.run(
        command, capture_output=True, encoding="utf-8", check=False, cwd=cwd, env=clean() | environment
    )


def started(*words: str, **environment: str) -> "subprocess.Popen[bytes]":
    """Start a zakar command, with Ctrl-C as at a terminal even if the tests themselves run in the background."""
    return subprocess.Popen(
        [sys.executable, "-m", "zakar", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=clean() | environment,
        preexec_fn=None if sys.platform == "win32" else lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def clean() -> dict[str, str]:
    """The environment without connection settings that a developer may have in it."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("NATS_")}
    return kept | {"COLUMNS": "200", "XDG_CONFIG_HOME": os.devnull}


@contextlib.contextmanager
def served(config: str, folder: Path, listen: str = "127.0.0.1") -> Iterator[str]:
    """Run a nats-server with a configuration of one's own, that need not greet first; yield its host and port."""
    ports, file = folder / "ports", folder / "server.conf"
    ports.mkdir()
    file.write_text(
        f'listen: "{listen}:-1"\nports_file_dir: {json.dumps(str(ports))}\n'
        f"jetstream {{ store_dir: {json.dumps(str(folder / 'store'))} }}\n{config}\n",
        encoding="utf-8",
    )
    process = subprocess.Popen([str(binary()), "-c", str(file), "-l", str(folder / "server.log")])
    try:
        deadline = time.monotonic() + 60
        while not (told := [p.read_text(encoding="utf-8") for p in ports.glob("*.ports")]) or not told[0].endswith("}"):
            assert process.poll() is None, (folder / "server.log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        yield json.loads(told[0])["nats"][0].rpartition("/")[2]
    finally:
        process.terminate()
        process.wait()


def pip(*words: str) -> None:
    """Run pip of this environment."""
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *words],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr


async def stored(connection: Connection, streams: list[str] = STREAMS) -> int:
    """Messages in all streams together."""
    found = [await station.look(connection, stream) for stream in streams]
    return sum(stream.messages for stream in found if stream is not None)


async def until(condition: Callable[[], Any], seconds: float = 60.0) -> None:
    """Wait for an awaitable condition to hold."""
    deadline = time.monotonic() + seconds
    while not await condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"did not happen within {seconds:g} s")
        await asyncio.sleep(0.005)


async def compared(dataset: Dataset, access: Access) -> dict[str, Comparison]:
    """Verify all tables."""
    return await verify(dataset, access, dataset.tables)


async def assert_whole(dataset: Dataset, access: Access) -> None:
    """Assert that every message is stored once and in order, and nothing else."""
    comparisons = await compared(dataset, access)
    assert all(comparison.ok for comparison in comparisons.values()), comparisons
    assert sum(c.stored for c in comparisons.values()) == dataset.manifest.records


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Proxy:
    """A TCP proxy in front of a server: its connections can be cut, and the server's answers held back."""

    def __init__(self, target: str) -> None:
        self._host, _, port = target.rpartition("//")[2].rpartition(":")
        self._port = int(port)
        self._writers: set[asyncio.StreamWriter] = set()
        self.answering = asyncio.Event()
        self.answering.set()
        self.connections = 0
        self.url = ""

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(OSError):
            up_reader, up_writer = await asyncio.open_connection(self._host, self._port)
            self._writers |= {writer, up_writer}
            await asyncio.gather(
                self._copy(reader, up_writer, answers=False), self._copy(up_reader, writer, answers=True)
            )
        writer.close()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                if answers:
                    await self.answering.wait()
                writer.write(data)
                await writer.drain()
        writer.close()

    def cut(self) -> None:
        """Break every connection at once, whatever is under way."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()


@contextlib.asynccontextmanager
async def proxied(target: str) -> AsyncIterator[Proxy]:
    """A proxy for the length of a block."""
    proxy = Proxy(target)
    server = await asyncio.start_server(proxy._serve, "127.0.0.1", 0)
    proxy.url = f"nats://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        proxy.answering.set()
        proxy.cut()
        server.close()


@contextlib.asynccontextmanager
async def publisher(access: Access) -> AsyncIterator[Connection]:
    """A plain connection that a test publishes or looks with."""
    async with connected(access, "test") as connection:
        yield connection
