"""One figure, held against what is accepted of it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """One figure, the range that a sceptic accepts, both ends included, and where that comes from.

    A value that is not a number, for want of data, is in no range. Infinite ends: told, and not judged.
    """

    id: str
    name: str
    value: float
    low: float
    high: float
    source: str

    @property
    def ok(self) -> bool:
        """Whether the value lies in its range."""
        return bool(self.low <= self.value <= self.high)
