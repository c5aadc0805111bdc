"""Whoever waits for a broker sees how far the work is, on standard error alone."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from helpers import served
from helpers import zakar as at_a_pipe
from islands import SAMPLE
from terminals import TERMINALS, at_a_terminal, last_drawn, zakar

from zakar.broker.server import ServerSettings, running
from zakar.cli import common

# What waits for a broker that has all stations: the meter of each, and how it ends.
COMMANDS = {
    "load SAMPLE --server OTHER": ("loading messages", "100 %"),
    "load SAMPLE --server FULL --json": ("loading messages", "100 %"),  # all of it is there already
    "load SAMPLE --server EMPTY --dry-run --partitions 3": ("reading rows", "19,220"),
    "load SAMPLE --server EMPTY --dry-run --days 60": ("reading rows", r"\d,\d{3}"),
    "doctor SAMPLE --server EMPTY --days 60": ("reading rows", r"\d,\d{3}"),
    "doctor SAMPLE --server SMALL": ("reading rows", "19,220"),  # so how many days have room is asked
    "verify SAMPLE --server FULL": ("verifying messages", "100 %"),
    "verify SAMPLE --server FULL --days 60": ("reading rows", r"\d,\d{3}"),
    "consume zakar-tweets --server FULL --out FILE": ("reading messages", "100 %"),
    "consume zakar-tweets --server FULL --limit 5000 --out FILE": ("reading messages", "100 %"),
    "consume zakar-tweets --server FULL --format parquet --out FILE": ("reading messages", "100 %"),
}


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """What stands in commands for folders and servers: with all stations, with none, with no room, for anything."""
    folder = tmp_path_factory.mktemp("small")
    limits = "accounts { A { jetstream { max_file: 5MB }, users [{ user: ana, password: b }] } }\nno_auth_user: ana"
    with (
        running(ServerSettings()) as full,
        running(ServerSettings()) as empty,
        running(ServerSettings()) as other,
        served(limits, folder) as small,
    ):
        assert at_a_pipe("load", str(SAMPLE), "--server", full.url).returncode == 0
        yield {"SAMPLE": str(SAMPLE), "FULL": full.url, "EMPTY": empty.url, "OTHER": other.url, "SMALL": small}


@pytest.fixture
def typed(places: dict[str, str], tmp_path: Path) -> Callable[[str], list[str]]:
    """The words of a command, with the addresses of servers and the names of files that are there."""
    here = {**places, "FILE": str(tmp_path / "out")}
    return lambda words: [here.get(word, word) for word in words.split()]


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a line be told each time that something is done, and not every few seconds alone."""
    monkeypatch.setattr(common, "_PLAIN_SECONDS", 0.0)


@pytest.mark.parametrize("words", COMMANDS)
def test_a_line_says_how_far_it_is(
    words: str, typed: Callable[[str], list[str]], often: None, command: Callable[..., tuple[int, str, str]]
):
    label, ending = COMMANDS[words]
    _, out, err = command(*typed(words))
    lines = [line for line in err.splitlines() if line.startswith(f"{label}: ")]
    shown = [[int(number.replace(",", "")) for number in re.findall(r"[\d,]*\d", line)[:2]] for line in lines]
    assert shown
    assert [done for done, *_ in shown] == sorted(done for done, *_ in shown)
    assert ending != "100 %" or shown[-1][0] == shown[-1][1]
    assert label not in out


@pytest.mark.slow
@pytest.mark.parametrize("words", COMMANDS if TERMINALS else [])
def test_a_meter_is_drawn_on_a_terminal(words: str, typed: Callable[[str], list[str]]):
    label, ending = COMMANDS[words]
    code, output, shown = at_a_terminal(zakar(*typed(words)))
    assert re.search(ending, last_drawn(shown, label)), shown
    assert label.encode() not in output
    assert b"\x1b" not in output
    assert code == (1 if "SMALL" in words else 0)


@pytest.mark.parametrize("form", ["jsonl"] if TERMINALS else [])
def test_what_goes_to_another_program_is_not_spoiled_by_a_meter_and_what_goes_into_a_file_has_one(
    form: str, typed: Callable[[str], list[str]], tmp_path: Path
):
    words = zakar(*typed(f"consume zakar-tweets --server FULL --format {form}"))
    code, piped, shown = at_a_terminal(words)
    assert (code, shown) == (0, "")  # the other program may use the terminal
    code, filed, shown = at_a_terminal(words, out=tmp_path / "redirected")
    assert code == 0
    assert last_drawn(shown, "reading messages").count("100 %") == 1
    assert filed == piped
    assert len(filed.splitlines()) == 7_153


def test_a_meter_counts_the_messages_that_are_read_and_no_others(
    typed: Callable[[str], list[str]], often: None, command: Callable[..., tuple[int, str, str]]
):
    _, _, err = command(*typed("consume zakar-fire-alerts --server FULL --limit 1000 --out FILE"))
    assert re.search("^reading messages: 67 of 67, 0 s left, zakar-fire-alerts$", err, re.MULTILINE)  # there are fewer
    _, _, err = command(*typed("consume zakar-fire-alerts --server FULL --limit 4 --out FILE"))
    assert "reading messages: 4 of 4" in err


@pytest.mark.slow
@pytest.mark.parametrize("words", ["demo tiny --out made", "demo tiny --out made --json"] if TERMINALS else [])
def test_each_part_of_the_demo_has_a_meter(words: str, tmp_path: Path):
    code, output, shown = at_a_terminal(zakar(*words.split()), tmp_path)
    assert code == 0
    for label in ("simulating days", "loading messages", "verifying messages"):
        assert "100 %" in last_drawn(shown, label), shown
    assert output == b"" or json.loads(output)["ok"] is True
