"""How the `nats` tool reads contexts, credentials, addresses, options and variables: shapes, and what it makes of them.

A shape is files, a context, variables and options, and the server that is to be reached. The answer is the name of
whom the server takes the tool for, or `refused`. Run as `python tests/live/natscli.py NATS`, with a `nats` tool built
with CGO_ENABLED=0 as its releases are, it records the answers anew into tests/golden/natscli.json.
"""

import base64
import contextlib
import getpass
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trustme
from helpers import clean, served
from operators import Operator, User

ANSWERS = Path(__file__).parent.parent / "golden" / "natscli.json"
REFUSED = "refused"
WHO = "$SYS.REQ.USER.INFO"
_TOKEN = "s3cret-token"  # noqa: S105 - of a test


@dataclass(frozen=True)
class Shape:
    """Settings in one of the ways in which people write them; `<<...>>` stands for what ``filled`` puts there."""

    name: str
    server: str = "jwt"
    context: Mapping[str, Any] | str | None = None  # saved as `mine`, and selected unless said otherwise
    files: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    options: tuple[str, ...] = ()
    selected: bool = True


def _creds(*lines: str) -> str:
    return "\n".join(lines) + "\n"


_JWT = ("-----BEGIN NATS USER JWT-----", "<<ana.jwt>>", "------END NATS USER JWT------")
_NOTE = ("", "************************* IMPORTANT *************************", "NKEY Seed printed below...", "")
_SEED = ("-----BEGIN USER NKEY SEED-----", "<<ana.seed>>", "------END USER NKEY SEED------")
_HERE = {"url": "nats://<<host>>"}


def _creds_shapes() -> Iterator[Shape]:
    """Credentials files as people have them."""
    usual = _creds(*_JWT, *_NOTE, *_SEED)
    contents = {
        "usual": usual,
        "with CRLF": usual.replace("\n", "\r\n"),
        "with CR alone": usual.replace("\n", "\r"),
        "with a BOM": "\ufeff" + usual,
        "in UTF-16": "<<utf-16>>" + usual,
        "with every line indented": "".join(f"    {line}\n" for line in usual.splitlines()),
        "with tabs before and spaces after": "".join(f"\t{line}  \n" for line in usual.splitlines()),
        "with spaces after the values": usual.replace("<<ana.jwt>>", "<<ana.jwt>> ").replace(
            "<<ana.seed>>", "<<ana.seed>> "
        ),
        "without a last newline": usual.rstrip("\n"),
        "with text before and after": f"hello\nthere\n{usual}\nand bye\n",
        "with empty lines inside": usual.replace("<<ana.jwt>>", "\n<<ana.jwt>>\n").replace(
            "<<ana.seed>>", "\n<<ana.seed>>\n"
        ),
        "in blocks one after the other": _creds(*_JWT, *_SEED),
        "with the seed before the JWT": _creds(*_SEED, *_JWT),
        "with BEGIN USER PRIVATE KEY": _creds(*_JWT, "-----BEGIN USER PRIVATE KEY-----", "<<ana.seed>>", "---END---"),
        "with labels of one's own": _creds(
            "--- a ---", "<<ana.jwt>>", "---  ---", "--- b ---", "<<ana.seed>>", "------"
        ),
        "with more dashes": usual.replace("-----BEGIN", "-------BEGIN").replace("-----\n", "----------\n"),
        "with two dashes": usual.replace("------", "--").replace("-----", "--"),
        "with a JWT alone": _creds(*_JWT),
        "with a seed alone": _creds(*_SEED),
        "with a JWT without lines around it": "<<ana.jwt>>\n",
        "with JWT and seed without lines around them": "<<ana.jwt>>\n<<ana.seed>>\n",
        "with a JWT in lines and a bare seed": _creds(*_JWT, "", "<<ana.seed>>"),
        "with a bare JWT and a seed in lines": _creds("<<ana.jwt>>", "", *_SEED),
        "without the END of the seed": _creds(*_JWT, "", *_SEED[:2]),
        "without the END of the JWT": _creds(*_JWT[:2], "", *_SEED),
        "with two users": usual + usual.replace("ana", "bo"),
        "with another user's seed": usual.replace("<<ana.seed>>", "<<bo.seed>>"),
        "with a seed that is cut": usual.replace("<<ana.seed>>", "<<cut.seed>>"),
        "with a seed in lower case": usual.replace("<<ana.seed>>", "<<lower.seed>>"),
        "with an account's seed": usual.replace("<<ana.seed>>", "<<account.seed>>"),
        "with a JWT over two lines": usual.replace("<<ana.jwt>>", "<<ana.jwt.1>>\n<<ana.jwt.2>>"),
        "empty": "",
        "of blank lines": "\n\n",
        "of other text": "nothing of the kind\n",
        "of a bearer, with a seed": _creds(*_JWT, *_SEED).replace("ana", "bearer"),
        "of a bearer, with a JWT alone": _creds(*_JWT).replace("ana", "bearer"),
    }
    for name, content in contents.items():
        yield Shape(f"creds {name}", context=_HERE | {"creds": "<<dir>>/x.creds"}, files={"x.creds": content})
    places = {
        "in home": "~/x.creds",
        "by $HOME": "$HOME/x.creds",
        "by ${HOME}": "${HOME}/x.creds",
        "by a variable of one's own": "$TEAM_DIR/x.creds",
        "by a variable that is not set": "$NOT_SET<<dir>>/x.creds",
        "by file://": "file://<<dir>>/x.creds",
        "by FILE://": "FILE://<<dir>>/x.creds",
        "by file:// and ~": "file://~/x.creds",
        "by file:// and $HOME": "file://$HOME/x.creds",
        "by file: alone": "file:<<dir>>/x.creds",
        "by env://": "env://TEAM_CREDS",
        "by ENV://": "ENV://TEAM_CREDS",
        "by env:// of a name that is not set": "env://NOT_SET",
        "by env:// of an empty one": "env://EMPTY",
        "by env:// without a name": "env://",
        "by data:": "data:;base64,<<usual.base64>>",
        "by DATA:": "DATA:;base64,<<usual.base64>>",
        "by data: with a type": "data:text/plain;charset=utf-8;base64,<<usual.base64>>",
        "by data: without base64": "data:,<<usual.base64>>",
        "by data: without a comma": "data:;base64<<usual.base64>>",
        "by data: with broken base64": "data:;base64,<<usual.base64>>*",
        "by data: of other text": "data:;base64,aGVsbG8=",
        "by data: of a JWT alone": "data:;base64,<<jwt.base64>>",
        "by data: of a seed alone": "data:;base64,<<seed.base64>>",
        "by op://": "op://team/nats/creds",
        "by nsc://": "nsc://operator/account/ana",
        "by a scheme of one's own": "vault://team/nats",
        "by http://": "http://127.0.0.1:1/x.creds",
        "in a folder with a space": "<<dir>>/a b/x.creds",
        "that is a folder": "<<dir>>",
        "that is not there": "<<dir>>/none.creds",
        "that is not there, in home": "~/none.creds",
        "itself in the key": "<<usual>>",
        "of the JWT itself": "<<ana.jwt>>",
        "empty": "",
        "of spaces": "  ",
    }
    env = {"TEAM_DIR": "<<dir>>", "TEAM_CREDS": "<<usual>>", "EMPTY": ""}
    for name, place in places.items():
        files = {"x.creds": usual, "a b/x.creds": usual}
        yield Shape(f"a context's creds {name}", context=_HERE | {"creds": place}, files=files, env=env)
        if name not in ("empty", "itself in the key", "of spaces"):
            yield Shape(f"--creds {name}", options=("--server", "<<host>>", "--creds", place), files=files, env=env)


