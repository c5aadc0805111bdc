"""Where a broker is and who is asking: addresses, credentials and TLS files, as nats-py is to have them."""

import re
import ssl
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import nkeys

from zakar.errors import ConfigError

DEFAULT_SERVER = "nats://127.0.0.1:4222"
_MEMPHIS = "memphis"
_MEMPHIS_PORT = 6666
_SCHEMES = ("nats", "tls", "ws", "wss")
_TLS = ("tls", "wss")
_WEBSOCKET = ("ws", "wss")
_INBOX_PREFIX = re.compile(r"[^\s.*>]+(\.[^\s.*>]+)*")


@dataclass(frozen=True)
class Access:
    """Where the broker is and who is asking. Secrets are never shown."""

    servers: tuple[str, ...] = field(default=(DEFAULT_SERVER,), repr=False)  # an address may hold a password
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    creds: Path | None = None
    nkey: Path | None = None
    tls_ca: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    tls_pin: Path | None = None  # the server's very certificate: it alone is trusted, whatever name is in it
    account: int = 1  # of a Memphis broker
    tls_first: bool = False  # the server's first words are TLS, and its greeting comes through it
    inbox_prefix: str | None = None  # of the subjects that answers come to; `_INBOX` where there is none

    def __post_init__(self) -> None:
        """Raise ConfigError for a Memphis broker's addresses among others."""
        if self.memphis and not all(is_memphis(server) for server in self.servers):
            raise ConfigError(f"--server {self.shown}: memphis:// and other addresses are not ways to one broker")
        if self.inbox_prefix is not None and not _INBOX_PREFIX.fullmatch(self.inbox_prefix):
            raise ConfigError(
                "--inbox-prefix: not the beginning of a subject; give one like _INBOX_ana, without * and >"
            )

    @property
    def memphis(self) -> bool:
        """Whether the servers are Memphis brokers, which make stations when asked for them."""
        return any(is_memphis(server) for server in self.servers)

    @property
    def websocket(self) -> bool:
        """Whether the servers are WebSocket addresses; a connection has one kind of them."""
        return all(is_websocket(server) for server in self.servers)

    @property
    def shown(self) -> str:
        """The servers' addresses without any user or password in them."""
        return ", ".join(_shown(server) for server in self.servers)


def is_websocket(server: str) -> bool:
    """Whether an address is that of a WebSocket."""
    return urlsplit(server).scheme in _WEBSOCKET


def is_memphis(server: str) -> bool:
    """Whether an address is that of a Memphis broker."""
    return server.lower().startswith(f"{_MEMPHIS}://")


def credentials(access: Access) -> dict[str, Any]:
    """Turn access settings into nats-py's options. Raises ConfigError for a file that cannot be read."""
    for path in (access.creds, access.nkey, access.tls_ca, access.tls_cert, access.tls_key, access.tls_pin):
        if path is not None and not path.is_file():
            raise ConfigError(f"{path}: no such file")
    if access.tls_key and not access.tls_cert:
        raise ConfigError("--tlskey needs --tlscert")
    options: dict[str, Any] = {"user": access.user, "password": access.password, "token": access.token}
    if access.creds:
        options["user_credentials"] = str(access.creds)
        _check_seed(access.creds, access.creds.read_bytes().partition(b"NKEY SEED-----")[2].split(b"---")[0].strip())
    if access.nkey:
        options["nkeys_seed"] = str(access.nkey)
        _check_seed(access.nkey, access.nkey.read_bytes().strip())
    if wants_tls(access):
        try:
            context = _pinned(access.tls_pin) if access.tls_pin else ssl.create_default_context(cafile=access.tls_ca)
            if access.tls_cert:
                context.load_cert_chain(access.tls_cert, access.tls_key)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"TLS files cannot be used: {error}") from error
        options["tls"] = context
        options["tls_handshake_first"] = access.tls_first and not access.websocket  # which begins with TLS anyway
    if access.inbox_prefix is not None:
        options["inbox_prefix"] = access.inbox_prefix
    return options


