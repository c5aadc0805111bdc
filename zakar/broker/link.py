"""The way to a server: how long a question takes, and how many bytes a second go through."""

import asyncio
import itertools
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

from zakar.broker import codes, station
from zakar.broker.connection import LOST, ApiError, Connection

_BLOCK = 65_536
_PINGS = 11
_LEAST = 0.5  # seconds that the last round takes; with those before, about a second
_MOST_BLOCKS = 16_384  # of the last round: 1 GiB
_PATIENCE = 20  # seconds for a round


@dataclass(frozen=True)
class Link:
    """``round_trip``: seconds, the median. ``rate`` and ``messages``: bytes and messages a second, frames included.

    Both are None, and ``why`` says why, where they were not measured.
    """

    round_trip: float
    rate: float | None = None
    messages: float | None = None
    why: str = ""


async def measure(connection: Connection, payloads: Sequence[bytes]) -> Link:
    """Measure a connection for about a second, with messages that nobody listens to and no stream stores.

    ``payloads``, one at least, are what the messages hold; they are repeated. Raises nats.errors.Error or OSError if
    the connection is lost, ServerError if the server ends it for good.
    """
    trips = []
    for _ in range(_PINGS):
        began = time.perf_counter()
        await connection.flush()
        trips.append(time.perf_counter() - began)
    round_trip = statistics.median(trips)
    subject = connection.new_inbox()
    await connection.untap(
        await connection.tap(connection.new_inbox(), lambda _: None)
    )  # as who reads or loads has one
    longest = max(map(len, payloads))
    why = await _objection(connection, subject)
    if longest > connection.max_payload:
        why = f"messages of up to {longest:,} bytes are too long for a max_payload of {connection.max_payload:,}"
    if why:
        return Link(round_trip, why=why)
    block, messages = _block(subject, payloads)
    number = 1
    while True:
        began = time.perf_counter()
        try:
            async with asyncio.timeout(_PATIENCE):
                for _ in range(number):
                    await connection.send(block)
                await connection.flush(_PATIENCE)
        except TimeoutError:
            return Link(round_trip, why=f"{number * len(block):,} bytes took more than {_PATIENCE} s")
        took = time.perf_counter() - began
        if took >= _LEAST or number >= _MOST_BLOCKS:
            return Link(round_trip, number * len(block) / took, number * messages / took)
        number *= 2


async def _objection(connection: Connection, subject: str) -> str:
    """Return why nothing may be published to ``subject``; empty if it may, and nobody keeps it."""
    try:
        capturing = await station.capturing(connection, subject)
    except ApiError as error:
        if error.code not in codes.NO_JETSTREAM:
            return f"this user may not ask which streams would store it ({error.description})"
        capturing = []
    except LOST as error:
        return f"no answer to which streams would store it ({error})"
    if capturing:
        return f"stream `{capturing[0]}` would store it"
    await connection.send(memoryview(b"PUB %s 0\r\n\r\n" % subject.encode()))  # at once: a PING would overtake others
    await connection.flush()
    denied = connection.denial(subject)
    return f"this user may not publish it ({denied})" if denied else ""


def _block(subject: str, payloads: Sequence[bytes]) -> tuple[memoryview, int]:
    """Return frames of a block's size together that hold ``payloads``, repeated, and how many there are."""
    block, messages = bytearray(), 0
    coming = itertools.cycle(payloads)
    while len(block) < _BLOCK:
        payload = next(coming)
        block += b"PUB %s %d\r\n%s\r\n" % (subject.encode(), len(payload), payload)
        messages += 1
    return memoryview(bytes(block)), messages
