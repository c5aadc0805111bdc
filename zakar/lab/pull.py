"""Consumers at work in the lab: pulls of so many messages, acknowledged or not. Each runs in a process apart."""

import asyncio
import enum
import secrets
import time
from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from zakar.broker import reader
from zakar.broker.access import Access
from zakar.broker.connection import Connection, Delivery, connect, connected
from zakar.errors import ServerError
from zakar.lab import sdk

_PATIENCE = 30.0  # seconds for a pull
_KEPT = 60.0  # seconds that a consumer stays which nobody uses
_ACK = b"+ACK"


class Acks(enum.StrEnum):
    """What a consumer says of what it got."""

    NONE = "none asked for"
    LAST = "of the last, for all before it"
    EACH = "of each, not waited for"
    AWAITED = "of each, waited for"


_POLICIES = {Acks.NONE: "none", Acks.LAST: "all", Acks.EACH: "explicit", Acks.AWAITED: "explicit"}


class Got(Struct, frozen=True):
    """What a run of one or several consumers brought.

    ``seconds`` from the first request to the last message, or to the last answer to an ack where they are waited for.
    ``different``: how many of the messages were not the same one again. ``wire_bytes`` of all, as they came, and
    ``ack_bytes`` of what was said of them; 0 where nobody counted.
    """

    seconds: float
    messages: int
    different: int
    wire_bytes: int = 0
    ack_bytes: int = 0

    @property
    def rate(self) -> float:
        """Messages a second."""
        return self.messages / self.seconds


class _Puller:
    """A consumer's connection: asks for messages, and waits until they have come."""

    def __init__(self, connection: Connection, stream: str, durable: str, acks: Acks) -> None:
        self.connection = connection
        self.inbox = connection.new_inbox()
        self.answers = connection.new_inbox()
        self.came: list[Delivery] = []
        self.acked = 0
        self.acks = acks
        self.ack_bytes = 0
        self._pull = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{durable}"
        self._woken = asyncio.Event()

    async def begin(self) -> None:
        await self.connection.tap(self.inbox, self._take)
        await self.connection.tap(self.answers, self._answered)

    def _take(self, chunk: list[Delivery]) -> None:
        self.came += chunk
        self._woken.set()

    def _answered(self, chunk: list[Delivery]) -> None:
        self.acked += len(chunk)
        self._woken.set()

    async def fetch(self, size: int) -> list[Delivery]:
        """Ask for so many messages, wait for them, and acknowledge them. Raises ServerError if they do not come."""
        request = b'{"batch":%d,"expires":%d}' % (size, int(_PATIENCE * 1e9))
        self.came = []
        words = f"PUB {self._pull} {self.inbox} {len(request)}\r\n".encode()
        await self.connection.send(memoryview(words + request + b"\r\n"))
        await self._until(lambda: len(self.came) >= size)
        came = self.came
        if any(not delivery.reply for delivery in came):
            raise ServerError(f"the broker ended a pull early: {came[-1].headers.decode('latin-1').strip()}")
        if self.acks is Acks.LAST:
            await self._acknowledge(came[-1:])
        elif self.acks is Acks.EACH:
            await self._acknowledge(came)
        elif self.acks is Acks.AWAITED:
            for each in came:
                due = self.acked + 1
                await self._acknowledge([each], self.answers)
                await self._until(lambda due=due: self.acked >= due)
        return came

    async def _acknowledge(self, messages: list[Delivery], answer: str = "") -> None:
        to = f"{answer} ".lstrip().encode()
        frames = b"".join(b"PUB %s %s%d\r\n%s\r\n" % (each.reply, to, len(_ACK), _ACK) for each in messages)
        self.ack_bytes += len(frames)
        await self.connection.send(memoryview(frames))

    async def _until(self, done: Any) -> None:
        async with asyncio.timeout(_PATIENCE):
            while not done():
                self._woken.clear()
                await self._woken.wait()


def fetch(
    url: str, stream: str, size: int, messages: int, rounds: int, acks: Acks = Acks.EACH, consumers: int = 1
) -> list[Got]:
    """Take ``messages`` from a partition by pulls of ``size``, so many times, one going on where another ended.

    One pull goes before, which is not counted. ``consumers`` share one durable, each with a connection of its own.
    Raises ServerError, or TimeoutError, if messages do not come.
    """
    return asyncio.run(_fetch(url, stream, size, messages, rounds, acks, consumers))


