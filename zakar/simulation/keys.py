"""The secret key of a dataset, from which its held-out days are drawn."""

import re
import secrets
from pathlib import Path

from zakar import config
from zakar.dataset.layout import KEY
from zakar.errors import ConfigError

_BYTES = 32
_KEY = re.compile(r"[0-9A-Fa-f]{32,4096}")


def draw_key() -> bytes:
    """Return a new key, at random."""
    return secrets.token_hex(_BYTES).encode()


def read_key(path: Path) -> bytes:
    """Return the key in a file: at least 128 random bits, as hexadecimal digits.

    Raises ConfigError naming the file if it holds no such key; the key itself is never shown.
    """
    text = config.read_text(path).strip()
    if not _KEY.fullmatch(text):
        raise ConfigError(f"{path}: not a key: expected 32 or more hexadecimal digits, drawn at random")
    return text.lower().encode()


def kept_key(out: Path) -> bytes | None:
    """Return the key of the dataset in a folder, which lasts when that is overwritten; None if it has none.

    Raises ConfigError naming the file if what is there is no key, or cannot be read.
    """
    path = out / KEY
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        return read_key(path)
    except ConfigError as error:
        raise ConfigError(f"{error}; it is not replaced unless --key or --new-key says so") from error
