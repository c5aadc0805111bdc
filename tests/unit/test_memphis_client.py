"""Addresses of a Memphis broker, and what is asked of one: the SDK's requests, byte for byte."""

import json
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zakar.broker.access import Access, memphis_access
from zakar.broker.memphis import protocol
from zakar.broker.memphis.client import Memphis
from zakar.errors import ConfigError

RECORDED = Path(__file__).parents[1] / "golden" / "memphis-load-requests.jsonl"  # by a program with memphis-py 1.3.1
WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


def _recorded(subject: str) -> list[bytes]:
    """The payloads that the SDK published to ``subject``."""
    lines = [json.loads(line) for line in RECORDED.read_text(encoding="utf-8").splitlines()]
    return [line["payload"].encode() for line in lines if line.get("subject") == subject]


def test_a_station_is_asked_for_as_the_sdk_asks():
    assert _recorded(protocol.STATION_CREATION) == [
        protocol.station_creation("ml-tweets", "root", 3, 1),
        protocol.station_creation("ml-alerts", "root", 1, 1),
    ]


def test_the_end_of_a_station_is_asked_for_as_the_sdk_asks():
    assert _recorded(protocol.STATION_DESTRUCTION) == [
        protocol.station_destruction("ml-tweets", "root"),
        protocol.station_destruction("ml-alerts", "root"),
    ]


def test_a_producer_and_its_end_are_told_as_the_sdk_tells_them():
    (told,) = _recorded(protocol.PRODUCER_CREATION)
    connection_id, app = (json.loads(told)[key] for key in ("connection_id", "app_id"))
    assert protocol.producer_creation("ml-tweets", "root", connection_id, app) == told
    (told,) = _recorded(protocol.PRODUCER_DESTRUCTION)
    assert protocol.producer_destruction("ml-tweets", "root", connection_id) == told


def test_a_message_names_its_producer_as_the_sdk_names_it():
    (message,) = _recorded("ml-tweets$1.final")
    (told,) = _recorded(protocol.PRODUCER_CREATION)
    lines = protocol.header_lines(json.loads(told)["connection_id"])
    assert message == f'NATS/1.0\r\n{lines}\r\n{{"day":1}}'.encode()
    assert len(lines) == Memphis("u").header_bytes


@given(WORDS, WORDS, st.integers(0, 10**9))
def test_an_address_says_user_password_and_account_and_shows_none_of_them(user: str, password: str, account: int):
    address = f"memphis://{quote(user, safe='')}:{quote(password, safe='')}@host:1234?account={account}"
    given_access = Access((address,))
    access = memphis_access(given_access)
    assert (access.user, access.password, access.token, access.account) == (user, password, None, account)
    assert access.servers == ("memphis://host:1234",)
    assert given_access.shown == "memphis://host:1234"
    assert "memphis" not in repr(given_access)


def test_what_an_address_does_not_say_is_taken_from_the_options():
    access = Access(("memphis://h",), user="ana", password="secret")
    assert memphis_access(access).account == 1
    assert (memphis_access(access).user, memphis_access(access).password) == ("ana", "secret")
    access = memphis_access(Access(("memphis://ana@h",), token="secret"))
    assert (access.user, access.password, access.token) == ("ana", None, "secret")


def test_an_address_goes_over_what_was_set_for_other_brokers():
    elsewhere = Access(("memphis://ana:hers@h",), user="bob", password="his", token="theirs")
    access = memphis_access(elsewhere)
    assert (access.user, access.password, access.token) == ("ana", "hers", None)


@pytest.mark.parametrize(
    ("access", "said"),
    [
        ({"servers": ("memphis://h",), "password": "x"}, "no user; give memphis://user:password@host, or --user"),
        ({"servers": ("memphis://:secret@h",)}, "no user"),
        ({"servers": ("memphis://u@h",)}, "no password; give"),
        ({"servers": ("memphis://u@h",), "password": "x", "token": "y"}, "a password and a token; give one of them"),
        ({"servers": ("memphis://u:p@h?account=one",)}, "not an address of a Memphis broker"),
        ({"servers": ("memphis://u:p@h?account=-1",)}, "not an address of a Memphis broker"),
        ({"servers": ("memphis://u:p@h?acount=1",)}, "not an address of a Memphis broker"),
        ({"servers": ("memphis://u:12#secret@h",)}, "not an address of a Memphis broker"),
        ({"servers": ("memphis://u:12/secret@h",)}, "not an address of a Memphis broker"),
        ({"servers": ("memphis://u:12?secret@h",)}, "not an address of a Memphis broker"),
        ({"servers": ("memphis://u:secret@h:port",)}, "not an address of a Memphis broker"),
        ({"servers": ("memphis://u:secret@[::1",)}, "not an address of a Memphis broker"),
        ({"servers": ("memphis://u:secret@",)}, "not an address of a Memphis broker"),
        ({"servers": ("memphis://u:p@h", "memphis://u:q@h")}, "give each address the same user, password and account"),
        ({"servers": ("memphis://u:p@h",), "jwt": "a", "seed": "b"}, "Memphis knows no --creds and no --nkey"),
        ({"servers": ("memphis://u:p@h", "nats://h")}, "memphis:// and other addresses are not ways to one broker"),
        ({"servers": ("memphis://u:p@h", "ws://h")}, "memphis:// and other addresses are not ways to one broker"),
    ],
)
def test_a_sign_in_that_memphis_does_not_have_is_refused(access, said: str):
    with pytest.raises(ConfigError) as refused:
        memphis_access(Access(**access))
    assert said in str(refused.value)
    assert "secret" not in str(refused.value)
