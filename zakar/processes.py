"""Worker processes: started alike on every platform, deaf to Ctrl-C, gone with their parent."""

import atexit
import contextlib
import gc
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from importlib.abc import MetaPathFinder
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection

_SPAWN = multiprocessing.get_context("spawn")
_WINDOWS_MOST = 61  # processes that a pool can wait for there
# For glibc: a worker keeps the memory that its next task needs again, where large arrays are usually given back to the
# system at once.
_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(1 << 30), "MALLOC_TRIM_THRESHOLD_": str(1 << 32)}
_leash: Connection | None = None  # in a worker


def leash() -> tuple[Connection, Connection]:
    """Return the workers' end and ours of a pipe: to close ours asks them to stop, as our death does.

    An event would not do: who sets it waits for all that wait for it, killed ones too.
    """
    return _SPAWN.Pipe(duplex=False)


def pool(number: int, theirs: Connection | None = None) -> ProcessPoolExecutor:
    """Return ``number`` worker processes, started; ``theirs`` is their end of a leash."""
    number = min(number, _WINDOWS_MOST) if sys.platform == "win32" else number
    executor = ProcessPoolExecutor(number, _SPAWN, _begin, (theirs,))
    for name, value in _MEMORY.items():
        os.environ.setdefault(name, value)
    with deaf():
        while len(executor._processes) < number:
            executor.submit(int)  # starts one more, unless one that is there has nothing to do
    return executor


@contextlib.contextmanager
def deaf() -> Iterator[None]:
    """Start processes deaf to Ctrl-C, which is the parent's to handle and would end them with a traceback.

    They inherit that the signal is blocked; one that comes meanwhile is only late for us. Windows has no such thing.
    """
    if sys.platform == "win32":
        yield
        return
    resource_tracker.ensure_running()  # which unblocks it where it starts
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _NoPandas(MetaPathFinder):
    """Says that there is no pandas."""

    def find_spec(self, name: str, *_: object) -> None:
        """Refuse pandas; leave all else to others."""
        if name == "pandas":
            raise ModuleNotFoundError("zakar needs no pandas", name=name)


def slim() -> None:
    """Spare a process that is all ours half a second.

    pyarrow imports pandas, where that is installed, to see whether what it is given is one of its objects, and here
    nothing ever is. At its end, Python looks through all that there is for garbage, which goes with the process anyway.
    """
    sys.meta_path.insert(0, _NoPandas())
    atexit.register(gc.freeze)


def kill(executor: Executor) -> None:
    """End the workers of a pool at once, whatever they are doing."""
    for process in list((getattr(executor, "_processes", None) or {}).values()):
        process.kill()


def asked_to_stop() -> None:
    """Wait, in a worker, until it is asked to stop; for ever if nobody can ask."""
    if _leash is None:
        threading.Event().wait()
    else:
        with contextlib.suppress(EOFError, OSError):
            _leash.poll(None)


def _begin(theirs: Connection | None) -> None:
    """Leave Ctrl-C to the parent, and end with it however it ends."""
    slim()
    global _leash  # noqa: PLW0603 - a worker's only way to what was inherited
    _leash = theirs
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:

        def follow() -> None:
            parent.join()
            os._exit(1)

        threading.Thread(target=follow, daemon=True).start()
