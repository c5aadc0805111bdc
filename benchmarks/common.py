"""What the benchmarks share: data, the recipe of 2023, rates and their ratios, tables and where they are kept."""

import argparse
import asyncio
import itertools
import json
import os
import platform
import re
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from nats.js import JetStreamContext
from nats.js.api import PubAck

from zakar.cli.common import workers
from zakar.dataset import store, wire
from zakar.dataset.schema import Table
from zakar.dataset.store import Dataset
from zakar.models import registry, scenario_files
from zakar.simulation.run import simulate

TASKS = 500  # of the recipe
ACK_SECONDS = 15.0
_POLL_SECONDS = 0.1  # of the recipe: what the Memphis SDK slept between two looks
_HERE = Path(__file__).parent


@dataclass
class Way:
    """One way to do the work. ``rates`` holds one figure a round: how many a second."""

    label: str
    count: int = 0
    rates: list[float] = field(default_factory=list)

    def note(self, count: int, seconds: float) -> None:
        """Add a round in which ``count`` took ``seconds``."""
        self.count = count
        self.rates.append(count / seconds)

    @property
    def median(self) -> float:
        """The median of the rounds."""
        return statistics.median(self.rates)


@dataclass(frozen=True)
class Ratio:
    """A ratio of two medians of one run. ``target`` is the least that is wanted, None where nothing is."""

    label: str
    value: float
    target: float | None = None

    @property
    def ok(self) -> bool:
        """Whether the target, if there is one, is reached."""
        return self.target is None or self.value >= self.target


def over(one: Way, other: Way, target: float | None = None) -> Ratio:
    """Return how many times as fast ``one`` is as ``other``."""
    return Ratio(f"{one.label} / {other.label}", one.median / other.median, target)


def parser(description: str | None, *, rounds: bool = True) -> argparse.ArgumentParser:
    """Return a parser with the options that every benchmark has; ``rounds`` with that of interleaved ones."""
    options = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    if rounds:
        options.add_argument("--rounds", type=positive, default=3, metavar="N", help="rounds, interleaved (default 3)")
    options.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    options.add_argument("--write", action="store_true", help="keep the results in benchmarks/results/ and README.md")
    return options


