"""Messages such as zakar loads, made where they are needed."""

import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from zakar.dataset import store, wire
from zakar.dataset.schema import READINGS, TWEETS
from zakar.models import registry, scenario_files
from zakar.simulation.run import simulate

_SCENARIO = "tiny"
_TABLES = {"readings": READINGS, "posts": TWEETS}


def messages() -> dict[str, list[bytes]]:
    """Return a small dataset's readings and posts, by kind, as they are sent; it takes a second."""
    path = scenario_files.find(_SCENARIO)
    with tempfile.TemporaryDirectory(prefix="zakar-lab-") as folder, ThreadPoolExecutor(1) as executor:
        where = Path(folder) / _SCENARIO
        simulate(registry.read(path), path, where, executor)
        dataset = store.open_dataset(str(where))
        return {
            kind: [payload.as_py() for batch in store.batches(dataset, table) for payload in wire.encode(batch)]
            for kind, table in _TABLES.items()
        }
