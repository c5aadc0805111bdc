"""A producer: one connection's ordered writer into one partition, rate-limited and non-blocking.

Every message says which sequence it expects to follow, so the server stores each once and in order or not at
all. When anything goes wrong (a refusal, an overdue ack, a lost connection) the producer stops, lets what is
in flight settle, asks the stream where it stands, and goes on from there.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, replace

import pyarrow as pa

from zakar.broker import codes, reader, station
from zakar.broker.connection import LOST, ApiError, Connection, Delivery
from zakar.broker.hearing import Hearer
from zakar.errors import ServerError, StoppedError
from zakar.loader.dialect import TWICE, AckEach, Dialect, FastBatch, Place, Refusal, Stranger
from zakar.loader.estimate import Estimate
from zakar.loader.frames import Frames
from zakar.loader.options import PublishOptions
from zakar.loader.overheard import fix, overheard
from zakar.loader.schedule import Schedule
from zakar.loader.window import FLOW_MOST, AutoWindow, Window

_WRITE = 1_024  # messages given to the socket at once
_PINGS = 3  # times that a lost ack is asked for within an ack deadline
_ACKS = 4  # in the length of an ack deadline, at a rate that is kept
_LOOK = 10.0  # seconds for the server to say where a stream stands
_QUIET = 0.25  # a stream that has not grown for so long has taken what was under way
_LAST_WORDS = 1.0  # seconds for the other answers, once another stream has answered
_OTHER_WRITERS = 3  # times that another's messages, equal to ours, took their places, until we stop

_OTHER = "another loader is writing into it; let it finish, or stop it and run this again"

Payloads = Callable[[int], Iterator[pa.Array]]


@dataclass
class ProducerStats:
    """What a producer did so far.

    ``stored`` is the length of the stream as last known; what is ``in_flight`` beyond it may be stored or not.
    ``recovered`` counts messages that were stored meanwhile and not sent by us, such as late frames of a killed loader.
    """

    stored: int
    sent: int = 0
    acknowledged: int = 0
    recovered: int = 0
    timeouts: int = 0
    retries: int = 0
    in_flight: int = 0
    limit: int = 0  # messages in flight at most, as of late


@dataclass(frozen=True)
class Job:
    """One stream to fill, and how.

    ``payloads(n)`` yields the wire objects from message n on, in arrays; there are ``total`` of them. ``batch``
    asks for fast ingest, which is safe only while no one else writes: ``owner`` is the mark that this loader left
    in the stream's metadata when it fenced others off, or found there where it may not leave one, and up to message
    ``guarded_until`` each asks for its own ack, since others may still come. What the stream holds after message
    ``verified_upto`` is still to be compared with the table. ``estimate`` is what is known of the link, ``schedule``
    when messages are due, if they must keep to a rate; jobs of one connection share both. Once ``stop`` is set, nothing
    more is sent. ``extra_headers``: header lines of each message. ``fresh`` says that the stream was made for this job,
    so that nobody else can have begun to fill it. Of later days it holds ``beyond`` messages besides.
    ``closed`` says that its fast ingest is off, up to message ``guarded_until``.
    ``domain``: JetStream's, which acks of ours carry; with None, any stream's acks are taken.
    """

    connection: Connection
    stream: str
    payloads: Payloads
    total: int
    pace: PublishOptions
    estimate: Estimate
    schedule: Schedule | None
    stop: asyncio.Event
    batch: bool = False
    owner: str | None = None
    guarded_until: int = 0
    verified_upto: int = 0
    extra_headers: str = ""
    fresh: bool = False
    beyond: int = 0
    closed: bool = False
    domain: str | None = None


class _Attempt:
    """One uninterrupted run of sending, up to message ``end``: its window, and what the server answered to it.

    If it ``expects`` nothing, its batch begins without the header that would be seen in the station's first message.
    """

    def __init__(self, job: Job, start: int, *, expects: bool = True) -> None:
        subject, inbox = station.subject(job.stream), job.connection.short_inbox()
        pace = job.pace
        # So many that the next ack comes long before a deadline; a ping only repeats the last one.
        flow = FLOW_MOST if pace.rate is None else max(1, min(FLOW_MOST, int(pace.rate * pace.ack_timeout / _ACKS)))
        if pace.in_flight is None:
            self.window: Window = AutoWindow(job.estimate, pace.ack_timeout, start, flow)
        else:
            self.window = Window(pace.in_flight, pace.ack_timeout, start, flow)
        batch = job.batch and start >= job.guarded_until
        place = None if job.domain is None else Place(job.stream, job.domain)
        self.dialect: Dialect = AckEach(subject, inbox, job.extra_headers, place)
        if batch:
            rows, flow = range(start, job.total), self.window.flow
            self.dialect = FastBatch(subject, inbox, rows, flow, job.extra_headers, expects=expects, place=place)
        self.start = start
        self.end = min(job.guarded_until, job.total) if job.batch and not batch else job.total
        self.answered = 0  # messages
        self.ended = False
        self.overdue = 0  # messages whose ack deadline passed
        self.refusal: Refusal | None = None
        self.strangers: list[Stranger] = []
        self.woken = asyncio.Event()
        self._expects = expects
        self._connection = job.connection
        self._losses = job.connection.losses
        self._loop = asyncio.get_running_loop()
        self._heard = start  # the last ack when an answer was last asked for or came,
        self._asked = self._loop.time()  # and when that was

    @property
    def connected(self) -> bool:
        """Whether the connection is the one that the attempt began with, and may still publish."""
        connection = self._connection
        return connection.is_connected and connection.losses == self._losses and not connection.denied

    def may_begin(self, stored: int) -> bool:
        """Whether its first message may still come and be stored wherever that is, given how many are stored."""
        return stored == 0 and not self._expects

    @property
    def settled(self) -> bool:
        """Whether the server has said all that it will say."""
        return self.ended or self.answered >= self.window.sent - self.start

    def on_answers(self, chunk: list[Delivery]) -> None:
        """Take answers as they come."""
        answer = self.dialect.take(chunk)
        self.answered += answer.messages
        self.ended = self.ended or answer.ended
        self.refusal = self.refusal or answer.refusal
        self.strangers += answer.strangers
        if answer.acked is not None:
            self.window.ack(answer.acked, self._loop.time())
        # Whoever waits for room need not wake for an ack that makes none.
        if self.window.room or self.settled or self.refusal or self.strangers or not self.window.in_flight:
            self.woken.set()

    def silent(self, now: float) -> bool:
        """Whether what is in flight has gone without an ack for so long that it is time to ask for one."""
        if self.window.acked > self._heard or not self.window.in_flight:
            self._heard, self._asked = self.window.acked, now
        if now - self._asked < self.window.ack_timeout / _PINGS:
            return False
        self._asked = now
        return True

    async def wait(self, until: float) -> None:
        """Wait for the next answers or a change of the connection, until loop time ``until`` at most."""
        self.woken.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                await self.woken.wait()


async def produce(job: Job, tally: ProducerStats, progress: Callable[[], None]) -> None:
    """Send messages ``tally.stored`` to ``job.total - 1`` into a stream that holds those before.

    Ends when all are stored, or, once ``job.stop`` is set, when what is in flight has been answered. ``tally`` is
    kept up to date; ``progress`` is called when it has changed.

    Raises StoppedError if the stream is full, refuses, has another writer, or no progress is made for
    ``give_up_after`` seconds, ServerError if the server ends the connection for good; running again goes on from what
    is stored.
    """
    loop, pace = asyncio.get_running_loop(), job.pace
    patience = loop.time() + pace.give_up_after
    highest, others = tally.stored, 0
    verified = min(job.verified_upto, tally.stored)  # up to here the stream is known to hold the table's rows
    if not job.stop.is_set():
        await _compare(job, verified, tally.stored)
        verified = tally.stored
    fresh = job.fresh and tally.stored == 0
    while tally.stored < job.total and not job.stop.is_set():
        attempt, fresh = _Attempt(job, tally.stored, expects=not fresh), False
        window = attempt.window
        await _attempt(job, attempt, tally, progress)
        highest = max(highest, window.sent)
        _check_answers(job, attempt, tally)
        if window.acked > attempt.start:
            patience = loop.time() + pace.give_up_after
            if window.in_flight == 0 and attempt.refusal is None:
                continue
        # In a batch another's message would shift all that follow, so its last acknowledged one tells.
        stored = await _settled(job, attempt, patience)
        await _check_alone(job)
        job = replace(job, batch=job.batch and not attempt.may_begin(stored))
        verified = max(verified, min(window.acked, stored) - job.batch)
        await _compare(job, verified, stored)
        verified = stored
        tally.retries += max(0, window.sent - stored)
        # Less than was acknowledged, where a broker's leader was killed: those acks came to nothing.
        tally.acknowledged += min(stored, window.sent) - window.acked
        tally.recovered += max(0, stored - window.sent)
        if stored > attempt.start:
            patience = loop.time() + pace.give_up_after
        else:
            await _check_storing(job, stored)
        if stored > highest:
            others += 1
            highest = stored
        if others >= _OTHER_WRITERS:
            raise StoppedError(f"`{job.stream}`: {_OTHER}")
        if loop.time() > patience:
            raise StoppedError(_gave_up(job, attempt, patience, stored))
        tally.stored, tally.in_flight = stored, 0
        progress()
    if tally.stored >= job.total:
        await _final(job, patience)


async def _attempt(job: Job, attempt: _Attempt, tally: ProducerStats, progress: Callable[[], None]) -> None:
    """Send until all is sent, ``stop`` is set or something goes wrong; then wait for the answers."""
    connection, dialect, window = job.connection, attempt.dialect, attempt.window
    loop = asyncio.get_running_loop()

    def note() -> None:
        tally.acknowledged += window.acked - tally.stored
        tally.stored, tally.in_flight, tally.limit = window.acked, window.in_flight, window.limit
        progress()

    connection.watchers.add(attempt.woken)
    tap = None
    ahead = _ahead(_blocks(job, attempt))
    try:
        if job.closed and dialect.flow:
            with contextlib.suppress(ApiError):  # the batch is refused then, which is told
                await station.fence(connection, job.stream, {})
        tap = await connection.tap(dialect.inbox, attempt.on_answers)
        async for block in ahead:
            if block.largest > connection.max_payload:
                raise StoppedError(_too_large(job.stream, window.sent, block.largest, connection.max_payload))
            at = 0
            while at < len(block) and (room := await _room(job, attempt)):
                number = min(room, len(block) - at, _WRITE)
                window.send(number, loop.time())
                if job.schedule is not None:
                    job.schedule.send(number)
                tally.sent += number
                async with asyncio.timeout(window.ack_timeout):  # a stalled link would hold us for ever
                    await connection.send(block.cut(at, at + number))
                at += number
                note()
            if at < len(block) or window.sent >= attempt.end:
                break
        if not attempt.settled:
            await connection.send(memoryview(dialect.finish(window.sent)))
        await _answered(connection, attempt)
    except LOST:
        return  # the connection is lost; what became of the rest, the stream will tell
    finally:
        if attempt.connected and not attempt.settled and attempt.refusal is None:
            attempt.overdue = max(attempt.overdue, window.in_flight)
        tally.timeouts += attempt.overdue
        note()
        await ahead.aclose()
        connection.watchers.discard(attempt.woken)
        if tap is not None:
            await connection.untap(tap)
        note()  # with what came meanwhile


def _blocks(job: Job, attempt: _Attempt) -> Iterator[Frames]:
    """Frame the attempt's messages, array by array."""
    after = attempt.start
    for payloads in job.payloads(after):
        due = payloads[: attempt.end - after]
        yield attempt.dialect.build(due, after)
        after += len(due)
        if after == attempt.end:
            return


