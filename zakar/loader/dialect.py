"""How a producer talks to a stream: an ack a message, or a fast batch. Pure: frames out, answers in.

Both keep a stream in order by ``Nats-Expected-Last-Sequence``, which makes the server itself refuse repeats, gaps
and second writers: ``AckEach`` on every message, ``FastBatch`` on its first. The server stores the rest of a
batch in order or ends it (ADR-50 of the NATS architecture, gap mode ``fail``).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec
import pyarrow as pa

from zakar.broker.connection import Delivery
from zakar.loader import frames
from zakar.loader.frames import Frames

Refusal = tuple[int, str]  # JetStream's err_code, 0 where no stream listens, and its description

WRONG_LAST_SEQUENCE = 10071
_MESSAGE_TOO_LARGE = 10054
_TOO_LARGE = "the next message is larger than the stream's max_msg_size; raise that and run this again"
_COMMIT_STORED, _COMMIT, _PING = 2, 3, 4  # operations of ADR-50 beyond starting and appending


@dataclass(frozen=True)
class Answer:
    """What a chunk of answers says.

    ``acked``: the sequence up to which everything is stored, None if the chunk does not say. ``messages``: how
    many messages are answered by it. ``ended``: no further answer will come.
    """

    acked: int | None = None
    messages: int = 0
    refusal: Refusal | None = None
    ended: bool = False


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
    """An ack for every message, each refused unless it follows the one before. ``further``: header lines of each."""

    flow: int | None = None

    def __init__(self, subject: str, inbox: str, further: str = "") -> None:
        self.inbox = inbox
        self._subject = subject
        self._further = further
        self._refused = False

    def build(self, payloads: pa.Array, after: int) -> Frames:
        """Frame payloads, each with the sequence that it expects to follow."""
        return frames.expecting(payloads, after, self._subject, self.inbox, self._further)

    def take(self, chunk: Sequence[Delivery]) -> Answer:
        """Read acks: cumulative up to the first refusal, since a message is refused unless it follows.

        After a refusal they prove nothing: another's message may have taken the refused one's place.
        """
        last: bytes | None = None
        refusal: Refusal | None = None
        for delivery in chunk:
            if delivery.headers or b'"error"' in delivery.payload:
                refusal = refusal or _refusal(delivery)
                self._refused = True
            elif not self._refused:
                last = delivery.payload
        return Answer(None if last is None else _sequence(last), len(chunk), refusal)

    def ping(self, sent: int) -> bytes:
        """Return nothing: an ack that is lost cannot be asked for again."""
        del sent
        return b""

    def finish(self, sent: int) -> bytes:
        """Return nothing: every message asks for its ack as it is."""
        del sent
        return b""


class FastBatch:
    """Messages ``start`` to ``total - 1`` as one batch, acknowledged every ``flow`` messages or sooner.

    ``further``: header lines of each. The first says what it follows if it ``expects`` anything.
    """

    def __init__(
        self, subject: str, inbox: str, start: int, total: int, flow: int, further: str = "", *, expects: bool = True
    ) -> None:
        self.inbox = f"{inbox}.>"
        self.flow: int | None = flow
        self._subject = subject
        self._start = start
        self._total = total
        self._reply = f"{inbox}.b.{flow}.fail."
        self._further = further
        self._expects = expects
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
            self._further,
            expects=self._expects,
        )

    def take(self, chunk: Sequence[Delivery]) -> Answer:
        """Read flow acks, which say that the batch's messages 1 to n are stored, and the PubAck that ends it.

        A ping that comes too late is answered after that by an error, which says nothing of the batch.
        """
        acked: int | None = None
        refusal: Refusal | None = None
        for delivery in chunk:
            if self._ended:
                break
            if delivery.headers:
                refusal, self._ended = refusal or _refusal(delivery), True
                continue
            answer = msgspec.json.decode(delivery.payload)
            kind = answer.get("type")
            if kind == "ack":
                acked = self._start + answer["seq"]
            elif kind == "err" or (kind is None and "error" in answer):
                refusal, self._ended = refusal or _error(answer["error"]), kind is None
            elif kind is None:
                acked, self._ended = self._start + answer["count"], True
                if answer["seq"] != acked:  # something else was stored among them
                    refusal = refusal or (WRONG_LAST_SEQUENCE, f"the batch ends at sequence {answer['seq']}")
        return Answer(acked, 0, refusal, self._ended)

    def ping(self, sent: int) -> bytes:
        """Ask for the latest flow ack."""
        return self._operation(sent, _PING)

    def finish(self, sent: int) -> bytes:
        """End the batch with what is sent; the last message of all ends it by itself."""
        return self._operation(sent + 1, _COMMIT) if self._start < sent < self._total else b""

    def _operation(self, sequence: int, operation: int) -> bytes:
        reply = f"{self._reply}{sequence - self._start}.{operation}.$FI"
        return f"PUB {self._subject} {reply} 0\r\n\r\n".encode()


def _sequence(ack: bytes) -> int:
    """Return the stream sequence of a positive PubAck, without parsing all of it."""
    at = ack.index(b'"seq":') + 6
    end = at
    while ack[end : end + 1].isdigit() or ack[end : end + 1] == b" ":
        end += 1
    return int(ack[at:end])


def _refusal(delivery: Delivery) -> Refusal:
    """Read a refusal; a headers-only answer means that no stream listens."""
    if delivery.headers:
        return 0, "no stream listens on this subject"
    return _error(msgspec.json.decode(delivery.payload)["error"])


def _error(error: dict[str, Any]) -> Refusal:
    code, description = error.get("err_code", 0), error.get("description", "")
    return code, _TOO_LARGE if code == _MESSAGE_TOO_LARGE else description
