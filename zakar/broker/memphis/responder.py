"""The responder: requests taken from their subjects, carried out on JetStream, answered.

Two may run beside a server: their subscriptions are one queue group, so that each request is answered once. What
they remember is in the broker, but nothing keeps the two from writing the members of one group at the same time:
a member may be forgotten then, and the group's durable go before it.
"""

import asyncio
import contextlib
import weakref
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from functools import partial

from nats.aio.msg import Msg

from zakar.broker import codes
from zakar.broker import station as streams
from zakar.broker.access import Access
from zakar.broker.connection import LOST, ApiError, Connection, connected
from zakar.broker.memphis import answers, consumers, messages, names, requests, stations
from zakar.broker.memphis.journal import Journal
from zakar.broker.memphis.names import RefusedError
from zakar.broker.memphis.requests import (
    AttachSchema,
    CreateConsumer,
    CreateProducer,
    CreateStation,
    DestroyConsumer,
    DestroyProducer,
    DestroyStation,
    DetachSchema,
    Layout,
    Order,
)
from zakar.errors import ConfigError, ServerError

# What Memphis's SDKs, its console and its own parts publish or ask besides: dead letters, schemas, settings.
UNSUPPORTED = (
    "$memphis_notifications",
    "$memphis_schemaverse_dls",
    "$memphis_nacked_dls",
    "$memphis_pm_acks",
    "$memphis_integration_updates",
    "$memphis_cache_updates",
    "$memphis_config_reload_signal",
    "$memphis_connection_status",
    "$memphis_tiered_storage",
    "$memphis_ws_subs.>",
)
_QUEUE = "zakar_memphis"
_INBOXES = ("_INBOX", "_R_.")  # `_R_.` is what servers make of an inbox in another account
_AT_ONCE = 1_024  # requests; what comes on top waits in its subscription
_PATIENCE = 60.0  # seconds for a server that is away; an SDK waits for 20, and asks five more times
_ANSWER = 3.0  # seconds for an answer of JetStream's: in a cluster, what a dead leader was asked is never answered
_PAUSE = 0.1
_LONGEST_WAIT = 0.5  # seconds between attempts to reconnect: SDKs are back after 1.5
_FAREWELL = 5.0  # seconds
_DENIED_MOST = 1_000
_GROUPS_MOST = 10_000
_CREATED = "$JS.EVENT.ADVISORY.CONSUMER.CREATED."


@dataclass
class _Desk:
    """What the requests of one responder share."""

    connection: Connection
    journal: Journal
    locks: "weakref.WeakValueDictionary[str, asyncio.Lock]" = field(default_factory=weakref.WeakValueDictionary)
    room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))
    tasks: "set[asyncio.Task[None]]" = field(default_factory=set)
    groups: dict[tuple[str, str], CreateConsumer] = field(default_factory=dict)  # what was last asked of some

    def lock(self, station: str) -> asyncio.Lock:
        """Return the lock of a station: what is asked of one is done one after the other."""
        return self.locks.setdefault(station, asyncio.Lock())


@contextlib.asynccontextmanager
async def responding(access: Access, log: Callable[[str], None] = lambda _: None) -> AsyncIterator[None]:
    """Answer SDKs of the server at ``access`` for the length of an ``async with`` block.

    A lost server is waited for, however long. ``log`` gets lines for whoever runs this. Raises ConfigError, and
    ServerError where the server does not let us in, has no JetStream, or not for this user, or ends the connection for
    good, which ends the block, too.
    """
    if access.memphis:
        raise ConfigError(f"--server {access.shown}: a Memphis broker answers its SDKs itself; give a nats:// address")
    async with connected(access, "zakar memphis", longest_wait=_LONGEST_WAIT) as connection:
        connection.patience = _ANSWER
        desk = _Desk(connection, Journal(log))
        await _check_jetstream(connection)
        heard = [
            await connection.subscribe(subject, queue=_QUEUE, cb=partial(_take, desk))
            for subject in (*requests.SUBJECTS, *UNSUPPORTED)
        ]
        heard.append(await connection.subscribe(f"{_CREATED}*.*", queue=_QUEUE, cb=partial(_take_created, desk)))
        await _check_heard(connection)
        looking = [asyncio.create_task(_finish(desk)), asyncio.create_task(_warn(desk))]
        looking.append(asyncio.create_task(_end_with(connection, asyncio.current_task())))
        try:
            yield
        except asyncio.CancelledError:
            connection.check()  # what ended it, if it was not whoever runs this
            raise
        finally:
            for task in looking:
                task.cancel()
            for subscription in heard:
                with contextlib.suppress(*LOST):
                    await subscription.unsubscribe()
            if desk.tasks:
                await asyncio.wait(desk.tasks, timeout=_FAREWELL)
            for task in desk.tasks:
                task.cancel()