def _key_shapes() -> Iterator[Shape]:
    """NKeys, JWTs and seeds in keys of their own, passwords, tokens."""
    seed = {"x.nk": "<<key.seed>>\n"}
    places = {
        "in a file": "<<dir>>/x.nk",
        "in home": "~/x.nk",
        "by $HOME": "$HOME/x.nk",
        "by file://": "file://<<dir>>/x.nk",
        "by env://": "env://TEAM_SEED",
        "by data:": "data:;base64,<<key.base64>>",
        "by op://": "op://team/nats/seed",
        "by a scheme of one's own": "vault://team/nats",
        "that is not there": "<<dir>>/none.nk",
        "itself in the key": "<<key.seed>>",
    }
    for name, place in places.items():
        env = {"TEAM_SEED": "<<key.seed>>"}
        yield Shape(f"a context's nkey {name}", "users", _HERE | {"nkey": place}, files=seed, env=env)
        yield Shape(f"--nkey {name}", "users", options=("-s", "<<host>>", "--nkey", place), files=seed, env=env)
    for name, content in {
        "without a newline": "<<key.seed>>",
        "with CRLF": "<<key.seed>>\r\n",
        "with a space before": "  <<key.seed>>\n",
        "with a space after": "<<key.seed>>  \n",
        "with lines around it": _creds(_SEED[0], "<<key.seed>>", _SEED[2]),
        "with a comment before": "# mine\n<<key.seed>>\n",
        "in a credentials file": _creds(*_JWT, _SEED[0], "<<key.seed>>", _SEED[2]),
        "of an account": "<<account.seed>>\n",
        "of somebody else": "<<ana.seed>>\n",
        "that is cut": "<<cut.seed>>\n",
        "empty": "",
    }.items():
        yield Shape(f"nkey {name}", "users", _HERE | {"nkey": "<<dir>>/x.nk"}, files={"x.nk": content})
    pair = {"user_jwt": "<<ana.jwt>>", "user_seed": "<<ana.seed>>"}
    yield Shape("user_jwt with user_seed", context=_HERE | pair)
    yield Shape("user_jwt alone", context=_HERE | {"user_jwt": "<<ana.jwt>>"})
    yield Shape("user_seed alone", context=_HERE | {"user_seed": "<<ana.seed>>"})
    yield Shape("user_jwt of a bearer alone", context=_HERE | {"user_jwt": "<<bearer.jwt>>"})
    yield Shape(
        "user_jwt of a bearer with user_seed",
        context=_HERE | {"user_jwt": "<<bearer.jwt>>", "user_seed": "<<bearer.seed>>"},
    )
    yield Shape("user_jwt with somebody else's user_seed", context=_HERE | pair | {"user_seed": "<<bo.seed>>"})
    yield Shape("user_jwt with a broken user_seed", context=_HERE | pair | {"user_seed": "<<cut.seed>>"})
    yield Shape(
        "user_jwt and user_seed by file:// and env://",
        context=_HERE | {"user_jwt": "file://~/x.jwt", "user_seed": "env://TEAM_SEED"},
        files={"x.jwt": "<<ana.jwt>>\r\n"},
        env={"TEAM_SEED": "<<ana.seed>>\n"},
    )
    yield Shape(
        "user_jwt by a bare path", context=_HERE | pair | {"user_jwt": "<<dir>>/x.jwt"}, files={"x.jwt": "<<ana.jwt>>"}
    )
    yield Shape(
        "user_jwt and user_seed by data:",
        context=_HERE
        | {"user_jwt": "data:;base64,<<jwt.bare.base64>>", "user_seed": "data:;base64,<<seed.bare.base64>>"},
    )
    yield Shape("user_seed by op://", context=_HERE | pair | {"user_seed": "op://team/nats/seed"})
    user = {"user": "ana", "password": "<<password>>"}
    yield Shape("user and password", "users", _HERE | user)
    yield Shape("user and a wrong password", "users", _HERE | user | {"password": "wrong"})
    yield Shape("user without a password", "users", _HERE | {"user": "open"})
    yield Shape("user without a password, who has one", "users", _HERE | {"user": "ana"})
    yield Shape("password without a user", "users", _HERE | {"password": "<<password>>"})
    yield Shape("an empty user with a password", "users", _HERE | user | {"user": ""})
    yield Shape("a user that is null", "users", _HERE | user | {"user": None})
    yield Shape("password by env://", "users", _HERE | user | {"password": "env://PW"}, env={"PW": "<<password>>"})
    yield Shape(
        "password by file://", "users", _HERE | user | {"password": "file://~/pw"}, files={"pw": "<<password>>\n"}
    )
    yield Shape("password by data:", "users", _HERE | user | {"password": "data:;base64,<<password.base64>>"})
    yield Shape("password by op://", "users", _HERE | user | {"password": "op://team/nats/pw"})
    yield Shape("a password that looks like a URL", "users", _HERE | {"user": "url", "password": "vault://a/b"})
    yield Shape("a password with dollars", "users", _HERE | {"user": "dollar", "password": "$HOME"})
    yield Shape("a password of a single colon", "users", _HERE | {"user": "colon", "password": "a:b"})
    yield Shape("token", "token", _HERE | {"token": "<<token>>"})
    yield Shape("a wrong token", "token", _HERE | {"token": "wrong"})
    yield Shape("token by env://", "token", _HERE | {"token": "env://TOKEN"}, env={"TOKEN": "<<token>>"})
    yield Shape("token by file://", "token", _HERE | {"token": "file://<<dir>>/t"}, files={"t": "<<token>>\n"})
    yield Shape(
        "--token by file://",
        "token",
        options=("-s", "<<host>>", "--token", "file://<<dir>>/t"),
        files={"t": "<<token>>\n"},
    )
    yield Shape("nobody", "users", _HERE)
    yield Shape("nobody where somebody is wanted", context=_HERE)


