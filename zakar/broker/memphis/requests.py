"""What SDKs ask: the subjects, the bodies, and what they come to. Pure: bytes in, an order or a refusal out.

Fields, defaults, limits and error texts are those of the Memphis broker 1.4.4; a field that is missing or null counts
as empty or 0, as there.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta, Struct

from zakar.broker.memphis import names
from zakar.broker.memphis.members import cut
from zakar.broker.memphis.names import CONSUMER, PRODUCER, STATION, RefusedError
from zakar.broker.memphis.protocol import (
    CONSUMER_CREATION,
    CONSUMER_DESTRUCTION,
    PRODUCER_CREATION,
    PRODUCER_DESTRUCTION,
    SCHEMA_ATTACHMENT,
    SCHEMA_CREATION,
    SCHEMA_DETACHMENT,
    STATION_CREATION,
    STATION_DESTRUCTION,
)

_T = TypeVar("_T", bound=Struct)
_Text = str | None
_Number = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | None

NO_SCHEMAS = "zakar keeps no schemas"
TOO_OLD_TO_PRODUCE = "to produce to this station please upgrade your SDK version"
TOO_OLD_TO_CONSUME = "to consume from this station please upgrade your SDK version"
_LONGEST = 1 << 20
_TYPES = ("application", "connector")
SDK_LEAST = 2  # version of the requests of the first SDKs that know partitions, 1.1.1 and later;
SDK_FIRST = 1  # of those before them, 1.0.x, and of 1.1.0, which nothing else tells apart
_PARTITIONS_MOST = 10_000
_SECOND, _MILLISECOND = 10**9, 10**6
_MOST = 2**63 - 1
_WINDOW, _WINDOW_LEAST, _WINDOW_MOST = 120_000, 100, 86_400_000  # milliseconds
_AGE = 3_600  # seconds that messages are kept where nothing is said
_ACK_WAIT = 30_000  # milliseconds
_DELIVERIES_MOST = 10
_RETENTIONS = ("message_age_sec", "messages", "bytes", "ack_based")
_STORAGES = ("file", "memory")


class _StationCreation(Struct):
    name: _Text = ""
    retention_type: _Text = ""
    retention_value: _Number = 0
    storage_type: _Text = ""
    replicas: _Number = 0
    idempotency_window_in_ms: _Number = 0
    schema_name: _Text = ""
    partitions_number: _Number = None
    dls_station: _Text = ""


class _ProducerCreation(Struct):
    name: _Text = ""
    station_name: _Text = ""
    producer_type: _Text = ""
    req_version: _Number = 0


class _ConsumerCreation(Struct):
    name: _Text = ""
    station_name: _Text = ""
    connection_id: _Text = ""
    consumer_type: _Text = ""
    consumers_group: _Text = ""
    max_ack_time_ms: _Number = 0
    max_msg_deliveries: _Number = 0
    start_consume_from_sequence: _Number = 0
    last_messages: _Number = 0
    req_version: _Number = 0


class _Named(Struct):
    name: _Text = ""
    station_name: _Text = ""
    connection_id: _Text = ""


@dataclass(frozen=True)
class Layout:
    """How a station's streams are made. ``interest`` keeps a message until every consumer has acknowledged it."""

    partitions: int = 1
    max_age: int = _AGE * _SECOND  # nanoseconds, 0 for ever
    max_messages: int = -1
    max_bytes: int = -1
    interest: bool = False
    storage: str = "file"
    replicas: int = 1
    window: int = _WINDOW * _MILLISECOND  # nanoseconds in which a message id counts


@dataclass(frozen=True)
class CreateStation:
    """Make a station, unless it is there. Its ``layout`` is a refusal if the options are of no use.

    ``first``: an SDK asks that knows no partitions.
    """

    station: str
    layout: Layout | RefusedError
    dead_letters: str | None = None  # a station that is made too
    first: bool = False


@dataclass(frozen=True)
class DestroyStation:
    """Delete a station and all it holds."""

    station: str


@dataclass(frozen=True)
class CreateProducer:
    """Tell a producer its partitions. ``first``: of an SDK that knows none."""

    station: str
    first: bool = False


@dataclass(frozen=True)
class DestroyProducer:
    """Nothing is remembered of a producer."""

    station: str


