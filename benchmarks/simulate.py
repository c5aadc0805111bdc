"""Records a second of `zakar simulate`, against a plain loop, Parquet alone, and a generator written in Rust.

    pip install tpchgen-cli && python benchmarks/simulate.py

Of `classic`, against a plain loop that makes one record a call:

- zakar, with a process a core and in one process, from the scenario to the finished dataset: both folders,
  public and private, checksums, manifest and card. Only public records are counted.
- a plain loop in the manner of 2023: `random.gauss` for a reading, `Faker.sentence` for a post, `json.dumps`
  for each record, JSON lines into files. Days are independent of each other, so a sample of them is made, with
  as many records of each table a day, and as many words a post, as zakar's dataset has in the mean.

Of `island`, all ten years, by the command line, a process a core; public and held-out rows count, the truth does not:

- `tpchgen-cli parquet -s 1 --tables=lineitem,orders --compression=ZSTD(1)`, the fastest generator known.
- pyarrow writing the same tables from memory, with zakar's options: what the writing alone costs.
- how time and the memory of the largest process grow with the days and with the cells.
"""

import json
import math
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from common import Way, give, over, parser, positive, tell
from faker import Faker

from zakar.cli.common import workers
from zakar.dataset import store
from zakar.dataset.layout import Split
from zakar.dataset.manifest import Manifest
from zakar.dataset.schema import ALERTS, READINGS, TWEETS
from zakar.dataset.store import Dataset
from zakar.models import registry, scenario_files
from zakar.models.classic.settings import ClassicScenario
from zakar.simulation.run import simulate

PLAIN_LOOP, TPCHGEN, PYARROW = 10.0, 0.6, 0.25  # times the plain loop, tpchgen-cli, pyarrow alone
MEMORY_MIB = 800
TPCH = ("parquet", "-s", "1", "--tables=lineitem,orders", "--compression=ZSTD(1)", "--quiet")


