"""Stations: a named set of partitions, each a JetStream stream, laid out as Memphis lays them out."""

import asyncio
import base64
import contextlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from zakar.broker import codes
from zakar.broker.access import API
from zakar.broker.connection import LOST, ApiError, Connection
from zakar.errors import ServerError

OWNER = "zakar.loader"  # metadata: the mark of the loader that fenced others off last
PARTITIONS = "zakar.partitions"  # metadata: how many partitions the station has
FAST_INGEST = 4  # the level of JetStream's API that has it (ADR-44 of the NATS architecture): nats-server 2.14's
_LEVEL = "_nats.level"  # metadata: the level of the server that keeps the stream; 2.11 and later say it


class NoJetStreamError(ServerError):
    """The server, or this account, has no JetStream: it was asked and says so."""


@dataclass(frozen=True)
class Stream:
    """A partition as the server has it.

    ``last`` is the sequence of the last message ever stored, ``messages`` how many are there now.
    """

    name: str
    first: int
    last: int
    messages: int
    bytes: int
    max_bytes: int
    subjects: tuple[str, ...]
    metadata: dict[str, str]
    batched: bool
    retention: str = "limits"
    discard: str = "new"
    max_messages: int = -1
    max_messages_a_subject: int = -1
    max_age: float = 0.0  # seconds, 0 for ever
    sealed: bool = False
    storage: str = "file"
    replicas: int = 1
    acknowledges: bool = True
    counts: bool = False  # holds counters alone, which each message adds to
    max_message: int = -1  # bytes
    copies: bool = False  # other streams, as a mirror of one or from several
    transform: tuple[str, str] | None = None  # the subjects that it renames, and what to
    consumers: int = 0
    max_consumers: int = -1
    consumers_idle: float = 0.0  # seconds that consumers may ask to be kept without a pull, at most; 0 for any
    republish: tuple[str, str] | None = None  # what it stores under one subject is published again to another
    level: int = 0  # of JetStream's API, at the server that keeps it
    created: str = ""  # when it was made: another time, another stream

    @property
    def may_batch(self) -> bool:
        """Whether the server that keeps it knows fast ingest: in a cluster it may be another one than ours."""
        return self.level >= FAST_INGEST

    @property
    def wide(self) -> bool:
        """Whether it takes what Memphis's SDKs of before 1.1 publish, too."""
        return self.transform == (self.further, subject(self.name)) and self.further in self.subjects

    @property
    def further(self) -> str:
        """The subject that Memphis's SDKs of before 1.1 publish to."""
        return _further(self.name)

    @property
    def unbroken(self) -> bool:
        """Whether every message from sequence 1 to the last is still there."""
        return self.messages == self.last and (self.first == 1 or self.last == 0)


def stream_name(station: str, partition: int = 1) -> str:
    """Return the name of a station's partition; partitions count from 1."""
    return f"{station}${partition}"


def number_of(stream: str) -> int:
    """Return the number of a partition, given its name."""
    return int(stream.rpartition("$")[2])


def subject(stream: str) -> str:
    """Return the subject that a partition's messages are published to."""
    return f"{stream}.final"


def subjects(stream: str, *, wide: bool = False) -> dict[str, Any]:
    """Return the part of a partition's configuration that says to which subjects its messages are published.

    Memphis's SDKs of before 1.1 know no partitions: they publish to ``<station>.final``, which a ``wide`` stream takes
    too, and stores as its own.
    """
    if not wide:
        return {"subjects": [f"{stream}.>"]}
    further = _further(stream)
    return {"subjects": [f"{stream}.>", further], "subject_transform": {"src": further, "dest": subject(stream)}}


def _further(stream: str) -> str:
    return subject(stream.rpartition("$")[0])


