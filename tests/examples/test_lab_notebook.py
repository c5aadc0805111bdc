"""The notebook of the lab's class: nothing of somebody's run is stored in it, it asks of every lesson, and it runs."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from matplotlib import pyplot

from zakar.lab import preset, run, sdk
from zakar.lab.lesson import Claim, Curve, Graph
from zakar.lab.lessons import LESSONS, connections, consuming, limits, nonblocking, partitions, saturation, wire

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


# Each lesson's section, and the link that it measures over, quick.
LINKS = {
    "2 Non-blocking": nonblocking.FAR,
    "3 Saturation": preset.read(saturation.SLOW),
    "4 Limits": limits.SLOW,
    "5 Connections": preset.read(connections.LINKS[0]),
    "6 Partitions": preset.read(partitions.LINK),
    "7 Bytes": preset.read(wire.LINK),
    "8 Consuming": preset.read(consuming.LINK),
}


@pytest.mark.parametrize("title", LINKS)
def test_the_class_is_told_the_link_that_is_measured_over(notebook: dict[str, Any], title: str) -> None:
    (text,) = (text for text in cells(notebook, "markdown") if text.startswith(f"## {title}\n"))
    settings = LINKS[title].settings
    assert f"{settings.round_trip * 1e3:g} ms" in text
    if title != "6 Partitions":  # as in lesson 5
        rates = {f"{way.rate / 1e6:g} Mbit/s" for way in (settings.up, settings.down)}
        assert any(rate in text for rate in rates)


def test_the_class_is_told_the_deadline_of_lesson_4_and_the_sdks_own(notebook: dict[str, Any]) -> None:
    (text,) = (text for text in cells(notebook, "markdown") if text.startswith("## 4 Limits\n"))
    assert f"an ack is due in {limits.DEADLINE:g} s; the SDK waits {sdk.ACK_SECONDS:g} s" in text


def test_lines_of_theory_in_a_picture_differ_from_each_other(notebook: dict[str, Any]) -> None:
    (drawing,) = (text for text in cells(notebook, "code") if "def draw(graph)" in text)
    pyplot.switch_backend("agg")
    places: dict[str, Any] = {}
    exec(drawing, places)  # noqa: S102 - the notebook's own cell
    lines = tuple(Curve(name, (1.0, 2.0), (1.0, y)) for y, name in enumerate("abc"))
    places["draw"](Graph("title", "x", "y", (), lines, (Claim("the article", 1.0),)))
    drawn = [(line.get_linestyle(), line.get_color()) for line in pyplot.gca().lines]
    pyplot.close("all")
    assert len(set(drawn)) == len(drawn) == 4


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