def _several_shapes() -> Iterator[Shape]:
    """Several kinds of credentials at once: which one wins?"""
    kinds: dict[str, dict[str, str]] = {
        "user": {"user": "ana", "password": "<<password>>"},
        "token": {"token": "<<token>>"},
        "creds": {"creds": "<<dir>>/x.creds"},
        "broken creds": {"creds": "<<dir>>/none.creds"},
        "nkey": {"nkey": "<<dir>>/x.nk"},
        "broken nkey": {"nkey": "<<dir>>/none.nk"},
        "jwt": {"user_jwt": "<<bo.jwt>>", "user_seed": "<<bo.seed>>"},
    }
    files = {"x.creds": _creds(*_JWT, *_SEED), "x.nk": "<<key.seed>>\n"}
    names = list(kinds)
    for i, first in enumerate(names):
        for second in names[i + 1 :]:
            if first.split()[-1] == second.split()[-1]:
                continue
            for server in ("users", "jwt", "token"):
                both = kinds[first] | kinds[second]
                yield Shape(f"{first} and {second} at {server}", server, _HERE | both, files=files)
    everything = {key: value for kind in kinds.values() for key, value in kind.items()}
    for server in ("users", "jwt", "token"):
        yield Shape(f"everything at {server}", server, _HERE | everything, files=files)
        in_address = {"url": "nats://bo:bo-pw@<<host>>"}
        for name, kind in kinds.items():
            yield Shape(f"a user in the address and {name} at {server}", server, in_address | kind, files=files)
        yield Shape(
            f"a token in the address and a user at {server}",
            server,
            {"url": "nats://<<token>>@<<host>>"} | kinds["user"],
        )


