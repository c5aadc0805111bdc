"""Addresses of brokers: read here and nowhere else, so that what is shown of one is what is connected to."""

import re
from typing import NamedTuple
from urllib.parse import parse_qs, unquote

from zakar.errors import ConfigError

DEFAULT_SERVER = "nats://127.0.0.1:4222"
MEMPHIS = "memphis"
_WEBSOCKET = ("ws", "wss")
_TLS = ("tls", "wss")
_PORTS = {"nats": 4222, "tls": 4222, "ws": 80, "wss": 443, MEMPHIS: 6666}
_REST = re.compile(  # of an address after its scheme
    r"((?P<who>[^/?#\s\[\]\\]*)@)?"
    r"(\[(?P<six>[0-9A-Fa-f:.]+(%25[\w.~-]+)?)\]|(?P<host>[^\s:/?#@%\\<>\[\]\"^`{|}]+))"
    r"(:(?P<port>[0-9]*))?"
    r"(?P<path>/[^?#@]*)?(\?(?P<query>[^#@]*))?(#[^@]*)?"
)
_BROKEN_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")
_ACCOUNT = re.compile("[0-9]{1,18}")
_ESCAPED = "with %XX for characters of a password that mean something there"


class Address(NamedTuple):
    """Where a server is, and who is asking: a user without a password is a token. ``account`` is a Memphis broker's."""

    scheme: str
    host: str
    port: int
    user: str | None = None
    password: str | None = None
    path: str = ""
    account: int = 1

    @property
    def place(self) -> tuple[str, int]:
        """The host in lower case, and the port."""
        return self.host.lower(), self.port

    @property
    def shown(self) -> str:
        """The address without who is asking."""
        return f"{self.scheme}://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    @property
    def memphis(self) -> bool:
        """Whether it is that of a Memphis broker."""
        return self.scheme == MEMPHIS

    @property
    def websocket(self) -> bool:
        """Whether it is that of a WebSocket."""
        return self.scheme in _WEBSOCKET

    @property
    def encrypted(self) -> bool:
        """Whether it asks for TLS."""
        return self.scheme in _TLS

    @property
    def here(self) -> bool:
        """Whether it is of this very machine, where a broker can be started."""
        return self.host.lower() in ("127.0.0.1", "::1", "localhost")


def read(text: str, name: str = "--server") -> Address:
    """Return the address that a text says, as Go's clients, the `nats` tool among them, read it.

    Without a scheme it is nats://, without a port it has the scheme's own; user and password have percent signs
    decoded. ``name`` is what said the text. Raises ConfigError, which shows nothing of a text that cannot be read:
    where a password has a character that means something in an address, part of it may be taken for the host.
    """
    head, slashes, rest = text.strip().partition("://")
    scheme, rest = (head.lower(), rest) if slashes else ("nats", head)
    parts = _REST.fullmatch(rest)
    memphis = scheme == MEMPHIS
    kind, like = (
        ("not an address of a Memphis broker", "memphis://user:password@host:6666?account=1")
        if memphis
        else ("not an address", DEFAULT_SERVER)
    )
    refusal = ConfigError(f"{name}: {kind}; give one like {like}, {_ESCAPED}")
    if parts is None or not scheme.isalnum() or _BROKEN_ESCAPE.search(parts["who"] or ""):
        raise refusal
    if scheme not in _PORTS:
        raise ConfigError(f"{name} {scheme}://...: not an address of NATS; give one like {like}")
    port = int(parts["port"] or _PORTS[scheme])
    if not 0 < port < 1 << 16:
        raise refusal
    try:
        user, password = _who(parts["who"])
    except UnicodeDecodeError:
        raise refusal from None
    host = unquote(parts["six"]) if parts["six"] else parts["host"]
    if not memphis:
        return Address(scheme, host, port, user, password, parts["path"] or "")
    asked = parse_qs(parts["query"] or "", keep_blank_values=True)
    account = asked.pop("account", ["1"])[-1]
    if asked or "#" in rest or (parts["path"] or "").strip("/") or not _ACCOUNT.fullmatch(account):
        raise refusal
    return Address(scheme, host, port, user, password, account=int(account))


def split(texts: list[str]) -> tuple[str, ...]:
    """Return the addresses of texts, each of which may be a list with commas."""
    return tuple(address.strip() for text in texts for address in text.split(",") if address.strip())


def _who(text: str | None) -> tuple[str | None, str | None]:
    """Return (user, password) of what stands before the @. Raises UnicodeDecodeError."""
    if text is None:
        return None, None
    user, colon, password = text.partition(":")
    return unquote(user, errors="strict"), unquote(password, errors="strict") if colon else None
