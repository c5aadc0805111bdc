"""`zakar load`, `zakar verify`, `zakar consume`: datasets into stations and back."""

import asyncio
import contextlib
import enum
import math
import os
import re
import shlex
import stat
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
import typer
from rich.table import Table

from zakar import files, location
from zakar.broker import reader, station
from zakar.broker.access import Access
from zakar.broker.connection import LOST, ApiError, Connection, connected
from zakar.cli import common
from zakar.cli.access import connects
from zakar.cli.common import Dataset, Json, answer_lines, first_days, meter, run, split
from zakar.cli.doctor import rehearse
from zakar.cli.printing import give, show, tell
from zakar.dataset import store, wire
from zakar.dataset.layout import Split
from zakar.dataset.schema import Table as SchemaTable
from zakar.errors import ConfigError, MismatchError, ServerError
from zakar.loader import load as loading
from zakar.loader.load import LeftOut, LoadReport, Progress, load
from zakar.loader.options import LoadOptions, Mode, PublishOptions, Transport
from zakar.loader.plan import PARTITIONS_MOST
from zakar.loader.unload import Unloaded, unload
from zakar.loader.verify import COUNTS, Comparison, verify
from zakar.loader.window import IN_FLIGHT_MOST
from zakar.progress import Show, counted, unseen
from zakar.stopping import in_thread, until_stopped

_T = TypeVar("_T")
_OPEN_ALREADY = ("/dev/std", "/dev/fd/", "/proc/")
_TEXT = 1 << 18  # bytes written at once
_KEYS = 20  # that are no columns, of which it is told
_STATION = re.compile(r"[A-Za-z0-9_-]{1,128}")
Tables = Annotated[str | None, typer.Option(metavar="A,B", help="Only these tables [default: all].")]


class Storage(enum.StrEnum):
    """Where the server keeps a new station's messages."""

    FILE = "file"
    MEMORY = "memory"


class Format(enum.StrEnum):
    """How a station is written out."""

    JSONL = "jsonl"
    PARQUET = "parquet"


@connects
def load_command(
    who: Access,
    where: Dataset,
    mode: Annotated[
        Mode, typer.Option(help="One message at a time, an ack each, fast ingest, or what the server allows.")
    ] = Mode.AUTO,
    way: Annotated[
        Transport, typer.Option("--transport", help="Of the servers given, those by TCP, by WebSocket, or the faster.")
    ] = Transport.AUTO,
    connections: Annotated[int, typer.Option(min=1, max=64, help="Producers, each in a process.")] = 1,
    partitions: Annotated[
        int | None,
        typer.Option(min=1, max=PARTITIONS_MOST, help="Partitions of a new station [default: as it has, or 1]."),
    ] = None,
    in_flight: Annotated[
        str, typer.Option(metavar="auto|N", help="Messages sent and not yet acknowledged, at most.")
    ] = "auto",
    rate: Annotated[float | None, typer.Option(min=1, help="Messages a second, at most.")] = None,
    ack_timeout: Annotated[
        float, typer.Option(min=0.1, help="Seconds until an ack is overdue.")
    ] = PublishOptions.ack_timeout,
    give_up_after: Annotated[
        float, typer.Option(min=1, help="Seconds without progress until the load stops.")
    ] = PublishOptions.give_up_after,
    replicas: Annotated[int, typer.Option(min=1, max=5, help="Replicas of each stream, on a cluster.")] = 1,
    storage: Annotated[
        Storage, typer.Option(help="Where a new station's messages are kept; memory loses them when the server ends.")
    ] = Storage.FILE,
    tables: Tables = None,
    which: common.Which = Split.TRAIN,
    with_alerts: common.WithAlerts = False,
    days: common.Days = None,
    recreate: Annotated[
        bool,
        typer.Option("--recreate", help="Delete the tables' stations first; predictions are never touched."),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Say what would be done and needed, and how long it takes; change nothing."),
    ] = False,
    json: Json = False,
) -> None:
    """Fill stations from a dataset, every message once and in order. Safe to run again: it goes on.

    With --days, of its first days alone; more days later, or none said, add the others. Of held-out days (--split
    holdout) the alerts are left out, since they are what is to be predicted.

    Example: `zakar load data/classic --server nats://127.0.0.1:4222`
    """
    dataset = first_days(where, which, days)
    for option, value in (("--rate", rate), ("--ack-timeout", ack_timeout), ("--give-up-after", give_up_after)):
        if value is not None and not math.isfinite(value):
            raise ConfigError(f"{option} {value}: give a number; leave it out for the default")
    options = LoadOptions(
        tables=loading.choose(dataset, split(tables), answers=with_alerts),
        publish=PublishOptions(_in_flight(in_flight), ack_timeout, give_up_after, rate),
        mode=mode,
        transport=way,
        connections=connections,
        partitions=partitions,
        recreate=recreate,
        replicas=replicas,
        storage=storage,
    )
    if dry_run:
        rehearse(where, dataset, who, options, json=json)
        return
    report = metered_load(dataset, who, options)
    if json:
        give({**msgspec.to_builtins(report), "left_out": common.messages(report.left_out)})
    else:
        tell(summary(report))
        for line in answer_lines(dataset, report.left_out):
            tell(line)
    if report.interrupted:
        tell("interrupted: run the same command again to go on from what is stored")
        raise typer.Exit(130)


