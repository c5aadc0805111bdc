"""Stations made ready to be filled: look, decide, create or take over. Nothing is sent yet."""

import asyncio
import contextlib
import secrets
from collections.abc import Collection, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from zakar.broker import account as accounts
from zakar.broker import codes, station
from zakar.broker.access import Access
from zakar.broker.account import Account
from zakar.broker.connection import DENIED, LOST, ApiError, Connection, connected
from zakar.broker.control import Control
from zakar.broker.station import Stream
from zakar.dataset import store, wire
from zakar.dataset.schema import PREDICTIONS, Table
from zakar.dataset.store import Dataset
from zakar.errors import MismatchError, ServerError
from zakar.loader import obstacle, outlook, partition, plan
from zakar.loader.options import LoadOptions, Mode
from zakar.loader.outlook import Action, Outlook
from zakar.loader.overheard import overheard, unreached
from zakar.loader.plan import Refusal, Target
from zakar.loader.producer import refused

_T = TypeVar("_T")
NO_HEADERS = (
    "the server takes no headers, and the messages of a load say in one which they follow; "
    "take no_header_support out of the server's configuration"
)
_BATCH_IDLE = 11.0  # seconds; servers drop a batch that was idle for 10


@dataclass(frozen=True)
class Opening:
    """A partition ready to be filled from ``stored`` on. ``why`` says why not by fast ingest, if not.

    Up to message ``lead`` a killed loader's messages may still come; only up to ``judged`` was looked at what there is.
    ``fresh``: made just now, and nobody can have begun to fill it. ``headers``: whether it has room for header lines.
    ``closed``: its fast ingest is off until ``lead``.
    ``beyond`` the target's messages there are as many of later days.
    ``domain``: JetStream's here, which acks carry.
    """

    target: Target
    stored: int
    batch: bool
    owner: str | None
    why: str = ""
    lead: int = 0
    judged: int = 0
    fresh: bool = False
    headers: bool = True
    closed: bool = False
    beyond: int = 0
    domain: str = ""


async def prepare(
    connection: Connection,
    control: Control,
    dataset: Dataset,
    access: Access,
    options: LoadOptions,
) -> list[Opening]:
    """Make the stations of the options' tables ready, and one for predictions.

    What would keep the stations from being filled is tried before any is deleted: that there are so many connections by
    ``access``, and that the dataset's files are whole. Raises MismatchError if they are not, if a station holds
    anything but the first messages of this dataset, or if anything else would get its messages; ServerError, ApiError,
    and what lost connections raise.
    """
    check_options(connection, control, options)
    tables, mode, recreate = options.tables, options.mode, options.recreate
    looking = station.partitions_of(connection, [table.station for table in (*tables, PREDICTIONS)])
    answers: list[Any] = await _all([station.info(connection), looking])  # that there is no JetStream is told first
    info, (*streams, predictions) = answers
    account = accounts.parse(info, None, options.replicas, options.storage)
    existing: dict[Table, list[Stream]] = dict(zip(tables, streams, strict=True))
    targets = [
        target
        for table, streams in existing.items()
        for target in await targets_of(
            dataset, table, plan.partitions_to_be(streams, options.partitions, recreate=recreate), control.header_bytes
        )
    ]
    there = {stream.name: stream for streams in existing.values() for stream in streams}
    wide = {name for name, stream in there.items() if stream.wide}
    gone = list(there) if recreate else []
    new = [target.stream for target in targets if recreate or target.stream not in there]
    new += [] if predictions else [station.stream_name(PREDICTIONS.station)]
    _refuse(await obstacle.overlapping(connection, new, gone))
    fates = [outlook.outlook(t, there.get(t.stream), None, mode, account, recreate=recreate) for t in targets]
    fates.append(outlook.predictions(predictions[0] if predictions else None, account, mode))
    begun = {name for name, stream in there.items() if stream.last == 0}  # perhaps, by a loader that was killed
    await check_alone(connection, {target.stream: there.get(target.stream) for target in targets}, account.domain)
    if recreate:
        _refuse(await _all(obstacle.oversized(connection, control, dataset, target, None) for target in targets))
        fates += outlook.left_over(targets, list(there.values()), account, mode, recreate=True)
        await _check_room(connection, control, fates, account, there.values(), "--recreate: nothing was deleted")
        await try_connections(access, min(options.connections, len(targets)), "nothing was deleted")
        if there:
            await asyncio.to_thread(store.check_bytes, dataset, tables)
        names = {table.station: [stream.name for stream in streams] for table, streams in existing.items() if streams}
        await _all(control.delete(connection, name, streams) for name, streams in names.items())
        there, existing = {}, {}
    judging = (judged(connection, control, dataset, t, existing.get(t.table, ())) for t in targets)
    refusals = await _all(judging)
    for table, streams in existing.items():
        refusals += plan.stray([target for target in targets if target.table == table], streams)
    _refuse(refusals)
    if not recreate:
        await _check_room(
            connection, control, fates, account, (), "nothing was created", plan.unmarked_of(there.values())
        )
    there = await _enlarged(connection, targets, there)
    # One after the other, since servers take the streams that are being created for none when they look at limits.
    opened = [
        await _open(
            connection,
            control,
            t,
            there.get(t.stream),
            options,
            fresh=t.stream not in begun,
            wide=t.stream in wide and t.of == 1,
        )
        for t in targets
    ]
    openings = [replace(each, domain=account.domain) for each in opened]
    if any(target.stream not in there for target in targets):  # a mapping may lead into one that is new
        await check_alone(connection, await _as_they_are(connection, targets), account.domain)
    if not predictions:
        metadata, size = plan.metadata(PREDICTIONS, dataset.manifest), plan.predictions_bytes(account)
        await control.create(
            connection,
            station.NewPartition(PREDICTIONS.station, 1, 1, metadata, size, options.replicas, options.storage),
        )
    return openings


