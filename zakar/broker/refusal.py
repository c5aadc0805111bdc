"""Why a server lets nobody in, or ends a connection: its own words first, then what to do. Pure."""

import datetime
import ssl
from typing import Any

import nats.errors

from zakar.broker.access import Access
from zakar.broker.credentials import claims
from zakar.broker.tcp import SilentError
from zakar.errors import ServerError

_NO_GREETING = "nats: empty response"
_CREDENTIALS = "get new credentials"
# What the server says when no connection of this user's will go on as this one could not, and what to do then.
_FINAL = {
    "user authentication expired": _CREDENTIALS,
    "user authentication revoked": _CREDENTIALS,
    "account authentication expired": "whoever runs the account must renew it",
    "maximum payload violation": "raise its max_payload, or that of the user or the account",
    "maximum subscriptions exceeded": (
        "raise the limit of subscriptions: the server's max_subscriptions, or that of the user or the account"
    ),
    "maximum control line exceeded": "raise its max_control_line",
}
_CERTIFICATE_WANTED = ("certificate required", "handshake failure")
_CERTIFICATE_REFUSED = ("bad certificate", "unknown ca", "certificate unknown", "certificate expired", "access denied")
_NOT_TLS = ("wrong version number", "record layer failure", "unknown protocol", "packet length too long")


class RefusedError(ServerError):
    """The server does not take these credentials."""


class PlaintextError(nats.errors.Error):
    """TLS is wanted, and the server does not speak it."""

    def __str__(self) -> str:
        return "the server does not offer TLS"


class NoNkeysError(nats.errors.Error):
    """An NKey is given, and the server has nothing to sign."""

    def __str__(self) -> str:
        return "the server knows no NKeys"


def final(text: str) -> ServerError | None:
    """Return the error that ends a connection, given what the server says; None if another may go on."""
    advice = next((advice for words, advice in _FINAL.items() if words in text.lower()), None)
    return None if advice is None else ServerError(f"{says([text])}; {advice}")


def refuses(text: str) -> bool:
    """Whether a server says that it does not take these credentials."""
    text = text.lower()
    return ("authorization" in text or "authentication" in text) and "timeout" not in text


def says(texts: list[str]) -> str:
    """Return what the server said, the first first and nothing twice; empty if it said nothing."""
    texts = list(dict.fromkeys(texts))
    return f"the server says: {', then: '.join(texts)}" if texts else ""


def expiry(token: bytes) -> str:
    """Return that a user's JWT expired, and when; empty if it has not. Nothing else of it is shown."""
    try:
        expires = (claims(token.decode(errors="replace")) or {})["exp"]
        until = datetime.datetime.fromtimestamp(expires, datetime.UTC)
    except (LookupError, TypeError, ValueError, OverflowError, OSError):
        return ""
    if until > datetime.datetime.now(datetime.UTC):
        return ""
    return f"these credentials expired at {until:%Y-%m-%d %H:%M:%S} UTC"


def at_the_door(
    access: Access, problems: list[Exception], token: bytes = b"", greeting: dict[str, Any] | None = None
) -> ServerError:
    """Say why no server let us in, and what to do. What a server says tells more than what broke; then the first.

    ``token`` is the user's JWT, empty if there is none; ``greeting`` what a server said first, if one did.
    """
    words = [problem for problem in problems if objects(problem)]
    problem = next((p for p in words if "exceeded" in str(p).lower()), (words or problems)[0])
    text = text_of(problem)
    if refuses(text):
        options = "--user and --password, --token, --creds or --nkey"
        if access.memphis:
            options = "the user, the password and the account in the address, or --user, --password and --token"
        expired = expiry(token)
        advice = f"{expired}; {_CREDENTIALS}" if expired else f"check {options}"
        return RefusedError(f"{access.shown}: the server refuses these credentials ({text}); {advice}")
    if isinstance(problem, NoNkeysError):
        return RefusedError(f"{access.shown}: {text}; check --nkey")
    asks_for_certificate = bool(greeting and greeting.get("tls_verify")) and access.tls_cert is None
    if asks_for_certificate and not words and not isinstance(problem, ssl.SSLCertVerificationError):
        return ServerError(f"{access.shown}: the server wants a client certificate: give --tlscert and --tlskey")
    return ServerError(f"{access.shown}: {_obstacle(access, problem, text, greeted=bool(greeting))}")


def text_of(problem: Exception) -> str:
    """Return a problem's words, without nats-py's own around them."""
    return str(problem).removeprefix("nats: ").strip("'") or type(problem).__name__


def objects(problem: Exception) -> bool:
    """Whether a problem is what a server said, rather than what broke."""
    return type(problem) is nats.errors.Error and not str(problem).startswith(_NO_GREETING)


def _obstacle(access: Access, problem: Exception, text: str, *, greeted: bool) -> str:
    if "connections exceeded" in text.lower():
        return f"the server takes no more connections ({text}); give fewer --connections, or raise it"
    if objects(problem):
        return f"{says([text])}; check the address, and what the server lets its clients do"
    if isinstance(problem, PlaintextError):
        return f"TLS is asked for and {text}; nothing was sent to it, no credentials either"
    if isinstance(problem, ssl.SSLError):
        return f"TLS failed: {text}; {_tls_advice(access, text.lower())}"
    if isinstance(problem, ConnectionError) and access.tls_cert is not None and greeted:
        return f"the server hung up ({text}); does it take the certificate of --tlscert?"
    if not greeted and (
        isinstance(problem, TimeoutError | SilentError | ConnectionResetError) or str(problem).startswith(_NO_GREETING)
    ):
        what = "no answer" if isinstance(problem, TimeoutError) else "what answers there sends no greeting"
        more = "if it wants TLS before it greets (its handshake_first), give --tls-first"
        if access.tls_first:
            more = "if it wants a client certificate, give --tlscert and --tlskey, one that its authority has signed"
        return f"{what}; check the address and the network; {more}"
    if isinstance(problem, TimeoutError):
        return "no answer; check the address and the network"
    if not all(address.here for address in access.addresses):
        return f"cannot be reached ({text}); check the name, the port and the network"
    start = "zakar broker --memphis" if access.memphis else "zakar broker"
    return f"cannot be reached ({text}); start one with `{start}`, or give --server"


def _tls_advice(access: Access, text: str) -> str:
    text = text.replace("_", " ")
    if any(words in text for words in _NOT_TLS):
        if access.tls_first:
            return "the server does not begin with TLS: leave --tls-first out"
        return "what answers there does not speak TLS"
    if access.tls_cert is None and any(words in text for words in _CERTIFICATE_WANTED):
        return "the server wants a client certificate: give --tlscert and --tlskey"
    if access.tls_cert is not None and any(words in text for words in (*_CERTIFICATE_WANTED, *_CERTIFICATE_REFUSED)):
        return "the server does not take the certificate of --tlscert; give one that its authority has signed"
    return "check --tlsca, --tlscert and the server's name"
