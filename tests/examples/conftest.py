"""Stations that hold the sample, and examples run as a participant runs them; no test here has a time limit."""

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from helpers import clean, load

from zakar.broker.access import Access
from zakar.broker.server import ServerSettings, running
from zakar.dataset import store
from zakar.dataset.schema import PUBLIC
from zakar.loader.options import PublishOptions

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "data" / "sample"

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def stations() -> Iterator[str]:
    """The address of a broker whose stations hold the sample."""
    with running(ServerSettings()) as server:
        asyncio.run(load(store.open_dataset(str(SAMPLE)), Access((server.url,)), PUBLIC, PublishOptions()))
        yield server.url


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run an example by its number, with some of its text replaced as by somebody who edits a copy."""

    def start(number: str, *words: str, edit: dict[str, str] | None = None, **environment: str):
        (path,) = (ROOT / "examples").glob(f"{number}_*.py")
        if edit:
            text = path.read_text(encoding="utf-8")
            for before, after in edit.items():
                assert before in text
                text = text.replace(before, after)
            path = tmp_path / path.name
            path.write_text(text, encoding="utf-8")
        return subprocess.run(
            [sys.executable, str(path), *words],
            capture_output=True,
            encoding="utf-8",
            check=False,
            cwd=ROOT,
            env=clean() | {"PYTHONUTF8": "1"} | environment,
        )

    return start