async def _ahead(blocks: Iterator[Frames]) -> AsyncGenerator[Frames, None]:
    """Yield blocks, the next one being made in a thread while one is sent."""
    coming = asyncio.ensure_future(asyncio.to_thread(next, blocks, None))
    try:
        while (block := await coming) is not None:
            coming = asyncio.ensure_future(asyncio.to_thread(next, blocks, None))
            yield block
    finally:
        await asyncio.wait([coming])  # nothing must go on reading files behind our back
        if not coming.cancelled():
            coming.exception()  # of a block that nobody waits for any more


async def _room(job: Job, attempt: _Attempt) -> int:
    """Wait until messages may be sent and return how many.

    Returns 0 if instead something went wrong, the batch suits the window no more, or we are told to stop.
    """
    connection, window, dialect, loop = job.connection, attempt.window, attempt.dialect, asyncio.get_running_loop()
    await asyncio.sleep(0)  # acks must not wait behind a fast sender
    stop = job.stop
    while attempt.connected and not (attempt.refusal or attempt.strangers or attempt.ended or stop.is_set()):
        now = loop.time()
        if window.deadline is not None and now >= window.deadline:
            attempt.overdue = window.in_flight
            return 0
        if dialect.flow and not window.suits(dialect.flow):
            return 0
        room, until = window.room, now + min(1.0, window.ack_timeout / _PINGS)  # acks wake us; this is for a stop
        if room and job.schedule is not None:
            room, until = min(room, job.schedule.due(now)), min(until, job.schedule.again)
        if attempt.silent(now):
            await connection.send(memoryview(dialect.ping(window.sent)))
        if room:
            return room
        await attempt.wait(min(window.deadline or until, until))
    return 0


