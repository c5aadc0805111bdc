"""One figure, held against what is accepted of it."""

import math
from dataclasses import dataclass

# Whoever gets the released days is told of neither.
PRIVATE = frozenset({"23/climate", "23/auc-drop"})
_LARGE = 10_000  # from which on numbers are written in full


@dataclass(frozen=True)
class Check:
    """One figure, the range that a sceptic accepts, both ends included, and where that comes from.

    A value that is not a number, for want of data, is in no range. Infinite ends: told, and not judged. ``settings``:
    sections, or keys as `section.key`, for whose values the range was found; none where any island must lie in it.
    ``why``: why it does not apply to the dataset, empty where it does. ``baseline``: whether it scores a simple method.
    """

    id: str
    name: str
    value: float
    low: float
    high: float
    source: str
    settings: tuple[str, ...] = ()
    why: str = ""
    baseline: bool = False

    @property
    def group(self) -> int:
        """The number in the list of what a sceptic asks, which the id begins with."""
        return int(self.id.partition("/")[0])

    @property
    def private(self) -> bool:
        """Whether it tells of held-out days."""
        return self.id in PRIVATE

    @property
    def applies(self) -> bool:
        """Whether the range is one for this dataset."""
        return not self.why

    @property
    def ok(self) -> bool:
        """Whether the value lies in its range, if that applies."""
        return not self.applies or bool(self.low <= self.value <= self.high)


# Settings on which figures depend.
DAYS = ("calendar.days",)
WEATHER = ("grid", "terrain", "climate")
FIRES = (*WEATHER, "fires")


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
