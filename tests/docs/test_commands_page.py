"""The reference of the command line is what the commands say of themselves."""

import sys
from pathlib import Path

from zakar.cli.main import COMMANDS

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_is_what_the_commands_say_now(monkeypatch):
    """If not: `just reference` writes it anew."""
    monkeypatch.syspath_prepend(str(DOCS))
    monkeypatch.delitem(sys.modules, "reference", raising=False)
    from reference import reference

    page = (DOCS / "commands.md").read_text(encoding="utf-8")
    assert page == reference()
    assert all(f"## zakar {name}\n" in page or f"## zakar {name} " in page for name in COMMANDS)
