"""A WebSocket as a nats-py transport: compressed whenever the server offers it.

nats-py's own asks for no compression, and counts no bytes. The protocol is that of the `websockets` library, without
its I/O; a NATS connection takes a WebSocket for a stream of bytes, so where a message ends means nothing.
"""

import asyncio
import ssl
import zlib
from collections import deque
from collections.abc import Iterable
from urllib.parse import ParseResult

from nats.aio.transport import Transport
from websockets.client import ClientProtocol
from websockets.exceptions import WebSocketException
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.frames import Frame, Opcode
from websockets.uri import parse_uri

from zakar.broker.tcp import EndingReader, SilentError, objected, open_stream

PIECE = 65_536  # bytes: longer than what deflate looks back, and well under a usual max_payload
_READ = 65_536


class WebSocketTransport(Transport):
    """Carries a NATS connection over one WebSocket after another, as nats-py reconnects.

    ``piece`` is the most bytes that go into one message; a server disconnects if it is more than its
    ``max_payload``. ``sent`` counts the bytes given to the socket, compressed.
    """

    def __init__(self) -> None:
        self.piece = PIECE
        self.sent = 0
        self.compressed = False
        self._pending: deque[memoryview] = deque()
        self._reader: EndingReader | None = None
        self._io_writer: asyncio.StreamWriter | None = None
        self._protocol: ClientProtocol | None = None
        self._context: ssl.SSLContext | None = None  # of the last wss:// address
        self._early: list[object] = []  # what came together with the answer to the handshake
        self._rest = b""  # what came together with a line

    async def connect(self, uri: ParseResult, buffer_size: int, connect_timeout: int) -> None:
        """Connect to a ws:// address, or to one that a cluster told. Raises OSError.

        nats-py takes a server that it hears of for one of plain TCP: it is reached as the last one was, with TLS if
        that had it, or a password would go out in the clear.
        """
        del buffer_size
        await self._open(uri, None if uri.scheme == "ws" else self._context, connect_timeout)

    async def connect_tls(
        self, uri: str | ParseResult, ssl_context: ssl.SSLContext, buffer_size: int, connect_timeout: int
    ) -> None:
        """Connect to a wss:// address; nats-py calls it again once connected, as it would for TCP. Raises OSError."""
        del buffer_size
        if isinstance(uri, ParseResult):
            self._context = ssl_context
            await self._open(uri, ssl_context, connect_timeout)

    async def _open(self, uri: ParseResult, context: ssl.SSLContext | None, seconds: float) -> None:
        self._pending.clear()
        self._rest = b""
        self.compressed = False
        # An address may hold a user and a password for NATS, which are none of HTTP's business.
        plain = uri._replace(scheme="wss" if context else "ws", netloc=uri.netloc.rpartition("@")[2])
        deflate = ClientPerMessageDeflateFactory(compress_settings={"level": zlib.Z_BEST_SPEED})
        protocol = ClientProtocol(parse_uri(plain.geturl()), extensions=[deflate], max_size=None)
        port = uri.port or (443 if context else 80)
        async with asyncio.timeout(seconds):
            self._reader, self._io_writer = await open_stream(uri.hostname or "", port, context)
            self._protocol = protocol
            try:
                self._early = await self._shake_hands(protocol, self._reader)
            except BaseException:
                self.close()  # nats-py would open the next and forget this one
                raise
        self.compressed = bool(protocol.extensions)

    async def _shake_hands(self, protocol: ClientProtocol, reader: asyncio.StreamReader) -> list[object]:
        """Ask for a WebSocket; return what came together with the answer. Raises OSError."""
        protocol.send_request(protocol.connect())
        await self.drain()
        events: list[object] = []
        while not events:
            if reader.at_eof():
                raise ConnectionError("no WebSocket here: it hung up")
            events = await self._events()
        if protocol.handshake_exc is not None:
            raise ConnectionError(f"no WebSocket here: {protocol.handshake_exc}")
        return events[1:]

    def write(self, payload: bytes) -> None:
        """Queue bytes until they are drained."""
        self._pending.append(memoryview(payload))

    def writelines(self, payload: Iterable[bytes]) -> None:
        """Queue several."""
        self._pending.extend(memoryview(each) for each in payload)

    async def drain(self) -> None:
        """Send what is queued, piece by piece, and wait until the socket takes more. Raises OSError."""
        protocol, writer = self._protocol, self._io_writer
        if protocol is None or writer is None:
            raise ConnectionError("not connected")
        self._flush(protocol, writer)
        while self._pending:
            piece = self._next_piece()
            try:
                protocol.send_binary(piece)
            except WebSocketException as error:
                raise ConnectionError(f"the WebSocket is closing: {error}") from error
            self._flush(protocol, writer)
            await writer.drain()
        await writer.drain()

    def _next_piece(self) -> bytes:
        """Take from the queue what fits into one message."""
        parts, size = [], 0
        while self._pending and size < self.piece:
            head = self._pending.popleft()
            part, rest = head[: self.piece - size], head[self.piece - size :]
            if rest:
                self._pending.appendleft(rest)
            parts.append(part)
            size += len(part)
        return b"".join(parts)

    def _flush(self, protocol: ClientProtocol, writer: asyncio.StreamWriter) -> None:
        for data in protocol.data_to_send():
            self.sent += len(data)
            if data:
                writer.write(data)
            elif writer.can_write_eof():
                writer.write_eof()

    async def _events(self) -> list[object]:
        """Read from the socket; return what came. Raises OSError."""
        reader, protocol, writer = self._reader, self._protocol, self._io_writer
        if reader is None or protocol is None or writer is None:
            raise ConnectionError("not connected")
        data = await reader.read(_READ)
        if data:
            protocol.receive_data(data)
        else:
            protocol.receive_eof()
        self._flush(protocol, writer)  # a pong, or the end
        return list(protocol.events_received())

    async def read(self, buffer_size: int) -> bytes:
        """Return bytes as they came, empty at the end. Raises OSError."""
        del buffer_size
        if self._rest:
            data, self._rest = self._rest, b""
            return data
        while True:
            events, self._early = self._early or await self._events(), []
            data = b"".join(
                bytes(event.data)
                for event in events
                if isinstance(event, Frame) and event.opcode in {Opcode.BINARY, Opcode.CONT, Opcode.TEXT}
            )
            if data or self.at_eof():
                return data

    async def readline(self) -> bytes:
        """Return the next line while connecting. Raises OSError, and what the server objects."""
        data = b""
        while b"\n" not in data:
            more = await self.read(_READ)
            if not more:
                raise (self._reader and self._reader.fault) or SilentError
            data += more
        line, end, self._rest = data.partition(b"\n")
        return objected(line + end)

    async def wait_closed(self) -> None:
        """Wait until the socket is closed."""
        if self._io_writer is not None:
            await self._io_writer.wait_closed()

    def close(self) -> None:
        """Close the socket."""
        if self._io_writer is not None:
            self._io_writer.close()

    def at_eof(self) -> bool:
        """Whether the other end has hung up."""
        return self._reader is None or (self._reader.at_eof() and not self._rest)

    def __bool__(self) -> bool:
        """Say that there is a transport already, so that nats-py makes none of its own."""
        return True
