"""Who is in a consumer group: kept in the metadata of the group's durable, on the station's first partition. Pure."""

from typing import Any, NamedTuple

import msgspec

_KEY = "zakar.members"
_LONGEST = 64  # of a connection's id; SDKs make them 36 characters long
_MOST, _ROOM = 500, 96 << 10  # members, bytes of them: a server takes 128 KiB of metadata


class Member(NamedTuple):
    """A consumer by the id of its connection, which is new in each run of a program, and its internal name."""

    connection: str
    name: str


def cut(connection: str) -> str:
    """Return as much of a connection's id as is remembered of it."""
    return connection[:_LONGEST]


def read(metadata: dict[str, str]) -> list[Member]:
    """Return the members that a durable's metadata tells of, none where it tells nothing that can be read."""
    try:
        return msgspec.json.decode(metadata.get(_KEY, "[]"), type=list[Member])
    except (msgspec.DecodeError, RecursionError):
        return []


def written(metadata: dict[str, str], members: list[Member]) -> dict[str, str]:
    """Return a durable's metadata with other members; of too many, those that came first are forgotten."""
    kept: list[bytes] = []
    room = _ROOM
    for member in reversed(members[-_MOST:]):
        text = msgspec.json.encode(member)
        room -= len(text) + 1
        if room < 0:
            break
        kept.append(text)
    return {**metadata, _KEY: f"[{b','.join(reversed(kept)).decode()}]"}


def known(config: dict[str, Any] | None) -> list[Member]:
    """Return the members that a durable's configuration tells of."""
    return read((config or {}).get("metadata") or {})


def leaving(members: list[Member], connection: str, name: str) -> list[Member]:
    """Return the members that a consumer's destruction takes away; an old SDK names no connection."""
    return [m for m in members if m.name == name and (not connection or m.connection == connection)]
