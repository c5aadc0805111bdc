"""What unit tests make: small scenarios, datasets and changes to them."""

import datetime
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from zakar import config
from zakar.dataset import store
from zakar.dataset.store import Dataset
from zakar.models import scenario_files
from zakar.models.classic import world
from zakar.models.classic.settings import ClassicScenario
from zakar.models.classic.world import Fires, Truth
from zakar.models.island.settings import IslandScenario
from zakar.models.island.terrain import Island, neighbours_of
from zakar.models.shared.settings import Scenario
from zakar.seeds import Seeds
from zakar.simulation.run import simulate

ROOT = Path(__file__).parents[2]


def tiny(**changes: Any) -> ClassicScenario:
    """Return the tiny scenario with some keys, or some keys of sections, changed."""
    values = config.read_toml(scenario_files.find("tiny"))
    for key, change in changes.items():
        section = values[key]
        values[key] = {**section, **change} if isinstance(section, dict) else change
    return config.convert(values, ClassicScenario, "tiny.toml")


def small_island(**changes: Any) -> IslandScenario:
    """Return the island scenario, small and short, with some keys of sections changed."""
    values = config.read_toml(scenario_files.find("island"))
    small = {
        "calendar": {"days": 60, "holdout_days": 26, "first_date": datetime.date(2016, 7, 1)},
        "grid": {"width": 12, "height": 12},
        "terrain": {"settlements": 6, "people": 5000},
        "fires": {"human_per_100km2": 400.0, "escape_share": 0.1},
        "tweets": {"per_day": 100, "accounts": 400},
    }
    for key in {*small, *changes}:
        values[key] = {**values[key], **small.get(key, {}), **changes.get(key, {})}
    return config.convert(values, IslandScenario, "island.toml")


def sketched(inland: np.ndarray, **maps: Any) -> Island:
    """Return an island whose land ``inland``, (width, height), marks: flat and empty, but for what ``maps`` say."""
    land = np.flatnonzero(inland)
    zeros = np.zeros(len(land), np.float32)
    bare = {
        "elevation_m": np.where(inland, 0, -10).ravel().astype(np.float32),
        "neighbours": neighbours_of(inland),
        "fuel": zeros.astype(np.uint8),
        "residents": zeros,
        "coast_km": zeros,
        "road_km": zeros,
        "towns": np.zeros(1, np.int32),
        "town_residents": np.ones(1, np.float32),
        "town": zeros.astype(np.int16),
        "roads": np.empty((0, 2), np.int32),
        "latitude": 37.0,
    }
    width, height = inland.shape
    return Island(width=width, height=height, land=land, **(bare | maps))


def simulated(out: Path, settings: Scenario, block_days: int = 128, source: str = "tiny") -> Dataset:
    """Simulate into ``out`` on one thread, with the comments of a scenario, and open what came out."""
    with ThreadPoolExecutor(1) as executor:
        simulate(settings, scenario_files.find(source), out, executor, block_days=block_days)
    return store.open_dataset(str(out))


def years(settings: ClassicScenario) -> list[Truth]:
    """Return the whole truth of a scenario, a year each."""
    seeds = Seeds(settings.seed)
    land = world.make(settings, seeds)
    state, found = world.START, []
    while state.next_day <= settings.calendar.days:
        truth, state = world.advance(settings, land, seeds, state)
        found.append(truth)
    return found


def history(settings: ClassicScenario) -> Truth:
    """Return the whole truth of a scenario in one piece, each fire once."""
    parts = years(settings)
    fires = [part.fires.between(int(part.days[0]), int(part.days[-1])) for part in parts]
    return Truth(
        np.concatenate([part.days for part in parts]),
        np.concatenate([part.means_f for part in parts]),
        Fires(np.concatenate([f.day for f in fires]), np.concatenate([f.cell for f in fires])),
    )


def edit_manifest(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the manifest of a dataset in place."""
    path = folder / "manifest.json"
    values = json.loads(path.read_bytes())
    change(values)
    path.write_text(json.dumps(values), encoding="utf-8")


def rewrite(
    folder: Path, table: str, number: int, change: Callable[[pa.Table], pa.Table], row_group: int = 65_536
) -> None:
    """Change the rows of one part and what the manifest says of its size and rows, but no checksum."""
    path = folder / "public" / table / f"part-{number:05d}.parquet"
    rows = change(pq.read_table(path))
    pq.write_table(rows, path, row_group_size=row_group)

    def adjust(values: dict[str, Any]) -> None:
        entry = values["tables"][table]
        file = entry["files"][number]
        file["bytes"], file["rows"] = path.stat().st_size, rows.num_rows
        entry["rows"] = sum(each["rows"] for each in entry["files"])

    edit_manifest(folder, adjust)