def _address_shapes() -> Iterator[Shape]:
    """Addresses as people write them."""
    for name, url in {
        "with a scheme": "nats://<<host>>",
        "without a scheme": "<<host>>",
        "with an upper-case scheme": "NATS://<<host>>",
        "with a mixed-case scheme": "Nats://<<host>>",
        "with tls:// at a server without": "tls://<<host>>",
        "with a slash at its end": "nats://<<host>>/",
        "with a path": "nats://<<host>>/path",
        "with a query": "nats://<<host>>?a=b",
        "with a fragment": "nats://<<host>>#a",
        "with localhost": "nats://localhost:<<port>>",
        "with an upper-case host": "nats://LOCALHOST:<<port>>",
        "with IPv6": "nats://<<six>>",
        "with IPv6 without a scheme": "<<six>>",
        "with IPv6 without brackets": "nats://::1:<<port>>",
        "with spaces around": "  nats://<<host>>  ",
        "with a space inside": "nats://127.0.0.1 :<<port>>",
        "of a list": "nats://127.0.0.1:1,nats://<<host>>",
        "of a list with spaces": "nats://127.0.0.1:1 , nats://<<host>>",
        "of a list with empty ones": ",,nats://<<host>>,",
        "of a list of which one is no address": "nats://<<host>>,nats://h:x",
        "of a list with a WebSocket": "nats://<<host>>,ws://<<host>>",
        "of commas alone": ",",
        "empty": "",
        "with an empty port": "nats://127.0.0.1:",
        "with port 0": "nats://127.0.0.1:0",
        "with a port too high": "nats://127.0.0.1:99999",
        "with a port of letters": "nats://127.0.0.1:abc",
        "with a plus in the port": "nats://127.0.0.1:+<<port>>",
        "with a zero before the port": "nats://127.0.0.1:0<<port>>",
        "without a host": "nats://:<<port>>",
        "of a scheme alone": "nats://",
        "with http://": "http://<<host>>",
        "with a scheme of one's own": "foo://<<host>>",
        "with one slash": "nats:/<<host>>",
        "with three slashes": "nats:///<<host>>",
        "with a percent-encoded host": "nats://127%2E0.0.1:<<port>>",
        "with a user": "nats://ana:<<password.quoted>>@<<host>>",
        "with a user, without a scheme": "ana:<<password.quoted>>@<<host>>",
        "with a user in an upper-case scheme": "NATS://ana:<<password.quoted>>@<<host>>",
        "with a percent-encoded user": "nats://b%6F:bo-pw@<<host>>",
        "with an @ in the password": "nats://at:p@ss@<<host>>",
        "with an encoded @ in the password": "nats://at:p%40ss@<<host>>",
        "with a colon in the password": "nats://colon:a:b@<<host>>",
        "with a + in the password": "nats://plus:a+b@<<host>>",
        "with a bare % in the password": "nats://ana:a%zz@<<host>>",
        "with a % at the end of the password": "nats://ana:a%@<<host>>",
        "with a / in the password": "nats://ana:a/b@<<host>>",
        "with a # in the password": "nats://ana:a#b@<<host>>",
        "with a ? in the password": "nats://ana:a?b@<<host>>",
        "with a [ in the password": "nats://ana:a[b@<<host>>",
        "with a space in the password": "nats://ana:a b@<<host>>",
        "with a letter beyond ASCII in the password": "nats://umlaut:ö@<<host>>",
        "with a comma in the password": "nats://comma:a,b@<<host>>",
        "with an encoded comma in the password": "nats://comma:a%2Cb@<<host>>",
        "with an empty password": "nats://open:@<<host>>",
        "with an empty user": "nats://:bo-pw@<<host>>",
        "with nothing before the @": "nats://@<<host>>",
        "with a wrong password": "nats://ana:wrong@<<host>>",
        "of a list whose first one has a user": "nats://bo:bo-pw@127.0.0.1:1,nats://<<host>>",
        "of a list whose second one has a user": "nats://127.0.0.1:1,nats://bo:bo-pw@<<host>>",
        "of a list with other users": "nats://ana:x@127.0.0.1:1,nats://bo:bo-pw@<<host>>",
    }.items():
        yield Shape(f"an address {name}", "users", {"url": url})
        if name not in ("empty", "of commas alone"):
            yield Shape(f"--server {name}", "users", options=("--server", url))
    yield Shape("an address with a token", "token", {"url": "nats://<<token>>@<<host>>"})
    yield Shape("an address with a percent-encoded token", "token", {"url": "nats://s3cret%2Dtoken@<<host>>"})
    yield Shape("an address with a token and a colon", "token", {"url": "nats://<<token>>:@<<host>>"})
    yield Shape("a WebSocket address", "users", {"url": "ws://bo:bo-pw@127.0.0.1:<<ws>>"})
    yield Shape("a WebSocket address in upper case", "users", {"url": "WS://bo:bo-pw@127.0.0.1:<<ws>>"})
    yield Shape("a WebSocket address with a path", "users", {"url": "ws://bo:bo-pw@127.0.0.1:<<ws>>/path"})
    yield Shape("NATS_URL of a list", "users", env={"NATS_URL": "nats://127.0.0.1:1,nats://bo:bo-pw@<<host>>"})
    yield Shape("NATS_URL with a space", "users", env={"NATS_URL": "nats://127.0.0.1:1 nats://bo:bo-pw@<<host>>"})
    yield Shape("NATS_URL empty over a context", "users", {"url": "nats://bo:bo-pw@<<host>>"}, env={"NATS_URL": ""})


def _context_shapes() -> Iterator[Shape]:
    """Context files as people have them."""
    bo = {"url": "nats://<<host>>", "user": "bo", "password": "bo-pw"}
    text = json.dumps(bo)
    for name, content in {
        "of keys in upper case": json.dumps({key.upper(): value for key, value in bo.items()}),
        "of keys in title case": json.dumps({key.title(): value for key, value in bo.items()}),
        "with unknown keys": json.dumps(bo | {"colour": "red", "nested": {"a": [1]}}),
        "with all the tool's keys empty": json.dumps(
            bo
            | dict.fromkeys(
                [
                    "description",
                    "socks_proxy",
                    "token",
                    "creds",
                    "nkey",
                    "cert",
                    "key",
                    "ca",
                    "nsc",
                    "jetstream_domain",
                    "jetstream_api_prefix",
                    "jetstream_event_prefix",
                    "inbox_prefix",
                    "user_jwt",
                    "user_seed",
                    "color_scheme",
                    "windows_cert_store",
                    "windows_cert_match_by",
                    "windows_cert_match",
                ],
                "",
            )
            | {"tls_first": False, "windows_ca_certs_match": None}
        ),
        "with a colour scheme": json.dumps(bo | {"color_scheme": "green"}),
        "with an unknown colour scheme": json.dumps(bo | {"color_scheme": "nothing"}),
        "with null for keys": json.dumps(bo | {"creds": None, "tls_first": None, "nkey": None}),
        "with keys twice": text[:-1] + ', "user": "ana", "user": "bo"}',
        "with a BOM": "\ufeff" + text,
        "with CRLF": json.dumps(bo, indent=2).replace("\n", "\r\n"),
        "with text after it": text + "\nhello",
        "with a comma at its end": text[:-1] + ",}",
        "with a comment": "// mine\n" + text,
        "of a list": "[" + text + "]",
        "that is null": "null",
        "empty": "",
        "that is a string": '"mine"',
        "with a number for a password": json.dumps(bo | {"password": 1}),
        "with a list for the url": json.dumps(bo | {"url": ["nats://<<host>>"]}),
        "with a string for tls_first": json.dumps(bo | {"tls_first": "true"}),
        "with an event prefix": json.dumps(bo | {"jetstream_event_prefix": "events"}),
        "with a name of its own": json.dumps(bo | {"name": "another"}),
        "with a windows store": json.dumps(bo | {"windows_cert_store": "user", "windows_cert_match": "x"}),
        "with a SOCKS proxy": json.dumps(bo | {"socks_proxy": "socks5://127.0.0.1:1"}),
        "with nsc": json.dumps({"url": "nats://<<host>>", "nsc": "nsc://operator/account/ana"}),
        "with a user in an odd escape": text.replace('"bo"', '"b\\u006f"'),
    }.items():
        yield Shape(f"a context {name}", "users", content)


