"""`zakar simulate`, `zakar schema`, `zakar check`: datasets on disk."""

import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from zakar import location
from zakar.checks import results
from zakar.checks.check import Check, accepted, written
from zakar.cli.common import Dataset, Json, meter, workers
from zakar.cli.printing import give, show, tell
from zakar.dataset import layout, store
from zakar.dataset.layout import Split
from zakar.dataset.manifest import Manifest, TableEntry
from zakar.dataset.schema import MAPS, PREDICTIONS, PUBLIC
from zakar.dataset.schema import Table as SchemaTable
from zakar.dataset.writer import check_free
from zakar.errors import ConfigError, MismatchError, ZakarError
from zakar.models import scenario_files
from zakar.models.shared.settings import Scenario
from zakar.progress import counted

ScenarioName = Annotated[
    str, typer.Argument(metavar="[SCENARIO]", help="A scenario that comes with zakar, or a TOML file.")
]


def simulate_command(
    name: ScenarioName = "island",
    *,
    out: Annotated[Path, typer.Option(parser=location.local("--out"), help="Folder to write the dataset into.")],
    key: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            parser=location.local("--key"),
            help="Secret behind the held-out days [default: that of the dataset overwritten, else drawn; in private/].",
        ),
    ] = None,
    new_key: Annotated[
        bool, typer.Option("--new-key", help="With --overwrite: draw a new key. The held-out days will be others.")
    ] = False,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed, in place of the scenario's.")] = None,
    days: Annotated[int | None, typer.Option(help="Number of days, in place of the scenario's.")] = None,
    number: Annotated[int | None, typer.Option("--workers", help="Processes [default: one a core].", min=1)] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be made, about how many rows, and make nothing.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a dataset that is there, but not its key.")
    ] = False,
    json: Json = False,
) -> None:
    """Simulate a scenario into a dataset of Parquet files.

    The same scenario and seed make the same content, whatever the number of workers; with the same key, the same
    held-out days.

    Example: `zakar simulate classic --out data/classic`
    """
    from zakar.models import registry  # noqa: PLC0415 - SciPy takes a second, for which others need not wait
    from zakar.simulation.keys import draw_key, kept_key, read_key  # noqa: PLC0415 - SciPy takes a second, for which others need not wait

    path = scenario_files.find(name)
    scenario = settings(path, seed, days)
    secret = read_key(key) if key is not None else None
    if (secret is not None or new_key) and not registry.held_out_days(scenario):
        raise ConfigError(
            f"{'--new-key' if new_key else '--key'}: scenario `{scenario.name}` has no held-out days, "
            "so there is nothing to draw from a key"
        )
    if secret is not None and new_key:
        raise ConfigError("--key and --new-key: give one of them")
    check_free(out, overwrite)
    kept = kept_key(out) if secret is None and not new_key else None
    source = _source_of_key(secret, kept, drawn=registry.held_out_days(scenario) > 0)
    if dry_run:
        registry.vocabulary(scenario, registry.phrase_table(scenario, path))
        _dry_run(scenario, out, source, json)
        return
    before = _held_out_fingerprint(out)
    seconds, manifest = timed_simulation(scenario, path, out, number, overwrite, draw_key() if new_key else secret)
    held_out = store.open_dataset(str(out), Split.HOLDOUT).manifest.tables if registry.held_out_days(scenario) else {}
    if json:
        give(
            {
                "dataset": str(out),
                "scenario": scenario.name,
                "seed": scenario.seed,
                "records": manifest.records,
                "tables": _sizes(manifest.tables),
                "holdout": _sizes(held_out),
                "key": source,
                "seconds": round(seconds, 3),
                "fingerprint": manifest.fingerprint,
            }
        )
    else:
        tell(f"{out}: {manifest.records:,} records in {seconds:.1f} s, fingerprint {manifest.fingerprint[:12]}")
        if held_out:
            rows = sum(entry.rows for entry in held_out.values())
            tell(
                f"{rows:,} more are held out: `zakar publish {out} --out ...` leaves them here; keep {out / 'private'}"
            )
        if source is not None:
            tell(f"{_KEYS[source]}: {out / 'private' / 'key'}")
        if before and before != _held_out_fingerprint(out):
            tell("the held-out days are others than those that were here before")


# Where the key of a dataset comes from, in words.
_KEYS = {
    "kept": "the key that was there is kept",
    "given": "the key that was given is kept there too",
    "new": "a new key was drawn; the held-out days cannot be made again without it",
}


