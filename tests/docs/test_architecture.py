"""Each invariant of ARCHITECTURE.md is kept by code and broken by a test that are there; each room is said."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
INVARIANTS = re.findall(
    r"^(\d+)\. .+?\n +Code: `([^`]+)`\. Test: `([^`]+)`\.$", PAGE.partition("## Invariants")[2], re.MULTILINE
)


def test_invariants_are_numbered_in_order_and_each_has_code_and_a_test():
    section = PAGE.partition("## Invariants")[2].partition("\n## ")[0]
    assert re.findall(r"^(\d+)\. ", section, re.MULTILINE) == [number for number, _, _ in INVARIANTS]
    assert [int(number) for number, _, _ in INVARIANTS] == list(range(1, len(INVARIANTS) + 1))


@pytest.mark.parametrize("named", [name for _, code, test in INVARIANTS for name in (code, test)])
def test_what_keeps_or_breaks_an_invariant_is_there(named: str):
    path, _, name = named.partition("::")
    text = (ROOT / path).read_text(encoding="utf-8")
    assert not name or re.search(rf"^(?:async )?(?:def|class) {name}\b", text, re.MULTILINE)


def test_invariants_that_the_text_refers_to_are_there():
    referred = {int(number) for number in re.findall(r"\((\d+)\)", PAGE)}
    assert referred
    assert referred <= {int(number) for number, _, _ in INVARIANTS}


def test_each_room_is_said():
    rooms = {path.parent.relative_to(ROOT).as_posix() for path in (ROOT / "zakar").glob("*/__init__.py")}
    assert len(rooms) > 6
    assert {room for room in rooms if f"`{room}/`" not in PAGE} == set()