async def _answered(connection: Connection, attempt: _Attempt) -> None:
    """Wait until every message is answered, or no answer has come for the length of an ack deadline."""
    window, loop = attempt.window, asyncio.get_running_loop()
    acked, heard = window.acked, loop.time()
    while window.in_flight and attempt.connected and not attempt.settled:
        await attempt.wait(loop.time() + min(_LAST_WORDS, window.ack_timeout / _PINGS))
        now = loop.time()
        if window.acked > acked:
            acked, heard = window.acked, now
        elif now - heard >= (_LAST_WORDS if attempt.strangers else window.ack_timeout):
            return
        if attempt.silent(now):
            await connection.send(memoryview(attempt.dialect.ping(window.sent)))


async def _settled(job: Job, attempt: _Attempt, patience: float) -> int:
    """Return the length of the stream once it has stopped growing, reconnected if need be.

    Frames of a batch that a lost connection left behind could still be stored after that, so a batch's stream is
    fenced again; one in which a batch may still begin is left without fast ingest. Raises StoppedError if it cannot be
    told within ``patience``, or the stream is no longer ours.
    """
    connection, stream, loop = job.connection, job.stream, asyncio.get_running_loop()
    stored = -1
    while True:
        connection.check()
        try:
            left = min(_LOOK, max(1.0, patience - loop.time()))
            state = await station.look(connection, stream, left) if connection.is_connected else None
            if state is not None and not state.unbroken:
                raise StoppedError(
                    f"`{stream}` has lost messages while it was being filled: {state.messages:,} are left of "
                    f"{state.last:,}; find out who purges it, then load with --recreate"
                )
            if state is not None and job.owner and state.metadata.get(station.OWNER) != job.owner:
                raise StoppedError(f"`{stream}`: {_OTHER}")
            if state is not None and state.last == stored:
                if not job.batch:
                    return stored
                reopened = not attempt.may_begin(stored) and not (job.closed and stored < job.guarded_until)
                return (await station.fence(connection, stream, {}, reopened=reopened)).last
            stored = state.last if state is not None else -1
            if connection.is_connected and state is None:
                raise StoppedError(f"`{stream}` is gone: somebody deleted it; run this again to start over")
        except ApiError as error:
            if error.code not in codes.PASSING:
                raise StoppedError(refused(stream, (error.code, error.description), attempt.window.acked)) from error
        except LOST:
            pass  # not connected again yet, or no answer in time: ask again
        if job.stop.is_set() or connection.is_closed or loop.time() > patience:
            raise StoppedError(_gave_up(job, attempt, patience, stored if stored == attempt.start else None))
        await asyncio.sleep(_QUIET)


