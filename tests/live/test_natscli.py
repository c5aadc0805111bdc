"""Contexts, credentials, addresses, options and variables are read as the `nats` tool reads them."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import natscli
import pytest
import typer
from _pytest.mark import ParameterSet
from natscli import REFUSED, SHAPES, Shape, World

from zakar.broker.access import Access
from zakar.broker.connection import ApiError, connected
from zakar.cli.access import connects
from zakar.errors import ConfigError, ServerError

UsageError = typer.BadParameter.__base__ or typer.BadParameter  # by this name only where typer builds on click
ANSWERS = json.loads(natscli.ANSWERS.read_text(encoding="utf-8"))["answers"]
# What the tool refuses, or does not know, though it is plain what is meant: whom the server takes zakar for.
MORE = {
    "creds with CR alone": "ana",
    "creds in UTF-16": "ana",  # as a shell of Windows writes them
    "creds with every line indented": "ana",
    "creds with tabs before and spaces after": "ana",
    "creds with spaces after the values": "ana",
    "creds with empty lines inside": "ana",
    "creds with the seed before the JWT": "ana",
    "creds with two dashes": "ana",
    "creds with JWT and seed without lines around them": "ana",
    "creds with a bare JWT and a seed in lines": "ana",
    "creds without the END of the JWT": "ana",
    "creds of a bearer, with a JWT alone": "bearer",
    "nkey with a space before": "key",
    "nkey with a space after": "key",
    "an address of a list with a WebSocket": "nobody",  # zakar takes the faster way
    "--server of a list with a WebSocket": "nobody",
    "an address with a letter beyond ASCII in the password": "umlaut",
    "--server with a letter beyond ASCII in the password": "umlaut",
}
# What the tool takes and zakar refuses, and how: the tool takes any scheme for nats://, and passes over half a pair.
LESS = {
    "an address without a host": "`url`: not an address",
    "--server without a host": "--server: not an address",
    "an address with http://": "not an address of NATS",
    "--server with http://": "not an address of NATS",
    "an address with a scheme of one's own": "not an address of NATS",
    "--server with a scheme of one's own": "not an address of NATS",
    "a client certificate without its key, at a server that wants none": "TLS files cannot be used",
    "a key without its certificate, at a server that wants none": "--tlskey needs --tlscert",
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with natscli.world(tmp_path_factory.mktemp("world")) as world:
        yield world


def _access(options: list[str]) -> Access:
    """What a command is given for these options."""
    given: list[Access] = []
    app = typer.Typer()

    @app.command()
    @connects
    def command(who: Access) -> None:
        given.append(who)

    app(options, standalone_mode=False)
    return given[0]


async def _whom(access: Access, world: World) -> str:
    async with connected(access) as connection:
        return natscli.whom(json.loads(await connection.ask(natscli.WHO, b"", 5.0)), world)


def _answer(shape: Shape, world: World, folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """Return whom the server took zakar for, and what zakar said where it was refused."""
    laid = natscli.lay(shape, world, folder)
    for name, value in laid.env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(folder)
    try:
        return asyncio.run(_whom(_access(laid.options), world)), ""
    except (ConfigError, ServerError, ApiError, UsageError) as error:
        return REFUSED, str(error)


def _case(shape: Shape) -> ParameterSet:
    waits = (shape.server == "first" and ANSWERS[shape.name] == REFUSED) or shape.name == "a ca and tls_first at tls"
    return pytest.param(shape, id=shape.name, marks=[pytest.mark.slow] if waits else [])


@pytest.mark.parametrize("shape", [_case(shape) for shape in SHAPES])
def test_a_shape_means_to_zakar_what_it_means_to_the_nats_tool(
    shape: Shape, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    answer, said = _answer(shape, world, tmp_path, monkeypatch)
    assert answer == MORE.get(shape.name, REFUSED if shape.name in LESS else ANSWERS[shape.name]), said
    assert LESS.get(shape.name, "") in said
    for secret in world.secrets:
        assert secret not in said
