"""No command prints a secret, whatever it is written into, and however wrong."""

import base64
import contextlib
import io
import json
import os
import re
import tempfile
import traceback
from pathlib import Path

import pytest
from helpers import free_port, zakar
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from zakar.broker.server import ServerSettings, running
from zakar.cli.main import app

SAMPLE = str(Path(__file__).parents[2] / "data" / "sample")
COMMANDS = {
    "load": ["load", SAMPLE],
    "dry run": ["load", SAMPLE, "--dry-run", "--json"],
    "verify": ["verify", SAMPLE, "--json"],
    "consume": ["consume", "zakar-fire-alerts"],
    "doctor": ["doctor"],
    "responder": ["broker", "--memphis"],
}
KEYS = {
    "url": ("--server", "NATS_URL"),
    "password": ("--password", "NATS_PASSWORD"),
    "token": ("--token", "NATS_TOKEN"),
    "creds": ("--creds", "NATS_CREDS"),
    "nkey": ("--nkey", "NATS_NKEY"),
    "user_jwt": ("--jwt", "NATS_JWT"),
    "user_seed": ("--seed", "NATS_SEED"),
    "key": ("--tlskey", "NATS_KEY"),
    "socks_proxy": ("", "NATS_SOCKS_PROXY"),
    "nsc": ("", ""),
}
WORD = st.from_regex("Q[A-Z0-9]{9}", fullmatch=True)
SECRET = st.lists(WORD, min_size=1, max_size=3).flatmap(
    lambda words: st.sampled_from("/+=@:%#?&[] $~.,;\\'\"<ö\n").map(lambda mark: mark.join(words))
)
SHAPES = (
    *("{0}", "  {0}", "{0}.creds", "/nowhere/{0}", "~/{0}", "$HOME/{0}", "./{0}/", "{0}:x", "{0}://x", "C:\\{0}"),
    *("file://{0}", "file:{0}", "env://{0}", "ENV://{0}", "op://{0}/x", "nsc://{0}", "vault://{0}", "s3://{0}/x"),
    *("data:;base64,{0}", "data:,{0}", "data:{0}", "data:text/plain;base64,{0}*", "data:;base64,{1}", "{2}"),
    *("-----BEGIN USER NKEY SEED-----\n{0}\n------END------", "eyJhbGciOiJub25lIn0.eyJ{0}.x", "SU{0}", "{0}\0"),
    *("nats://ana:{0}@127.0.0.1:1", "nats://{0}@127.0.0.1:1", "ana:{0}@127.0.0.1:1", "TLS://ana:{0}@127.0.0.1:1"),
    *("ws://ana:{0}@127.0.0.1:1", "memphis://ana:{0}@127.0.0.1:1", "memphis://ana:{0}@127.0.0.1:1?account={0}"),
    *("nats://127.0.0.1:1,nats://ana:{0}@127.0.0.1:1", "http://ana:{0}@127.0.0.1:1", "nats://ana:{0}@127.0.0.1:{0}"),
    *("nats:/ana:{0}@127.0.0.1", "nats://ana:{0}@", "nats://ana:{0}@[::1", "nats://ana:{0}", "{0}@:x"),
)


def _said(words: list[str], env: dict[str, str]) -> str:
    """Return all that a command prints, and what it raises."""
    output = io.StringIO()
    before = dict(os.environ)
    try:
        os.environ.update(env)
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            app(words, standalone_mode=False)
    except BaseException as error:
        return output.getvalue() + "".join(traceback.format_exception(error, limit=0)) + repr(error)
    finally:
        os.environ.clear()
        os.environ.update(before)
    return output.getvalue()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    secret=SECRET,
    shape=st.sampled_from(SHAPES),
    key=st.sampled_from(sorted(KEYS)),
    by=st.sampled_from(["option", "variable", "context"]),
    command=st.sampled_from(sorted(COMMANDS)),
    user=st.booleans(),
)
def test_a_secret_is_never_printed(secret: str, shape: str, key: str, by: str, command: str, user: bool):
    assume(key != "url" or "nats:" in shape or "@" in shape)  # a bare word is the name of a host, which is shown
    coded = base64.b64encode(secret.encode()).decode()
    text = shape.format(secret, coded, secret * 200)
    option, variable = KEYS[key]
    with tempfile.TemporaryDirectory() as folder:
        env = {"XDG_CONFIG_HOME": folder, "NATS_USER": "ana" if user else ""}
        words = list(COMMANDS[command])
        if key != "url":
            words += ["--server", "nats://127.0.0.1:1"]
        beside = command == "responder" and option in ("--jwt", "--seed")  # which it does not have
        if by == "option" and option and not beside:
            words.append(f"{option}={text}")
        elif by == "variable" and variable and "\0" not in text:
            env[variable] = text
        else:
            saved = Path(folder) / "nats" / "context" / "mine.json"
            saved.parent.mkdir(parents=True)
            saved.write_text(json.dumps({key: text, "user_jwt": "x"} if key == "user_seed" else {key: text}))
            words += ["--context", "mine"]
        if command == "responder" and not {"--server", "--context"} & {word.partition("=")[0] for word in words}:
            words += ["--server", "nats://127.0.0.1:1"]
        said = _said(words, env).upper()
    for word in (*re.findall("Q[A-Z0-9]{9}", secret), coded[:12].upper()):
        assert word not in said, said


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["load", "verify", "consume", "doctor"])
def test_what_a_server_refuses_is_not_printed_either(kind: str):
    command = COMMANDS[kind]
    with running(ServerSettings(user="ana", password="right")) as server:
        port = server.url.rpartition(":")[2]
        for words in (
            ["--server", f"nats://ana:QSECRET123@127.0.0.1:{port}"],
            ["--server", f"NATS://QSECRET123@127.0.0.1:{port}"],
            ["--server", server.url, "--user", "ana", "--password", "QSECRET123"],
            ["--server", server.url, "--token", "QSECRET123"],
            ["--server", f"memphis://ana:QSECRET123@127.0.0.1:{port}"],
        ):
            done = zakar(*command, *words)
            assert done.returncode == 3
            assert "refuses these credentials" in done.stderr
            assert "QSECRET123" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["--listen", "0.0.0.0", "--user", "ana", "--password", "QSECRET123"],
        ["--password", "QSECRET123"],
        ["--token", "QSECRET123", "--user", "ana", "--password", "QSECRET123"],
        ["--creds", "QSECRET123"],
    ],
)
def test_a_broker_that_is_not_started_prints_no_secret(words: list[str]):
    done = zakar("broker", "--port", str(free_port()), *words)
    assert done.returncode == 2
    assert "QSECRET123" not in done.stdout + done.stderr


@pytest.mark.parametrize("option", ["--tlsca", "--tlscert", "--creds", "--nkey"])
def test_a_name_that_no_file_can_have_is_refused_by_its_option(option: str):
    done = zakar("consume", "x", "--server", "nats://127.0.0.1:1", option, "Q" * 5_000)
    assert done.returncode == 2
    assert done.stderr.strip() in {f"zakar: {option}: no such file", f"zakar: {option}: file name too long"}
