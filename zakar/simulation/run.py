"""Simulate a scenario into a dataset: a year of world, then its observations block by block."""

import contextlib
import pickle
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, wait
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from zakar.dataset.layout import KEY, folder
from zakar.dataset.manifest import Manifest, TableEntry, encode
from zakar.dataset.schema import Table
from zakar.dataset.writer import Part, Writer, encoded, entry, folder_writer
from zakar.errors import ConfigError, ZakarError
from zakar.models import registry
from zakar.models.block import Block
from zakar.models.shared.settings import Scenario
from zakar.simulation.description import describe, published_notes
from zakar.simulation.keys import draw_key, kept_key

_BLOCK_DAYS, _LEAST_DAYS = 366, 16  # of a block
_BLOCK_CELLS, _BLOCK_POSTS = 128 * 3600, 128 * 4000  # its days times cells, and its posts: they take memory
_AHEAD = 8  # blocks that wait for a worker at most, so that memory does not grow with the years


@dataclass(frozen=True)
class Spooled:
    """A model's vocabulary as an argument of tasks: the file that holds it, which a worker reads once."""

    path: Path

    @property
    def value(self) -> Any:
        """The vocabulary."""
        return _unpickled(self.path)


def simulate(
    scenario: Scenario,
    source: Path,
    out: Path,
    executor: Executor,
    *,
    key: bytes | None = None,
    overwrite: bool = False,
    block_days: int | None = None,
    progress: Callable[[int], None] = lambda *_: None,
) -> Manifest:
    """Simulate ``scenario``, read from ``source``, into the dataset folder ``out``.

    Blocks of ``block_days`` days, by default fewer the larger the grid, are emitted on ``executor``; the content
    depends on neither. Held-out days are drawn from ``key``; without one from that of the dataset which is
    overwritten; else from a new one. It is kept in the private part, also where no day is held out. ``progress`` is
    told the days finished. The folder appears under its name only when it is whole.

    Raises ConfigError if ``out`` is in the way or cannot be written, or if what is in place of its key is none.
    """
    out, model = out.resolve(), registry.model_of(scenario)
    writer = folder_writer(out, overwrite=overwrite)
    holds_out = registry.held_out_days(scenario) > 0
    given = key if holds_out else None
    kept = kept_key(out) if given is None else None
    key = given or kept or (draw_key() if holds_out else None)
    try:
        writer.begin()
        ready = [executor.submit(_ready) for _ in range(_AHEAD)]
        phrase_file = registry.phrase_table(scenario, source)
        vocabulary = registry.vocabulary(scenario, phrase_file)
        notes = published_notes(scenario, source)
        blocks = model.blocks(scenario, registry.seeds_of(scenario, key), vocabulary, block_days or _days(scenario))
        with spooled(vocabulary) as argument:
            parts = list(_emitted(blocks, executor, argument, writer, progress))
            for task in ready:
                task.result()
        maps = _maps(model.maps(scenario, vocabulary), writer)
        manifest = describe(scenario, phrase_file, notes, parts, maps, writer)
        if key is not None:
            writer.put(KEY, key + b"\n", secret=True)
        if given is None and kept_key(out) != kept:
            raise ConfigError(f"{out}: somebody put another key there meanwhile; nothing was replaced")
        writer.commit(encode(manifest))
    except BrokenExecutor as error:
        raise ZakarError("a worker was killed, perhaps for lack of memory; try fewer --workers") from error
    except OSError as error:
        raise ConfigError(f"{error.filename or out}: cannot be written: {error.strerror or error}") from error
    finally:
        writer.abandon()
    return manifest


def _days(scenario: Scenario) -> int:
    """Return how many days a block has."""
    posts_a_day = registry.model_of(scenario).posts_a_day(scenario)
    return max(_LEAST_DAYS, min(_BLOCK_DAYS, _BLOCK_CELLS // scenario.grid.cells, int(_BLOCK_POSTS / posts_a_day)))


def emit(block: Block, number: int, vocabulary: Spooled, writer: Writer) -> list[Part]:
    """Put one block's observations and truth as the ``number``-th parts of their tables. Runs on any worker."""
    parts = []
    for table, rows in block.observe(vocabulary.value):
        part, data = encoded(table, number, rows)
        writer.put((folder(table, block.held_out) / part.file.name).as_posix(), data)
        parts.append(part)
    return parts


@contextlib.contextmanager
def spooled(vocabulary: Any) -> Iterator[Spooled]:
    """Yield a vocabulary for tasks of this machine's workers, which have it as long as the block lasts."""
    with tempfile.TemporaryDirectory(prefix="zakar-") as name:
        path = Path(name) / "vocabulary"
        path.write_bytes(pickle.dumps(vocabulary))
        yield Spooled(path)


@lru_cache(maxsize=1)
def _unpickled(path: Path) -> Any:
    return pickle.loads(path.read_bytes())  # noqa: S301 - our own, in a folder that we made


def _ready() -> None:
    """Have a worker import this module, and all that it needs, while the vocabulary is made."""


def _emitted(
    blocks: Iterable[Block],
    executor: Executor,
    vocabulary: Spooled,
    writer: Writer,
    progress: Callable[[int], None],
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
        for block in blocks:
            waiting.append((block, executor.submit(emit, block, numbers[block.held_out], vocabulary, writer)))
            numbers[block.held_out] += 1
            while len(waiting) > _AHEAD:
                yield from finished()
        while waiting:
            yield from finished()
    finally:
        for _, task in waiting:
            task.cancel()
        wait(task for _, task in waiting)  # a worker may still be writing


def _maps(maps: dict[Table, pa.Table], writer: Writer) -> dict[str, TableEntry]:
    """Put what does not change from day to day."""
    entries = {}
    for table, rows in maps.items():
        part, data = encoded(table, 0, rows)
        writer.put((folder(table, held_out=False) / part.file.name).as_posix(), data)
        entries[table.name] = entry(table, [part])
    return entries
