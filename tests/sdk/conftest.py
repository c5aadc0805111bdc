"""The Memphis SDKs, each in a place of its own, and a broker for them. Without pip's or npm's packages they fail."""

import contextlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial

import pytest
from clients import HERE, Broker, Call, Talk, broking, called, run, talk
from filelock import FileLock
from helpers import clean

from zakar.dataset import store
from zakar.dataset.store import Dataset


@pytest.fixture(scope="session")
def python(request: pytest.FixtureRequest) -> str:
    """The Python of an environment that has the SDK."""
    folder = request.config.cache.mkdir(f"memphis-sdk-{sys.version_info.major}.{sys.version_info.minor}")
    with FileLock(folder.with_suffix(".lock")):  # tests that run beside each other share the folder
        done = run([sys.executable, str(HERE / "environment.py"), str(folder)])
    assert done.returncode == 0, f"pip could not install the Memphis SDK, which these tests run:\n{done.stderr}"
    return done.stdout.strip()


@pytest.fixture(scope="session", params=["1.0.5", "1.0.6"])
def first_python(request: pytest.FixtureRequest) -> str:
    """The Python of an environment that has an SDK of the summer of 2023, with what it was run with then."""
    folder = request.config.cache.mkdir(f"memphis-{request.param}-{sys.version_info.major}.{sys.version_info.minor}")
    with FileLock(folder.with_suffix(".lock")):
        wanted = ["requirements-2023.txt", f"memphis-py=={request.param}"]
        done = run([sys.executable, str(HERE / "environment.py"), str(folder), *wanted])
    assert done.returncode == 0, f"pip could not install memphis-py {request.param}:\n{done.stderr}"
    return done.stdout.strip()


@pytest.fixture(scope="session")
def new_python(request: pytest.FixtureRequest) -> str:
    """The Python of an environment that has the newest SDK with a nats-py as pip takes it, beyond 2.15."""
    folder = request.config.cache.mkdir(f"memphis-newest-{sys.version_info.major}.{sys.version_info.minor}")
    with FileLock(folder.with_suffix(".lock")):
        done = run([sys.executable, str(HERE / "environment.py"), str(folder), "requirements-newest.txt"])
    assert done.returncode == 0, f"pip could not install the Memphis SDK, which these tests run:\n{done.stderr}"
    return done.stdout.strip()


@pytest.fixture(scope="session")
def node() -> str:
    """Node.js, with the SDK installed beside the programs in `node/`."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.fail("no node or no npm: the tests of Memphis's Node SDK need Node.js 20 or later, with npm")
    done = run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=HERE / "node")
    assert done.returncode == 0, f"npm could not install the Memphis SDK, which these tests run:\n{done.stderr}"
    return node


@pytest.fixture(scope="session")
def sample() -> Dataset:
    """The committed output of `tiny`."""
    return store.open_dataset(str(HERE.parents[1] / "data" / "sample"))


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    """A broker as a user starts it."""
    with broking("--user", "root", "--password", "memphis") as where:
        yield where


@pytest.fixture
def sdk(python: str, broker: Broker) -> Call:
    """Have the Python SDK do something; return what came of it."""
    return lambda call, **arguments: called([python, str(HERE / "calls.py"), *broker.words, call], arguments)


@pytest.fixture
def enduring(python: str) -> Iterator[Callable[[Broker, str, str], Talk]]:
    """Have the Python SDK produce and consume at a broker until it is told to end, with the test at the latest."""
    with contextlib.ExitStack() as stack:

        def start(broker: Broker, station: str, way: str) -> Talk:
            arguments = json.dumps({"station": station, "way": way})
            command = [python, str(HERE / "calls.py"), *broker.words, "endure", arguments]
            pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
            process = stack.enter_context(subprocess.Popen(command, **pipes, encoding="utf-8", env=clean()))
            stack.callback(process.kill)
            return partial(talk, process)

        yield start


@pytest.fixture
def node_sdk(node: str, broker: Broker) -> Call:
    """Have the Node SDK do something; return what came of it."""
    return lambda call, **arguments: called([node, str(HERE / "node" / "calls.js"), *broker.words, call], arguments)
