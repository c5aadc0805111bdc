"""What stands in the way of a load or a reader at this server, asked before anything is made or sent."""

import asyncio
import contextlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from zakar.broker import codes, reader, rights, station
from zakar.broker.account import Account
from zakar.broker.connection import ApiError, Connection
from zakar.broker.control import Control
from zakar.broker.station import Stream
from zakar.dataset.store import Dataset
from zakar.loader import frames, partition
from zakar.loader.plan import Action, Refusal, StreamPlan, Target, mib

_ROOMY = 16_384  # bytes that every message of every dataset is smaller than
_SHOWN = 3  # streams or subjects of a list
_FREES = "take that subject away from it, delete it, or load elsewhere"


def unbatched(stream: str) -> str:
    """Say that a stream has no fast ingest where JetStream does: it may be kept by an older server of a cluster."""
    return f"`{stream}` has no fast ingest: an older server than 2.14 keeps it, or this user may not update it"


async def overlapping(connection: Connection, new: Collection[str], gone: Collection[str]) -> list[Refusal]:
    """Return why streams cannot be created: which others have subjects of theirs; none where we may not ask.

    ``new`` are the streams to be created, ``gone`` those that will be deleted before. Raises what lost connections
    raise.
    """

    async def refusal(name: str) -> Refusal | None:
        others = [o for o in await station.capturing(connection, f"{name}.>") if o != name and o not in gone]
        if not others:
            return None
        streams = [await station.look(connection, other) for other in others[:_SHOWN]]
        named = [f"`{stream.name}` ({', '.join(stream.subjects[:_SHOWN])})" for stream in streams if stream is not None]
        more = f" and {len(others) - _SHOWN} more" if len(others) > _SHOWN else ""
        why = f"cannot be created: its subjects, {name}.>, overlap with those of stream {', '.join(named)}{more}"
        return Refusal(name, why, _FREES)

    new = list(new)
    with contextlib.suppress(ApiError):
        first = [await refusal(name) for name in new[:1]]  # alone, which tells whether we may ask
        asked = [*first, *await asyncio.gather(*(refusal(name) for name in new[1:]))]
        return [each for each in asked if each is not None]
    return []


async def oversized(
    connection: Connection, control: Control, dataset: Dataset, target: Target, existing: Stream | None
) -> Refusal | None:
    """Return why a partition cannot be filled: a message, with its header, larger than is taken; None if all fit.

    Reads the table only where the limit is so small that it might matter.
    """
    limits = [(connection.max_payload, "the server's max_payload")]
    if existing is not None and existing.max_message > 0:
        limits.append((existing.max_message, "its max_msg_size"))
    limit, name = min(limits)
    if limit >= _ROOMY or target.records == 0:
        return None
    stored = existing.last if existing is not None else 0
    header = frames.header_bytes(target.records) + control.header_bytes
    largest = header + await asyncio.to_thread(
        partition.largest, dataset, target.table, target.number, target.of, stored
    )
    if largest <= limit:
        return None
    why = f"cannot be filled: {name} is {limit:,}, and messages have up to {largest:,} bytes with their headers"
    return Refusal(target.stream, why, f"raise {name.rpartition(' ')[2]}")


async def ungiven(connection: Connection, control: Control, rows: Iterable[StreamPlan], account: Account) -> list[str]:
    """Return that the server itself lacks the storage for what is to be created, with the fix; nothing if it has it.

    An account without limits does not say what its server has. The server looks at that before all else, so it is asked
    for a stream that it refuses in any case. Raises what lost connections raise.
    """
    rows = list(rows)
    new = [row for row in rows if row.action in {Action.CREATE, Action.RECREATE} and row.max_bytes > 0]
    size = sum(row.max_bytes for row in new)
    if account.max_stream_bytes is not None:
        size = min(size, account.max_stream_bytes)
    size -= sum(row.frees for row in rows if row.action in {Action.RECREATE, Action.DELETE})
    if not new or size <= 0 or control.managed_externally or account.max_bytes == 0:
        return []
    try:
        await station.creatable(connection, new[0].stream, size, account.replicas, account.storage)
    except ApiError as error:
        if error.code not in codes.NO_ROOM:
            return []
        what, setting = (
            ("memory", "max_mem_store") if account.storage == "memory" else ("file storage", "max_file_store")
        )
        other = "leave --storage out" if account.storage == "memory" else "give --storage memory"
        why = f"the server refuses {mib(size)} of {what} ({error})"
        return [f"storage: {why}; raise its {setting}, load fewer days, or {other}"]
    return []


