"""The notebook of the lab's class: nothing of somebody's run is stored in it, it asks of every lesson, and it runs."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from zakar.lab import run
from zakar.lab.lessons import LESSONS

NOTEBOOK = Path(__file__).parents[2] / "examples" / "lab.ipynb"
PARAMETERS = re.compile(r"^LESSONS = \[.*\]$", re.MULTILINE)


@pytest.fixture
def notebook() -> dict[str, Any]:
    return json.loads(NOTEBOOK.read_text(encoding="utf-8"))


def cells(notebook: dict[str, Any], kind: str) -> list[str]:
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == kind]


def said(cell: Any) -> str:
    """What a cell printed when it ran."""
    return "".join(output.text for output in cell.outputs if output.output_type == "stream")


def test_no_output_is_stored(notebook: dict[str, Any]) -> None:
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)


def test_every_lesson_is_measured_in_order_and_asked_about_before_and_after(notebook: dict[str, Any]) -> None:
    parameters = cells(notebook, "code")[0]
    named = json.loads(PARAMETERS.search(parameters)[0].removeprefix("LESSONS = "))
    assert named == [
        "latency", "nonblocking", "saturation", "limits", "connections", "partitions", "bytes", "consuming",
    ]  # fmt: skip
    assert [name for name in named if name in LESSONS] == list(LESSONS)
    measured = re.findall(r'^measure\("(\w+)"\)$', "\n".join(cells(notebook, "code")), re.MULTILINE)
    assert measured == named
    words = cells(notebook, "markdown")
    assert sum("**Before you run it.**" in text for text in words) == len(named)
    assert sum("**Afterwards.**" in text for text in words) > len(named)
    assert words.count("*Your answer:*") > 2 * len(named)


def test_the_timetable_fills_ninety_minutes_without_a_gap(notebook: dict[str, Any]) -> None:
    spans = re.findall(r"^\| (\d+) to (\d+) \|", cells(notebook, "markdown")[0], re.MULTILINE)
    ends = [int(end) for _, end in spans]
    assert [int(start) for start, _ in spans] == [0, *ends[:-1]]
    assert ends[-1] == 90


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # of what runs notebooks, which is not ours
def test_the_notebook_runs_from_top_to_bottom_and_leaves_a_page(tmp_path: Path) -> None:
    import nbformat
    from nbclient import NotebookClient

    made = nbformat.read(NOTEBOOK, as_version=4)
    (parameters,) = (cell for cell in made.cells if cell.metadata.get("tags") == ["parameters"])
    parameters.source = PARAMETERS.sub('LESSONS = ["latency"]', parameters.source)  # the others have their own tests
    NotebookClient(made, timeout=None, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
    (first, *others) = (cell for cell in made.cells if re.search(r"^measure\(", cell.source, re.MULTILINE))
    assert any("image/png" in output.get("data", {}) for output in first.outputs)
    assert "over a round trip of 250 ms" in said(first)
    assert ["is left out: see LESSONS" in said(cell) for cell in others[:-1]] == [True] * 7
    assert any("image/png" in output.get("data", {}) for output in others[-1].outputs)  # over a link of one's own
    assert (tmp_path / "lab.html").is_file()
    (record,) = run.kept(tmp_path / "lab")
    assert (record.lesson.name, record.link, record.quick) == ("latency", "mine", True)
