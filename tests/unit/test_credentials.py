import base64
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zakar.broker import address, credentials
from zakar.errors import ConfigError

sys.path.append(str(Path(__file__).parents[1] / "live"))
from operators import Operator

OPERATOR = Operator()
ANA, BO, BEARER = OPERATOR.member(), OPERATOR.member(), OPERATOR.member(bearer_token=True)
BETWEEN = st.lists(
    st.one_of(
        st.sampled_from(["", "   ", "-----BEGIN USER PRIVATE KEY-----", "------END------", "hello", "# eyJh.eyJi.c"]),
        st.text(
            st.characters(codec="utf-8", exclude_characters="\r\n\v\f\x1c\x1d\x1e\x85\u2028\u2029"), max_size=60
        ).filter(
            lambda line: not credentials._JWT.fullmatch(line.strip()) and not credentials._SEED.fullmatch(line.strip())
        ),
    ),
    max_size=4,
)


def _data(text: str, encoding: str = "utf-8") -> str:
    return f"data:;base64,{base64.b64encode(text.encode(encoding)).decode()}"


@given(
    around=st.tuples(BETWEEN, BETWEEN, BETWEEN),
    swapped=st.booleans(),
    margin=st.sampled_from(["", " ", "\t", "    "]),
    end=st.sampled_from(["\n", "\r\n", "\r", " \n"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_a_jwt_and_a_seed_on_lines_of_their_own_are_found_whatever_stands_around_them(
    around: tuple[list[str], list[str], list[str]], swapped: bool, margin: str, end: str, encoding: str
):
    first, second = (ANA.seed, ANA.jwt) if swapped else (ANA.jwt, ANA.seed)
    lines = [*around[0], first, *around[1], second, *around[2]]
    text = "".join(f"{margin}{line}{end}" for line in lines)
    assert credentials.user_of(_data(text, encoding), "--creds") == (ANA.jwt, ANA.seed)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no credentials"),
        (ANA.jwt, "holds a JWT and no seed"),
        (ANA.seed, "holds a seed and no JWT"),
        (ANA.creds.replace(ANA.seed, BO.seed), "its seed is not that of its JWT"),
        (ANA.creds.replace(ANA.seed, ANA.seed[:-2] + "AA"), "its seed is damaged"),
        (ANA.creds.replace(ANA.seed, OPERATOR.team.seed), "its seed is an account's or an operator's"),
        (ANA.creds.replace(ANA.jwt, ANA.jwt[:30] + ".eyJ.x"), "its JWT is damaged"),
    ],
    ids=["empty", "jwt", "seed", "another's seed", "damaged seed", "account", "damaged jwt"],
)
def test_what_credentials_lack_is_said_and_nothing_of_them(text: str, said: str):
    with pytest.raises(ConfigError, match=f"^--creds: {said}") as refused:
        credentials.user_of(_data(text), "--creds")
    assert ANA.seed not in str(refused.value)
    assert refused.value.exit_code == 2


def test_a_bearer_needs_no_seed():
    assert credentials.user_of(_data(BEARER.jwt), "--creds") == (BEARER.jwt, None)


@pytest.mark.parametrize("text", ["", ANA.jwt, "hello"], ids=["empty", "jwt", "text"])
def test_what_holds_no_seed_is_no_nkey(text: str):
    with pytest.raises(ConfigError, match="^--nkey: holds no seed"):
        credentials.seed_of(_data(text), "--nkey")


def test_a_path_has_its_variables_and_its_home_replaced_as_the_tool_does(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TEAM", "zakar")
    monkeypatch.delenv("NOT_SET", raising=False)
    home = str(Path.home())
    assert credentials.expanded("~/x") == f"{home}/x"
    assert credentials.expanded("$TEAM/${TEAM}x/$NOT_SET$TEAM_x") == "zakar/zakarx/"
    assert credentials.expanded("a$/b$") == "a$/b$"
    assert credentials.expanded("/~/x") == "/~/x"


def test_a_pipe_is_read_once_and_that_is_enough(tmp_path: Path):
    if sys.platform == "win32":
        return
    import os
    import threading

    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writing = threading.Thread(target=lambda: pipe.write_text(ANA.creds))
    writing.start()
    assert credentials.user_of(str(pipe), "--creds") == (ANA.jwt, ANA.seed)
    writing.join()


@given(
    user=st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=20),
    password=st.none() | st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=20),
    scheme=st.sampled_from(["nats", "NATS", "tls", "Ws", "wss", "memphis"]),
    host=st.sampled_from(["127.0.0.1", "[::1]", "Example.ORG", "localhost"]),
    port=st.integers(1, 65535),
)
def test_an_address_is_read_as_it_was_written(user: str, password: str | None, scheme: str, host: str, port: int):
    from urllib.parse import quote

    who = quote(user, safe="") + ("" if password is None else ":" + quote(password, safe=""))
    read = address.read(f"{scheme}://{who}@{host}:{port}")
    assert (read.scheme, read.port, read.user, read.password) == (scheme.lower(), port, user, password)
    assert read.shown == f"{scheme.lower()}://{host}:{port}"
    assert address.read(read.shown) == read._replace(user=None, password=None)
