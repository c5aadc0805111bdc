"""When messages are due. Pure; the clock is passed in."""

from typing import Protocol

_CATCH_UP = 1.0  # seconds behind the schedule that are made up for, or a piece; the rest of an outage is not
_ROUNDING = 1e-6  # messages; a piece that is due in a moment must not be missed by the last bit of a float
_PIECE = 0.01  # seconds' worth of messages that are sent together


class Schedule(Protocol):
    """Says when a connection's messages are due: at a rate, or by a clock of days."""

    def due(self, now: float) -> int:
        """Return how many messages are due; 0 until they are worth sending."""

    @property
    def again(self) -> float:
        """When to ask again, by the same clock."""

    def send(self, messages: int) -> None:
        """Note that ``messages`` more were sent."""


class RateSchedule:
    """Messages at ``rate`` a second, each due at its own time whatever delayed those before it."""

    def __init__(self, rate: float, now: float) -> None:
        self.rate = rate
        self._next = now  # when the next message is due
        self._piece = max(1, int(rate * _PIECE))
        self._behind = max(_CATCH_UP, self._piece / rate)

    def due(self, now: float) -> int:
        """Return how many messages are due; 0 until they are worth sending."""
        self._next = max(self._next, now - self._behind)
        number = int((now - self._next) * self.rate + _ROUNDING)
        return number if number >= self._piece else 0

    @property
    def again(self) -> float:
        """When the next piece is due."""
        return self._next + self._piece / self.rate

    def send(self, messages: int) -> None:
        """Note that ``messages`` more were sent."""
        self._next += messages / self.rate
