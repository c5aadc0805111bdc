"""Links by what they take, for the tests of lessons."""

import math

from zakar.lab import steady
from zakar.lab.link import Direction, Settings
from zakar.lab.preset import Preset


def link(name: str, round_trip: float, capacity: float = math.inf) -> Preset:
    """Return a link of so many seconds that takes so many of the SDK's messages a second."""
    bits = 8 * capacity * steady.frame("lab-0")
    return Preset(name, "", Settings(Direction(round_trip / 2, rate=bits), Direction(round_trip / 2)))
