"""Both ends of a link: a server of plain bytes, a client of it, and what they do."""

import asyncio
import contextlib
import gc
import time
from collections.abc import AsyncIterator, Awaitable, Callable

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def served(handler: Handler) -> AsyncIterator[str]:
    """A server for the length of a block; its connections end with their handlers, or with the block."""
    writers = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        with contextlib.suppress(OSError):
            await handler(reader, writer)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield f"nats://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()
        await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def client(address: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(*address.split(":"))
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
        await asyncio.sleep(0)


def run(test: Callable[[], Awaitable[None]]) -> None:
    """Run a test to its end; whatever the loop would only have logged fails it too."""
    unseen: list[dict[str, object]] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: unseen.append(context))
        async with asyncio.timeout(60):
            await test()

    asyncio.run(main())
    gc.collect()  # tasks tell of errors that nobody has asked for when they go
    assert not unseen


async def once(attempt: Callable[[], Awaitable[bool]], times: int = 8) -> bool:
    """Whether an attempt succeeds at least once.

    A busy machine makes everything slower and nothing faster. So what must not be beaten is asserted in every attempt,
    and what must be reached is asked of the best one.
    """
    for _ in range(times):
        if await attempt():
            return True
    return False


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()


async def flood(writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while True:
            writer.write(bytes(65_536))
            await writer.drain()


async def count(reader: asyncio.StreamReader, seconds: float) -> int:
    """Bytes that arrive within so many seconds."""
    received = 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while data := await reader.read(2**20):
                received += len(data)
    return received


async def trip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> float:
    begun = time.perf_counter()
    writer.write(b"ping")
    await reader.readexactly(4)
    return time.perf_counter() - begun
