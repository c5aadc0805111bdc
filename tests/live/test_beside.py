"""Each command that answers Memphis SDKs beside a server takes the connection options that other commands take."""

import json
import signal
from pathlib import Path

import pytest
from helpers import served, started
from operators import Operator

from zakar.cli import access as options
from zakar.cli.main import imported

HUB = """accounts {
  HUB { jetstream: enabled, users: [ { user: hub, password: b } ], exports: [ { service: "$JS.API.>" } ] }
  TEAM {
    users: [ { user: ana, password: b } ]
    imports: [ { service: { account: HUB, subject: "$JS.API.>" }, to: "JS.HUB.>" } ]
  }
}
"""


def _answers(*words: str, **environment: str) -> str:
    """Start answering beside a server by either command, and end it; return their first line, which is the same."""
    lines = []
    for command in (["memphis"], ["broker", "--memphis"]):
        with started(*command, *words, **environment) as process:
            assert process.stderr is not None
            lines.append(process.stderr.readline().decode())
            process.send_signal(signal.SIGINT)
            process.communicate()
    assert lines[0] == lines[1]
    return lines[0]


def test_a_users_jwt_and_seed_are_taken(tmp_path: Path):
    operator = Operator()
    with served(operator.config(), tmp_path) as address:
        ana = operator.member()
        said = _answers("--server", address, "--jwt", ana.jwt, "--seed", ana.seed)
        assert said.startswith("answering Memphis SDKs at "), said
        (tmp_path / "ana.jwt").write_text(ana.jwt)
        assert "answering" in _answers(
            "--server", address, "--jwt", (tmp_path / "ana.jwt").as_uri(), NATS_SEED=ana.seed
        )
        assert "Authorization Violation" in _answers("--server", address)


def test_a_prefix_of_jetstreams_api_is_taken(tmp_path: Path):
    with served(HUB, tmp_path) as address:
        where = ["--server", f"nats://ana:b@{address}"]
        assert "answering" in _answers(*where, "--js-api-prefix", "JS.HUB")
        assert "no JetStream" in _answers(*where)
        assert "no JetStream answers at JS.NOWHERE" in _answers(*where, "--js-api-prefix", "JS.NOWHERE")


def test_the_selected_context_is_left_out(tmp_path: Path):
    (tmp_path / "nats" / "context").mkdir(parents=True)
    (tmp_path / "nats" / "context.txt").write_text("mine")
    (tmp_path / "nats" / "context" / "mine.json").write_text(json.dumps({"user": "ana", "password": "wrong"}))
    with served("authorization { user: ana, password: right }", tmp_path) as address:
        words, where = ["--server", f"nats://ana:right@{address}"], {"XDG_CONFIG_HOME": str(tmp_path)}
        assert "the selected context `mine` says the rest" in _answers(*words, **where)
        assert "answering" in _answers(*words, "--no-context", **where)


@pytest.mark.parametrize("name", ["load", "verify", "consume", "doctor", "memphis", "broker"])
def test_each_command_that_connects_has_every_connection_option(name: str):
    command = imported(name)
    known = {flag for parameter in command.params for flag in (*parameter.opts, *parameter.secondary_opts)}
    assert {options._flag(each) for each in options._parameters(options.ConnectionOptions)} <= known
    typed = [flag for parameter in command.params for flag in parameter.opts]
    assert sorted(typed) == sorted(set(typed))  # none of them twice


def test_an_option_of_another_server_is_refused_where_none_is_named(tmp_path: Path):
    for words in (["--no-context"], ["--jwt", "x", "--seed", "y"], ["--js-api-prefix", "JS"], ["--server", "x"]):
        with started("broker", *words) as process:
            _, said = process.communicate()
        assert process.returncode == 2
        named = ", ".join(word for word in words if word.startswith("--"))
        assert said.decode() == (
            f"zakar: {named}: for --memphis beside a server of your own, which --server or --context names\n"
        )