async def level(connection: Connection) -> int | None:
    """Return the level of JetStream's API, 0 where there was none yet; None where it cannot be asked.

    It is that of whoever answers: beyond a leaf node, or in a cluster, another server than ours.
    """
    try:
        return int((await connection.api("INFO")).get("api", {}).get("level", 0))
    except (ApiError, *LOST):
        return None


async def info(connection: Connection) -> Any:
    """Return what JetStream says of the account.

    Raises NoJetStreamError where there is none, ServerError where it cannot be asked.
    """
    try:
        return await connection.api("INFO")
    except ApiError as error:
        if error.code in codes.NO_JETSTREAM and connection.api_prefix != API:
            raise NoJetStreamError(
                f"no JetStream answers at {connection.api_prefix}; check --js-domain or --js-api-prefix"
            ) from error
        if error.code in codes.NO_JETSTREAM:
            raise NoJetStreamError(
                "the server has no JetStream, or not for this account; start it with JetStream enabled, "
                "or use `zakar broker`"
            ) from error
        raise ServerError(f"the server refuses JetStream requests: {error}") from error
    except LOST as error:
        raise ServerError(f"the server does not answer JetStream requests ({str(error) or 'no answer'})") from error


async def every(connection: Connection) -> list[Stream]:
    """Return all streams of the account, but for those that no server answers for. Raises ApiError."""
    return (await every_one(connection))[0]


async def every_one(connection: Connection) -> tuple[list[Stream], list[str]]:
    """Return all streams of the account, and the names of those that no server answers for. Raises ApiError.

    In a cluster the server that is asked waits some seconds for the others.
    """
    streams: list[Stream] = []
    silent: list[str] = []
    while True:
        page = await connection.api("STREAM.LIST", {"offset": len(streams) + len(silent)})
        answered, missing = page["streams"] or (), page.get("missing") or ()
        streams += [_stream(answer) for answer in answered]
        silent += missing
        if not (answered or missing) or len(streams) + len(silent) >= page["total"]:
            return streams, silent


async def capturing(connection: Connection, subject: str) -> list[str]:
    """Return the names of the streams that would store what is published to ``subject``. Raises ApiError."""
    answer = await connection.api("STREAM.NAMES", {"subject": subject})
    return list(answer["streams"] or ())


async def look(connection: Connection, stream: str, patience: float | None = None) -> Stream | None:
    """Return a partition as the server has it, None where there is no such stream. Raises ApiError."""
    try:
        answer = await connection.api(f"STREAM.INFO.{stream}", patience=patience)
    except ApiError as error:
        if error.code == codes.STREAM_NOT_FOUND:
            return None
        raise
    return _stream(answer)


async def partitions(connection: Connection, station: str) -> list[Stream]:
    """Return the partitions that a station has, by number, none where there is no such station. Raises ApiError.

    A number may be missing among them, if somebody deleted it; where this user may not ask for the streams' names,
    those beyond it are not seen.
    """
    return (await partitions_of(connection, [station]))[0]


async def partitions_of(connection: Connection, stations: Sequence[str]) -> list[list[Stream]]:
    """Return the partitions of each of several stations, as ``partitions`` does for one. Raises ApiError."""
    try:
        names = await _names(connection)
    except ApiError:
        return [await _consecutive(connection, station) for station in stations]
    return list(await asyncio.gather(*(_of_these(connection, station, names) for station in stations)))


async def _of_these(connection: Connection, station: str, names: Sequence[str]) -> list[Stream]:
    """Return the partitions of a station, given the names of all streams. Raises ApiError."""
    numbers = sorted(number_of(name) for name in names if re.fullmatch(re.escape(station) + r"\$[1-9][0-9]*", name))
    answers = await asyncio.gather(*(look(connection, stream_name(station, number)) for number in numbers))
    return [stream for stream in answers if stream is not None]


async def _names(connection: Connection) -> list[str]:
    """Return the names of all streams of the account. Raises ApiError."""
    names: list[str] = []
    while True:
        page = await connection.api("STREAM.NAMES", {"offset": len(names)})
        names += page["streams"] or ()
        if not page["streams"] or len(names) >= page["total"]:
            return names


