"""Protocol frames by the batch: payloads become the very bytes that a NATS connection sends.

A frame publishes one message with the header ``Nats-Expected-Last-Sequence``, by which the server itself
refuses repeats, gaps and a second writer.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_HEADER = "NATS/1.0\r\nNats-Expected-Last-Sequence: "
_HEADER_END = "\r\n\r\n"


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


def build(payloads: pa.Array, after: int, subject: str, reply: str) -> Frames:
    """Frame payloads, a binary array, to be stored right after sequence ``after`` of a stream.

    Message i carries ``Nats-Expected-Last-Sequence: after + i`` and asks for its ack on ``reply``.
    """
    expected = pa.array(np.arange(after, after + len(payloads))).cast(pa.string())
    header_size = pc.add(pc.binary_length(expected), len(_HEADER) + len(_HEADER_END))
    total_size = pc.add(header_size, pc.binary_length(payloads))
    frames = pc.binary_join_element_wise(
        f"HPUB {subject} {reply} ".encode(),
        _binary(header_size),
        b" ",
        _binary(total_size),
        f"\r\n{_HEADER}".encode(),
        expected.cast(pa.binary()),
        _HEADER_END.encode(),
        payloads,
        b"\r\n",
        b"",
    )
    offsets = np.frombuffer(frames.buffers()[1], np.int32)[: len(frames) + 1]
    return Frames(memoryview(frames.buffers()[2]).cast("B"), offsets, pc.max(total_size).as_py() or 0)


def stored_bytes(payload_bytes: int, messages: int, subject: str) -> int:
    """Return an upper bound of what a stream's file store counts for messages framed here.

    A record has 22 bytes of its own, the subject, a length, the header, the payload and an 8-byte checksum.
    """
    header = len(_HEADER) + len(_HEADER_END) + len(str(messages))
    return payload_bytes + messages * (22 + len(subject) + 4 + header + 8)


def _binary(numbers: pa.Array) -> pa.Array:
    return numbers.cast(pa.string()).cast(pa.binary())
