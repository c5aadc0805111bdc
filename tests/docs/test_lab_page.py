"""The teacher's page: each command is typed as it stands there, and what it names is there."""

import re
from pathlib import Path

import pytest
from terminal import ROOT, Terminal, blocks, sections

from zakar.lab import preset, run
from zakar.lab.lessons import LESSONS

SECTIONS = sections("lab.md")


def test_installing_is_what_the_continuous_integration_does():
    ((language, text),) = blocks(SECTIONS["Install"])
    assert language == "sh"
    assert ".[lab]" in text
    assert ",lab," in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_the_lessons_are_those_that_there_are_by_number_and_name():
    listed = re.findall(r"^\| (\d) `(\w+)` \|", SECTIONS["The lessons"], re.MULTILINE)
    assert [int(number) for number, _ in listed] == list(range(1, 9))
    assert [name for _, name in listed if name in LESSONS] == list(LESSONS)


def test_the_links_that_it_names_are_there():
    named = re.findall(r"`([a-z-]+)`", SECTIONS["Links"].split("configs/links), such as")[1].split(", or a file")[0])
    assert len(named) == 4
    assert set(named) <= set(preset.names())


@pytest.mark.slow  # it needs the Memphis SDK
def test_a_teacher_has_a_page_of_lessons_by_typing_what_the_page_says(tmp_path: Path):
    ((link,),) = [[text for language, text in blocks(SECTIONS["Links"]) if language == "toml"]]
    (tmp_path / "mine.toml").write_text(link, encoding="utf-8")
    terminal = Terminal(tmp_path, {})
    try:
        for name in ("A first lesson", "Links", "The numbers"):
            terminal.section(SECTIONS[name])
    finally:
        terminal.close()
    for folder, used in (("lab", None), ("lab-mine", "mine")):
        (record,) = run.kept(tmp_path / folder)
        assert (record.lesson.name, record.link, record.quick) == ("latency", used, True)
        assert (tmp_path / f"{folder}.html").is_file()
