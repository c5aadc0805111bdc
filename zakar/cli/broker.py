"""`zakar broker`: the embedded server in the foreground."""

import os
import signal
import time
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from zakar.broker.server import ServerSettings, running
from zakar.cli.common import tell
from zakar.errors import ServerError


def broker_command(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 4222,
    websocket_port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of the compressed WebSocket; 0 takes a free one.")
    ] = 0,
    store: Annotated[
        Path | None, typer.Option(help="Folder that keeps the streams [default: a temporary one].")
    ] = None,
    listen: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    user: Annotated[str | None, typer.Option(envvar="ZAKAR_USER", help="User name to ask for.")] = None,
    password: Annotated[
        str | None,
        typer.Option(envvar="ZAKAR_PASSWORD", help="Password to ask for; better in ZAKAR_PASSWORD."),
    ] = None,
    token: Annotated[
        str | None, typer.Option(envvar="ZAKAR_TOKEN", help="Token to ask for; better in ZAKAR_TOKEN.")
    ] = None,
    tlscert: Annotated[Path | None, typer.Option(help="Server certificate.")] = None,
    tlskey: Annotated[Path | None, typer.Option(help="Key of the server certificate.")] = None,
) -> None:
    """Run a NATS server with JetStream until Ctrl-C. Listens on this machine alone unless told otherwise.

    Example: `zakar broker --store my-broker`
    """
    settings = ServerSettings(listen, port, store, user, password, token, tlscert, tlskey, websocket_port)

    def on_stop(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, on_stop)
    with running(settings) as server:
        kept = f"streams are kept in {store}" if store else "streams go when it stops; --store keeps them"
        try:
            print(server.url, server.websocket_url, sep="\n", flush=True)
            tell(f"broker ready; {kept}; Ctrl-C stops it")
            while server.process.poll() is None:
                time.sleep(0.2 if os.name == "nt" else 1.0)
        except KeyboardInterrupt:
            tell("broker stopped")
            return
        raise ServerError(f"the server ended by itself; its last words: {server.last_words}")
