"""Simulate a scenario into a dataset: a year of world, then its observations block by block."""

import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, wait
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa

from zakar.dataset import card, manifest, store
from zakar.dataset.content import fingerprint
from zakar.dataset.manifest import Manifest, PrivateManifest
from zakar.dataset.schema import ALERTS, PUBLIC, READINGS, TRUTH, TWEETS, Table
from zakar.dataset.store import Part
from zakar.errors import ConfigError, ZakarError
from zakar.observe import alerts, phrases, sensors, tweets
from zakar.scenario import Scenario
from zakar.seeds import Seeds
from zakar.world import island, year
from zakar.world.year import Truth

BLOCK_DAYS = 128
_FOLDERS = {table.name: Path("public") / table.name for table in PUBLIC} | {
    table.name: Path("private") / "truth" / table.name for table in TRUTH
}


@dataclass(frozen=True)
class Block:
    """A run of whole days and all that is needed to emit its observations on any worker."""

    number: int
    scenario: Scenario
    seeds: Seeds
    phrase_file: Path
    truth: Truth


def simulate(
    scenario: Scenario,
    source: Path,
    out: Path,
    executor: Executor,
    *,
    overwrite: bool = False,
    block_days: int = BLOCK_DAYS,
    progress: Callable[[int], None] = lambda *_: None,
) -> Manifest:
    """Simulate ``scenario``, read from ``source``, into the dataset folder ``out``.

    Blocks of ``block_days`` days are emitted on ``executor``; the content depends on neither. ``progress`` is
    told the days finished. The folder appears under its name only when it is whole.

    Raises ConfigError if ``out`` is in the way or cannot be written.
    """
    out = out.resolve()
    check_free(out, overwrite)
    phrase_file = phrase_table(scenario, source)  # a bad table is told here, not by a worker
    partial = out.with_name(f"{out.name}.partial-{os.getpid()}")
    try:
        for folder in _FOLDERS.values():
            (partial / folder).mkdir(parents=True)
        tasks = [
            (block, executor.submit(emit, block, partial))
            for block in blocks(scenario, Seeds(scenario.seed), phrase_file, block_days)
        ]
        parts = _gather(tasks, progress)
        written = _finish(scenario, phrase_file, parts, partial)
        check_free(out, overwrite)  # somebody else may have been quicker
        _move(partial, out)
    except BrokenExecutor as error:
        raise ZakarError("a worker was killed, perhaps for lack of memory; try fewer --workers") from error
    except OSError as error:
        raise ConfigError(f"{error.filename or out}: cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return written


def blocks(scenario: Scenario, seeds: Seeds, phrase_file: Path, block_days: int) -> Iterator[Block]:
    """Yield the scenario's blocks in order, the world advancing a year at a time."""
    land = island.make(scenario, seeds)
    echo = year.echo_days(scenario)
    state, number = year.START, 0
    while state.next_day <= scenario.calendar.days:
        truth, state = year.advance(scenario, land, seeds, state)
        last_day = int(truth.days[-1])
        for first in range(int(truth.days[0]), last_day + 1, block_days):
            run = truth.cut(first, min(first + block_days - 1, last_day), echo)
            yield Block(number, scenario, seeds, phrase_file, run)
            number += 1


def emit(block: Block, folder: Path) -> list[Part]:
    """Write one block's observations and truth as parts below ``folder``. Runs on any worker."""
    return [
        store.write_part(folder / _FOLDERS[table.name], block.number, table, rows) for table, rows in observe(block)
    ]


def observe(block: Block) -> Iterator[tuple[Table, pa.Table]]:
    """Yield each table, public and true, with the block's rows of it."""
    scenario, seeds, truth = block.scenario, block.seeds, block.truth
    height = scenario.grid.height
    words = phrases.load(block.phrase_file, seeds)
    posts = tweets.phrased(scenario.tweets, scenario.grid, seeds, words, truth)
    posts["topic"] = pa.array(phrases.TOPICS).take(pa.array(posts["topic"]))
    fires = truth.fires.between(int(truth.days[0]), int(truth.days[-1]))
    found = [
        (TWEETS, posts),
        (READINGS, sensors.every_cell(scenario.sensors, scenario.grid, seeds, truth)),
        (ALERTS, alerts.late(scenario.alerts, truth)),
        (TRUTH[0], {"day": truth.days, "mean_f": truth.means_f}),
        (TRUTH[1], {"event_day": fires.day, "cell": fires.cell}),
        (TRUTH[2], posts),
    ]
    for table, columns in found:
        yield table, _rows(table, columns, height)


def phrase_table(scenario: Scenario, source: Path) -> Path:
    """Return the file of the phrase table that a scenario, read from ``source``, names.

    Raises ConfigError if there is none, or one that cannot be used.
    """
    path = phrases.find(scenario.tweets.phrases, source.parent)
    phrases.load(path, Seeds(scenario.seed))
    return path


def check_free(out: Path, overwrite: bool) -> None:
    """Raise ConfigError if ``out`` holds something that must not be replaced."""
    try:
        if not out.exists():
            return
    except OSError as error:
        raise ConfigError(f"{str(out)[:80]}: cannot be used: {error.strerror}") from error
    if not out.is_dir():
        raise ConfigError(f"{out}: is a file; give --out a folder that does not exist yet")
    is_dataset = (out / manifest.NAME).is_file()
    if any(out.iterdir()) and not is_dataset:
        raise ConfigError(f"{out}: holds files that are no dataset; give --out another folder")
    if is_dataset and not overwrite:
        raise ConfigError(f"{out}: holds a dataset already; give --overwrite to replace it, or another --out")


def _gather(tasks: list[tuple[Block, "Future[list[Part]]"]], progress: Callable[[int], None]) -> list[Part]:
    parts = []
    try:
        for block, task in tasks:
            parts += task.result()
            progress(len(block.truth.days))
    finally:
        for _, task in tasks:
            task.cancel()
        wait(task for _, task in tasks)  # a worker may still be writing
    return parts


def _finish(scenario: Scenario, phrase_file: Path, parts: list[Part], folder: Path) -> Manifest:
    """Write manifests and card beside the parts."""
    entries = {
        table.name: store.entry(table, [part for part in parts if part.table == table.name])
        for table in (*PUBLIC, *TRUTH)
    }
    public = {table.name: entries[table.name] for table in PUBLIC}
    truth = {table.name: entries[table.name] for table in TRUTH}
    written = Manifest(
        format=manifest.FORMAT,
        name=scenario.name,
        title=scenario.title,
        seed=scenario.seed,
        days=scenario.calendar.days,
        fingerprint=fingerprint({name: entry.sha256 for name, entry in public.items()}),
        tables=public,
        software=manifest.software(),
        scenario=msgspec.to_builtins(scenario),
        phrases=phrases.digest(phrase_file),
    )
    private = PrivateManifest(
        format=manifest.FORMAT,
        fingerprint=fingerprint({name: entry.sha256 for name, entry in truth.items()}),
        truth=truth,
    )
    (folder / manifest.NAME).write_bytes(manifest.encode(written))
    (folder / "private" / manifest.NAME).write_bytes(manifest.encode(private))
    (folder / "README.md").write_text(card.render(written), encoding="utf-8", newline="\n")
    return written


def _move(partial: Path, out: Path) -> None:
    """Put the finished folder in its place; what it replaces goes only once it is there."""
    old = out.with_name(f"{out.name}.old-{os.getpid()}")
    if out.exists():
        out.rename(old)
    partial.rename(out)
    shutil.rmtree(old, ignore_errors=True)


def _rows(table: Table, columns: dict[str, np.ndarray | pa.Array], height: int) -> pa.Table:
    """Give columns the table's order and types; ``cell`` becomes the two coordinates."""
    cell = columns.get("cell")
    if cell is not None:
        columns = columns | {"geospatial_x": cell // height, "geospatial_y": cell % height}
    arrays = [
        columns[c.name] if isinstance(columns[c.name], pa.Array) else pa.array(columns[c.name]).cast(c.type)
        for c in table.columns
    ]
    return pa.Table.from_arrays(arrays, schema=table.schema)
