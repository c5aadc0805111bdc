"""Where a broker is and who is asking, and what a server is told of that."""

import contextlib
import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from zakar.broker import address as addresses
from zakar.broker import credentials
from zakar.broker.address import DEFAULT_SERVER, Address
from zakar.errors import ConfigError
from zakar.files import is_file

_SUBJECT = re.compile(r"[^\s.*>]+(\.[^\s.*>]+)*")
API = "$JS.API"


@dataclass(frozen=True)
class Access:
    """Where the broker is and who is asking. Secrets are never shown.

    A ``seed`` goes with a ``jwt``, or is an NKey's where there is none. What an address says of who is asking goes over
    all but a JWT, as in Go's clients.
    """

    servers: tuple[str, ...] = field(default=(DEFAULT_SERVER,), repr=False)  # an address may hold a password
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    jwt: str | None = field(default=None, repr=False)
    seed: str | None = field(default=None, repr=False)
    tls_ca: Path | None = field(default=None, repr=False)
    tls_cert: Path | None = field(default=None, repr=False)
    tls_key: Path | None = field(default=None, repr=False)
    tls_pin: Path | None = None  # the server's very certificate: it alone is trusted, whatever name is in it
    account: int = 1  # of a Memphis broker
    tls_first: bool = False  # the server's first words are TLS, and its greeting comes through it
    inbox_prefix: str | None = None  # of the subjects that answers come to; `_INBOX` where there is none
    api: str = API  # where JetStream is asked: another one in another domain

    def __post_init__(self) -> None:
        """Raise ConfigError for a Memphis broker's addresses among others, and for no prefix of inboxes."""
        if self.memphis and not all(is_memphis(server) for server in self.servers):
            raise ConfigError(f"--server {self.shown}: memphis:// and other addresses are not ways to one broker")
        if self.inbox_prefix is not None and not subject(self.inbox_prefix):
            raise ConfigError(
                "--inbox-prefix: not the beginning of a subject; give one like _INBOX_ana, without * and >"
            )

    @property
    def addresses(self) -> list[Address]:
        """The servers' addresses, read. Raises ConfigError."""
        return [addresses.read(server) for server in self.servers]

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

    @property
    def wants_tls(self) -> bool:
        """Whether anything of it asks for TLS, without which nothing may be sent then."""
        files = self.tls_ca or self.tls_cert or self.tls_pin
        return bool(files) or self.tls_first or any(address.encrypted for address in self.addresses)


def subject(text: str) -> bool:
    """Whether a text is a subject without wildcards, or the beginning of one."""
    return bool(_SUBJECT.fullmatch(text))


def is_websocket(server: str) -> bool:
    """Whether an address is that of a WebSocket."""
    return server.strip().lower().startswith(("ws://", "wss://"))


def is_memphis(server: str) -> bool:
    """Whether an address is that of a Memphis broker."""
    return server.strip().lower().startswith(f"{addresses.MEMPHIS}://")


def with_creds(access: Access, place: str | None) -> Access:
    """Return access with what a credentials file says of who is asking, if there is one. Raises ConfigError."""
    jwt, seed = credentials.user_of(place, "--creds") if place else (None, None)
    return replace(access, jwt=jwt, seed=seed)


def sign_in(access: Access, address: Address, nonce: str) -> dict[str, str]:
    """Return what a server at an address is told of who is asking, as Go's clients say it.

    ``nonce`` is what the server wants signed.
    """
    words: dict[str, str | None] = {"user": address.user, "pass": address.password}
    if address.user is None:
        words = {"user": access.user, "pass": access.password, "auth_token": access.token}
        if access.seed and not access.jwt:
            words["nkey"] = credentials.public_key(access.seed, "--nkey")
    elif address.password is None:
        words = {"auth_token": address.user}
    words["jwt"] = access.jwt
    if access.seed and ("nkey" in words or access.jwt):
        words["sig"] = credentials.signature(access.seed, nonce)
    return {key: value for key, value in words.items() if value}


def tls_context(access: Access) -> ssl.SSLContext | None:
    """Return how TLS is to be spoken, None where it is not asked for. Raises ConfigError for what cannot be used."""
    if access.tls_key and not access.tls_cert:
        raise ConfigError("--tlskey needs --tlscert")
    if not access.wants_tls:
        return None
    if access.tls_pin:
        context = _pinned(access.tls_pin)
    else:
        with _usable("--tlsca", access.tls_ca):
            context = ssl.create_default_context(cafile=access.tls_ca)
    if access.tls_cert:
        with _usable("--tlscert and --tlskey", access.tls_cert, access.tls_key):
            context.load_cert_chain(access.tls_cert, access.tls_key, password="")  # or OpenSSL asks for one
    return context


@contextlib.contextmanager
def _usable(name: str, *files: Path | None) -> Iterator[None]:
    """Raise ConfigError, as ``name``, for files that are not there or that OpenSSL does not take; none is shown."""
    if not all(file is None or is_file(file) for file in files):
        raise ConfigError(f"{name}: no such file")
    try:
        yield
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise ConfigError(f"{name}: TLS files cannot be used: {error}") from error


def _pinned(path: Path) -> ssl.SSLContext:
    """Trust one certificate, the first in a file, and nobody else's."""
    if not is_file(path):
        raise ConfigError(f"{path}: no such file")
    first, end, _ = path.read_text(encoding="ascii", errors="replace").partition(ssl.PEM_FOOTER)
    context = ssl.create_default_context(cadata=ssl.PEM_HEADER + first.partition(ssl.PEM_HEADER)[2] + end)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def _shown(server: str) -> str:
    try:
        return addresses.read(server).shown
    except ConfigError:
        return "(an address that cannot be read)"


def memphis_access(access: Access) -> Access:
    """Return access with the user, the password and the account that memphis:// addresses say, and without them there.

    What they say goes over what was given otherwise. Raises ConfigError for an address that cannot be read, and for a
    sign-in that Memphis does not have.
    """
    users = {(address.user or None, address.password, address.account) for address in access.addresses}
    if len(users) > 1:
        raise ConfigError(f"--server {access.shown}: give each address the same user, password and account")
    user, password, account = users.pop()
    user = user or access.user
    if access.jwt or access.seed:
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
    servers = tuple(address.shown for address in access.addresses)
    return replace(access, servers=servers, user=user, password=password, token=token, account=account)


def plain(address: Address) -> str:
    """Return an address as nats-py is to know it: without who is asking."""
    known = address._replace(scheme="nats") if address.memphis else address
    return known.shown + (address.path if address.websocket else "")
