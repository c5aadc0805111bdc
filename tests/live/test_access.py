"""Where a broker is and who is asking: options, variables and contexts, held against real servers."""

import contextlib
import json
import os
import re
import shutil
import signal
from pathlib import Path

import pytest
import trustme
from helpers import free_port, served, started, zakar
from operators import Operator

from zakar.broker.access import Access
from zakar.broker.server import ServerSettings, running
from zakar.dataset.store import Dataset
from zakar.errors import ConfigError


def _tls(folder: Path) -> tuple[str, Path]:
    """Lines of server configuration for a certificate of 127.0.0.1, without the closing brace; its authority's file."""
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    ca, cert, key = (folder / name for name in ("ca.pem", "server.pem", "server.key"))
    authority.cert_pem.write_to_path(ca)
    certificate.cert_chain_pems[0].write_to_path(cert)
    certificate.private_key_pem.write_to_path(key)
    return f"tls {{ cert_file: {json.dumps(str(cert))}, key_file: {json.dumps(str(key))}, ", ca


@pytest.mark.parametrize("by", ["--tls-first", "--tlsfirst", "context"])
def test_a_server_that_wants_tls_before_its_greeting_is_loaded(sample: Dataset, tmp_path: Path, by: str):
    tls, ca = _tls(tmp_path)
    with served(tls + "handshake_first: true }", tmp_path) as address:
        options = ["--server", address, "--tlsca", str(ca), by]
        if by == "context":
            context = tmp_path / "nats" / "context" / "mine.json"
            context.parent.mkdir(parents=True)
            context.write_text(json.dumps({"url": address, "ca": str(ca), "tls_first": True}))
            options = ["--context", "mine"]
        done = zakar("load", str(sample.root), *options, "--tables", "fire_alerts", XDG_CONFIG_HOME=str(tmp_path))
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("by", ["option", "context"])
def test_a_user_who_hears_answers_below_a_prefix_of_their_own_loads_and_verifies(
    sample: Dataset, tmp_path: Path, by: str
):
    hears = 'permissions: { subscribe: ["_INBOX_ana.>", "zakar.>"] }'
    with served(f"authorization {{ users: [{{ user: ana, password: pw, {hears} }}] }}", tmp_path) as address:
        options = ["--server", address, "--user", "ana", "--password", "pw", "--inbox-prefix", "_INBOX_ana"]
        if by == "context":
            context = tmp_path / "nats" / "context" / "mine.json"
            context.parent.mkdir(parents=True)
            values = {"url": f"nats://{address}", "user": "ana", "password": "pw", "inbox_prefix": "_INBOX_ana"}
            context.write_text(json.dumps(values))
            options = ["--context", "mine"]
        for command in ("load", "verify"):
            done = zakar(command, str(sample.root), *options, XDG_CONFIG_HOME=str(tmp_path))
            assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("prefix", ["a b", "a.", ".a", "a..b", "_INBOX.*", ">", " "])
def test_what_begins_no_subject_is_no_prefix_of_inboxes(prefix: str):
    with pytest.raises(ConfigError, match="--inbox-prefix"):
        Access(inbox_prefix=prefix)


@pytest.mark.parametrize(
    "content", ["", "-----BEGIN NATS USER JWT-----\neyJh.eyJi.c\n", "-----BEGIN USER NKEY SEED-----\n"]
)
@pytest.mark.parametrize("option", ["--creds", "--nkey"])
def test_a_file_that_is_incomplete_ends_in_a_sentence_at_once(tmp_path: Path, content: str, option: str):
    file = tmp_path / "x.creds"
    file.write_text(content)
    done = zakar("doctor", "--server", "nats://127.0.0.1:1", option, str(file))
    assert done.returncode == 2
    assert re.fullmatch(rf"zakar: {option}: (holds|its) [^\n]*\n", done.stderr), done.stderr


