"""The teacher's page: each command is typed as it stands there, and what it names is there."""

import json
import re
from pathlib import Path

import pytest
from terminal import ROOT, Terminal, blocks, sections

from zakar.lab import preset, run
from zakar.lab.lessons import LESSONS
from zakar.lab.report import ARTICLE

SECTIONS = sections("lab.md")


def test_installing_is_what_the_continuous_integration_does():
    ((language, text),) = blocks(SECTIONS["Install"])
    assert language == "sh"
    assert ".[lab]" in text
    assert "[lab," in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_the_lessons_are_those_that_there_are_by_number_and_name():
    listed = re.findall(r"^\| (\d) `(\w+)` \|", SECTIONS["The lessons"], re.MULTILINE)
    assert [int(number) for number, _ in listed] == list(range(1, 9))
    assert [name for _, name in listed if name in LESSONS] == list(LESSONS)


def test_each_lesson_of_the_article_and_what_it_claims_is_mapped_to_the_labs():
    rows = re.findall(
        r"^\| (.+) \| (.+) \|$", SECTIONS["What the article says, and where the lab shows it"], re.MULTILINE
    )
    theirs, ours = (" ".join(row[place] for row in rows) for place in (0, 1))
    assert re.findall(r"(?:Lesson|Solution) \d", theirs) == [
        f"{w} {n}" for n in range(1, 5) for w in ("Lesson", "Solution")
    ]
    assert set(re.findall(r"\d `(\w+)`", ours + theirs)) == set(LESSONS)
    for claim in (
        "11,000",
        "30 to the cloud",
        "22,000",
        "0.1 ms",
        "100 s at 10 ms",
        "further away",
        "share a connection",
        "1:1",
    ):
        assert claim in theirs


def test_the_article_has_its_address_wherever_it_is_named():
    for page in ("README.md", "docs/lab.md"):
        assert ARTICLE in (ROOT / page).read_text(encoding="utf-8")


def test_each_lesson_has_a_goal_and_answers_and_the_figures_are_those_that_are_kept():
    page = sections("lab-answers.md")
    parts = [text for title, text in page.items() if re.match(r"\d ", title)]
    assert len(parts) == len(LESSONS)
    assert all("**Goal.**" in text and text.count("\n- *") >= 3 for text in parts)
    kept = json.loads((ROOT / "benchmarks" / "results" / "lab.json").read_text(encoding="utf-8"))["seen"]
    assert "13,368 in all. Of these 3,697 were stored" in kept["saturation"]
    assert "Of 13,368 that timed out, 3,697 were stored" in page["3 Saturation"]
    assert "is 247 (Memphis SDK), 153 (zakar, an ack each), 123 (zakar, fast ingest), 10" in kept["bytes"]
    assert "247 by the SDK, 153 and 123 by zakar, 10 compressed" in page["7 Bytes"]


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
