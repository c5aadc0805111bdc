"""Options that say where a broker is and who is asking, as the `nats` tool has them."""

import copy
import functools
import inspect
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, get_args

import typer

from zakar import location
from zakar.broker import context as contexts
from zakar.broker.access import Access, is_memphis
from zakar.broker.address import DEFAULT_SERVER
from zakar.broker.context import Keys
from zakar.cli.printing import tell

_PANEL = "Connection"
_PLACE = "a file, or file://, env:// or data:;base64,"
# The keys of a context by the option and the variable that say the same; NATS_SOCKS_PROXY has no option, being refused.
_OPTIONS = {
    "url": ("--server", "NATS_URL"),
    "user": ("--user", "NATS_USER"),
    "password": ("--password", "NATS_PASSWORD"),
    "token": ("--token", "NATS_TOKEN"),
    "creds": ("--creds", "NATS_CREDS"),
    "nkey": ("--nkey", "NATS_NKEY"),
    "user_jwt": ("--jwt", "NATS_JWT"),
    "user_seed": ("--seed", "NATS_SEED"),
    "ca": ("--tlsca", "NATS_CA"),
    "cert": ("--tlscert", "NATS_CERT"),
    "key": ("--tlskey", "NATS_KEY"),
    "tls_first": ("--tls-first", ""),
    "inbox_prefix": ("--inbox-prefix", ""),
    "jetstream_domain": ("--js-domain", ""),
    "jetstream_api_prefix": ("--js-api-prefix", ""),
    "socks_proxy": ("", "NATS_SOCKS_PROXY"),
}


def _option(*names: str, text: str, **settings: Any) -> Any:
    return typer.Option(*names, help=text, rich_help_panel=_PANEL, **settings)


@dataclass(frozen=True)
class ConnectionOptions:
    """The options of every command that connects, as Typer reads them."""

    server: Annotated[
        list[str] | None,
        _option("--server", "-s", text=f"Address of the broker [env var: NATS_URL] [default: {DEFAULT_SERVER}]."),
    ] = None
    context: Annotated[
        str | None,
        _option(
            "--context",
            text="Context of the nats tool, by name or by its .json file [env var: NATS_CONTEXT] "
            "[default: the selected one].",
        ),
    ] = None
    no_context: Annotated[bool, _option("--no-context", text="Leave the selected context out.")] = False
    user: Annotated[
        str | None, _option("--user", text="User name; without a password, a token [env var: NATS_USER].")
    ] = None
    password: Annotated[str | None, _option("--password", text="Password; better in NATS_PASSWORD.")] = None
    token: Annotated[str | None, _option("--token", text="Token; better in NATS_TOKEN.")] = None
    creds: Annotated[
        str | None, _option("--creds", metavar="WHERE", text=f"Credentials: {_PLACE} [env var: NATS_CREDS].")
    ] = None
    nkey: Annotated[
        str | None, _option("--nkey", metavar="WHERE", text=f"Seed of an NKey: {_PLACE} [env var: NATS_NKEY].")
    ] = None
    user_jwt: Annotated[
        str | None, _option("--jwt", metavar="JWT", text="A user's JWT, or where it is [env var: NATS_JWT].")
    ] = None
    user_seed: Annotated[
        str | None, _option("--seed", metavar="SEED", text="Its seed, or where it is; better in NATS_SEED.")
    ] = None
    ca: Annotated[
        str | None, _option("--tlsca", metavar="FILE", text="Certificate authority to trust [env var: NATS_CA].")
    ] = None
    cert: Annotated[
        str | None, _option("--tlscert", metavar="FILE", text="Client certificate [env var: NATS_CERT].")
    ] = None
    key: Annotated[
        str | None, _option("--tlskey", metavar="FILE", text="Key of the client certificate [env var: NATS_KEY].")
    ] = None
    tls_first: Annotated[
        bool,
        _option("--tls-first", "--tlsfirst", text="The server wants TLS before it says anything (handshake_first)."),
    ] = False
    inbox_prefix: Annotated[
        str | None,
        _option("--inbox-prefix", metavar="SUBJECT", text="Where answers may come, if not below _INBOX."),
    ] = None
    jetstream_domain: Annotated[
        str | None, _option("--js-domain", metavar="DOMAIN", text="JetStream domain, such as that of a hub.")
    ] = None
    jetstream_api_prefix: Annotated[
        str | None, _option("--js-api-prefix", metavar="SUBJECT", text="Where JetStream is asked, if not at $JS.API.")
    ] = None