def _source_of_key(given: bytes | None, kept: bytes | None, *, drawn: bool) -> str | None:
    """Return where a simulation's key comes from, a word of ``_KEYS``; None if there is none."""
    if given is not None:
        return "given"
    if kept is not None:
        return "kept"
    return "new" if drawn else None


def _held_out_fingerprint(out: Path) -> str:
    """Return the fingerprint of the held-out days of the dataset in a folder; empty if there is none to be read."""
    try:
        return store.open_dataset(str(out), Split.HOLDOUT).manifest.fingerprint
    except ZakarError:
        return ""


def _dry_run(scenario: Scenario, out: Path, key: str | None, json: bool) -> None:
    """Say what would be simulated, and about how many rows that makes."""
    from zakar.models import registry  # noqa: PLC0415 - SciPy takes a second, for which others need not wait

    days, days_after = scenario.calendar.days, registry.held_out_days(scenario)
    released, held_out = registry.expected_rows(scenario)
    if json:
        give(
            {
                "dataset": str(out),
                "scenario": scenario.name,
                "seed": scenario.seed,
                "days": days,
                "holdout_days": days_after,
                "cells": scenario.grid.cells,
                "tables": {table: {"rows": rows} for table, rows in released.items()},
                "holdout": {table: {"rows": rows} for table, rows in held_out.items()},
                "key": key,
                "dry_run": True,
            }
        )
        return
    more = f" and {days_after:,} held-out ones" if days_after else ""
    tell(
        f"would simulate {scenario.name}, seed {scenario.seed}: {days:,} days{more} on {scenario.grid.cells:,} cells, "
        f"into {out}; nothing was written"
    )
    for table, rows in released.items():
        also = f", and {_about(held_out[table])} held-out ones" if held_out else ""
        tell(f"about {_about(rows)} rows of {table}{also}")
    if key == "kept":
        tell(f"the key would be kept: {out / 'private' / 'key'}")


def _about(number: int) -> str:
    """Write an estimate: two digits that count, and zeros."""
    return f"{float(f'{number:.1e}'):,.0f}"


def _sizes(tables: dict[str, TableEntry]) -> dict[str, dict[str, int]]:
    return {name: {"rows": entry.rows, "bytes": entry.bytes} for name, entry in tables.items()}


def schema_command(json: Json = False) -> None:
    """Show the tables: columns, units and the keys of their messages; then those that no station carries.

    These are an island's map and places and, in `private/`, the truth, which each model has tables of its own for.

    Example: `zakar schema`
    """
    from zakar.models.registry import MODELS  # noqa: PLC0415 - SciPy takes a second, for which others need not wait

    carried = [table.full() for table in (*PUBLIC, PREDICTIONS)]
    stationed = {table.name: (table, table.station, f"station {table.station}") for table in carried}
    others = {table.name: (table, None, f"{_place(table)}, no station") for table in MAPS} | {
        f"truth/{model}/{table.name}": (table, None, f"{_place(table)} of model {model}, no station")
        for model, value in MODELS.items()
        for table in value.truth
    }
    shown = stationed | others
    if json:
        give(
            {
                name: {
                    "station": station,
                    "doc": table.doc,
                    "columns": [
                        {"name": c.name, "type": str(c.type), "unit": c.unit, "doc": c.doc} for c in table.columns
                    ],
                }
                for name, (table, station, _) in shown.items()
            }
        )
        return
    console = Console(soft_wrap=True)
    for table, station, place in shown.values():
        grid = Table(box=box.SIMPLE)
        for title in ("column and wire key" if station else "column", "type", "unit", "meaning"):
            grid.add_column(title, overflow="fold")  # a narrow console breaks words; nothing is left out
        for column in table.columns:
            grid.add_row(column.name, str(column.type), column.unit, column.doc)
        console.print(f"{table.name}, {place}: {table.doc}", markup=False, highlight=False)
        show(grid)


def _place(table: SchemaTable) -> str:
    return f"in {layout.folder(table, held_out=False).as_posix()}"


