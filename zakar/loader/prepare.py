"""Stations made ready to be filled, as a plan says: deleted, created or taken over. Nothing is sent yet."""

import asyncio
import contextlib
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from zakar.broker import codes, station
from zakar.broker.access import Access
from zakar.broker.connection import DENIED, LOST, ApiError, Connection, connected
from zakar.broker.control import Control
from zakar.broker.station import Stream
from zakar.dataset import store
from zakar.dataset.schema import PREDICTIONS
from zakar.dataset.store import Dataset
from zakar.errors import MismatchError, ServerError
from zakar.loader import obstacle, plan
from zakar.loader.options import LoadOptions, Mode
from zakar.loader.overheard import overheard, unreached
from zakar.loader.plan import Action, LoadPlan, Refusal, Target
from zakar.loader.producer import refused
from zakar.loader.survey import all_answers

_BATCH_IDLE = 11.0  # seconds; servers drop a batch that was idle for 10


@dataclass(frozen=True)
class PreparedStream:
    """A partition ready to be filled from ``stored`` on. ``why`` says why not by fast ingest, if not.

    Up to message ``guarded_until`` a killed loader's messages may still come; what there is was compared up to message
    ``verified_upto``.
    ``fresh``: made just now, and nobody can have begun to fill it. ``headers``: whether it has room for header lines.
    ``closed``: its fast ingest is off until then.
    ``beyond`` the target's messages there are as many of later days.
    ``domain``: JetStream's here, which acks carry.
    """

    target: Target
    stored: int
    batch: bool
    owner: str | None
    why: str = ""
    guarded_until: int = 0
    verified_upto: int = 0
    fresh: bool = False
    headers: bool = True
    closed: bool = False
    beyond: int = 0
    domain: str = ""


async def prepare(
    connection: Connection, control: Control, dataset: Dataset, access: Access, load_plan: LoadPlan
) -> list[PreparedStream]:
    """Make the stations of a plan ready, and one for predictions.

    What would keep the stations from being filled is tried before any is deleted: that there are so many connections by
    ``access``, and that the dataset's files are whole. Raises MismatchError if they are not, if a station holds
    anything but the first messages of this dataset, or if anything else would get its messages; ServerError, ApiError,
    and what lost connections raise.
    """
    _check(load_plan, managed_externally=control.managed_externally)
    options, targets, domain = load_plan.options, load_plan.targets, load_plan.account.domain
    there = load_plan.streams
    wide = {name for name, stream in there.items() if stream.wide}
    begun = {name for name, stream in there.items() if stream.last == 0}  # perhaps, by a loader that was killed
    if options.recreate:
        await try_connections(access, min(options.connections, len(targets)), "nothing was deleted")
        if there:
            await asyncio.to_thread(store.check_bytes, dataset, options.tables)
        names = {
            table.station: [stream.name for stream in streams]
            for table, streams in load_plan.existing.items()
            if streams
        }
        await all_answers(control.delete(connection, name, streams) for name, streams in names.items())
        there = {}
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
    if any(target.stream not in there for target in targets):  # a mapping may lead into one that is new
        looks = await all_answers(station.look(connection, target.stream) for target in targets)
        await _check_alone(connection, {t.stream: stream for t, stream in zip(targets, looks, strict=True)}, domain)
    if load_plan.predictions is None:
        metadata, size = plan.metadata(PREDICTIONS, dataset.manifest), plan.predictions_bytes(load_plan.account)
        await control.create(
            connection,
            station.NewPartition(PREDICTIONS.station, 1, 1, metadata, size, options.replicas, options.storage),
        )
    return [replace(each, domain=domain) for each in opened]


def _check(load_plan: LoadPlan, *, managed_externally: bool) -> None:
    """Raise what keeps a plan from being carried out: MismatchError, or ServerError if rights or room surely lack."""
    _refuse(load_plan.overlapping)
    if load_plan.denied:
        raise ServerError(load_plan.denied)
    _check_ways(load_plan.overheard, load_plan.unreached)
    _refuse(load_plan.misfits)
    recreate = load_plan.options.recreate
    kept = "--recreate: nothing was deleted" if recreate else "nothing was created"
    if load_plan.rights:
        raise ServerError(f"{kept}: {'; '.join(load_plan.rights)}")
    gone = load_plan.streams.values() if recreate else ()
    if managed_externally and not gone:
        return
    rows = load_plan.stations.values()
    made = [row for row in rows if row.enlarged or row.action not in {Action.CONTINUE, Action.NOTHING}]
    if lacks := plan.surely_short(made, load_plan.account, gone) or load_plan.ungiven:
        raise ServerError(f"{kept}, since a load would not fit: {'; '.join(lacks)}")


