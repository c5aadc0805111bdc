"""Connection settings in the keys of the `nats` tool: its context files, and what is given in their place."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from msgspec import Struct

from zakar.broker import address as addresses
from zakar.broker import credentials
from zakar.broker.access import API, Access, is_memphis, subject
from zakar.broker.address import DEFAULT_SERVER
from zakar.errors import ConfigError
from zakar.files import is_file


class Keys(Struct, frozen=True):
    """What a context file may say of a connection; empty is not said. All others of its keys are for the tool alone."""

    url: str = ""
    user: str = ""
    password: str = ""
    token: str = ""
    creds: str = ""
    nkey: str = ""
    user_jwt: str = ""
    user_seed: str = ""
    ca: str = ""
    cert: str = ""
    key: str = ""
    tls_first: bool = False
    inbox_prefix: str = ""
    jetstream_domain: str = ""
    jetstream_api_prefix: str = ""
    nsc: str = ""
    socks_proxy: str = ""
    windows_cert_store: str = ""

    def said(self) -> dict[str, str | bool]:
        """Return the keys that say something."""
        return {key: value for key in self.__struct_fields__ if (value := getattr(self, key))}


# Where and who, in ways that are not ours: to connect without them would be to connect elsewhere, or as somebody else.
_UNUSABLE = ("nsc", "socks_proxy", "windows_cert_store")
_KINDS = ("user", "creds", "nkey", "user_jwt")  # of credentials: the first that is there counts


@dataclass(frozen=True)
class Context:
    """A context file as it was read."""

    path: Path
    keys: Keys = field(repr=False)

    def name(self, key: str) -> str:
        """Return what a message calls a key of it."""
        return f"{self.path}: `{key}`"


def folder() -> Path:
    """Return where the `nats` tool keeps its configuration."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "nats"


def selected() -> str | None:
    """Return the name of the context that `nats context select` chose, None if there is none."""
    try:
        return (folder() / "context.txt").read_text(encoding="utf-8").strip() or None
    except (OSError, UnicodeDecodeError):
        return None


def read(name: str) -> Context:
    """Return the context of a name, or in a file that ends in .json.

    Raises ConfigError naming the file and what is wrong with it.
    """
    file = Path(name)
    path = file if name.endswith(".json") and is_file(file) else folder() / "context" / f"{name}.json"
    if path != file and (".." in name or "/" in name or "\\" in name):
        raise ConfigError(f"--context {name}: no such file, and not the name of a context; a file's ends in .json")
    try:
        saved = msgspec.json.decode(path.read_bytes(), type=dict[str, object] | None)
        keys = {key.lower(): value for key, value in (saved or {}).items() if value is not None}
        return Context(path, msgspec.convert(keys, Keys))
    except OSError as error:
        known = ", ".join(sorted(p.stem for p in path.parent.glob("*.json"))) or "none"
        raise ConfigError(f"--context {name}: no such context in {path.parent} (known: {known})") from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise ConfigError(f"{path}: not a context file: {error}") from error


def access(given: Keys, names: Mapping[str, str], context: Context | None, note: Callable[[str], None]) -> Access:
    """Return what is given over what a context says, key by key, as the `nats` tool takes it.

    ``names`` are what messages call the given keys. ``note`` is told of what is given and is of no use, since something
    else goes first. Raises ConfigError, which shows no value of a key that may be secret.
    """
    saved = context.keys.said() if context else {}
    sources = {key: context.name(key) for key in saved} if context else {}
    ours = given.said()
    if "user" in ours and "password" not in ours and not is_memphis(given.url):
        ours["token"] = ours.pop("user")  # as NATS has it, a user without a password is a token
        names = {**names, "token": names["user"]}
    sources |= {key: names[key] for key in ours}
    keys = msgspec.convert(saved | ours, Keys)
    for key in _UNUSABLE:
        if getattr(keys, key):
            raise ConfigError(
                f"{sources[key]} is not supported; connect without it, with `creds` or a direct `url` instead"
            )
    servers = addresses.split([keys.url])
    who = [addresses.read(server, sources["url"]) for server in servers]
    kind = next((kind for kind in _KINDS if getattr(keys, kind)), "")
    for key in ("creds", "nkey", "user_jwt"):
        if key in ours and key != kind:
            note(f"{sources[key]} is not used: {sources[kind]} goes first, as with the nats tool")
    if who and all(address.user is not None for address in who):
        for key in ("user", "password", "token", "nkey"):
            if key in ours and (key != "nkey" or kind == "nkey"):
                note(f"{sources[key]} is not used: what the address says of who is asking goes first")
    jwt, seed = _keys(keys, sources, kind)
    return Access(
        servers or (DEFAULT_SERVER,),
        user=keys.user or None,
        password=_word(keys, sources, "password") if kind == "user" or is_memphis(keys.url) else None,
        token=_word(keys, sources, "token"),
        jwt=jwt,
        seed=seed,
        tls_ca=_file(keys, sources, "ca"),
        tls_cert=_file(keys, sources, "cert"),
        tls_key=_file(keys, sources, "key"),
        tls_first=keys.tls_first,
        inbox_prefix=keys.inbox_prefix or None,
        api=_api(keys, sources),
    )


def _keys(keys: Keys, sources: Mapping[str, str], kind: str) -> tuple[str | None, str | None]:
    """Return the JWT and the seed that are of use."""
    if kind == "creds":
        return credentials.user_of(keys.creds, sources["creds"])
    if kind == "nkey":
        return None, credentials.seed_of(keys.nkey, sources["nkey"])
    if kind == "user_jwt":
        jwt, seed = _word(keys, sources, "user_jwt"), _word(keys, sources, "user_seed")
        if seed:
            credentials.public_key(seed, sources["user_seed"])
        return jwt, seed
    return None, None


def _word(keys: Keys, sources: Mapping[str, str], key: str) -> str | None:
    text = getattr(keys, key)
    return credentials.word_of(text, sources[key]) if text else None


def _file(keys: Keys, sources: Mapping[str, str], key: str) -> Path | None:
    if not getattr(keys, key):
        return None
    path = credentials.path_of(getattr(keys, key), sources[key])
    if not is_file(path):
        raise ConfigError(f"{sources[key]}: no such file")
    return path


def _api(keys: Keys, sources: Mapping[str, str]) -> str:
    """Return where JetStream is asked."""
    key = "jetstream_domain" if keys.jetstream_domain else "jetstream_api_prefix"
    text = getattr(keys, key).removesuffix(".")
    if text and not subject(text):
        raise ConfigError(f"{sources[key]}: not a part of a subject: it has a space, a wildcard or an empty word")
    return f"$JS.{text}.API" if keys.jetstream_domain else text or API
