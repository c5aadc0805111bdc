"""Fill stations from a dataset: look, decide, create, produce; safe to run again."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from zakar.broker import control as controls
from zakar.broker import station
from zakar.broker.access import Access
from zakar.broker.connection import LOST, ApiError, Connection, connected, lost
from zakar.dataset import store, wire
from zakar.dataset.schema import Table
from zakar.dataset.store import Dataset
from zakar.errors import ConfigError, ServerError, StoppedError
from zakar.loader import plan, transport, workers
from zakar.loader.options import LoadOptions, Mode, PublishOptions, Transport
from zakar.loader.plan import Target
from zakar.loader.prepare import PreparedStream, prepare
from zakar.loader.survey import survey
from zakar.loader.workers import Work
from zakar.stopping import until_stopped

_SAMPLE = 2_000  # messages of each table that a link is measured with


LeftOut = dict[str, dict[str, int] | None]
"""Tables of answers that are left out, each with the messages of its station's streams; None where nobody says."""


@dataclass(frozen=True)
class Progress:
    """How far a load is, in all stations together."""

    station: str
    records: int
    stored: int
    sent: int
    in_flight: int
    retries: int


@dataclass(frozen=True)
class StationReport:
    """What was loaded into one station."""

    records: int
    sent: int
    partitions: int


@dataclass(frozen=True)
class LoadReport:
    """What a load did; the keys of ``zakar load --json``.

    ``days``: how many of the dataset's were asked for; ``beyond``: messages of later days that stations hold already.
    """

    records: int
    sent: int
    acknowledged: int
    already_stored: int
    seconds: float
    messages_per_second: float
    timeouts: int
    retries: int
    reconnects: int
    mode: str
    mode_reason: str
    transport: str
    wire_bytes: int
    in_flight_limit: int
    connections: int
    interrupted: bool
    days: int
    beyond: int
    stations: dict[str, StationReport] = field(default_factory=dict)
    left_out: LeftOut = field(default_factory=dict)


def choose(dataset: Dataset, names: Sequence[str] | None, *, answers: bool = False) -> tuple[Table, ...]:
    """Return a dataset's tables by name; by default all, but of held-out days those alone that are not to be predicted.

    ``answers``: those too that are. Raises ConfigError for a name that is none, or tells answers nobody asked for.
    """
    known = [table.name for table in dataset.tables]
    answer_names = [table.name for table in dataset.answers]
    if answers and not answer_names:
        raise ConfigError("--with-alerts: for held-out days, with --split holdout; released ones have their alerts")
    if answers and (missing := [name for name in answer_names if name not in known]):
        raise ConfigError(f"--with-alerts: {', '.join(missing)} was not handed out with this dataset")
    for name in names or ():
        if name not in known and name not in answer_names:
            raise ConfigError(f"--tables: `{name}` is no table; there are {', '.join(known)}")
        if name in answer_names and not answers:
            here = "give --with-alerts too, if that is meant" if name in known else "they were not handed out"
            raise ConfigError(f"--tables: the held-out {name} are what is to be predicted; {here}")
    return tuple(
        table
        for table in dataset.tables
        if (names is None or table.name in names) and (answers or table.name not in answer_names)
    )


def left_out(dataset: Dataset, tables: Sequence[Table]) -> tuple[Table, ...]:
    """Return the tables of answers that are not among ``tables``; none of released days."""
    chosen = {table.name for table in tables}
    return tuple(table for table in dataset.answers if table.name not in chosen)


async def stored(connection: Connection, tables: Sequence[Table]) -> LeftOut:
    """Return what the stations of tables hold, by the table's name; None where the server does not say."""
    counts: LeftOut = {}
    for table in tables:
        try:
            streams = await station.partitions(connection, table.station)
            counts[table.name] = {stream.name: stream.messages for stream in streams}
        except ApiError:
            counts[table.name] = None
    return counts


async def load(
    dataset: Dataset,
    access: Access,
    options: LoadOptions,
    *,
    stop: asyncio.Event | None = None,
    progress: Callable[[Progress], None] = lambda _: None,
) -> LoadReport:
    """Fill the stations of the tables that the options name, create what is missing, and an empty one for predictions.

    A station that holds the first messages of this dataset is filled from there on; one that holds them all gets none.
    Of several connections, each writes partitions that no other one does. Once ``stop`` is set, what is in flight is
    drained and the report says ``interrupted``.

    Raises ServerError if nothing can have been stored, StoppedError if something was or may have been,
    MismatchError if a station holds anything else, KeyboardInterrupt if ``stop`` is set before anything is sent.
    """
    stop = stop or asyncio.Event()
    tables, publish = options.tables, options.publish
    if options.mode is Mode.BLOCKING:
        publish = replace(publish, in_flight=1)
    measured = transport.choose(access, options.transport, lambda: sample(dataset, tables))
    access = await until_stopped(measured, stop)
    async with connected(access, "zakar load", stop) as connection:
        began = time.perf_counter()
        control = await controls.of(access, connection)
        try:
            load_plan = await until_stopped(survey(connection, control, dataset, options), stop)
            streams = await until_stopped(prepare(connection, control, dataset, access, load_plan), stop)
            others = await until_stopped(stored(connection, left_out(dataset, tables)), stop)
        except ApiError as error:
            raise ServerError(f"{access.shown}: the server refuses to set up the stations: {error}") from error
        except LOST as error:
            raise ServerError(f"{access.shown}: nothing was sent: {lost(error)}") from error
        works = _shared(streams, options.connections)
        if len(works) == 1:

            def report(target: Target) -> None:
                progress(_progress(target.table.station, works))

            await workers.fill(connection, control, dataset, works[0], publish, stop, report)
        else:

            def report_all(works_now: Sequence[Work]) -> None:
                progress(_progress(f"{len(works)} connections", works_now))

            works = await workers.fill_in_processes(
                connection, control, dataset, access, works, publish, stop, report_all
            )
        seconds = time.perf_counter() - began
        _raise_trouble(works, stop)
        used = _used(options.mode, streams, control.slow(connection))
        made = _report(works, streams, used, access, publish, seconds, stop, dataset.manifest.days)
        return replace(made, left_out=others)


