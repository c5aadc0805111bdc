"""The long link: a TCP proxy with delay, jitter, rate, a bounded queue and stalls, each direction by itself.

All connections through a link share its rate, as in a house behind one line. Delay never limits bandwidth: only
what waits for the rate is bounded. A new connection waits a round trip, as a TCP handshake does. No packets are
lost and no congestion window grows: what the link says is what a long-lived connection gets at best.
"""

import asyncio
import contextlib
import multiprocessing
import os
import signal
import socket
import struct
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any
from urllib.parse import urlsplit

from zakar import processes
from zakar.errors import ConfigError, ServerError
from zakar.lab.lane import Direction, Lane

__all__ = ["Direction", "Link", "Settings", "opened", "running"]

# The kernel's own buffers are queues too: small, so that on a slow link they do not stand for seconds.
_RECEIVE_BUFFER = 64 * 1024
_SEND_BUFFER = 256 * 1024
_PORTS = {"nats": 4222, "tls": 4222, "ws": 80, "wss": 443}
_START_SECONDS = 30.0
_END_SECONDS = 5.0


@dataclass(frozen=True)
class Settings:
    """A link: ``up`` is from the client to the server, ``down`` the way back."""

    up: Direction
    down: Direction

    @property
    def round_trip(self) -> float:
        """Seconds from a small message to its answer, on average, where nothing else is under way."""
        return sum(way.delay + way.jitter / 2 for way in (self.up, self.down))


class Link:
    """An open link; ``address`` is where its clients connect to, as HOST:PORT.

    Assigning to ``up`` or ``down`` changes a direction for all bytes that have not departed:
    ``link.up = replace(link.up, rate=1e6)``. On a link in a process of its own, changes take effect within
    milliseconds, in order; there they raise OSError if that process has died.
    """

    def __init__(self, address: str, settings: Settings, tell: Callable[[str, Any], None]) -> None:
        self.address = address
        self._up, self._down = settings.up, settings.down
        self._tell = tell

    @property
    def up(self) -> Direction:
        """From the client to the server."""
        return self._up

    @up.setter
    def up(self, direction: Direction) -> None:
        self._tell("up", direction)
        self._up = direction

    @property
    def down(self) -> Direction:
        """From the server to the client."""
        return self._down

    @down.setter
    def down(self, direction: Direction) -> None:
        self._tell("down", direction)
        self._down = direction

    def stall(self, seconds: float) -> None:
        """Stop time on the link for so long: nothing departs, nothing arrives. Raises ValueError if below 0."""
        if not seconds >= 0:
            raise ValueError(f"a stall must be 0 seconds or more, got {seconds}")
        self._tell("stall", seconds)

    def cut(self) -> None:
        """Break every connection at once; new ones are accepted. Bytes that wait for the rate still use it."""
        self._tell("cut", None)

    def url(self, scheme: str = "nats") -> str:
        """Return the link's address as a URL."""
        return f"{scheme}://{self.address}"


@contextlib.asynccontextmanager
async def opened(target: str, settings: Settings) -> AsyncIterator[Link]:
    """Open a link to ``target``, a URL or HOST:PORT, for the length of a block, in this event loop.

    Raises ConfigError if the target is no address. Connections to a target that does not answer are reset.
    """
    proxy = _Proxy(_host_and_port(target), settings)
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)  # accepted sockets inherit it
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.setblocking(False)
        accepting = asyncio.create_task(proxy.accept(listener))
        try:
            yield Link(f"127.0.0.1:{listener.getsockname()[1]}", settings, proxy.do)
        finally:
            accepting.cancel()
            await asyncio.wait([accepting, *proxy.cut()])
            proxy.close()


@contextlib.contextmanager
def running(target: str, settings: Settings) -> Iterator[Link]:
    """Run a link in a process of its own for the length of a block, so that it disturbs nobody who measures.

    It ends with this process, however that ends. Scripts need their ``if __name__ == "__main__":``, since the
    new process imports the main module.

    Raises ConfigError if the target is no address, ServerError if the process does not start.
    """
    _host_and_port(target)
    spawning = multiprocessing.get_context("spawn")
    ours, theirs = spawning.Pipe()
    process = spawning.Process(target=_main, args=(theirs, target, settings), name="link", daemon=True)
    with ours:
        with processes.deaf():
            process.start()
        theirs.close()  # so that either end notices when the other is gone
        try:
            try:
                address = ours.recv() if ours.poll(_START_SECONDS) else None
            except EOFError:
                address = None
            if address is None:
                raise ServerError("the link's process did not start; what it printed says why")
            yield Link(address, settings, lambda name, value: ours.send((name, value)))
        finally:
            ours.close()
            process.join(_END_SECONDS)
            if process.is_alive():
                process.kill()
                process.join(_END_SECONDS)


