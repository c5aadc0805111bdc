"""Read a partition from its first message to its last, in order, by large pulls."""

import asyncio
from collections.abc import AsyncIterator

from zakar.broker.connection import DENIED, LOST, ApiError, Connection, Delivery
from zakar.broker.station import look, partitions
from zakar.errors import ServerError

_PULL = 8_192  # messages asked for at once; two pulls are under way, so the server never waits
_EXPIRES = 30.0
_PATIENCE = 60.0
_QUIET = 5  # seconds without a message, after which it is asked anew what there is
_AGAIN = 0.25  # seconds before another consumer is made


async def read(
    connection: Connection, stream: str, limit: int | None = None, first: int = 1
) -> AsyncIterator[list[bytes]]:
    """Yield the payloads that a partition holds now from sequence ``first`` on, in order, in lists as they come.

    Raises as ``deliveries`` does.
    """
    async for chunk in deliveries(connection, stream, limit, first):
        yield [delivery.payload for delivery in chunk]


async def deliveries(
    connection: Connection, stream: str, limit: int | None = None, first: int = 1
) -> AsyncIterator[list[Delivery]]:
    """Yield the messages that a partition holds now from sequence ``first`` on, in order, in lists as they come.

    Goes on from the last message received if the connection or the consumer is lost, which happens too when
    whoever takes the lists pauses. Raises ServerError if the stream vanishes or the server does not answer for a
    minute, ApiError if it refuses.
    """
    loop = asyncio.get_running_loop()
    last: int | None = None
    after, left, heard = first - 1, limit, loop.time()
    while last is None or after < last:
        try:
            state = await look(connection, stream)
            if last is None:
                last = state.last if state is not None and state.messages else 0
            elif state is None:
                raise ServerError(f"`{stream}` is gone: somebody deleted it while it was read")
            if state is None or state.messages == 0 or state.first > last:
                return  # nothing, or nothing any more
            async for reached, messages in _pull(connection, stream, after + 1, last):
                if left is not None and left <= len(messages):
                    yield messages[:left]
                    return
                yield messages
                left = None if left is None else left - len(messages)
                after, heard = reached, loop.time()
        except LOST as error:
            if connection.is_closed:
                raise ServerError(f"`{stream}`: reading failed: {str(error) or type(error).__name__}") from error
        if last is None or after < last:
            if loop.time() - heard > _PATIENCE:
                raise ServerError(f"`{stream}`: no message for {_PATIENCE:g} s while reading")
            await asyncio.sleep(_AGAIN)


async def read_station(connection: Connection, station: str, limit: int | None = None) -> AsyncIterator[list[bytes]]:
    """Yield the payloads that a station holds now, one partition after the other, at most ``limit`` of them.

    Raises as ``deliveries`` does.
    """
    async for _, chunk in station_deliveries(connection, station, limit):
        yield [delivery.payload for delivery in chunk]


async def station_deliveries(
    connection: Connection, station: str, limit: int | None = None
) -> AsyncIterator[tuple[str, list[Delivery]]]:
    """Yield the messages that a station holds now, each list with the name of its stream; at most ``limit`` messages.

    Raises as ``deliveries`` does.
    """
    left = limit
    for stream in await partitions(connection, station):
        if left == 0:
            return
        async for chunk in deliveries(connection, stream.name, left):
            yield stream.name, chunk
            left = None if left is None else left - len(chunk)


def sequence(delivery: Delivery) -> int:
    """Return the number that a message has in its stream."""
    return _sequences(delivery.reply)[0]


async def _pull(
    connection: Connection, stream: str, first: int, last: int
) -> AsyncIterator[tuple[int, list[Delivery]]]:
    """Yield (sequence reached, messages) from ``first`` on until ``last``, a loss, or the end of a pull.

    A pull that ends unfilled says that the consumer is gone or has nothing more for us: not for us to know which.
    """
    if first > last:
        return
    losses = connection.losses
    arrived: asyncio.Queue[list[Delivery]] = asyncio.Queue()
    inbox = connection.new_inbox()
    tap = await connection.tap(inbox, arrived.put_nowait)
    try:
        consumer = await _consumer(connection, stream, first)
        pull = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"
        request = b'{"batch":%d,"expires":%d}' % (_PULL, int(_EXPIRES * 1e9))
        asked = received = waited = 0
        ended = False
        while not ended and connection.losses == losses and waited < _QUIET:
            while asked - received <= _PULL:
                await connection.publish(pull, request, reply=inbox)
                asked += _PULL
            try:
                # Not wait_for: before Python 3.12 it swallows being cancelled where a chunk comes at that moment.
                async with asyncio.timeout(1.0):
                    chunk = await arrived.get()
            except TimeoutError:
                waited += 1
                if denied := connection.denied.pop(pull.lower(), "") or connection.deaf:
                    raise ApiError(DENIED, denied) from None
                continue
            messages = [d for d in chunk if d.reply.startswith(b"$JS.ACK.")]
            ended = len(messages) < len(chunk)
            if messages:
                received += len(messages)
                reached, pending = _sequences(messages[-1].reply)
                ended = ended or reached >= last or pending == 0
                yield last if pending == 0 else reached, messages
                waited = 0
    finally:
        await connection.untap(tap)


async def _consumer(connection: Connection, stream: str, first: int) -> str:
    """Create a consumer that the server forgets by itself; return its name."""
    config = {
        "deliver_policy": "by_start_sequence",
        "opt_start_seq": first,
        "ack_policy": "none",
        "replay_policy": "instant",
        "inactive_threshold": int(_EXPIRES * 1e9),
        "mem_storage": True,
        "num_replicas": 1,
    }
    answer = await connection.api(f"CONSUMER.CREATE.{stream}", {"stream_name": stream, "config": config})
    return str(answer["name"])


def _sequences(reply: bytes) -> tuple[int, int]:
    """Return (stream sequence, messages still pending) of a delivery's acknowledgement subject.

    ``$JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<time>.<pending>``, or with a domain
    and an account before the stream and a token after.
    """
    words = reply.split(b".")
    at = 5 if len(words) == 9 else 7
    return int(words[at]), int(words[at + 3])
