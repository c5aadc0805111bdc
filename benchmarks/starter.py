"""How good the warnings of examples/09 are: learned from released days, held against the alerts of held-out ones.

Each seed is an island of its own, whose held-out days come from a fresh key, so that figures vary from run to run. The
settings of the example were chosen on seed 11 alone; the seeds here by default are others. A warning is right if an
alert of its day names its cell or one beside it, and an alert is found if a warning does. Lead: days from the warning's
day to the alert's notification, over the alerts found.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow.parquet as pq

ROOT = Path(__file__).parents[1]
STEPS = (-1, 0, 1)


def around(place: tuple[int, int, int]) -> set[tuple[int, int, int]]:
    """Return a place's cell and those beside it, on its day."""
    day, x, y = place
    return {(day, x + dx, y + dy) for dx in STEPS for dy in STEPS}


def figures(warnings: Path, alerts: Path) -> dict[str, float]:
    """Hold warnings, a line of JSON each, against a table of alerts."""
    warned = {
        (row["event_day"], row["geospatial_x"], row["geospatial_y"])
        for row in map(json.loads, warnings.read_text(encoding="utf-8").splitlines())
    }
    told = {
        (row["event_day"], row["geospatial_x"], row["geospatial_y"]): row["notification_day"]
        for row in pq.read_table(alerts).to_pylist()
    }
    right = sum(bool(around(place) & told.keys()) for place in warned)
    found = [place for place in told if around(place) & warned]
    precision, recall = right / max(1, len(warned)), len(found) / max(1, len(told))
    return {
        "warnings": len(warned),
        "alerts": len(told),
        "precision": round(precision, 3),
        "recall": round(recall, 3),
        "f1": round(2 * precision * recall / max(1e-9, precision + recall), 3),
        "lead_days": round(sum(told[place] - place[0] for place in found) / max(1, len(found)), 2),
    }


def measured(seed: int, folder: Path) -> dict[str, float]:
    """Simulate an island, learn from its released days, and warn on its held-out ones."""
    island, held_out, warnings = folder / "island", folder / "held-out", folder / "warnings.jsonl"
    words = [sys.executable, "-m", "zakar", "simulate", "island", "--seed", str(seed), "--out", str(island)]
    subprocess.run(words, check=True)
    for name in ("tweets", "temperature_readings"):
        (held_out / "public").mkdir(parents=True, exist_ok=True)
        (island / "private" / "holdout" / name).rename(held_out / "public" / name)
    began = time.perf_counter()
    places = ["--learn", str(island), "--warn", str(held_out), "--team", "starter", "--out", str(warnings)]
    environment = {"OMP_NUM_THREADS": "1", **os.environ}  # several wait for each other on a busy machine
    command = [sys.executable, str(ROOT / "examples" / "09_starter.py"), *places]
    subprocess.run(command, check=True, env=environment)
    seconds = round(time.perf_counter() - began)
    return {"seed": seed, "seconds": seconds, **figures(warnings, island / "private" / "holdout" / "fire_alerts")}


def main() -> None:
    """Print a line of JSON for each seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seeds", nargs="*", type=int, default=[21, 22, 23])
    for seed in parser.parse_args().seeds:
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(measured(seed, Path(folder))), flush=True)


if __name__ == "__main__":
    main()