def _main(pipe: Connection, target: str, settings: Settings) -> None:
    """Run a link until the other end of the pipe is closed; what comes through it are changes."""
    # Ctrl-C is for who measures; this process goes with them. On Windows nobody has said so before.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    asyncio.run(_obey(pipe, target, settings))


async def _obey(pipe: Connection, target: str, settings: Settings) -> None:
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    async with opened(target, settings) as link:

        def listen() -> None:
            with contextlib.suppress(EOFError, OSError):
                while True:
                    loop.call_soon_threadsafe(link._tell, *pipe.recv())
            with contextlib.suppress(RuntimeError):  # the loop is closed already
                loop.call_soon_threadsafe(over.set)

        # A thread, since Windows cannot wait for a pipe and for sockets at once.
        threading.Thread(target=listen, daemon=True).start()
        pipe.send(link.address)
        await over.wait()


def _host_and_port(target: str) -> tuple[str, int]:
    """Take host and port from a URL or HOST:PORT. Raises ConfigError, never with what may be a password."""
    try:
        parts = urlsplit(target if "//" in target else f"//{target}")
        host, port = parts.hostname, parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        host, port = None, None
    if not host or not port:
        raise ConfigError("the link's target is not an address; give it as nats://HOST:PORT")
    return host, port


class _Clock:
    """Seconds on the link: they stand still during a stall."""

    def __init__(self) -> None:
        self._resumes = self._stalled = 0.0

    def now(self) -> float:
        return max(time.perf_counter(), self._resumes) - self._stalled

    def left(self) -> float:
        """Seconds until the present stall ends."""
        return max(0.0, self._resumes - time.perf_counter())

    def stall(self, seconds: float) -> None:
        now = time.perf_counter()
        before = max(now, self._resumes)
        self._resumes = max(before, now + seconds)
        self._stalled += self._resumes - before


class _Flow:
    """One direction of one connection.

    While more than a queue has arrived that the receiver does not take, nothing more is read; what is on the wire by
    then, a delay's worth at most, still arrives and is held.
    """

    def __init__(self, source: socket.socket, target: socket.socket, way: "_Way") -> None:
        self.source, self.target, self.way = source, target, way
        self.broken = False  # an empty piece means a reset, not an end
        self.ended = False
        self.room = asyncio.Event()
        self.room.set()
        self._arrived: asyncio.Queue[memoryview] = asyncio.Queue()
        self._held = 0  # bytes

    def deliver(self, data: memoryview) -> None:
        self._arrived.put_nowait(data)
        self._held += len(data)
        if self._held > self.way.lane.direction.queue:
            self.room.clear()

    async def arrival(self) -> memoryview:
        data = await self._arrived.get()
        self._held -= len(data)
        if self._held <= self.way.lane.direction.queue:
            self.room.set()
        return data


class _Way:
    """A lane in real time."""

    def __init__(self, direction: Direction, clock: _Clock) -> None:
        self.lane: Lane[_Flow] = Lane(direction)
        self._clock = clock
        self._turn = asyncio.Lock()  # connections take turns, first come, first served
        self._room = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None

    async def put(self, flow: _Flow, data: bytes) -> None:
        """Wait for room in the queue, and take it."""
        async with self._turn:
            while not self.lane.fits(len(data)):
                self._room.clear()
                await self._room.wait()
            self.lane.put(self._clock.now(), flow, memoryview(data))
        self.advance()

    def change(self, direction: Direction) -> None:
        self.lane.change(self._clock.now(), direction)
        self.advance()

    def advance(self) -> None:
        """Deliver what has arrived, and come back when more is due."""
        self.close()
        wait = self._clock.left()
        if not wait:
            now = self._clock.now()
            for flow, data in self.lane.take(now):
                flow.deliver(data)
            self._room.set()
            due = self.lane.next
            if due is None:
                return
            wait = due - now
        self._timer = asyncio.get_running_loop().call_later(wait, self.advance)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()


