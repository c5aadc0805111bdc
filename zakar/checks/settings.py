"""The scenario that a dataset was made by, as its manifest has it."""

from typing import TypeVar

from zakar import config
from zakar.dataset import manifest
from zakar.dataset.schema import Table
from zakar.dataset.store import Dataset
from zakar.errors import ConfigError, MismatchError
from zakar.models import registry
from zakar.models.shared.settings import Scenario

_S = TypeVar("_S", bound=Scenario)


def scenario_of(dataset: Dataset) -> Scenario:
    """Return a dataset's scenario. Raises MismatchError naming the manifest if it cannot be read."""
    return of_model(dataset, registry.settings())


def of_model(dataset: Dataset, settings: type[_S]) -> _S:
    """Return a dataset's scenario, which is one of a model with such settings. Raises as ``scenario_of`` does."""
    try:
        return config.convert(dataset.manifest.scenario, settings, "scenario")
    except ConfigError as error:
        raise MismatchError(f"{dataset.root}/{manifest.NAME}: {error}; simulate the dataset again") from error


def truth(dataset: Dataset) -> tuple[Table, ...]:
    """Return the tables of the truth that a dataset's model makes; none of a model that nobody knows."""
    model = registry.described(dataset.manifest)
    return model.truth if model is not None else ()