@dataclass(frozen=True)
class CreateConsumer:
    """Join a group: make its durable. ``start`` is a sequence; ``last`` so many messages, None for those from there.

    ``first``: of an SDK that knows no partitions.
    """

    station: str
    name: str
    group: str
    connection: str
    ack_wait: int  # nanoseconds
    deliveries: int
    start: int = 1
    last: int | None = None
    first: bool = False


@dataclass(frozen=True)
class DestroyConsumer:
    """Leave a group. An old SDK names no ``connection``."""

    station: str
    name: str
    connection: str


@dataclass(frozen=True)
class AttachSchema:
    """Refused: there are no schemas."""

    station: str
    schema: str


@dataclass(frozen=True)
class DetachSchema:
    """Nothing to do, if there is the station."""

    station: str


Order = (
    CreateStation
    | DestroyStation
    | CreateProducer
    | DestroyProducer
    | CreateConsumer
    | DestroyConsumer
    | AttachSchema
    | DetachSchema
)


def order(subject: str, payload: bytes) -> Order:
    """Return what a request comes to. Raises RefusedError, whose text is the answer."""
    return _READERS[subject](payload)


def _create_station(payload: bytes) -> CreateStation:
    asked = _body(payload, _StationCreation)
    station, first = _station(asked.name), asked.partitions_number is None
    try:
        dead_letters = _station(asked.dls_station) if asked.dls_station else None
        return CreateStation(station, _layout(asked), dead_letters, first)
    except RefusedError as refusal:  # counts only if the station has yet to be made
        return CreateStation(station, refusal, first=first)


def _layout(asked: _StationCreation) -> Layout:
    partitions = 1 if asked.partitions_number is None else asked.partitions_number
    if partitions == 0:
        raise RefusedError("you are using an old SDK, make sure to update your SDK")
    if not 1 <= partitions <= _PARTITIONS_MOST:
        raise RefusedError(
            f"cannot create station with {partitions} partitions (max:{_PARTITIONS_MOST} min:1): "
            f"Station -  {(asked.name or '').lower()}, "
        )
    if asked.schema_name:
        raise RefusedError(f"Schema {_brief(asked.schema_name)} does not exist: {NO_SCHEMAS}")
    retention, value = (asked.retention_type or "").lower(), asked.retention_value or 0
    if retention and retention not in _RETENTIONS:
        raise RefusedError(f"retention type can be one of the following {'/'.join(_RETENTIONS)}")
    if not retention or (value <= 0 and retention != "ack_based"):
        retention, value = "message_age_sec", _AGE
    if retention == "message_age_sec" and value > _MOST // _SECOND:
        raise RefusedError(f"messages can be kept for {_MOST // _SECOND} seconds at most")
    storage = (asked.storage_type or "file").lower()
    if storage not in _STORAGES:
        raise RefusedError(f"storage type can be one of the following {'/'.join(_STORAGES)}")
    window = asked.idempotency_window_in_ms or 0
    window = max(window, _WINDOW_LEAST) if window > 0 else _WINDOW
    if window > _WINDOW_MOST:
        raise RefusedError("idempotency window can not exceed 24 hours")
    if retention == "message_age_sec" and value * 1000 < window:
        raise RefusedError("idempotency window cannot be greater than the station retention")
    return Layout(
        partitions=partitions,
        max_age=value * _SECOND if retention == "message_age_sec" else 0,
        max_messages=value if retention == "messages" else -1,
        max_bytes=value if retention == "bytes" else -1,
        interest=retention == "ack_based",
        storage=storage,
        replicas=_replicas(asked.replicas or 0),
        window=window * _MILLISECOND,
    )


def _replicas(asked: int) -> int:
    """Return the odd number of replicas that Memphis made of any."""
    return 1 if asked <= 1 else 3 if asked <= 4 else 5


def _destroy_station(payload: bytes) -> DestroyStation:
    return DestroyStation(_station(_body(payload, _Named).station_name))


def _create_producer(payload: bytes) -> CreateProducer:
    asked = _body(payload, _ProducerCreation)
    station = _station(asked.station_name)
    names.checked(PRODUCER, asked.name or "")
    if asked.producer_type not in _TYPES:
        raise RefusedError(f"producer type has to be one of the following {'/'.join(_TYPES)}")
    if (asked.req_version or 0) < SDK_FIRST:
        raise RefusedError(TOO_OLD_TO_PRODUCE)
    return CreateProducer(station, asked.req_version == SDK_FIRST)


