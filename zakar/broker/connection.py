"""A connection: nats-py's client, narrowed and widened where a loader and a reader of millions need it.

What is added: whole blocks of protocol frames go straight to the socket, never to nats-py's pending list, so
that nothing of a loader's is replayed behind its back after a reconnect; and messages of a tapped
subscription are handed over by the chunk that came from the socket, not one at a time.
"""

import asyncio
import contextlib
import random
import re
import secrets
import uuid
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

import msgspec
import nats.errors
from nats.aio.client import Client, Srv
from nats.aio.subscription import Subscription
from nats.protocol.parser import AWAITING_CONTROL_LINE, ERR_RE, Parser

from zakar.broker import refusal
from zakar.broker.access import Access, is_websocket, memphis_access, plain, sign_in, tls_context
from zakar.broker.refusal import NoNkeysError, PlaintextError, RefusedError
from zakar.broker.tcp import TcpTransport, objected
from zakar.broker.websocket import PIECE, WebSocketTransport
from zakar.errors import ServerError
from zakar.stopping import until_stopped

LOST = (nats.errors.Error, OSError)  # what a request raises when no answer comes
_API_TIMEOUT = 10.0
_RECONNECT_WAIT = 0.25  # seconds before the second attempt to reconnect;
_RECONNECT_MOST = 5.0  # each waits longer than the one before, up to this
_RECONNECT_GROWTH = 1.5
DENIED = 403
_TOO_LARGE = 413
_LAST_FLUSH = 1.0
_LAST_WORDS = 1.0  # seconds to take what was said before a connection broke
_STATEMENTS = 64
_READ = 65_536
_OBJECTION = re.compile(rb"-ERR '([^\r\n]*)'\s*\Z")  # the last line of all
_DOMAIN = re.compile(r"^\$js\.[^.]+\.api\.")
_T = TypeVar("_T")


class Delivery(NamedTuple):
    """A message as it came: ``headers`` is the raw block, empty where there is none."""

    subject: bytes
    reply: bytes
    headers: bytes
    payload: bytes


Tap = Callable[[list[Delivery]], None]


class ApiError(Exception):
    """JetStream's refusal of a request. ``code`` is its ``err_code``, 0 where nobody answers for it."""

    def __init__(self, code: int, description: str) -> None:
        super().__init__(f"{description} ({code})")
        self.code = code
        self.description = description


class UnansweredError(nats.errors.TimeoutError):
    """A request has no answer, while the connection is there."""

    def __init__(self, subject: str) -> None:
        super().__init__()
        self._subject = subject

    def __str__(self) -> str:
        return f"no answer to {self._subject}; of a cluster, the server that is to give it may be down"


