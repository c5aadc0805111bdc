"""A proxy that knows frames: it cuts at a byte inside one, holds back what follows, and loses those it is told to."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator

import msgspec

_WITH_BODY = (b"PUB ", b"HPUB ", b"MSG ", b"HMSG ")


class _Way:
    """One direction: where it is to be cut or held, and what of it comes through."""

    def __init__(self) -> None:
        self.left: int | None = None  # bytes until the cut
        self.lose: Callable[[bytes], bool] = lambda _: False
        self.lost = 0  # frames
        self.open = asyncio.Event()
        self.open.set()

    def through(self, frame: bytes) -> bytes:
        """Return what passes of a frame: less than all of it where the cut is."""
        if self.lose(frame):
            self.lost += 1
            return b""
        if self.left is None:
            return frame
        if len(frame) <= self.left:
            self.left -= len(frame)
            return frame
        return frame[: max(1, self.left)]


class FrameProxy:
    """A proxy in front of a server, for plain TCP. ``up`` is the way to the server, ``down`` the way back.

    ``partial`` is what came through of the frame in which the connection was cut.
    """

    def __init__(self, target: str) -> None:
        self._host, _, port = target.rpartition("//")[2].rpartition(":")
        self._port = int(port)
        self._writers: set[asyncio.StreamWriter] = set()
        self.up, self.down = _Way(), _Way()
        self.partial = b""
        self.connections = 0
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(OSError):
            up_reader, up_writer = await asyncio.open_connection(self._host, self._port)
            self._writers |= {writer, up_writer}
            await asyncio.gather(
                self._copy(reader, up_writer, writer, self.up), self._copy(up_reader, writer, up_writer, self.down)
            )
        writer.close()

    async def _copy(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, back: asyncio.StreamWriter, way: _Way
    ) -> None:
        buffer = bytearray()
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                buffer += data
                for frame in _whole(buffer):
                    await way.open.wait()
                    passed = way.through(frame)
                    writer.write(passed)
                    if 0 < len(passed) < len(frame):
                        self.partial, way.left = passed, None
                        back.transport.abort()
                        writer.close()  # once the part of a frame is sent
                        return
                await writer.drain()
        writer.close()

    def end(self) -> None:
        for way in (self.up, self.down):
            way.open.set()
        for writer in self._writers:
            writer.transport.abort()


def _whole(buffer: bytearray) -> Iterator[bytes]:
    """Take whole frames from the beginning of a buffer."""
    while (line_end := buffer.find(b"\r\n")) >= 0:
        size = line_end + 2
        if buffer.startswith(_WITH_BODY):
            size += int(buffer[:line_end].rpartition(b" ")[2]) + 2
        if len(buffer) < size:
            return
        frame = bytes(buffer[:size])
        del buffer[:size]
        yield frame


def is_ack(frame: bytes) -> bool:
    """Whether a frame from the server is a producer's ack, of a message or of some in a batch."""
    return frame.startswith(b"MSG _INBOX.") and any(mark in frame for mark in (b'\r\n{"stream":', b'\r\n{"type":"ack"'))


def acked(frame: bytes) -> int:
    """The sequence that an ack says, of the stream or of the batch."""
    return int(msgspec.json.decode(frame[frame.index(b"\r\n") : -2])["seq"])


@contextlib.asynccontextmanager
async def frame_proxied(target: str) -> AsyncIterator[FrameProxy]:
    """A proxy that knows frames, for the length of a block."""
    proxy = FrameProxy(target)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.url = f"nats://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        proxy.end()
        server.close()
        await asyncio.sleep(0.01)
