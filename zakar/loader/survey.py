"""What a load would do with each station, and what it needs for that. Looks, and changes nothing."""

import asyncio
from collections.abc import Collection, Coroutine, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from zakar.broker import account as accounts
from zakar.broker import station
from zakar.broker.connection import ApiError, Connection
from zakar.broker.control import Control
from zakar.broker.station import Stream
from zakar.dataset import wire
from zakar.dataset.schema import PREDICTIONS, Table
from zakar.dataset.store import Dataset
from zakar.errors import ServerError
from zakar.loader import obstacle, partition, plan
from zakar.loader.options import LoadOptions, Mode
from zakar.loader.overheard import overheard, unreached
from zakar.loader.plan import Action, LoadPlan, Refusal, StreamPlan, Target

_T = TypeVar("_T")
NO_HEADERS = (
    "the server takes no headers, and the messages of a load say in one which they follow; "
    "take no_header_support out of the server's configuration"
)


async def survey(connection: Connection, control: Control, dataset: Dataset, options: LoadOptions) -> LoadPlan:
    """Return what a load does. Nothing is created, changed, deleted or stored.

    Raises ServerError for a mode or replicas that the server does not have, ApiError, and what lost connections raise.
    """
    _check_options(connection, control, options)
    tables, recreate = options.tables, options.recreate
    looking = station.partitions_of(connection, [table.station for table in (*tables, PREDICTIONS)])
    answers: list[Any] = await all_answers([station.info(connection), looking])  # no JetStream is told first
    info, (*streams_of_tables, predictions) = answers
    account = accounts.parse(info, None, options.replicas, options.storage)
    existing: dict[Table, list[Stream]] = dict(zip(tables, streams_of_tables, strict=True))
    there = {stream.name: stream for streams in existing.values() for stream in streams}
    kept: dict[Table, list[Stream]] = {} if recreate else existing
    streams_kept = [stream for streams in kept.values() for stream in streams]
    targets = {
        table: await _targets(
            dataset, table, plan.partitions_to_be(streams, options.partitions, recreate=recreate), control.header_bytes
        )
        for table, streams in existing.items()
    }
    every_target = [target for of_table in targets.values() for target in of_table]
    new = [target.stream for target in every_target if recreate or target.stream not in there]
    new += [] if predictions else [station.stream_name(PREDICTIONS.station)]
    overlapping = await obstacle.overlapping(connection, new, list(there) if recreate else [])
    probed = {target.stream: there.get(target.stream) for target in every_target}
    for refusal in overlapping:
        probed.pop(refusal.stream, None)
    denied, elsewhere, silent = await _ways(connection, probed, account.domain)
    judging = (_judge(connection, control, dataset, t, kept.get(t.table, ())) for t in every_target)
    judgements: list[Refusal | None] = [None] * len(every_target)
    try:
        judgements = await all_answers(judging)
    except ApiError:
        if not (overlapping or denied or elsewhere or silent):  # which say more
            raise
    stray = [refusal for table, streams in kept.items() for refusal in plan.stray(targets[table], streams)]
    load_plan = LoadPlan(
        options=options,
        account=account,
        targets=tuple(every_target),
        existing=existing,
        predictions=next(iter(predictions), None),
        overlapping=tuple(overlapping),
        misfits=(*(refusal for refusal in judgements if refusal is not None), *stray),
        denied=denied,
        overheard=elsewhere,
        unreached=silent,
    )
    mode = options.mode
    if mode is Mode.AUTO:
        mode = Mode.NONBLOCKING if control.slow(connection) else Mode.BATCH
    misfits = dict(zip((target.stream for target in every_target), judgements, strict=True))
    stations = _rows(load_plan, misfits, mode, sized=not control.managed_externally)
    rights, afterwards, fixed = await obstacle.without_rights(
        connection, control, stations.values(), plan.unowned_names(streams_kept)
    )
    mode_rights = _mode_rights(stations.values(), streams_kept, fixed) if options.mode is Mode.BATCH else []
    for name, row in stations.items():
        if row.stream in fixed and row.mode == Mode.BATCH:
            stations[name] = replace(row, mode=Mode.NONBLOCKING)
    ungiven = [] if rights else await obstacle.ungiven(connection, control, stations.values(), account)
    return replace(
        load_plan,
        stations=stations,
        rights=tuple(rights),
        mode_rights=tuple(mode_rights),
        ungiven=tuple(ungiven),
        afterwards=(*afterwards, *obstacle.unreadable(streams_kept, account)),
    )


