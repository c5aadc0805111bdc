"""A console never changes an answer or its exit code: whatever letters it knows, however narrow it is, or closed."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers import clean, zakar

from zakar.broker.server import ServerSettings, running
from zakar.dataset.store import Dataset

pytestmark = pytest.mark.slow

CONSOLES = {
    "ascii": {"PYTHONIOENCODING": "ascii"},
    "cp1252": {"PYTHONIOENCODING": "cp1252"},
    "cp437": {"PYTHONIOENCODING": "cp437:strict"},
    "utf-16": {"PYTHONIOENCODING": "utf-16"},
    "C": {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "60 columns": {"COLUMNS": "60"},
    "20 columns": {"COLUMNS": "20", "PYTHONIOENCODING": "ascii"},
}


@pytest.fixture(scope="module")
def named(sample: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample in a folder whose name no ASCII console can write."""
    folder = tmp_path_factory.mktemp("console") / "größe-✓"
    shutil.copytree(sample.root, folder)
    return folder


@pytest.fixture(scope="module")
def server(named: Path) -> Iterator[str]:
    with running(ServerSettings()) as server:
        assert zakar("load", str(named), "--server", server.url, "--tables", "fire_alerts").returncode == 0
        yield server.url


def _commands(named: Path, server: str) -> dict[str, list[str]]:
    return {
        "schema": ["schema"],
        "schema --json": ["schema", "--json"],
        "verify what is there": ["verify", str(named), "--server", server, "--tables", "fire_alerts"],
        "verify what lacks": ["verify", str(named), "--server", server],
        "verify --json": ["verify", str(named), "--server", server, "--json"],
        "consume": ["consume", "zakar-fire-alerts", "--limit", "3", "--server", server],
        "doctor": ["doctor", str(named), "--server", server, "--json"],
        "dry run": ["load", str(named), "--server", server, "--dry-run", "--json"],
        "check": ["check", str(named), "--json"],
        "consume to a file": ["consume", "zakar-fire-alerts", "--out", str(named / "ö.parquet"), "--server", server],
        "report": ["report", str(named), "--out", str(named.parent / "ü.html")],
        "publish": ["publish", str(named), "--out", str(named.parent / "weg-ä"), "--overwrite"],
        "simulate": ["simulate", "tiny", "--out", str(named.parent / "köln"), "--overwrite", "--json"],
        "no such folder": ["verify", f"{named}-☃", "--server", server],
    }


def _run(words: list[str], **environment: str) -> "subprocess.CompletedProcess[bytes]":
    command = [sys.executable, "-m", "zakar", *words]
    return subprocess.run(command, capture_output=True, check=False, env=clean() | environment)


def _answer(words: list[str], output: bytes, encoding: str) -> object:
    """What a command says, without what depends on when it is asked, or on where lines are broken."""
    text = output.decode(encoding)
    if "--json" in words:
        report = json.loads(text)
        return {key: value for key, value in report.items() if not re.search("second|bytes_per|messages_per", key)}
    return re.findall(r"\w", text)  # words are broken where a column is narrow


@pytest.mark.parametrize("console", CONSOLES)
def test_a_console_changes_no_answer_and_no_exit_code(named: Path, server: str, console: str):
    encoding = CONSOLES[console].get("PYTHONIOENCODING", "utf-8").partition(":")[0]
    for name, words in _commands(named, server).items():
        usual, here = _run(words, COLUMNS="200"), _run(words, **CONSOLES[console])
        assert here.returncode == usual.returncode, (name, here.stderr)
        assert b"Traceback" not in here.stderr, name
        if name != "consume":
            heard = _answer(words, here.stdout, encoding)
            said = _answer(words, usual.stdout, "utf-8")
            assert sorted(map(str, heard)) == sorted(map(str, said)), name
        else:
            assert here.stdout == usual.stdout  # a station's own bytes


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"] if os.name == "posix" else [])
def test_a_stream_that_is_closed_changes_no_exit_code(named: Path, server: str, closed: str):
    for name, words in _commands(named, server).items():
        usual = _run(words)
        here = subprocess.run(
            ["/bin/sh", "-c", f'"$@" {closed}', "sh", sys.executable, "-m", "zakar", *words],
            capture_output=True,
            check=False,
            env=clean(),
        )
        assert here.returncode == usual.returncode, (name, here.stderr)
        assert b"Traceback" not in here.stderr, name


def test_the_table_of_verify_is_whole_on_80_columns(named: Path, server: str):
    told = _run(["verify", str(named), "--server", server], COLUMNS="80").stdout.decode()
    assert [line.split()[0] for line in told.splitlines()] == [
        "station", "tweets", "temperature-readings", "fire-alerts"
    ]  # fmt: skip
