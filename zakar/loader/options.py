"""What a load is asked for: built once, and passed whole."""

import enum
from dataclasses import dataclass

from zakar.dataset.schema import PUBLIC, Table
from zakar.loader.window import IN_FLIGHT_MOST


class Mode(enum.StrEnum):
    """How messages are sent: one before the next, an ack each, fast ingest, or the fastest that is allowed."""

    AUTO = "auto"
    BLOCKING = "blocking"
    NONBLOCKING = "nonblocking"
    BATCH = "batch"


class Transport(enum.StrEnum):
    """The way to a broker: plain TCP, a WebSocket, or the faster of those given."""

    AUTO = "auto"
    TCP = "tcp"
    WEBSOCKET = "websocket"


@dataclass(frozen=True)
class PublishOptions:
    """How a producer sends.

    ``in_flight``: messages at most, up to IN_FLIGHT_MOST, None for what the link takes. ``ack_timeout``: seconds until
    an ack is overdue. ``give_up_after``: seconds without progress. ``rate``: messages a second at most, None for as
    fast as can be.
    """

    in_flight: int | None = None
    ack_timeout: float = 15.0
    give_up_after: float = 300.0
    rate: float | None = None

    def __post_init__(self) -> None:
        """Raise ValueError for more in flight than a loader that goes on reckons with."""
        if self.in_flight is not None and not 0 < self.in_flight <= IN_FLIGHT_MOST:
            raise ValueError(f"in_flight is {self.in_flight}, not from 1 to {IN_FLIGHT_MOST}")


@dataclass(frozen=True)
class LoadOptions:
    """What is loaded, and how.

    ``tables``: those whose stations are filled. ``connections``: producers, each in a process of its own if there are
    several. ``partitions`` of a new station, None for as many as it has, or 1. ``recreate``: whether the tables'
    stations are deleted first, never the predictions'. ``replicas`` and ``storage``, file or memory, of what is made.
    """

    tables: tuple[Table, ...]
    publish: PublishOptions = PublishOptions()
    mode: Mode = Mode.AUTO
    transport: Transport = Transport.AUTO
    connections: int = 1
    partitions: int | None = None
    recreate: bool = False
    replicas: int = 1
    storage: str = "file"

    @property
    def words(self) -> str:
        """The options that say what is to be stored and how, as they are typed."""
        words = [f"--tables {','.join(table.name for table in self.tables)}"] * (len(self.tables) < len(PUBLIC))
        words += [f"--partitions {self.partitions}"] * (self.partitions is not None)
        words += [f"--replicas {self.replicas}"] * (self.replicas > 1)
        words += [f"--storage {self.storage}"] * (self.storage != "file")
        return "".join(f" {word}" for word in words)