def _check_answers(job: Job, attempt: _Attempt, tally: ProducerStats) -> None:
    """Raise what another attempt would not mend.

    ServerError if the server ended the connection for good; StoppedError if it denies this user something, if another
    stream answered, or if ours refuses for good.
    """
    connection = job.connection
    connection.check()
    if connection.denied:
        if not connection.deaf:
            tally.in_flight = 0  # none of it is stored
        denied = connection.deaf or f"{'; '.join(connection.denials)}; give it the right"
        raise StoppedError(f"`{job.stream}`: the server denies this user: {denied}")
    if attempt.strangers:
        raise StoppedError(_elsewhere(job, attempt))
    if attempt.refusal and attempt.refusal[0] not in codes.PASSING:
        tally.in_flight = 0  # what follows a message that is refused is refused too
        raise StoppedError(refused(job.stream, attempt.refusal, tally.stored))


async def _check_storing(job: Job, stored: int) -> None:
    """Raise StoppedError if the server cannot store anything, given that of the last attempt it stored nothing.

    A server whose disk is full may leave messages without an answer (nats-server 2.15.1 does), so that those behind
    them are refused for their order alone. It says what is wrong when it is to write what the stream says of itself.
    """
    if job.owner is None or not job.connection.is_connected:
        return
    try:
        await station.adopt(job.connection, job.stream, {station.OWNER: job.owner})
    except ApiError as error:
        if error.code in codes.FULL:
            raise StoppedError(refused(job.stream, (error.code, error.description), stored)) from error
    except LOST:
        pass  # the next attempt shows what became of the connection


