"""Read a partition from its first message to its last, in order, by large pulls."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace

from zakar.broker import codes
from zakar.broker.connection import DENIED, LOST, ApiError, Connection, Delivery
from zakar.broker.station import Stream, look, partitions
from zakar.errors import ServerError

_PULL = 8_192  # messages asked for at once; twice as many are under way, so the server never waits
_WAITING = 512  # pulls that a consumer lets wait, where it does not say
_EXPIRES = 30.0
_FORGOTTEN = 5.0  # seconds without a pull, after which the server forgets a consumer that nobody could delete
_DELETED = 2.0  # seconds that deleting one may take
_PATIENCE = 60.0
_REFUSING = 10.0  # seconds in which pulls may end by a status that passes, such as for a leader that changes
_QUIET = 5  # seconds without a message, after which it is asked anew what there is
_AGAIN = 0.25  # seconds before another consumer is made
_LOOKED = 0.2  # seconds after which a stream that is followed is looked at again
_PLAIN = 9  # words of an acknowledgement's subject without domain and account
_UNNAMED = {
    DENIED,
    codes.NOBODY,
}  # where only the other request is granted, by which the server names a consumer
_PLACE = (
    ": `{}` has no place for one more; wait until another reader is done, delete a consumer, or raise max_consumers"
)
_DELIVERED = b"$JS.ACK."  # what the reply subject of a message begins with, and of no status
_OVER = {"100", "404", "408"}  # statuses of a pull that was not refused
_PASSES = {"consumer deleted", "leadership change", "server shutdown", "batch completed"}


async def read(
    connection: Connection, stream: str, limit: int | None = None, first: int = 1
) -> AsyncGenerator[list[bytes], None]:
    """Yield the payloads that a partition holds now from sequence ``first`` on, in order, in lists as they come.

    Raises as ``deliveries`` does, and is to be closed as that is.
    """
    async with aclosing(deliveries(connection, stream, limit, first)) as chunks:
        async for chunk in chunks:
            yield [delivery.payload for delivery in chunk]


async def deliveries(
    connection: Connection, stream: str, limit: int | None = None, first: int = 1
) -> AsyncGenerator[list[Delivery], None]:
    """Yield the messages that a partition holds now from sequence ``first`` on, in order, in lists as they come.

    Goes on from the last message received if the connection or the consumer is lost, which happens too when
    whoever takes the lists pauses. What was made at the server for it is deleted at the end: whoever stops early closes
    the generator. Raises ServerError if the stream vanishes or the server does not answer for a minute, ApiError if it
    refuses, with what it says.
    """
    loop = asyncio.get_running_loop()
    last: int | None = None
    after, left, heard = first - 1, limit, loop.time()
    consumers: set[str] = set()  # of ours, that the server may still have
    passing = ""  # what ended the last pull without a message
    single = False  # whether a pull brings one message, as through an import that hands on one answer a request
    try:
        while last is None or after < last:
            try:
                state = await look(connection, stream)
                if last is None:
                    last = state.last if state is not None and state.messages else 0
                elif state is None:
                    raise ServerError(f"`{stream}` is gone: somebody deleted it while it was read")
                if state is None or state.messages == 0 or state.first > last:
                    return  # nothing, or nothing any more
                most = last - after if left is None else min(left, last - after)
                async with aclosing(
                    _pull(connection, state, after + 1, last, most, consumers, single=single)
                ) as pulled:
                    async for reached, messages in pulled:
                        if left is not None and left <= len(messages):
                            yield messages[:left]
                            return
                        yield messages
                        left = None if left is None else left - len(messages)
                        after, heard, passing = reached, loop.time(), ""
            except (_PassingError, _OneAPullError) as error:
                passing, single = str(error), single or isinstance(error, _OneAPullError)
            except LOST as error:
                if connection.is_closed:
                    raise ServerError(f"`{stream}`: reading failed: {str(error) or type(error).__name__}") from error
            if last is None or after < last:
                patience = _REFUSING if passing else _PATIENCE
                if loop.time() - heard > patience:
                    words = f"the server says: {passing}" if passing else connection.said(heard) or connection.obstacle
                    raise ServerError(
                        f"`{stream}`: no message for {patience:g} s while reading{f': {words}' if words else ''}"
                    )
                await asyncio.sleep(_AGAIN)
    finally:
        await _delete(connection, stream, consumers)


async def read_station(
    connection: Connection, station: str, limit: int | None = None
) -> AsyncGenerator[list[bytes], None]:
    """Yield the payloads that a station holds now, one partition after the other, at most ``limit`` of them.

    Raises as ``deliveries`` does, and is to be closed as that is.
    """
    async with aclosing(station_deliveries(connection, station, limit)) as chunks:
        async for _, chunk in chunks:
            yield [delivery.payload for delivery in chunk]


async def station_deliveries(
    connection: Connection, station: str, limit: int | None = None
) -> AsyncGenerator[tuple[str, list[Delivery]], None]:
    """Yield the messages that a station holds now, each list with the name of its stream; at most ``limit`` messages.

    Raises as ``deliveries`` does, and is to be closed as that is.
    """
    left = limit
    for stream in await partitions(connection, station):
        if left == 0:
            return
        async with aclosing(deliveries(connection, stream.name, left)) as chunks:
            async for chunk in chunks:
                yield stream.name, chunk
                left = None if left is None else left - len(chunk)


async def follow(connection: Connection, stream: str, first: int = 1) -> AsyncGenerator[list[Delivery], None]:
    """Yield the messages of a partition from sequence ``first`` on, those to come too, in order, without end.

    Raises ServerError also if the stream was made anew meanwhile, and as ``deliveries`` does; to be closed as that is.
    """
    after, begun = first - 1, await _state(connection, stream)
    while True:
        state = await _state(connection, stream)
        if state.created != begun.created:
            raise ServerError(f"`{stream}` is another one: somebody made it anew while it was followed")
        if state.last <= after:
            await asyncio.sleep(_LOOKED)
            continue
        async with aclosing(deliveries(connection, stream, first=after + 1)) as chunks:
            async for chunk in chunks:
                yield chunk
                after = sequence(chunk[-1])
        after = max(after, state.last)  # the last ones may have been deleted


async def follow_station(connection: Connection, station: str) -> AsyncGenerator[tuple[str, list[Delivery]], None]:
    """Yield what ``follow`` does of each partition of a station, each list with the name of its stream, as they come.

    Raises as ``follow`` does, and is to be closed as that is.
    """
    arrived: asyncio.Queue[tuple[str, list[Delivery]]] = asyncio.Queue(1)

    async def carry(stream: str) -> None:
        async with aclosing(follow(connection, stream)) as chunks:
            async for chunk in chunks:
                await arrived.put((stream, chunk))

    following = [asyncio.create_task(carry(stream.name)) for stream in await partitions(connection, station)]
    try:
        while True:
            getting = asyncio.create_task(arrived.get())
            done, _ = await asyncio.wait([getting, *following], return_when=asyncio.FIRST_COMPLETED)
            if getting in done:
                yield getting.result()
                continue
            getting.cancel()
            for task in done:
                task.result()  # which raises: nothing else ends it
    finally:
        for task in following:
            task.cancel()
        await asyncio.gather(*following, return_exceptions=True)


async def _state(connection: Connection, stream: str) -> Stream:
    """Return a stream as it is, once the server answers. Raises ServerError if it does not, or the stream is gone."""
    loop = asyncio.get_running_loop()
    heard = loop.time()
    while True:
        try:
            state = await look(connection, stream)
        except LOST as error:
            if connection.is_closed or loop.time() - heard > _PATIENCE:
                raise ServerError(f"`{stream}`: reading failed: {str(error) or type(error).__name__}") from error
            await asyncio.sleep(_AGAIN)
            continue
        if state is None:
            raise ServerError(f"`{stream}` is gone: somebody deleted it while it was followed")
        return state


def requests(stream: str) -> list[tuple[str, ...]]:
    """Return what reading a partition asks of JetStream, as subjects of its API; of those in a tuple any will do."""
    name = secrets.token_hex(4)
    return [
        (f"CONSUMER.CREATE.{stream}.{name}", f"CONSUMER.CREATE.{stream}"),
        (f"CONSUMER.MSG.NEXT.{stream}.{name}",),
    ]


def sequence(delivery: Delivery) -> int:
    """Return the number that a message has in its stream."""
    return _sequences(delivery.reply)[0]


def stored_at(delivery: Delivery) -> int:
    """Return when a message was stored, by the server's clock: nanoseconds since 1970."""
    words = delivery.reply.split(b".")
    return int(words[-2] if len(words) == _PLAIN else words[9])