async def _end_with(connection: Connection, block: "asyncio.Task[object] | None") -> None:
    """End a block once the server has ended the connection for good."""
    await connection.ended()
    if block is not None:
        block.cancel()


async def _check_jetstream(connection: Connection) -> None:
    """Raise ServerError if this user cannot ask JetStream for what SDKs will want."""
    await streams.info(connection)
    try:
        await streams.look(connection, streams.stream_name("zakar"))
    except ApiError as error:
        raise ServerError(f"the server refuses JetStream requests: {error}; let this user ask $JS.API.>") from error
    except LOST as error:
        raise ServerError(f"the server does not answer JetStream requests ({str(error) or 'no answer'})") from error


async def _check_heard(connection: Connection) -> None:
    """Raise ServerError if this user may not hear what SDKs ask, or may not answer it."""
    inbox = connection.new_inbox()
    await connection.publish(inbox, b"")
    await connection.flush()
    for subject in (*requests.SUBJECTS, inbox):
        if denial := connection.denial(subject):
            raise ServerError(f"the server does not let this user answer Memphis SDKs: {denial}")


async def _finish(desk: _Desk) -> None:
    """End what an earlier responder began."""
    try:
        for station in await stations.finish(desk.connection, desk.lock):
            desk.journal.tell(f"station {station}: made or deleted, as was asked of an earlier responder")
    except (ApiError, RefusedError, *LOST) as error:
        desk.journal.tell(f"stations that are half made or half deleted were left so: {error}")


async def _warn(desk: _Desk) -> None:
    """Name the stations whose messages programs will stumble over: loaded before anybody answered SDKs here."""
    try:
        for stream in await streams.every(desk.connection):
            if streams.OWNER in stream.metadata and await messages.bare(desk.connection, stream.name):
                desk.journal.tell(f"station stream {stream.name}: its messages {messages.WITHOUT}")
    except (ApiError, *LOST) as error:
        desk.journal.tell(f"whether stations were loaded with the headers of Memphis's messages is not known: {error}")


async def _take(desk: _Desk, message: Msg) -> None:
    """Take a request; nats-py gives the next one of its subject when this returns."""
    await desk.room.acquire()
    task = asyncio.create_task(_serve(desk, message))
    desk.tasks.add(task)
    task.add_done_callback(desk.tasks.discard)
    task.add_done_callback(lambda _: desk.room.release())


async def _take_created(desk: _Desk, message: Msg) -> None:
    """Take the news of a consumer of a station's one partition, which may be one to be mended."""
    stream, _, durable = message.subject.removeprefix(_CREATED).partition(".")
    station, _, number = stream.rpartition("$")
    if number == "1" and names.is_internal(station) and names.is_internal(durable):
        task = asyncio.create_task(_mend(desk, station, durable))
        desk.tasks.add(task)
        task.add_done_callback(desk.tasks.discard)


async def _mend(desk: _Desk, station: str, durable: str) -> None:
    """Make a durable anew that an SDK has made itself and that gets nothing."""
    asked = desk.groups.get((station, durable)) or requests.unnamed(station, durable)
    try:
        async with desk.lock(station):
            stream = await streams.look(desk.connection, streams.stream_name(station))
            if stream is not None and stream.wide and await consumers.mend(desk.connection, stream, durable, asked):
                desk.journal.tell(f"station {names.shown(station)}: group {durable} made anew, as it would get nothing")
    except (ApiError, *LOST) as error:
        desk.journal.tell(f"station {names.shown(station)}: group {durable} is left as a program has made it: {error}")


async def _serve(desk: _Desk, message: Msg) -> None:
    # What is answered to anything but an inbox could end in a stream, or ask JetStream for something.
    reply = message.reply if message.reply.startswith(_INBOXES) else ""
    if message.reply and not reply:
        desk.journal.once("reply", f"{message.subject}: not done, since the reply is asked for at no inbox")
        return
    answer = await _answer(desk, message.subject, message.data)
    if sum(map(len, desk.connection.denied.values())) > _DENIED_MOST:  # inboxes that we may not answer
        desk.connection.denied.clear()
    if reply:
        with contextlib.suppress(*LOST):
            await desk.connection.publish(reply, answer)


async def _answer(desk: _Desk, subject: str, payload: bytes) -> bytes:
    """Return the answer to a request, whatever it is."""
    if subject not in requests.SUBJECTS:
        desk.journal.once(subject.partition(".")[0], f"{subject}: asked for, which zakar does not do")
        return answers.failure(subject, f"zakar does not do {subject}")
    try:
        order = requests.order(subject, payload)
        async with desk.lock(order.station):
            return await _insist(desk, order)
    except RefusedError as refusal:
        text = str(refusal)
    except ApiError as error:
        text = str(error)
        desk.journal.tell(f"{subject}: {text}")
    except LOST as error:
        text = f"the broker did not answer ({str(error) or 'no answer'}); try again"
        desk.journal.tell(f"{subject}: {text}")
    except Exception as error:  # a request must not end the responder
        text = "zakar could not do this; its log says why"
        desk.journal.tell(f"{subject}: {error!r}")
    return answers.failure(subject, text)


