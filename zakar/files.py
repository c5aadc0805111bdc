"""Files of this machine: whether they are there, and written whole or not at all."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from zakar.errors import ConfigError


def is_file(path: Path) -> bool:
    """Whether there is a file of a name; a name that no file can have, being too long for one, has none."""
    try:
        return path.is_file()
    except OSError:
        return False


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield the name of a file beside ``path``, which takes its place once the block has ended well, and else goes.

    A link is followed: what it leads to is replaced. Raises ConfigError if that cannot be done.
    """
    whole = Path(os.path.realpath(path))
    partial = whole.with_name(f"{whole.name}.partial-{os.getpid()}")
    try:
        yield partial
        with writable(path):
            partial.replace(whole)
    finally:
        with contextlib.suppress(OSError):  # of a file that is given up
            partial.unlink(missing_ok=True)


@contextlib.contextmanager
def writable(name: object) -> Iterator[None]:
    """Turn what the system says of a file that cannot be written into a ConfigError that names it.

    Not a BrokenPipeError: whoever reads a pipe may have seen enough.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise ConfigError(f"{name}: cannot be written: {error.strerror or error}") from error