def _precedence_shapes() -> Iterator[Shape]:
    """What goes over what."""
    bo = {"url": "nats://<<host>>", "user": "bo", "password": "bo-pw"}
    ana = {"user": "ana", "password": "<<password>>"}
    text = json.dumps(bo)
    named = {"mine2.json": text}
    yield Shape("--context by name", "users", bo, selected=False, options=("--context", "mine"))
    yield Shape("NATS_CONTEXT by name", "users", bo, selected=False, env={"NATS_CONTEXT": "mine"})
    yield Shape("--context by name with .json", "users", bo, selected=False, options=("--context", "mine.json"))
    yield Shape("--context by an absolute path", "users", options=("--context", "<<dir>>/mine2.json"), files=named)
    yield Shape("NATS_CONTEXT by an absolute path", "users", env={"NATS_CONTEXT": "<<dir>>/mine2.json"}, files=named)
    yield Shape("--context by a path in home", "users", options=("--context", "~/mine2.json"), files=named)
    yield Shape("--context by a relative path", "users", options=("--context", "./mine2.json"), files=named)
    yield Shape("--context by a name that is a file here", "users", options=("--context", "mine2.json"), files=named)
    yield Shape(
        "--context by a path without .json", "users", options=("--context", "<<dir>>/mine2"), files={"mine2": text}
    )
    yield Shape(
        "--context by a path in upper case", "users", options=("--context", "<<dir>>/m.JSON"), files={"m.JSON": text}
    )
    yield Shape("--context by file://", "users", options=("--context", "file://<<dir>>/mine2.json"), files=named)
    yield Shape("--context by a path that is not there", "users", options=("--context", "<<dir>>/none.json"))
    yield Shape(
        "--context by a name with dots", "users", options=("--context", "../context/mine"), context=bo, selected=False
    )
    yield Shape("--context that is not there", "users", bo, options=("--context", "none"))
    yield Shape("an empty --context", "users", bo, options=("--context", ""))
    yield Shape("an empty NATS_CONTEXT", "users", bo, env={"NATS_CONTEXT": ""})
    yield Shape(
        "--context over NATS_CONTEXT",
        "users",
        bo,
        selected=False,
        options=("--context", "mine"),
        env={"NATS_CONTEXT": "none"},
    )
    yield Shape("the selected context", "users", bo)
    yield Shape("no selected context", "users", bo, selected=False, options=("-s", "<<host>>"))
    yield Shape(
        "a selected context that is not there",
        "users",
        files={"cfg/nats/context.txt": "none"},
        options=("-s", "<<host>>"),
    )
    yield Shape(
        "a selected context with spaces around", "users", bo, files={"cfg/nats/context.txt": " mine \n"}, selected=False
    )
    yield Shape(
        "a selected context that is empty",
        "users",
        bo,
        files={"cfg/nats/context.txt": "\n"},
        selected=False,
        options=("-s", "<<host>>"),
    )
    yield Shape(
        "--server over the selected context", "users", bo | {"url": "nats://127.0.0.1:1"}, options=("-s", "<<host>>")
    )
    yield Shape(
        "--server over a named context",
        "users",
        bo | {"url": "nats://127.0.0.1:1"},
        options=("-s", "<<host>>", "--context", "mine"),
    )
    yield Shape(
        "NATS_URL over the selected context", "users", bo | {"url": "nats://127.0.0.1:1"}, env={"NATS_URL": "<<host>>"}
    )
    yield Shape(
        "--server over NATS_URL",
        "users",
        env={"NATS_URL": "nats://127.0.0.1:1"},
        options=("-s", "nats://bo:bo-pw@<<host>>"),
    )
    yield Shape("--no-context", "users", bo, options=("-s", "<<host>>", "--no-context"))
    yield Shape(
        "--no-context with a name", "users", bo, options=("-s", "<<host>>", "--no-context", "--context", "mine")
    )
    yield Shape(
        "a context without a url", "users", {k: v for k, v in bo.items() if k != "url"}, options=("-s", "<<host>>")
    )
    yield Shape(
        "user and password over a context's", "users", bo, options=("--user", "ana", "--password", "<<password>>")
    )
    yield Shape(
        "NATS_USER and NATS_PASSWORD over a context's",
        "users",
        bo,
        env={"NATS_USER": "ana", "NATS_PASSWORD": "<<password>>"},
    )
    yield Shape(
        "--password over a context's", "users", _HERE | ana | {"password": "x"}, options=("--password", "<<password>>")
    )
    yield Shape("--user alone over a context's", "users", bo, options=("--user", "ana"))
    yield Shape("--user alone, at a server with tokens", "token", options=("-s", "<<host>>", "--user", "<<token>>"))
    yield Shape(
        "NATS_USER alone, at a server with tokens", "token", env={"NATS_URL": "<<host>>", "NATS_USER": "<<token>>"}
    )
    yield Shape("--user alone, at a server with users", "users", options=("-s", "<<host>>", "--user", "open"))
    yield Shape(
        "--user and an empty --password", "users", options=("-s", "<<host>>", "--user", "open", "--password", "")
    )
    yield Shape("--token over a context's user", "token", bo, options=("--token", "<<token>>"))
    yield Shape("--token over a context's user, at a server with users", "users", bo, options=("--token", "<<token>>"))
    yield Shape(
        "--user and --password over a context's token",
        "users",
        _HERE | {"token": "x"},
        options=("--user", "bo", "--password", "bo-pw"),
    )