def check_command(where: Dataset, json: Json = False) -> None:
    """Compare a dataset with its manifest, and with the figures that its scenario names.

    Figures that were found for other settings than those of the dataset are told, and not judged. What was found is
    written beside the data, as checks.json, and the scores of baselines into its README.md.

    Example: `zakar check data/classic`
    """
    from zakar.checks import registry as suites  # noqa: PLC0415 - SciPy takes a second, for which others need not wait
    from zakar.checks.integrity import check_private, integrity  # noqa: PLC0415 - as above
    from zakar.checks.settings import truth  # noqa: PLC0415 - as above

    dataset = store.open_dataset(where)
    suite = str(dataset.manifest.scenario.get("checks", "none"))
    if not suites.known(suite):
        raise MismatchError(
            f"{location.shown(where)}: the manifest names a suite of checks `{suite}` that this zakar does not have"
        )
    blind = suites.needs_truth(dataset, suite) and not store.has_truth(dataset)
    with meter("comparing rows") as tell_rows:
        rows = sum(entry.rows for _, entry in layout.published(dataset.manifest))
        rows += 0 if blind else store.private_rows(dataset, truth(dataset))
        watched = store.watched(dataset, counted(tell_rows, rows))
        checks = integrity(watched)
        measured = not blind and all(check.ok for check in checks)  # figures of wrong content mean nothing
        if measured:
            check_private(watched)
    if measured:
        if not json and (suite != "none" or suites.needs_truth(dataset, suite)):
            what = "the baselines" if suite == "none" else f"the checks of `{suite}`"
            tell(f"the content is what the manifest says; measuring for {what}")
        with meter("measuring, steps") as progress:
            checks += suites.figures(dataset, suite, progress)
    if json:
        give(results.report(dataset.manifest.fingerprint, checks))
    else:
        console = Console(soft_wrap=True)
        words = [(c.id, written(float(c.value)), accepted(c.low, c.high)) for c in checks]
        wide = [max(map(len, column)) for column in zip(*words, strict=True)]
        for c, (name, value, span) in zip(checks, words, strict=True):
            mark = "n/a" if not c.applies else "ok " if c.ok else "[red]NOT[/]"
            why = "" if c.applies else f"; not applicable: {c.why}"
            line = f"{name:{wide[0]}}  {value:>{wide[1]}}  {span:{wide[2]}}  {c.name} ({c.source}){why}"
            console.print(f"{mark} {escape(line)}", highlight=False)
    if blind:
        what = "the baselines" if suite == "none" else f"the checks of `{suite}`"
        tell(f"only the content was compared: {what} need the private part, which is not here")
    else:
        _keep(dataset, checks)
    failed = ", ".join(c.id for c in checks if not c.ok)
    if not json:
        judged = [c for c in checks if c.applies]
        rest = f"; {len(checks) - len(judged)} do not apply to this dataset" if len(judged) < len(checks) else ""
        tell(f"{sum(c.ok for c in judged)} of {len(judged)} figures are ok{rest}")
    if failed.startswith("content/"):
        raise MismatchError(f"{location.shown(where)}: {failed}: not what it should be; simulate the dataset again")
    if failed:
        raise MismatchError(f"{location.shown(where)}: {failed}: outside what is accepted for `{suite}`")


def _keep(dataset: store.Dataset, checks: Sequence[Check]) -> None:
    try:
        results.keep(dataset, checks)
    except ConfigError as error:  # whoever only reads a dataset may check it all the same
        tell(str(error))


def settings(path: Path, seed: int | None = None, days: int | None = None) -> Scenario:
    """Read a scenario and apply the command line's seed and days."""
    from zakar.models import registry  # noqa: PLC0415 - SciPy takes a second, for which others need not wait

    scenario = registry.read(path)
    if seed is not None:
        scenario = registry.with_seed(scenario, seed)
    return scenario if days is None else registry.with_days(scenario, days)


def timed_simulation(
    scenario: Scenario,
    path: Path,
    out: Path,
    number: int | None,
    overwrite: bool,
    key: bytes | None = None,
) -> tuple[float, Manifest]:
    """Simulate with a progress meter; return the seconds it took and the manifest."""
    from zakar.models import registry  # noqa: PLC0415 - SciPy takes a second, for which others need not wait
    from zakar.simulation.run import simulate  # noqa: PLC0415 - SciPy takes a second, for which others need not wait

    began = time.perf_counter()
    with meter("simulating days") as shown, workers(number) as executor:
        progress = partial(counted(shown, scenario.calendar.days + registry.held_out_days(scenario)), "")
        manifest = simulate(scenario, path, out, executor, key=key, overwrite=overwrite, progress=progress)
    return time.perf_counter() - began, manifest
