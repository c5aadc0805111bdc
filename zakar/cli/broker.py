"""`zakar broker`: the embedded server in the foreground, and what answers Memphis SDKs beside it or another."""

import asyncio
import os
import signal
import time
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer

from zakar import location
from zakar.broker.access import Access
from zakar.broker.server import Server, ServerSettings, running
from zakar.cli.access import ConnectionOptions, access, connects_elsewhere, flags
from zakar.cli.memphis import answer, answer_beside
from zakar.cli.printing import tell
from zakar.errors import ConfigError, ServerError
from zakar.stopping import in_thread

_PORT, _MEMPHIS_PORT, _MEMPHIS_ACCOUNT = 4222, 6666, 1
_BESIDE = "Beside another server, with --memphis"


def _beside(*names: str, text: str) -> Any:
    return typer.Option(*names, help=text, rich_help_panel=_BESIDE)


@connects_elsewhere(_BESIDE)
def broker_command(
    elsewhere: dict[str, Any],
    port: Annotated[
        int | None,
        typer.Option(
            min=0, max=65535, help=f"Port; 0 takes a free one [default: {_PORT}, with --memphis {_MEMPHIS_PORT}]."
        ),
    ] = None,
    websocket_port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Port of the compressed WebSocket; 0 takes a free one [default: 0]."),
    ] = None,
    store: Annotated[
        Path | None,
        typer.Option(
            parser=location.local("--store"), help="Folder that keeps the streams [default: a temporary one]."
        ),
    ] = None,
    listen: Annotated[str | None, typer.Option(help="Address to listen on [default: 127.0.0.1].")] = None,
    user: Annotated[str | None, typer.Option(envvar="ZAKAR_USER", help="User name to ask for.")] = None,
    password: Annotated[
        str | None,
        typer.Option(envvar="ZAKAR_PASSWORD", help="Password to ask for; better in ZAKAR_PASSWORD."),
    ] = None,
    token: Annotated[
        str | None, typer.Option(envvar="ZAKAR_TOKEN", help="Token to ask for; better in ZAKAR_TOKEN.")
    ] = None,
    tlscert: Annotated[
        Path | None, typer.Option(parser=location.local("--tlscert"), help="Server certificate.")
    ] = None,
    tlskey: Annotated[
        Path | None, typer.Option(parser=location.local("--tlskey"), help="Key of the server certificate.")
    ] = None,
    memphis_too: Annotated[
        bool, typer.Option("--memphis", help="Answer the SDKs of Memphis, so that their programs run.")
    ] = False,
    server: Annotated[
        list[str] | None, _beside("--server", "-s", text="Start none, answer beside this server.")
    ] = None,
    context: Annotated[
        str | None, _beside("--context", text="Context of the nats tool that says which server.")
    ] = None,
) -> None:
    """Run a NATS server with JetStream until Ctrl-C. Listens on this machine alone unless told otherwise.

    With --memphis, programs written for Memphis's SDKs find a Memphis broker there. With --server or --context too,
    no server is started: that one is given the part of Memphis, and --user, --password, --token, --tlscert and
    --tlskey are those to connect with (NATS_USER and so on count too), as `zakar memphis` does.

    Example: `zakar broker --store my-broker`
    """
    if listen is not None and location.scheme(listen):
        raise ConfigError("--listen: give an address of this machine without a scheme and a user, such as 127.0.0.1")
    named = {name: value for name, value in (("server", server), ("context", context)) if value is not None}
    beside, elsewhere = bool(named), {**named, **elsewhere}
    if elsewhere and not (beside and memphis_too):
        given = ", ".join(flags(elsewhere))
        raise ConfigError(f"{given}: for --memphis beside a server of your own, which --server or --context names")
    here = {"--port": port, "--websocket-port": websocket_port, "--store": store, "--listen": listen}
    if beside and (given := ", ".join(name for name, value in here.items() if value is not None)):
        raise ConfigError(f"{given}: of the server that is started here; with --server or --context, none is")
    if beside:
        cert, key = (None if path is None else str(path) for path in (tlscert, tlskey))
        answer_beside(
            access(ConnectionOptions(user=user, password=password, token=token, cert=cert, key=key, **elsewhere))
        )
        return
    settings = ServerSettings(
        listen or ServerSettings.listen,
        (_MEMPHIS_PORT if memphis_too else _PORT) if port is None else port,
        store,
        user,
        password,
        token,
        tlscert,
        tlskey,
        websocket_port or 0,
        account=_MEMPHIS_ACCOUNT if memphis_too else None,
    )
    _serve(settings, memphis_too=memphis_too)


def _serve(settings: ServerSettings, *, memphis_too: bool) -> None:
    """Run a server until Ctrl-C."""

    def on_stop(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    def announce() -> None:
        print(server.url, server.websocket_url, sep="\n", flush=True)
        kept = (
            f"streams are kept in {settings.store}"
            if settings.store
            else "streams go when it stops; --store keeps them"
        )
        tell(f"broker ready{', for Memphis SDKs too' if memphis_too else ''}; {kept}; Ctrl-C stops it")

    signal.signal(signal.SIGTERM, on_stop)
    with running(settings) as server:
        try:
            if memphis_too:
                asyncio.run(answer(_own(server, settings), announce, lambda: in_thread(server.process.wait)))
            else:
                announce()
            while server.process.poll() is None:
                time.sleep(0.2 if os.name == "nt" else 1.0)
        except KeyboardInterrupt:
            tell("broker stopped")
            return
        raise ServerError(f"the server ended by itself; its last words: {server.last_words}")


def _own(server: Server, settings: ServerSettings) -> Access:
    """Return how to reach the server that was started here."""
    return Access((server.local_url,), settings.user, settings.password, settings.token, tls_pin=settings.tls_cert)
