"""Several producers at work at once until a deadline, and what the broker received meanwhile."""

import asyncio
import importlib
import itertools
import logging
import math
import statistics
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any

import pyarrow as pa
from msgspec import Struct

from zakar.broker import station
from zakar.broker.access import Access
from zakar.broker.connection import Connection, connected
from zakar.broker.memphis.protocol import CONNECTION_ID, PRODUCED_BY
from zakar.errors import ServerError
from zakar.lab import sdk, theory
from zakar.lab.bench import Bench
from zakar.lab.preset import Preset
from zakar.loader.estimate import Estimate
from zakar.loader.options import PublishOptions
from zakar.loader.producer import Job, Payloads, ProducerStats
from zakar.loader.producer import produce as fill

_BLOCK = 8_192  # messages framed at once
_ENDLESS = 1 << 40  # messages
_DRAIN_POLL = 0.005
_CONNECTING, _CONNECTING_EACH, _CONNECTING_TRIPS = 0.3, 0.05, 7  # seconds, seconds a producer, round trips
_PATIENCE = (1, 3, 10)  # times as long
_MARGIN = 0.1  # seconds that producers go on after the last interval
_LINEAR = 0.8  # of n times one producer: bursts make a few intervals uncertain by a tenth or two
_FULL, _BUSY = 0.9, 0.7  # of a link's rate, of a machine's cores
_INBOX = f"_INBOX.{'x' * 22}.{'x' * 26}"  # what the SDK's client has its acks sent to is as long as this
SIZE, LIMIT = 512, 500  # of the article: bytes of a payload, and the SDK's concurrent_task_limit


class Spell(Struct, frozen=True):
    """A process's time at work, between two times of ``time.time()``.

    ``cores``: how many it kept busy, on average. ``sent``: messages, of which some may have failed.
    """

    began: float
    ended: float
    cores: float
    sent: int


Producing = Callable[[str, str, float], Spell]  # address, station, until when: what a process does


class Pacing(Struct, frozen=True):
    """``number`` intervals of ``seconds``, after ``warming`` seconds in which all producers were at work."""

    number: int
    seconds: float
    warming: float


class Received(Struct, frozen=True):
    """What a broker received.

    ``rates``: messages a second, one an interval. ``producer_cores`` and ``server_cores``: how many cores all producers
    together kept busy, and the broker. ``sent`` and ``stored`` count all messages from beginning to end, ``stored`` by
    partition.
    """

    rates: tuple[float, ...]
    producer_cores: float
    server_cores: float
    sent: int
    stored: tuple[int, ...]

    @property
    def rate(self) -> float:
        """Messages a second, over all intervals: producers that send in bursts make the median of a few chance."""
        return statistics.fmean(self.rates)

    @property
    def cores(self) -> float:
        """How many cores producers and broker kept busy."""
        return self.producer_cores + self.server_cores


def by_sdk(url: str, place: str, until: float, producers: int = 1) -> Spell:
    """Put messages into a station by ``producers`` of one SDK object until a time; runs in a process of its own."""
    return asyncio.run(_by_sdk(url, place, until, producers))


async def _by_sdk(url: str, place: str, until: float, producers: int) -> Spell:
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # of tasks that time out
    memphis = await sdk.connected(url)
    names = ["lab", *(f"lab-{number}" for number in range(2, producers + 1))]
    sharing = [await memphis.producer(station_name=place, producer_name=name) for name in names]
    began, busy = time.time(), time.process_time()
    sent = sum(await asyncio.gather(*(_sent_by(producer, until) for producer in sharing)))
    spell = _spell(began, busy, sent)
    while any(producer.background_tasks for producer in sharing):  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(_DRAIN_POLL)
    await memphis.close()
    return spell


async def _sent_by(producer: Any, until: float) -> int:
    """Have one of the SDK's producers send until a time; return how many messages it sent."""
    payload, sent = bytearray(b"x" * SIZE), 0
    while time.time() < until:
        await producer.produce(payload, nonblocking=True, concurrent_task_limit=LIMIT)
        sent += 1
    return sent


def by_own(url: str, place: str, until: float, partitions: int = 1) -> Spell:
    """Put messages into all partitions of a station over one connection by zakar's own producer, at the link's pace.

    Raises as the loader does. Otherwise as ``by_sdk``.
    """
    return asyncio.run(_by_own(url, place, until, partitions))


async def _by_own(url: str, place: str, until: float, partitions: int) -> Spell:
    async with connected(Access((url,)), "zakar lab") as connection:
        stop, pace, estimate = asyncio.Event(), PublishOptions(), Estimate(PublishOptions().ack_timeout)
        streams = [station.stream_name(place, number + 1) for number in range(partitions)]
        tallies = [ProducerStats(0) for _ in streams]
        began, busy = time.time(), time.process_time()
        asyncio.get_running_loop().call_later(until - began, stop.set)
        jobs = [Job(connection, each, _endless(), _ENDLESS, pace, estimate, None, stop) for each in streams]
        await asyncio.gather(*(fill(job, tally, lambda: None) for job, tally in zip(jobs, tallies, strict=True)))
        return _spell(began, busy, sum(tally.sent for tally in tallies))


def _spell(began: float, busy: float, sent: int) -> Spell:
    ended = time.time()
    return Spell(began, ended, (time.process_time() - busy) / max(ended - began, 1e-9), sent)