def _credentials_over_shapes() -> Iterator[Shape]:
    """Credentials of one kind given over those of another in a context."""
    bo = {"url": "nats://<<host>>", "user": "bo", "password": "bo-pw"}
    creds = {
        "x.creds": _creds(*_JWT, *_SEED),
        "y.creds": _creds(*_JWT, *_SEED).replace("ana", "bo"),
        "x.nk": "<<key.seed>>",
    }
    option = ("--creds", "<<dir>>/x.creds")
    yield Shape(
        "--creds over a context's creds", context=_HERE | {"creds": "<<dir>>/y.creds"}, files=creds, options=option
    )
    yield Shape(
        "NATS_CREDS over a context's creds",
        context=_HERE | {"creds": "<<dir>>/y.creds"},
        files=creds,
        env={"NATS_CREDS": option[1]},
    )
    yield Shape(
        "--creds over NATS_CREDS", context=_HERE, files=creds, env={"NATS_CREDS": "<<dir>>/y.creds"}, options=option
    )
    for server in ("users", "jwt"):
        yield Shape(f"--creds over a context's user at {server}", server, bo, files=creds, options=option)
        yield Shape(
            f"--creds over a context's user in its address at {server}",
            server,
            {"url": "nats://bo:bo-pw@<<host>>"},
            files=creds,
            options=option,
        )
        yield Shape(
            f"--creds over a context's nkey at {server}",
            server,
            _HERE | {"nkey": "<<dir>>/x.nk"},
            files=creds,
            options=option,
        )
        yield Shape(
            f"--creds over a context's user_jwt at {server}",
            server,
            _HERE | {"user_jwt": "<<bo.jwt>>", "user_seed": "<<bo.seed>>"},
            files=creds,
            options=option,
        )
        yield Shape(
            f"--creds over a context's token at {server}", server, _HERE | {"token": "x"}, files=creds, options=option
        )
        yield Shape(
            f"--nkey over a context's user at {server}", server, bo, files=creds, options=("--nkey", "<<dir>>/x.nk")
        )
        yield Shape(
            f"--nkey over a context's creds at {server}",
            server,
            _HERE | {"creds": option[1]},
            files=creds,
            options=("--nkey", "<<dir>>/x.nk"),
        )
        yield Shape(
            f"--user and --password over a context's creds at {server}",
            server,
            _HERE | {"creds": option[1]},
            files=creds,
            options=("--user", "ana", "--password", "<<password>>"),
        )
        yield Shape(
            f"--user and --password over a user in the address at {server}",
            server,
            {"url": "nats://bo:bo-pw@<<host>>"},
            options=("--user", "ana", "--password", "<<password>>"),
        )
        yield Shape(
            f"NATS_CREDS over the selected context's user at {server}",
            server,
            bo,
            files=creds,
            env={"NATS_CREDS": option[1]},
        )
        yield Shape(
            f"--creds and --user and --password at {server}",
            server,
            _HERE,
            files=creds,
            options=(*option, "--user", "ana", "--password", "<<password>>"),
        )
    yield Shape(
        "NATS_USER empty over a context",
        "users",
        bo,
        env={"NATS_USER": "", "NATS_PASSWORD": "", "NATS_CREDS": "", "NATS_NKEY": "", "NATS_TOKEN": ""},
    )
    yield Shape("an inbox prefix", "inbox", _HERE | {"user": "ana", "password": "pw", "inbox_prefix": "_INBOX_ana"})
    yield Shape("no inbox prefix where one is wanted", "inbox", _HERE | {"user": "ana", "password": "pw"})
    yield Shape(
        "--inbox-prefix over a context's",
        "inbox",
        _HERE | {"user": "ana", "password": "pw", "inbox_prefix": "x"},
        options=("--inbox-prefix", "_INBOX_ana"),
    )
    yield Shape(
        "an inbox prefix with a dot at its end",
        "inbox",
        _HERE | {"user": "ana", "password": "pw", "inbox_prefix": "_INBOX_ana."},
    )
    yield Shape(
        "an inbox prefix with a wildcard",
        "inbox",
        _HERE | {"user": "ana", "password": "pw", "inbox_prefix": "_INBOX_ana.*"},
    )


