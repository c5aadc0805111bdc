"""Datasets for live tests: the committed sample, and what a scenario comes to."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from zakar.dataset import store
from zakar.dataset.store import Dataset
from zakar.models import registry, scenario_files
from zakar.simulation.run import simulate

SAMPLE = Path(__file__).parents[2] / "data" / "sample"


def simulated(name: str, out: Path, seed: int | None = None, days: int | None = None) -> Dataset:
    """Simulate a scenario that comes with zakar, with another seed or number of days if one is given."""
    path = scenario_files.find(name)
    settings = registry.read(path)
    if seed is not None:
        settings = msgspec.structs.replace(settings, seed=seed)
    if days is not None:
        settings = registry.with_days(settings, days)
    with ThreadPoolExecutor(1) as executor:
        simulate(settings, path, out, executor)
    return store.open_dataset(str(out))
