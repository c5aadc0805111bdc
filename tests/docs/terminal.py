"""Pages of docs/ as somebody follows them: their sections, and a terminal that types what they say."""

import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from helpers import clean, free_port

ROOT = Path(__file__).parents[2]
PROGRAMS = {"zakar": ["-m", "zakar"], "python": [], "streamlit": ["-m", "streamlit"]}
# What differs from run to run, and from machine to machine.
VARIES = r"[\d.,]+(?= (?:ms|s|MB/s|messages/s)\b)|(?<=nats-server )[\d.]+"


def sections(page: str) -> dict[str, str]:
    """A page of docs/ by its headings."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return dict(re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))


def blocks(section: str) -> Iterator[tuple[str, str]]:
    """The fenced blocks of a section's text: language and text."""
    yield from re.findall(r"^```(\w+)\n(.*?)^```", section, re.MULTILINE | re.DOTALL)


def same(text: str) -> list[list[str]]:
    """A text as it is compared: without what varies, and however wide its columns are."""
    return [re.sub(VARIES, "N", line).split() for line in text.strip().splitlines()]


class Terminal:
    """Somebody's terminal, in a folder with the project's examples: types what the page says, and goes on."""

    def __init__(self, folder: Path, environment: dict[str, str], places: dict[str, str] | None = None) -> None:
        self._folder, self._environment = folder, clean() | {"PYTHONUTF8": "1", "COLUMNS": "80"} | environment
        self._places = places or {}  # what stands for an address of the page
        self._running: list[subprocess.Popen[bytes]] = []
        shutil.copytree(ROOT / "examples", folder / "examples")
        shutil.copytree(ROOT / ".streamlit", folder / ".streamlit")

    def section(self, section: str) -> None:
        """Type the commands of a section's text, and compare what the last of a block says with the text below it."""
        said = ""
        for language, text in blocks(section):
            if language == "sh":
                for line in text.strip().splitlines():
                    said = self._type(line)
            elif language == "text":
                assert same(said) == same(text)

    def _type(self, line: str) -> str:
        for shown, there in self._places.items():
            line = line.replace(shown, there)
        words = shlex.split(line, comments=True)
        if words[0] == "export":
            name, _, value = words[1].partition("=")
            self._environment[name] = value
            return ""
        command = [sys.executable, *PROGRAMS[words[0]], *words[1:]]
        if words[:2] in (["zakar", "broker"], ["streamlit", "run"]):
            self._start(command)
            return ""
        done = subprocess.run(
            command, cwd=self._folder, env=self._environment, capture_output=True, encoding="utf-8", check=False
        )
        assert done.returncode == 0, (line, done.stdout, done.stderr)
        for shown, there in self._places.items():
            done.stdout = done.stdout.replace(there, shown)
        return done.stdout

    def _start(self, command: list[str]) -> None:
        """Start what goes on running, on a free port, and go on once it is ready."""
        port = free_port()
        streamlit = "streamlit" in command
        more = ["--server.port", str(port), "--server.headless", "true"] if streamlit else ["--port", str(port)]
        if not streamlit:
            self._environment["NATS_URL"] = f"nats://127.0.0.1:{port}"
            self._places["nats://127.0.0.1:6666"] = f"nats://127.0.0.1:{port}"
        told = self._folder / f"{port}.txt"
        with told.open("wb") as sink:
            process = subprocess.Popen(
                [*command, *more], cwd=self._folder, env=self._environment, stdout=sink, stderr=sink
            )
        self._running.append(process)
        while ("URL: " if streamlit else "broker ready") not in told.read_text(encoding="utf-8"):
            assert process.poll() is None, told.read_text(encoding="utf-8")
            time.sleep(0.05)

    def close(self) -> None:
        for process in self._running:
            process.terminate()
            process.wait()
