"""The window: how many messages may be sent before their acks come. Pure; the clock is passed in."""

from collections import deque


class Window:
    """Counts messages in flight against a limit, and their ack deadline.

    Sequences are those of the stream; acks are cumulative, since a stream stores a producer's messages in
    order or not at all. On reaching the limit, nothing more is sent until half of it has drained.
    """

    def __init__(self, limit: int, ack_timeout: float, start: int) -> None:
        self.limit = limit
        self.ack_timeout = ack_timeout
        self.sent = start  # sequence of the last message sent
        self.acked = start  # sequence of the last message known to be stored
        self._draining = False
        self._blocks: deque[tuple[int, float]] = deque()  # (last sequence, time sent) of unacked blocks

    @property
    def in_flight(self) -> int:
        """Messages sent and not yet acknowledged."""
        return self.sent - self.acked

    @property
    def room(self) -> int:
        """Messages that may be sent now."""
        if self._draining and self.in_flight > self.limit // 2:
            return 0
        self._draining = False
        return self.limit - self.in_flight

    def send(self, messages: int, now: float) -> None:
        """Note that ``messages`` more were sent. Raises ValueError if they exceed the room."""
        if not 0 < messages <= self.room:
            raise ValueError(f"{messages} messages do not fit into a room of {self.room}")
        self.sent += messages
        self._blocks.append((self.sent, now))
        self._draining = self.in_flight >= self.limit

    def ack(self, sequence: int) -> None:
        """Note that everything up to ``sequence`` is stored; acks from before the window are ignored."""
        self.acked = max(self.acked, min(sequence, self.sent))
        while self._blocks and self._blocks[0][0] <= self.acked:
            self._blocks.popleft()

    @property
    def deadline(self) -> float | None:
        """When the oldest unacknowledged message is overdue; None if nothing is in flight."""
        return self._blocks[0][1] + self.ack_timeout if self._blocks else None
