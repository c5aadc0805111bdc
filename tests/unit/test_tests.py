"""What must be so of the tests themselves, that each can be run with any others."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parents[1]


def _imported(path: Path) -> Iterator[str]:
    """Yield the modules that a file imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            yield node.module or ""
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names)


def test_none_imports_a_conftest_which_is_another_with_other_tests():
    assert [path.name for path in TESTS.rglob("*.py") if "conftest" in _imported(path)] == []


def test_no_two_files_of_the_folders_that_all_may_import_from_have_the_same_name():
    helpers = [p.name for folder in ("live", "unit") for p in (TESTS / folder).glob("*.py") if p.name != "conftest.py"]
    assert [name for name, number in Counter(helpers).items() if number > 1] == []
