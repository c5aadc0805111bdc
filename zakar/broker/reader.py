"""Read a partition from its first message to its last, in order, by large pulls."""

import asyncio
from collections.abc import AsyncIterator

from zakar.broker.connection import LOST, Connection, Delivery
from zakar.broker.station import look
from zakar.errors import ServerError

_PULL = 8_192  # messages asked for at once; two pulls are under way, so the server never waits
_EXPIRES = 30.0
_PATIENCE = 60.0


async def read(
    connection: Connection, stream: str, limit: int | None = None, first: int = 1
) -> AsyncIterator[list[bytes]]:
    """Yield the payloads that a partition holds now from sequence ``first`` on, in order, in lists as they come.

    Goes on from the last message received if the connection is lost. Raises ServerError if the server does not
    answer for a minute, ApiError if it refuses.
    """
    loop = asyncio.get_running_loop()
    last: int | None = None
    after, left, heard = first - 1, limit, loop.time()
    while last is None or after < last:
        try:
            if last is None:
                state = await look(connection, stream)
                last = state.last if state is not None and state.messages else 0
            async for sequence, payloads in _pull(connection, stream, after + 1, last):
                if left is not None and left <= len(payloads):
                    yield payloads[:left]
                    return
                yield payloads
                left = None if left is None else left - len(payloads)
                after, heard = sequence, loop.time()
        except LOST as error:
            if connection.is_closed or loop.time() - heard > _PATIENCE:
                raise ServerError(f"`{stream}`: reading failed: {str(error) or type(error).__name__}") from error
            await asyncio.sleep(0.5)


async def _pull(connection: Connection, stream: str, first: int, last: int) -> AsyncIterator[tuple[int, list[bytes]]]:
    """Yield (sequence of the last one, payloads) from ``first`` on until ``last`` or a lost connection."""
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
        asked = received = 0
        sequence = first - 1
        loop = asyncio.get_running_loop()
        heard = loop.time()
        while sequence < last and connection.losses == losses:
            while asked - received <= _PULL:
                await connection.publish(pull, request, reply=inbox)
                asked += _PULL
            try:
                chunk = await asyncio.wait_for(arrived.get(), 1.0)
            except TimeoutError:
                if loop.time() - heard > _PATIENCE:
                    raise ServerError(f"`{stream}`: no message for {_PATIENCE:g} s while reading") from None
                continue
            heard = loop.time()
            messages = [d for d in chunk if d.reply.startswith(b"$JS.ACK.")]
            if len(messages) < len(chunk):  # a pull that ended unfilled; ask again
                asked = received + len(messages)
            if messages:
                received += len(messages)
                sequence, pending = _sequences(messages[-1].reply)
                yield sequence, [d.payload for d in messages]
                if pending == 0:
                    sequence = last
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
