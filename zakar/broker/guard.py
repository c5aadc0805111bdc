"""Runs a server and ends it when the parent goes away, however it goes. Standard library only.

    python guard.py FOLDER COMMAND [ARG ...]

The parent holds the other end of standard input; when it closes, by intent or by death, the server is told
to stop, and killed if it does not, and FOLDER, the server's temporary one, is removed. Works alike on Linux,
macOS and Windows.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading

GRACE_SECONDS = 10.0
_PR_SET_PDEATHSIG = 1


def main(folder: str, command: list[str]) -> None:
    """Run ``command`` until it ends or standard input closes."""
    # Should this guard itself be killed, Linux tells the server; elsewhere there is no such means.
    linux = sys.platform == "linux"
    child = subprocess.Popen(  # noqa: S603 - the command is our own server binary
        command,
        stdin=subprocess.DEVNULL,
        preexec_fn=_die_with_parent if linux else None,  # noqa: PLW1509 - no thread runs yet
    )
    abandoned = threading.Event()
    threading.Thread(target=_watch, args=(child, abandoned), daemon=True).start()
    code = child.wait()
    if abandoned.is_set():
        shutil.rmtree(folder, ignore_errors=True)
    os._exit(code & 0xFF)  # the watcher may still be reading


def _watch(child: "subprocess.Popen[bytes]", abandoned: threading.Event) -> None:
    """Wait for the parent to let go of standard input; then end the child."""
    with contextlib.suppress(OSError):
        while os.read(0, 1024):
            pass
    abandoned.set()
    child.terminate()
    try:
        child.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()


def _die_with_parent() -> None:
    import ctypes  # noqa: PLC0415 - only here, and only on Linux

    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
