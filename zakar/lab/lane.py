"""A lane: one direction of a long link, its bytes and when they arrive. Pure; the clock is passed in.

A piece departs once its bits have passed at the rate, counted from its own coming or the departure before it,
whichever is later, and arrives a delay after that. These times do not depend on when anybody looks, so waking up
late costs no bandwidth. Only what has not departed yet is bounded; the wire holds any number of bytes.
"""

import math
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

LEAST_PIECE, LARGEST_PIECE = 1_500, 65_536  # bytes
_PIECE_SECONDS = 0.005

T = TypeVar("T")


@dataclass(frozen=True)
class Direction:
    """What a link does to bytes one way.

    ``delay`` seconds from departure to arrival, and up to ``jitter`` seconds more, uniform, by piece; what comes
    later never overtakes. ``rate`` in bits per second. ``queue`` bytes at most wait for the rate.

    Raises ValueError if a value makes no link.
    """

    delay: float
    jitter: float = 0.0
    rate: float = math.inf
    queue: int = 256 * 1024

    def __post_init__(self) -> None:
        for name, seconds in (("delay", self.delay), ("jitter", self.jitter)):
            if not 0 <= seconds < math.inf:
                raise ValueError(f"{name} is {seconds}; it is in seconds, 0 or more")
        if not self.rate > 0:
            raise ValueError(f"rate is {self.rate}; it is in bits per second, more than 0; a stall stops a link")
        if self.queue < LEAST_PIECE:
            raise ValueError(f"queue is {self.queue}; it is in bytes, {LEAST_PIECE:,} or more")

    @property
    def piece(self) -> int:
        """Bytes that are sent at a time: 5 ms of the rate, within limits."""
        wanted = min(self.rate * _PIECE_SECONDS / 8, LARGEST_PIECE, self.queue)
        return max(LEAST_PIECE, int(wanted))


def departure(begun: float, size: int, rate: float) -> float:
    """Return when the last of ``size`` bytes has left, at ``rate`` bits per second from time ``begun`` on."""
    return begun + size * 8 / rate


class Lane(Generic[T]):
    """The bytes of one direction, in order, each run with where it goes.

    Times are seconds of a clock that never goes back. ``chance`` yields uniform numbers in [0, 1) for the jitter.
    """

    def __init__(self, direction: Direction, chance: Callable[[], float] = random.random) -> None:
        self.direction = direction
        self.waiting = 0  # bytes that have not departed
        self._chance = chance
        self._queue: deque[tuple[float, T, memoryview]] = deque()  # time of coming, where to, what
        self._wire: deque[tuple[float, T, memoryview]] = deque()  # time of arrival, where to, what
        self._departed = self._arrived = -math.inf  # times of the last piece

    def fits(self, size: int) -> bool:
        """Whether ``size`` bytes more may wait; into an empty queue any piece fits."""
        return self.waiting == 0 or self.waiting + size <= self.direction.queue

    def put(self, now: float, to: T, data: memoryview) -> None:
        """Take bytes for ``to``. An empty run takes its place among the others and arrives empty."""
        self._queue.append((now, to, data))
        self.waiting += len(data)

    def take(self, now: float) -> list[tuple[T, memoryview]]:
        """Return what has arrived by ``now``, in order."""
        self._depart(now)
        arrived = []
        while self._wire and self._wire[0][0] <= now:
            _, to, data = self._wire.popleft()
            arrived.append((to, data))
        return arrived

    @property
    def next(self) -> float | None:
        """When something departs or arrives next; None if nothing is under way."""
        times = [self._wire[0][0]] if self._wire else []
        if self._queue:
            times.append(self._head()[1])
        return min(times, default=None)

    def change(self, now: float, direction: Direction) -> None:
        """Let ``direction`` hold for every byte that has not departed."""
        self._depart(now)
        if self._queue:
            # The first piece is cut in two where it has come to.
            gone = (now - max(self._queue[0][0], self._departed)) * self.direction.rate / 8
            if gone >= 1:
                self._move(min(int(gone), self._head()[0]), now)
        self._departed = max(self._departed, now)  # the time before now was at the old rate
        self.direction = direction

    def _head(self) -> tuple[int, float]:
        """Size and departure of the first piece that waits."""
        come, _, data = self._queue[0]
        size = min(len(data), self.direction.piece)
        return size, departure(max(come, self._departed), size, self.direction.rate)

    def _depart(self, now: float) -> None:
        while self._queue:
            size, when = self._head()
            if when > now:
                return
            self._move(size, when)

    def _move(self, size: int, when: float) -> None:
        """Put the first ``size`` bytes that wait on the wire."""
        come, to, data = self._queue.popleft()
        if size < len(data):
            self._queue.appendleft((come, to, data[size:]))
        self.waiting -= size
        self._departed = when
        extra = self.direction.jitter * self._chance()
        self._arrived = max(self._arrived, when + self.direction.delay + extra)
        self._wire.append((self._arrived, to, data[:size]))
