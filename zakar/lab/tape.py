"""A tape of a connection: every byte that a client and a broker say to each other, and the messages in it."""

import contextlib
import socket
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

_READ = 65_536
_ENDING_SECONDS = 5.0
_CARRIES = ("PUB", "HPUB", "MSG", "HMSG")  # commands that are followed by as many bytes as their last word says


@dataclass
class Tape:
    """What went ``up``, from clients to the broker, and ``down``, of one connection after the other."""

    url: str
    up: bytearray = field(default_factory=bytearray)
    down: bytearray = field(default_factory=bytearray)


@dataclass(frozen=True)
class Frame:
    """A message of the NATS protocol on the wire: its words, its block of headers and what it holds."""

    words: tuple[str, ...]
    headers: bytes
    payload: bytes

    @property
    def subject(self) -> str:
        """Where it goes."""
        return self.words[1]

    @property
    def parts(self) -> dict[str, int]:
        """Its bytes by what they are for; together they are all of it."""
        reply = self.words[-2 if not self.headers else -3] if len(self.words) == (5 if self.headers else 4) else ""
        found = {"subject": len(self.subject), "where to answer": len(reply)}
        found |= {"headers": len(self.headers), "payload": len(self.payload)}
        return {**found, "command, sizes, line ends": self.size - sum(found.values())}

    @property
    def size(self) -> int:
        """Bytes on the wire."""
        return len(" ".join(self.words)) + len(self.headers) + len(self.payload) + 2 * len("\r\n")


def frames(said: bytes | bytearray) -> Iterator[Frame]:
    """Yield the messages in one direction of a NATS connection, from its first byte on; half a message is none."""
    at = 0
    while (end := said.find(b"\r\n", at)) >= 0:
        words = tuple(said[at:end].decode("latin-1").split(" "))
        at = end + 2
        if words[0] not in _CARRIES:
            continue
        payload = at + (int(words[-2]) if words[0].startswith("H") else 0)
        end = at + int(words[-1])
        if len(said) < end + 2:
            return
        yield Frame(words, bytes(said[at:payload]), bytes(said[payload:end]))
        at = end + 2


def to(said: bytes | bytearray, subjects: Sequence[str]) -> list[Frame]:
    """Return the messages to subjects that begin like one of these, for instance a partition's."""
    return [frame for frame in frames(said) if frame.subject.startswith(tuple(subjects))]


@contextlib.contextmanager
def recording(url: str) -> Iterator[Tape]:
    """Record, for the length of a block, whoever connects to the broker by the tape's address instead of ``url``."""
    parts = urlsplit(url)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        tape = Tape(parts._replace(netloc=f"127.0.0.1:{listener.getsockname()[1]}").geturl())
        thread = threading.Thread(
            target=_serve, args=(listener, (parts.hostname or "", parts.port or 0), tape), daemon=True
        )
        thread.start()
        try:
            yield tape
        finally:
            with contextlib.suppress(OSError), socket.create_connection(listener.getsockname()[:2]):
                pass  # wakes the thread that accepts; closing a listener wakes nobody on Linux
            thread.join(_ENDING_SECONDS)


def _serve(listener: socket.socket, target: tuple[str, int], tape: Tape) -> None:
    """Carry one connection after the other, until one comes that says nothing."""
    while True:
        client, _ = listener.accept()
        with client, socket.create_connection(target) as broker:
            for end in (client, broker):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            answers = threading.Thread(target=_carry, args=(broker, client, tape.down), daemon=True)
            answers.start()
            if not _carry(client, broker, tape.up):
                return
            answers.join(_ENDING_SECONDS)


def _carry(source: socket.socket, target: socket.socket, kept: bytearray) -> int:
    """Carry and keep bytes until there are no more; return how many there were."""
    number = 0
    with contextlib.suppress(OSError):
        while data := source.recv(_READ):
            number += len(data)
            kept += data
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    return number
