"""What the README says is what the project does."""

import re
import shlex
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from zakar.dataset.schema import PREDICTIONS, PUBLIC
from zakar.models import registry, scenario_files

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```sh\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def test_the_first_two_blocks_are_the_two_commands_on_a_line_each():
    assert "zakar demo\n" in BLOCKS[0]
    assert "pytest" in BLOCKS[1]
    assert all(len(block.strip().splitlines()) == 1 for block in BLOCKS[:2])


@pytest.mark.parametrize("line", [line for block in BLOCKS[2:] for line in block.strip().splitlines()])
def test_each_command_shown_exists_with_its_options(line: str):
    words = shlex.split(line, comments=True)
    assert words[0] == "zakar"
    helped = subprocess.run(
        [sys.executable, "-m", "zakar", words[1], "--help"], capture_output=True, encoding="utf-8", check=True
    )
    assert all(word in helped.stdout for word in words if word.startswith("--"))


@pytest.mark.parametrize("table", [*PUBLIC, PREDICTIONS], ids=lambda table: table.name)
def test_the_table_of_messages_has_each_station_and_its_keys(table):
    row = next(line for line in README.splitlines() if line.startswith(f"| `{table.station}`"))
    keys = [word for word in re.findall(r"`([a-z_-]+)`", row) if word != "island"]
    assert keys == [table.station, *(column.name for column in table.full().columns)]


def test_the_readme_is_read_in_a_minute():
    assert len(README.splitlines()) < 100


@pytest.mark.parametrize(
    "document", ["README.md", "docs/organisers.md", "docs/loading.md", "docs/memphis.md", "docs/models.md"]
)
def test_lines_are_no_longer_than_a_screen_but_for_tables(document: str):
    lines = (ROOT / document).read_text(encoding="utf-8").splitlines()
    assert [
        line for line in lines if len(line) > 120 and not line.startswith(("|", "([Producing", "python3 -m venv"))
    ] == []


def test_the_section_about_shown_to_organisers_is_one_that_a_scenario_takes(tmp_path: Path):
    page = (ROOT / "docs" / "organisers.md").read_text(encoding="utf-8")
    (section,) = re.findall(r"^```toml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    path = tmp_path / "mine.toml"
    path.write_text(scenario_files.find("tiny").read_text(encoding="utf-8") + "\n" + section, encoding="utf-8")
    assert registry.read(path).about.creator == "Wildfire Week"


def test_its_pictures_are_there_and_small_and_are_drawn_by_one_command():
    named = re.findall(r"!\[[^]]+\]\(([^)]+)\)", README)
    assert len(named) == 3
    drawn = (ROOT / "docs" / "draw.py").read_text(encoding="utf-8")
    for name in named:
        svg = ROOT / name
        ElementTree.parse(svg)  # noqa: S314 - ours
        assert svg.stat().st_size < 150_000
        assert f'write("{svg.stem}"' in drawn


def test_every_scenario_is_described():
    assert set(re.findall(r"^\| `([a-z]+)` \| ", README, re.MULTILINE)) == set(scenario_files.names())


@pytest.mark.parametrize(
    "document",
    [
        "README.md",
        "ARCHITECTURE.md",
        "DECISIONS.md",
        "CHANGELOG.md",
        "benchmarks/README.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "docs/commands.md",
        "docs/glossary.md",
        "docs/loading.md",
        "docs/memphis.md",
        "docs/models.md",
        "docs/participants.md",
        "docs/organisers.md",
        "docs/lab.md",
        "docs/lab-answers.md",
    ],
)
def test_links_within_the_project_lead_somewhere(document: str):
    path = ROOT / document
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), target
