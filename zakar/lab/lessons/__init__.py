"""The lessons, one file each: a question, a prediction from theory, measurements, and what was seen, in words."""

from collections.abc import Callable

from zakar.lab.bench import Bench
from zakar.lab.lesson import Lesson
from zakar.lab.lessons import connections, consuming, latency, limits, nonblocking, partitions, saturation, wire

# In the article's order. Each is a function of the bench alone.
LESSONS: dict[str, Callable[[Bench], Lesson]] = {
    "latency": latency.lesson,
    "nonblocking": nonblocking.lesson,
    "saturation": saturation.lesson,
    "limits": limits.lesson,
    "connections": connections.lesson,
    "partitions": partitions.lesson,
    "bytes": wire.lesson,
    "consuming": consuming.lesson,
}

__all__ = ["LESSONS"]
