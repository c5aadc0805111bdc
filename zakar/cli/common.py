"""What commands share: options, progress, interruption, workers."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from types import FrameType
from typing import Annotated, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from zakar import files, location, processes
from zakar.cli import interrupts
from zakar.cli.printing import tell
from zakar.dataset import store
from zakar.dataset.days import first
from zakar.dataset.layout import Split
from zakar.errors import ConfigError
from zakar.loader.load import LeftOut
from zakar.progress import Show, counted

_T = TypeVar("_T")
_PLAIN_SECONDS = 5.0

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Dataset = Annotated[str, typer.Argument(metavar="DIR", help="A dataset: a folder or an object-store URL.")]
Which = Annotated[
    Split, typer.Option("--split", help="The released days, or those that are held out, without their alerts.")
]
WithAlerts = Annotated[
    bool,
    typer.Option(
        "--with-alerts",
        help="With --split holdout: the held-out alerts too. They are the answers: who reads them knows.",
    ),
]
Days = Annotated[
    int | None,
    typer.Option(
        "--days", metavar="N", help="The first N days alone, with the alerts that are told by then [default: all]."
    ),
]
PageFile = Annotated[
    Path,
    typer.Option(
        "--out",
        parser=location.local("--out"),
        metavar="FILE.html",
        help="File to write the page into; it is replaced.",
    ),
]


def first_days(where: str, which: Split, days: int | None) -> store.Dataset:
    """Open a dataset, or its first days alone, which takes a while, and shows how far it is."""
    dataset = store.open_dataset(where, which)
    with meter("reading rows") as show:
        return first(dataset, days, counted(show, None))


def split(names: str | None) -> list[str] | None:
    """Split an option of the form A,B."""
    return None if names is None else [name.strip() for name in names.split(",")]


def messages(left_out: LeftOut) -> dict[str, int | None]:
    """Return how many messages there are of each table that is left out; None where nobody says."""
    return {name: None if streams is None else sum(streams.values()) for name, streams in left_out.items()}


def answer_lines(dataset: store.Dataset, left_out: LeftOut) -> list[str]:
    """Return a line for each table of answers that is left out, and one more if its station holds something."""
    lines = []
    for table in dataset.answers:
        if table.name not in left_out:
            continue
        there = table.name in dataset.manifest.tables
        how = "--with-alerts is for those too" if there else "it was not handed out"
        lines.append(f"left out: {table.name}, which is to be predicted; {how}")
        streams = left_out[table.name]
        if streams is None:
            lines.append(f"whether `{table.station}` holds anything, the server does not say")
        elif number := sum(streams.values()):
            deletes = " && ".join(f"nats stream rm '{stream}'" for stream in streams)
            lines.append(
                f"`{table.station}` holds {number:,} messages; if they are of these days, whoever reads it has the "
                f"answers: `{deletes}` deletes it"
            )
    return lines


@contextlib.contextmanager
def new_page(out: Path) -> Iterator[Callable[[str], None]]:
    """Yield a function that writes a page, which takes the place of ``out`` once the block has ended well.

    Raises ConfigError if that cannot be done, before the block begins where that can be known.
    """
    with files.writable(out):
        if out.exists() and not out.is_file():
            raise ConfigError(f"{out}: is no file; give --out the name of one")
    with files.replacing(out) as partial:

        def write(html: str) -> None:
            with files.writable(out):
                partial.write_text(html, encoding="utf-8", newline="\n")

        write("")  # what cannot be written is told before the work, not after it
        yield write


@contextlib.contextmanager
def meter(label: str) -> Iterator[Show]:
    """Show progress on standard error: a bar on a terminal, a line every few seconds elsewhere.

    Yields a function to be told how far the work is; nothing is shown before it is.
    """
    console = Console(stderr=True)
    if console.is_terminal and not console.is_dumb_terminal:  # on which no line can be drawn anew
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[share]}"))
        bar = Progress(*columns, TextColumn("{task.fields[note]}"), TimeRemainingColumn(), console=console)

        def draw(done: int, total: int | None, note: str) -> None:
            interrupts.check()
            share = f"{done:,}" if total is None else f"{100 * done / max(total, 1):3.0f} %"
            if not bar.tasks:
                bar.add_task(label, total=total, share=share, note=note)
                bar.start()
            bar.update(bar.task_ids[0], completed=done, share=share, note=note)

        try:
            yield draw
        finally:
            if bar.tasks:
                bar.stop()
        return
    last = began = time.monotonic()

    def line(done: int, total: int | None, note: str) -> None:
        nonlocal last
        interrupts.check()
        now = time.monotonic()
        if now - last < _PLAIN_SECONDS:
            return
        last = now
        of = "" if total is None else f" of {total:,}"
        left = "" if total is None or not done else f", {(now - began) * (total - done) / done:,.0f} s left"
        tell(f"{label}: {done:,}{of}{left}{', ' + note if note else ''}")

    yield line


def run(main: Callable[[asyncio.Event], Awaitable[_T]]) -> _T:
    """Run ``main(stop)``. The first Ctrl-C sets ``stop``; the second ends it at once (KeyboardInterrupt)."""
    interrupts.check()

    async def runner() -> _T:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        task = asyncio.current_task()
        presses = 0

        def on_interrupt(_number: int, _frame: FrameType | None) -> None:
            nonlocal presses
            presses += 1
            loop.call_soon_threadsafe(stop.set)
            if presses == 1:
                tell("stopping: waiting for what is in flight; Ctrl-C again stops at once")
            elif task is not None:
                loop.call_soon_threadsafe(task.cancel)

        before = signal.signal(signal.SIGINT, on_interrupt)
        try:
            return await main(stop)
        except asyncio.CancelledError:
            raise KeyboardInterrupt from None
        finally:
            signal.signal(signal.SIGINT, before)

    return asyncio.run(runner())


def workers(number: int | None) -> Executor:
    """Return the executor that emits blocks: processes, or this very process for one worker."""
    number = os.cpu_count() or 1 if number is None else number
    return ThreadPoolExecutor(1) if number == 1 else processes.pool(number)