def main() -> None:
    """Measure and report."""
    options = parser(__doc__)
    options.add_argument("--days", type=positive, metavar="N", help="released days of both (default: all)")
    options.add_argument(
        "--sample-days", type=positive, default=200, metavar="N", help="days of the loop (default 200)"
    )
    given = options.parse_args()
    generator = shutil.which("tpchgen-cli", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if generator is None:
        raise SystemExit("tpchgen-cli is missing: pip install tpchgen-cli")

    source = scenario_files.find("classic")
    scenario = registry.read(source)
    if given.days:
        scenario = registry.with_days(scenario, given.days)
    assert isinstance(scenario, ClassicScenario)

    ways = {
        "classic": Way("classic, a process a core"),
        "classic_in_process": Way("classic, one process"),
        "plain_loop": Way("plain loop"),
        "island": Way("island, a process a core"),
        "tpchgen": Way("tpchgen-cli"),
        "pyarrow_write": Way("pyarrow, writing island alone"),
    }
    peaks: list[int | None] = []
    for number in range(1, given.rounds + 1):
        with tempfile.TemporaryDirectory(prefix="zakar-bench-") as name:
            folder = Path(name)
            for key, processes in (("classic", None), ("classic_in_process", 1)):
                seconds, manifest = _simulated(scenario, source, folder / key, processes)
                ways[key].note(manifest.records, seconds)
            words = _words(store.open_dataset(str(folder / "classic")))
            ways["plain_loop"].note(*_plain_loop(scenario, manifest, words, given.sample_days, folder))

            island = _command("island", folder / "island", given.days)
            ways["island"].note(island.rows, island.seconds)
            peaks.append(island.peak_mib)
            ways["tpchgen"].note(*_tpchgen(generator, folder / "tpch"))
            ways["pyarrow_write"].note(*_write_alone(_read(folder / "island"), folder / "written"))
        tell(f"round {number}: " + "; ".join(f"{way.label} {way.rates[-1]:,.0f}/s" for way in ways.values()))

    ratios = {
        "classic_over_plain_loop": over(ways["classic"], ways["plain_loop"], PLAIN_LOOP),
        "island_over_tpchgen": over(ways["island"], ways["tpchgen"], TPCHGEN),
        "island_over_pyarrow_write": over(ways["island"], ways["pyarrow_write"], PYARROW),
    }
    facts: dict[str, object] = {"peak_mib_of_largest_process": max(peak or 0 for peak in peaks), **_growth()}
    give("simulate", "records", ways, ratios, facts, given)


# A process counts as its own the memory of whoever started it, so a small one stands between. Bytes on macOS, else KiB.
_MEASURED = """
import json, subprocess, sys, time
began = time.perf_counter()
done = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
seconds, peak = time.perf_counter() - began, None
if sys.platform != "win32":
    import resource
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(json.dumps([seconds, peak, json.loads(done.stdout)]))
"""


@dataclass(frozen=True)
class Run:
    """One `zakar simulate` as a user runs it: rows that are released or held out, seconds, and the peak memory."""

    rows: int
    seconds: float
    peak_mib: int | None


def _command(scenario: str, out: Path, days: int | None = None) -> Run:
    """Run `zakar simulate`; the peak is that of its largest process, None where the system does not tell."""
    words = [sys.executable, "-m", "zakar", "simulate", scenario, "--out", str(out), "--json"]
    words += ["--days", str(days)] if days else []
    done = subprocess.run([sys.executable, "-c", _MEASURED, *words], stdout=subprocess.PIPE, check=True)
    seconds, peak, report = json.loads(done.stdout)
    held_out = sum(table["rows"] for table in report["holdout"].values())
    return Run(report["records"] + held_out, seconds, peak and (peak >> 20 if sys.platform == "darwin" else peak >> 10))


def _growth() -> dict[str, object]:
    """Return how time and memory of `island` grow: 5, 10 and 24 years, the held-out ones too; four times the cells."""
    with tempfile.TemporaryDirectory(prefix="zakar-bench-") as name:
        folder = Path(name)
        text = scenario_files.find("island").read_text(encoding="utf-8")
        assert "width = 30 " in text
        assert "height = 30 " in text
        wide = text.replace("width = 30 ", "width = 60 ").replace("height = 30 ", "height = 60 ")
        (folder / "wide.toml").write_text(wide, encoding="utf-8")
        once = _command("island", folder / "once", 1278)
        twice = _command("island", folder / "twice", 2557)
        long = _command("island", folder / "long", 3 * 2557)
        cells = _command(str(folder / "wide.toml"), folder / "cells", 1278)
    return {
        "seconds_of_10_years_over_5": round(twice.seconds / once.seconds, 2),
        "seconds_of_24_years_over_10": round(long.seconds / twice.seconds, 2),
        "seconds_of_four_times_the_cells_over_once": round(cells.seconds / once.seconds, 2),
        "peak_mib_of_10_and_24_years": f"{twice.peak_mib} and {long.peak_mib}",
    }


def _tpchgen(generator: str, out: Path) -> tuple[int, float]:
    """Run tpchgen-cli; return its rows and seconds."""
    began = time.perf_counter()
    subprocess.run([generator, *TPCH, f"--output-dir={out}"], check=True)
    seconds = time.perf_counter() - began
    return sum(pq.read_metadata(path).num_rows for path in out.glob("*.parquet")), seconds


def _simulated(scenario: ClassicScenario, source: Path, out: Path, processes: int | None) -> tuple[float, Manifest]:
    """Simulate as the command line does, the start of its processes included."""
    began = time.perf_counter()
    with workers(processes) as executor:
        manifest = simulate(scenario, source, out, executor)
    return time.perf_counter() - began, manifest


def _words(dataset: Dataset) -> float:
    """Return the mean number of words in a post."""
    words = 0
    for path in dataset.files(TWEETS.name):
        words += pc.sum(pc.list_value_length(pc.utf8_split_whitespace(pq.read_table(path)["tweet"]))).as_py()
    return words / dataset.manifest.tables[TWEETS.name].rows


def _read(folder: Path) -> list[tuple[str, list[str], pa.Table]]:
    """Read every public and held-out file; return (name, columns with a dictionary, rows) of each."""
    files: list[tuple[str, list[str], pa.Table]] = []
    for split in Split:
        dataset = store.open_dataset(str(folder), split)
        for table in dataset.tables:
            repeating = [c.name for c in table.columns if not c.unique]
            for number, path in enumerate(dataset.files(table.name)):
                name = f"{split}-{table.name}-{number}.parquet"
                files.append((name, repeating, pq.read_table(path, schema=table.schema)))
    return files


def _write_alone(files: list[tuple[str, list[str], pa.Table]], out: Path) -> tuple[int, float]:
    """Write the files again, with the options of `zakar.dataset.store.write_part`; return the rows and the seconds."""
    out.mkdir()
    began = time.perf_counter()
    for name, repeating, rows in files:
        pq.write_table(
            rows, out / name, row_group_size=65_536, compression="zstd", compression_level=1, use_dictionary=repeating
        )
    return sum(rows.num_rows for _, _, rows in files), time.perf_counter() - began


def _plain_loop(
    scenario: ClassicScenario, manifest: Manifest, words: float, days: int, folder: Path
) -> tuple[int, float]:
    """Make days spread evenly over the calendar, one record a call; return the records and the seconds."""
    out = folder / "loop"
    out.mkdir()
    draw = random.Random(scenario.seed)
    faker = Faker()
    faker.seed_instance(scenario.seed)
    weather, grid = scenario.weather, scenario.grid
    posts, alerts = (manifest.tables[table.name].rows / manifest.days for table in (TWEETS, ALERTS))
    length, lag = round(words), scenario.alerts.lag_days
    records = 0

    began = time.perf_counter()
    with (
        (out / READINGS.name).open("w", encoding="utf-8") as readings_file,
        (out / TWEETS.name).open("w", encoding="utf-8") as tweets_file,
        (out / ALERTS.name).open("w", encoding="utf-8") as alerts_file,
    ):
        for i in range(days):
            day = 1 + i * manifest.days // days
            season = math.sin(2 * math.pi * day / scenario.calendar.days_per_year)
            mean = weather.mean_f + weather.amplitude_f * season
            for x in range(grid.width):
                for y in range(grid.height):
                    temperature = round(draw.gauss(mean, scenario.sensors.noise_sd_f))
                    reading = {"day": day, "geospatial_x": x, "geospatial_y": y, "temperature": temperature}
                    readings_file.write(json.dumps(reading) + "\n")
                    records += 1
            for _ in range(round((i + 1) * posts) - round(i * posts)):
                x, y = draw.randrange(grid.width), draw.randrange(grid.height)
                tweet = {"day": day, "geospatial_x": x, "geospatial_y": y, "tweet": faker.sentence(length)}
                tweets_file.write(json.dumps(tweet) + "\n")
                records += 1
            for _ in range(round((i + 1) * alerts) - round(i * alerts)):
                x, y = draw.randrange(grid.width), draw.randrange(grid.height)
                alert = {"event_day": day, "notification_day": day + lag, "geospatial_x": x, "geospatial_y": y}
                alerts_file.write(json.dumps(alert) + "\n")
                records += 1
    return records, time.perf_counter() - began


if __name__ == "__main__":
    main()