class Connection(Client):
    """A nats-py client that sends blocks and hands over tapped messages by the chunk.

    ``losses`` counts lost connections; whoever waits for an answer compares it with what it was. ``verdict`` is the
    error with which the server ended it for good: whatever is asked, sent or subscribed afterwards raises that.
    ``watchers`` are events that are set at each loss and each return of the connection. ``patience`` is how many
    seconds JetStream has to answer, where nothing else is said.
    """

    def __init__(self, access: Access) -> None:
        super().__init__()
        self._access = access
        self._addresses = access.addresses
        self._signed = self._addresses[0]  # the one that said who is asking
        self.verdict: ServerError | None = None
        self.began = 0.0  # when it last came to be, by the loop's clock
        self.obstacle = ""  # why there is no connection, while none can be made
        self._statements: deque[tuple[float, str]] = deque(maxlen=_STATEMENTS)  # when, and what the server said
        self._refusals: Counter[str] = Counter()  # by address, since one let us in
        self._ending: asyncio.Task[None] | None = None
        self.taps: dict[int, Tap] = {}
        self.losses = 0
        self.patience = _API_TIMEOUT
        self._sent = 0  # bytes of blocks given to a TCP socket
        # What the server said this user may not do, as often as it said so, by what it is about.
        self.denied: dict[str, list[str]] = {}
        self.watchers: set[asyncio.Event] = set()
        self._ps = _BulkParser(self)

    def said(self, since: float = 0.0) -> str:
        """Return what the server said of its own accord since a time of the loop, the first first; empty if nothing."""
        return refusal.says([text for at, text in self._statements if at >= since])

    def hear(self, text: str) -> None:
        """Take what the server says of its own accord; end for good where no other connection could go on."""
        self._statements.append((asyncio.get_running_loop().time(), text))
        if "permissions violation" in text.lower():
            self.denied.setdefault(_about(text), []).append(text)
        elif verdict := refusal.final(text):
            expired = refusal.expiry(self._token)
            self.end(ServerError("; ".join([f"{self._access.shown}: {verdict}", *([expired] if expired else [])])))
        self.change()

    @property
    def denials(self) -> list[str]:
        """All that the server said this user may not do and nobody was told of, nothing twice."""
        return list(dict.fromkeys(text for texts in self.denied.values() for text in texts))

    def denial(self, subject: str) -> str:
        """Return what the server said to messages to a subject that this user may not publish to; empty if nothing.

        It is told once, for all of them.
        """
        return next((text for name in _names(subject) for text in self.denied.pop(name, ())), "")

    def _denial_of_one(self, subject: str) -> str:
        """Return what the server said to one message to a subject, and leave what it said to the others to them."""
        for name in _names(subject):
            if len(denials := self.denied.get(name, [])) > 1:
                return denials.pop()
        return self.denial(subject)

    def change(self) -> None:
        """Wake whoever waits for a change of the connection."""
        for event in self.watchers:
            event.set()

    def end(self, verdict: ServerError) -> None:
        """Close for good, for a reason that whoever uses the connection is told."""
        if self.verdict is None:
            self.verdict = verdict
            self.change()
            self._ending = asyncio.create_task(super().close())

    def turned_away(self, problem: Exception) -> None:
        """Take why a server did not let us in again; give up where one refuses these credentials for the second time.

        Once may pass: a server that has just started may not know the account yet.
        """
        text = refusal.text_of(problem)
        self.obstacle = f"no connection: {text}"
        if not refusal.objects(problem):
            return
        self.hear(text)
        if refusal.refuses(text):
            address = self._current_server.uri.netloc if self._current_server else ""
            self._refusals[address] += 1
            if self._refusals[address] > 1:
                self.end(refusal.at_the_door(self._access, [problem], self._token))

    async def ended(self) -> None:
        """Wait until the server has ended the connection for good."""
        changed = asyncio.Event()
        self.watchers.add(changed)
        try:
            while self.verdict is None:
                await changed.wait()
                changed.clear()
        finally:
            self.watchers.discard(changed)

    def check(self) -> None:
        """Raise the ServerError with which the server ended the connection for good, if it has."""
        if self.verdict is not None:
            raise self.verdict

    @property
    def _token(self) -> bytes:
        """The user's JWT; empty if there is none."""
        return (self._access.jwt or "").encode()

    @property
    def encrypted(self) -> bool:
        """Whether TLS is in use."""
        writer = getattr(self._transport, "_io_writer", None)
        return writer is not None and writer.get_extra_info("ssl_object") is not None

    @property
    def api_prefix(self) -> str:
        """The beginning of the subjects where JetStream is asked."""
        return self._access.api

    @property
    def name(self) -> str:
        """What it told the server that it is called."""
        return str(self.options["name"])

    @property
    def version(self) -> str:
        """The version of the server."""
        return str(self._server_info.get("version", ""))

    @property
    def _inboxes(self) -> str:
        """The beginning of its inboxes, in lower case."""
        return f"{self._inbox_prefix.decode().lower()}."

    @property
    def takes_headers(self) -> bool:
        """Whether the server takes messages with headers."""
        return bool(self._server_info.get("headers"))

    @property
    def clustered(self) -> bool:
        """Whether the server is one of a cluster."""
        return bool(self._server_info.get("cluster"))

    @property
    def deaf(self) -> str:
        """Why no answer is ever heard: that the server denied an inbox, and what to do; empty if it did not."""
        texts_of_inboxes = (
            text for about, texts in self.denied.items() if about.startswith(self._inboxes) for text in texts
        )
        text = next((text for text in texts_of_inboxes if "subscription" in text.lower()), "")
        return f"{text}; give --inbox-prefix the beginning of subjects where this user may hear answers" if text else ""

    @property
    def wire_bytes(self) -> int:
        """Bytes of blocks given to the socket; through a WebSocket of everything, compressed."""
        return self._transport.sent if isinstance(self._transport, WebSocketTransport) else self._sent

    @property
    def compressed(self) -> bool:
        """Whether the server agreed to compress."""
        return isinstance(self._transport, WebSocketTransport) and self._transport.compressed

    async def tap(self, subject: str, handler: Tap) -> int:
        """Subscribe ``handler`` to chunks of messages; return the subscription's number.

        Whatever is sent or published afterwards finds it there. Raises as ``subscribe`` does.
        """
        subscription = await self.subscribe(subject)
        number: int = subscription._id
        self.taps[number] = handler
        return number

    def short_inbox(self) -> str:
        """Return a subject for answers, shorter than nats-py's own: every message carries it."""
        return f"{self.new_inbox().rpartition('.')[0]}.{secrets.token_urlsafe(6)}"

    async def untap(self, number: int) -> None:
        """End a tapped subscription."""
        self.taps.pop(number, None)
        subscription = self._subs.get(number)
        if subscription is not None and self.is_connected:
            await subscription.unsubscribe()

    async def send(self, block: memoryview) -> None:
        """Give whole protocol frames to the socket and wait until it takes more.

        Raises ConnectionError if there is no connection, and ServerError if the server ended it for good; what happened
        to the block is then unknown.
        """
        self.check()
        if not self.is_connected or self._transport is None:
            raise ConnectionError("not connected")
        losses, began = self.losses, asyncio.get_running_loop().time()
        self._sent += len(block)
        self._write_pending()  # such as a tap's subscription; the server keeps the order
        transport: Any = self._transport  # typed for bytes alone, though every transport takes a view
        try:
            transport.write(block)
            await transport.drain()
        except OSError as error:
            raise await self._explained(error, losses, began) from error

    async def _explained(self, error: Exception, losses: int, began: float) -> Exception:
        """Return why the connection broke, given that it did, since ``began``, after so many ``losses``.

        What the server said before it hung up is read by others, which takes a moment.
        """
        changed = asyncio.Event()
        self.watchers.add(changed)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORDS):
                while self.losses == losses and not self.is_closed and self.verdict is None:
                    await changed.wait()
                    changed.clear()
        self.watchers.discard(changed)
        words = self.said(began)
        return self.verdict or (ConnectionError(f"the connection was lost: {words}") if words else error)

    async def publish(self, *args: Any, **options: Any) -> None:
        """Publish as nats-py does. Raises ServerError if the server ended the connection for good."""
        self.check()
        await super().publish(*args, **options)

    async def subscribe(self, *args: Any, **options: Any) -> Subscription:
        """Subscribe as nats-py does. Raises ServerError if the server ended the connection for good."""
        self.check()
        return await super().subscribe(*args, **options)

    async def flush(self, timeout: float = _API_TIMEOUT) -> None:  # noqa: ASYNC109 - nats-py's own name
        """Wait until the server has taken all that was published before.

        Raises nats.errors.Error or OSError if the connection is lost meanwhile, at once, and ServerError if for good.
        """
        self.check()
        flushing = super().flush(timeout)  # type: ignore[arg-type]  # it takes any number
        if asyncio.current_task() is self._reconnection_task:  # nats-py's own, of a connection that is being made
            await flushing
        else:
            await self._awaited(asyncio.ensure_future(flushing))

    def _write_pending(self) -> None:
        if self._pending and self._transport is not None:
            self._transport.writelines(self._pending)
            self._pending, self._pending_data_size = [], 0

    async def _send_ping(self, future: asyncio.Future[bool] | None = None) -> None:
        self._write_pending()  # which nats-py's PING would overtake, and a flush then promise too much
        await super()._send_ping(future)

    async def api(self, subject: str, request: object = None, patience: float | None = None) -> Any:
        """Ask JetStream's API; return its answer as plain values.

        Raises ApiError for a refusal, and nats.errors.Error or OSError where no answer comes.
        """
        payload = b"" if request is None else msgspec.json.encode(request)
        try:
            reply = await self.ask(f"{self.api_prefix}.{subject}", payload, patience)
        except nats.errors.NoRespondersError as error:
            raise ApiError(0, "no JetStream answers here") from error
        except nats.errors.MaxPayloadError as error:
            needed = f"its max_payload is {self.max_payload:,} bytes, a request of {len(payload):,} does not fit"
            raise ApiError(_TOO_LARGE, f"{needed}; raise it") from error
        answer = msgspec.json.decode(reply)
        if "error" in answer:
            raise ApiError(answer["error"].get("err_code", 0), answer["error"].get("description", ""))
        return answer

    async def ask(self, subject: str, payload: bytes, patience: float | None = None) -> bytes:
        """Make a request; return the reply.

        Raises ApiError if this user may not make it, ServerError if the server ended the connection for good, and
        nats.errors.Error or OSError where no answer comes; an answer that was under way when the connection was lost
        never does.
        """
        answering = asyncio.ensure_future(self.request(subject, payload, timeout=patience or self.patience))
        return bytes((await self._awaited(answering, subject)).data)

    async def _awaited(self, answering: "asyncio.Future[_T]", subject: str = "") -> _T:
        """Wait for an answer, to a question that was asked by ``subject`` if by any, as long as one may still come.

        Raises as ``ask`` does.
        """
        losses, began = self.losses, asyncio.get_running_loop().time()
        changed = asyncio.Event()
        self.watchers.add(changed)
        watching = asyncio.ensure_future(changed.wait())
        try:
            while not answering.done():
                self.check()
                # A request that this user may not make is never answered; the server says so on the side.
                denied = subject and (self._denial_of_one(subject) or self.deaf)
                if denied:
                    raise ApiError(DENIED, denied)
                if self.losses != losses:
                    raise ConnectionError("the connection was lost")
                waiting: list[asyncio.Future[Any]] = [answering, watching]
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                if watching.done():
                    changed.clear()
                    watching = asyncio.ensure_future(changed.wait())
            return await answering
        except LOST as error:
            self.check()
            words = self.said(began)
            if words and not isinstance(error, nats.errors.NoRespondersError | nats.errors.MaxPayloadError):
                raise ConnectionError(f"{str(error).removeprefix('nats: ') or 'no answer'}: {words}") from error
            if subject and isinstance(error, nats.errors.TimeoutError):
                raise UnansweredError(subject) from error
            raise
        finally:
            self.watchers.discard(changed)
            watching.cancel()
            answering.cancel()

    async def close(self) -> None:
        """Send what is still pending, for as long as that takes no more than a moment, and close."""
        with contextlib.suppress(*LOST, ServerError):
            if self.is_connected:
                async with asyncio.timeout(_LAST_FLUSH):
                    await self.flush()
        await super().close()
        if self._ending is not None:
            await asyncio.wait({self._ending})

    def _connect_command(self) -> bytes:
        # nats-py's has no percent signs decoded, nothing of who is asking where a server lets in anybody, nothing of an
        # address's at a server that a cluster told, and reads a credentials file again, by rules of its own.
        connect: dict[str, Any] = msgspec.json.decode(super()._connect_command().partition(b" ")[2])
        server = self._current_server
        place = server and (str(server.uri.hostname), server.uri.port)
        self._signed = next((each for each in self._addresses if each.place == place), self._signed)
        nonce = self._server_info.get("nonce", "")
        who = sign_in(self._access, self._signed, nonce)
        if "nkey" in who and not nonce:
            raise NoNkeysError
        connect |= who
        return b"CONNECT " + msgspec.json.encode(connect) + b"\r\n"

    async def _process_info(self, info: dict[str, Any], initial_connection: bool = False) -> None:
        # Before CONNECT is sent, and again at each reconnect: nats-py encrypts only if the server asks for it, so
        # whoever sits between could have the password by not asking. Over a WebSocket it encrypts nothing, whatever the
        # server asks for.
        if initial_connection and self._access.wants_tls and info.get("tls_available"):
            info["tls_required"] = True  # nats-py asks no server for what it does not demand
        secured = self.encrypted if isinstance(self._transport, WebSocketTransport) else info.get("tls_required")
        if initial_connection and self._access.wants_tls and not secured:
            raise PlaintextError
        if isinstance(self._transport, WebSocketTransport):
            self._transport.piece = min(PIECE, info.get("max_payload", PIECE))
        if not initial_connection:  # what nats-py passes over: limits of this user alone, and a server that goes
            self._max_payload = info.get("max_payload", self._max_payload)
            if info.get("ldm"):
                self.hear("it is shutting down (lame duck mode)")
        await super()._process_info(info, initial_connection)

    async def _process_err(self, err_msg: str) -> None:
        """Take what the server says; nats-py would close for good whatever it is, and has it in lower case."""
        line = ERR_RE.match(self._ps.buf)
        self.hear((line[1].decode(errors="replace") if line and line[1] else err_msg).strip("'"))

    async def _process_connect_init(self) -> None:
        try:
            await super()._process_connect_init()
        except OSError as error:
            for line in (await self._last_words()).splitlines(keepends=True):
                try:
                    objected(line)
                except nats.errors.Error as objection:
                    raise objection from error
            raise

    async def _attempt_reconnect(self) -> None:
        self._abort()
        reading: asyncio.Task[None] | None = self._reading_task
        if reading is not None:
            reading.cancel()  # as nats-py does, which reads no more of the broken connection
            await asyncio.wait([reading])
        if objection := _OBJECTION.search(await self._last_words()):
            self.hear(objection[1].decode(errors="replace"))
        if self.is_closed:
            return
        with contextlib.suppress(asyncio.InvalidStateError):  # nats-py resolves a future twice if closed meanwhile
            await super()._attempt_reconnect()

    async def _connect_to_server(self, s: Srv) -> None:
        self._abort()  # of an attempt that failed half-way: nats-py would forget its socket, still open
        await super()._connect_to_server(s)

    async def _process_pong(self) -> None:
        if self._pongs and self._pongs[0].done():  # of a flush that was given up: nats-py would end its reading here
            self._pongs[0] = asyncio.get_running_loop().create_future()
        self._refusals.clear()  # the server took what we sent
        await super()._process_pong()

    async def _last_words(self) -> bytes:
        """Return what a connection that has ended had brought and nobody has read."""
        words = b""
        if self._transport is not None:
            with contextlib.suppress(TimeoutError, *LOST):
                async with asyncio.timeout(_LAST_WORDS):
                    while data := await self._transport.read(_READ):
                        words += data
        return words

    async def _close(self, status: int, do_cbs: bool = True) -> None:
        self._abort()
        self._pending, self._pending_data_size = [], 0
        await super()._close(status, do_cbs)

    def _abort(self) -> None:
        """Drop the socket: waiting for a stalled one to take what is unsent, as nats-py would, may never end."""
        writer = getattr(self._transport, "_io_writer", None)
        if writer is not None:
            with contextlib.suppress(AttributeError):  # asyncio's, where a TLS socket that is gone was closed twice
                writer.transport.abort()

    async def _process_msg(self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes) -> None:
        tap = self.taps.get(sid)
        if tap is None:
            await super()._process_msg(sid, subject, reply, data, headers)
        else:
            tap([Delivery(subject, reply, headers or b"", data)])