async def try_connections(access: Access, number: int, kept: str) -> None:
    """Make sure that so many connections can be had beside one, where a load has several.

    ``kept`` says what has not been done. Raises ServerError with what the server says.
    """
    async with contextlib.AsyncExitStack() as stack:
        trying = [stack.enter_async_context(connected(access, "zakar load")) for _ in range(number) if number > 1]
        for tried in await asyncio.gather(*trying, return_exceptions=True):
            if isinstance(tried, ServerError):
                raise ServerError(f"--connections {number}: {kept}: {tried}") from tried
            if isinstance(tried, BaseException):
                raise tried


async def _check_room(
    connection: Connection,
    control: Control,
    fates: Sequence[Outlook],
    account: Account,
    gone: Iterable[Stream],
    kept: str,
    unmarked: Collection[str] = (),
) -> None:
    """Raise ServerError if rights or room will lack for certain, given what becomes of each stream, and which go.

    ``kept`` says what has not been done yet; ``unmarked`` are the streams that do not say whose they are.
    """
    rights, _, _ = await obstacle.without_rights(connection, control, fates, unmarked)
    if rights:
        raise ServerError(f"{kept}: {'; '.join(rights)}")
    made = [fate for fate in fates if fate.enlarged or fate.action not in {Action.CONTINUE, Action.NOTHING}]
    if control.theirs and not gone:
        return
    lacks = outlook.surely_short(made, account, gone) or await obstacle.ungiven(connection, control, made, account)
    if lacks:
        raise ServerError(f"{kept}, since a load would not fit: {'; '.join(lacks)}")


def _refuse(refusals: Iterable[Refusal | None]) -> None:
    """Raise MismatchError if there are any refusals."""
    known = list(dict.fromkeys(refusal for refusal in refusals if refusal is not None))
    if known:
        problems = "; ".join(f"station stream `{r.stream}` {r.found}" for r in known)
        fixes = "; ".join(dict.fromkeys(r.fix for r in known))
        raise MismatchError(f"{problems}. {fixes[0].upper()}{fixes[1:]}")


async def _as_they_are(connection: Connection, targets: Sequence[Target]) -> dict[str, Stream | None]:
    streams = await _all(station.look(connection, target.stream) for target in targets)
    return {target.stream: stream for target, stream in zip(targets, streams, strict=True)}


async def check_alone(connection: Connection, streams: Mapping[str, Stream | None], domain: str) -> None:
    """Make sure that these partitions, and nothing else, get their messages; None is one that is still to be made.

    Raises MismatchError naming whatever else hears them, ServerError if this user may not publish or the partitions
    hear nothing, and what lost connections raise.
    """
    try:
        sentences = await overheard(connection, streams, domain)
    except ApiError as error:
        raise ServerError(f"the server denies this user: {error.description}; give it the right") from error
    if sentences:
        raise MismatchError(f"nothing was sent: {'; '.join(sentences)}")
    if sentences := await unreached(connection, streams):
        raise ServerError(f"nothing was sent: {'; '.join(sentences)}")