def _in_flight(text: str) -> int | None:
    """Read a limit on messages in flight; None for one that sets itself."""
    if text == "auto":
        return None
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= IN_FLIGHT_MOST:
        raise ConfigError(f"--in-flight {text}: give auto, or a number from 1 to {IN_FLIGHT_MOST:,}")
    return int(text)


@connects
def verify_command(
    who: Access,
    where: Dataset,
    tables: Tables = None,
    which: common.Which = Split.TRAIN,
    with_alerts: common.WithAlerts = False,
    days: common.Days = None,
    json: Json = False,
) -> None:
    """Read stations back and compare them with a dataset, message by message.

    With --days, a station must hold those days; what it holds beyond is compared too. Held-out alerts (--split holdout)
    are compared if the broker has any, and with --with-alerts they must be there.

    Example: `zakar verify data/classic --server nats://127.0.0.1:4222`
    """
    dataset = first_days(where, which, days)
    left_out: LeftOut = {}
    comparisons = metered_verify(dataset, who, loading.choose(dataset, split(tables), answers=with_alerts), left_out)
    ok = all(c.ok for c in comparisons.values())
    if json:
        give({"ok": ok, "stations": msgspec.to_builtins(comparisons), "left_out": common.messages(left_out)})
    else:
        grid = Table(box=None, pad_edge=False, collapse_padding=True)  # whole on 80 columns, those of `island` too
        grid.add_column("station", overflow="fold")  # a narrower console breaks words; nothing is left out
        for field in COUNTS:
            grid.add_column(
                "doubled" if field == "duplicates" else field.replace("_", " "), justify="right", overflow="fold"
            )
        for name, c in comparisons.items():
            grid.add_row(name.removeprefix("zakar-"), *(f"{getattr(c, field):,}" for field in COUNTS))
        show(grid)
        for line in answer_lines(dataset, left_out):
            tell(line)
    if not ok:
        wrong = ", ".join(name for name, c in comparisons.items() if not c.ok)
        raise MismatchError(
            f"not the same as {location.shown(where)}: {wrong}; "
            f"{_fewer(where, dataset, comparisons)}"
            "load again if messages are missing, with --recreate if there are others"
        )


def _fewer(where: str, dataset: store.Dataset, comparisons: dict[str, Comparison]) -> str:
    """Say that stations hold fewer days than they are compared with, where that is so; else nothing."""
    days = {c.days for c in comparisons.values() if not c.ok and c.days and c.days < dataset.manifest.days}
    if not days:
        return ""
    numbers = " or ".join(f"{number:,}" for number in sorted(days))
    return (
        f"loaded with the first {numbers} of {dataset.whole.manifest.days:,} days: "
        f"`zakar verify {shlex.quote(location.shown(where))} --days {max(days)}` compares those; "
    )