class _BulkParser(Parser):
    """nats-py's parser with a short way for tapped messages that have come whole."""

    async def parse(self, data: bytes = b"") -> None:
        self.buf.extend(data)
        if self.state == AWAITING_CONTROL_LINE and self._take_tapped():
            return
        await super().parse()

    def _take_tapped(self) -> bool:
        """Hand over leading tapped messages; return whether to wait for more bytes before anything else."""
        taps = self.nc.taps
        data = bytes(self.buf)
        at, wait = 0, False
        chunks: dict[int, list[Delivery]] = {}
        while data.startswith((b"MSG ", b"HMSG "), at):
            line_end = data.find(b"\r\n", at)
            if line_end < 0:
                wait = True
                break
            words = data[at:line_end].split()
            sid = int(words[2])
            if sid not in taps:
                break
            body = line_end + 2
            end = body + int(words[-1])
            if len(data) < end + 2:
                wait = True
                break
            with_headers = data[at] == ord("H")
            payload_at = body + int(words[-2]) if with_headers else body
            reply = words[3] if len(words) == (6 if with_headers else 5) else b""
            chunks.setdefault(sid, []).append(Delivery(words[1], reply, data[body:payload_at], data[payload_at:end]))
            at = end + 2
        del self.buf[:at]
        for sid, chunk in chunks.items():
            taps[sid](chunk)
        return wait or not self.buf