async def _check_alone(job: Job) -> None:
    """Make sure, after trouble, that nothing else has begun to hear what is sent: a refusal may be another stream's.

    Raises StoppedError if anything has. Where a lost connection keeps it from being told, the acks of the next attempt
    still tell.
    """
    if job.domain is None:
        return
    with contextlib.suppress(ApiError, *LOST):
        state = await station.look(job.connection, job.stream)
        if sentences := await overheard(job.connection, {job.stream: state}, job.domain):
            raise StoppedError(f"nothing more was sent: {'; '.join(sentences.values())}; then run this again")


async def _compare(job: Job, after: int, last: int) -> None:
    """Hold what a stream stored after sequence ``after``, to ``last``, against the table's rows.

    After trouble this is what tells late frames of ours from another's messages. Raises StoppedError if it
    differs or cannot be read.
    """
    if last > job.total:
        raise StoppedError(_foreign(job.stream, job.total + 1))
    if last <= after:
        return
    rows = job.payloads(after)
    head = pa.array([], pa.binary())
    try:
        async with aclosing(reader.read(job.connection, job.stream, last - after, after + 1)) as chunks:
            async for chunk in chunks:
                stored = pa.array(chunk, pa.binary())
                while len(stored):
                    head = head if len(head) else next(rows)
                    size = min(len(head), len(stored))
                    if not head[:size].equals(stored[:size]):
                        raise StoppedError(_foreign(job.stream, after + 1))
                    head, stored, after = head[size:], stored[size:], after + size
    except (ApiError, ServerError) as error:
        job.connection.check()
        raise StoppedError(f"`{job.stream}`: cannot be read back ({error}); run this again") from error


