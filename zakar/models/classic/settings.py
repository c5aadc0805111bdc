"""Settings of the island of 2023: no geography, perfect sensors, fires that do not spread."""

from typing import Annotated, Literal

from msgspec import Meta

from zakar.models.shared.settings import About, Fahrenheit, Grid, Named, Settings, Share, Spread

DayOfYear = Annotated[int, Meta(ge=1, le=366)]
Cells = Annotated[int, Meta(ge=1, le=1_000_000)]
PostsADay = Annotated[int, Meta(ge=0, le=100_000)]


class Calendar(Settings, frozen=True):
    """Days are 1-based. ``days`` are simulated in all; a year has ``days_per_year`` of them."""

    days: Annotated[int, Meta(ge=1, le=40_000)]
    days_per_year: Annotated[int, Meta(ge=1, le=366)]


class SeasonalWeather(Settings, frozen=True):
    """One temperature for the whole island: a yearly sine and a daily residual, degrees Fahrenheit."""

    mean_f: Fahrenheit
    amplitude_f: Fahrenheit
    residual_sd_f: Spread


class ScatteredFires(Settings, frozen=True):
    """Fires that start at random in burnable cells, at a rate set by the island's temperature; no spread.

    ``fires_per_day`` is interpolated over ``at_mean_f``. Nothing burns outside the season's days of the
    year, and a cell rests ``rest_days`` days after a fire.
    """

    burnable_cells: Cells
    season_first: DayOfYear
    season_last: DayOfYear
    at_mean_f: Annotated[tuple[Fahrenheit, ...], Meta(min_length=2, max_length=100)]
    fires_per_day: Annotated[tuple[Annotated[float, Meta(ge=0, le=1_000_000)], ...], Meta(min_length=2, max_length=100)]
    most_per_day: Cells
    rest_days: Annotated[int, Meta(ge=0, le=40_000)]

    def __post_init__(self) -> None:
        """Refuse tables of unequal length, falling temperatures and a season that never comes."""
        if len(self.at_mean_f) != len(self.fires_per_day):
            lengths = f"{len(self.at_mean_f)} and {len(self.fires_per_day)}"
            raise ValueError(f"`at_mean_f` and `fires_per_day` have {lengths} values, must have the same length")
        if list(self.at_mean_f) != sorted(set(self.at_mean_f)):
            raise ValueError("`at_mean_f` must rise")
        if self.season_first > self.season_last:
            raise ValueError(
                f"`season_first` is {self.season_first}, must be in 1..{self.season_last}: it must not be after "
                "`season_last`"
            )


class EveryCellSensors(Settings, frozen=True):
    """A sensor in every cell and no missing reading: the island's mean and Gaussian noise, whole degrees.

    In a cell on fire the reading is at least ``fire_least_f``, and above it by a gamma-distributed excess.
    """

    noise_sd_f: Spread
    fire_least_f: Fahrenheit
    fire_excess_mean_f: Annotated[float, Meta(gt=0, le=1000)]
    fire_excess_sd_f: Annotated[float, Meta(gt=0, le=1000)]


class PhraseTweets(Settings, frozen=True):
    """Posts put together from phrase tables; their number a day does not depend on fires.

    ``phrases`` names a table in ``configs/phrases/`` or a TOML file beside the scenario. ``fire_posts`` is
    the mean number of posts about a fire on its first, second, ... day.
    """

    phrases: str
    per_day_mean: Annotated[float, Meta(gt=0, le=100_000)]
    per_day_sd: Annotated[float, Meta(ge=0, le=100_000)]
    per_day_least: PostsADay
    per_day_most: PostsADay
    cells_per_day: Annotated[float, Meta(gt=0, le=1_000_000)]
    words_least: Annotated[int, Meta(ge=4, le=36)]
    words_most: Annotated[int, Meta(ge=20, le=48)]
    figurative_share: Share
    fire_posts: Annotated[tuple[Annotated[float, Meta(ge=0, le=10_000)], ...], Meta(max_length=366)]

    def __post_init__(self) -> None:
        """Refuse ranges that are empty."""
        if not self.per_day_least <= self.per_day_mean <= self.per_day_most:
            raise ValueError(
                f"`per_day_mean` is {self.per_day_mean:g}, must be in {self.per_day_least}..{self.per_day_most}: "
                "between `per_day_least` and `per_day_most`"
            )
        if self.words_least > self.words_most:
            raise ValueError(
                f"`words_least` is {self.words_least}, must be in 4..{self.words_most}: it must not exceed `words_most`"
            )


class LateAlerts(Settings, frozen=True):
    """The slow official system: every fire is notified ``lag_days`` days after it."""

    lag_days: Annotated[int, Meta(ge=0, le=3650)]


class ClassicScenario(Named, frozen=True, tag_field="model", tag="classic"):
    """All settings of an island as that of 2023 was, and of its observation."""

    checks: Literal["none", "classic"]
    calendar: Calendar
    grid: Grid
    weather: SeasonalWeather
    fires: ScatteredFires
    sensors: EveryCellSensors
    tweets: PhraseTweets
    alerts: LateAlerts
    about: About = About()

    def __post_init__(self) -> None:
        """Refuse settings that contradict each other across sections."""
        if self.fires.burnable_cells > self.grid.cells:
            raise ValueError(
                f"`fires.burnable_cells` is {self.fires.burnable_cells}, must be in 1..{self.grid.cells}, the cells "
                "of the grid"
            )
        if self.fires.season_last > self.calendar.days_per_year:
            raise ValueError(
                f"`fires.season_last` is {self.fires.season_last}, must be in {self.fires.season_first}.."
                f"{self.calendar.days_per_year}, the days of a year"
            )
        if self.tweets.cells_per_day > self.grid.cells:
            raise ValueError(
                f"`tweets.cells_per_day` is {self.tweets.cells_per_day:g}, must be at most {self.grid.cells}: the grid "
                "has no more cells"
            )
