"""The window: how many messages may be sent before their acks come. Pure; the clock is passed in."""

from collections import deque
from typing import NamedTuple

from zakar.loader.estimate import Estimate

IN_FLIGHT_MOST = 100_000  # that a limit may be: a server drops what overflows the 100,000 messages of a stream's queue
FLOW_MOST = 500  # messages between two acks of a fast batch; servers do not go further apart


class _Block(NamedTuple):
    """Messages sent together, and how far acks had come by then."""

    last: int  # sequence
    sent: float
    acked: int  # sequence
    acked_at: float
    acked_sent: float  # when the last message acknowledged by then was sent


class Window:
    """Counts messages in flight against a fixed limit, and their ack deadline.

    Sequences are those of the stream; acks are cumulative, since a stream stores a producer's messages in
    order or not at all. On reaching the limit, nothing more is sent until half of it has drained.
    """

    def __init__(self, limit: int, ack_timeout: float, start: int, flow_most: int = FLOW_MOST) -> None:
        self.limit = limit
        self._flow_most = flow_most
        self.ack_timeout = ack_timeout
        self.sent = start  # sequence of the last message sent
        self.acked = start  # sequence of the last message known to be stored
        self._draining = False
        self._blocks: deque[_Block] = deque()  # those not yet acknowledged whole
        self._acked_at = self._acked_sent = 0.0

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

    @property
    def flow(self) -> int:
        """Messages between two acks of a batch that suit the limit: with a small one, acks must come more often."""
        return max(1, min(self._flow_most, self.limit // 4))

    def suits(self, flow: int) -> bool:
        """Whether a batch with that many messages between two acks can go on."""
        return flow <= self.limit

    def send(self, messages: int, now: float) -> None:
        """Note that ``messages`` more were sent. Raises ValueError if they exceed the room."""
        if not 0 < messages <= self.room:
            raise ValueError(f"{messages} messages do not fit into a room of {self.room}")
        if not self._blocks:
            self._acked_at = self._acked_sent = now  # nothing was under way: idling is no slowness of the link
        self.sent += messages
        self._blocks.append(_Block(self.sent, now, self.acked, self._acked_at, self._acked_sent))
        self._draining = self.in_flight >= self.limit

    def ack(self, sequence: int, now: float) -> None:
        """Note that everything up to ``sequence`` is stored; acks from before the window are ignored."""
        if sequence <= self.acked or not self._blocks:
            return
        self.acked = min(sequence, self.sent)
        block = self._blocks[0]
        while self._blocks and self._blocks[0].last <= self.acked:
            block = self._blocks.popleft()
        if self._blocks and self.acked > block.last:
            block = self._blocks[0]
        self._acked_at, self._acked_sent = now, block.sent
        self._learn(block, now)

    def _learn(self, block: _Block, now: float) -> None:
        """Learn from an ack of a message of ``block``; a fixed limit has nothing to learn."""

    @property
    def deadline(self) -> float | None:
        """When the oldest unacknowledged message is overdue; None if nothing is in flight."""
        return self._blocks[0].sent + self.ack_timeout if self._blocks else None


class AutoWindow(Window):
    """A window whose limit is what an estimate of the link says, which outlives it."""

    def __init__(self, estimate: Estimate, ack_timeout: float, start: int, flow_most: int = FLOW_MOST) -> None:
        super().__init__(estimate.limit, ack_timeout, start, flow_most)
        self._estimate = estimate
        self._round = start  # messages sent after this was acknowledged belong to the next round

    @property
    def room(self) -> int:
        """Messages that may be sent now; none while it is too few of the limit to be worth a write."""
        room = self.limit - self.in_flight
        return room if room >= self.limit // 8 else 0

    @property
    def flow(self) -> int:
        """Messages between two acks of a batch that suit the limit as it is."""
        return max(1, min(self._flow_most, self.limit // 8))

    def suits(self, flow: int) -> bool:
        """Whether a batch with that many messages between two acks can go on: neither too many nor too few."""
        return flow <= max(1, self.limit // 2) and (self.flow < 4 * flow or not self._estimate.settled)

    def _learn(self, block: _Block, now: float) -> None:
        # Of what was sent and what was acknowledged since, the slower counts: acks that a stall has held back
        # come at once.
        elapsed = max(now - block.acked_at, block.sent - block.acked_sent)
        new_round = block.acked >= self._round
        if new_round:
            self._round = self.acked
        if elapsed > 0:
            self._estimate.hear(
                (self.acked - block.acked) / elapsed,
                now - block.sent,
                block.sent,
                now,
                new_round=new_round,
            )
            self.limit = self._estimate.limit
