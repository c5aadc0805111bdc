"""Producers at work: one connection fills its partitions one after the other; several do so in processes."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa

from zakar import processes
from zakar.broker import station
from zakar.broker.access import Access
from zakar.broker.connection import LOST, ApiError, Connection, connected
from zakar.broker.control import Control
from zakar.dataset import wire
from zakar.dataset.store import Dataset
from zakar.errors import ServerError, StoppedError, ZakarError
from zakar.loader import partition
from zakar.loader.estimate import Estimate
from zakar.loader.options import PublishOptions
from zakar.loader.overheard import overheard
from zakar.loader.plan import Target
from zakar.loader.prepare import PreparedStream
from zakar.loader.producer import Job, ProducerStats, produce
from zakar.loader.schedule import RateSchedule

_LOOK_SECONDS = 1.0  # between two looks at how far the others are


@dataclass
class Work:
    """What one connection fills, and how far it is: a tally for each stream.

    ``trouble`` is what ended it early, and ``ended`` when that was, by the machine's own clock.
    """

    streams: list[PreparedStream]
    tallies: list[ProducerStats] = field(default_factory=list)
    wire_bytes: int = 0
    reconnects: int = 0
    trouble: ZakarError | None = None
    ended: float = 0.0

    def __post_init__(self) -> None:
        """Begin where the streams end."""
        self.tallies = self.tallies or [ProducerStats(prepared.stored) for prepared in self.streams]


async def fill(
    connection: Connection,
    control: Control,
    dataset: Dataset,
    work: Work,
    pace: PublishOptions,
    stop: asyncio.Event,
    progress: Callable[[Target], None] = lambda _: None,
) -> None:
    """Fill the partitions of ``work`` one after the other, keeping its tallies up to date.

    Once ``stop`` is set, what is in flight is drained. A StoppedError or other trouble is noted in ``work``.
    """
    estimate = Estimate(pace.ack_timeout)
    schedule = None if pace.rate is None else RateSchedule(pace.rate, asyncio.get_running_loop().time())
    lacking = {o.target.table.station: None for o in work.streams if o.stored < o.target.records}
    try:
        async with control.producing(connection, lacking) as extra_headers:
            for prepared, tally in zip(work.streams, work.tallies, strict=True):
                target = prepared.target
                job = Job(
                    connection,
                    target.stream,
                    _payloads(dataset, target),
                    target.records,
                    pace,
                    estimate,
                    schedule,
                    stop,
                    prepared.batch,
                    prepared.owner,
                    prepared.guarded_until,
                    prepared.verified_upto,
                    extra_headers if prepared.headers else "",
                    prepared.fresh,
                    prepared.beyond,
                    prepared.closed,
                    prepared.domain,
                )

                def report(target: Target = target) -> None:
                    progress(target)

                await produce(job, tally, report)
    except ZakarError as error:
        work.trouble = error
    finally:
        work.ended = time.monotonic()
        work.wire_bytes, work.reconnects = connection.wire_bytes, connection.stats["reconnects"]


async def fill_in_processes(
    connection: Connection,
    control: Control,
    dataset: Dataset,
    access: Access,
    works: Sequence[Work],
    pace: PublishOptions,
    stop: asyncio.Event,
    progress: Callable[[Sequence[Work]], None] = lambda _: None,
) -> list[Work]:
    """Fill partitions from as many processes as there are ``works``, each with a connection of its own.

    How far they are is seen on ``connection``, from the streams. When one meets trouble, the others stop too.
    Returns the works as they ended.
    """
    loop = asyncio.get_running_loop()
    theirs, ours = processes.leash()
    if pace.rate is not None:
        pace = replace(pace, rate=pace.rate / len(works))
    with theirs, ours, processes.pool(len(works), theirs) as executor:
        tasks = [loop.run_in_executor(executor, _work, control, dataset, access, work, pace) for work in works]
        asked = asyncio.ensure_future(stop.wait())
        try:
            while left := [task for task in tasks if not task.done()]:
                waiting: list[asyncio.Future[Any]] = [*left, asked]
                await asyncio.wait(waiting, timeout=_LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
                ended = [task.result() for task in tasks if task.done() and task.exception() is None]
                failed = any(task.done() and task.exception() for task in tasks)
                if stop.is_set() or failed or any(work.trouble for work in ended):
                    ours.close()
                    await asyncio.wait(tasks)
                await _see(connection, works)
                progress(works)
        except asyncio.CancelledError:
            processes.kill(executor)  # what they sent is safe in the stream, or will be sent again
            raise
        finally:
            ours.close()
            asked.cancel()
        try:
            return list(await asyncio.gather(*tasks))
        except BrokenExecutor as error:
            raise StoppedError("a producer's process was killed; run this again: it goes on from there") from error


async def _see(connection: Connection, works: Sequence[Work]) -> None:
    """Bring what is known to be stored up to date, as far as the server answers in a moment."""

    async def see(stream: str, tally: ProducerStats) -> None:
        with contextlib.suppress(ApiError, ServerError, *LOST):
            state = await station.look(connection, stream, _LOOK_SECONDS)
            tally.stored = state.last if state is not None else tally.stored

    filling = [(o, tally) for work in works for o, tally in zip(work.streams, work.tallies, strict=True)]
    await asyncio.gather(*(see(o.target.stream, tally) for o, tally in filling if tally.stored < o.target.records))


def _work(control: Control, dataset: Dataset, access: Access, work: Work, pace: PublishOptions) -> Work:
    """Do what one connection does in a process of its own."""
    asyncio.run(_alone(control, dataset, access, work, pace))
    return work


async def _alone(control: Control, dataset: Dataset, access: Access, work: Work, pace: PublishOptions) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()

    def listen() -> None:
        processes.asked_to_stop()
        with contextlib.suppress(RuntimeError):  # the loop is closed: all is done
            loop.call_soon_threadsafe(stop.set)

    threading.Thread(target=listen, daemon=True).start()
    try:
        async with connected(access, "zakar load") as connection:
            await _check_alone(connection, work)
            await fill(connection, control, dataset, work, pace, stop)
    except ZakarError as error:
        work.trouble, work.ended = error, time.monotonic()
    if stop.is_set() and isinstance(work.trouble, StoppedError):
        work.trouble = None  # told to stop for another's trouble, which is the one to tell


async def _check_alone(connection: Connection, work: Work) -> None:
    """Raise StoppedError if, by this connection, anything else hears what is to be sent."""
    lacking = [o for o in work.streams if o.stored < o.target.records]
    domain = lacking[0].domain if lacking else ""
    with contextlib.suppress(ApiError, *LOST):  # then the acks tell
        streams = {o.target.stream: await station.look(connection, o.target.stream) for o in lacking}
        if sentences := await overheard(connection, streams, domain):
            raise StoppedError(
                f"nothing was sent by this connection: {'; '.join(sentences.values())}; then run this again"
            )


def _payloads(dataset: Dataset, target: Target) -> Callable[[int], Iterator[pa.Array]]:
    def payloads(start: int) -> Iterator[pa.Array]:
        rows = partition.batches(dataset, target.table, target.number, target.of, start)
        return (wire.encode(batch) for batch in rows)

    return payloads
