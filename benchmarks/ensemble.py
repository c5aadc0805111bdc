"""Figures of which a year gives one, over the worlds of many seeds.

    python benchmarks/ensemble.py

Ten years tell too little of how the years differ. So the world of `island`, without what is seen of it, is simulated
from many seeds, and `zakar check` judges a dataset's annual figures by where the ensemble's are: the medians must lie
in their targets, and a dataset must lie in the bands. The bands of all figures together hold 95 % of the seeds: as
many seeds are cut off at both ends of every figure. Beside them, what holds 95 % of a figure alone.

With `--write` the bands also go into the package, as zakar/checks/island/ensemble.json.
"""

import itertools
from concurrent.futures import Executor
from pathlib import Path

import msgspec
import numpy as np
from common import machine, parser, positive, publish, tell

import zakar.checks.island
from zakar.checks import statistics
from zakar.checks.island import annual
from zakar.checks.island.annual import FIGURES, Band, Ensemble
from zakar.checks.island.history import simulated
from zakar.cli.common import workers
from zakar.models import registry, scenario_files
from zakar.models.island.settings import IslandScenario

SHARE = 0.95


def main() -> None:
    """Simulate, judge the medians and report."""
    options = parser(__doc__, rounds=False)
    options.add_argument("--seeds", type=positive, default=400, metavar="N", help="how many, from 1 on (default 400)")
    options.add_argument("--scenario", default="island", metavar="NAME", help="a scenario or file (default island)")
    given = options.parse_args()
    scenario = registry.read(scenario_files.find(given.scenario))
    assert isinstance(scenario, IslandScenario)

    spans = sorted({scenario.calendar.days, scenario.calendar.last_day})
    with workers(None) as executor:
        figures = _figures(scenario, given.seeds, spans, executor)  # (seeds, spans, figures)
    bands = {str(days): _bands(figures[:, i]) for i, days in enumerate(spans)}
    by_seed = {
        str(seed): {str(days): " ".join(f"{v:.4g}" for v in row) for days, row in zip(spans, rows, strict=True)}
        for seed, rows in enumerate(figures, start=1)
    }
    result: dict[str, object] = {
        "scenario": scenario.name,
        "seeds": given.seeds,
        "days": {
            days: {
                f.id: {**msgspec.to_builtins(band[f.id]), "alone": alone, "target": [f.low, _finite(f.high)]}
                for f, alone in zip(FIGURES, _alone(figures[:, i]), strict=True)
            }
            for i, (days, band) in enumerate(bands.items())
        },
        "order": [f.id for f in FIGURES],
        "by_seed": by_seed,
    }
    publish("ensemble", result, _table(scenario, given.seeds, spans, figures), given)
    if given.write:
        known = Ensemble(annual.world_digest(scenario), given.seeds, bands)
        file = Path(zakar.checks.island.__path__[0]) / annual.FILE
        file.write_bytes(msgspec.json.format(msgspec.json.encode(known), indent=1) + b"\n")


def _figures(scenario: IslandScenario, seeds: int, spans: list[int], executor: Executor) -> np.ndarray:
    found = []
    work = executor.map(_of_seed, itertools.repeat(scenario), range(1, seeds + 1), itertools.repeat(spans))
    for done, rows in enumerate(work, start=1):
        found.append(rows)
        if done % 50 == 0:
            tell(f"{done} of {seeds} seeds")
    return np.array(found)


def _of_seed(scenario: IslandScenario, seed: int, spans: list[int]) -> list[list[float]]:
    """Return the figures of each span of one world. Runs on any worker."""
    history = simulated(scenario, seed)
    return [[figure.of(history.until(days)) for figure in FIGURES] for days in spans]


def _bands(figures: np.ndarray) -> dict[str, Band]:
    """Return the bands, rounded outward, of figures of shape (seeds, figures)."""
    low, high = statistics.joint_band(figures, SHARE)
    middle = np.nanmedian(figures, axis=0)
    rows = zip(FIGURES, middle, low, high, strict=True)
    return {f.id: Band(round(float(m), 4), _down(float(a)), -_down(-float(b))) for f, m, a, b in rows}


def _alone(figures: np.ndarray) -> list[list[float]]:
    ends = np.nanquantile(figures, [(1 - SHARE) / 2, (1 + SHARE) / 2], axis=0)
    return [[round(float(low), 4), round(float(high), 4)] for low, high in ends.T]


def _down(value: float) -> float:
    return float(np.floor(value * 1e4) / 1e4)


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _table(scenario: IslandScenario, seeds: int, spans: list[int], figures: np.ndarray) -> str:
    lines = [f"{machine()}; scenario {scenario.name}, seeds 1 to {seeds}."]
    for i, days in enumerate(spans):
        lines += [
            "",
            f"| {f'{days:,} days':91} | {'target':>12} | {'median':>13} | {'95 % of all':>14} | {'95 % alone':>14} |",
            f"|{'-' * 93}|{'-' * 13}:|{'-' * 14}:|{'-' * 15}:|{'-' * 15}:|",
        ]
        for figure, band, alone in zip(FIGURES, _bands(figures[:, i]).values(), _alone(figures[:, i]), strict=True):
            inside = figure.low <= band.median <= figure.high
            target = f"{figure.low:g} to {figure.high:g}" if np.isfinite(figure.high) else f"> {figure.low:g}"
            median = f"{band.median:.2f}: {'met' if inside else 'MISSED'}"
            lines.append(
                f"| {figure.name:91} | {target:>12} | {median:>13} | {f'{band.low:.2f} to {band.high:.2f}':>14} "
                f"| {f'{alone[0]:.2f} to {alone[1]:.2f}':>14} |"
            )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
