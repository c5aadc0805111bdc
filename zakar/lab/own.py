"""zakar's own producer at work in the lab, and one with a sliding window. Each function runs in a process apart."""

import asyncio
import contextlib
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from zakar.broker import station
from zakar.broker.access import Access
from zakar.broker.connection import Connection, Delivery, Tap, connected
from zakar.errors import StoppedError
from zakar.lab.sent import Sent, Trace, spread, warming
from zakar.loader.dialect import AckEach, Refusal
from zakar.loader.estimate import Estimate
from zakar.loader.options import PublishOptions
from zakar.loader.producer import Job, Payloads, ProducerStats
from zakar.loader.producer import produce as fill
from zakar.loader.window import Window

_BLOCK = 8_192  # messages framed at once


def produce(
    url: str,
    stream: str,
    messages: int,
    size: int,
    rounds: int,
    in_flight: int | None = None,
    *,
    batch: bool = False,
    ack_timeout: float = 15.0,
) -> list[Sent]:
    """Put ``messages`` of ``size`` bytes into an empty partition by the producer of `zakar load`, so many times.

    A few more go before, which warm up and are not counted. ``in_flight`` messages at most, drained to half, None for
    what the link takes; ``batch`` by fast ingest. Raises as the loader does.
    """
    return asyncio.run(
        _carry(url, stream, [b"x" * size], messages, rounds, PublishOptions(in_flight, ack_timeout), batch)
    )


def carry(
    url: str, stream: str, samples: Sequence[bytes], messages: int, rounds: int, *, batch: bool = False
) -> list[Sent]:
    """Put messages into an empty partition that hold ``samples``, one after the other and again.

    Otherwise as ``produce``, with as many in flight as the link takes.
    """
    return asyncio.run(_carry(url, stream, samples, messages, rounds, PublishOptions(), batch))


async def _carry(
    url: str, stream: str, samples: Sequence[bytes], messages: int, rounds: int, pace: PublishOptions, batch: bool
) -> list[Sent]:
    async with connected(Access((url,)), "zakar lab") as connection:
        owner = "lab" if batch else None
        if batch:
            await station.fence(connection, stream, {station.OWNER: "lab"})
        done = []
        stop, estimate, total = asyncio.Event(), Estimate(pace.ack_timeout), 0
        for number in (warming(messages), *[messages] * rounds):
            after, total = total, total + number
            payloads = _payloads(total, samples)
            job = Job(connection, stream, payloads, total, pace, estimate, None, stop, batch=batch, owner=owner)
            done.append(await _filled(job, after))
    return done[1:]


async def _filled(job: Job, after: int) -> Sent:
    """Fill a partition that holds ``after`` messages."""
    loop, tally, trace = asyncio.get_running_loop(), ProducerStats(after), Trace()

    def note() -> None:
        trace.note(loop.time(), tally.sent, tally.acknowledged)

    before = job.connection.wire_bytes
    # In a batch an answer is not an ack; there are several to a window, so that it is told of them soon.
    with contextlib.nullcontext() if job.batch else _overheard(job.connection, tally, trace):
        await fill(job, tally, note)
    return Sent(
        trace.seconds,
        tally.sent,
        tally.acknowledged,
        tally.timeouts,
        spread(trace.waits),
        job.connection.wire_bytes - before,
    )


@contextlib.contextmanager
def _overheard(connection: Connection, tally: ProducerStats, trace: Trace) -> Iterator[None]:
    """Note acks as they come; the producer tells of them only when it sends next, when a window has drained to half."""
    loop, tap = asyncio.get_running_loop(), connection.tap

    async def overheard(subject: str, handler: Tap) -> int:
        answered = tally.acknowledged

        def take(chunk: list[Delivery]) -> None:
            nonlocal answered
            handler(chunk)
            answered += len(chunk)
            trace.note(loop.time(), tally.sent, min(answered, tally.sent))

        return await tap(subject, take)

    connection.tap = overheard  # type: ignore[method-assign]
    try:
        yield
    finally:
        connection.tap = tap  # type: ignore[method-assign]


class _Sliding(Window):
    """A window that lets one more message go for each ack, as TCP's does, without draining first."""

    @property
    def room(self) -> int:
        return self.limit - self.in_flight


def slide(
    url: str, stream: str, messages: int, size: int, rounds: int, in_flight: int, ack_timeout: float = 15.0
) -> list[Sent]:
    """Put messages into an empty partition with ``in_flight`` under way at any time: for each ack, one more.

    Otherwise as ``produce``. Raises StoppedError if the server refuses, or an ack does not come in time.
    """
    return asyncio.run(_slide(url, stream, messages, size, rounds, in_flight, ack_timeout))


async def _slide(
    url: str, stream: str, messages: int, size: int, rounds: int, in_flight: int, ack_timeout: float
) -> list[Sent]:
    async with connected(Access((url,)), "zakar lab") as connection:
        done, total = [], 0
        for number in (warming(messages), *[messages] * rounds):
            window = _Sliding(in_flight, ack_timeout, total)
            total += number
            done.append(await _slid(connection, stream, _payloads(total, [b"x" * size]), window))
    return done[1:]


async def _slid(connection: Connection, stream: str, payloads: Payloads, window: _Sliding) -> Sent:
    """Send what comes after the window's beginning."""
    loop, woken, trace, start = asyncio.get_running_loop(), asyncio.Event(), Trace(), window.sent
    refusals: list[Refusal] = []
    dialect = AckEach(station.subject(stream), connection.short_inbox())

    def take(chunk: list[Delivery]) -> None:
        answer = dialect.take(chunk)
        if answer.refusal:
            refusals.append(answer.refusal)
        if answer.acked is not None:
            window.ack(answer.acked, loop.time())
            note()
        woken.set()

    def note() -> None:
        trace.note(loop.time(), window.sent - start, window.acked - start)

    tap = await connection.tap(dialect.inbox, take)
    before = connection.wire_bytes
    for array in payloads(start):
        frames, at = dialect.build(array, window.sent), 0
        while at < len(frames) and not refusals:
            await asyncio.sleep(0)  # acks must not wait behind a fast sender
            if not window.room:
                await _acked(window, woken)
                continue
            number = min(window.room, len(frames) - at)
            window.send(number, loop.time())
            note()
            await connection.send(frames.cut(at, at + number))
            at += number
    while window.in_flight and not refusals:
        await _acked(window, woken)
    wire = connection.wire_bytes - before
    await connection.untap(tap)
    if refusals:
        raise StoppedError(f"`{stream}`: the server refuses: {refusals[0][1]}")
    return Sent(trace.seconds, window.sent - start, window.acked - start, 0, spread(trace.waits), wire)


async def _acked(window: Window, woken: asyncio.Event) -> None:
    """Wait for the next ack. Raises StoppedError if it does not come in time."""
    woken.clear()
    try:
        async with asyncio.timeout_at(window.deadline):
            await woken.wait()
    except TimeoutError as error:
        raise StoppedError(f"an ack did not come within {window.ack_timeout:g} s") from error


def _payloads(total: int, samples: Sequence[bytes]) -> Payloads:
    held = pa.array(samples, pa.binary())

    def arrays(after: int) -> Iterator[pa.Array]:
        for first in range(after, total, _BLOCK):
            yield held.take(pa.array(np.arange(first, min(first + _BLOCK, total)) % len(held)))

    return arrays