def _destroy_producer(payload: bytes) -> DestroyProducer:
    return DestroyProducer(_station(_body(payload, _Named).station_name))


def _create_consumer(payload: bytes) -> CreateConsumer:
    asked = _body(payload, _ConsumerCreation)
    start, last = asked.start_consume_from_sequence or 0, asked.last_messages or 0
    if start <= 0:
        raise RefusedError("startConsumeFromSequence has to be a positive number")
    if last < -1:
        raise RefusedError("min value for LastMessages is -1")
    if start > 1 and last > -1:
        raise RefusedError("consumer creation options can't contain both startConsumeFromSequence and lastMessages")
    station = _station(asked.station_name)
    name = names.internal(names.checked(CONSUMER, asked.name or ""))
    group = names.internal(names.checked(CONSUMER, asked.consumers_group)) if asked.consumers_group else name
    if asked.consumer_type not in _TYPES:
        raise RefusedError(
            f"consumer type has to be one of the following {'/'.join(_TYPES)} and not {_brief(asked.consumer_type)}"
        )
    if (asked.req_version or 0) < SDK_FIRST:
        raise RefusedError(TOO_OLD_TO_CONSUME)
    wait, deliveries = asked.max_ack_time_ms or 0, asked.max_msg_deliveries or 0
    if wait > _MOST // _MILLISECOND:
        raise RefusedError(f"an acknowledgement can be waited for {_MOST // _MILLISECOND} milliseconds at most")
    return CreateConsumer(
        station=station,
        name=name,
        group=group,
        connection=cut(asked.connection_id or ""),
        ack_wait=(wait if wait > 0 else _ACK_WAIT) * _MILLISECOND,
        deliveries=deliveries if 0 < deliveries <= _DELIVERIES_MOST else _DELIVERIES_MOST,
        start=start,
        last=None if last == -1 else last,
        first=asked.req_version == SDK_FIRST,
    )


def unnamed(station: str, group: str) -> CreateConsumer:
    """Return what a consumer asks for that says nothing but its group, in the names of JetStream."""
    return CreateConsumer(station, group, group, "", _ACK_WAIT * _MILLISECOND, _DELIVERIES_MOST, first=True)


def _destroy_consumer(payload: bytes) -> DestroyConsumer:
    asked = _body(payload, _Named)
    name = names.internal(names.checked(CONSUMER, asked.name or ""))
    return DestroyConsumer(_station(asked.station_name), name, cut(asked.connection_id or ""))


def _create_schema(_payload: bytes) -> Order:
    raise RefusedError(NO_SCHEMAS)


def _attach_schema(payload: bytes) -> AttachSchema:
    asked = _body(payload, _Named)
    return AttachSchema(_station(asked.station_name), _brief(asked.name))


def _detach_schema(payload: bytes) -> DetachSchema:
    return DetachSchema(_station(_body(payload, _Named).station_name))


_READERS: dict[str, Callable[[bytes], Order]] = {
    STATION_CREATION: _create_station,
    STATION_DESTRUCTION: _destroy_station,
    PRODUCER_CREATION: _create_producer,
    PRODUCER_DESTRUCTION: _destroy_producer,
    CONSUMER_CREATION: _create_consumer,
    CONSUMER_DESTRUCTION: _destroy_consumer,
    SCHEMA_CREATION: _create_schema,
    SCHEMA_ATTACHMENT: _attach_schema,
    SCHEMA_DETACHMENT: _detach_schema,
}
SUBJECTS = tuple(_READERS)


def _body(payload: bytes, kind: type[_T]) -> _T:
    if len(payload) > _LONGEST:
        raise RefusedError(f"a request of more than {_LONGEST:,} bytes is not read")
    try:
        return msgspec.json.decode(payload, type=kind | None) or kind()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RefusedError(f"not a request that can be read: {_brief(str(error))}") from error


def _station(name: str | None) -> str:
    return names.internal(names.checked(STATION, name or ""))


def _brief(text: str | None) -> str:
    """Return a text that can be shown in one line."""
    return "".join(c if c.isprintable() else "?" for c in (text or "")[:160])
