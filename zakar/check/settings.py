"""The scenario that a dataset was made by, as its manifest has it."""

from zakar import scenario as scenarios
from zakar.dataset import manifest
from zakar.dataset.store import Dataset
from zakar.errors import ConfigError, MismatchError
from zakar.scenario import Scenario


def scenario_of(dataset: Dataset) -> Scenario:
    """Return a dataset's scenario. Raises MismatchError naming the manifest if it cannot be read."""
    try:
        return scenarios.scenario_of(dataset.manifest.scenario, "scenario")
    except ConfigError as error:
        raise MismatchError(f"{dataset.root}/{manifest.NAME}: {error}; simulate the dataset again") from error
