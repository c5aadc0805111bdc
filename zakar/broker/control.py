"""How stations are made and deleted, and producers announced: by JetStream's own API, or by asking a Memphis broker."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from zakar.broker import station
from zakar.broker.access import Access, memphis_access
from zakar.broker.connection import Connection
from zakar.broker.memphis import client as memphis_client
from zakar.broker.memphis import protocol
from zakar.broker.memphis.client import Memphis
from zakar.broker.station import NewPartition, Stream

_FAST_INGEST = (2, 14)  # server version


class Control(Protocol):
    """Who makes stations."""

    @property
    def managed_externally(self) -> bool:
        """Whether it is not us: stations then come whole, without a size, and unmarked where we may not mark them."""

    @property
    def header_bytes(self) -> int:
        """What the header lines that each message must carry come to."""

    def slow(self, connection: Connection) -> str:
        """Return why there is no fast ingest; empty if there is."""

    async def check(self, connection: Connection) -> None:
        """Raise ServerError where nobody makes stations."""

    async def create(self, connection: Connection, partition: NewPartition) -> Stream:
        """Create a partition; those before it are there already.

        Raises ServerError, ApiError, and what lost connections raise.
        """

    async def delete(self, connection: Connection, name: str, streams: Sequence[str]) -> None:
        """Delete a station, given its streams. Raises as ``create`` does."""

    def producing(self, connection: Connection, stations: Collection[str]) -> AbstractAsyncContextManager[str]:
        """Announce a producer of each station for a block, which gets the header lines that its messages carry.

        Raises ServerError.
        """


@dataclass(frozen=True)
class JetStream:
    """Stations made by JetStream's own API, one stream after the other.

    ``run``: what messages call the connection that they came by, where SDKs of Memphis are served; empty where not.
    ``level``: that of JetStream's API, None where it is not known.
    """

    run: str = ""
    level: int | None = None
    managed_externally: bool = False

    @property
    def header_bytes(self) -> int:
        """What the header lines that each message must carry come to."""
        return len(self._lines)

    @property
    def _lines(self) -> str:
        return protocol.header_lines(self.run) if self.run else ""

    def slow(self, connection: Connection) -> str:
        """Return why there is no fast ingest; empty if there is."""
        if self.level is None or self.level >= station.FAST_INGEST:
            return ""
        version = connection.connected_server_version
        who = f"nats-server {connection.version}"
        if (version.major, version.minor) >= _FAST_INGEST:
            who = f"the server that keeps the streams is older than {who} and"
        return f"{who} has no fast ingest, which came with 2.14"

    async def check(self, connection: Connection) -> None:
        """Find nothing wrong: that there is JetStream is seen by what it says of the account."""

    async def create(self, connection: Connection, partition: NewPartition) -> Stream:
        """Create a partition with a size. Raises ApiError, and what lost connections raise."""
        return await station.create(
            connection,
            partition.stream,
            partition.metadata,
            partition.max_bytes,
            partition.replicas,
            partition.storage,
            wide=partition.wide,
            batched=not self.slow(connection),
        )

    async def delete(self, connection: Connection, name: str, streams: Sequence[str]) -> None:
        """Delete a station's streams. Raises ApiError, and what lost connections raise."""
        del name
        deleting = (station.delete(connection, stream) for stream in streams)
        for refusal in await asyncio.gather(*deleting, return_exceptions=True):
            if refusal is not None:
                raise refusal

    @contextlib.asynccontextmanager
    async def producing(self, connection: Connection, stations: Collection[str]) -> AsyncIterator[str]:
        """Announce nobody: JetStream does not ask who produces."""
        del connection, stations
        yield self._lines


async def of(access: Access, connection: Connection) -> Control:
    """Return who makes stations where ``access`` and its ``connection`` lead. Raises ConfigError."""
    if access.memphis:
        return Memphis(str(memphis_access(access).user))
    # As short as it may be: it is a good part of what each message takes, and nobody looks a connection up by it.
    served, level = await asyncio.gather(memphis_client.answers(connection), station.level(connection))
    return JetStream(secrets.token_hex(4) if served else "", level)
