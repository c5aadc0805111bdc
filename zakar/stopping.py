"""Giving up on what is waited for once the user asks to stop."""

import asyncio
from collections.abc import Coroutine
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
