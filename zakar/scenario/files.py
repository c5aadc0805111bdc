"""The files of scenarios, and what the island of one is called."""

from pathlib import Path

from zakar import config
from zakar.scenario.settings import Scenario

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