def access(options: ConnectionOptions) -> Access:
    """Turn connection options, variables and a context into access settings, as the `nats` tool does.

    Options go over variables, and both over the context, key by key. Raises ConfigError.
    """
    values = {name: getattr(options, name) for name in _OPTIONS if hasattr(options, name)}
    values["url"] = ",".join(options.server or [])
    given, names = _given(values, os.environ)
    named = options.context or os.environ.get("NATS_CONTEXT")
    if named:
        location.refuse("--context", named)
    name = None if options.no_context else named or (None if is_memphis(given.url) else contexts.selected())
    saved = contexts.read(name) if name else None
    if saved and not named and given.url and saved.keys.said().keys() - {"url"}:
        tell(f"the selected context `{name}` says the rest of the connection; --no-context leaves it out")
    return contexts.access(given, names, saved, tell)


def connects(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of a connection in place of its parameter ``who``, which gets what they say."""
    options = _parameters(ConnectionOptions)

    @functools.wraps(command)
    def connecting(**values: Any) -> None:
        given = {option.name: values.pop(option.name, option.default) for option in options}
        who = access(ConnectionOptions(**given))
        command(who=who, **values)

    return _with_options(connecting, "who", options)


def connects_elsewhere(panel: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command those options of a connection that it has not itself, below a heading of ``--help``.

    They come in place of its parameter ``elsewhere``, which gets the values that were given, by their names there.
    """

    def decorated(command: Callable[..., None]) -> Callable[..., None]:
        known = {_flag(each) for each in _parameters(command)}
        options = [_below(panel, each) for each in _parameters(ConnectionOptions) if _flag(each) not in known]

        @functools.wraps(command)
        def connecting(**values: Any) -> None:
            values_elsewhere = {option.name: values.pop(option.name, option.default) for option in options}
            command(elsewhere={name: value for name, value in values_elsewhere.items() if value}, **values)

        return _with_options(connecting, "elsewhere", options)

    return decorated


def flags(names: Iterable[str]) -> list[str]:
    """Return the options that say the connection options of some names, as they are typed."""
    return [_flag(each) for each in _parameters(ConnectionOptions) if each.name in names]


def _parameters(command: Callable[..., Any]) -> list[inspect.Parameter]:
    return list(inspect.signature(command, eval_str=True).parameters.values())


def _flag(parameter: inspect.Parameter) -> str:
    """Return the option that says a parameter, as it is typed."""
    for option in getattr(parameter.annotation, "__metadata__", ()):
        for name in (option.default, *(option.param_decls or ())):  # typer has the first of them for a default
            if isinstance(name, str) and name.startswith("--"):
                return name
    return f"--{parameter.name.replace('_', '-')}"


def _below(panel: str, option: inspect.Parameter) -> inspect.Parameter:
    """Return an option that stands below another heading."""
    kind, shown = get_args(option.annotation)
    shown = copy.copy(shown)
    shown.rich_help_panel = panel
    return option.replace(annotation=Annotated[kind, shown])


def _with_options(
    connecting: Callable[..., None], place: str, options: Iterable[inspect.Parameter]
) -> Callable[..., None]:
    """Give a command, for typer to read, options in place of a parameter: the last ones but for ``json``."""
    parameters = [each for each in _parameters(connecting) if each.name != place]
    at = next((i for i, each in enumerate(parameters) if each.name == "json"), len(parameters))
    parameters[at:at] = options
    connecting.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # typer reads it
    connecting.__annotations__ = {each.name: each.annotation for each in parameters}
    return connecting


def _given(options: Mapping[str, Any], environment: Mapping[str, str]) -> tuple[Keys, dict[str, str]]:
    """Return what options say, and where they say nothing what variables do; and who said each key."""
    values: dict[str, Any] = {}
    names: dict[str, str] = {}
    for key, (option, variable) in _OPTIONS.items():
        value, source = options.get(key), option
        if not value and variable:
            value, source = environment.get(variable), variable
        if value:
            values[key], names[key] = value, source
    return Keys(**values), names
