"""The scenarios: found, read, validated."""

from pathlib import Path

import msgspec

from zakar import config
from zakar.scenario.classic import ClassicScenario
from zakar.scenario.island import IslandScenario

_ZAKAR = "Zakar"

Scenario = ClassicScenario | IslandScenario


def names() -> list[str]:
    """Return the names of the scenarios that come with zakar."""
    return config.names(config.folder())


def find(name_or_file: str) -> Path:
    """Return the TOML file of a scenario, given its name or a path.

    Raises ConfigError if there is neither.
    """
    return config.find(name_or_file, config.folder(), "scenario")


def read(path: Path) -> Scenario:
    """Read and validate a scenario file.

    Raises ConfigError naming the file, the key and what is wrong with it.
    """
    return scenario_of(config.read_toml(path), str(path))


def scenario_of(values: object, source: str) -> Scenario:
    """Turn plain values, from a file or a manifest, into a scenario. Raises ConfigError naming what is wrong."""
    return config.convert(values, Scenario, source)  # type: ignore[arg-type]  # a union is no type to mypy


def island_name(scenario: Scenario) -> str:
    """Return what the island is called in posts: as its settings say, Zakar if zakar's own, else as the scenario."""
    if scenario.about.island:
        return scenario.about.island
    return _ZAKAR if scenario.name in names() else scenario.name.replace("-", " ").title()


def with_seed(scenario: Scenario, seed: int) -> Scenario:
    """Return the scenario with another seed. Raises ConfigError where it cannot be one."""
    return scenario_of({**msgspec.to_builtins(scenario), "seed": seed}, "--seed")


def with_days(scenario: Scenario, days: int) -> Scenario:
    """Return the scenario cut, or stretched, to ``days`` days. Raises ConfigError where it cannot be."""
    values = msgspec.to_builtins(scenario)
    calendar = {**values["calendar"], "days": days}
    if isinstance(scenario, IslandScenario):  # the held-out part becomes shorter with the released one
        whole = scenario.calendar
        calendar["holdout_days"] = min(whole.holdout_days, -(-whole.holdout_days * days // whole.days))
    return scenario_of({**values, "calendar": calendar}, "--days")