async def _all(asking: Iterable[Coroutine[Any, Any, _T]]) -> list[_T]:
    """Ask all at once, since each takes a round trip; raise the first trouble once all have been answered."""
    answers = await asyncio.gather(*asking, return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
    return [answer for answer in answers if not isinstance(answer, BaseException)]


async def targets_of(dataset: Dataset, table: Table, partitions: int, header_bytes: int) -> list[Target]:
    """Return the partitions that carry a table, whose messages have so many bytes of headers besides ours."""
    # In a thread, since it may read the whole table.
    shares = whole = await asyncio.to_thread(partition.shares, dataset, table, partitions)
    if dataset.whole is not dataset:
        whole = await asyncio.to_thread(partition.shares, dataset.whole, table, partitions)
    return [
        plan.target(dataset.manifest, table, share, header_bytes, of_all_days.records)
        for share, of_all_days in zip(shares, whole, strict=True)
    ]


def check_options(connection: Connection, control: Control, options: LoadOptions) -> None:
    """Raise ServerError if no load is possible here, or the mode is not known, or surely not so many replicas kept."""
    if not connection.takes_headers:
        raise ServerError(NO_HEADERS)
    if options.mode is Mode.BATCH and (slow := control.slow(connection)):
        raise ServerError(f"--mode batch: {slow}; use --mode auto")
    if options.replicas > 1 and station.alone(connection):
        raise ServerError(
            f"--replicas {options.replicas}: this server is in no cluster, so it keeps one replica of a stream; "
            "leave --replicas out, or give --server one of a cluster"
        )


async def judged(
    connection: Connection, control: Control, dataset: Dataset, target: Target, streams: Sequence[Stream]
) -> Refusal | None:
    """Return why a partition cannot be filled, given the streams of its station; None if it can.

    Looks, and changes nothing. Raises ApiError.
    """
    existing = next((stream for stream in streams if stream.name == target.stream), None)
    if existing is None:
        refusal = plan.ungrown(target, streams) if control.theirs else None
        return refusal or await obstacle.oversized(connection, control, dataset, target, None)
    last_row = _row(dataset, target, existing.last)
    last_stored = await station.message(connection, target.stream, existing.last) if last_row else None
    if control.theirs and plan.unmarked(existing):
        # Its first message tells instead, and its last one, as that of every stream.
        first_row = _row(dataset, target, min(1, existing.last))
        if first_row and first_row == await station.message(connection, target.stream, 1):
            existing = replace(existing, metadata=target.metadata)
    refusal = plan.judge(target, existing, last_row, last_stored)
    return refusal or await obstacle.oversized(connection, control, dataset, target, existing)


async def _open(
    connection: Connection,
    control: Control,
    target: Target,
    existing: Stream | None,
    options: LoadOptions,
    *,
    fresh: bool,
    wide: bool,
) -> Opening:
    """Create the stream or make sure of an existing one: that it says whose it is, and that no one else writes.

    ``fresh``: nobody can have begun to fill it if it is made here; ``wide``: it then is to take what Memphis's SDKs of
    before 1.1 publish, too.
    """
    owner, mode = secrets.token_hex(8), options.mode
    marked = {**target.metadata, station.OWNER: owner}
    slow = control.slow(connection)
    if existing is None:
        made = await _make(connection, control, target, marked, options, wide=wide)
        slow = slow or ("" if made.batched else obstacle.unbatched(target.stream))
    elif not slow and not existing.may_batch:
        slow = obstacle.unbatched(target.stream)
    if slow and mode is Mode.BATCH and (existing is None or existing.last < target.records):
        raise ServerError(f"--mode batch: {slow}; use --mode auto")
    by_batch = mode in {Mode.AUTO, Mode.BATCH} and not slow
    why = slow if mode is Mode.AUTO else ""
    if existing is None:
        return Opening(target, 0, by_batch, made.metadata.get(station.OWNER), why, fresh=fresh)
    if existing.last >= target.records:
        beyond = existing.last - target.records
        return Opening(target, target.records, batch=False, owner=None, judged=target.records, beyond=beyond)
    headers = await _roomy(connection, control, target, existing)
    begun = existing.last == 0 and station.OWNER in existing.metadata
    try:
        if existing.batched or not slow:
            # The first message of a loader that was killed may be stored wherever it comes, while there is fast ingest.
            fenced = await station.fence(connection, target.stream, marked, reopened=not begun)
            # That ends batches. Messages that ask for an ack each are still taken wherever they fit, which would shift
            # all that follow in a batch; how far they can reach is known.
            lead = plan.late_until(fenced.last)
            if by_batch and lead >= target.records:
                by_batch, why = False, "what is left may still be under way from a loader that was killed"
            return Opening(
                target, fenced.last, by_batch, owner, why, lead, existing.last, headers=headers, closed=begun
            )
        adopted = await station.adopt(connection, target.stream, marked)
        return Opening(target, adopted.last, batch=False, owner=owner, why=why, judged=existing.last, headers=headers)
    except (ApiError, *LOST) as error:
        if isinstance(error, ApiError) and error.code in codes.FULL:
            raise ServerError(refused(target.stream, (error.code, error.description), existing.last)) from error
        if mode is Mode.BATCH:
            raise ServerError(f"--mode batch: `{target.stream}` cannot be fenced: {error}; use --mode auto") from error
        quiet = (
            await _quiet(connection, target.stream, options.publish.give_up_after)
            if existing.batched
            else existing.last
        )
        mark = existing.metadata.get(station.OWNER)
        forbidden = isinstance(error, ApiError) and error.code in {0, DENIED}
        why = f"{'this user may not update streams' if forbidden else 'the stream cannot be updated'}: {error}"
        return Opening(target, quiet, batch=False, owner=mark, why=why, judged=existing.last, headers=headers)


async def _make(
    connection: Connection,
    control: Control,
    target: Target,
    marked: dict[str, str],
    options: LoadOptions,
    *,
    wide: bool,
) -> Stream:
    """Create a target's stream. Raises ServerError where there is no room for it, and as ``create`` does."""
    size = target.max_bytes
    new = station.NewPartition(
        target.table.station, target.number, target.of, marked, size, options.replicas, options.storage, wide
    )
    try:
        return await control.create(connection, new)
    except ApiError as error:
        if error.code not in codes.FULL:
            raise
        raise ServerError(
            f"the server refused a stream of {size / 2**20:,.0f} MiB for `{target.stream}`: "
            f"{error}; raise the account's or the server's storage, or load fewer --tables"
        ) from error


async def _roomy(connection: Connection, control: Control, target: Target, existing: Stream) -> bool:
    """Return whether a stream that is there has room for its messages with further header lines.

    One of the size that zakar gives where no SDKs are served is given more; what others chose is left alone.
    """
    if control.header_bytes == 0 or not 0 < existing.max_bytes < target.max_bytes:
        return True
    if existing.max_bytes != plan.size(target.wire_bytes, target.records, target.stream):
        return False
    try:
        await station.grow(connection, target.stream, target.max_bytes)
    except ApiError:
        return False
    return True


async def _enlarged(
    connection: Connection, targets: Sequence[Target], there: Mapping[str, Stream]
) -> dict[str, Stream]:
    """Give the streams that were made for fewer days room for these, all of them or none; return all that are there.

    Raises ServerError.
    """
    larger = dict(there)
    for target in targets:
        existing = there.get(target.stream)
        size = plan.enlarged(target, existing) if existing else None
        if existing is None or size is None:
            continue
        try:
            await station.grow(connection, target.stream, size)
        except ApiError as error:
            for name, stream in there.items():
                if larger[name] is not stream:
                    with contextlib.suppress(ApiError):  # it is larger than it need be then
                        await station.grow(connection, name, stream.max_bytes)
            raise ServerError(
                f"`{target.stream}` was made for fewer days, and the server refused to enlarge it to "
                f"{size / 2**20:,.0f} MiB: {error}; raise the account's or the server's storage, or "
                "load fewer --days"
            ) from error
        larger[target.stream] = replace(existing, max_bytes=size)
    return larger


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


def _row(dataset: Dataset, target: Target, sequence: int) -> bytes | None:
    """Return the wire object that belongs at a stream sequence, None where there is none."""
    if not 0 < sequence <= target.most:
        return None
    batch = next(partition.batches(dataset.whole, target.table, target.number, target.of, sequence - 1))
    return bytes(wire.encode(batch.slice(0, 1))[0].as_py())
