"""A Memphis broker, asked for stations and producers as its Python SDK 1.3.1 asks.

Its stations are JetStream streams, and its messages are published as everywhere; only what makes stations, and shows
who produces into them, has subjects of its own. Requests are the SDK's byte for byte, down to their spaces.
"""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass, field

import msgspec
import nats.errors

from zakar.broker import station
from zakar.broker.connection import LOST, ApiError, Connection
from zakar.broker.memphis.protocol import (
    PRODUCER,
    PRODUCER_CREATION,
    PRODUCER_DESTRUCTION,
    STATION_CREATION,
    STATION_DESTRUCTION,
    header_lines,
    producer_creation,
    producer_destruction,
    station_creation,
    station_destruction,
)
from zakar.broker.station import NewPartition, Stream
from zakar.errors import ServerError

_PATIENCE = 20.0  # seconds, as the SDK has it
_MOMENT = 2.0  # seconds for whoever answers SDKs beside a server, since others may hear what is asked and say nothing
_FAREWELL = 1.0
_ID = str(uuid.UUID(int=0))

_NOBODY = (
    "nothing answers for stations: this server is no Memphis broker; give a nats:// address, "
    "or start `zakar broker --memphis`"
)


async def answers(connection: Connection) -> bool:
    """Whether somebody answers Memphis's SDKs where ``connection`` leads; not if this user may not ask.

    Asks for the end of a producer that never was, unless a stream would store that.
    """
    try:
        if await station.capturing(connection, PRODUCER_DESTRUCTION):
            return False
        request = producer_destruction(PRODUCER, PRODUCER, _ID)
        return await connection.ask(PRODUCER_DESTRUCTION, request, _MOMENT) == b""
    except (ApiError, *LOST):
        return False


@dataclass(frozen=True)
class Memphis:
    """Stations made by a Memphis broker, for a user of it. ``app`` stands for one run, whatever its connections."""

    user: str
    app: str = field(default_factory=lambda: str(uuid.uuid4()))
    managed_externally: bool = True
    header_bytes: int = len(header_lines(_ID))

    def slow(self, connection: Connection) -> str:
        """Return why there is no fast ingest: its messages have no headers of their own."""
        del connection
        return "through Memphis there is no fast ingest"

    async def check(self, connection: Connection) -> None:
        """Raise ServerError where no Memphis broker answers. Asks for the end of a producer that never was."""
        await self._ask(connection, PRODUCER_DESTRUCTION, producer_destruction(PRODUCER, self.user, _ID))

    async def create(self, connection: Connection, partition: NewPartition) -> Stream:
        """Return a partition of a station, made with the first of them, marked with its metadata if we may.

        The broker gives it no size. Raises ServerError, ApiError, and what lost connections raise.
        """
        name, stream = partition.station, partition.stream
        if partition.number == 1:
            request = station_creation(name, self.user, partition.of, partition.replicas, partition.storage)
            refusal = await self._ask(connection, STATION_CREATION, request)
            if refusal:
                raise ServerError(f"the Memphis broker does not make station `{name}`: {refusal}{_advice(refusal)}")
        created = await station.look(connection, stream)
        if created is None:
            raise ServerError(
                f"the Memphis broker has not made `{stream}`, and does not say why; does it know user `{self.user}`?"
            )
        try:
            if partition.wide:
                await station.widen(connection, stream)
            return await station.adopt(connection, stream, partition.metadata)
        except ApiError:
            return created

    async def delete(self, connection: Connection, name: str, streams: Sequence[str]) -> None:
        """Delete a station, and those of its streams that the broker knows nothing of.

        Raises ServerError, ApiError, and what lost connections raise.
        """
        refusal = await self._ask(connection, STATION_DESTRUCTION, station_destruction(name, self.user))
        if refusal and "not exist" not in refusal:
            raise ServerError(f"the Memphis broker does not delete station `{name}`: {refusal}")
        for stream in streams:
            if await station.look(connection, stream) is not None:
                await station.delete(connection, stream)

    @contextlib.asynccontextmanager
    async def producing(self, connection: Connection, stations: Collection[str]) -> AsyncIterator[str]:
        """Announce a producer of each station for a block, which gets the header lines that its messages carry.

        Raises ServerError.
        """
        connection_id = connection.name.partition("::")[0]
        for name in stations:
            answer = await self._ask(
                connection, PRODUCER_CREATION, producer_creation(name, self.user, connection_id, self.app)
            )
            if refusal := _error(answer):
                raise ServerError(f"the Memphis broker takes no producer for station `{name}`: {refusal}")
        try:
            yield header_lines(connection_id)
        finally:
            # For a moment at most: the broker takes its producers for gone when a connection is closed, too.
            with contextlib.suppress(ServerError, TimeoutError):
                async with asyncio.timeout(_FAREWELL):
                    for name in stations if connection.is_connected else ():
                        request = producer_destruction(name, self.user, connection_id)
                        await self._ask(connection, PRODUCER_DESTRUCTION, request)

    async def _ask(self, connection: Connection, subject: str, request: bytes) -> str:
        """Make a request; return the reply as text. Raises ServerError."""
        try:
            return (await connection.ask(subject, request, _PATIENCE)).decode(errors="replace")
        except nats.errors.NoRespondersError as error:
            raise ServerError(_NOBODY) from error
        except ApiError as error:
            raise ServerError(f"this user may not ask {subject}: {error.description}") from error
        except TimeoutError as error:
            raise ServerError(f"the Memphis broker does not answer {subject} within {_PATIENCE:g} s") from error
        except LOST as error:
            raise ServerError(f"the connection was lost while {subject} was asked: {error}") from error


def _error(answer: str) -> str:
    """Return the error that an answer about a producer tells; brokers of before 1.0 told it as plain text."""
    try:
        return str(msgspec.json.decode(answer, type=dict[str, object]).get("error", ""))
    except msgspec.DecodeError:
        return answer


def _advice(refusal: str) -> str:
    return "; leave --replicas out, or give fewer" if "replicas" in refusal else ""
