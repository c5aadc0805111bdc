"""Settings of one simulated island and its observation: read from TOML, validated, frozen."""

import difflib
import math
import re
import tomllib
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta, Struct

from zakar.errors import ConfigError

_T = TypeVar("_T")

Count = Annotated[int, Meta(ge=1)]
NonNegative = Annotated[float, Meta(ge=0)]
Positive = Annotated[float, Meta(gt=0)]
Share = Annotated[float, Meta(ge=0, le=1)]
Spread = Annotated[float, Meta(ge=0, le=1000)]
Fahrenheit = Annotated[float, Meta(ge=-500, le=5000)]  # what a 16-bit reading holds, noise included


class Settings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of every section: immutable, and a key nobody knows is an error."""


class Calendar(Settings, frozen=True):
    """Days are 1-based. ``days`` are simulated in all; a year has ``days_per_year`` of them."""

    days: Annotated[int, Meta(ge=1, le=40_000)]
    days_per_year: Annotated[int, Meta(ge=1, le=366)]


class Grid(Settings, frozen=True):
    """The island's squares: x in 0..width-1, y in 0..height-1."""

    width: Annotated[int, Meta(ge=1, le=1000)]
    height: Annotated[int, Meta(ge=1, le=1000)]

    @property
    def cells(self) -> int:
        """Number of cells; cell number ``x * height + y`` runs in (x, y) order."""
        return self.width * self.height


class SeasonalWeather(Settings, frozen=True, tag_field="model", tag="seasonal"):
    """One temperature for the whole island: a yearly sine and a daily residual, degrees Fahrenheit."""

    mean_f: Fahrenheit
    amplitude_f: Fahrenheit
    residual_sd_f: Spread


class ScatteredFires(Settings, frozen=True, tag_field="model", tag="scattered"):
    """Fires that start at random in burnable cells, at a rate set by the island's temperature; no spread.

    ``fires_per_day`` is interpolated over ``at_mean_f``. Nothing burns outside the season's days of the
    year, and a cell rests ``rest_days`` days after a fire.
    """

    burnable_cells: Count
    season_first: Count
    season_last: Count
    at_mean_f: Annotated[tuple[float, ...], Meta(min_length=2)]
    fires_per_day: Annotated[tuple[NonNegative, ...], Meta(min_length=2)]
    most_per_day: Count
    rest_days: Annotated[int, Meta(ge=0)]

    def __post_init__(self) -> None:
        """Refuse tables of unequal length, falling temperatures and a season that never comes."""
        if len(self.at_mean_f) != len(self.fires_per_day):
            raise ValueError("`at_mean_f` and `fires_per_day` must have the same length")
        if list(self.at_mean_f) != sorted(set(self.at_mean_f)):
            raise ValueError("`at_mean_f` must rise")
        if self.season_first > self.season_last:
            raise ValueError("`season_first` must not be after `season_last`")


class EveryCellSensors(Settings, frozen=True, tag_field="model", tag="every-cell"):
    """A sensor in every cell and no missing reading: the island's mean and Gaussian noise, whole degrees.

    In a cell on fire the reading is at least ``fire_least_f``, and above it by a gamma-distributed excess.
    """

    noise_sd_f: Spread
    fire_least_f: Fahrenheit
    fire_excess_mean_f: Annotated[float, Meta(gt=0, le=1000)]
    fire_excess_sd_f: Annotated[float, Meta(gt=0, le=1000)]


class PhraseTweets(Settings, frozen=True, tag_field="model", tag="phrases"):
    """Posts put together from phrase tables; their number a day does not depend on fires.

    ``phrases`` names a table in ``configs/phrases/`` or a TOML file beside the scenario. ``fire_posts`` is
    the mean number of posts about a fire on its first, second, ... day.
    """

    phrases: str
    per_day_mean: Positive
    per_day_sd: NonNegative
    per_day_least: Annotated[int, Meta(ge=0)]
    per_day_most: Count
    cells_per_day: Positive
    words_least: Annotated[int, Meta(ge=4, le=36)]
    words_most: Annotated[int, Meta(ge=20, le=48)]
    figurative_share: Share
    fire_posts: tuple[NonNegative, ...]

    def __post_init__(self) -> None:
        """Refuse ranges that are empty."""
        if not self.per_day_least <= self.per_day_mean <= self.per_day_most:
            raise ValueError("`per_day_mean` must lie between `per_day_least` and `per_day_most`")
        if self.words_least > self.words_most:
            raise ValueError("`words_least` must not exceed `words_most`")


class LateAlerts(Settings, frozen=True, tag_field="model", tag="late"):
    """The slow official system: every fire is notified ``lag_days`` days after it."""

    lag_days: Annotated[int, Meta(ge=0)]