async def _ways(
    connection: Connection, streams: Mapping[str, Stream | None], domain: str
) -> tuple[str, dict[str, str], dict[str, str]]:
    """Return why this user may not publish, what else would hear it, and which streams would not, by their names."""
    try:
        return "", await overheard(connection, streams, domain), await unreached(connection, streams)
    except ApiError as error:
        return f"the server denies this user: {error.description}; give it the right", {}, {}


def _rows(
    load_plan: LoadPlan, misfits: Mapping[str, Refusal | None], mode: str, *, sized: bool
) -> dict[str, StreamPlan]:
    """Return what is done with each stream, by station or partition; ``misfits`` by the stream of a target."""
    rows: dict[str, StreamPlan] = {}
    account, recreate, streams = load_plan.account, load_plan.options.recreate, load_plan.streams
    overlaps = {refusal.stream: refusal for refusal in load_plan.overlapping}
    for table, existing in load_plan.existing.items():
        targets = [target for target in load_plan.targets if target.table == table]
        for target in targets:
            misfit = misfits[target.stream]
            row = plan.stream_plan(target, streams.get(target.stream), misfit, mode, account, recreate=recreate)
            if not sized and row.action in {Action.CREATE, Action.RECREATE}:
                row = replace(row, max_bytes=-1)
            rows[table.station if target.of == 1 else target.stream] = row
        rows |= {row.stream: row for row in plan.left_over(targets, existing, account, mode, recreate=recreate)}
    rows[PREDICTIONS.station] = plan.predictions(load_plan.predictions, account, mode)
    for name, row in rows.items():
        if row.stream in overlaps and row.action in {Action.CREATE, Action.RECREATE}:
            rows[name] = plan.refused(row, overlaps[row.stream])
    return rows


def _mode_rights(rows: Collection[StreamPlan], kept: Iterable[Stream], fixed: Collection[str]) -> list[str]:
    """Return what keeps streams from fast ingest, each with the fix; ``fixed`` are those that may not be updated."""
    old = {stream.name for stream in kept if not stream.may_batch}
    return [
        f"fast ingest: {obstacle.unbatched(row.stream)}; use --mode auto"
        for row in rows
        if row.action is Action.CONTINUE and row.stream in old
    ] + [
        f"rights: --mode batch updates `{row.stream}`, which this user may not; use --mode auto"
        for row in rows
        if row.stream in fixed and row.records
    ]


def _check_options(connection: Connection, control: Control, options: LoadOptions) -> None:
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


async def _targets(dataset: Dataset, table: Table, partitions: int, header_bytes: int) -> list[Target]:
    """Return the partitions that carry a table, whose messages have so many bytes of headers besides ours."""
    # In a thread, since it may read the whole table.
    shares = whole = await asyncio.to_thread(partition.shares, dataset, table, partitions)
    if dataset.whole is not dataset:
        whole = await asyncio.to_thread(partition.shares, dataset.whole, table, partitions)
    return [
        plan.target(dataset.manifest, table, share, header_bytes, of_all_days.records)
        for share, of_all_days in zip(shares, whole, strict=True)
    ]


async def _judge(
    connection: Connection, control: Control, dataset: Dataset, target: Target, streams: Sequence[Stream]
) -> Refusal | None:
    """Return why a partition cannot be filled, given the streams of its station; None if it can.

    Looks, and changes nothing. Raises ApiError.
    """
    existing = next((stream for stream in streams if stream.name == target.stream), None)
    if existing is None:
        refusal = plan.ungrown(target, streams) if control.managed_externally else None
        return refusal or await obstacle.oversized(connection, control, dataset, target, None)
    last_row = _row(dataset, target, existing.last)
    last_stored = await station.message(connection, target.stream, existing.last) if last_row else None
    if control.managed_externally and plan.unowned(existing):
        # Its first message tells instead, and its last one, as that of every stream.
        first_row = _row(dataset, target, min(1, existing.last))
        if first_row and first_row == await station.message(connection, target.stream, 1):
            existing = replace(existing, metadata=target.metadata)
    refusal = plan.judge(target, existing, last_row, last_stored)
    return refusal or await obstacle.oversized(connection, control, dataset, target, existing)


def _row(dataset: Dataset, target: Target, sequence: int) -> bytes | None:
    """Return the wire object that belongs at a stream sequence, None where there is none."""
    if not 0 < sequence <= target.most:
        return None
    batch = next(partition.batches(dataset.whole, target.table, target.number, target.of, sequence - 1))
    return bytes(wire.encode(batch.slice(0, 1))[0].as_py())


async def all_answers(asking: Iterable[Coroutine[Any, Any, _T]]) -> list[_T]:
    """Ask all at once, since each takes a round trip; raise the first trouble once all have been answered."""
    answers = await asyncio.gather(*asking, return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
    return [answer for answer in answers if not isinstance(answer, BaseException)]
