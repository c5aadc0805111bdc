"""Credentials as people keep them: in a file, a variable or a text, read once and whole.

A setting says where a secret is as the `nats` tool has it: a path, in which ``~`` and ``$VARIABLE`` are replaced,
``file://``, ``env://`` or ``data:;base64,``. No message shows what a setting says, whatever it may be.
"""

import base64
import binascii
import os
import re
from pathlib import Path
from typing import Any

import msgspec
import nkeys

from zakar.errors import ConfigError

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")  # of two letters at least: C: is a drive
_VARIABLE = re.compile(r"\$(\{[^}]*\}|[A-Za-z_]\w*|[*#$@!?0-9-])", re.ASCII)
_OTHERS = ("op", "nsc")  # what the tool asks other programs for
_JWT = re.compile(r"eyJ[\w-]*\.eyJ[\w-]*\.[\w-]*", re.ASCII)
_SEED = re.compile(r"S[UAO][A-Z2-7]{50,60}")
_FILE_MOST = 1 << 20
_USUAL = "give what `nsc generate creds` writes"


def user_of(place: str, name: str) -> tuple[str, str | None]:
    """Return (JWT, seed) of credentials, of which a bearer's may have no seed. Raises ConfigError, as ``name``.

    What is taken is the first line that is a JWT and the first that is a seed, whatever stands around them.
    """
    jwt, seed = _found(text_of(place, name))
    if jwt is None:
        lacks = "holds a seed and no JWT; a seed alone goes with --nkey" if seed else f"holds no credentials; {_USUAL}"
        raise ConfigError(f"{name}: {lacks}")
    who = claims(jwt)
    if who is None:
        raise ConfigError(f"{name}: its JWT is damaged; {_USUAL}")
    kind = who.get("nats")
    bearer = isinstance(kind, dict) and bool(kind.get("bearer_token"))
    if seed is None and not bearer:
        raise ConfigError(f"{name}: holds a JWT and no seed; {_USUAL}")
    if seed is not None and public_key(seed, name) != who.get("sub") and not bearer:
        raise ConfigError(f"{name}: its seed is not that of its JWT; {_USUAL}")
    return jwt, seed


def seed_of(place: str, name: str) -> str:
    """Return the seed that a text holds. Raises ConfigError, as ``name``."""
    _, seed = _found(text_of(place, name))
    if seed is None:
        raise ConfigError(f"{name}: holds no seed of an NKey; give what `nsc generate nkey --user` writes")
    public_key(seed, name)
    return seed


def word_of(place: str, name: str) -> str:
    """Return a password, a token, a JWT or a seed that is said as such, unless it says where it is.

    Raises ConfigError, as ``name``.
    """
    if _scheme(place) in ("file", "env", "data", *_OTHERS):
        return text_of(place, name).rstrip("\r\n")
    return place


def text_of(place: str, name: str) -> str:
    """Return what is kept at a place. Raises ConfigError, as ``name``, if nothing is, or if it cannot be read there."""
    scheme = _scheme(place)
    if "\n" in place or _JWT.fullmatch(place) or _SEED.fullmatch(place):
        raise ConfigError(f"{name}: says the credentials themselves; give their file, or data:;base64,")
    if scheme in ("", "file"):
        return _decoded(_file(path_of(place, name), name))
    if scheme == "env":
        text = os.environ.get(_without(place, "env://"), "")
        if not text:
            raise ConfigError(f"{name}: the variable that its env:// names is not set")
        return text
    if scheme == "data":
        head, comma, body = _without(place, "data:").partition(",")
        if not comma or "base64" not in (word.strip() for word in head.split(";")):
            raise ConfigError(f"{name}: its data: is not of the form data:;base64,...")
        try:
            return _decoded(base64.b64decode(re.sub(r"[\r\n]", "", body), validate=True))
        except binascii.Error:
            raise ConfigError(f"{name}: what follows data:;base64, is no base64") from None
    shown = f"`{scheme}://`" if scheme in _OTHERS else "its scheme"
    raise ConfigError(f"{name}: {shown} is not supported; give a file, or file://, env:// or data:;base64,")


def path_of(place: str, name: str) -> Path:
    """Return the path that a setting says. Raises ConfigError, as ``name``, for what cannot be one."""
    scheme = _scheme(place)
    if scheme not in ("", "file"):
        shown = f"`{scheme}:`" if scheme in (*_OTHERS, "env", "data") else "its scheme"
        raise ConfigError(f"{name}: {shown} is not supported here; give a file")
    path = expanded(_without(place, "file://"))
    if "\0" in path:
        raise ConfigError(f"{name}: no such file")
    return Path(path)


def expanded(path: str) -> str:
    """Return a path with its variables and a leading ``~`` replaced, as Go's ``os.ExpandEnv`` does it."""
    path = _VARIABLE.sub(lambda match: os.environ.get(match[1].strip("{}"), ""), path)
    return f"{_home()}{path[1:]}" if path.startswith("~") else path


def claims(jwt: str) -> dict[str, Any] | None:
    """Return what a JWT says, None if it cannot be read. It is not verified: the server does so."""
    body = jwt.split(".")[1:2]
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(f"{body[0]}==" if body else ""), type=dict[str, Any])
    except (ValueError, RecursionError, msgspec.DecodeError):
        return None


def public_key(seed: str, name: str) -> str:
    """Return the public key of a user's seed. Raises ConfigError, as ``name``, for what is none."""
    try:
        raw = base64.b32decode(f"{seed}{'=' * (-len(seed) % 8)}")
        public: str = nkeys.from_seed(bytearray(seed.encode())).public_key.decode()
    except (nkeys.NkeysError, ValueError):
        raw, public = b"", ""
    if binascii.crc_hqx(raw[:-2], 0) != int.from_bytes(raw[-2:], "little") or not public:  # nkeys does not compare it
        raise ConfigError(f"{name}: its seed is damaged")
    if not public.startswith("U"):
        raise ConfigError(f"{name}: its seed is an account's or an operator's; give a user's")
    return public


def signature(seed: str, nonce: str) -> str:
    """Return what proves to a server that one has a seed."""
    signed: bytes = nkeys.from_seed(bytearray(seed.encode())).sign(nonce.encode())
    return base64.urlsafe_b64encode(signed).rstrip(b"=").decode()


def _found(text: str) -> tuple[str | None, str | None]:
    """Return the first JWT and the first seed that have a line of their own."""
    lines = [line.strip() for line in text.splitlines()]
    jwt = next((line for line in lines if _JWT.fullmatch(line)), None)
    return jwt, next((line for line in lines if _SEED.fullmatch(line)), None)


def _home() -> str:
    try:
        return str(Path.home())
    except RuntimeError:  # there is none
        return "~"


def _scheme(place: str) -> str:
    match = _SCHEME.match(place)
    return match[1].lower() if match else ""


def _without(place: str, prefix: str) -> str:
    return place[len(prefix) :] if place.lower().startswith(prefix) else place


def _file(path: Path, name: str) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(_FILE_MOST + 1)
    except OSError as error:
        raise ConfigError(f"{name}: {_why(error)}") from None  # whose text would show the path
    if len(data) > _FILE_MOST:
        raise ConfigError(f"{name}: the file is too long to hold credentials")
    return data


def _why(error: OSError) -> str:
    return "no such file" if isinstance(error, FileNotFoundError) else (error.strerror or "cannot be read").lower()


def _decoded(data: bytes) -> str:
    """Return a text, whatever an editor or a shell made of it."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", errors="replace")
    return data.decode("utf-8-sig", errors="replace")
