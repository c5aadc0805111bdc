"""How a producer talks to a stream: an ack a message, or a fast batch. Pure: frames out, answers in.

Both keep a stream in order by ``Nats-Expected-Last-Sequence``, which makes the server itself refuse repeats, gaps
and second writers: ``AckEach`` on every message, ``FastBatch`` on its first. The server stores the rest of a
batch in order or ends it (ADR-50 of the NATS architecture, gap mode ``fail``).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import msgspec
import pyarrow as pa

from zakar.broker import codes
from zakar.broker.connection import Delivery
from zakar.loader import frames
from zakar.loader.frames import Frames

Refusal = tuple[int, str]  # JetStream's err_code, 0 where no stream listens, and its description

_TOO_LARGE = "the next message is larger than the stream's max_msg_size; raise that and run this again"
TWICE = "answers twice"
_ONE_BY_ONE: Refusal = (-1, "it stores messages of a batch one by one, having no fast ingest; use --mode nonblocking")
_FIRST = b".1.0.$FI"  # the end of the subject on which a batch's first message is answered
_SEQUENCE = b'"seq":'
_SHOWN = 40  # bytes of an answer that no stream gives
_COMMIT_STORED, _COMMIT, _PING = 2, 3, 4  # operations of ADR-50 beyond starting and appending


class Place(NamedTuple):
    """Where messages are to be stored: a stream, and JetStream's domain, empty where it has none."""

    stream: str
    domain: str


class Stranger(NamedTuple):
    """An answer of anything but the stream to be filled.

    ``sequence``: where it stored the message, None where it did not. ``said``: its refusal, or what it said that no
    stream says.
    """

    place: Place
    sequence: int | None = None
    said: str = ""


@dataclass(frozen=True)
class Answer:
    """What a chunk of answers says.

    ``acked``: the sequence up to which everything is stored, None if the chunk does not say. ``messages``: how
    many messages are answered by it. ``ended``: no further answer will come. ``strangers``: answers of anything else
    than our stream.
    """

    acked: int | None = None
    messages: int = 0
    refusal: Refusal | None = None
    ended: bool = False
    strangers: tuple[Stranger, ...] = ()


class Dialect(Protocol):
    """A way to publish one attempt's messages into one stream. ``flow``: messages between two acks, if not 1."""

    inbox: str
    flow: int | None

    def build(self, payloads: pa.Array, after: int) -> Frames:
        """Frame payloads to be stored right after sequence ``after``."""

    def take(self, chunk: Sequence[Delivery]) -> Answer:
        """Read a chunk of answers."""

    def ping(self, sent: int) -> bytes:
        """Return frames that ask again for an answer that may be lost; empty if there is no way to ask."""

    def finish(self, sent: int) -> bytes:
        """Return frames that ask for the last answers before all is sent; empty if they come anyway."""


class AckEach:
    """An ack for every message, each refused unless it follows the one before. ``extra_headers``: header lines of each.

    ``place`` is the stream whose acks count; None takes any.
    """

    flow: int | None = None

    def __init__(self, subject: str, inbox: str, extra_headers: str = "", place: Place | None = None) -> None:
        self.inbox = inbox
        self._subject = subject
        self._extra_headers = extra_headers
        self._place = place
        self._ours: bytes | tuple[()] = ()  # what our stream's acks begin with, once one has come
        self._start: int | None = None
        self._acks = 0
        self._refused = False

    def build(self, payloads: pa.Array, after: int) -> Frames:
        """Frame payloads, each with the sequence that it expects to follow."""
        self._start = after if self._start is None else self._start
        return frames.expecting(payloads, after, self._subject, self.inbox, self._extra_headers)

    def take(self, chunk: Sequence[Delivery]) -> Answer:
        """Read acks: cumulative up to the first refusal, since a message is refused unless it follows.

        After a refusal they prove nothing: another's message may have taken the refused one's place. An ack that is
        like one of ours need not be read.
        """
        last: bytes | None = None
        refusal: Refusal | None = None
        strangers: list[Stranger] = []
        for delivery in chunk:
            if not delivery.payload.startswith(self._ours):
                answer, stranger = _answer(delivery, self._place)
                if stranger is not None:
                    strangers.append(stranger)
                    continue
                if answer is None or "error" in answer:
                    refusal = refusal or _refusal(answer)
                    self._refused = True
                if answer is None or "error" in answer or "type" in answer:
                    continue
                self._ours = delivery.payload[: _sequence_at(delivery.payload)]
            if not self._refused:
                self._acks += 1
                last = delivery.payload
        acked = None if last is None else _sequence(last)
        if acked is not None and self._place and self._start is not None and self._acks > acked - self._start:
            strangers.append(Stranger(self._place, acked, TWICE))  # there is another of that name, without a domain
        return Answer(acked, len(chunk), refusal, strangers=tuple(strangers))

    def ping(self, sent: int) -> bytes:
        """Return nothing: an ack that is lost cannot be asked for again."""
        del sent
        return b""

    def finish(self, sent: int) -> bytes:
        """Return nothing: every message asks for its ack as it is."""
        del sent
        return b""


