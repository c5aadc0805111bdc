"""A producer: one connection's ordered writer into one partition, rate-limited and non-blocking.

Every message says which sequence it expects to follow, so the server stores each once and in order or not at
all. When anything goes wrong (a refusal, an overdue ack, a lost connection) the producer stops, lets what is
in flight settle, asks the stream where it stands, and goes on from there.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import msgspec
import nats.errors
import pyarrow as pa

from zakar.broker import station
from zakar.broker.connection import ApiError, Connection, Delivery
from zakar.errors import StoppedError
from zakar.loader import frames
from zakar.loader.window import Window

WRONG_LAST_SEQUENCE = 10071
# The server asks for patience: a leader being elected, a queue that is full, a timeout inside a cluster.
_PASSING = {0, 10008, 10009, 10167, 10169, WRONG_LAST_SEQUENCE}
_FULL = {10047, 10077, 10023, 10122, 10074}  # storage, max_bytes, resources, in their several forms
_WRITE = 1_024  # messages given to the socket at once
_QUIET = 0.25  # a stream that has not grown for so long has taken what was under way
_OTHER_WRITERS = 3  # refusals with another's messages in our place, until we stop

Payloads = Callable[[int], Iterator[pa.Array]]


@dataclass(frozen=True)
class Pace:
    """How a producer sends: messages in flight at most, seconds until an ack is overdue, and patience."""

    in_flight: int = 4_000
    ack_timeout: float = 15.0
    give_up_after: float = 300.0


@dataclass
class Tally:
    """What a producer did so far. ``stored`` is the length of the stream as last known."""

    stored: int
    sent: int = 0
    acknowledged: int = 0
    timeouts: int = 0
    retries: int = 0
    in_flight: int = 0


class _Attempt:
    """One uninterrupted run of sending: its window, and what the server answered to it."""

    def __init__(self, connection: Connection, pace: Pace, start: int) -> None:
        self.reply = connection.new_inbox()
        self.window = Window(pace.in_flight, pace.ack_timeout, start)
        self.start = start
        self.answers = 0
        self.refusal: tuple[int, str] | None = None
        self.woken = asyncio.Event()
        self._connection = connection
        self._losses = connection.losses

    @property
    def connected(self) -> bool:
        """Whether the connection is the one that the attempt began with, and may still publish."""
        connection = self._connection
        return connection.is_connected and connection.losses == self._losses and not connection.denied

    @property
    def answered(self) -> bool:
        """Whether the server has answered every message of the attempt."""
        return self.answers >= self.window.sent - self.start

    def on_answers(self, chunk: list[Delivery]) -> None:
        """Take acks as they come; they are cumulative, so the last good one says it all."""
        self.answers += len(chunk)
        last = None
        for delivery in chunk:
            if delivery.headers or b'"error"' in delivery.payload:
                self.refusal = self.refusal or _refusal(delivery)
            else:
                last = delivery.payload
        if last is not None:
            self.window.ack(_sequence(last))
        self.woken.set()

    async def wait(self, until: float) -> None:
        """Wait for the next answers or a change of the connection, until loop time ``until`` at most."""
        self.woken.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                await self.woken.wait()


async def produce(
    connection: Connection,
    stream: str,
    payloads: Payloads,
    tally: Tally,
    total: int,
    pace: Pace,
    stop: asyncio.Event,
    progress: Callable[[], None],
) -> None:
    """Send messages ``tally.stored`` to ``total - 1`` into a stream that holds those before.

    ``payloads(n)`` yields the wire objects from message n on, in arrays. Ends when all are stored, or, once
    ``stop`` is set, when what is in flight has been answered. ``tally`` is kept up to date; ``progress`` is
    called when it has changed.

    Raises StoppedError if the stream is full, refuses, has another writer, or no progress is made for
    ``give_up_after`` seconds; running again goes on from what is stored.
    """
    loop = asyncio.get_running_loop()
    patience = loop.time() + pace.give_up_after
    highest, others = tally.stored, 0
    while tally.stored < total and not stop.is_set():
        attempt = _Attempt(connection, pace, tally.stored)
        window = attempt.window
        await _attempt(connection, attempt, stream, payloads, total, stop, tally, progress)
        highest = max(highest, window.sent)
        if connection.denied:
            raise StoppedError(f"`{stream}`: the server denies this user: {connection.denied}; give it the right")
        if window.in_flight == 0 and attempt.refusal is None and window.acked > attempt.start:
            patience = loop.time() + pace.give_up_after
            continue
        if attempt.refusal and attempt.refusal[0] not in _PASSING:
            raise StoppedError(_refused(stream, attempt.refusal, tally.stored))

        stored = await _settled(connection, stream, attempt, stop, patience)
        tally.retries += max(0, window.sent - stored)
        tally.acknowledged += max(0, min(stored, window.sent) - window.acked)
        if stored > attempt.start:
            patience = loop.time() + pace.give_up_after
        if stored > highest:
            others += 1
            highest = stored
        if others >= _OTHER_WRITERS:
            raise StoppedError(
                f"`{stream}`: another loader is writing into it; let it finish, or stop it and run this again"
            )
        if loop.time() > patience:
            raise StoppedError(_gave_up(stream, attempt.refusal))
        tally.stored = stored
        progress()


async def _attempt(
    connection: Connection,
    attempt: _Attempt,
    stream: str,
    payloads: Payloads,
    total: int,
    stop: asyncio.Event,
    tally: Tally,
    progress: Callable[[], None],
) -> None:
    """Send until all is sent, ``stop`` is set or something goes wrong; then wait for the answers."""
    window, loop = attempt.window, asyncio.get_running_loop()

    def note() -> None:
        tally.acknowledged += window.acked - tally.stored
        tally.stored, tally.in_flight = window.acked, window.in_flight
        progress()

    connection.watchers.add(attempt.woken)
    tap = None
    try:
        tap = await connection.tap(attempt.reply, attempt.on_answers)
        for batch in payloads(attempt.start):
            block = frames.build(batch, window.sent, station.subject(stream), attempt.reply)
            if block.largest > connection.max_payload:
                raise StoppedError(
                    f"`{stream}`: after {window.sent:,} messages comes one of {block.largest:,} bytes with headers; "
                    f"the server takes {connection.max_payload:,}: raise its max_payload and run this again"
                )
            at = 0
            while at < len(block) and not stop.is_set() and await _room(attempt):
                number = min(window.room, len(block) - at, _WRITE)
                window.send(number, loop.time())
                tally.sent += number
                await connection.send(block.cut(at, at + number))
                at += number
                note()
            if at < len(block) or window.sent >= total:
                break
        await _answered(attempt)
    except (OSError, nats.errors.Error):
        return  # the connection is lost; what became of the rest, the stream will tell
    finally:
        if window.in_flight and attempt.connected and attempt.refusal is None:
            tally.timeouts += window.in_flight
        note()
        tally.in_flight = 0
        connection.watchers.discard(attempt.woken)
        if tap is not None:
            await connection.untap(tap)


async def _room(attempt: _Attempt) -> bool:
    """Wait until the window has room; return False if something went wrong instead."""
    window, loop = attempt.window, asyncio.get_running_loop()
    await asyncio.sleep(0)  # acks must not wait behind a fast sender
    while attempt.connected and attempt.refusal is None:
        if window.deadline is not None and loop.time() >= window.deadline:
            return False
        if window.room:
            return True
        await attempt.wait(window.deadline or loop.time())
    return False


async def _answered(attempt: _Attempt) -> None:
    """Wait until every message is answered, or no answer has come for the length of an ack deadline."""
    window, loop = attempt.window, asyncio.get_running_loop()
    while window.in_flight and attempt.connected and not attempt.answered:
        answers = attempt.answers
        await attempt.wait(loop.time() + window.ack_timeout)
        if attempt.answers == answers:
            return


async def _settled(connection: Connection, stream: str, attempt: _Attempt, stop: asyncio.Event, patience: float) -> int:
    """Return the length of the stream once it has stopped growing, reconnected if need be.

    Raises StoppedError if it cannot be told within ``patience``, or the stream is no longer what it was.
    """
    loop = asyncio.get_running_loop()
    stored = -1
    while True:
        try:
            found = await station.look(connection, stream) if connection.is_connected else None
            if found is not None and not found.unbroken:
                raise StoppedError(
                    f"`{stream}` has lost messages while it was being filled: {found.messages:,} are left of "
                    f"{found.last:,}; find out who purges it, then load with --recreate"
                )
            if found is not None and found.last == stored:
                return stored
            stored = found.last if found is not None else -1
            if connection.is_connected and found is None:
                raise StoppedError(f"`{stream}` is gone: somebody deleted it; run this again to start over")
        except ApiError as error:
            if error.code not in _PASSING:
                raise StoppedError(_refused(stream, (error.code, error.description), attempt.window.acked)) from error
        except (OSError, nats.errors.Error):
            pass  # not connected again yet, or no answer in time: ask again
        if stop.is_set() or connection.is_closed or loop.time() > patience:
            raise StoppedError(_gave_up(stream, attempt.refusal))
        await asyncio.sleep(_QUIET)


def _sequence(ack: bytes) -> int:
    """Return the stream sequence of a positive PubAck, without parsing all of it."""
    at = ack.index(b'"seq":') + 6
    end = at
    while ack[end : end + 1].isdigit() or ack[end : end + 1] == b" ":
        end += 1
    return int(ack[at:end])


def _refusal(delivery: Delivery) -> tuple[int, str]:
    """Return (err_code, description) of a refusal; code 0 where no stream listens."""
    if delivery.headers:
        return 0, "no stream listens on this subject"
    error = msgspec.json.decode(delivery.payload)["error"]
    return error.get("err_code", 0), error.get("description", "")


def _refused(stream: str, refusal: tuple[int, str], stored: int) -> str:
    code, description = refusal
    if code in _FULL:
        return (
            f"`{stream}` is full after {stored:,} messages ({description}); "
            "give the account or the stream more storage and run this again: it goes on from there"
        )
    return f"`{stream}`: the server refuses: {description} ({code})"


def _gave_up(stream: str, refusal: tuple[int, str] | None) -> str:
    why = f"the server says: {refusal[1]}" if refusal else "the server does not answer"
    return f"`{stream}`: no progress for too long ({why}); run this again: it goes on from what is stored"