async def _consecutive(connection: Connection, station: str) -> list[Stream]:
    """Return the partitions from the first on until one is missing. Raises ApiError."""
    streams: list[Stream] = []
    while (stream := await look(connection, stream_name(station, len(streams) + 1))) is not None:
        streams.append(stream)
    return streams


@dataclass(frozen=True)
class NewPartition:
    """A partition to be made, the ``number``-th of a station that is to have ``of`` of them.

    ``storage`` is file or memory. A ``wide`` one takes what Memphis's SDKs of before 1.1 publish, too.
    """

    station: str
    number: int
    of: int
    metadata: dict[str, str]
    max_bytes: int
    replicas: int = 1
    storage: str = "file"
    wide: bool = False

    @property
    def stream(self) -> str:
        """The name of its stream."""
        return stream_name(self.station, self.number)


async def create(
    connection: Connection,
    stream: str,
    metadata: dict[str, str],
    max_bytes: int,
    replicas: int = 1,
    storage: str = "file",
    *,
    wide: bool = False,
    batched: bool = False,
) -> Stream:
    """Create a partition that keeps everything and, once full, refuses rather than forgets.

    ``storage`` is file or memory. A ``wide`` one takes what Memphis's SDKs of before 1.1 publish, too. A ``batched``
    one has fast ingest if the server that is to keep it knows that: in a cluster it is asked once the stream is there,
    since an older server would keep from everybody what it does not know. Raises ApiError.
    """
    at_once = batched and alone(connection)
    config = {
        "name": stream,
        **subjects(stream, wide=wide),
        "retention": "limits",
        "discard": "new",
        "storage": storage,
        "max_bytes": max_bytes,
        "num_replicas": replicas,
        "allow_direct": True,
        "metadata": metadata,
        **({"allow_batched": True} if at_once else {}),
    }
    made = await make(connection, config)
    if batched and not at_once and made.may_batch:
        with contextlib.suppress(ApiError):  # it has none then
            answer = await connection.api(f"STREAM.INFO.{stream}")
            return await change(connection, {**answer["config"], "allow_batched": True})
    return made


async def creatable(connection: Connection, stream: str, max_bytes: int, replicas: int, storage: str) -> None:
    """Raise ApiError if the server has not so much storage for a stream. None is created.

    What is asked for contradicts itself, so that no server makes it; one that is alone looks at its storage before that
    (nats-server 2.9 to 2.15), so its refusal tells the two apart. One of a cluster does not.
    """
    config = {
        "name": stream,
        "subjects": [f"{stream}.>"],
        "storage": storage,
        "max_bytes": max_bytes,
        "num_replicas": replicas,
        "deny_purge": True,
        "allow_rollup_hdrs": True,  # which needs the right to purge
    }
    try:
        await make(connection, config)
    except ApiError as error:
        if error.code != codes.CONFIG_CONTRADICTORY:
            raise


async def make(connection: Connection, config: dict[str, Any]) -> Stream:
    """Create a stream from its whole configuration; one that is there with the very same will do. Raises ApiError."""
    return _stream(await connection.api(f"STREAM.CREATE.{config['name']}", config))


async def adopt(connection: Connection, stream: str, metadata: dict[str, str]) -> Stream:
    """Write ``metadata`` into an existing partition, changing nothing else. Raises ApiError."""
    answer = await connection.api(f"STREAM.INFO.{stream}")
    config = answer["config"]
    config["metadata"] = {**config.get("metadata", {}), **metadata}
    return await change(connection, config)


async def change(connection: Connection, config: dict[str, Any]) -> Stream:
    """Change a stream into what its whole configuration says. Raises ApiError."""
    return _stream(await connection.api(f"STREAM.UPDATE.{config['name']}", config))


