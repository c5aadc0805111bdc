"""A small dataset for the tests that only read one; no test here has a time limit."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import settings
from making import simulated, tiny

settings.register_profile("zakar", deadline=None)
settings.load_profile("zakar")


@pytest.fixture(scope="session")
def one_worker() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as executor:
        yield executor


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a dataset of 49 days in three parts; copy it before changing it."""
    out = tmp_path_factory.mktemp("pristine") / "dataset"
    simulated(out, tiny(calendar={"days": 49}), block_days=21)
    return out
