"""TCP as a nats-py transport that reads to the end: what a server says before it hangs up is not lost.

asyncio gives an error in place of what had come before a connection broke, and whoever sends much mostly meets the
broken connection while sending. A NATS server says why it hangs up right before it does.
"""

import asyncio
import contextlib
import ssl
from typing import Any
from urllib.parse import ParseResult

import nats.errors
from nats.aio import transport

_READ = 65_536
_PORT = 4222


class SilentError(ConnectionError):
    """The server hung up without a word."""

    def __str__(self) -> str:
        return "the server hung up"


class EndingReader(asyncio.StreamReader):
    """A reader to which a connection that breaks has ended. ``fault`` says how it broke, if it did."""

    fault: Exception | None = None

    def set_exception(self, exc: Exception) -> None:
        """Let what has come be read, and then the end."""
        self.fault = exc
        self.feed_eof()

    async def line(self) -> bytes:
        """Return the next line of a server that is being connected to. Raises OSError, and what the server objects."""
        line = await self.readline()
        if not line:
            raise self.fault or SilentError
        return objected(line)


def objected(line: bytes) -> bytes:
    """Return a line that is no objection of the server's. Raises nats.errors.Error, which says it."""
    if line.startswith(b"-ERR"):
        raise nats.errors.Error(f"nats: {line[4:].decode(errors='replace').strip().strip(chr(39))}")
    return line


async def open_stream(
    host: str, port: int, context: ssl.SSLContext | None = None
) -> tuple[EndingReader, asyncio.StreamWriter]:
    """Connect, as asyncio.open_connection does, to a reader that reads to the end. Raises OSError."""
    loop = asyncio.get_running_loop()
    reader = EndingReader(limit=_READ, loop=loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    carrier, _ = await loop.create_connection(lambda: protocol, host, port, ssl=context)
    return reader, asyncio.StreamWriter(carrier, protocol, reader, loop)


class TcpTransport(transport.TcpTransport):
    """nats-py's transport with such readers."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # nats-py's says no types

    def __bool__(self) -> bool:
        """Say that there is a transport already, so that nats-py makes none of its own."""
        return True

    async def connect(self, uri: ParseResult, buffer_size: int, connect_timeout: int) -> None:
        """Connect without TLS. Raises OSError."""
        del buffer_size
        async with asyncio.timeout(connect_timeout):
            reader, writer = await open_stream(uri.hostname or "", uri.port or _PORT)
        self._bare_io_reader = self._io_reader = reader
        self._bare_io_writer = self._io_writer = writer

    async def connect_tls(
        self, uri: str | ParseResult, ssl_context: ssl.SSLContext, buffer_size: int, connect_timeout: int
    ) -> None:
        """Go on with TLS. Raises OSError."""
        del buffer_size
        loop, bare = asyncio.get_running_loop(), self._io_writer
        if bare is None:
            raise ConnectionError("not connected")
        reader = EndingReader(limit=_READ, loop=loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        name = uri if isinstance(uri, str) else uri.hostname
        async with asyncio.timeout(connect_timeout):
            carrier = await loop.start_tls(bare.transport, protocol, ssl_context, server_hostname=name)
        if carrier is None:
            raise ConnectionError("the server hung up")
        self._io_reader, self._io_writer = reader, asyncio.StreamWriter(carrier, protocol, reader, loop)

    async def readline(self) -> bytes:
        """Return the next line while connecting. Raises OSError, and what the server objects."""
        if not isinstance(self._io_reader, EndingReader):
            raise ConnectionError("not connected")
        return await self._io_reader.line()

    def write(self, payload: Any) -> None:
        """Write bytes; where that meets the end of the connection, take first what came before it."""
        writer, reader = self._io_writer, self._io_reader
        if writer is None or reader is None:
            return
        ended = writer.transport.is_closing()
        writer.write(payload)
        if ended or not writer.transport.is_closing() or writer.get_extra_info("ssl_object") is not None:
            return
        with contextlib.suppress(OSError), writer.get_extra_info("socket").dup() as socket:
            while rest := socket.recv(_READ):
                reader.feed_data(rest)
