"""Each table said once: columns, types, units, words. Parquet, wire, card and command line read it here."""

from dataclasses import dataclass

import pyarrow as pa


@dataclass(frozen=True)
class Column:
    """A column. Its name is the key of the wire object."""

    name: str
    type: pa.DataType
    unit: str
    doc: str


@dataclass(frozen=True)
class Table:
    """A table. ``day`` names the column that its rows are sorted by first."""

    name: str
    day: str
    columns: tuple[Column, ...]
    doc: str

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema: columns in order, none of them nullable."""
        return pa.schema([pa.field(c.name, c.type, nullable=False) for c in self.columns])

    @property
    def station(self) -> str:
        """The name of the station that carries this table."""
        return "zakar-" + self.name.replace("_", "-")


_X = Column("geospatial_x", pa.int16(), "cell", "column of the grid, 0 in the west")
_Y = Column("geospatial_y", pa.int16(), "cell", "row of the grid, 0 in the south")
_DAY = Column("day", pa.int32(), "day", "1-based day of the simulation")
_EVENT_DAY = Column("event_day", pa.int32(), "day", "day on which the fire burned")

TWEETS = Table(
    "tweets",
    "day",
    (_DAY, _X, _Y, Column("tweet", pa.string(), "text", "the post, 12-40 words, UTF-8")),
    "Posts by people in a cell on a day.",
)
READINGS = Table(
    "temperature_readings",
    "day",
    (
        _DAY,
        _X,
        _Y,
        Column("temperature", pa.int16(), "degrees Fahrenheit", "the day's reading, whole degrees"),
    ),
    "One reading a sensor and day. A missing reading is no row.",
)
ALERTS = Table(
    "fire_alerts",
    "event_day",
    (
        _EVENT_DAY,
        Column("notification_day", pa.int32(), "day", "day on which the official system reported it"),
        _X,
        _Y,
    ),
    "Fires as the slow official system reports them.",
)
PREDICTIONS = Table(
    "fire_predictions",
    "event_day",
    (Column("event_day", pa.int32(), "day", "day on which it is expected to burn"), _X, _Y),
    "What participants send back: where and when they expect a fire.",
)

PUBLIC = (TWEETS, READINGS, ALERTS)  # in the order in which stations are filled

TRUTH = (
    Table(
        "weather",
        "day",
        (_DAY, Column("mean_f", pa.float32(), "degrees Fahrenheit", "mean temperature of the island")),
        "The island's true temperature.",
    ),
    Table("fires", "event_day", (_EVENT_DAY, _X, _Y), "Every fire, reported or not."),
    Table(
        "tweet_topics",
        "day",
        (_DAY, _X, _Y, Column("topic", pa.string(), "word", "ordinary, figurative or fire")),
        "What each post is about, row by row as in `tweets`.",
    ),
)


def public(name: str) -> Table:
    """Return a public table by name. Raises KeyError."""
    return {table.name: table for table in PUBLIC}[name]


def carried_by(station: str) -> Table | None:
    """Return the table that a station carries, by the station's name; None if it is no station of a dataset's."""
    return {table.station: table for table in (*PUBLIC, PREDICTIONS)}.get(station)
