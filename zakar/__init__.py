"""zakar: simulate an island of wildfires and stream its data into broker stations."""

__version__ = "0.1.0"
