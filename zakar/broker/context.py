"""Connection settings saved by the `nats` tool: its context files."""

import itertools
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from zakar.broker.access import Access
from zakar.errors import ConfigError


class _Context(Struct):
    """The keys of a context file that say where the broker is and who is asking."""

    url: str = ""
    user: str = ""
    password: str = ""
    token: str = ""
    creds: str = ""
    nkey: str = ""
    ca: str = ""
    cert: str = ""
    key: str = ""
    nsc: str = ""
    socks_proxy: str = ""
    jetstream_domain: str = ""
    jetstream_api_prefix: str = ""
    user_jwt: str = ""
    inbox_prefix: str = ""
    tls_first: bool = False


# Where and who, in ways that are not ours: to connect without them would be to connect elsewhere, or as somebody else.
_UNUSABLE = (
    "nsc",
    "socks_proxy",
    "jetstream_domain",
    "jetstream_api_prefix",
    "user_jwt",
)
_PASSWORD = ("user", "password")
_CREDENTIALS = (_PASSWORD, ("token",), ("creds",), ("nkey",))


def folder() -> Path:
    """Return where the `nats` tool keeps its configuration."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "nats"


def selected() -> str | None:
    """Return the name of the context that `nats context select` chose, None if there is none."""
    try:
        return (folder() / "context.txt").read_text(encoding="utf-8").strip() or None
    except (OSError, UnicodeDecodeError):
        return None


def read(name: str) -> Access:
    """Return the access settings of a context. Raises ConfigError naming the file and what is wrong with it."""
    path = folder() / "context" / f"{name}.json"
    try:
        context = msgspec.json.decode(path.read_bytes(), type=_Context)
    except OSError as error:
        known = ", ".join(sorted(p.stem for p in path.parent.glob("*.json"))) or "none"
        raise ConfigError(f"--context {name}: no such context in {path.parent} (known: {known})") from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise ConfigError(f"{path}: not a context file: {error}") from error
    for key in _UNUSABLE:
        if getattr(context, key):
            raise ConfigError(
                f"{path}: `{key}` is not supported; save a context without it, with `creds` or a direct `url` instead"
            )
    servers = tuple(url.strip() for url in context.url.split(",") if url.strip())
    return Access(
        servers=servers or Access.servers,
        user=context.user or None,
        password=context.password or None,
        token=context.token or None,
        creds=_path(context.creds),
        nkey=_path(context.nkey),
        tls_ca=_path(context.ca),
        tls_cert=_path(context.cert),
        tls_key=_path(context.key),
        tls_first=context.tls_first,
        inbox_prefix=context.inbox_prefix or None,
    )


def over(context: Access, given: Access, servers: tuple[str, ...]) -> Access:
    """Return a context's settings with those that were given in their place; ``servers`` empty if none were.

    Where a credential is given, those of other kinds in the context, and in its addresses, are not for use.
    """
    names = (*itertools.chain(*_CREDENTIALS), "tls_ca", "tls_cert", "tls_key", "inbox_prefix")
    changes: dict[str, Any] = {name: getattr(given, name) for name in names if getattr(given, name) is not None}
    others = [kind for kind in _CREDENTIALS if changes.keys().isdisjoint(kind)]
    if len(others) < len(_CREDENTIALS):
        unset: dict[str, Any] = dict.fromkeys(itertools.chain(*others))
        context = replace(context, **unset)
        if _PASSWORD in others:
            context = replace(context, servers=tuple(re.sub("^([^/]*://)?.*@", r"\1", s) for s in context.servers))
    tls_first = given.tls_first or context.tls_first
    return replace(context, servers=servers or context.servers, tls_first=tls_first, **changes)


def _path(text: str) -> Path | None:
    try:
        return Path(text).expanduser() if text else None
    except RuntimeError as error:
        raise ConfigError(f"{text}: no such home folder") from error
