"""Whether the README's test command passes on a busy machine, several times after each other.

    python benchmarks/busy.py

Runs the command's pytest beside loops that keep processors busy, one a core unless told otherwise, and names each test
that failed, with how often.
"""

import argparse
import contextlib
import multiprocessing
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from common import machine, parser, positive, publish, tell

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Run:
    """One run of the tests: how many passed, those that ``failed``, by name, and the load of the machine at its end."""

    passed: int
    failed: tuple[str, ...]
    seconds: float
    load: float


def main() -> None:
    """Run the tests and report."""
    options = parser(__doc__, rounds=False)
    options.add_argument("--times", type=positive, default=3, metavar="N", help="runs after each other (default 3)")
    options.add_argument(
        "--loops", type=positive, default=os.cpu_count() or 1, help="busy processes (default: the cores)"
    )
    options.add_argument("--slow", action="store_true", help="the slow tests, three at a time, in place of the others")
    options.add_argument("tests", nargs="*", help="test files (default: all)")
    given = options.parse_args()
    words = [*(["-m", "slow", "-n", "3"] if given.slow else readme_options()), *given.tests]
    runs = []
    with busy(given.loops):
        for number in range(given.times):
            tell(f"pytest {' '.join(words)}, run {number + 1} of {given.times}, beside {given.loops} busy processes")
            runs.append(tested(words))
    publish("busy", _result(runs, given), _table(runs, given), given)
    sys.exit(any(run.failed for run in runs))


def readme_options() -> list[str]:
    """Return the options of pytest in the README's test command."""
    (options,) = re.findall(r"bin/pytest(.*)$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    return str(options).split()


@contextlib.contextmanager
def busy(loops: int) -> Iterator[None]:
    """Keep so many processors busy for the length of a block."""
    processes = [multiprocessing.Process(target=_spin, daemon=True) for _ in range(loops)]
    for process in processes:
        process.start()
    try:
        yield
    finally:
        for process in processes:
            process.kill()


def _spin() -> None:
    while True:
        pass


def tested(words: Sequence[str]) -> Run:
    """Run pytest with such options."""
    with tempfile.TemporaryDirectory(prefix="zakar-bench-") as folder:
        report = Path(folder) / "report.xml"
        began = time.monotonic()
        command = [sys.executable, "-m", "pytest", *words, f"--junitxml={report}"]
        subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=False)
        seconds = time.monotonic() - began
        cases = list(ElementTree.parse(report).iter("testcase"))  # noqa: S314 - pytest's own
    failed = [case for case in cases if case.find("failure") is not None or case.find("error") is not None]
    names = tuple(f"{case.get('classname')}::{case.get('name')}" for case in failed)
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    return Run(len(cases) - len(failed), names, seconds, load)


def _result(runs: Sequence[Run], given: argparse.Namespace) -> dict[str, object]:
    return {
        "loops": given.loops,
        "slow": given.slow,
        "runs": [
            {"passed": run.passed, "failed": run.failed, "seconds": round(run.seconds), "load": round(run.load, 1)}
            for run in runs
        ],
    }


def _table(runs: Sequence[Run], given: argparse.Namespace) -> str:
    head = ["| run | passed | failed | seconds | load at the end |", "|--:|--:|--:|--:|--:|"]
    rows = [
        f"| {number} | {run.passed:,} | {len(run.failed)} | {run.seconds:,.0f} | {run.load:.1f} |"
        for number, run in enumerate(runs, 1)
    ]
    times = Counter(name for run in runs for name in run.failed)
    failed = [f"- `{name}` failed {count} of {len(runs)} times" for name, count in times.most_common()]
    which = "slow tests" if given.slow else "README's tests"
    return "\n".join(
        [f"{machine()}, {given.loops} busy processes, {which}.", "", *head, *rows, *(["", *failed] if failed else [])]
    )


if __name__ == "__main__":
    main()