def _tls_shapes() -> Iterator[Shape]:
    """TLS files and when TLS begins."""
    ca = {"ca": "<<ca>>"}
    files = {"ca.pem": "<<ca.text>>", "cert.pem": "<<cert.text>>", "key.pem": "<<key.text>>"}
    for name, value in {
        "in a file": "<<dir>>/ca.pem",
        "in home": "~/ca.pem",
        "by $HOME": "$HOME/ca.pem",
        "by file://": "file://<<dir>>/ca.pem",
        "by env://": "env://CA",
        "by data:": "data:;base64,<<ca.base64>>",
        "that is not there": "<<dir>>/none.pem",
        "of other text": "<<dir>>/text.pem",
        "left out": "",
    }.items():
        more = files | {"text.pem": "hello"}
        yield Shape(f"a ca {name}", "tls", _HERE | {"ca": value}, files=more, env={"CA": "<<ca.text>>"})
    for server in ("tls", "verify", "first", "tls or not", "users"):
        yield Shape(f"a ca at {server}", server, _HERE | ca)
        yield Shape(f"a ca and tls:// at {server}", server, ca | {"url": "tls://<<host>>"})
        yield Shape(f"a ca and TLS:// at {server}", server, ca | {"url": "TLS://<<host>>"})
        yield Shape(f"a ca and tls_first at {server}", server, _HERE | ca | {"tls_first": True})
        yield Shape(f"nothing of TLS at {server}", server, _HERE)
    pair = {"cert": "<<dir>>/cert.pem", "key": "<<dir>>/key.pem"}
    yield Shape("a client certificate", "verify", _HERE | ca | pair, files=files)
    yield Shape(
        "a client certificate in home",
        "verify",
        _HERE | ca | {"cert": "~/cert.pem", "key": "$HOME/key.pem"},
        files=files,
    )
    yield Shape(
        "a client certificate by file://",
        "verify",
        _HERE | ca | {"cert": "file://~/cert.pem", "key": "file://<<dir>>/key.pem"},
        files=files,
    )
    yield Shape("a client certificate without its key", "verify", _HERE | ca | {"cert": pair["cert"]}, files=files)
    yield Shape("a key without its certificate", "verify", _HERE | ca | {"key": pair["key"]}, files=files)
    yield Shape(
        "a client certificate without its key, at a server that wants none",
        "tls",
        _HERE | ca | {"cert": pair["cert"]},
        files=files,
    )
    yield Shape(
        "a key without its certificate, at a server that wants none",
        "tls",
        _HERE | ca | {"key": pair["key"]},
        files=files,
    )
    yield Shape("a certificate with another key", "verify", _HERE | ca | pair | {"key": "<<server.key>>"}, files=files)
    yield Shape("a key by op://", "verify", _HERE | ca | pair | {"key": "op://team/nats/key"}, files=files)
    yield Shape("--tlsca", "tls", options=("-s", "<<host>>", "--tlsca", "<<ca>>"))
    yield Shape("NATS_CA", "tls", env={"NATS_URL": "<<host>>", "NATS_CA": "<<ca>>"})
    yield Shape("--tlsca over a context's", "tls", _HERE | {"ca": "<<dir>>/none.pem"}, options=("--tlsca", "<<ca>>"))
    yield Shape(
        "--tlscert and --tlskey",
        "verify",
        options=("-s", "<<host>>", "--tlsca", "<<ca>>", "--tlscert", pair["cert"], "--tlskey", pair["key"]),
        files=files,
    )
    yield Shape("--tlsfirst", "first", _HERE | ca, options=("--tlsfirst",))
    yield Shape("--tls-first", "first", _HERE | ca, options=("--tls-first",))


SHAPES = [
    *_creds_shapes(),
    *_key_shapes(),
    *_several_shapes(),
    *_address_shapes(),
    *_context_shapes(),
    *_precedence_shapes(),
    *_credentials_over_shapes(),
    *_tls_shapes(),
]


@dataclass(frozen=True)
class World:
    """Servers of each kind, by host and port, and what `<<...>>` stands for."""

    hosts: Mapping[str, str]
    values: Mapping[str, str]
    names: Mapping[str, str]  # of users, by what the server calls them

    @property
    def secrets(self) -> list[str]:
        """What no message may hold."""
        kept = ("seed", "jwt", "password", "token", "base64")
        return [value for name, value in self.values.items() if name.split(".")[-1] in kept or name in kept]


@contextlib.contextmanager
def world(folder: Path) -> Iterator[World]:
    """Run the servers that shapes are tried on."""
    operator = Operator()
    key = User()
    users = {name: operator.member(bearer_token=name == "bearer") for name in ("ana", "bo", "bearer")}
    authority, ours = trustme.CA(), trustme.CA()
    server, client = authority.issue_cert("127.0.0.1", "localhost", "::1"), ours.issue_cert("ana@example.org")
    paths = {name: folder / name for name in ("ca.pem", "clients.pem", "server.pem", "server.key")}
    authority.cert_pem.write_to_path(paths["ca.pem"])
    ours.cert_pem.write_to_path(paths["clients.pem"])
    server.cert_chain_pems[0].write_to_path(paths["server.pem"])
    server.private_key_pem.write_to_path(paths["server.key"])
    pw = "s3cret-p@ss:w/ö%"
    usual = _creds(*_JWT, *_NOTE, *_SEED)
    values = {f"{name}.jwt": user.jwt for name, user in users.items()}
    values |= {f"{name}.seed": user.seed for name, user in users.items()}
    jwt = users["ana"].jwt
    values |= {
        "key.seed": key.seed,
        "account.seed": operator.team.seed,
        "cut.seed": users["ana"].seed[:-3],
        "lower.seed": users["ana"].seed.lower(),
        "ana.jwt.1": jwt[:80],
        "ana.jwt.2": jwt[80:],
        "password": pw,
        "password.quoted": "s3cret-p%40ss%3Aw%2F%C3%B6%25",
        "token": _TOKEN,
        "usual": _filled(usual, values),
    }
    for name, text in {
        "usual": values["usual"],
        "jwt": _filled(_creds(*_JWT), values),
        "seed": _filled(_creds(*_SEED), values),
        "jwt.bare": jwt,
        "seed.bare": users["ana"].seed,
        "key": key.seed,
        "password": pw,
        "ca": paths["ca.pem"].read_text(),
    }.items():
        values[f"{name}.base64"] = base64.b64encode(text.encode()).decode()
    values |= {
        "ca": str(paths["ca.pem"]),
        "ca.text": paths["ca.pem"].read_text(),
        "cert.text": client.cert_chain_pems[0].bytes().decode(),
        "key.text": client.private_key_pem.bytes().decode(),
        "server.key": str(paths["server.key"]),
    }
    people = {
        "ana": pw,
        "bo": "bo-pw",
        "open": "",
        "at": "p@ss",
        "colon": "a:b",
        "plus": "a+b",
        "umlaut": "ö",
        "comma": "a,b",
    }
    people |= {"url": "vault://a/b", "dollar": "$HOME", "nobody": "x"}
    listed = [
        f"{{ user: {json.dumps(name)}, password: {json.dumps(word, ensure_ascii=False)} }}"
        for name, word in people.items()
    ]
    listed.append(f"{{ nkey: {key.public} }}")
    no_auth = f"authorization {{ users: [{', '.join(listed)}] }}\nno_auth_user: nobody\n"
    tls = f"tls {{ cert_file: {json.dumps(str(paths['server.pem']))}, key_file: {json.dumps(str(paths['server.key']))}"
    configs = {
        "users": no_auth + 'websocket { listen: "127.0.0.1:-1", no_tls: true }',
        "jwt": operator.config(),
        "token": f'authorization {{ token: "{_TOKEN}" }}',
        "inbox": 'authorization { users: [{ user: ana, password: pw, permissions: { subscribe: ["_INBOX_ana.>"] } }] }',
        "tls": f"{tls} }}",
        "tls or not": f"{tls} }}\nallow_non_tls: true",
        "verify": f"{tls}, ca_file: {json.dumps(str(paths['clients.pem']))}, verify: true }}",
        "first": f"{tls}, handshake_first: true }}",
    }
    with contextlib.ExitStack() as stack:
        hosts: dict[str, str] = {}
        for name, config in configs.items():
            (folder / name).mkdir()
            hosts[name] = stack.enter_context(served(config, folder / name))
        (folder / "six").mkdir()
        values["six"] = stack.enter_context(served(no_auth, folder / "six", "[::1]"))
        (ports,) = (folder / "users" / "ports").glob("*.ports")
        values["ws"] = json.loads(ports.read_text())["websocket"][0].rpartition(":")[2]
        names = {user.public: name for name, user in users.items()} | {key.public: "key"}
        yield World(hosts, values, names)


