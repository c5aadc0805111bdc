"""Stations in JetStream: found, made, and deleted, so that a crash at any point is mended by the next request.

A station is there if its first partition is. So that one is made last, and deleted last.
"""

import asyncio
from typing import Any

from zakar.broker import station as streams
from zakar.broker.connection import ApiError, Connection
from zakar.broker.memphis import names
from zakar.broker.memphis.names import RefusedError
from zakar.broker.memphis.requests import Layout
from zakar.broker.station import PARTITIONS, STREAM_NOT_FOUND, Stream, stream_name

_GOING = "zakar.destroyed"  # metadata: of a first partition whose station is being deleted
_AHEAD_MOST = 64
_RETENTIONS = ("limits", "interest")
_TOO_MANY_REPLICAS = (10005, 10074)


def laid_out(stream: Stream) -> bool:
    """Whether a stream is laid out as a station's partition."""
    station, _, number = stream.name.rpartition("$")
    return (
        names.is_internal(station)
        and number.isascii()
        and number.isdigit()
        and not number.startswith("0")
        and stream.subjects == (f"{stream.name}.>",)
        and stream.retention in _RETENTIONS
        and not stream.copies
    )


async def find(connection: Connection, station: str) -> list[Stream]:
    """Return a station's partitions, none where there is no such station; what was half deleted goes first.

    A partition beyond a missing one is not seen. Raises RefusedError if its first stream is no station's, ApiError.
    """
    found = await _consecutive(connection, station)
    if found and _GOING in found[0].metadata:
        await _delete(connection, station, found)
        return []
    return found


async def _consecutive(connection: Connection, station: str) -> list[Stream]:
    found: list[Stream] = []
    ahead = 2  # a station of one partition is one round trip
    while True:
        numbers = range(len(found) + 1, len(found) + 1 + ahead)
        for stream in await asyncio.gather(*(streams.look(connection, stream_name(station, n)) for n in numbers)):
            if stream is not None and not found and not laid_out(stream):
                raise RefusedError(f"stream {stream.name} is in the way: it is not laid out as a station's")
            if stream is None or not laid_out(stream):
                return found
            found.append(stream)
        ahead = min(2 * ahead, _AHEAD_MOST)


async def find_or_make(connection: Connection, station: str) -> list[Stream]:
    """Return a station's partitions, making a missing one as Memphis did. Raises RefusedError, ApiError."""
    return await find(connection, station) or await make(connection, station, Layout())


async def make(connection: Connection, station: str, layout: Layout) -> list[Stream]:
    """Make a station that is not there. Raises RefusedError, and nothing is left of it then; ApiError."""
    others = range(2, layout.partitions + 1)
    await _check_free(connection, station, others)
    made: list[Stream] = []
    try:
        # One after the other, since servers take the streams that are being made for none when they look at limits.
        for number in (*others, 1):
            made.append(await streams.make(connection, config(stream_name(station, number), layout)))  # noqa: PERF401
    except ApiError as error:
        for stream in reversed(made):
            await streams.delete(connection, stream.name)
        if error.code in _TOO_MANY_REPLICAS:
            raise RefusedError(
                "station can not be created, probably since replicas count is larger than the cluster size"
            ) from error
        raise
    return [made[-1], *made[:-1]]


async def _check_free(connection: Connection, station: str, numbers: range) -> None:
    """Raise RefusedError if there is a stream where a partition shall be made, but one that was left half made."""
    for at in range(numbers.start, numbers.stop, _AHEAD_MOST):
        part = range(at, min(at + _AHEAD_MOST, numbers.stop))
        for stream in await asyncio.gather(*(streams.look(connection, stream_name(station, n)) for n in part)):
            if stream is not None and (stream.last or not laid_out(stream) or PARTITIONS not in stream.metadata):
                raise RefusedError(
                    f"stream {stream.name} is in the way: it is there, and {stream_name(station)} is not; "
                    "destroy the station, or delete the stream"
                )


async def destroy(connection: Connection, station: str) -> bool:
    """Delete a station and all it holds; return whether it was there. Raises RefusedError, ApiError."""
    found = await _consecutive(connection, station)
    there = bool(found)
    if not there:  # what a crash left of its making
        second = await streams.look(connection, stream_name(station, 2))
        found = [second] if second is not None and laid_out(second) and PARTITIONS in second.metadata else []
    if len(found) > 1:
        await streams.adopt(connection, found[0].name, {_GOING: "yes"})
    await _delete(connection, station, found)
    return there


async def _delete(connection: Connection, station: str, found: list[Stream]) -> None:
    numbers = {streams.number_of(stream.name) for stream in found}
    said = found[0].metadata.get(PARTITIONS, "") if found else ""
    if said.isascii() and said.isdigit() and len(said) < 6:
        numbers |= set(range(1, int(said) + 1))
    for number in sorted(numbers, reverse=True):
        name = stream_name(station, number)
        stream = await streams.look(connection, name)
        if stream is None or not laid_out(stream):
            continue
        try:
            await streams.delete(connection, name)
        except ApiError as error:  # another responder was faster
            if error.code != STREAM_NOT_FOUND:
                raise


async def finish(connection: Connection) -> list[str]:
    """Delete what is left of stations whose deletion was cut short; return their names. Raises ApiError."""
    left = [stream for stream in await streams.every(connection) if _GOING in stream.metadata and laid_out(stream)]
    for stream in left:
        await find(connection, stream.name.rpartition("$")[0])
    return [names.shown(stream.name.rpartition("$")[0]) for stream in left]


def config(stream: str, layout: Layout) -> dict[str, Any]:
    """Return a partition's stream as Memphis makes it."""
    return {
        "name": stream,
        "subjects": [f"{stream}.>"],
        "retention": "interest" if layout.interest else "limits",
        "max_consumers": -1,
        "max_msgs": layout.max_messages,
        "max_bytes": layout.max_bytes,
        "max_msgs_per_subject": -1,
        "max_age": layout.max_age,
        "max_msg_size": -1,
        "discard": "old",
        "storage": layout.storage,
        "num_replicas": layout.replicas,
        "duplicate_window": layout.window,
        "metadata": {PARTITIONS: str(layout.partitions)},
    }