async def _final(job: Job, patience: float) -> None:
    """Make sure, now that all is sent, that the stream holds all of it and nothing else.

    Raises StoppedError if it does not.
    """
    loop = asyncio.get_running_loop()
    while True:
        try:
            state = await station.look(job.connection, job.stream)
            break
        except (ApiError, *LOST) as error:
            if loop.time() > patience or job.stop.is_set() or job.connection.is_closed:
                raise StoppedError(f"`{job.stream}`: the server does not say what it holds ({error})") from error
            await asyncio.sleep(_QUIET)
    if state is None or not state.unbroken or state.last != job.total + job.beyond:
        holds = "nothing" if state is None else f"{state.messages:,} messages, the last with number {state.last:,}"
        raise StoppedError(
            f"`{job.stream}` should hold {job.total + job.beyond:,} messages and holds {holds}: somebody else wrote, "
            "purged or deleted; find out who, then load with --recreate"
        )


def _elsewhere(job: Job, attempt: _Attempt) -> str:
    """Say which stream has answered in place of ours or beside it, what it stored, and how to undo that."""
    place = attempt.strangers[0].place
    theirs = [stranger for stranger in attempt.strangers if stranger.place == place]
    numbers = [stranger.sequence for stranger in theirs if stranger.sequence is not None]
    hearer = Hearer(place.stream, place.domain, answer="" if place.stream else theirs[0].said)
    did = f"and stores none of it ({theirs[0].said})"
    if theirs[0].said == TWICE:
        did = "of which there are two"
    elif numbers:
        did = (
            f"which stored {len(numbers):,} messages or more, the first with its number {numbers[0]:,}: see that with "
            f"`nats stream view`, and remove them with `nats stream rmm {place.stream} NUMBER`"
        )
    return (
        f"`{job.stream}`: what is sent to it is also answered by {hearer}, {did}; nothing more is sent. "
        f"Up to {attempt.window.in_flight:,} messages may still be stored there. {fix(job.stream, hearer)}; then run "
        f"this again: it goes on from what `{job.stream}` holds"
    )


def _foreign(stream: str, sequence: int) -> str:
    return (
        f"`{stream}`: message {sequence:,} or one soon after is not the table's: somebody else writes into it; "
        "find out who, then load with --recreate"
    )


def _too_large(stream: str, after: int, largest: int, limit: int) -> str:
    return (
        f"`{stream}`: after {after:,} messages comes one of {largest:,} bytes with headers; "
        f"the server takes {limit:,}: raise its max_payload and run this again"
    )


def refused(stream: str, refusal: tuple[int, str], stored: int) -> str:
    """Say why a stream takes no more, and what to do."""
    code, description = refusal
    if code == codes.CANNOT_STORE:
        return (
            f"`{stream}`: after {stored:,} messages the server cannot store any more ({description}); "
            "see to its disk and run this again: it goes on from there"
        )
    if code in codes.FULL:
        return (
            f"`{stream}` is full after {stored:,} messages ({description}); "
            "give the account or the stream more storage and run this again: it goes on from there"
        )
    return f"`{stream}`: the server refuses: {description} ({code})"


def _gave_up(job: Job, attempt: _Attempt, patience: float, stored: int | None = None) -> str:
    """Say that there was no progress until ``patience`` ended, and why; what the server said meanwhile goes first.

    ``stored`` is the length of the stream, None where the server does not tell it.
    """
    connection = job.connection
    why = connection.said(min(patience - job.pace.give_up_after, connection.began)) or connection.obstacle
    if not why and attempt.refusal and attempt.refusal[0] != codes.WRONG_LAST_SEQUENCE:
        why = f"the server says: {attempt.refusal[1]}"
    if not why and stored is not None:  # that those behind a message come in the wrong order follows from that
        why = f"the server answers, but neither stores nor refuses message {stored + 1:,}: see its log and its disk"
    why = why or "the server does not answer"
    return f"`{job.stream}`: no progress for too long ({why}); run this again: it goes on from what is stored"