def test_ctrl_c_ends_a_command_that_waits_for_its_credentials(tmp_path: Path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    # Once ours is open, the command has opened it too, and reads.
    with started("doctor", "--creds", str(pipe)) as process, pipe.open("w"):
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130


def test_tls_is_spoken_to_a_server_that_offers_it_and_asks_for_none(sample: Dataset, tmp_path: Path):
    tls, ca = _tls(tmp_path)
    with served(tls + "}\nallow_non_tls: true", tmp_path) as address:
        done = zakar("doctor", "--server", f"tls://{address}", "--tlsca", str(ca), "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["tls"]


@pytest.mark.slow
@pytest.mark.parametrize("by", ["--js-domain", "--js-api-prefix", "context"])
def test_a_domain_behind_a_leaf_node_is_loaded_verified_and_read(sample: Dataset, tmp_path: Path, by: str):
    port = free_port()
    configs = {
        "hub": f'leafnodes {{ listen: "127.0.0.1:{port}" }}',
        "leaf": f'leafnodes {{ remotes: [{{ url: "nats://127.0.0.1:{port}" }}] }}',
    }
    with contextlib.ExitStack() as stack:
        at: dict[str, str] = {}
        for name, config in configs.items():
            (tmp_path / name).mkdir()
            stores = f"jetstream {{ domain: {name}, store_dir: {json.dumps((tmp_path / name / 'js').as_posix())} }}"
            at[name] = stack.enter_context(served(f"{stores}\n{config}", tmp_path / name))
        options = {"--js-domain": ["--js-domain", "hub"], "--js-api-prefix": ["--js-api-prefix", "$JS.hub.API."]}
        where = ["--server", at["leaf"], *options.get(by, [])]
        if by == "context":
            saved = tmp_path / "mine.json"
            saved.write_text(json.dumps({"url": at["leaf"], "jetstream_domain": "hub"}))
            where = ["--context", str(saved)]

        def known() -> bool:
            return zakar("doctor", *where).returncode == 0

        while not known():  # until the leaf has joined the hub
            pass
        tables = ["--tables", "fire_alerts"]
        done = zakar("load", str(sample.root), *tables, *where)
        assert done.returncode == 0, done.stderr
        assert zakar("verify", str(sample.root), *tables, *where).returncode == 0
        assert zakar("verify", str(sample.root), *tables, "--server", at["hub"]).returncode == 0
        assert zakar("consume", "zakar-fire-alerts", *where).stdout.count("\n") == 67
        missing = zakar("verify", str(sample.root), *tables, "--server", at["leaf"])
        assert missing.returncode == 1, missing.stderr


def test_a_domain_that_is_not_there_is_named(tmp_path: Path):
    with served("", tmp_path) as address:
        done = zakar("doctor", "--server", address, "--js-domain", "nowhere")
    assert done.returncode == 3
    assert "$JS.nowhere.API" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("address", ["NATS://127.0.0.1:{}", "Nats://127.0.0.1:{}/", "nats://LOCALHOST:{}?a=b"])
def test_what_is_printed_of_an_address_and_what_is_used_are_the_same(tmp_path: Path, address: str):
    with served("", tmp_path) as at:
        done = zakar("doctor", "--server", address.format(at.rpartition(":")[2]), "--json")
        assert done.returncode == 0, done.stderr
        assert zakar("doctor", "--server", json.loads(done.stdout)["server"]).returncode == 0


def test_what_goes_first_is_said_where_something_else_was_given(tmp_path: Path):
    file = tmp_path / "x.creds"
    file.write_text(Operator().member().creds)
    saved = tmp_path / "mine.json"
    with running(ServerSettings(user="ana", password="pw")) as server:
        saved.write_text(json.dumps({"url": server.url, "user": "ana", "password": "pw"}))
        done = zakar("doctor", "--context", str(saved), "--creds", str(file))
        assert done.returncode == 0
        assert re.search(r"--creds is not used: .*mine\.json: `user` goes first, as with the nats tool", done.stderr)
        (tmp_path / "nats" / "context").mkdir(parents=True)
        shutil.copy(saved, tmp_path / "nats" / "context" / "mine.json")
        (tmp_path / "nats" / "context.txt").write_text("mine")
        beside = zakar("doctor", "--server", server.url, XDG_CONFIG_HOME=str(tmp_path))
        assert beside.returncode == 0
        assert "the selected context `mine` says the rest of the connection" in beside.stderr
        assert zakar("doctor", "-s", server.url, "--no-context", XDG_CONFIG_HOME=str(tmp_path)).returncode == 3
