"""What a lesson works with: a real broker, a responder for the SDK, processes that produce and consume."""

import asyncio
import contextlib
import itertools
import json
import threading
import time
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import ParamSpec, TypeVar

from zakar import processes
from zakar.broker import station
from zakar.broker.access import Access
from zakar.broker.connection import Connection, connected
from zakar.broker.memphis.responder import responding
from zakar.broker.server import Server, ServerSettings
from zakar.broker.server import running as serving
from zakar.errors import ServerError
from zakar.lab import sdk
from zakar.lab.preset import Preset, crossing

_PROCESSES = 2
_STATION_BYTES = 1 << 30
_ANSWERING_SECONDS = 10.0
_QUIET, _PATIENCE = 0.5, 60.0  # seconds without a message more until a station is settled; and in all

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Bench:
    """A broker on bare loopback at ``url``, answered for as Memphis's, and a ``crew`` of processes.

    ``websocket_url`` is its WebSocket, ``monitor`` where it tells of itself by HTTP. ``link``: the preset asked
    for, None where each lesson has its own. ``quick``: few settings, few repetitions. ``tell`` says what is running.
    """

    url: str
    websocket_url: str
    monitor: str
    link: Preset | None
    quick: bool
    tell: Callable[[str], None]
    crew: Executor = field(repr=False)
    _numbers: Iterator[int] = field(default_factory=itertools.count, repr=False)

    @property
    def rounds(self) -> int:
        """Repetitions of a measurement."""
        return 3 if self.quick else 5

    def call(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Have a process of the crew do something; return what came of it."""
        try:
            return self.crew.submit(work, *args, **kwargs).result()
        except KeyboardInterrupt:
            processes.kill(self.crew)  # before its link and station go, of which it would complain
            raise

    @contextlib.contextmanager
    def station(self, partitions: int = 1) -> Iterator[str]:
        """Make an empty station for the length of a block; yield its name, of which ``stream_name`` makes streams."""
        name = f"lab-{next(self._numbers)}"
        streams = [station.stream_name(name, number + 1) for number in range(partitions)]
        metadata = {station.PARTITIONS: str(partitions)}

        async def make(connection: Connection) -> None:
            for stream in streams:
                await station.create(connection, stream, metadata, _STATION_BYTES)

        async def delete(connection: Connection) -> None:
            for stream in streams:
                await station.delete(connection, stream)

        self.ask(make)
        try:
            yield name
        finally:
            self.ask(delete)

    def stored(self, place: str) -> int:
        """Return how many messages a station holds."""

        async def count(connection: Connection) -> int:
            return sum(stream.messages for stream in await station.partitions(connection, place))

        return self.ask(count)

    def settled(self, place: str, most: int) -> int:
        """Return how many messages a station holds once no more come, or it holds ``most``."""
        until, before = time.monotonic() + _PATIENCE, -1
        while (stored := self.stored(place)) not in (before, most) and time.monotonic() < until:
            before = stored
            time.sleep(_QUIET)
        return stored

    @contextlib.contextmanager
    def across(self, usual: Preset, url: str = "") -> Iterator[str]:
        """Put the broker, or what else is at ``url``, behind the link asked for, else the lesson's ``usual`` one.

        Yields the address there. Raises as ``preset.crossing`` does.
        """
        with crossing(url or self.url, self.link or usual) as address:
            yield address

    def server_cores(self) -> float:
        """Return how many cores the broker has kept busy in the last second or so, as it says itself."""
        with urllib.request.urlopen(f"{self.monitor}/varz", timeout=_ANSWERING_SECONDS) as answer:  # noqa: S310 - ours
            return float(json.load(answer)["cpu"]) / 100

    def ask(self, question: Callable[[Connection], Awaitable[T]]) -> T:
        """Ask the broker, on bare loopback."""

        async def asked() -> T:
            async with connected(Access((self.url,)), "zakar lab") as connection:
                return await question(connection)

        return asyncio.run(asked())


@contextlib.contextmanager
def opened(link: Preset | None, port: int, tell: Callable[[str], None], *, quick: bool) -> Iterator[Bench]:
    """Start a broker and all else; nothing of it is left afterwards, however the block ends.

    ``port`` 0 takes a free one. Raises ConfigError if the SDK is missing, ServerError if the broker does not start.
    """
    sdk.check()
    settings = ServerSettings(port=port, websocket_port=0, extra='http: "127.0.0.1:-1"')
    with serving(settings) as server, _responding(server.url), crewed(_PROCESSES) as crew:
        yield Bench(server.url, server.websocket_url, _monitor(server), link, quick, tell, crew)


@contextlib.contextmanager
def crewed(number: int) -> Iterator[Executor]:
    """Have ``number`` processes for the length of a block, and none afterwards, whatever they are doing by then."""
    crew = processes.pool(number)
    try:
        yield crew
    finally:
        processes.kill(crew)
        crew.shutdown(cancel_futures=True)


def _monitor(server: Server) -> str:
    """Return the address that a server tells of itself at, which it left in a file once it was ready."""
    (ports,) = server.folder.glob("*.ports")
    return str(json.loads(ports.read_text(encoding="utf-8"))["monitoring"][0])


@contextlib.contextmanager
def _responding(url: str) -> Iterator[None]:
    """Answer the SDK, from a thread that does nothing while messages flow."""
    loop, ready, over = asyncio.new_event_loop(), threading.Event(), asyncio.Event()
    failed: list[Exception] = []

    async def answer() -> None:
        async with responding(Access((url,)), lambda _: None):
            ready.set()
            await over.wait()

    def run() -> None:
        try:
            loop.run_until_complete(answer())
        except Exception as error:
            failed.append(error)
            ready.set()
        finally:
            loop.close()

    thread = threading.Thread(target=run, name="responder", daemon=True)
    thread.start()
    try:
        if not ready.wait(_ANSWERING_SECONDS) or failed:
            raise ServerError(f"the Memphis responder of the lab's broker did not start: {failed}")
        yield
    finally:
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(over.set)
        thread.join(_ANSWERING_SECONDS)
