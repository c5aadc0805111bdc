"""`zakar lab run` as a user types it, with what cannot be, and what is left of it when it is interrupted."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace

import msgspec
import psutil
import pytest
from helpers import clean

from zakar.__main__ import main
from zakar.errors import ConfigError
from zakar.lab import run
from zakar.lab.lesson import Lesson, Machine, Record

DONE = Lesson(9, "done", "Done before", "Was it?", "Yes.", "It was.")
RECORD = Record(DONE, Machine("here", 2, "3.11", {}), None, True, "2026-01-02T03:04:05+00:00", 1.0)

Lab = Callable[..., tuple[int, str]]


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Lab:
    """`zakar lab run` with further words, in an empty folder: its exit code and what it complains of."""
    monkeypatch.chdir(tmp_path)
    sdk = ModuleType("memphis")  # as if installed: nothing here gets as far
    sdk.__spec__ = ModuleSpec("memphis", None)
    monkeypatch.setitem(sys.modules, "memphis", sdk)

    def done(*words: str) -> tuple[int, str]:
        monkeypatch.setattr("sys.argv", ["zakar", "lab", "run", *words])
        with pytest.raises(SystemExit) as exit_:
            main()
        said = capsys.readouterr()
        assert said.out == ""
        assert len(said.err.splitlines()) == 1
        return exit_.value.code, said.err

    return done


# What cannot be.


@pytest.mark.parametrize("word", ["latencie", "0", "99", "-1.5", "²", ""])
def test_a_lesson_that_does_not_exist_is_answered_with_those_that_do(lab: Lab, tmp_path: Path, word: str) -> None:
    code, said = lab("--", word)
    assert code == 2
    assert said.startswith(f"zakar: there is no lesson `{word}`; there are 1 latency")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("word", ["moon", ""])
def test_a_link_that_does_not_exist_is_answered_with_those_that_do(lab: Lab, tmp_path: Path, word: str) -> None:
    code, said = lab("latency", "--link", word)
    assert code == 2
    assert f"no link preset named `{word}`" in said
    assert "slow-dsl" in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('description = "x"\n[up]\ndelay_ms = -1\n[down]\ndelay_ms = 0', "up.delay_ms"),
        ('description = "x"\n[up]\ndelay_ms = 1', "`down` is missing"),
        ('description = "x"\n[up]\ndelay_ms = 1\nrate_mbit = 0\n[down]\ndelay_ms = 0', "up.rate_mbit"),
        ('description = "x"\nspeed = 1', "speed"),
        ("[up", "not valid TOML"),
    ],
)
def test_a_link_that_cannot_be_is_told_by_its_file_and_key(lab: Lab, tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
    code, complaint = lab("latency", "--link", "mine.toml")
    assert code == 2
    assert complaint.startswith("zakar: mine.toml: ")
    assert said in complaint
    assert [path.name for path in tmp_path.iterdir()] == ["mine.toml"]


def test_a_port_in_use_is_the_servers_refusal(lab: Lab, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        code, said = lab("latency", "--port", str(taken.getsockname()[1]))
    assert code == 3
    assert "nats-server did not start" in said
    assert "address already in use" in said
    assert list(tmp_path.iterdir()) == []


def test_without_the_sdk_it_is_said_how_to_install_it(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "memphis", None)  # as if not installed
    code, said = lab("latency")
    assert code == 2
    assert "pip install 'zakar[lab]'" in said
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_named(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    code, said = lab("latency", "--out", "file")
    assert code == 2
    assert said.startswith("zakar: --out file: cannot be written")


def test_a_folder_that_cannot_be_written_to_is_named_before_anything_is_measured(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(**_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("zakar.lab.run.tempfile", SimpleNamespace(TemporaryFile=refused))
    code, said = lab("latency")
    assert code == 2
    assert said == "zakar: --out lab: cannot be written: Permission denied\n"


# Interrupted.


def test_a_lesson_that_was_finished_is_kept_whatever_becomes_of_the_next(tmp_path: Path) -> None:
    def interrupted(_bench: object) -> Lesson:
        raise KeyboardInterrupt

    bench = SimpleNamespace(link=None, quick=True, tell=print)
    with pytest.raises(KeyboardInterrupt):
        list(run.following({"done": lambda _bench: DONE, "next": interrupted}, bench, tmp_path, lambda: 0.0))
    assert [path.name for path in tmp_path.iterdir()] == ["9-done.json"]
    assert [record.lesson for record in run.kept(tmp_path)] == [DONE]


def test_a_record_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"9-done\.json: cannot be written"):
        run.keep(RECORD, tmp_path / "nowhere")


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["bare loopback", "a round trip of 33 ms"])
def test_an_interrupted_lab_leaves_no_process_and_no_store_and_keeps_what_it_finished(
    tmp_path: Path, moment: str
) -> None:
    results, store, told = tmp_path / "lab", tmp_path / "tmp", tmp_path / "told"
    results.mkdir()
    store.mkdir()
    run.keep(RECORD, results)
    with told.open("wb") as sink:
        process = subprocess.Popen(
            [sys.executable, "-m", "zakar", "lab", "run", "latency", "--quick", "--out", str(results)],
            stdout=sink,
            stderr=sink,
            env=clean() | dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(store)),
            # As at a terminal: Ctrl-C is for all that runs there.
            start_new_session=True,
            preexec_fn=None if sys.platform == "win32" else lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
    while moment not in told.read_text(encoding="utf-8"):
        assert process.poll() is None, told.read_text(encoding="utf-8")
        time.sleep(0.02)
    time.sleep(0.2)  # it is in the middle of that now
    helpers = psutil.Process(process.pid).children(recursive=True)
    assert any("nats-server" in helper.name() for helper in helpers)
    assert any(store.iterdir())
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait() == 130
    assert psutil.wait_procs(helpers, 10)[1] == []
    assert list(store.iterdir()) == []
    assert [path.name for path in results.iterdir()] == ["9-done.json"]
    assert msgspec.json.decode((results / "9-done.json").read_bytes(), type=Record) == RECORD
    said = told.read_text(encoding="utf-8").splitlines()
    assert all(line.startswith(("lesson 1 of 1, latency", "latency: ")) for line in said[:-1])
    assert said[-1] == f"interrupted; the lessons that were finished are kept in {results}"
