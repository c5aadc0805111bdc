"""What a producer did, as measured from its own process. Pure."""

import numpy as np
from msgspec import Struct

_WARMING = 200  # messages


class Sent(Struct, frozen=True):
    """One run of a producer.

    ``seconds`` from the first message to the last answer, or to the last time-out. ``acks``: seconds until the ack of
    a message, at 0, 1, ... 100 of a hundred; empty if none came. ``late``: messages whose ack did not come in time.
    ``wire_bytes`` given to the socket, 0 where nobody counted.
    """

    seconds: float
    sent: int
    acknowledged: int
    late: int
    acks: tuple[float, ...]
    wire_bytes: int = 0

    @property
    def rate(self) -> float:
        """Messages a second that were acknowledged."""
        return self.acknowledged / self.seconds

    def ack(self, share: int) -> float:
        """Return the seconds within which ``share`` of a hundred acks came."""
        return self.acks[share]


def spread(seconds: np.ndarray) -> tuple[float, ...]:
    """Return the values at 0, 1, ... 100 of a hundred, shape (n,) -> 101; () for none."""
    return tuple(np.percentile(seconds, np.arange(101)).tolist()) if len(seconds) else ()


class Trace:
    """When so many messages had been sent, and acknowledged, of a producer whose acks come in order."""

    def __init__(self) -> None:
        self.sent: list[tuple[float, int]] = []  # time, messages in all
        self.acked: list[tuple[float, int]] = []

    def note(self, now: float, sent: int, acked: int) -> None:
        """Note how many messages have been sent and acknowledged by ``now``."""
        for trace, number in ((self.sent, sent), (self.acked, acked)):
            if number > (trace[-1][1] if trace else 0):
                trace.append((now, number))

    @property
    def seconds(self) -> float:
        """Seconds from the first message to the last ack. Raises IndexError if none came."""
        return self.acked[-1][0] - self.sent[0][0]

    @property
    def waits(self) -> np.ndarray:
        """Each acknowledged message's seconds from being sent to its ack, in order."""
        numbers = np.arange(1, self.acked[-1][1] + 1 if self.acked else 1)
        went, came = (np.asarray(trace, dtype=float).reshape(-1, 2) for trace in (self.sent, self.acked))
        if not len(numbers):
            return np.empty(0)
        waits: np.ndarray = (
            came[np.searchsorted(came[:, 1], numbers), 0] - went[np.searchsorted(went[:, 1], numbers), 0]
        )
        return waits


def warming(messages: int) -> int:
    """Return how many messages go before a measurement: connections, caches and files warm up."""
    return max(1, min(messages // 2, _WARMING))