async def _insist(desk: _Desk, order: Order) -> bytes:
    """Carry out an order, again if the server goes away meanwhile: each may be done twice."""
    loop = asyncio.get_running_loop()
    until = loop.time() + _PATIENCE
    while True:
        try:
            return await _carry_out(desk, order)
        except (ApiError, *LOST) as error:
            away = not isinstance(error, ApiError) or error.code in codes.NOT_READY
            if not away or loop.time() > until or desk.connection.is_closed:
                raise
        await asyncio.sleep(_PAUSE)


async def _carry_out(desk: _Desk, order: Order) -> bytes:
    connection, station, shown = desk.connection, order.station, names.shown(order.station)
    match order:
        case CreateStation():
            await _create_station(desk, order)
        case DestroyStation():
            if not await stations.destroy(connection, station):
                raise RefusedError(f"Station {shown} does not exist")
            desk.journal.tell(f"station {shown}: deleted")
        case CreateProducer():
            return answers.producer(_numbers(await _served(desk, order, requests.TOO_OLD_TO_PRODUCE)))
        case DestroyProducer():
            pass
        case CreateConsumer():
            partitions = await _served(desk, order, requests.TOO_OLD_TO_CONSUME)
            await consumers.join(connection, partitions, order)
            _remember(desk, order)
            return answers.DONE if order.first else answers.consumer(_numbers(partitions))
        case DestroyConsumer():
            partitions = await stations.find(connection, station)
            if not partitions or not await consumers.leave(connection, partitions, order):
                raise RefusedError(f"Consumer {names.shown(order.name)} at station {shown} does not exist")
        case AttachSchema():
            if not await stations.find(connection, station):
                raise RefusedError(f"memphis: Station {shown} does not exist")
            raise RefusedError(f"Schema {order.schema} does not exist: {requests.NO_SCHEMAS}")
        case DetachSchema():
            if not await stations.find(connection, station):
                raise RefusedError(f"station {shown} does not exist")
    return answers.DONE


async def _create_station(desk: _Desk, order: CreateStation) -> None:
    if existing := await stations.find(desk.connection, order.station):
        if order.first and len(existing) == 1:
            await _widen(desk, existing)
        return
    if isinstance(order.layout, RefusedError):
        raise order.layout
    if order.dead_letters and order.dead_letters != order.station:
        await _partitions(desk, order.dead_letters)
    made = await _make(desk, order.station, order.layout)
    if order.first:
        await _widen(desk, made)


async def _served(desk: _Desk, order: CreateProducer | CreateConsumer, several: str) -> list[streams.Stream]:
    """Return a program's partitions. Raises RefusedError saying ``several`` if it knows none and there are several."""
    partitions = await _partitions(desk, order.station)
    if order.first and len(partitions) > 1:
        raise RefusedError(several)
    if order.first:
        await _widen(desk, partitions)
    return partitions


async def _widen(desk: _Desk, partitions: list[streams.Stream]) -> None:
    """Have a station's one partition take what SDKs publish that know none. Raises RefusedError, ApiError."""
    if await stations.widen(desk.connection, partitions[0]):
        shown = names.shown(partitions[0].name.rpartition("$")[0])
        desk.journal.tell(f"station {shown}: takes what SDKs of before 1.1 publish, too")


def _remember(desk: _Desk, asked: CreateConsumer) -> None:
    """Keep what was asked of a group, for the case that a program makes its durable itself."""
    desk.groups.pop((asked.station, asked.group), None)
    desk.groups[asked.station, asked.group] = asked
    if len(desk.groups) > _GROUPS_MOST:
        del desk.groups[next(iter(desk.groups))]


async def _partitions(desk: _Desk, station: str) -> list[streams.Stream]:
    """Return a station's partitions, making a missing one as Memphis did."""
    return await stations.find(desk.connection, station) or await _make(desk, station, Layout())


async def _make(desk: _Desk, station: str, layout: Layout) -> list[streams.Stream]:
    made = await stations.make(desk.connection, station, layout)
    desk.journal.tell(f"station {names.shown(station)}: made, {len(made)} partition{'s' if len(made) > 1 else ''}")
    return made


def _numbers(partitions: list[streams.Stream]) -> list[int]:
    return [streams.number_of(stream.name) for stream in partitions]
