"""The page on Python is run: each of its blocks, one after the other, also inside a running event loop."""

import asyncio
import re
from pathlib import Path

import pytest

import zakar

PAGE = (Path(__file__).parents[2] / "docs" / "python.md").read_text(encoding="utf-8")
BLOCKS = [block for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if not block.startswith("# not run")]


@pytest.mark.parametrize("in_a_loop", [False, True])
def test_the_blocks_do_what_they_say(tmp_path, monkeypatch, capsys, in_a_loop: bool):
    monkeypatch.chdir(tmp_path)

    async def notebook() -> None:
        run_all()

    def run_all() -> None:
        names: dict[str, object] = {}
        for block in BLOCKS:
            exec(compile(block, "docs/python.md", "exec"), names)  # noqa: S102 - the page's own

    asyncio.run(notebook()) if in_a_loop else run_all()
    lines = capsys.readouterr().out.splitlines()
    assert len(BLOCKS) == 2
    assert re.fullmatch(r"\d+ posts", lines[0])
    assert re.fullmatch(r"\d+ messages loaded", lines[1])
    assert "event_day" in lines[2]
    assert lines[-1].startswith("zakar-fire-alerts$1 ")


def test_the_reference_has_all_that_is_public_and_nothing_else():
    assert sorted(re.findall(r"^\.\. auto\w+:: (\w+)$", PAGE, re.MULTILINE)) == sorted(zakar.__all__)


def test_what_is_public_is_in_zakar_itself():
    from zakar import api

    assert zakar.__all__ == api.__all__
    assert {*zakar.__all__} <= {*dir(zakar)}
    assert all(getattr(zakar, name) is getattr(api, name) for name in zakar.__all__)
    with pytest.raises(AttributeError, match="no attribute `nonsense`"):
        zakar.nonsense  # noqa: B018