class FastBatch:
    """The messages of ``rows`` as one batch, acknowledged every ``flow`` messages or sooner.

    ``rows``: of the table, from 0 on; with the last of all, the batch ends. ``extra_headers``: lines of each. The
    first says what it follows if it ``expects`` anything. ``place`` is the stream whose answers count; None takes any.
    """

    def __init__(
        self,
        subject: str,
        inbox: str,
        rows: range,
        flow: int,
        extra_headers: str = "",
        *,
        expects: bool = True,
        place: Place | None = None,
    ) -> None:
        self.inbox = f"{inbox}.>"
        self.flow: int | None = flow
        self._subject = subject
        self._start = rows.start
        self._total = rows.stop
        self._reply = f"{inbox}.b.{flow}.fail."
        self._extra_headers = extra_headers
        self._expects = expects
        self._place = place
        self._begun = 0  # streams that take the batch
        self._ended = False

    def build(self, payloads: pa.Array, after: int) -> Frames:
        """Frame payloads as the batch's next; the last message of all commits it."""
        return frames.batched(
            payloads,
            after,
            self._start,
            self._total,
            self._subject,
            self._reply,
            self._extra_headers,
            expects=self._expects,
        )

    def take(self, chunk: Sequence[Delivery]) -> Answer:
        """Read flow acks, which say that the batch's messages 1 to n are stored, and the PubAck that ends it.

        A ping that comes too late is answered after that by an error, which says nothing of the batch.
        """
        acked: int | None = None
        refusal: Refusal | None = None
        strangers: list[Stranger] = []
        for delivery in chunk:
            answer, stranger = _answer(delivery, self._place)
            if stranger is not None:
                strangers.append(stranger)
                continue
            if self._ended:
                continue
            kind = None if answer is None else answer.get("type")
            if answer is None:
                refusal, self._ended = refusal or _refusal(None), True
            elif kind == "ack":
                acked = self._start + answer["seq"]
                self._begun += answer["seq"] == 0 and delivery.subject.endswith(_FIRST)
                if self._place and self._begun > 1:
                    strangers.append(Stranger(self._place, None, TWICE))
            elif kind == "err" or (kind is None and "error" in answer):
                refusal, self._ended = refusal or _refusal(answer), kind is None
            elif kind is None and "count" not in answer:
                refusal, self._ended = refusal or _ONE_BY_ONE, True
            elif kind is None:
                acked, self._ended = self._start + answer["count"], True
                if answer["seq"] != acked:  # something else was stored among them
                    refusal = refusal or (codes.WRONG_LAST_SEQUENCE, f"the batch ends at sequence {answer['seq']}")
        return Answer(acked, 0, refusal, self._ended, tuple(strangers))

    def ping(self, sent: int) -> bytes:
        """Ask for the latest flow ack."""
        return self._operation(sent, _PING)

    def finish(self, sent: int) -> bytes:
        """End the batch with what is sent; the last message of all ends it by itself."""
        return self._operation(sent + 1, _COMMIT) if self._start < sent < self._total else b""

    def _operation(self, sequence: int, operation: int) -> bytes:
        reply = f"{self._reply}{sequence - self._start}.{operation}.$FI"
        return f"PUB {self._subject} {reply} 0\r\n\r\n".encode()


def _sequence_at(ack: bytes) -> int:
    """Return where the stream sequence of a positive PubAck begins."""
    return ack.index(_SEQUENCE) + len(_SEQUENCE)


def _sequence(ack: bytes) -> int:
    """Return the stream sequence of a positive PubAck, without parsing all of it."""
    at = end = _sequence_at(ack)
    while ack[end : end + 1].isdigit() or ack[end : end + 1] == b" ":
        end += 1
    return int(ack[at:end])


def _answer(delivery: Delivery, place: Place | None) -> tuple[dict[str, Any] | None, Stranger | None]:
    """Read an answer, None if it says that no stream listens, and whether anything else than our stream gives it.

    A refusal names its stream and no domain; the acks within a batch name neither.
    """
    if delivery.headers and not delivery.payload:
        return None, None
    try:
        answer = msgspec.json.decode(delivery.payload, type=dict[str, Any])
        stream, sequence = str(answer.get("stream", place.stream if place else "")), answer.get("seq")
        if "error" in answer:
            stranger = Stranger(Place(stream, ""), None, str(answer["error"].get("description", "")))
            return answer, stranger if place and stream != place.stream else None
        if "type" in answer and isinstance(sequence, int):
            return answer, None
        place_of_answer = Place(stream, str(answer.get("domain", "")))
        if stream and isinstance(sequence, int) and _SEQUENCE in delivery.payload:
            return answer, Stranger(place_of_answer, sequence) if place and place_of_answer != place else None
    except (msgspec.DecodeError, AttributeError):
        pass
    return None, Stranger(Place("", ""), None, repr(delivery.payload[:_SHOWN].decode(errors="replace")))


def _refusal(answer: dict[str, Any] | None) -> Refusal:
    """Read a refusal; None says that no stream listens."""
    if answer is None:
        return 0, "no stream listens on this subject"
    error = answer["error"]
    code, description = error.get("err_code", 0), error.get("description", "")
    return code, _TOO_LARGE if code == codes.MESSAGE_TOO_LARGE else description