def positive(text: str) -> int:
    """Read a number of at least 1 from the command line."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("give at least 1")
    return number


def tell(text: str) -> None:
    """Say on standard error how far the run is."""
    print(text, file=sys.stderr, flush=True)


def classic(out: Path, days: int) -> Dataset:
    """Simulate so many days of `classic`, fewer or more than it has, into a new folder."""
    source = scenario_files.find("classic")
    with workers(None) as executor:
        simulate(registry.with_days(registry.read(source), days), source, out, executor)
    return store.open_dataset(str(out))


def encoded(dataset: Dataset, table: Table, messages: int) -> list[bytes]:
    """Encode the first rows of a table as wire objects."""
    batches = (wire.encode(batch).to_pylist() for batch in store.batches(dataset, table))
    return list(itertools.islice(itertools.chain.from_iterable(batches), messages))


async def recipe_of_2023(context: JetStreamContext, subject: str, payloads: Sequence[bytes]) -> None:
    """Publish by a task a message; when there are too many, poll until half of them are done."""
    tasks: set[asyncio.Task[PubAck]] = set()
    for payload in payloads:
        task = asyncio.create_task(context.publish(subject, payload, timeout=ACK_SECONDS))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        if len(tasks) >= TASKS:
            while len(tasks) > TASKS / 2:  # noqa: ASYNC110 - polling is what is measured
                await asyncio.sleep(_POLL_SECONDS)
        await asyncio.sleep(0)  # non-blocking produce lets the loop turn once a message
    await asyncio.gather(*tasks)


def give(
    name: str,
    unit: str,
    ways: dict[str, Way],
    ratios: dict[str, Ratio],
    facts: dict[str, object],
    options: argparse.Namespace,
) -> None:
    """Print the results of benchmark ``name``, as a table or as JSON, and keep them if the options say so.

    ``unit`` is what is counted; ``facts`` are further figures, printed and kept under their names.
    """
    result = {
        "rounds": options.rounds,
        **facts,
        f"{unit}_per_second": {
            key: {
                unit: way.count,
                "median": round(way.median),
                "least": round(min(way.rates)),
                "most": round(max(way.rates)),
            }
            for key, way in ways.items()
        },
        "ratios": {
            key: {"value": round(ratio.value, 2), **({"target": ratio.target, "ok": ratio.ok} if ratio.target else {})}
            for key, ratio in ratios.items()
        },
    }
    publish(name, result, _table(unit, list(ways.values()), list(ratios.values()), facts, options.rounds), options)


def publish(name: str, result: dict[str, object], table: str, options: argparse.Namespace) -> None:
    """Print ``result`` of benchmark ``name`` as JSON, or its table, and keep both if the options say so."""
    environment = {
        "system": platform.system(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "software": {package: version(package) for package in ("faker", "nats-py", "numpy", "pyarrow", "zakar")},
    }
    text = json.dumps({"benchmark": name, "environment": environment, **result}, indent=2)
    print(text if options.json else table)
    if options.write:
        file = kept(name)
        file.parent.mkdir(exist_ok=True)
        file.write_text(text + "\n", encoding="utf-8", newline="\n")
        _keep(name, table)


def kept(name: str) -> Path:
    """Return the file that holds the kept results of benchmark ``name``."""
    return _HERE / "results" / f"{name}.json"


def machine() -> str:
    """Say what the benchmark runs on."""
    return f"{platform.system()}, {os.cpu_count()} cores, Python {platform.python_version()}"


def _table(unit: str, ways: Sequence[Way], ratios: Sequence[Ratio], facts: dict[str, object], rounds: int) -> str:
    """Return the results in Markdown, to be read on a terminal as well."""
    wide = max(len(text) for text in (*(w.label for w in ways), *(r.label for r in ratios)))
    lines = [
        f"{machine()}; rounds: {rounds}.",
        "",
        f"| {'way':{wide}} | {unit:>9} | {'a second':>9} | {'least to most':>22} |",
        f"|{'-' * (wide + 2)}|{'-' * 10}:|{'-' * 10}:|{'-' * 23}:|",
        *(
            f"| {w.label:{wide}} | {w.count:>9,} | {w.median:>9,.0f} "
            f"| {f'{min(w.rates):,.0f} to {max(w.rates):,.0f}':>22} |"
            for w in ways
        ),
        "",
        f"| {'ratio of medians':{wide}} | {'value':>9} | {'target':>13} |",
        f"|{'-' * (wide + 2)}|{'-' * 10}:|{'-' * 14}:|",
        *(f"| {r.label:{wide}} | {_times(r.value):>9} | {_wanted(r):>13} |" for r in ratios),
        "",
        *(f"- {name.replace('_', ' ')}: {_shown(value)}" for name, value in facts.items()),
    ]
    return "\n".join(lines)


def _times(value: float) -> str:
    return f"{value:,.1f}x" if value >= 10 else f"{value:,.2f}x"


def _wanted(ratio: Ratio) -> str:
    if ratio.target is None:
        return ""
    return f"{ratio.target:g}x: {'met' if ratio.ok else 'MISSED'}"


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name.replace('_', ' ')} {_shown(part)}" for name, part in value.items())
    return f"{value:,}" if isinstance(value, int) else str(value)


def _keep(name: str, table: str) -> None:
    """Put the table into README.md, between the two marks that carry the benchmark's name."""
    readme = _HERE / "README.md"
    begin, end = f"<!-- {name}: written by --write -->\n", f"<!-- {name}: end -->"
    text, found = re.subn(
        f"(?<={re.escape(begin)}).*?(?={re.escape(end)})",
        lambda _: f"\n{table}\n\n",
        readme.read_text(encoding="utf-8"),
        flags=re.DOTALL,
    )
    if found != 1:
        raise SystemExit(f"README.md: the marks of `{name}` are gone; put them back: {begin.strip()} ... {end}")
    readme.write_text(text, encoding="utf-8", newline="\n")
