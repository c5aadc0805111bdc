"""Consumer groups in JetStream: a durable on each partition, with the limits that Memphis gives it.

The group's members are in the metadata of the first partition's durable, so that the durable is deleted when the
last of them is destroyed. A member whose connection is closed without that does not count, where the server tells
which are open; where it does not, such a member keeps the durable, and the group's position, for good.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

from zakar.broker import codes
from zakar.broker.connection import ApiError, Connection
from zakar.broker.memphis import members, presence
from zakar.broker.memphis.members import Member
from zakar.broker.memphis.names import RefusedError
from zakar.broker.memphis.requests import CreateConsumer, DestroyConsumer
from zakar.broker.station import Stream, subject

_START = ("deliver_policy", "opt_start_seq", "opt_start_time")


async def join(connection: Connection, partitions: Sequence[Stream], asked: CreateConsumer) -> None:
    """Make a group's durables, and one of its members known. Raises RefusedError, ApiError.

    Where other members are there, the group goes on from where it is, whatever the new one says of its start, and so
    it does where that is a number of last messages; else JetStream refuses another start than the durable began with.
    """
    existing = await asyncio.gather(*(_look(connection, stream.name, asked.group) for stream in partitions))
    configs = [config(stream, asked) for stream in partitions]
    me = Member(asked.connection, asked.name)
    others = [member for member in members.known(existing[0]) if member != me]
    if any(map(_begins_elsewhere, configs, existing)) and (
        asked.last or await _any_present(connection, me.connection, others)
    ):
        configs = [_begun(new, there) for new, there in zip(configs, existing, strict=True)]
    new = [{**(there or {}), **config} for config, there in zip(configs, existing, strict=True)]
    new[0]["metadata"] = members.written(new[0].get("metadata") or {}, [*others, me])
    for stream, config_, there in zip(partitions, new, existing, strict=True):
        if there is not None and "deliver_subject" in there:
            raise RefusedError(f"{stream.name} has a consumer {asked.group} that is no group's; choose another name")
        if config_ != there:
            await _put(connection, stream.name, config_)


def _begins_elsewhere(new: dict[str, Any], there: dict[str, Any] | None) -> bool:
    return there is not None and any(new.get(key) != there.get(key) for key in _START)


def _begun(new: dict[str, Any], there: dict[str, Any] | None) -> dict[str, Any]:
    """Return a durable's configuration but for its start, which one that is there has already."""
    return {key: value for key, value in new.items() if there is None or key not in _START}


async def mend(connection: Connection, stream: Stream, durable: str, asked: CreateConsumer) -> bool:
    """Make a durable anew, as ``asked``, if an SDK that knows no partitions has made it itself; return whether one has.

    Such an SDK does so where somebody has deleted its group's. It asks for the subject that it would publish to, under
    which nothing is stored. Raises ApiError.
    """
    there = await _look(connection, stream.name, durable)
    if there is None or "deliver_subject" in there or there.get("filter_subject") != stream.further:
        return False
    await connection.api(f"CONSUMER.DELETE.{stream.name}.{durable}")
    new = config(stream, asked)
    new["metadata"] = members.written({}, [Member(asked.connection, asked.name)])
    await _put(connection, stream.name, new)
    return True


async def leave(connection: Connection, partitions: Sequence[Stream], asked: DestroyConsumer) -> bool:
    """Take a member out of its group, and delete the group's durables if it was the last.

    Returns whether it was a member. Raises ApiError.
    """
    first = partitions[0].name
    there = await _group_of(connection, first, asked)
    if there is None:
        return False
    known = members.known(there)
    leaving = members.leaving(known, asked.connection, asked.name)
    others = [member for member in known if member not in leaving]
    if await _any_present(connection, asked.connection, others):
        await _put(connection, first, {**there, "metadata": members.written(there["metadata"], others)})
        return True
    for stream in reversed(partitions):  # the one that knows the members last, so that this can be done again
        try:
            await connection.api(f"CONSUMER.DELETE.{stream.name}.{there['durable_name']}")
        except ApiError as error:
            if error.code not in (codes.CONSUMER_NOT_FOUND, codes.STREAM_NOT_FOUND):
                raise
    return True


def config(stream: Stream, asked: CreateConsumer) -> dict[str, Any]:
    """Return the durable of a group on a partition as Memphis makes it."""
    return {
        "durable_name": asked.group,
        **_start(stream, asked),
        "ack_policy": "explicit",
        "ack_wait": asked.ack_wait,
        "max_deliver": asked.deliveries,
        "filter_subject": subject(stream.name),
        "replay_policy": "instant",
        "max_ack_pending": -1,
        "num_replicas": 0,
    }


def _start(stream: Stream, asked: CreateConsumer) -> dict[str, Any]:
    """Return where a new group begins; the last messages are counted in each partition."""
    if asked.last:
        return {"deliver_policy": "by_start_sequence", "opt_start_seq": max(1, stream.last - asked.last + 1)}
    if asked.last == 0:
        return {"deliver_policy": "new"}
    if asked.start > 1:
        return {"deliver_policy": "by_start_sequence", "opt_start_seq": asked.start}
    return {"deliver_policy": "all"}


async def _any_present(connection: Connection, asking: str, others: list[Member]) -> bool:
    """Whether any of a group's other members may still be there."""
    ids = {member.connection for member in others}
    return bool(ids) and bool(ids - await presence.gone(connection, asking, ids))


async def _group_of(connection: Connection, stream: str, asked: DestroyConsumer) -> dict[str, Any] | None:
    """Return the durable of which a consumer is a member: most often its namesake, else any."""
    namesake = await _look(connection, stream, asked.name)
    if members.leaving(members.known(namesake), asked.connection, asked.name):
        return namesake
    revision = 0
    while True:
        page = await connection.api(f"CONSUMER.LIST.{stream}", {"offset": revision})
        for there in page["consumers"] or ():
            config: dict[str, Any] = there["config"]
            if members.leaving(members.known(config), asked.connection, asked.name):
                return config
        revision += len(page["consumers"] or ())
        if not page["consumers"] or revision >= page["total"]:
            return None


async def _look(connection: Connection, stream: str, durable: str) -> dict[str, Any] | None:
    """Return a durable's configuration, None where there is none."""
    try:
        answer: dict[str, Any] = await connection.api(f"CONSUMER.INFO.{stream}.{durable}")
    except ApiError as error:
        if error.code == codes.CONSUMER_NOT_FOUND:
            return None
        raise
    config: dict[str, Any] = answer["config"]
    return config


async def _put(connection: Connection, stream: str, config: dict[str, Any]) -> None:
    request = {"stream_name": stream, "config": config}
    await connection.api(f"CONSUMER.DURABLE.CREATE.{stream}.{config['durable_name']}", request)
