"""The lab's page: what lessons asked, expected and measured, as one HTML file that fetches nothing."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup, escape

from zakar.lab import pictures
from zakar.lab.lesson import Graph, Lesson, Machine, Record
from zakar.lab.pictures import least_to_most, number
from zakar.page import canvas, template

ARTICLE = "https://memphis.dev/blog/producing-messages-at-warp-speed-best-practices-for-optimizing-your-producers/"
_COLUMNS = ("measured", "median", "least to most", "theory", "of theory")


@dataclass(frozen=True)
class Drawing:
    """A graph as a picture, and its figures as a table."""

    title: str
    svg: Markup
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Part:
    """A lesson's part of the page. ``id`` names it in the page's links."""

    id: str
    lesson: Lesson
    drawings: Sequence[Drawing]
    circumstances: str


def page(records: Sequence[Record], lessons: Sequence[str]) -> str:
    """Return a page of records; of all ``lessons``, those without one are named as not run."""
    machines = _machines(records)
    with canvas.styled():
        parts = [_part(place, record, machines) for place, record in enumerate(records, 1)]
    environment = template.environment(Path(__file__).parent)
    environment.filters["commands"] = _commands
    return environment.get_template("report.html").render(
        article=ARTICLE,
        shown=len({record.lesson.name for record in records}),
        parts=parts,
        machines=machines,
        missing=[name for name in lessons if name not in {record.lesson.name for record in records}],
        facts=list(_facts(records, machines)),
    )


def _commands(words: str) -> Markup:
    """Set what stands between backticks as commands are set, all else escaped."""
    return Markup(re.sub("`([^`]+)`", r"<code>\1</code>", str(escape(words))))  # noqa: S704 - escaped


def _machines(records: Sequence[Record]) -> list[Machine]:
    """Return the different machines, with their versions, in the order of the records."""
    machines: list[Machine] = []
    for record in records:
        if record.machine not in machines:
            machines.append(record.machine)
    return machines


def _facts(records: Sequence[Record], machines: Sequence[Machine]) -> Iterator[tuple[str, str]]:
    """Return what is said at the head of the page: figure and words."""
    if len(machines) == 1:
        yield str(machines[0].cores), "cores, which broker and producers share"
    seconds = sum(record.seconds for record in records)
    yield (f"{seconds / 60:,.0f} min" if seconds >= 100 else f"{seconds:,.0f} s"), "of measuring"
    yield max(record.began for record in records)[:10], "the last of it"


def _part(place: int, record: Record, machines: Sequence[Machine]) -> Part:
    name = f"lesson-{place}"
    drawings = [_drawing(graph, f"{name}-{n}") for n, graph in enumerate(record.lesson.graphs, 1)]
    words = [
        f"Measured on {record.began.replace('T', ' ').replace('+00:00', ' UTC')} in {record.seconds:,.0f} s",
        "quick: few settings and repetitions" if record.quick else "in full",
        f"link: {record.link}" if record.link else "the lesson's own links",
    ]
    if len(machines) > 1:
        words.append(f"machine {machines.index(record.machine) + 1}")
    return Part(name, record.lesson, drawings, "; ".join(words) + ".")


def _drawing(graph: Graph, name: str) -> Drawing:
    svg = Markup(pictures.picture(graph, name))  # noqa: S704 - drawn by pictures.py, which escapes words
    rows = [
        (
            point.series,
            number(point.x),
            number(point.median),
            least_to_most(point.values),
            "" if point.expected is None else number(point.expected),
            "" if point.ratio is None else f"{point.ratio:.0%}",
        )
        for point in graph.points
        if point.values
    ]
    return Drawing(graph.title, svg, (_COLUMNS[0], graph.x_label, *_COLUMNS[1:]), rows)
