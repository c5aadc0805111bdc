"""The participant's page: each command is typed as it stands there, and says what the page says it does."""

import json
import re
import shutil
from pathlib import Path

import pytest
import trustme
from operators import tiered
from terminal import ROOT, Terminal, blocks, sections

from zakar.broker.server import ServerSettings, running
from zakar.lab import link, preset

PAGE = (ROOT / "docs" / "participants.md").read_text(encoding="utf-8")
SECTIONS = sections("participants.md")
pytestmark = pytest.mark.slow  # they need what `pip install '.[examples]'` brings


def test_installing_is_what_the_continuous_integration_does():
    ((language, text),) = blocks(SECTIONS["Install"])
    assert language == "sh"
    assert ".[examples]" in text
    assert ",examples]" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_a_participant_comes_from_nothing_to_a_first_prediction_by_typing_what_the_page_says(tmp_path: Path):
    here = [name for name in SECTIONS if name not in {"Install", "A cloud account"}]
    assert here[0] == "Get the data, or make it"
    terminal = Terminal(tmp_path, {})
    try:
        for name in here:
            terminal.section(SECTIONS[name])
    finally:
        terminal.close()


def test_programs_of_2023_have_a_broker_and_stations_by_typing_what_the_page_says(tmp_path: Path):
    shutil.copytree(ROOT / "data" / "sample", tmp_path / "data" / "tiny")
    terminal = Terminal(tmp_path, {})
    try:
        terminal.section(sections("memphis.md")["Programs of 2023"])
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
        ((context),) = [text for language, text in blocks(SECTIONS["A cloud account"]) if language == "json"]
        for shown, there in places.items():
            context = context.replace(shown, there)
        contexts = tmp_path / ".config" / "nats" / "context"
        contexts.mkdir(parents=True)
        (contexts / "cloud.json").write_text(json.dumps(json.loads(context)))
        home = {"HOME": str(tmp_path), "USERPROFILE": str(tmp_path), "XDG_CONFIG_HOME": ""}
        terminal = Terminal(tmp_path, home, places)
        shutil.copytree(ROOT / "data" / "sample", tmp_path / "data" / "tiny")
        terminal.section(SECTIONS["A cloud account"])


def test_what_a_node_program_needs_is_what_the_tests_install():
    page = (ROOT / "docs" / "memphis.md").read_text(encoding="utf-8")
    (words,) = re.findall(r"`npm install ([^`]*)`", page)
    package = json.loads((ROOT / "tests" / "sdk" / "node" / "package.json").read_text(encoding="utf-8"))
    assert set(words.split()) == {name for name in package["dependencies"] if not name.startswith("@nats-io/")}


@pytest.mark.parametrize("quoted", re.findall(r"^\| `(.*?)` \|", PAGE, re.MULTILINE))
def test_what_the_table_says_is_said_somewhere(quoted: str):
    parts = [part.strip() for part in quoted.split("...")]
    sources = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "zakar").rglob("*.py"))
    outside = {"certificate verify failed", "stream not found"}  # OpenSSL's words, the server's
    assert all(part in sources or part in outside for part in parts), parts