@connects
def consume_command(
    who: Access,
    name: Annotated[str, typer.Argument(metavar="STATION", help="A station, such as zakar-fire-alerts.")],
    form: Annotated[Format, typer.Option("--format", help="A JSON object a line, or a table; that needs --out.")] = (
        Format.JSONL
    ),
    out: Annotated[
        Path | None, typer.Option(parser=location.local("--out"), help="File to write [default: standard output].")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Messages to read, at most.")] = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on with the messages that come later, until Ctrl-C.")
    ] = False,
) -> None:
    """Read a station out, from its first message to its last now, as JSON lines or as a Parquet file.

    A message of several lines becomes one: JSON without the space between its values, other text with spaces. In a
    Parquet file messages that are no rows are left out; they are listed, and the command then exits with 1.

    Example: `zakar consume zakar-fire-alerts --limit 5`
    """
    if not _STATION.fullmatch(name):
        raise ConfigError(
            f"`{location.shown(name)[:80]}` is no station's name; `zakar schema` shows those of the dataset"
        )
    if follow:
        if form is Format.PARQUET or out is not None:
            raise ConfigError("--follow has no end, and a file gets its name at the end: use `> FILE`, without --out")
        with _sink(None) as write:
            run(lambda stop: until_stopped(_follow(name, who, limit, write), stop))
        return
    if form is Format.PARQUET:
        if out is None:
            raise ConfigError("--format parquet: give --out the name of a file to write")
        with meter("reading messages") as show:
            unloaded = run(lambda stop: until_stopped(_unload(name, who, limit, out, show), stop))
        _tell_unloaded(name, out, unloaded)
        return
    with _sink(out) as write, meter("reading messages") as show:
        shown = show if _is_file(out) else unseen  # elsewhere somebody sees what is read, or another program does
        run(lambda stop: until_stopped(_consume(name, who, limit, write, shown), stop))


def metered_load(dataset: store.Dataset, who: Access, options: LoadOptions) -> LoadReport:
    """Load with a progress meter: rate, in flight, retries, time left."""
    began, before = time.perf_counter(), -1
    with meter("loading messages") as show:
        show(0, sum(dataset.manifest.tables[t.name].rows for t in options.tables), "")

        def progress(p: Progress) -> None:
            nonlocal before
            before = p.stored if before < 0 else before
            rate = (p.stored - before) / max(time.perf_counter() - began, 1e-9)
            note = f"{p.station}: {rate:,.0f}/s, {p.in_flight:,} in flight, {p.retries:,} retries"
            show(p.stored, p.records, note)

        report = run(lambda stop: load(dataset, who, options, stop=stop, progress=progress))
        show(report.already_stored + report.acknowledged, report.records, "")
        return report


def metered_verify(
    dataset: store.Dataset, who: Access, tables: Sequence[SchemaTable], left_out: LeftOut
) -> dict[str, Comparison]:
    """Verify with a progress meter; ``left_out`` as ``verify`` has it."""
    with meter("verifying messages") as show:
        progress = counted(show, sum(dataset.manifest.tables[t.name].rows for t in tables))

        async def main(stop: asyncio.Event) -> dict[str, Comparison]:
            return await until_stopped(verify(dataset, who, tables, progress, left_out), stop)

        return run(main)


def summary(report: LoadReport) -> str:
    """Say in a line what a load did."""
    if report.sent == 0 and not report.interrupted:
        beyond = f", and {report.beyond:,} of later days" if report.beyond else ""
        return f"all {report.records:,} messages are stored already{beyond}; nothing was sent"
    again = f", {report.already_stored:,} were stored already" if report.already_stored else ""
    trouble = f"; {report.timeouts:,} time-outs, {report.retries:,} sent again, {report.reconnects} reconnects"
    return (
        f"{report.acknowledged:,} of {report.records:,} messages stored in {report.seconds:.1f} s, "
        f"{report.messages_per_second:,.0f} a second, "
        f"mode {report.mode}, {report.in_flight_limit:,} in flight at most{again}"
        f"{f' ({report.mode_reason})' if report.mode_reason else ''}"
        f"{trouble if report.retries or report.timeouts or report.reconnects else ''}"
    )


def _tell_unloaded(name: str, out: Path, unloaded: Unloaded) -> None:
    """Say what a station came to. Raises MismatchError if some of its messages are no rows."""
    tell(f"{out}: {unloaded.rows:,} rows")
    for key, number in unloaded.further.most_common(_KEYS):
        tell(f"left out: the key {wire.shown(key)}, which is no column, of {number:,} messages")
    if len(unloaded.further) > _KEYS:
        tell(f"left out: {len(unloaded.further) - _KEYS:,} more such keys")
    for message in unloaded.listed:
        tell(f"no row: `{message.stream}`, message {message.sequence:,}: {message.why}")
    if unloaded.bad > len(unloaded.listed):
        tell(f"no row: {unloaded.bad - len(unloaded.listed):,} more messages")
    if unloaded.bad:
        raise MismatchError(
            f"station `{name}`: {unloaded.bad:,} of {unloaded.bad + unloaded.rows:,} messages are no rows and not in "
            f"{out}; --format jsonl takes any message"
        )


