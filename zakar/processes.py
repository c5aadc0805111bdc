"""Worker processes: started alike on every platform, deaf to Ctrl-C, gone with their parent."""

import contextlib
import multiprocessing
import os
import signal
import threading
from concurrent.futures import Executor, ProcessPoolExecutor
from multiprocessing.connection import Connection

_SPAWN = multiprocessing.get_context("spawn")
_leash: Connection | None = None  # in a worker


def leash() -> tuple[Connection, Connection]:
    """Return the workers' end and ours of a pipe: to close ours asks them to stop, as our death does.

    An event would not do: who sets it waits for all that wait for it, killed ones too.
    """
    return _SPAWN.Pipe(duplex=False)


def pool(number: int, theirs: Connection | None = None) -> Executor:
    """Return ``number`` worker processes, started; ``theirs`` is their end of a leash."""
    executor = ProcessPoolExecutor(number, _SPAWN, _begin, (theirs,))
    # Ctrl-C is the parent's to handle: workers inherit that it is ignored, for until they get to say so themselves
    # it would end them with a traceback.
    ours = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGINT, signal.SIG_IGN) if ours else None
    try:
        executor.submit(int)  # starts all of them
    finally:
        if ours:
            signal.signal(signal.SIGINT, before)
    return executor


def asked_to_stop() -> None:
    """Wait, in a worker, until it is asked to stop; for ever if nobody can ask."""
    if _leash is None:
        threading.Event().wait()
    else:
        with contextlib.suppress(EOFError, OSError):
            _leash.poll(None)


def _begin(theirs: Connection | None) -> None:
    """Leave Ctrl-C to the parent, and end with it however it ends."""
    global _leash  # noqa: PLW0603 - a worker's only way to what was inherited
    _leash = theirs
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:

        def follow() -> None:
            parent.join()
            os._exit(1)

        threading.Thread(target=follow, daemon=True).start()
