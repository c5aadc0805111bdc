"""A server's words: which end a connection, and what of a JWT is shown."""

import base64
import json
import ssl
import time

import nats.errors
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zakar.broker import refusal
from zakar.broker.access import Access
from zakar.errors import ServerError


def _token(**claims: object) -> bytes:
    body = base64.urlsafe_b64encode(json.dumps({"name": "S3CRET", **claims}).encode()).rstrip(b"=")
    return b"aGVhZA." + body + b".U0lHTkFUVVJF"


def test_only_that_and_when_credentials_expired_is_shown():
    assert refusal.expiry(_token(exp=1_700_000_000)) == "these credentials expired at 2023-11-14 22:13:20 UTC"
    assert refusal.expiry(_token(exp=time.time() + 60)) == ""
    assert refusal.expiry(_token()) == ""
    assert refusal.expiry(_token(exp=10**30)) == ""
    assert refusal.expiry(_token(exp="soon")) == ""


@given(st.binary(max_size=80) | st.builds(lambda a, b: a + b"." + b, st.binary(max_size=9), st.binary(max_size=60)))
def test_what_is_no_jwt_expires_never(token: bytes):
    assert refusal.expiry(token) == ""


@given(st.lists(st.sampled_from(["a", "b", "c", "Stale Connection"])))
def test_the_first_is_said_first_and_nothing_twice(texts: list[str]):
    said = refusal.says(texts)
    assert (said == "") is (texts == [])
    if texts:
        assert said.startswith(f"the server says: {texts[0]}")
        assert said.count("Stale Connection") == (1 if "Stale Connection" in texts else 0)


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("User Authentication Expired", True),
        ("User Authentication Revoked", True),
        ("Account Authentication Expired", True),
        ("Maximum Payload Violation", True),
        ("maximum subscriptions exceeded", True),
        ("Authorization Violation", False),  # a server that has just started may say so once
        ("Authentication Timeout", False),
        ("Stale Connection", False),
        ("maximum connections exceeded", False),
        ("maximum account active connections exceeded", False),
        ("Secure Connection - TLS Required", False),
    ],
)
def test_a_connection_ends_for_good_where_no_other_would_fare_better(text: str, ends: bool):
    assert (refusal.final(text) is not None) is ends
    if ends:
        assert str(refusal.final(text)).startswith(f"the server says: {text}; ")


@pytest.mark.parametrize(
    ("problems", "said"),
    [
        (
            [ConnectionResetError("reset"), nats.errors.Error("nats: Authorization Violation")],
            "refuses these credentials",
        ),
        ([BrokenPipeError(32, "Broken pipe"), nats.errors.Error("nats: Stale Connection")], "the server says: Stale"),
        ([nats.errors.Error("nats: a"), nats.errors.Error("nats: maximum connections exceeded")], "takes no more conn"),
        ([ssl.SSLError(1, "[SSL] tlsv13 alert certificate required")], "wants a client certificate: give --tlscert"),
        ([nats.errors.TimeoutError()], "no answer; check the address.*give --tls-first"),
        ([ConnectionRefusedError(111, "refused")], "cannot be reached .*zakar broker"),
    ],
)
def test_what_a_server_says_goes_before_what_broke(problems: list[Exception], said: str):
    with pytest.raises(ServerError, match=said):
        raise refusal.at_the_door(Access(), problems)
