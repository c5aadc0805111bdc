"""The participant's page: each command is typed as it stands there, and says what the page says it does."""

import json
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from helpers import clean, free_port
from operators import tiered

from zakar.broker.server import ServerSettings, running
from zakar.lab import link, preset

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "participants.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
PROGRAMS = {"zakar": ["-m", "zakar"], "python": [], "streamlit": ["-m", "streamlit"]}
# What differs from run to run, and from machine to machine.
VARIES = r"[\d.,]+(?= (?:ms|s|MB/s|messages/s)\b)|(?<=nats-server )[\d.]+"

pytestmark = pytest.mark.slow  # they need what `pip install '.[examples]'` brings


def blocks(section: str) -> Iterator[tuple[str, str]]:
    """The fenced blocks of a section: language and text."""
    yield from re.findall(r"^```(\w+)\n(.*?)^```", SECTIONS[section], re.MULTILINE | re.DOTALL)


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

    def section(self, name: str) -> None:
        """Type the commands of a section, and compare what the last of a block says with the text below it."""
        said = ""
        for language, text in blocks(name):
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


def test_installing_is_what_the_continuous_integration_does():
    ((language, text),) = blocks("Install")
    assert language == "sh"
    assert ".[examples]" in text
    assert ",examples]" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_a_participant_comes_from_nothing_to_a_first_prediction_by_typing_what_the_page_says(tmp_path: Path):
    here = [name for name in SECTIONS if name not in {"Install", "A cloud account"}]
    assert here[0] == "Get the data, or make it"
    terminal = Terminal(tmp_path, {})
    try:
        for name in here:
            terminal.section(name)
    finally:
        terminal.close()


def test_a_participant_with_a_cloud_account_sees_what_the_page_shows(tmp_path: Path):
    """A server with TLS, an account and its limits, at the end of a slow long line."""
    authority = trustme.CA()
    cert = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    cert.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    cert.private_key_pem.write_to_path(tmp_path / "key.pem")
    limits = {"disk_storage": 1 << 30, "streams": 10, "disk_max_stream_bytes": 0}
    account, _ = tiered(tmp_path, R1=limits)
    settings = ServerSettings(
        tls_cert=tmp_path / "cert.pem", tls_key=tmp_path / "key.pem", websocket_port=0, extra=account
    )
    far = preset.read("slow-dsl").settings
    with (
        running(settings) as server,
        link.running(server.url, far) as tcp,
        link.running(server.websocket_url, far) as websocket,
    ):
        places = {
            "tls://connect.example.org:4222": tcp.url("tls"),
            "wss://connect.example.org:443": websocket.url("wss"),
        }
        ((context),) = [text for language, text in blocks("A cloud account") if language == "json"]
        for shown, there in places.items():
            context = context.replace(shown, there)
        contexts = tmp_path / ".config" / "nats" / "context"
        contexts.mkdir(parents=True)
        (contexts / "cloud.json").write_text(json.dumps(json.loads(context)))
        home = {"HOME": str(tmp_path), "USERPROFILE": str(tmp_path), "XDG_CONFIG_HOME": ""}
        terminal = Terminal(tmp_path, home, places)
        shutil.copytree(ROOT / "data" / "sample", tmp_path / "data" / "tiny")
        terminal.section("A cloud account")


@pytest.mark.parametrize("quoted", re.findall(r"^\| `(.*?)` \|", PAGE, re.MULTILINE))
def test_what_the_table_says_is_said_somewhere(quoted: str):
    parts = [part.strip() for part in quoted.split("...")]
    sources = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "zakar").rglob("*.py"))
    outside = {"certificate verify failed", "stream not found"}  # OpenSSL's words, the server's
    assert all(part in sources or part in outside for part in parts), parts
