"""What the comments of a scenario file say of its keys: meaning, unit, source."""

from pathlib import Path

import tomlkit
from tomlkit.container import Container
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import Table

from zakar.config import read_text
from zakar.errors import ConfigError


def read_notes(path: Path) -> dict[str, str]:
    """Return the comment behind each key of a TOML file, and behind each section's name.

    Named by the path of the key, as in ``fires.rest_days``. Raises ConfigError naming the file.
    """
    try:
        return _notes(tomlkit.parse(read_text(path)), "")
    except TOMLKitError as error:
        raise ConfigError(f"{path}: its comments cannot be read: {error}") from error


def _notes(section: Container, prefix: str) -> dict[str, str]:
    found = {}
    for key, item in section.body:
        if key is None:  # a line of its own: empty, or a comment
            continue
        path = f"{prefix}{key.key}"
        note = item.trivia.comment.lstrip("#").strip()
        if note:
            found[path] = note
        if isinstance(item, Table):
            found |= _notes(item.value, f"{path}.")
    return found