def _pinned(path: Path) -> ssl.SSLContext:
    """Trust one certificate, the first in a file, and nobody else's."""
    first, end, _ = path.read_text(encoding="ascii", errors="replace").partition(ssl.PEM_FOOTER)
    context = ssl.create_default_context(cadata=ssl.PEM_HEADER + first.partition(ssl.PEM_HEADER)[2] + end)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def _check_seed(path: Path, seed: bytes) -> None:
    """Raise ConfigError if a file's NKey seed cannot be one."""
    try:
        nkeys.from_seed(bytearray(seed))
    except (nkeys.NkeysError, ValueError) as error:
        raise ConfigError(f"{path}: holds no usable NKey seed") from error


def wants_tls(access: Access) -> bool:
    """Whether anything of it asks for TLS, without which nothing may be sent then."""
    return bool(access.tls_ca or access.tls_cert or access.tls_pin or access.tls_first) or any(
        urlsplit(s).scheme in _TLS for s in access.servers
    )


def is_here(server: str) -> bool:
    """Whether an address is of this very machine, where a broker can be started."""
    address = server if "://" in server else f"nats://{server}"
    return urlsplit(address).hostname in ("127.0.0.1", "::1", "localhost")


def check_address(server: str) -> None:
    """Raise ConfigError for an address that cannot be one."""
    try:
        parts = urlsplit(server if "://" in server else f"nats://{server}")
        usable = parts.scheme in _SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ConfigError(f"--server {_shown(server)}: not an address; give one like {DEFAULT_SERVER}")


def _shown(server: str) -> str:
    try:
        parts = urlsplit(server if "://" in server else f"nats://{server}")
        host = f"[{parts.hostname}]" if parts.hostname and ":" in parts.hostname else parts.hostname
        return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port else "")
    except ValueError:
        return "(an address that cannot be read)"


def memphis_access(access: Access) -> Access:
    """Return access with the user, the password and the account that memphis:// addresses say, and without them there.

    What they say goes over what was given otherwise. Raises ConfigError for an address that cannot be read, and for a
    sign-in that Memphis does not have.
    """
    said = {_memphis_user(server) for server in access.servers}
    if len(said) > 1:
        raise ConfigError(f"--server {access.shown}: give each address the same user, password and account")
    user, password, account = said.pop()
    user = user or access.user
    if access.creds or access.nkey:
        raise ConfigError(
            f"--server {access.shown}: Memphis knows no --creds and no --nkey; give a password or --token"
        )
    if not user:
        raise ConfigError(f"--server {access.shown}: no user; give memphis://user:password@host, or --user")
    token = access.token
    if password is not None:
        token = None  # as the address is whole, what was set for other brokers does not matter
    elif (access.password is None) == (token is None):
        both = "a password and a token; give one of them"
        neither = "no password; give memphis://user:password@host, --password or --token, whatever an open broker takes"
        raise ConfigError(f"--server {access.shown}: {neither if token is None else both}")
    else:
        password = access.password
    servers = tuple(_shown(server) for server in access.servers)
    return replace(access, servers=servers, user=user, password=password, token=token, account=account)


def _memphis_user(server: str) -> tuple[str | None, str | None, int]:
    """Return the user, the password and the account that an address says. Raises ConfigError.

    Its text does not show the address: where one cannot be read, part of a password may be taken for the host.
    """
    try:
        parts = urlsplit(server)
        asked = parse_qs(parts.query, keep_blank_values=True)
        account = asked.pop("account", ["1"])[-1]
        usable = not (asked or parts.path.strip("/") or parts.fragment or parts.port == 0) and bool(parts.hostname)
        if usable and re.fullmatch("[0-9]{1,18}", account):
            user, password = (None if word is None else unquote(word) for word in (parts.username, parts.password))
            return user, password, int(account)
    except ValueError:
        pass
    raise ConfigError(
        "--server: not an address of a Memphis broker; give one like memphis://user:password@host:6666?account=1, "
        "with %XX for characters of a password that mean something there"
    )


def plain(server: str) -> str:
    """Return an address as nats-py knows it."""
    if not is_memphis(server):
        return server
    address = _shown(server).replace(_MEMPHIS, "nats", 1)
    return address if urlsplit(server).port else f"{address}:{_MEMPHIS_PORT}"
