"""A broker for Memphis's clients: a real nats-server with zakar's responder beside it, in a thread of its own."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator

from zakar.broker.access import Access
from zakar.broker.memphis.responder import responding
from zakar.broker.server import Server, ServerSettings, running

USER, PASSWORD = "ana", "s3/cret"
ADDRESS = "memphis://ana:s3%2Fcret@"


@contextlib.contextmanager
def memphis_broker() -> Iterator[str]:
    """Run one that wants a user and a password; yields its address, for that user."""
    settings = ServerSettings(user=USER, password=PASSWORD, account=1)
    with running(settings) as server, answered(Access((server.url,), USER, PASSWORD)):
        yield address(server)


def address(server: Server, who: str = ADDRESS) -> str:
    """The address of a server as a Memphis broker."""
    return who + server.url.partition("://")[2]


def plain(memphis: str) -> Access:
    """The same broker for NATS's own clients."""
    return Access((f"nats://{memphis.rpartition('@')[2]}",), USER, PASSWORD)


@contextlib.contextmanager
def answered(access: Access) -> Iterator[None]:
    """Have a responder beside a server for the length of a block."""
    ready, loop, end = threading.Event(), asyncio.new_event_loop(), asyncio.Event()
    failures: list[BaseException] = []

    async def main() -> None:
        async with responding(access):
            ready.set()
            await end.wait()

    def run() -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: loop) as runner:
                runner.run(main())
        except BaseException as error:
            failures.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=run)
    thread.start()
    ready.wait()
    if failures:
        raise failures[0]
    try:
        yield
    finally:
        loop.call_soon_threadsafe(end.set)
        thread.join()
