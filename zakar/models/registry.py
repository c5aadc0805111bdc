"""The models by name, and the scenarios that name them."""

from collections.abc import Iterable
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Any

import msgspec

from zakar import config
from zakar.dataset import card
from zakar.dataset.manifest import Manifest
from zakar.errors import ConfigError
from zakar.models.classic import model as classic
from zakar.models.island import model as island
from zakar.models.model import Model
from zakar.models.shared import phrase_files
from zakar.models.shared.settings import Scenario
from zakar.seeds import Seeds, secret_root

MODELS: dict[str, Model[Any]] = {"classic": classic.MODEL, "island": island.MODEL}


def model_of(scenario: Scenario) -> Model[Any]:
    """Return the model of a scenario."""
    return MODELS[scenario.model]


def described(manifest: Manifest) -> Model[Any] | None:
    """Return the model that a dataset's manifest names; None if nobody knows it."""
    return MODELS.get(str(manifest.scenario.get("model")))


def settings() -> type[Scenario]:
    """Return what a scenario may be: the settings of any model."""
    kinds: Any = reduce(or_, (model.settings for model in MODELS.values()))
    return kinds  # type: ignore[no-any-return]  # a union is no type to mypy


def read(path: Path) -> Scenario:
    """Read and validate a scenario file.

    Raises ConfigError naming the file, the key and what is wrong with it.
    """
    return scenario_of(config.read_toml(path), str(path))


def scenario_of(values: object, source: str) -> Scenario:
    """Turn plain values, from a file or a manifest, into a scenario. Raises ConfigError naming what is wrong."""
    return config.convert(values, settings(), source)


def with_seed(scenario: Scenario, seed: int) -> Scenario:
    """Return the scenario with another seed. Raises ConfigError where it cannot be one."""
    return scenario_of({**msgspec.to_builtins(scenario), "seed": seed}, "--seed")


def with_days(scenario: Scenario, days: int) -> Scenario:
    """Return the scenario cut, or stretched, to ``days`` days. Raises ConfigError where it cannot be."""
    values = msgspec.to_builtins(scenario)
    calendar = {**values["calendar"], "days": days}
    whole = model_of(scenario).calendar(scenario)
    if whole.held_out:  # that part becomes shorter with the released one
        calendar["holdout_days"] = min(whole.held_out, -(-whole.held_out * days // whole.days))
    return scenario_of({**values, "calendar": calendar}, "--days")


def rendered(manifest: Manifest, figures: Iterable[card.Figure] = ()) -> str:
    """Return the card of a dataset with the limits of its model, and with the scores of its baselines if it has any."""
    model = described(manifest)
    return card.render(manifest, model.limits if model else "", figures if model and model.baselines else None)


def vocabulary(scenario: Scenario, path: Path | None) -> Any:
    """Return what a scenario's model makes of the phrase table in a file; None where it takes none.

    Raises ConfigError naming the file if it cannot be used.
    """
    load = model_of(scenario).vocabulary
    return load(scenario, path) if load is not None and path is not None else None


def held_out_days(scenario: Scenario) -> int:
    """Return how many days after the released ones a scenario holds out."""
    return model_of(scenario).calendar(scenario).held_out


def expected_rows(scenario: Scenario) -> tuple[dict[str, int], dict[str, int]]:
    """Return how many rows the released public tables will have, about, and the held-out ones, none if none are."""
    expected, held_out = model_of(scenario).expected_rows, held_out_days(scenario)
    return expected(scenario, scenario.calendar.days), expected(scenario, held_out) if held_out else {}


def seeds_of(scenario: Scenario, key: bytes | None) -> Seeds:
    """Return the roots of a scenario's draws: the seed, and a secret one for the days that are held out."""
    if key is None or not held_out_days(scenario):
        return Seeds(scenario.seed)
    return Seeds(scenario.seed, secret_root(key), scenario.calendar.days)


def phrase_table(scenario: Scenario, source: Path) -> Path | None:
    """Return the file of the phrase table that a scenario, read from ``source``, names; None if it names none.

    Raises ConfigError if there is no such file.
    """
    name = model_of(scenario).phrases
    try:
        return phrase_files.find(name(scenario), source.parent) if name is not None else None
    except ConfigError as error:
        raise ConfigError(f"{source}: {error}") from error