async def connect(access: Access, name: str = "zakar", longest_wait: float = _RECONNECT_MOST) -> Connection:
    """Connect, and stay connected until closed.

    ``longest_wait`` is the most seconds between two attempts to reconnect. Raises ConfigError for settings that
    cannot be used and ServerError, saying which server and why, if none lets us in.
    """
    if access.memphis:
        return await _sign_in(memphis_access(access), longest_wait)
    return await _connect(access, name, longest_wait)


async def _sign_in(access: Access, longest_wait: float) -> Connection:
    """Connect to a Memphis broker as its SDKs do, given access with a user in it. Raises ServerError.

    The connection's name says who it is: an id and the user. A user signs in with the account's number, or without one
    where that is refused.
    """
    name = f"{uuid.uuid4()}::{access.user}"
    if access.password is None:
        return await _connect(replace(access, user=None), name, longest_wait)
    try:
        return await _connect(replace(access, user=f"{access.user}${access.account}"), name, longest_wait)
    except RefusedError:
        return await _connect(access, name, longest_wait)


async def _connect(access: Access, name: str, longest_wait: float) -> Connection:
    # A connection has one kind of servers, and the first one says which.
    kind = is_websocket(access.servers[0])
    access = replace(access, servers=tuple(s for s in access.servers if is_websocket(s) == kind))
    connection = Connection(access)
    # nats-py takes the one that is there.
    connection._transport = WebSocketTransport() if access.websocket else TcpTransport()

    async def on_change() -> None:
        connection.change()

    problems: list[Exception] = []

    async def on_problem(problem: Exception) -> None:
        if connection.losses == 0 and not connection.is_connected:  # of the first connection
            problems.append(problem)
        elif not connection.is_connected:
            waited = float(connection.options["reconnect_time_wait"])
            connection.options["reconnect_time_wait"] = min(longest_wait, next_wait(waited, random.uniform(0.75, 1.25)))
            connection.turned_away(problem)

    async def on_return() -> None:
        connection.options["reconnect_time_wait"] = _RECONNECT_WAIT
        connection.obstacle, connection.began = "", asyncio.get_running_loop().time()
        connection.change()

    async def on_loss() -> None:
        connection.losses += 1
        connection.change()

    options: dict[str, Any] = {"tls": tls_context(access), "reconnect_time_wait": _RECONNECT_WAIT}
    if access.inbox_prefix is not None:
        options["inbox_prefix"] = access.inbox_prefix
    try:
        await connection.connect(
            servers=[plain(address) for address in access.addresses],
            name=name,
            tls_handshake_first=access.tls_first and not access.websocket,  # which begins with TLS anyway
            error_cb=on_problem,
            disconnected_cb=on_loss,
            reconnected_cb=on_return,
            closed_cb=on_change,
            allow_reconnect=False,
            max_reconnect_attempts=1,
            connect_timeout=10,
            ping_interval=20,
            max_outstanding_pings=3,
            **options,
        )
    except BaseException as error:  # a cancelled one must not leave its socket open either
        transport: Any = connection._transport
        if transport is not None:
            transport.close()
        if isinstance(error, LOST):
            await asyncio.sleep(0)  # in which a socket whose handshake failed is closed
            greeting = connection._server_info
            raise refusal.at_the_door(access, [*problems, error], connection._token, greeting) from error
        raise
    # Not until now, since nats-py would retry what a wrong password or certificate cannot mend. Once in, it
    # reconnects for as long as whoever uses the connection has patience.
    connection.began = asyncio.get_running_loop().time()
    connection.options["allow_reconnect"] = True
    connection.options["max_reconnect_attempts"] = -1
    return connection


