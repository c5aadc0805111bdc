"""A stock client, nats-py, that looks at stations: what programs of Memphis's SDKs made of them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import nats
from nats.js import JetStreamContext
from nats.js.api import ConsumerConfig, StreamConfig

from zakar.broker.access import Access


@dataclass(frozen=True)
class Stored:
    """A message of a stream."""

    subject: str
    payload: bytes
    headers: dict[str, str]


@contextlib.asynccontextmanager
async def jetstream(access: Access) -> AsyncIterator[JetStreamContext]:
    client = await nats.connect(list(access.servers), user=access.user, password=access.password)
    try:
        yield client.jetstream()
    finally:
        await client.close()


def read(access: Access, stream: str) -> list[Stored]:
    """Return all messages of a stream, in order."""

    async def main() -> list[Stored]:
        async with jetstream(access) as context:
            count = (await context.stream_info(stream)).state.messages
            subscription = await context.subscribe(f"{stream}.>", stream=stream, ordered_consumer=True)
            messages = [await subscription.next_msg(10) for _ in range(count)]
            return [Stored(m.subject, m.data, dict(m.headers or {})) for m in messages]

    return asyncio.run(main())


def streams(access: Access) -> dict[str, StreamConfig]:
    """Return the settings of every stream."""

    async def main() -> dict[str, StreamConfig]:
        async with jetstream(access) as context:
            return {info.config.name or "": info.config for info in await context.streams_info()}

    return asyncio.run(main())


def consumers(access: Access, stream: str) -> dict[str, ConsumerConfig]:
    """Return the settings of every durable consumer of a stream."""

    async def main() -> dict[str, ConsumerConfig]:
        async with jetstream(access) as context:
            found = await context.consumers_info(stream)
            return {info.config.durable_name: info.config for info in found if info.config.durable_name}

    return asyncio.run(main())
