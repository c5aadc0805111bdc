"""A program whose standard error is a terminal, as a person's is."""

import contextlib
import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

TERMINALS = os.name == "posix"  # where Python can open one


def at_a_terminal(
    command: list[str], folder: Path | None = None, out: Path | None = None, **environment: str
) -> tuple[int, bytes, str]:
    """Run a program to its end; return its exit code, what it wrote to standard output, and to its terminal.

    Standard output goes into the file ``out``, or else into a pipe.
    """
    import pty  # which Windows has not

    ours, theirs = pty.openpty()
    shown: list[bytes] = []

    def read() -> None:
        try:
            while data := os.read(ours, 65_536):
                shown.append(data)
        except OSError:  # which is how Linux says that nobody has the other end any more
            pass

    reading = threading.Thread(target=read)
    reading.start()
    person = {key: value for key, value in os.environ.items() if not key.startswith(("NATS_", "COLUMNS"))}
    person |= {"COLUMNS": "200", "TERM": "xterm", "XDG_CONFIG_HOME": os.devnull} | environment
    with contextlib.ExitStack() as files:
        output: Any = files.enter_context(out.open("wb")) if out else subprocess.PIPE
        process = subprocess.Popen(command, stdout=output, stderr=theirs, cwd=folder, env=person)
    os.close(theirs)
    piped, _ = process.communicate()
    reading.join()
    os.close(ours)
    return process.returncode, out.read_bytes() if out else piped, b"".join(shown).decode()


def last_drawn(shown: str, label: str) -> str:
    """Return how a meter looked in the end; empty if there was none."""
    drawn = [line for line in re.split(r"[\r\n]+", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)) if label in line]
    return drawn[-1] if drawn else ""


def zakar(*words: str) -> list[str]:
    """Return a zakar command as the words of a program."""
    return [sys.executable, "-m", "zakar", *words]