def next_wait(waited: float, luck: float) -> float:
    """Return the seconds to wait before the next attempt to reconnect.

    ``luck``, about 1, spreads those who lost the same server.
    """
    return min(waited * _RECONNECT_GROWTH * luck, _RECONNECT_MOST)


def lost(error: Exception) -> str:
    """Return what a request came to that has no answer: that the connection is lost is not what a time-out says."""
    return str(error) if isinstance(error, UnansweredError) else f"connection lost: {error}"


@contextlib.asynccontextmanager
async def connected(
    access: Access, name: str = "zakar", stop: asyncio.Event | None = None, longest_wait: float = _RECONNECT_MOST
) -> AsyncIterator[Connection]:
    """Connect for the length of an ``async with`` block.

    Raises as ``connect`` does, and KeyboardInterrupt if ``stop`` is set meanwhile.
    """
    connecting = connect(access, name, longest_wait)
    connection = await (connecting if stop is None else until_stopped(connecting, stop))
    try:
        yield connection
    finally:
        with contextlib.suppress(nats.errors.Error, OSError):
            await connection.close()


def _names(subject: str) -> tuple[str, ...]:
    """Return a subject in lower case, and as a server calls it where it has that domain itself."""
    subject = subject.lower()
    return subject, _DOMAIN.sub("$js.api.", subject)


def _about(violation: str) -> str:
    """Return the subject that a permissions violation is about, in lower case."""
    return violation.lower().partition('"')[2].partition('"')[0]
