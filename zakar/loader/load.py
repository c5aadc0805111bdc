"""Fill stations from a dataset: look, decide, create, produce; safe to run again."""

import asyncio
import enum
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import pyarrow as pa

from zakar.broker import station
from zakar.broker.connection import LOST, Access, ApiError, Connection, connected
from zakar.broker.station import Stream
from zakar.dataset import store, wire
from zakar.dataset.schema import PREDICTIONS, PUBLIC, Table
from zakar.dataset.store import Dataset
from zakar.errors import ConfigError, MismatchError, ServerError, StoppedError
from zakar.loader import plan
from zakar.loader.estimate import Estimate
from zakar.loader.plan import Refusal, Target
from zakar.loader.producer import FULL, Job, Pace, Tally, produce
from zakar.loader.schedule import Schedule
from zakar.stopping import until_stopped

_OLD = "nats-server {} has no fast ingest, which came with 2.14"
_BATCH_IDLE = 11.0  # seconds; servers drop a batch that was idle for 10


class Mode(enum.StrEnum):
    """How messages are sent: one before the next, an ack each, fast ingest, or the fastest that is allowed."""

    AUTO = "auto"
    BLOCKING = "blocking"
    NONBLOCKING = "nonblocking"
    BATCH = "batch"


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
    """What a load did; the keys of ``zakar load --json``."""

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
    interrupted: bool
    stations: dict[str, StationReport] = field(default_factory=dict)


def choose(names: Sequence[str] | None) -> tuple[Table, ...]:
    """Return public tables by name, all of them by default. Raises ConfigError for a name that is none."""
    known = [table.name for table in PUBLIC]
    for name in names or ():
        if name not in known:
            raise ConfigError(f"--tables: `{name}` is no table; there are {', '.join(known)}")
    return tuple(table for table in PUBLIC if names is None or table.name in names)


async def load(
    dataset: Dataset,
    access: Access,
    tables: Sequence[Table],
    pace: Pace,
    *,
    mode: Mode = Mode.AUTO,
    recreate: bool = False,
    replicas: int = 1,
    stop: asyncio.Event | None = None,
    progress: Callable[[Progress], None] = lambda _: None,
) -> LoadReport:
    """Fill the stations of ``tables``, create what is missing, and an empty one for predictions.

    A station that holds the first messages of this dataset is filled from there on; one that holds them all
    gets none. ``recreate`` deletes the tables' stations first, never the predictions'. Once ``stop`` is set,
    what is in flight is drained and the report says ``interrupted``.

    Raises ServerError if nothing was sent, StoppedError after something was, MismatchError if a station
    holds anything else, KeyboardInterrupt if ``stop`` is set before anything is sent.
    """
    stop = stop or asyncio.Event()
    if mode is Mode.BLOCKING:
        pace = replace(pace, in_flight=1)
    async with connected(access, "zakar load", stop) as connection:
        began = time.perf_counter()
        targets = [plan.target(dataset.manifest, table) for table in tables]
        try:
            preparing = _prepare(connection, dataset, targets, mode, recreate, replicas, pace.give_up_after)
            openings = await until_stopped(preparing, stop)
        except ApiError as error:
            raise ServerError(f"{access.shown}: the server refuses to set up the stations: {error}") from error
        except LOST as error:
            raise ServerError(f"{access.shown}: connection lost before anything was sent: {error}") from error
        tallies = [(opening.target, Tally(opening.stored)) for opening in openings]

        estimate = Estimate(pace.ack_timeout)
        schedule = None if pace.rate is None else Schedule(pace.rate, asyncio.get_running_loop().time())
        for opening, (target, tally) in zip(openings, tallies, strict=True):
            job = Job(
                connection,
                target.stream,
                _payloads(dataset, target.table),
                target.records,
                pace,
                estimate,
                schedule,
                stop,
                opening.batch,
                opening.owner,
            )
            try:
                await produce(job, tally, _progress(target, tallies, progress))
            except StoppedError as error:
                if stop.is_set():
                    break
                if not any(t.stored for _, t in tallies):
                    raise ServerError(str(error)) from error
                raise
        seconds = time.perf_counter() - began
        sent = sum(tally.sent for _, tally in tallies)
        return LoadReport(
            records=sum(target.records for target in targets),
            sent=sent,
            acknowledged=sum(tally.acknowledged for _, tally in tallies),
            already_stored=sum(opening.stored for opening in openings),
            seconds=seconds,
            messages_per_second=sent / seconds,
            timeouts=sum(tally.timeouts for _, tally in tallies),
            retries=sum(tally.retries for _, tally in tallies),
            reconnects=connection.stats["reconnects"],
            mode=str(_used(mode, openings)),
            mode_reason="; ".join(dict.fromkeys(opening.why for opening in openings if opening.why)),
            transport="websocket" if access.websocket else "tcp",
            wire_bytes=connection.wire_bytes,
            in_flight_limit=pace.in_flight or max(tally.limit for _, tally in tallies),
            interrupted=stop.is_set() and any(t.stored < target.records for target, t in tallies),
            stations={target.table.station: StationReport(target.records, tally.sent, 1) for target, tally in tallies},
        )


@dataclass(frozen=True)
class _Opening:
    """A partition ready to be filled from ``stored`` on. ``why`` says why not by fast ingest, if not."""

    target: Target
    stored: int
    batch: bool
    owner: str | None
    why: str = ""


