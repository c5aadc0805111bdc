"""`zakar memphis`: Memphis's SDKs answered at a NATS server that is there."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from types import FrameType

from zakar.broker.access import Access
from zakar.broker.memphis.responder import responding
from zakar.cli.access import connects
from zakar.cli.printing import tell


@connects
def memphis_command(who: Access) -> None:
    """Answer the SDKs of Memphis at a NATS server of yours, until Ctrl-C, so that their programs run there.

    `zakar broker --memphis` starts a server too.

    Example: `zakar memphis --server nats://127.0.0.1:4222`
    """
    answer_beside(who)


def answer_beside(who: Access) -> None:
    """Answer Memphis SDKs at a server that is there, until Ctrl-C."""

    def announce() -> None:
        tell(f"answering Memphis SDKs at {who.shown}; Ctrl-C stops it")

    try:
        asyncio.run(answer(who, announce, lambda: asyncio.Event().wait()))
    except KeyboardInterrupt:
        tell("no longer answering Memphis SDKs")


async def answer(who: Access, ready: Callable[[], None], end: Callable[[], Awaitable[object]]) -> None:
    """Answer Memphis SDKs until ``end`` comes."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()

    def on_stop(_number: int, _frame: FrameType | None) -> None:
        if task is not None:
            loop.call_soon_threadsafe(task.cancel)

    before = signal.signal(signal.SIGTERM, on_stop)  # as asyncio does with Ctrl-C
    try:
        async with responding(who, tell):
            ready()
            await end()
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    finally:
        signal.signal(signal.SIGTERM, before)
