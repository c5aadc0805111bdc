"""Where a broker is and who is asking: options, variables and contexts, held against real servers."""

import json
from pathlib import Path

import pytest
import trustme
from helpers import served, zakar

from zakar.broker.access import Access
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