def alone(connection: Connection) -> bool:
    """Whether the server keeps streams itself and is in no cluster, so that it can keep one replica of each alone."""
    info = connection._server_info
    own = connection.api_prefix in {API, f"$JS.{info.get('domain', '')}.API"}
    return own and bool(info.get("jetstream")) and not info.get("cluster")


async def fence(connection: Connection, stream: str, metadata: dict[str, str], *, reopened: bool = True) -> Stream:
    """End every fast batch into a partition, and write ``metadata``; return the partition as it is then.

    Fast ingest is switched off and, if ``reopened``, on again: late frames of earlier batches are refused from then on,
    and where it stays off, those that begin one. Raises ApiError.
    """
    config = (await connection.api(f"STREAM.INFO.{stream}"))["config"]
    config["metadata"] = {**config.get("metadata", {}), **metadata}
    for allowed in (False, True)[: 1 + reopened]:
        answer = await connection.api(f"STREAM.UPDATE.{stream}", {**config, "allow_batched": allowed})
    return _stream(answer)


async def grow(connection: Connection, stream: str, max_bytes: int) -> Stream:
    """Give a partition another size, changing nothing else. Raises ApiError."""
    answer = await connection.api(f"STREAM.INFO.{stream}")
    return await change(connection, {**answer["config"], "max_bytes": max_bytes})


async def widen(connection: Connection, stream: str) -> Stream:
    """Have a partition take what Memphis's SDKs of before 1.1 publish, too, changing nothing else. Raises ApiError."""
    answer = await connection.api(f"STREAM.INFO.{stream}")
    return await change(connection, {**answer["config"], **subjects(stream, wide=True)})


async def delete(connection: Connection, stream: str) -> None:
    """Delete a partition and all it holds. Raises ApiError."""
    await connection.api(f"STREAM.DELETE.{stream}")


async def message(connection: Connection, stream: str, sequence: int) -> bytes | None:
    """Return the payload stored at ``sequence``, None where there is none. Raises ApiError."""
    try:
        answer = await connection.api(f"STREAM.MSG.GET.{stream}", {"seq": sequence})
    except ApiError as error:
        if error.code == codes.MESSAGE_NOT_FOUND:
            return None
        raise
    return base64.b64decode(answer["message"].get("data", ""))


def _stream(answer: Any) -> Stream:
    config, state = answer["config"], answer["state"]
    transform = config.get("subject_transform")
    return Stream(
        name=config["name"],
        first=state["first_seq"],
        last=state["last_seq"],
        messages=state["messages"],
        bytes=state["bytes"],
        max_bytes=config.get("max_bytes", -1),
        subjects=tuple(config.get("subjects", ())),
        metadata=config.get("metadata", {}),
        batched=config.get("allow_batched", False),
        retention=config.get("retention", "limits"),
        discard=config.get("discard", "old"),
        max_messages=config.get("max_msgs", -1),
        max_messages_a_subject=config.get("max_msgs_per_subject", -1),
        max_age=config.get("max_age", 0) / 1e9,
        sealed=config.get("sealed", False),
        storage=config.get("storage", "file"),
        replicas=config.get("num_replicas", 1),
        acknowledges=not config.get("no_ack", False),
        counts=config.get("allow_msg_counter", False),
        max_message=config.get("max_msg_size", -1),
        copies=bool(config.get("mirror") or config.get("sources")),
        transform=(transform["src"], transform["dest"]) if transform else None,
        consumers=state.get("consumer_count", 0),
        max_consumers=config.get("max_consumers", -1),
        consumers_idle=(config.get("consumer_limits") or {}).get("inactive_threshold", 0) / 1e9,
        level=int(config.get("metadata", {}).get(_LEVEL, 0)),
        created=str(answer.get("created", "")),
        republish=(again.get("src", ""), again.get("dest", "")) if (again := config.get("republish")) else None,
    )
