"""Records a second of `zakar simulate`, against a plain loop that makes one record a call.

    python benchmarks/simulate.py

In one run, round by round:

- zakar, with a process a core and in one process, from the scenario to the finished dataset: both folders,
  public and private, checksums, manifest and card. Only public records are counted.
- a plain loop in the manner of 2023: `random.gauss` for a reading, `Faker.sentence` for a post, `json.dumps`
  for each record, JSON lines into files. Days are independent of each other, so a sample of them is made, with
  as many records of each table a day, and as many words a post, as zakar's dataset has in the mean.
- pyarrow writing the dataset's public tables from memory, with zakar's options: what the writing alone costs.

Also the peak memory of the largest process of each of the two zakar runs, where the system tells it.
"""

import json
import math
import random
import sys
import tempfile
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from common import Way, give, over, parser, positive, tell
from faker import Faker

from zakar import scenario as scenarios
from zakar.cli.common import workers
from zakar.dataset import store
from zakar.dataset.manifest import Manifest
from zakar.dataset.schema import ALERTS, PUBLIC, READINGS, TWEETS
from zakar.dataset.store import Dataset
from zakar.scenario import Scenario
from zakar.simulate import simulate

TARGET = 10.0  # times the plain loop


def main() -> None:
    """Measure and report."""
    options = parser(__doc__)
    options.add_argument("--days", type=positive, metavar="N", help="days of zakar (default: all of classic)")
    options.add_argument(
        "--sample-days", type=positive, default=200, metavar="N", help="days of the loop (default 200)"
    )
    given = options.parse_args()

    source = scenarios.find("classic")
    scenario = scenarios.read(source)
    if given.days:
        scenario = scenarios.with_days(scenario, given.days)

    ways = {
        "processes": Way("zakar, a process a core"),
        "in_process": Way("zakar, one process"),
        "plain_loop": Way("plain loop"),
        "pyarrow_write": Way("pyarrow, writing alone"),
    }
    peaks: dict[str, int] = {}
    for number in range(1, given.rounds + 1):
        with tempfile.TemporaryDirectory(prefix="zakar-bench-") as name:
            folder = Path(name)
            for key, processes in (("processes", None), ("in_process", 1)):
                seconds, manifest = _simulated(scenario, source, folder / key, processes)
                ways[key].note(manifest.records, seconds)
                peak = _peak_mib(children=processes is None)
                if number == 1 and peak is not None:  # later ones hold what this process did in between
                    peaks[key] = peak
            dataset = store.open_dataset(str(folder / "in_process"))
            tables, words = _read(dataset)
            ways["pyarrow_write"].note(manifest.records, _write_alone(tables, folder))
            del tables
            ways["plain_loop"].note(*_plain_loop(scenario, manifest, words, given.sample_days, folder))
        tell(f"round {number}: " + "; ".join(f"{way.label} {way.rates[-1]:,.0f}/s" for way in ways.values()))

    ratios = {
        "processes_over_plain_loop": over(ways["processes"], ways["plain_loop"], TARGET),
        "in_process_over_plain_loop": over(ways["in_process"], ways["plain_loop"]),
        "pyarrow_write_over_in_process": over(ways["pyarrow_write"], ways["in_process"]),
    }
    facts: dict[str, object] = {"days": scenario.calendar.days}
    if peaks:
        facts["peak_mib_of_largest_process"] = peaks
    give("simulate", "records", ways, ratios, facts, given)


def _simulated(scenario: Scenario, source: Path, out: Path, processes: int | None) -> tuple[float, Manifest]:
    """Simulate as the command line does, the start of its processes included."""
    began = time.perf_counter()
    with workers(processes) as executor:
        manifest = simulate(scenario, source, out, executor)
    return time.perf_counter() - began, manifest


def _read(dataset: Dataset) -> tuple[list[tuple[str, list[str], pa.Table]], float]:
    """Read every public file; return (name, columns with a dictionary, rows) of each, and the mean words a post."""
    files: list[tuple[str, list[str], pa.Table]] = []
    words = 0
    for table in PUBLIC:
        coded = [c.name for c in table.columns if not pa.types.is_string(c.type)]
        for number, path in enumerate(dataset.files(table.name)):
            rows = pq.read_table(path, schema=table.schema)
            files.append((f"{table.name}-{number}.parquet", coded, rows))
            if table is TWEETS:
                words += pc.sum(pc.list_value_length(pc.utf8_split_whitespace(rows["tweet"]))).as_py()
    return files, words / dataset.manifest.tables[TWEETS.name].rows


def _write_alone(files: list[tuple[str, list[str], pa.Table]], folder: Path) -> float:
    """Write the files again, with the options of `zakar.dataset.store.write_part`; return the seconds."""
    out = folder / "written"
    out.mkdir()
    began = time.perf_counter()
    for name, coded, rows in files:
        pq.write_table(
            rows, out / name, row_group_size=65_536, compression="zstd", compression_level=1, use_dictionary=coded
        )
    return time.perf_counter() - began


def _plain_loop(scenario: Scenario, manifest: Manifest, words: float, days: int, folder: Path) -> tuple[int, float]:
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


def _peak_mib(*, children: bool) -> int | None:
    """Return the most memory that this process, or any child it has waited for, ever held; None on Windows."""
    peak: int | None = None
    if sys.platform != "win32":
        import resource  # noqa: PLC0415 - not on Windows

        who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN) if children else (resource.RUSAGE_SELF,)
        most = max(resource.getrusage(one).ru_maxrss for one in who)
        peak = most >> 20 if sys.platform == "darwin" else most >> 10  # bytes there, KiB elsewhere
    return peak


if __name__ == "__main__":
    main()