def _filled(text: str, values: Mapping[str, str]) -> str:
    return re.sub(r"<<(.*?)>>", lambda match: values[match[1]], text)


@dataclass(frozen=True)
class Laid:
    """A shape in a folder of its own: how to run it."""

    folder: Path
    env: Mapping[str, str]
    options: list[str]


def lay(shape: Shape, world: World, folder: Path) -> Laid:
    """Write a shape's files and context into a folder, its home; return its variables and options."""
    host = world.hosts[shape.server]
    values = {**world.values, "dir": str(folder), "host": host, "port": host.rpartition(":")[2], "utf-16": ""}

    def fill(value: Any) -> Any:
        if isinstance(value, str):
            return _filled(value, values)
        return {key: fill(inner) for key, inner in value.items()} if isinstance(value, Mapping) else value

    saved = folder / "cfg" / "nats" / "context" / "mine.json"
    saved.parent.mkdir(parents=True)
    if shape.context is not None:
        text = shape.context if isinstance(shape.context, str) else None
        saved.write_bytes((fill(text) if text is not None else json.dumps(fill(shape.context))).encode())
        if shape.selected:
            (folder / "cfg" / "nats" / "context.txt").write_text("mine")
    for name, content in shape.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        encoding = "utf-16" if "<<utf-16>>" in content else "utf-8"
        path.write_bytes(fill(content).encode(encoding))
    env = {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder / "cfg")}
    return Laid(folder, env | fill(shape.env), [fill(option) for option in shape.options])


def whom(answer: Mapping[str, Any], world: World) -> str:
    """Return the name of whom the server took us for, given its answer to a request to ``WHO``."""
    user = str(answer["data"]["user"]) or "anybody"
    return world.names.get(user, user)


@contextlib.contextmanager
def _at_home(files: list[Path]) -> Iterator[None]:
    """Have files in the home folder of whoever runs this, too."""
    home = Path(f"~{getpass.getuser()}").expanduser()
    for file in files:
        (home / file.name).symlink_to(file)
    try:
        yield
    finally:
        for file in files:
            (home / file.name).unlink()


def record(tool: str) -> None:
    """Ask a `nats` tool for each shape's answer, and keep them."""
    version = subprocess.run([tool, "--version"], capture_output=True, encoding="utf-8", check=True)
    answers: dict[str, str] = {}
    why: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as name, world(Path(name)) as w:
        for number, shape in enumerate(SHAPES):
            folder = Path(name) / f"shape{number}"
            folder.mkdir()
            laid = lay(shape, w, folder)
            command = [tool, "req", WHO, "", "--raw", "--timeout", "3s", *laid.options]
            at_home = [folder / file for file in shape.files if "~" in str(shape) and "/" not in file]
            with _at_home(at_home):  # the tool asks the system where home is
                done = subprocess.run(
                    command, capture_output=True, check=False, cwd=folder, env=clean() | dict(laid.env), timeout=60
                )
            text = done.stdout.decode(errors="replace")
            try:
                answers[shape.name] = whom(json.loads(text), w)
            except (ValueError, LookupError):
                answers[shape.name] = REFUSED
                why[shape.name] = (done.stderr.decode(errors="replace") + text).strip()[-300:]
    assert len(answers) == len(SHAPES), "two shapes of one name"
    kept = {"nats": version.stdout.strip() or version.stderr.strip(), "answers": answers}
    ANSWERS.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    if os.environ.get("WHY"):
        Path(os.environ["WHY"]).write_text(json.dumps(why, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    record(sys.argv[1])
