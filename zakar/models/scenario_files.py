"""The files of scenarios, what their comments say of keys, and what the island of one is called."""

from pathlib import Path

import tomlkit
from tomlkit.container import Container
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import Table

from zakar import config
from zakar.errors import ConfigError
from zakar.models.shared.settings import Scenario

_ZAKAR = "Zakar"


def names() -> list[str]:
    """Return the names of the scenarios that come with zakar."""
    return config.names(config.folder())


def find(name_or_file: str) -> Path:
    """Return the TOML file of a scenario, given its name or a path.

    Raises ConfigError if there is neither.
    """
    return config.find(name_or_file, config.folder(), "scenario")


def island_name(scenario: Scenario) -> str:
    """Return what the island is called in posts: as its settings say, Zakar if zakar's own, else as the scenario."""
    if scenario.about.island:
        return scenario.about.island
    return _ZAKAR if scenario.name in names() else scenario.name.replace("-", " ").title()


def read_notes(path: Path) -> dict[str, str]:
    """Return the comment behind each key of a TOML file, and behind each section's name.

    Named by the path of the key, as in ``fires.rest_days``. Raises ConfigError naming the file.
    """
    try:
        return _notes(tomlkit.parse(config.read_text(path)), "")
    except TOMLKitError as error:
        raise ConfigError(f"{path}: its comments cannot be read: {error}") from error


def _notes(section: Container, prefix: str) -> dict[str, str]:
    notes = {}
    for key, item in section.body:
        if key is None:  # a line of its own: empty, or a comment
            continue
        path = f"{prefix}{key.key}"
        note = item.trivia.comment.lstrip("#").strip()
        if note:
            notes[path] = note
        if isinstance(item, Table):
            notes |= _notes(item.value, f"{path}.")
    return notes
