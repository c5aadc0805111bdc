"""Protocol frames by the batch: payloads become the very bytes that a NATS connection sends."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from zakar.dataset import wire

_VERSION = "NATS/1.0\r\n"
_EXPECTED = "Nats-Expected-Last-Sequence: "
_HEADER = _VERSION + _EXPECTED
_END = "\r\n"


@dataclass(frozen=True)
class Frames:
    """Frames of consecutive messages.

    ``offsets``: where each starts in ``data``, and the end, shape (n + 1,). ``largest``: bytes of the largest
    message with its headers, which is what a server's ``max_payload`` limits.
    """

    data: memoryview
    offsets: np.ndarray
    largest: int

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def cut(self, first: int, last: int) -> memoryview:
        """Return the bytes of frames ``first`` to ``last - 1``."""
        return self.data[self.offsets[first] : self.offsets[last]]


def expecting(payloads: pa.Array, after: int, subject: str, reply: str, extra_headers: str = "") -> Frames:
    """Frame payloads, a binary array, to be stored right after sequence ``after`` of a stream.

    Message i carries ``Nats-Expected-Last-Sequence: after + i``, and ``extra_headers``, lines that each have their end;
    it asks for its ack on ``reply``.
    """
    header_end = _END + extra_headers + _END
    numbers = pa.array(np.arange(after, after + len(payloads)))
    expected = numbers.cast(pa.string())
    header_size = pc.add(pc.binary_length(expected), len(_HEADER) + len(header_end))
    total_size = pc.add(header_size, pc.binary_length(payloads))
    joined = pc.binary_join_element_wise(
        _binary(wire.spelled(header_size, f"HPUB {subject} {reply} ", " ")),
        _binary(wire.spelled(total_size, "", f"\r\n{_HEADER}")),
        _binary(expected),
        header_end.encode(),
        payloads,
        b"\r\n",
        b"",
    )
    return Frames(_data(joined), _offsets(joined), pc.max(total_size).as_py() or 0)


def batched(
    payloads: pa.Array,
    after: int,
    start: int,
    total: int,
    subject: str,
    reply: str,
    extra_headers: str = "",
    *,
    expects: bool = True,
) -> Frames:
    """Frame payloads as messages of a fast batch that begins after sequence ``start``, with ``extra_headers``.

    The batch's message n replies to ``<reply><n>.<operation>.$FI``: 0 starts, with the sequence that it expects
    to follow if it ``expects`` one, 1 appends, and 2 commits, at stream sequence ``total``.
    """
    number = pa.array(np.arange(after - start + 1, after - start + 1 + len(payloads))).cast(pa.string())
    size = pc.binary_length(payloads)
    if extra_headers:
        header = _header(extra_headers)
        verb, total_size = "HPUB", pc.add(size, len(header))
        counted = wire.spelled(total_size, f".1.$FI {len(header)} ", f"\r\n{header}")
    else:
        verb, total_size = "PUB", size
        counted = wire.spelled(size, ".1.$FI ", "\r\n")
    joined = pc.binary_join_element_wise(
        f"{verb} {subject} {reply}".encode(), _binary(number), _binary(counted), payloads, b"\r\n", b""
    )
    pieces = [_data(joined)]
    offsets = _offsets(joined).astype(np.int64)
    # The first and the last are no plain appends: framed apart, and put in their places.
    special = {}
    if after == start:
        special[0] = 0
    if after + len(payloads) == total:
        special[len(payloads) - 1] = 2
    first = f"{_EXPECTED}{start}{_END}{extra_headers}" if expects else extra_headers
    for row, operation in sorted(special.items(), reverse=True) if len(payloads) else ():
        batch_number = after - start + 1 + row
        words = f"{subject} {reply}{batch_number}.{operation}.$FI"
        frame = _frame(words, first if batch_number == 1 else extra_headers, payloads[row].as_py())
        pieces[:1] = [pieces[0][: offsets[row]], memoryview(frame), pieces[0][offsets[row + 1] :]]
        offsets[row + 1 :] += len(frame) - (offsets[row + 1] - offsets[row])
    largest = (pc.max(size).as_py() or 0) + len(_header(first) if after == start or extra_headers else "")
    return Frames(memoryview(b"".join(pieces)) if len(pieces) > 1 else pieces[0], offsets, largest)


def _header(lines: str) -> str:
    """Return a message's header with these lines, empty without any."""
    return f"{_VERSION}{lines}{_END}" if lines else ""


def _frame(words: str, lines: str, payload: bytes) -> bytes:
    """Frame one message for a subject and a reply."""
    if not (header := _header(lines).encode()):
        return f"PUB {words} {len(payload)}\r\n".encode() + payload + b"\r\n"
    return f"HPUB {words} {len(header)} {len(header) + len(payload)}\r\n".encode() + header + payload + b"\r\n"


def _data(joined: pa.Array) -> memoryview:
    return memoryview(joined.buffers()[2] or b"").cast("B")


def _offsets(joined: pa.Array) -> np.ndarray:
    return np.frombuffer(joined.buffers()[1], np.int32)[: len(joined) + 1]


def stored_bytes(payload_bytes: int, messages: int, subject: str) -> int:
    """Return an upper bound of what a stream's file store counts for messages framed here.

    A record has 22 bytes of its own, the subject, a length, the header, the payload and an 8-byte checksum.
    """
    return payload_bytes + messages * (22 + len(subject) + 4 + header_bytes(messages) + 8)


def header_bytes(number: int) -> int:
    """Return the bytes of the header that message ``number`` and those before have at most."""
    return len(_HEADER) + len(2 * _END) + len(str(number))


def _binary(text: pa.Array) -> pa.Array:
    return text.cast(pa.binary())
