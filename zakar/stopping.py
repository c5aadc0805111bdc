"""Giving up on what is waited for once the user asks to stop."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, TypeVar

_T = TypeVar("_T")


async def until_stopped(work: Coroutine[Any, Any, _T], stop: asyncio.Event) -> _T:
    """Await ``work``, which may be given up at any point, unless ``stop`` is set first (KeyboardInterrupt)."""
    task, stopped = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    await asyncio.wait([task, stopped], return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if not task.done():
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        raise KeyboardInterrupt
    return task.result()


async def in_thread(work: Callable[[], _T]) -> _T:
    """Await ``work``, which may block for ever, in a thread that is left behind if the wait is given up.

    Not asyncio.to_thread: ending the loop, and the interpreter, would wait for its threads.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[_T] = loop.create_future()

    def settle(give: Callable[[], None]) -> None:
        if not answer.done():
            give()

    def run() -> None:
        give: Callable[[], None]
        try:
            result = work()
        except BaseException as error:
            give = partial(answer.set_exception, error)
        else:
            give = partial(answer.set_result, result)
        with contextlib.suppress(RuntimeError):  # the loop has ended: nobody waits any more
            loop.call_soon_threadsafe(settle, give)

    threading.Thread(target=run, daemon=True).start()
    return await answer