class _Proxy:
    """The link's connections."""

    def __init__(self, target: tuple[str, int], settings: Settings) -> None:
        self._target = target
        self._clock = _Clock()
        self._up, self._down = _Way(settings.up, self._clock), _Way(settings.down, self._clock)
        self._connections: set[asyncio.Task[None]] = set()

    def do(self, what: str, value: Any) -> None:
        """Make a change that a Link asks for."""
        match what:
            case "up":
                self._up.change(value)
            case "down":
                self._down.change(value)
            case "stall":
                self._clock.stall(value)
            case "cut":
                self.cut()

    def cut(self) -> set[asyncio.Task[None]]:
        """Break all connections; return their tasks, which end soon."""
        for task in self._connections:
            task.cancel()
        return set(self._connections)

    def close(self) -> None:
        self._up.close()
        self._down.close()

    async def accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                client, _ = await loop.sock_accept(listener)
            except OSError:  # a client gone already, or no file left for it: neither is the end of the link
                await asyncio.sleep(0.01)
                continue
            task = asyncio.create_task(self._connection(client))
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)

    async def _connection(self, client: socket.socket) -> None:
        """Carry one connection to its end."""
        with client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
            _reset_on_close(client, True)
            with contextlib.suppress(OSError):
                await self._handshake()
                with await _connect(*self._target) as server:
                    _reset_on_close(server, True)
                    await self._carry(client, server)
                    _reset_on_close(client, False)
                    _reset_on_close(server, False)

    async def _handshake(self) -> None:
        until = self._clock.now() + self._up.lane.direction.delay + self._down.lane.direction.delay
        while (left := until - self._clock.now()) > 0:  # noqa: ASYNC110 - a wait for time, not for an event
            await asyncio.sleep(left + self._clock.left())

    async def _carry(self, client: socket.socket, server: socket.socket) -> None:
        """Carry bytes both ways until both have ended. Raises OSError if the connection broke."""
        up, down = _Flow(client, server, self._up), _Flow(server, client, self._down)
        broken: BaseException | None = None
        try:
            async with asyncio.TaskGroup() as group:
                for flow, back in ((up, down), (down, up)):
                    group.create_task(_read(flow))
                    group.create_task(_write(flow, back))
        except* OSError as errors:
            broken = errors
        if broken is not None:  # not raised above: Pythons before 3.11.4 would put it into a group again
            raise ConnectionResetError from broken


async def _read(flow: _Flow) -> None:
    """Send what comes; its end or break travels with it."""
    loop = asyncio.get_running_loop()
    try:
        while data := await loop.sock_recv(flow.source, flow.way.lane.direction.piece):
            await flow.way.put(flow, data)
            await flow.room.wait()
    except OSError:
        flow.broken = True
    await flow.way.put(flow, b"")


async def _write(flow: _Flow, back: _Flow) -> None:
    """Hand over what arrives, to its end. Raises OSError if news of a break arrives."""
    loop, lost = asyncio.get_running_loop(), False
    while data := await flow.arrival():
        try:
            if not lost:
                await loop.sock_sendall(flow.target, data)
        except OSError:
            if back.ended:
                raise
            # The receiver is gone, which the sender learns a delay later, after what is on its way there.
            lost = back.broken = True
            await back.way.put(back, b"")
    if flow.broken:
        raise ConnectionResetError
    flow.ended = True
    with contextlib.suppress(OSError):
        flow.target.shutdown(socket.SHUT_WR)


async def _connect(host: str, port: int) -> socket.socket:
    """Connect to the first address that answers. Raises OSError if none does."""
    loop = asyncio.get_running_loop()
    failure = OSError(f"{host} has no address")
    for family, kind, protocol, _, address in await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        with contextlib.ExitStack() as stack:
            server = stack.enter_context(socket.socket(family, kind, protocol))
            server.setblocking(False)
            server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)  # before the window is told
            server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
            try:
                await loop.sock_connect(server, address)
            except OSError as error:
                failure = error
                continue
            stack.pop_all()
            return server
    raise failure


def _reset_on_close(end: socket.socket, on: bool) -> None:
    """Say whether closing a socket breaks its connection, or ends it in order."""
    with contextlib.suppress(OSError):  # macOS refuses on a connection that is gone
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("hh" if os.name == "nt" else "ii", on, 0))
