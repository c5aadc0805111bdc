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
from zakar.models.classic import model as classic
from zakar.models.island import model as island
from zakar.models.model import Model
from zakar.models.shared.settings import Scenario

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