def _endless() -> Payloads:
    array = pa.array([b"x" * SIZE] * _BLOCK, pa.binary())

    def arrays(after: int) -> Iterator[pa.Array]:
        del after  # one is like another
        yield from itertools.repeat(array)

    return arrays


def warm(crew: Executor, producers: int) -> None:
    """Have all processes of a crew import what they will need."""
    for ready in [crew.submit(_imported) for _ in range(producers)]:
        ready.result()


def _imported() -> None:
    importlib.import_module("memphis")
    time.sleep(0.05)  # so that another process takes the next


def received(
    bench: Bench, crew: Executor, usual: Preset, partitions: int, work: Producing, processes: int, pacing: Pacing
) -> Received:
    """Let so many processes fill a station by ``work`` at once over a link; say what the broker received.

    Where they take so long to connect that they were not all at work for most of the intervals, they do it all again
    with more time. Raises ServerError if they never are, and as the producers do.
    """
    for patience in _PATIENCE:
        tried = _tried(bench, crew, usual, partitions, work, processes, pacing, patience)
        if len(tried.rates) > pacing.number // 2:
            return tried
    raise ServerError("the producers were never all at work at once: this machine is too busy for this lesson")


def _tried(
    bench: Bench,
    crew: Executor,
    usual: Preset,
    partitions: int,
    work: Producing,
    processes: int,
    pacing: Pacing,
    patience: float,
) -> Received:
    """Give the producers ``patience`` times as long as they should need to connect; then as ``received``."""
    settings = (bench.link or usual).settings
    with bench.station(partitions) as place, bench.across(usual) as url:
        connecting = _CONNECTING + _CONNECTING_EACH * processes
        connecting += _CONNECTING_TRIPS * (settings.round_trip if settings else 0)
        until = time.time() + patience * connecting + pacing.warming + pacing.number * pacing.seconds + _MARGIN
        times = [until - _MARGIN - left * pacing.seconds for left in range(pacing.number, -1, -1)]
        working = [crew.submit(work, url, place, until) for _ in range(processes)]
        samples = bench.ask(lambda connection: _sampled(connection, bench, place, partitions, times))
        spells = [task.result() for task in working]
        stored = bench.ask(lambda connection: _counts(connection, place, partitions))
    since, end = max(spell.began for spell in spells) + pacing.warming, min(spell.ended for spell in spells)
    rates = between([(when, count) for when, count, _ in samples], since, end)
    busy = [cores for when, _, cores in samples if since <= when <= end]
    return Received(
        rates, sum(s.cores for s in spells), statistics.median(busy or [0.0]), sum(s.sent for s in spells), stored
    )


async def _sampled(
    connection: Connection, bench: Bench, place: str, partitions: int, times: Sequence[float]
) -> list[tuple[float, int, float]]:
    """Return (time, messages stored, cores that the broker keeps busy) at such times, or as soon as it answers."""
    samples = []
    for due in times:
        await asyncio.sleep(due - time.time())
        asked = time.time()
        stored = sum(await _counts(connection, place, partitions))
        samples.append(((asked + time.time()) / 2, stored, await asyncio.to_thread(bench.server_cores)))
    return samples


async def _counts(connection: Connection, place: str, partitions: int) -> tuple[int, ...]:
    names = [station.stream_name(place, number + 1) for number in range(partitions)]
    found = await asyncio.gather(*(station.look(connection, name) for name in names))
    return tuple(stream.messages if stream else 0 for stream in found)


def between(samples: Sequence[tuple[float, int]], since: float, until: float) -> tuple[float, ...]:
    """Return the rates of growth between samples (time, count) that follow each other, from ``since`` to ``until``."""
    kept = [(when, count) for when, count in samples if since <= when <= until]
    return tuple((last - first) / (end - began) for (began, first), (end, last) in itertools.pairwise(kept))


def frame(place: str) -> int:
    """Return the bytes of a message of the SDK on the wire, its headers and the subject for its ack included."""
    headers = {PRODUCED_BY: "lab", CONNECTION_ID: str(uuid.UUID(int=0))}
    return theory.frame(station.subject(station.stream_name(place)), _INBOX, headers, SIZE)


def capacity(link: Preset) -> float:
    """Return how many of the SDK's messages a second a link takes; without a link, or a rate, any number."""
    return theory.link_rate(link.settings.up.rate, frame("lab-0")) if link.settings else math.inf


def linear(rates: Mapping[int, float]) -> int:
    """Return up to how many producers the rate grew linearly, given those by number of producers, 1 among them."""
    numbers = sorted(rates)
    bent = next((number for number in numbers if rates[number] < _LINEAR * number * rates[1]), None)
    return max(number for number in numbers if bent is None or number < bent)


def exhausted(found: Received, cores: int) -> bool:
    """Whether producers and broker together used about all of a machine: then it is its limit that was measured."""
    return found.cores >= _BUSY * cores


def held_back(producers: int, found: Received, link: float, cores: int) -> str:
    """Say what kept so many producers from more, with the evidence; empty if it was the link, which took no more."""
    if found.rate >= _FULL * link:
        return ""
    share = found.producer_cores / producers
    used = (
        f"{producers} producers used {found.producer_cores:.1f} of {cores} cores, {share:.2f} each, the broker "
        f"{found.server_cores:.2f}"
    )
    if exhausted(found, cores):
        return f"{used}: that is about the whole machine, which they shared, and no limit of a broker"
    return f"{used}: neither it nor the link was full, so what else ran on this machine, or chance, held them back"
