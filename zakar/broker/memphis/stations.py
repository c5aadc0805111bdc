"""Stations in JetStream: found, made, and deleted, so that a crash at any point is mended by the next request.

A station is there if its first partition is. So that one is made first and deleted last, and says meanwhile what is
under way: whoever comes upon it ends it.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from zakar.broker import codes
from zakar.broker import station as streams
from zakar.broker.connection import ApiError, Connection
from zakar.broker.memphis import names
from zakar.broker.memphis.names import RefusedError
from zakar.broker.memphis.requests import Layout
from zakar.broker.station import PARTITIONS, Stream, stream_name

_UNDER_WAY, _COMING, _GOING = "zakar.station", "being made", "being destroyed"  # metadata of a first partition
_AHEAD_MOST = 64
_RETENTIONS = ("limits", "interest")


def laid_out(stream: Stream) -> bool:
    """Whether a stream is laid out as a station's partition."""
    station, _, number = stream.name.rpartition("$")
    return (
        names.is_internal(station)
        and number.isascii()
        and number.isdigit()
        and not number.startswith("0")
        and (stream.subjects == (f"{stream.name}.>",) or (number == "1" and stream.wide and len(stream.subjects) == 2))
        and stream.retention in _RETENTIONS
        and not stream.copies
    )


async def find(connection: Connection, station: str) -> list[Stream]:
    """Return a station's partitions, none where there is no such station; what is under way is ended first.

    A partition beyond a missing one is not seen. Raises RefusedError if its first stream is no station's, ApiError.
    """
    streams = await _consecutive(connection, station)
    under_way = streams[0].metadata.get(_UNDER_WAY) if streams else None
    if under_way == _GOING:
        await _delete(connection, station, streams)
        return []
    if under_way == _COMING:
        answer = await connection.api(f"STREAM.INFO.{streams[0].name}")
        return await _complete(connection, station, answer["config"])
    return streams


async def _consecutive(connection: Connection, station: str) -> list[Stream]:
    streams: list[Stream] = []
    ahead = 2  # so that a station of one partition takes one round trip
    while True:
        for stream in await _looks(connection, station, range(len(streams) + 1, len(streams) + 1 + ahead)):
            if stream is not None and not streams and not laid_out(stream):
                raise RefusedError(f"stream {stream.name} is in the way: it is not laid out as a station's")
            if stream is None or not laid_out(stream):
                return streams
            streams.append(stream)
        if len(streams) == (number := _said(streams[0])):
            return streams
        ahead = min(max(number - len(streams), 2 * ahead), _AHEAD_MOST)


async def _looks(connection: Connection, station: str, numbers: Iterable[int]) -> list[Stream | None]:
    return await asyncio.gather(*(streams.look(connection, stream_name(station, number)) for number in numbers))


def _said(stream: Stream) -> int:
    """Return how many partitions a station has by its own account, 0 where it says nothing of use."""
    text = stream.metadata.get(PARTITIONS, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0


async def make(connection: Connection, station: str, layout: Layout) -> list[Stream]:
    """Make a station that is not there; if another responder is faster, that one's is returned.

    Raises RefusedError, ApiError; nothing is left of it then.
    """
    for at in range(2, layout.partitions + 1, _AHEAD_MOST):
        for stream in await _looks(connection, station, range(at, min(at + _AHEAD_MOST, layout.partitions + 1))):
            if stream is not None:
                raise RefusedError(f"stream {stream.name} is in the way: it is there without {stream_name(station)}")
    first = config(stream_name(station), layout)
    if layout.partitions > 1:
        first["metadata"][_UNDER_WAY] = _COMING
    try:
        made = await streams.make(connection, first)
    except ApiError as error:
        if error.code == codes.NAME_IN_USE and (existing := await find(connection, station)):
            return existing
        if error.code in codes.TOO_MANY_REPLICAS:
            raise RefusedError(
                "station can not be created, probably since replicas count is larger than the cluster size"
            ) from error
        raise
    return await _complete(connection, station, first) if layout.partitions > 1 else [made]


async def _complete(connection: Connection, station: str, config: dict[str, Any]) -> list[Stream]:
    """Make the partitions that a station lacks like its first one, which no longer says then that it is being made."""
    first = {**config, "metadata": {k: v for k, v in config["metadata"].items() if k != _UNDER_WAY}}
    made: list[Stream] = []
    try:
        # One after the other, since servers take the streams that are being made for none when they look at limits.
        for number in range(2, int(first["metadata"][PARTITIONS]) + 1):
            other = stream_name(station, number)
            made.append(await streams.make(connection, {**first, "name": other, **streams.subjects(other)}))
        return [await streams.change(connection, first), *made]
    except ApiError:
        for other in [stream.name for stream in reversed(made)] + [stream_name(station)]:
            await _delete_one(connection, other)
        raise


async def widen(connection: Connection, partition: Stream) -> bool:
    """Have a station's one partition take what SDKs publish that know none; return whether it did not yet.

    Raises RefusedError naming the stream that is in the way, ApiError.
    """
    if partition.wide:
        return False
    if partition.transform is not None:
        raise RefusedError(f"stream {partition.name} is in the way: it has a subject_transform of its own")
    try:
        await streams.widen(connection, partition.name)
    except ApiError as error:
        if error.code != codes.SUBJECTS_OVERLAP:
            raise
        others = await streams.capturing(connection, partition.further)
        raise RefusedError(f"stream {', '.join(others)} is in the way: it takes {partition.further}") from error
    return True


async def destroy(connection: Connection, station: str) -> bool:
    """Delete a station and all it holds; return whether it was there. Raises RefusedError, ApiError."""
    partitions = await _consecutive(connection, station)
    if len(partitions) > 1:
        await streams.adopt(connection, partitions[0].name, {_UNDER_WAY: _GOING})
    await _delete(connection, station, partitions)
    return bool(partitions)


async def _delete(connection: Connection, station: str, partitions: list[Stream]) -> None:
    """Delete what was found of a station, and what it says it has, the first partition last."""
    total = _said(partitions[0]) if partitions else 0
    for number in range(max(len(partitions), total), 0, -1):
        name = stream_name(station, number)
        stream = partitions[number - 1] if number <= len(partitions) else await streams.look(connection, name)
        if stream is not None and laid_out(stream):
            await _delete_one(connection, name)


async def _delete_one(connection: Connection, stream: str) -> None:
    try:
        await streams.delete(connection, stream)
    except ApiError as error:  # another responder was faster
        if error.code != codes.STREAM_NOT_FOUND:
            raise


async def finish(connection: Connection, lock: Callable[[str], asyncio.Lock]) -> list[str]:
    """End what a responder that went away left under way; return the stations' names.

    Raises RefusedError, ApiError.
    """
    left = [stream for stream in await streams.every(connection) if _UNDER_WAY in stream.metadata and laid_out(stream)]
    stations = [stream.name.rpartition("$")[0] for stream in left]
    for station in stations:
        async with lock(station):
            await find(connection, station)
    return [names.shown(station) for station in stations]


def config(stream: str, layout: Layout) -> dict[str, Any]:
    """Return a partition's stream as Memphis makes it."""
    return {
        "name": stream,
        **streams.subjects(stream),
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
