"""Each table said once: columns, types, units, words. Parquet, wire, card and command line read it here."""

from collections.abc import Collection
from dataclasses import dataclass, replace

import pyarrow as pa


@dataclass(frozen=True)
class Column:
    """A column. Its name is the key of the wire object.

    ``unique``: whether its values rarely repeat; ``optional``: whether a row may lack it.
    """

    name: str
    type: pa.DataType
    unit: str
    doc: str
    unique: bool = False
    optional: bool = False


@dataclass(frozen=True)
class Table:
    """A table. ``day`` names the column that its rows are sorted by first.

    ``extras`` are columns that come after the others where a scenario has them. ``told`` names the column of the day on
    which anybody gets to know of a row, where that is not its ``day``.
    """

    name: str
    day: str
    columns: tuple[Column, ...]
    doc: str
    extras: tuple[Column, ...] = ()
    told: str = ""

    @property
    def known(self) -> str:
        """The column of the day from which a row can be known."""
        return self.told or self.day

    def full(self) -> "Table":
        """Return the table with all its extras as columns."""
        return replace(self, columns=(*self.columns, *self.extras), extras=())

    def having(self, names: Collection[str]) -> "Table":
        """Return the table with those of its extras that are among ``names`` as columns."""
        return replace(self, extras=tuple(extra for extra in self.extras if extra.name in names)).full()

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema: columns in order, none of them nullable but the optional ones."""
        return pa.schema([pa.field(c.name, c.type, nullable=c.optional) for c in self.columns])

    @property
    def station(self) -> str:
        """The name of the station that carries this table."""
        return "zakar-" + self.name.replace("_", "-")


_X = Column("geospatial_x", pa.int16(), "cell", "column of the grid, 0 in the west")
_Y = Column("geospatial_y", pa.int16(), "cell", "row of the grid, 0 in the south")
_DAY = Column("day", pa.int32(), "day", "1-based day of the simulation")
_EVENT_DAY = Column("event_day", pa.int32(), "day", "day on which the fire started")

TWEETS = Table(
    "tweets",
    "day",
    (_DAY, _X, _Y, Column("tweet", pa.string(), "text", "the post, UTF-8", unique=True)),
    "Posts by people in a cell on a day.",
    (
        Column("tweet_id", pa.int64(), "number", "unique; grows with the time", unique=True),
        Column("author", pa.string(), "name", "the account's handle"),
        Column("minute", pa.int16(), "minute", "minute of the day, local time, 0-1439"),
    ),
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
    (
        Column(
            "sensor_id",
            pa.int32(),
            "number",
            "the sensor, which reads the day's highest temperature; several may stand in a cell, and one that died is "
            "replaced",
        ),
    ),
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
    told="notification_day",
)
PREDICTIONS = Table(
    "fire_predictions",
    "event_day",
    (Column("event_day", pa.int32(), "day", "day on which it is expected to burn"), _X, _Y),
    "What participants send back: where and when they expect a fire.",
    (Column("team", pa.string(), "name", "whose prediction it is; may be left out", optional=True),),
)

PUBLIC = (TWEETS, READINGS, ALERTS)  # in the order in which stations are filled
ANSWERS = frozenset({ALERTS.name})  # public tables that tell of held-out days what is to be predicted

CLASSIC_TRUTH = (
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


def _float(name: str, unit: str, doc: str) -> Column:
    return Column(name, pa.float32(), unit, doc)


_FIRE = Column("fire", pa.int64(), "number", "the fire, by its number in `fires`; 0 for none")
_SENSOR = Column("sensor_id", pa.int32(), "number", "the sensor")

ISLAND_TRUTH = (
    Table(
        "weather",
        "day",
        (
            _DAY,
            _X,
            _Y,
            _float("tmax_c", "degrees Celsius", "highest temperature of the day"),
            _float("tmin_c", "degrees Celsius", "lowest temperature of the day"),
            _float("humidity_percent", "percent", "relative humidity at the warmest hour"),
            _float("wind_kmh", "km/h", "wind speed at the warmest hour, 10 m above ground"),
            _float("wind_from_degrees", "degrees", "where the wind comes from, clockwise from north"),
            _float("rain_mm", "mm", "rain of the day"),
            _float("ffmc", "1", "Fine Fuel Moisture Code"),
            _float("dmc", "1", "Duff Moisture Code"),
            _float("dc", "1", "Drought Code"),
            _float("isi", "1", "Initial Spread Index"),
            _float("bui", "1", "Buildup Index"),
            _float("fwi", "1", "Fire Weather Index"),
            Column("blocking", pa.int8(), "0 or 1", "whether a heat wave's high pressure stands over the island"),
        ),
        "The true weather and fire danger of every land cell.",
    ),
    Table(
        "fires",
        "event_day",
        (
            _EVENT_DAY,
            _X,
            _Y,
            _FIRE,
            Column("cause", pa.string(), "word", "human or lightning"),
            Column("escaped", pa.int8(), "0 or 1", "whether initial attack failed and the fire spread"),
            _float(
                "area_ha",
                "ha",
                "burned area: contained fires below a cell's 100 ha, escaped ones whole cells, up to `last_day`",
            ),
            Column(
                "last_day",
                pa.int32(),
                "day",
                "last day on which it burned, up to the end of the year or of the days here",
            ),
        ),
        "Every fire, reported or not, on the day and in the cell where it started.",
    ),
    Table("burned_cells", "day", (_DAY, _X, _Y, _FIRE), "Cells that the front of an escaped fire reached on a day."),
    Table(
        "sensors",
        "day",
        (
            Column("day", pa.int32(), "day", "day from which it stands there"),
            _X,
            _Y,
            _SENSOR,
            _float("bias_k", "K", "constant error"),
            _float("drift_k_per_year", "K a year", "change of the error"),
            Column("badly_sited", pa.int8(), "0 or 1", "whether it is too warm on sunny calm days"),
        ),
        "Every sensor that ever stood on the island.",
    ),
    Table(
        "sensor_faults",
        "day",
        (
            _DAY,
            _X,
            _Y,
            _SENSOR,
            Column("fault", pa.string(), "word", "spike, stuck, noisy, dropout, dead or scorched"),
        ),
        "What was wrong with a sensor on a day; no row where nothing was.",
    ),
    Table(
        "tweet_topics",
        "day",
        (
            _DAY,
            _X,
            _Y,
            Column("tweet_id", pa.int64(), "number", "the post", unique=True),
            Column("topic", pa.string(), "word", "what the post is about"),
            _FIRE,
            Column("true_x", pa.int16(), "cell", "where its author was; -1 off the island"),
            Column("true_y", pa.int16(), "cell", "where its author was; -1 off the island"),
        ),
        "What each post is about, row by row as in `tweets`.",
    ),
    Table("alert_causes", "event_day", (_EVENT_DAY, _X, _Y, _FIRE), "The fire behind each alert, as in `fire_alerts`."),
)
TRUE_WEATHER, TRUE_FIRES, BURNED_CELLS, SENSORS, SENSOR_FAULTS, TWEET_TOPICS, ALERT_CAUSES = ISLAND_TRUTH

ISLAND_MAP = Table(
    "island_map",
    "geospatial_x",
    (
        _X,
        _Y,
        _float("elevation_m", "m", "mean elevation; negative under the sea"),
        Column("land", pa.int8(), "0 or 1", "whether the cell is land"),
        Column(
            "fuel",
            pa.string(),
            "word",
            "dominant vegetation: bare, grass, shrub, broadleaf, conifer, agroforestry, urban; sea",
        ),
        _float("residents", "people", "people who live there"),
        _float("road_km", "km", "distance to the nearest road; 0 at sea"),
        _float("coast_km", "km", "distance to the sea; 0 there"),
        Column("road", pa.int8(), "0 or 1", "whether a road passes"),
    ),
    "What does not change from day to day: the map that anybody can buy.",
)

ISLAND_PLACES = Table(
    "island_places",
    "geospatial_x",
    (
        _X,
        _Y,
        Column("name", pa.string(), "text", "what posts call it"),
        _float("residents", "people", "people of the settlement, who live in this cell and around it"),
    ),
    "The settlements of the island, each at its centre.",
)

MAPS = (ISLAND_MAP, ISLAND_PLACES)  # public, and in no station


def public(name: str) -> Table:
    """Return a public table by name. Raises KeyError."""
    return {table.name: table for table in PUBLIC}[name]


def carried_by(station: str) -> Table | None:
    """Return the table that a station carries, by the station's name; None if it is no station of a dataset's."""
    return {table.station: table for table in (*PUBLIC, PREDICTIONS)}.get(station)
