"""What a contributor is told to type and to look at is there."""

import importlib.metadata
import re
from pathlib import Path

import zakar

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def test_every_recipe_that_is_named_exists():
    recipes = set(
        re.findall(r"^([a-z]+)(?: \*options)?:", (ROOT / "justfile").read_text(encoding="utf-8"), re.MULTILINE)
    )
    pages = [PAGE, *(p.read_text(encoding="utf-8") for p in (ROOT / ".github").rglob("*.md"))]
    named = {name for page in pages for name in re.findall(r"\bjust ([a-z]+)", page)}
    assert named
    assert named <= recipes
    assert (
        set(re.findall(r"^recipe ([a-z]+)$", (ROOT / ".ci" / "run").read_text(encoding="utf-8"), re.MULTILINE))
        <= recipes
    )


def test_every_file_that_is_named_exists():
    named = set(re.findall(r"`((?:zakar|tests|docs|configs|benchmarks)/[\w/.-]*)`", PAGE))
    assert len(named) > 5
    assert {name for name in named if not (ROOT / name).exists()} == set()


def test_the_version_stands_in_one_place():
    assert importlib.metadata.version("zakar") == zakar.__version__
    assert (
        zakar.__version__
        not in (ROOT / "pyproject.toml").read_text(encoding="utf-8").partition("[dependency-groups]")[0]
    )