def _check_ways(elsewhere: Mapping[str, str], silent: Mapping[str, str]) -> None:
    if elsewhere:
        raise MismatchError(f"nothing was sent: {'; '.join(elsewhere.values())}")
    if silent:
        raise ServerError(f"nothing was sent: {'; '.join(silent.values())}")


async def _check_alone(connection: Connection, streams: Mapping[str, Stream | None], domain: str) -> None:
    """Make sure that these partitions, and nothing else, get their messages.

    Raises MismatchError naming whatever else hears them, ServerError if this user may not publish or the partitions
    hear nothing, and what lost connections raise.
    """
    try:
        elsewhere = await overheard(connection, streams, domain)
    except ApiError as error:
        raise ServerError(f"the server denies this user: {error.description}; give it the right") from error
    _check_ways(elsewhere, {} if elsewhere else await unreached(connection, streams))


def _refuse(refusals: Iterable[Refusal | None]) -> None:
    """Raise MismatchError if there are any refusals."""
    known = list(dict.fromkeys(refusal for refusal in refusals if refusal is not None))
    if known:
        problems = "; ".join(f"station stream `{r.stream}` {r.found}" for r in known)
        fixes = "; ".join(dict.fromkeys(r.fix for r in known))
        raise MismatchError(f"{problems}. {fixes[0].upper()}{fixes[1:]}")


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


async def _open(
    connection: Connection,
    control: Control,
    target: Target,
    existing: Stream | None,
    options: LoadOptions,
    *,
    fresh: bool,
    wide: bool,
) -> PreparedStream:
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
        return PreparedStream(target, 0, by_batch, made.metadata.get(station.OWNER), why, fresh=fresh)
    if existing.last >= target.records:
        beyond = existing.last - target.records
        return PreparedStream(
            target, target.records, batch=False, owner=None, verified_upto=target.records, beyond=beyond
        )
    headers = await _roomy(connection, control, target, existing)
    begun = existing.last == 0 and station.OWNER in existing.metadata
    try:
        if existing.batched or not slow:
            # The first message of a loader that was killed may be stored wherever it comes, while there is fast ingest.
            fenced = await station.fence(connection, target.stream, marked, reopened=not begun)
            # That ends batches. Messages that ask for an ack each are still taken wherever they fit, which would shift
            # all that follow in a batch; how far they can reach is known.
            guarded_until = plan.late_until(fenced.last)
            if by_batch and guarded_until >= target.records:
                by_batch, why = False, "what is left may still be under way from a loader that was killed"
            return PreparedStream(
                target, fenced.last, by_batch, owner, why, guarded_until, existing.last, headers=headers, closed=begun
            )
        adopted = await station.adopt(connection, target.stream, marked)
        return PreparedStream(
            target, adopted.last, batch=False, owner=owner, why=why, verified_upto=existing.last, headers=headers
        )
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
        return PreparedStream(
            target, quiet, batch=False, owner=mark, why=why, verified_upto=existing.last, headers=headers
        )


async def _make(
    connection: Connection,
    control: Control,
    target: Target,
    marked: dict[str, str],
    options: LoadOptions,
    *,
    wide: bool,
) -> Stream:
    """Create a target's stream. Raises ServerError if there is no room, or if somebody else was quicker; ApiError."""
    size = target.max_bytes
    new = station.NewPartition(
        target.table.station, target.number, target.of, marked, size, options.replicas, options.storage, wide
    )
    try:
        return await control.create(connection, new)
    except ApiError as error:
        if error.code == codes.NAME_IN_USE:  # a moment ago it was not there
            raise ServerError(
                f"`{target.stream}`: another loader is making it; let it finish, or stop it and run this again"
            ) from error
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