@contextlib.contextmanager
def _sink(out: Path | None) -> Iterator[Callable[[bytes], None]]:
    """Yield a function that writes to a file, or to standard output. Raises ConfigError if that cannot be done.

    A file that is there is replaced once the block has ended well. The function raises BrokenPipeError once nobody
    reads any more.
    """
    name = out or "standard output"
    with contextlib.ExitStack() as stack:
        with files.writable(name):
            path = stack.enter_context(files.replacing(out)) if out and _is_replaced(out) else out
            # Unbuffered, so that whatever goes wrong does so where something is written, and closing cannot fail.
            sink = path.open("wb", 0) if path else os.fdopen(sys.stdout.fileno(), "wb", 0, closefd=False)

        def write(text: bytes) -> None:
            left = memoryview(text)
            with files.writable(name):
                while left:
                    taken = sink.write(left) or 0
                    left = left[taken:]
                    if not taken:
                        time.sleep(0.01)  # a pipe that is full and set not to block

        with sink:
            yield write


def _is_replaced(out: Path) -> bool:
    """Whether a file is replaced by a whole one: not a device or a pipe, nor what is open already by another name."""
    return (out.is_file() or not out.exists()) and not str(out.absolute()).startswith(_OPEN_ALREADY)


def _is_file(out: Path | None) -> bool:
    """Whether output goes into a file: one that was named, or standard output where that is led into one."""
    if out is not None:
        return _is_replaced(out)
    try:
        return stat.S_ISREG(os.fstat(sys.stdout.fileno()).st_mode)
    except (AttributeError, OSError, ValueError):  # there is none
        return False


async def _consume(name: str, who: Access, limit: int | None, write: Callable[[bytes], None], show: Show) -> None:
    async with (
        _opened(name, who) as (connection, messages),
        aclosing(reader.read_station(connection, name, limit)) as chunks,
    ):
        async for text in _texts(chunks, partial(counted(show, _at_most(messages, limit)), name)):
            try:
                await in_thread(partial(write, text))  # whoever reads a pipe may pause
            except BrokenPipeError:  # whoever reads has seen enough
                return


async def _follow(name: str, who: Access, limit: int | None, write: Callable[[bytes], None]) -> None:
    left = limit
    async with (
        _opened(name, who) as (connection, _),
        aclosing(reader.follow_station(connection, name)) as chunks,
    ):
        async for _, chunk in chunks:
            payloads = [message.payload for message in chunk[:left]]
            try:
                await in_thread(partial(write, wire.lines(payloads)))
            except BrokenPipeError:  # whoever reads has seen enough
                return
            left = None if left is None else left - len(payloads)
            if left == 0:
                return


async def _texts(chunks: AsyncIterator[list[bytes]], progress: Callable[[int], None]) -> AsyncIterator[bytes]:
    """Gather messages into text worth a thread. ``progress`` is told how many more were taken."""
    text, number = b"", 0
    async for payloads in chunks:
        text += wire.lines(payloads)
        number += len(payloads)
        if len(text) >= _TEXT:
            yield text
            progress(number)
            text, number = b"", 0
    if text:
        yield text
        progress(number)


async def _unload(name: str, who: Access, limit: int | None, out: Path, show: Show) -> Unloaded:
    async with _opened(name, who) as (connection, messages):
        return await unload(connection, name, out, limit, counted(show, _at_most(messages, limit)))


def _at_most(messages: int, limit: int | None) -> int:
    return messages if limit is None else min(messages, limit)


@contextlib.asynccontextmanager
async def _opened(name: str, who: Access) -> AsyncIterator[tuple[Connection, int]]:
    """Connect to a server that has the station; yield how many messages it holds, too.

    Raises MismatchError where there is none, ServerError for a refusal or a loss within the block; an OSError there
    is taken for the connection's.
    """
    async with connected(who, "zakar consume") as connection:
        await station.info(connection)
        try:
            streams = await station.partitions(connection, name)
            if not streams:
                raise MismatchError(f"{who.shown}: no station `{name}`; `zakar load` makes the dataset's stations")
            yield connection, sum(stream.messages for stream in streams)
        except (ApiError, *LOST) as error:
            raise ServerError(f"{who.shown}: reading `{name}` failed: {str(error) or type(error).__name__}") from error
