"""One figure, held against what is accepted of it."""

import math
from dataclasses import dataclass

_LARGE = 10_000  # from which on numbers are written in full


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


def written(value: float | None) -> str:
    """Write a number for people; ``none`` where there is none."""
    if value is None or not math.isfinite(value):
        return "none"
    return f"{value:,.4g}" if abs(value) < _LARGE else f"{value:,.0f}"


def accepted(low: float | None, high: float | None) -> str:
    """Return an accepted range in words. An end that it lacks is infinite or, as JSON has it, None."""
    open_below, open_above = (end is None or math.isinf(end) for end in (low, high))
    if open_below:
        return "anything" if open_above else f"at most {written(high)}"
    if open_above:
        return f"at least {written(low)}"
    return written(low) if low == high else f"{written(low)} to {written(high)}"
