"""The Memphis SDK of 2023 at work in the lab: memphis-py, the extra `lab`. Each function runs in a process apart."""

import asyncio
import contextlib
import importlib.util
import itertools
import logging
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from zakar.errors import ConfigError
from zakar.lab.sent import Sent, spread, warming

_DRAIN_POLL = 0.005
ACK_SECONDS = 15.0  # that the SDK waits for an ack unless it is told otherwise
USER, PASSWORD = "root", "memphis"


def check() -> None:
    """Raise ConfigError if the SDK is not installed."""
    if importlib.util.find_spec("memphis") is None:
        raise ConfigError("the Memphis SDK is not installed; install it by: pip install 'zakar[lab]'")


def _sdk(part: str = "") -> Any:
    """Import the SDK or a part of it: late, since it is an extra."""
    return importlib.import_module(f"memphis.{part}".rstrip("."))


def produce(
    url: str,
    place: str,
    messages: int,
    size: int,
    rounds: int,
    options: dict[str, Any],
    ack_timeout: float = ACK_SECONDS,
) -> list[Sent]:
    """Put ``messages`` of ``size`` bytes into a station by the SDK, so many times; ``options`` are its `produce`'s.

    A few more go before, which warm up and are not counted. What the SDK never tells is counted where it publishes:
    acks that came, and when, and those that did not come in time.
    """
    return carry(url, place, [b"x" * size], messages, rounds, {"ack_wait_sec": ack_timeout, **options})


def carry(
    url: str, place: str, samples: Sequence[bytes], messages: int, rounds: int, options: dict[str, Any]
) -> list[Sent]:
    """Put messages into a station that hold ``samples``, one after the other and again; otherwise as ``produce``."""
    return asyncio.run(_carry(url, place, [bytearray(sample) for sample in samples], messages, rounds, options))


async def _carry(
    url: str, place: str, samples: list[bytearray], messages: int, rounds: int, options: dict[str, Any]
) -> list[Sent]:
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # of tasks that time out, which we count ourselves
    memphis = await connected(url)
    producer = await memphis.producer(station_name=place, producer_name="lab")
    coming, numbers = itertools.cycle(samples), (warming(messages), *[messages] * rounds)
    done = [await _sent(memphis, producer, list(itertools.islice(coming, number)), options) for number in numbers]
    await memphis.close()
    return done[1:]


def flood(url: str, place: str, messages: int, size: int, ack_timeout: float) -> Sent:
    """Put messages into a station all at once, after one that is awaited, and leave.

    As a program does that ends once every message is acknowledged or timed out: what is then still in its own buffers
    is lost.
    """
    return asyncio.run(_flood(url, place, messages, size, ack_timeout))


async def _flood(url: str, place: str, messages: int, size: int, ack_timeout: float) -> Sent:
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    memphis = await connected(url)
    producer = await memphis.producer(station_name=place, producer_name="lab")
    payload = bytearray(b"x" * size)
    await producer.produce(payload)
    sent = await _sent(memphis, producer, [payload] * messages, {"nonblocking": True, "ack_wait_sec": ack_timeout})
    await memphis.close()
    return sent


async def connected(url: str) -> Any:
    """Return a client of the SDK."""
    address, memphis = urlsplit(url), _sdk().Memphis()
    await memphis.connect(host=address.hostname, port=address.port, username=USER, password=PASSWORD)
    return memphis


async def _sent(memphis: Any, producer: Any, payloads: Sequence[bytearray], options: dict[str, Any]) -> Sent:
    """Produce messages and wait for all that comes of them."""
    publish, write = memphis.broker_connection.publish, memphis.broker_manager._send_command
    acks: list[float] = []
    late, wire, began = 0, 0, time.perf_counter()
    ended = began

    async def timed(*args: Any, **kwargs: Any) -> Any:
        nonlocal late, ended
        went = time.perf_counter()
        try:
            answer = await publish(*args, **kwargs)
        except Exception:
            late += 1
            raise
        else:
            acks.append(time.perf_counter() - went)
            return answer
        finally:
            ended = time.perf_counter()

    async def counted(command: bytes, *args: Any, **kwargs: Any) -> None:
        nonlocal wire
        wire += len(command)
        await write(command, *args, **kwargs)

    memphis.broker_connection.publish, memphis.broker_manager._send_command = timed, counted
    try:
        for payload in payloads:
            with contextlib.suppress(_sdk("exceptions").MemphisError):  # of blocking ones, which we count
                await producer.produce(payload, **options)
        while producer.background_tasks:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(_DRAIN_POLL)
    finally:
        memphis.broker_connection.publish, memphis.broker_manager._send_command = publish, write
    return Sent(ended - began, len(payloads), len(acks), late, spread(np.asarray(acks)), wire)
