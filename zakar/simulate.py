"""Simulate a scenario into a dataset: a year of world, then its observations block by block."""

import pickle
import re
import secrets
import shutil
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, wait
from functools import lru_cache
from pathlib import Path, PureWindowsPath
from typing import Any

import msgspec
import pyarrow as pa

from zakar import config
from zakar.dataset import card, croissant, manifest, place, store
from zakar.dataset.content import fingerprint
from zakar.dataset.manifest import Manifest, PrivateManifest, TableEntry
from zakar.dataset.schema import Table
from zakar.dataset.store import Part
from zakar.errors import ConfigError, ZakarError
from zakar.models import registry, scenario_files
from zakar.models.block import Block
from zakar.models.shared import phrase_files
from zakar.models.shared.settings import Scenario
from zakar.seeds import Seeds, secret_root

_BLOCK_DAYS, _LEAST_DAYS = 366, 16  # of a block
_BLOCK_CELLS, _BLOCK_POSTS = 128 * 3600, 128 * 4000  # its days times cells, and its posts: they take memory
_AHEAD = 8  # blocks that wait for a worker at most, so that memory does not grow with the years
_KEY_BYTES = 32
_KEY = re.compile(r"[0-9A-Fa-f]{32,4096}")


def simulate(
    scenario: Scenario,
    source: Path,
    out: Path,
    executor: Executor,
    *,
    key: bytes | None = None,
    new_key: bool = False,
    overwrite: bool = False,
    block_days: int | None = None,
    progress: Callable[[int], None] = lambda *_: None,
) -> Manifest:
    """Simulate ``scenario``, read from ``source``, into the dataset folder ``out``.

    Blocks of ``block_days`` days, by default fewer the larger the grid, are emitted on ``executor``; the content
    depends on neither. Held-out days are drawn from ``key``; without one from that of the dataset which is
    overwritten, unless ``new_key``; else from a new one. It is kept in the private part, also where no day is held
    out. ``progress`` is told the days finished. The folder appears under its name only when it is whole.

    Raises ConfigError if ``out`` is in the way or cannot be written, or if what is in place of its key is none.
    """
    out, model = out.resolve(), registry.model_of(scenario)
    place.check_free(out, overwrite)
    drawn = held_out_days(scenario) > 0
    key = key if drawn else None
    keeping = key is None and not new_key
    before = kept_key(out) if keeping else None
    key = key or before
    if key is None and drawn:
        key = secrets.token_hex(_KEY_BYTES).encode()
    partial = place.beside(out)
    try:
        ready = [executor.submit(_ready) for _ in range(_AHEAD)]
        phrase_file = phrase_table(scenario, source)
        spoken = words(scenario, phrase_file)
        notes = published_notes(scenario, source)
        folders = [store.folder(t, held_out) for t in model.tables for held_out in _splits(scenario)]
        for folder in folders:
            (partial / folder).mkdir(parents=True)
        block_days = block_days or _block_days(scenario)
        handed = partial / secrets.token_hex(8)
        handed.write_bytes(pickle.dumps(spoken))
        work = model.blocks(scenario, seeds_of(scenario, key), spoken, block_days)
        parts = list(_emitted(work, executor, partial, handed, progress))
        for task in ready:
            task.result()
        handed.unlink()
        written = _finish(scenario, phrase_file, notes, parts, _maps(model.maps(scenario, spoken), partial), partial)
        (partial / "private").chmod(0o700)  # others who use the machine may be participants
        if key is not None:
            _write_key(partial / "private" / "key", key)
        place.check_free(out, overwrite)  # somebody else may have been quicker
        if keeping and kept_key(out) != before:
            raise ConfigError(f"{out}: somebody put another key there meanwhile; nothing was replaced")
        place.move(partial, out)
    except BrokenExecutor as error:
        raise ZakarError("a worker was killed, perhaps for lack of memory; try fewer --workers") from error
    except OSError as error:
        raise ConfigError(f"{error.filename or out}: cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return written


def _block_days(scenario: Scenario) -> int:
    posts_a_day = registry.model_of(scenario).posts_a_day(scenario)
    return max(_LEAST_DAYS, min(_BLOCK_DAYS, _BLOCK_CELLS // scenario.grid.cells, int(_BLOCK_POSTS / posts_a_day)))


def words(scenario: Scenario, path: Path | None) -> Any:
    """Return the words of the phrase table in a file, as the scenario's model has them; None where it takes none.

    Raises ConfigError naming the file if it cannot be used.
    """
    load = registry.model_of(scenario).vocabulary
    return load(scenario, path) if load is not None and path is not None else None


def held_out_days(scenario: Scenario) -> int:
    """Return how many days after the released ones a scenario holds out."""
    return registry.model_of(scenario).calendar(scenario).held_out


def expected_rows(scenario: Scenario) -> tuple[dict[str, int], dict[str, int]]:
    """Return how many rows the released public tables will have, about, and the held-out ones, none if none are."""
    expected, held_out = registry.model_of(scenario).expected_rows, held_out_days(scenario)
    return expected(scenario, scenario.calendar.days), expected(scenario, held_out) if held_out else {}


def seeds_of(scenario: Scenario, key: bytes | None) -> Seeds:
    """Return the roots of a scenario's draws: the seed, and a secret one for the days that are held out."""
    if key is None or not held_out_days(scenario):
        return Seeds(scenario.seed)
    return Seeds(scenario.seed, secret_root(key), scenario.calendar.days)


def read_key(path: Path) -> bytes:
    """Return the key in a file: at least 128 random bits, as hexadecimal digits.

    Raises ConfigError naming the file if it holds no such key; the key itself is never shown.
    """
    text = config.read_text(path).strip()
    if not _KEY.fullmatch(text):
        raise ConfigError(f"{path}: not a key: expected 32 or more hexadecimal digits, drawn at random")
    return text.lower().encode()


def kept_key(out: Path) -> bytes | None:
    """Return the key of the dataset in a folder, which lasts when that is overwritten; None if it has none.

    Raises ConfigError naming the file if what is there is no key, or cannot be read.
    """
    path = out / "private" / "key"
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        return read_key(path)
    except ConfigError as error:
        raise ConfigError(f"{error}; it is not replaced unless --key or --new-key says so") from error


def emit(block: Block, number: int, folder: Path, handed: Path) -> list[Part]:
    """Write one block's observations and truth as parts ``number`` below ``folder``. Runs on any worker.

    ``handed``: the file of its words.
    """
    return [
        store.write_part(folder / store.folder(table, block.held_out), number, table, rows)
        for table, rows in block.observe(_received(handed))
    ]


def phrase_table(scenario: Scenario, source: Path) -> Path | None:
    """Return the file of the phrase table that a scenario, read from ``source``, names; None if it names none.

    Raises ConfigError if there is no such file.
    """
    name = registry.model_of(scenario).phrases
    try:
        return phrase_files.find(name(scenario), source.parent) if name is not None else None
    except ConfigError as error:
        raise ConfigError(f"{source}: {error}") from error


@lru_cache(maxsize=1)
def _received(handed: Path) -> Any:
    """Return the words that whoever simulates left in a file, each time one of a new name."""
    return pickle.loads(handed.read_bytes())  # noqa: S301 - our own, in a folder that we made


def _ready() -> None:
    """Have a worker import this module, and all that it needs, while the words are made."""


def published_settings(scenario: Scenario) -> dict[str, Any]:
    """Return the settings of a scenario as its dataset tells them: as if no days were held out."""
    values: dict[str, Any] = msgspec.to_builtins(scenario)
    values["calendar"].pop("holdout_days", None)
    if registry.model_of(scenario).phrases is not None:
        tweets = values["tweets"]
        tweets["phrases"] = PureWindowsPath(tweets["phrases"]).name  # a path tells of its maker's machine
    return values


def published_notes(scenario: Scenario, source: Path) -> dict[str, str]:
    """Return what is said of a scenario's published settings, by the key's path.

    First what its file ``source`` says, then what the values come to. Raises ConfigError if that file's comments
    cannot be read.
    """
    values = published_settings(scenario)
    paths = {f"{section}.{key}" for section, keys in values.items() if isinstance(keys, dict) for key in keys}
    notes = {path: note for path, note in scenario_files.read_notes(source).items() if path in paths | values.keys()}
    for path, remark in registry.model_of(scenario).remarks(scenario).items():
        notes[path] = f"{notes[path]}; here {remark}" if path in notes else f"here {remark}"
    return notes


def _splits(scenario: Scenario) -> tuple[bool, ...]:
    return (False, True) if held_out_days(scenario) else (False,)


def _emitted(
    work: Iterable[Block], executor: Executor, folder: Path, handed: Path, progress: Callable[[int], None]
) -> Iterator[tuple[bool, Part]]:
    """Have blocks emitted, a few ahead of what is done; yield whether each part is held out, and the part, in order."""
    waiting: deque[tuple[Block, Future[list[Part]]]] = deque()
    numbers = {False: 0, True: 0}

    def finished() -> Iterator[tuple[bool, Part]]:
        block, task = waiting[0]
        for part in task.result():
            yield block.held_out, part
        waiting.popleft()
        progress(block.last_day - block.first_day + 1)

    try:
        for block in work:
            waiting.append((block, executor.submit(emit, block, numbers[block.held_out], folder, handed)))
            numbers[block.held_out] += 1
            while len(waiting) > _AHEAD:
                yield from finished()
        while waiting:
            yield from finished()
    finally:
        for _, task in waiting:
            task.cancel()
        wait(task for _, task in waiting)  # a worker may still be writing


def _maps(maps: dict[Table, pa.Table], folder: Path) -> dict[str, TableEntry]:
    """Write what does not change from day to day."""
    found = {}
    for table, rows in maps.items():
        files = folder / store.folder(table, held_out=False)
        files.mkdir()
        found[table.name] = store.entry(table, [store.write_part(files, 0, table, rows)])
    return found


def _finish(
    scenario: Scenario,
    phrase_file: Path | None,
    notes: dict[str, str],
    parts: list[tuple[bool, Part]],
    maps: dict[str, TableEntry],
    folder: Path,
) -> Manifest:
    """Write manifests, card and metadata beside the parts."""

    def entries(chosen: Iterable[Table], held_out: bool) -> dict[str, TableEntry]:
        return {t.name: store.entry(t, [p for h, p in parts if h == held_out and p.table == t.name]) for t in chosen}

    model = registry.model_of(scenario)
    public, truth = entries(model.public, False), entries(model.truth, False)
    written = Manifest(
        format=manifest.FORMAT,
        name=scenario.name,
        title=scenario.title,
        seed=scenario.seed,
        days=scenario.calendar.days,
        fingerprint=_together(public),
        tables=public,
        software=manifest.software(),
        scenario=published_settings(scenario),
        phrases=phrase_files.digest(phrase_file) if phrase_file else "",
        language=scenario.about.language or (phrase_files.language(phrase_file) if phrase_file else ""),
        maps=maps,
        notes=notes,
    )
    private = PrivateManifest(format=manifest.FORMAT, fingerprint=_together(truth), truth=truth)
    if held_out_days(scenario):
        held_out = entries(model.public, True)
        private = msgspec.structs.replace(
            private,
            holdout_days=held_out_days(scenario),
            holdout=held_out,
            holdout_fingerprint=_together(held_out),
            holdout_truth=entries(model.truth, True),
        )
    (folder / manifest.NAME).write_bytes(manifest.encode(written))
    (folder / "private" / manifest.NAME).write_bytes(manifest.encode(private))
    (folder / card.NAME).write_text(registry.rendered(written), encoding="utf-8", newline="\n")
    (folder / croissant.NAME).write_bytes(croissant.render(written))
    return written


def _together(entries: dict[str, TableEntry]) -> str:
    return fingerprint({name: entry.sha256 for name, entry in entries.items()})


def _write_key(path: Path, key: bytes) -> None:
    """Write the key so that nobody else on this machine can read it."""
    path.touch(mode=0o600)
    path.write_bytes(key + b"\n")
