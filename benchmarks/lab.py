"""How near the lab's measurements come to theory, and how long the lab takes.

    python benchmarks/lab.py

Runs the lessons as `zakar lab run` does, with all their settings and repetitions, and holds medians against what theory
expects: 1 / round trip for a producer that waits (above 10 ms), and the least of window / round trip, link and server
for a window. Then once more with `--quick`, for the time it takes.
"""

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from common import machine, parser, publish, tell

from zakar.lab import run
from zakar.lab.lesson import Point, Record
from zakar.lab.lessons import nonblocking

# Lesson, series, x beyond which it counts, how far off the median may be.
AIMS = (("latency", None, 10.0, 0.10), ("nonblocking", nonblocking.SLIDING, 0.0, 0.15))
MINUTES = {"quick": 5.0, "whole": 30.0}


def main() -> None:
    """Run the lab and report."""
    options = parser(__doc__, rounds=False)
    options.add_argument("--quick-only", action="store_true", help="leave the whole lab out")
    given = options.parse_args()
    took, records = {}, []
    with tempfile.TemporaryDirectory(prefix="zakar-bench-") as folder:
        for name in ("quick",) if given.quick_only else ("quick", "whole"):
            tell(f"the lab, {name}")
            out = Path(folder) / name
            # As a user runs it: from here, `memphis` would be the benchmark of that name, not the SDK.
            command = [sys.executable, "-m", "zakar", "lab", "run", "--out", str(out)]
            subprocess.run([*command, *(["--quick"] if name == "quick" else [])], check=True, stdout=subprocess.DEVNULL)
            records = run.kept(out)
            took[name] = sum(record.seconds for record in records) / 60
    result, table = _result(took, records), _table(took, records)
    publish("lab", result, table, given)


def judged(records: Sequence[Record]) -> list[tuple[str, Point, float]]:
    """Return the points that a target is set for: lesson, point, how far off it may be."""
    return [
        (name, point, most)
        for name, series, least, most in AIMS
        for record in records
        if record.lesson.name == name
        for graph in record.lesson.graphs
        for point in graph.points
        if point.expected and point.x > least and series in (None, point.series)
    ]


def _result(took: dict[str, float], records: Sequence[Record]) -> dict[str, object]:
    return {
        "minutes": {
            name: {"value": round(value, 1), "target": MINUTES[name], "ok": value <= MINUTES[name]}
            for name, value in took.items()
        },
        "seconds": {record.lesson.name: round(record.seconds) for record in records},
        "measured_over_theory": [
            {
                "lesson": name,
                "series": p.series,
                "x": p.x,
                "value": round(p.ratio or 0, 3),
                "target": most,
                "ok": _near(p, most),
            }
            for name, p, most in judged(records)
        ],
        "seen": {record.lesson.name: record.lesson.seen for record in records},
    }


def _table(took: dict[str, float], records: Sequence[Record]) -> str:
    rows = [
        f"| {name}: {p.series} | {p.x:g} | {p.expected:,.1f} | {p.median:,.1f} | {p.ratio:.3f} "
        f"| {most:.0%}: {'met' if _near(p, most) else 'MISSED'} |"
        for name, p, most in judged(records)
    ]
    times = [
        f"- {name}: {value:.1f} minutes, {'met' if value <= MINUTES[name] else 'MISSED'} ({MINUTES[name]:g})"
        for name, value in took.items()
    ]
    seen = [f"- {record.lesson.name} ({record.seconds:.0f} s): {record.lesson.seen}" for record in records]
    head = ["| lesson: series | x | theory | median | ratio | target |", "|---|--:|--:|--:|--:|--:|"]
    return "\n".join(
        [f"{machine()}.", "", *head, *rows, "", *times, "", "What the lessons say of this run:", "", *seen]
    )


def _near(point: Point, most: float) -> bool:
    return abs((point.ratio or 0) - 1) <= most


if __name__ == "__main__":
    main()