async def _prepare(
    connection: Connection,
    dataset: Dataset,
    targets: list[Target],
    mode: Mode,
    recreate: bool,
    replicas: int,
    patience: float,
) -> list[_Opening]:
    """Make every station ready before anything is sent."""
    limits = await station.limits(connection)
    check_mode(connection, mode)
    found = {target.stream: await station.look(connection, target.stream) for target in targets}
    if recreate:
        for stream in [stream for stream, state in found.items() if state is not None]:
            await station.delete(connection, stream)
            found[stream] = None

    refusals = []
    for target in targets:
        state = found[target.stream]
        refusal = await judged(connection, dataset, target, state) if state is not None else None
        refusals += [refusal] if refusal else []
    if refusals:
        raise MismatchError(
            "; ".join(f"station stream `{r.stream}` {r.found}" for r in refusals)
            + ". Load elsewhere, or delete what is there and start over with --recreate"
        )

    openings = [await _open(connection, target, found[target.stream], mode, replicas, patience) for target in targets]
    predictions = station.stream_name(PREDICTIONS.station)
    if await station.look(connection, predictions) is None:
        said = plan.metadata(PREDICTIONS, dataset.manifest)
        await station.create(connection, predictions, said, plan.predictions_bytes(limits), replicas)
    return openings


def check_mode(connection: Connection, mode: Mode) -> None:
    """Raise ServerError if the server does not know a mode."""
    if mode is Mode.BATCH and not station.offers_fast_ingest(connection):
        raise ServerError(f"--mode batch: {_OLD.format(connection.version)}; use --mode auto")


async def judged(connection: Connection, dataset: Dataset, target: Target, found: Stream) -> Refusal | None:
    """Return why an existing stream cannot be filled, None if it can. Looks, and changes nothing. Raises ApiError."""
    last_row = _row(dataset, target, found.last)
    last_stored = await station.message(connection, target.stream, found.last) if last_row else None
    return plan.judge(target, found, last_row, last_stored)


async def _open(
    connection: Connection, target: Target, found: Stream | None, mode: Mode, replicas: int, patience: float
) -> _Opening:
    """Create the stream or make sure of an existing one: that it says whose it is, and that no one else writes."""
    owner = secrets.token_hex(8)
    marked = {**target.metadata, station.OWNER: owner}
    wanted = mode in {Mode.AUTO, Mode.BATCH} and station.offers_fast_ingest(connection)
    why = "" if wanted or mode is not Mode.AUTO else _OLD.format(connection.version)
    if found is None:
        try:
            await station.create(connection, target.stream, marked, target.max_bytes, replicas)
        except ApiError as error:
            if error.code not in FULL:
                raise
            raise ServerError(
                f"the server does not give `{target.stream}` the {target.max_bytes / 2**20:,.0f} MiB it needs: "
                f"{error}; raise the account's or the server's storage, or load fewer --tables"
            ) from error
        return _Opening(target, 0, wanted, owner, why)
    if found.last == target.records:
        return _Opening(target, found.last, batch=False, owner=None)
    try:
        if station.offers_fast_ingest(connection):
            fenced = await station.fence(connection, target.stream, marked)
            return _Opening(target, fenced.last, wanted, owner, why)
        adopted = await station.adopt(connection, target.stream, marked)
        return _Opening(target, adopted.last, batch=False, owner=owner, why=why)
    except (ApiError, *LOST) as error:
        if mode is Mode.BATCH:
            raise ServerError(f"--mode batch: `{target.stream}` cannot be fenced: {error}; use --mode auto") from error
        quiet = await _quiet(connection, target.stream, patience) if found.batched else found.last
        return _Opening(target, quiet, batch=False, owner=None, why=f"this user may not update streams: {error}")


async def _quiet(connection: Connection, stream: str, patience: float) -> int:
    """Wait until no fast batch can be under way any more, where we may not end it; return the stream's length.

    Raises ServerError if the stream goes on growing for ``patience`` seconds.
    """
    loop = asyncio.get_running_loop()
    last, since, until = -1, loop.time(), loop.time() + max(patience, 2 * _BATCH_IDLE)
    while loop.time() - since < _BATCH_IDLE:
        if loop.time() > until:
            raise ServerError(f"`{stream}`: another loader is writing into it; let it finish and run this again")
        state = await station.look(connection, stream)
        if state is not None and state.last != last:
            last, since = state.last, loop.time()
        await asyncio.sleep(0.5)
    return last


def _used(mode: Mode, openings: list[_Opening]) -> Mode:
    """Return the mode that was used: that of the streams that there was anything to send to."""
    if mode is not Mode.AUTO:
        return mode
    sending = [opening for opening in openings if opening.stored < opening.target.records]
    return Mode.BATCH if all(opening.batch for opening in sending) else Mode.NONBLOCKING


def _payloads(dataset: Dataset, table: Table) -> Callable[[int], Iterator[pa.Array]]:
    def payloads(start: int) -> Iterator[pa.Array]:
        return (wire.encode(batch) for batch in store.batches(dataset, table, start))

    return payloads


def _row(dataset: Dataset, target: Target, sequence: int) -> bytes | None:
    """Return the wire object that belongs at a stream sequence, None where there is none."""
    if not 0 < sequence <= target.records:
        return None
    batch = next(store.batches(dataset, target.table, sequence - 1))
    return bytes(wire.encode(batch.slice(0, 1))[0].as_py())


def _progress(
    target: Target, tallies: list[tuple[Target, Tally]], progress: Callable[[Progress], None]
) -> Callable[[], None]:
    def report() -> None:
        progress(
            Progress(
                station=target.table.station,
                records=sum(t.records for t, _ in tallies),
                stored=sum(tally.stored for _, tally in tallies),
                sent=sum(tally.sent for _, tally in tallies),
                in_flight=sum(tally.in_flight for _, tally in tallies),
                retries=sum(tally.retries for _, tally in tallies),
            )
        )

    return report
