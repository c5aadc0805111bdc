"""`zakar demo`: the main job from nothing to proof."""

import shutil
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from zakar import location
from zakar.broker.access import Access
from zakar.broker.server import ServerSettings, running
from zakar.cli.common import Json
from zakar.cli.dataset import ScenarioName, settings, timed_simulation
from zakar.cli.printing import give, tell
from zakar.cli.stations import metered_load, metered_verify, summary
from zakar.dataset import store
from zakar.dataset.writer import check_free
from zakar.errors import MismatchError
from zakar.loader.options import LoadOptions
from zakar.models import scenario_files


def demo(
    name: ScenarioName = "island",
    out: Annotated[
        Path | None,
        typer.Option(
            parser=location.local("--out"), help="Folder for the dataset [default: data/demo-SCENARIO, made anew]."
        ),
    ] = None,
    number: Annotated[int | None, typer.Option("--workers", help="Processes [default: one a core].", min=1)] = None,
    json: Json = False,
) -> None:
    """Simulate, start a broker, load, read everything back, and say what to try next.

    Example: `zakar demo classic`
    """
    path = scenario_files.find(name)
    scenario = settings(path)
    ours = out is None
    folder = out or Path("data") / f"demo-{scenario.name}"
    check_free(folder, overwrite=ours)

    tell(f"1. simulating {scenario.title} into {folder}")
    simulate_seconds, manifest = timed_simulation(scenario, path, folder, number, overwrite=ours)
    tell(f"   {manifest.records:,} records in {simulate_seconds:.1f} s")
    dataset = store.open_dataset(str(folder))
    with running(ServerSettings()) as server:
        tell(f"2. broker started on {server.url}; loading")
        access = Access(servers=(server.url,))
        report = metered_load(dataset, access, LoadOptions(dataset.tables))
        tell(f"   {summary(report)}")
        if report.interrupted:
            tell("interrupted: the demo's broker goes with it; run it again to start over")
            raise typer.Exit(130)
        tell("3. reading every station back")
        began = time.perf_counter()
        comparisons = metered_verify(dataset, access, dataset.tables, {})
        verify_seconds = time.perf_counter() - began
    ok = all(c.ok for c in comparisons.values())
    if ok:
        tell(f"   every message is there once and in order ({verify_seconds:.1f} s)")
    if json:
        give(
            {
                "records": manifest.records,
                "simulate_seconds": round(simulate_seconds, 3),
                "load_seconds": round(report.seconds, 3),
                "verify_seconds": round(verify_seconds, 3),
                "messages_per_second": round(report.messages_per_second),
                "ok": ok,
            }
        )
    if not ok:
        wrong = ", ".join(name for name, c in comparisons.items() if not c.ok)
        raise MismatchError(f"the stations differ from the dataset: {wrong}")
    if not json:
        tell(_next_steps(folder))


def _next_steps(folder: Path) -> str:
    # As it was called, where it is not on PATH: from a clone, .venv/bin/zakar.
    zakar = "zakar" if shutil.which("zakar") else sys.argv[0]
    steps = {
        f"{zakar} broker": f"in another terminal; then fill it: {zakar} load {folder}",
        f"{zakar} consume zakar-fire-alerts --limit 5": "what a participant reads from it",
        f"{zakar} check {folder}": "the data held against its checksums and what a sceptic asks",
    }
    width = max(map(len, steps))
    return "\nThree things to try next:\n" + "\n".join(f"  {step:{width}}  # {why}" for step, why in steps.items())
