"""zakar: simulate an island of wildfires and stream its data into broker stations."""

__version__ = "0.1.0"
__date__ = "2026-11-24"  # of this version: what it makes is dated by it, not by the day on which it is run