class _OneAPullError(Exception):
    """Each pull of many messages brought one."""


class _PassingError(Exception):
    """A pull was ended by a status that a new consumer may not meet."""


@dataclass(frozen=True)
class _Consumer:
    """A consumer of ours: messages that a pull may ask for, seconds that it may wait, and pulls that may wait."""

    name: str
    batch: int
    expires: float
    waiting: int


async def _pull(
    connection: Connection, stream: Stream, first: int, last: int, most: int, consumers: set[str], *, single: bool
) -> AsyncGenerator[tuple[int, list[Delivery]], None]:
    """Yield (sequence reached, messages) from ``first`` on until ``last``, a loss, or the end of a pull.

    No more than ``most`` messages are asked for, by ``single`` pulls one each. A pull that ends unfilled says that the
    consumer is gone or has nothing more for us. Raises ApiError with what the server says, if that is a refusal, and
    _OneAPullError where pulls of more should be single.
    """
    if first > last:
        return
    losses = connection.losses
    arrived: asyncio.Queue[list[Delivery]] = asyncio.Queue()
    inbox = connection.new_inbox()
    tap = await connection.tap(inbox, arrived.put_nowait)
    try:
        await _delete(connection, stream.name, consumers)  # there may be room for one alone
        consumer = await _create(connection, stream, first, consumers)
        consumer = replace(consumer, batch=1) if single else consumer
        pull = f"{connection.api_prefix}.CONSUMER.MSG.NEXT.{stream.name}.{consumer.name}"
        ahead = min(2 * _PULL, consumer.batch * consumer.waiting)
        asked = pulls = received = waited = 0
        ended = False
        while not ended and connection.losses == losses and waited < _QUIET:
            while asked < most and asked + consumer.batch - received <= ahead:
                batch = min(consumer.batch, most - asked)
                request = b'{"batch":%d,"expires":%d}' % (batch, int(consumer.expires * 1e9))
                await connection.publish(pull, request, reply=inbox)
                asked, pulls = asked + batch, pulls + 1
            try:
                # Not wait_for: before Python 3.12 it swallows being cancelled where a chunk comes at that moment.
                async with asyncio.timeout(1.0):
                    chunk = await arrived.get()
            except TimeoutError:
                waited += 1
                if denied := connection.denial(pull) or connection.deaf:
                    raise ApiError(DENIED, denied) from None
                if received == pulls < asked:
                    raise _OneAPullError from None
                continue
            messages = [d for d in chunk if d.reply.startswith(_DELIVERED)]
            if messages:
                received += len(messages)
                reached, pending = _sequences(messages[-1].reply)
                ended = reached >= last or pending == 0
                yield last if pending == 0 else reached, messages
                waited = 0
            if len(messages) < len(chunk) and not ended:
                _raise_refusal([d for d in chunk if not d.reply.startswith(_DELIVERED)])
                ended = True
    finally:
        await connection.untap(tap)