class Scenario(Settings, frozen=True):
    """All settings of one simulated island and its observation.

    ``checks`` names the suite that ``zakar check`` holds the dataset against: ``none`` for integrity alone.
    """

    name: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9-]*$")]
    title: str
    description: str
    seed: Annotated[int, Meta(ge=0, le=2**63 - 1)]
    checks: Annotated[str, Meta(pattern="^(none|classic)$")]
    calendar: Calendar
    grid: Grid
    weather: SeasonalWeather
    fires: ScatteredFires
    sensors: EveryCellSensors
    tweets: PhraseTweets
    alerts: LateAlerts

    def __post_init__(self) -> None:
        """Refuse settings that contradict each other across sections."""
        if self.fires.burnable_cells > self.grid.cells:
            raise ValueError(
                f"`fires.burnable_cells` is {self.fires.burnable_cells}, the grid has {self.grid.cells} cells"
            )
        if self.fires.season_last > self.calendar.days_per_year:
            raise ValueError(
                f"`fires.season_last` is {self.fires.season_last}, a year has {self.calendar.days_per_year} days"
            )
        if self.tweets.cells_per_day > self.grid.cells:
            raise ValueError(
                f"`tweets.cells_per_day` is {self.tweets.cells_per_day:g}, the grid has {self.grid.cells} cells"
            )


def config_folder() -> Path:
    """Return the folder of scenarios: inside an installed package, or beside it in a checkout."""
    package = Path(__file__).parent
    installed = package / "configs"
    return installed if installed.is_dir() else package.parent / "configs"


def names() -> list[str]:
    """Return the names of the scenarios that come with zakar."""
    return sorted(path.stem for path in config_folder().glob("*.toml"))


def find(name_or_file: str) -> Path:
    """Return the TOML file of a scenario, given its name or a path.

    Raises ConfigError if there is neither.
    """
    known = names()
    if name_or_file in known:
        return config_folder() / f"{name_or_file}.toml"
    path = Path(name_or_file)
    if path.suffix == ".toml":
        if path.is_file():
            return path
        raise ConfigError(f"{path}: no such scenario file")
    close = difflib.get_close_matches(name_or_file, known, n=1)
    hint = f"did you mean `{close[0]}`?" if close else "give one of these, or a .toml file"
    raise ConfigError(f"no scenario named `{name_or_file}` (known: {', '.join(known)}); {hint}")


def read(path: Path) -> Scenario:
    """Read and validate a scenario file.

    Raises ConfigError naming the file, the key and what is wrong with it.
    """
    return convert(read_toml(path), Scenario, str(path))


def read_toml(path: Path) -> dict[str, object]:
    """Read a TOML file. Raises ConfigError naming the file and the line."""
    return parse_toml(read_text(path), path)


def read_text(path: Path) -> str:
    """Read a text file. Raises ConfigError naming it."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from error


def parse_toml(text: str, path: Path) -> dict[str, object]:
    """Parse TOML read from ``path``. Raises ConfigError naming the file and the line."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from error


def convert(values: object, kind: type[_T], source: str) -> _T:
    """Turn plain values into frozen settings. Raises ConfigError naming ``source`` and the key."""
    endless = _not_finite(values)
    if endless:
        raise ConfigError(f"{source}: `{endless}` is not a finite number")
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{source}: {_explain(str(error), kind)}") from error


def with_days(scenario: Scenario, days: int) -> Scenario:
    """Return the scenario cut, or stretched, to ``days`` days. Raises ConfigError where it cannot be."""
    calendar = {**msgspec.to_builtins(scenario.calendar), "days": days}
    return msgspec.structs.replace(scenario, calendar=convert({"calendar": calendar}, _Days, "--days").calendar)


class _Days(Struct):
    calendar: Calendar


def _not_finite(values: object, path: str = "") -> str:
    """Return the path of the first number that is infinite or none at all; empty if there is none."""
    if isinstance(values, float):
        return "" if math.isfinite(values) else path
    items = values.items() if isinstance(values, dict) else enumerate(values) if isinstance(values, list) else ()
    found = (_not_finite(value, f"{path}.{key}" if path else str(key)) for key, value in items)
    return next((path for path in found if path), "")


def _explain(message: str, kind: type) -> str:
    """Rewrite msgspec's message as `key`: problem; an unknown key gets the nearest known one."""
    text, _, place = message.partition(" - at ")
    path = place.strip("`").removeprefix("$").removeprefix(".")
    unknown = re.fullmatch(r"Object contains unknown field `(.*)`", text)
    if unknown:
        key = unknown[1]
        known = _known_keys(kind)
        if key in known:
            return f"`{path + '.' if path else ''}{key}` is not a known key here; it belongs elsewhere"
        close = difflib.get_close_matches(key, known, n=1)
        hint = f"; did you mean `{close[0]}`?" if close else "; remove it"
        return f"`{path + '.' if path else ''}{key}` is not a known key{hint}"
    missing = re.fullmatch(r"Object missing required field `(.*)`", text)
    if missing:
        return f"`{path + '.' if path else ''}{missing[1]}` is missing; add it"
    return f"`{path}`: {text}" if path else text


def _known_keys(kind: type) -> set[str]:
    """Collect the keys of a settings type and of its sections."""
    keys: set[str] = set()
    for field in msgspec.structs.fields(kind):
        keys.add(field.name)
        if isinstance(field.type, type) and issubclass(field.type, Struct):
            keys |= _known_keys(field.type)
    return keys