async def without_rights(
    connection: Connection, control: Control, rows: Iterable[StreamPlan], unowned: Collection[str]
) -> tuple[list[str], list[str], set[str]]:
    """Return which rights lack, each with the fix: for a load, and for what comes after it; and what cannot be updated.

    ``rows`` are what a load would do with each stream; those that are ``unowned`` do not say yet whose they are,
    which a load that goes on must know. Raises what lost connections raise.
    """
    load: list[_Right] = []
    after: list[_Right] = []
    updates: dict[str, str] = {}
    api = connection.api_prefix
    for row in rows:
        stream = row.stream
        load.append(_Right("a load", stream, (f"STREAM.INFO.{stream}",)))
        if row.action in {Action.RECREATE, Action.DELETE} and not control.managed_externally:
            load.append(_Right("a load", stream, (f"STREAM.DELETE.{stream}",)))
        created = row.action in {Action.CREATE, Action.RECREATE} and not control.managed_externally
        if created:
            load.append(_Right("a load", stream, (f"STREAM.CREATE.{stream}",)))
        if row.action is Action.CONTINUE or (created and row.mode == "batch" and not station.alone(connection)):
            updates[f"{api}.STREAM.UPDATE.{stream}"] = stream
        if row.action is Action.CONTINUE and stream in unowned and not control.managed_externally:
            load.append(_Right("a load into a stream of another's making", stream, (f"STREAM.UPDATE.{stream}",)))
        if row.records and row.action is not Action.REFUSE:
            after.append(_Right("a load that goes on", stream, (f"STREAM.MSG.GET.{stream}",)))
            after += _reading(stream)
    asked = [f"{api}.{subject}" for right in (*load, *after) for subject in right.subjects] + list(updates)
    denied = await rights.refused(connection, asked)
    fenced = {stream for subject, stream in updates.items() if subject in denied}
    return _lacking(api, load, denied), _lacking(api, after, denied), fenced


async def without_right_to_read(connection: Connection, streams: Iterable[str]) -> list[str]:
    """Return which rights lack for reading streams, each with the fix. Raises what lost connections raise."""
    api, needed = connection.api_prefix, [right for stream in streams for right in _reading(stream)]
    asked = [f"{api}.{subject}" for right in needed for subject in right.subjects]
    return _lacking(api, needed, await rights.refused(connection, asked))


@dataclass(frozen=True)
class _Right:
    """What somebody asks of JetStream for a stream; any of ``subjects`` will do."""

    who: str
    stream: str
    subjects: tuple[str, ...]


def _reading(stream: str) -> list[_Right]:
    return [_Right("reading", stream, subjects) for subjects in reader.requests(stream)]


def _lacking(api: str, needed: Iterable[_Right], denied: Mapping[str, str]) -> list[str]:
    """Return a line for all streams for which the same right lacks, which is named as the server names it."""
    lines: dict[tuple[str, str], list[str]] = {}
    for right in needed:
        denials = [denied.get(f"{api}.{subject}", "") for subject in right.subjects]
        if all(denials):
            asked = denials[0].partition('"')[2].partition(f".{right.stream}")[0]
            lines.setdefault((right.who, asked), []).append(right.stream)
    return [
        f"rights: {who} publishes to {asked}, and this user may not for {_listed(streams)}; give it the right"
        for (who, asked), streams in lines.items()
    ]


def _listed(streams: Sequence[str]) -> str:
    more = f" and {len(streams) - _SHOWN} more" if len(streams) > _SHOWN else ""
    return ", ".join(f"`{stream}`" for stream in streams[:_SHOWN]) + more


def unreadable(streams: Iterable[Stream], account: Account) -> Iterator[str]:
    """Yield which streams have no place for a reader's consumer, each with the fix."""
    for stream in streams:
        most = [limit for limit in (stream.max_consumers, account.max_consumers or 0) if limit > 0]
        if most and stream.consumers >= min(most):
            yield (
                f"reading: `{stream.name}` may have {min(most):,} consumers and has {stream.consumers:,}; wait until "
                "another reader is done, delete a consumer, or raise max_consumers"
            )