def _raise_refusal(statuses: list[Delivery]) -> None:
    """Raise what ended a pull: ApiError for a refusal, _PassingError for what another consumer may not meet.

    A pull whose time is over, or that there was nothing for, is none.
    """
    for status in statuses:
        code, _, text = status.headers.partition(b"\r\n")[0].decode(errors="replace").partition(" ")[2].partition(" ")
        if code in _OVER:
            continue
        if code == "503" or text.lower() in _PASSES:
            raise _PassingError(text or "no consumer answers there (503)")
        raise ApiError(int(code) if code.isdigit() else 0, text or "a pull was refused")


async def _create(connection: Connection, stream: Stream, first: int, consumers: set[str]) -> _Consumer:
    """Create a consumer that asks for no more than the stream allows, and note its name before it may be there."""
    name = secrets.token_hex(4)  # as long as the server's own; it comes with each message
    idle = min(_FORGOTTEN, stream.consumers_idle) if stream.consumers_idle else _FORGOTTEN
    config = {
        "name": name,
        "deliver_policy": "by_start_sequence",
        "opt_start_seq": first,
        "ack_policy": "none",
        "replay_policy": "instant",
        "inactive_threshold": int(idle * 1e9),
        "mem_storage": True,
        "num_replicas": 1,
    }
    request = {"stream_name": stream.name, "config": config}
    consumers.add(name)
    try:
        answer = await connection.api(f"CONSUMER.CREATE.{stream.name}.{name}", request)
    except ApiError as error:
        consumers.discard(name)
        if error.code == codes.TOO_MANY_CONSUMERS:
            raise ApiError(error.code, f"{error.description}{_PLACE.format(stream.name)}") from error
        if error.code not in _UNNAMED:
            raise
        del config["name"]
        answer = await connection.api(f"CONSUMER.CREATE.{stream.name}", request)
        consumers.add(str(answer["name"]))
    made = answer["config"]
    return _Consumer(
        name=str(answer["name"]),
        batch=min(_PULL, made.get("max_batch") or _PULL),
        expires=min(_EXPIRES, made.get("max_expires", 0) / 1e9 or _EXPIRES),
        waiting=made.get("max_waiting") or _WAITING,
    )


async def _delete(connection: Connection, stream: str, consumers: set[str]) -> None:
    """Delete what is still there of ``consumers``; where that fails, the server forgets them by itself."""
    while consumers and connection.is_connected:
        with contextlib.suppress(ApiError, *LOST):
            await connection.api(f"CONSUMER.DELETE.{stream}.{consumers.pop()}", patience=_DELETED)


def _sequences(reply: bytes) -> tuple[int, int]:
    """Return (stream sequence, messages still pending) of a delivery's acknowledgement subject.

    ``$JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<time>.<pending>``, or with a domain
    and an account before the stream and a token after.
    """
    words = reply.split(b".")
    at = 5 if len(words) == _PLAIN else 7
    return int(words[at]), int(words[at + 3])