def _shared(streams: Sequence[PreparedStream], connections: int) -> list[Work]:
    """Share partitions among connections by what is left to be sent; with one, in the tables' order."""
    if connections == 1:
        return [Work(list(streams))]
    weights = [o.target.wire_bytes * (o.target.records - o.stored) // max(1, o.target.records) for o in streams]
    return [Work([streams[place] for place in places]) for places in plan.shared(weights, connections)]


def _raise_trouble(works: Sequence[Work], stop: asyncio.Event) -> None:
    """Raise what went wrong first, if anything did that nobody asked for."""
    troubles = [work.trouble for work in sorted(works, key=lambda work: work.ended) if work.trouble is not None]
    if not troubles or (stop.is_set() and isinstance(troubles[0], StoppedError)):
        return
    trouble = troubles[0]
    tallies = [tally for work in works for tally in work.tallies]
    began = any(tally.stored or tally.in_flight for tally in tallies)
    if isinstance(trouble, StoppedError) and not began:
        raise ServerError(str(trouble)) from trouble
    if isinstance(trouble, ServerError) and began:  # of one connection, while others stored something
        raise StoppedError(f"{trouble}; run this again: it goes on from what is stored") from trouble
    raise trouble


def _report(
    works: Sequence[Work],
    streams: Sequence[PreparedStream],
    mode: Mode,
    access: Access,
    pace: PublishOptions,
    seconds: float,
    stop: asyncio.Event,
    days: int,
) -> LoadReport:
    filled = [(o.target, tally) for work in works for o, tally in zip(work.streams, work.tallies, strict=True)]
    tallies = [tally for _, tally in filled]
    stations: dict[str, StationReport] = {}
    for name in dict.fromkeys(o.target.table.station for o in streams):
        ours = [(target, tally) for target, tally in filled if target.table.station == name]
        stations[name] = StationReport(sum(t.records for t, _ in ours), sum(tally.sent for _, tally in ours), len(ours))
    sent = sum(tally.sent for tally in tallies)
    return LoadReport(
        records=sum(target.records for target, _ in filled),
        sent=sent,
        acknowledged=sum(tally.acknowledged for tally in tallies),
        already_stored=sum(o.stored for o in streams) + sum(tally.recovered for tally in tallies),
        seconds=seconds,
        messages_per_second=sent / seconds,
        timeouts=sum(tally.timeouts for tally in tallies),
        retries=sum(tally.retries for tally in tallies),
        reconnects=sum(work.reconnects for work in works),
        mode=str(mode),
        mode_reason="; ".join(dict.fromkeys(o.why for o in streams if o.why)),
        transport=str(Transport.WEBSOCKET if access.websocket else Transport.TCP),
        wire_bytes=sum(work.wire_bytes for work in works),
        in_flight_limit=pace.in_flight or max(tally.limit for tally in tallies),
        connections=len(works),
        interrupted=stop.is_set() and any(tally.stored < target.records for target, tally in filled),
        days=days,
        beyond=sum(o.beyond for o in streams),
        stations=stations,
    )


def _used(mode: Mode, streams: Sequence[PreparedStream], slow: str) -> Mode:
    """Return the mode that was used, as far as it could be: there may have been streams that did not allow it.

    ``slow`` says why none could; empty if not.
    """
    if mode not in {Mode.AUTO, Mode.BATCH}:
        return mode
    sending = [o for o in streams if o.stored < o.target.records]
    batch = any(o.batch for o in sending) if sending else not slow
    return Mode.BATCH if batch else Mode.NONBLOCKING


def _progress(station: str, works: Sequence[Work]) -> Progress:
    tallies = [tally for work in works for tally in work.tallies]
    return Progress(
        station=station,
        records=sum(o.target.records for work in works for o in work.streams),
        stored=sum(tally.stored for tally in tallies),
        sent=sum(tally.sent for tally in tallies),
        in_flight=sum(tally.in_flight for tally in tallies),
        retries=sum(tally.retries for tally in tallies),
    )


def sample(dataset: Dataset, tables: Sequence[Table]) -> list[bytes]:
    """Return messages such as a load of ``tables`` sends, to measure a link with."""
    messages: list[bytes] = []
    for table in tables:
        for batch in islice(store.batches(dataset, table, rows=_SAMPLE), 1):
            messages += wire.encode(batch).to_pylist()
    return messages