async def _fetch(url: str, stream: str, size: int, messages: int, rounds: int, acks: Acks, consumers: int) -> list[Got]:
    durable = f"lab-{secrets.token_hex(4)}"
    connections = [await _connect(url) for _ in range(consumers)]
    try:
        await _make(connections[0], stream, durable, acks)
        pullers = [_Puller(connection, stream, durable, acks) for connection in connections]
        for puller in pullers:
            await puller.begin()
        await asyncio.gather(*(puller.fetch(size) for puller in pullers))
        return [await _taken(pullers, size, messages) for _ in range(rounds)]
    finally:
        for connection in connections:
            await connection.close()


async def _connect(url: str) -> Connection:
    async with asyncio.timeout(_PATIENCE):
        return await connect(Access((url,)), "zakar lab")


async def _make(connection: Connection, stream: str, durable: str, acks: Acks) -> None:
    config = {
        "durable_name": durable,
        "deliver_policy": "all",
        "ack_policy": _POLICIES[acks],
        "max_ack_pending": -1,
        "inactive_threshold": int(_KEPT * 1e9),
        "mem_storage": True,
        "num_replicas": 1,
    }
    await connection.api(f"CONSUMER.CREATE.{stream}.{durable}", {"stream_name": stream, "config": config})


async def _taken(pullers: Sequence[_Puller], size: int, messages: int) -> Got:
    """Have consumers take messages from what is left, as each comes to it."""
    left = messages
    came: list[Delivery] = []

    async def take(puller: _Puller) -> None:
        nonlocal left
        while left > 0:
            left -= size
            came.extend(await puller.fetch(size))

    began, said = time.perf_counter(), sum(puller.ack_bytes for puller in pullers)
    await asyncio.gather(*(take(puller) for puller in pullers))
    seconds = time.perf_counter() - began
    said = sum(puller.ack_bytes for puller in pullers) - said
    return Got(seconds, len(came), len({_sequence(each) for each in came}), sum(map(wire_bytes, came)), said)


def _sequence(delivery: Delivery) -> bytes:
    """Return the stream's sequence in ``$JS.ACK.<stream>.<consumer>.<times>.<sequence>...``."""
    return delivery.reply.split(b".")[5]


def wire_bytes(delivery: Delivery) -> int:
    """Return the bytes of a message as a broker delivers it: ``MSG subject number reply size``, or with headers."""
    headers, size = len(delivery.headers), len(delivery.headers) + len(delivery.payload)
    sizes = f"{headers} {size}" if headers else f"{size}"
    words = len("HMSG" if headers else "MSG") + len(delivery.subject) + len("1") + len(delivery.reply) + len(sizes)
    return words + len("    ") + size + 2 * len("\r\n")


def read(url: str, stream: str, messages: int, rounds: int) -> list[Got]:
    """Take the first ``messages`` of a partition in order by zakar's own reader, so many times. Raises as it does."""
    return asyncio.run(_read(url, stream, messages, rounds))


async def _read(url: str, stream: str, messages: int, rounds: int) -> list[Got]:
    async with connected(Access((url,)), "zakar lab") as connection:
        done = []
        for _ in range(rounds):
            began, number = time.perf_counter(), 0
            async for payloads in reader.read(connection, stream, messages):
                number += len(payloads)
            done.append(Got(time.perf_counter() - began, number, number))
        return done


def by_sdk(url: str, place: str, size: int, messages: int, rounds: int) -> list[Got]:
    """Take messages from a station by the SDK's ``fetch``, and acknowledge each, as its documentation does.

    Otherwise as ``fetch``.
    """
    return asyncio.run(_by_sdk(url, place, size, messages, rounds))


async def _by_sdk(url: str, place: str, size: int, messages: int, rounds: int) -> list[Got]:
    memphis = await sdk.connected(url)
    consumer = await memphis.consumer(station_name=place, consumer_name=f"lab-{secrets.token_hex(4)}")
    await _acknowledged(consumer, size)
    done = []
    for _ in range(rounds):
        sequences: list[int] = []
        began = time.perf_counter()
        while len(sequences) < messages:
            sequences += await _acknowledged(consumer, min(size, messages - len(sequences)))
        done.append(Got(time.perf_counter() - began, len(sequences), len(set(sequences))))
    await memphis.close()
    return done


async def _acknowledged(consumer: Any, size: int) -> list[int]:
    """Fetch and acknowledge; return the messages' sequences. Raises ServerError where none come."""
    messages = await consumer.fetch(batch_size=size)
    if not messages:
        raise ServerError("the SDK got no message in time")
    for message in messages:
        await message.ack()
    return [message.message.metadata.sequence.stream for message in messages]
