"""Settings of the island with a geography: weather, fire danger, fires that spread, and imperfect observers."""

import datetime
from itertools import pairwise
from typing import Annotated, Literal, TypeVar

import numpy as np
from msgspec import Meta

from zakar.models.shared import gregorian
from zakar.models.shared.settings import About, Grid, Named, Settings, Share


class DatedCalendar(Settings, frozen=True):
    """Days are 1-based, day 1 is ``first_date``. ``days`` are released, ``holdout_days`` more are held out."""

    first_date: datetime.date
    days: Annotated[int, Meta(ge=1, le=40_000)]
    holdout_days: Annotated[int, Meta(ge=0, le=40_000)] = 0

    def __post_init__(self) -> None:
        """Refuse days after the last year that a date can name."""
        most = (datetime.date.max - self.first_date).days + 1
        if self.last_day > most:
            raise ValueError(
                f"`days` + `holdout_days` is {self.last_day}, must be in 1..{most}: "
                f"the year 9999 ends so many days after `first_date`"
            )

    @property
    def last_day(self) -> int:
        """The last day of all, the held-out ones included."""
        return self.days + self.holdout_days

    def dates(self, days: np.ndarray) -> np.ndarray:
        """Return the dates of ``days``, as datetime64[D]."""
        return np.datetime64(self.first_date, "D") + (np.asarray(days, np.int64) - 1)

    def runs(self) -> list[tuple[int, int]]:
        """Return (first, last) day of each run that the world advances by: years, cut where held-out days begin."""
        years = gregorian.year(self.dates(np.arange(1, self.last_day + 1)))
        starts = set((np.flatnonzero(np.diff(years)) + 2).tolist()) | {1, self.days + 1}
        bounds = sorted(day for day in starts if day <= self.last_day)
        return [(first, after - 1) for first, after in pairwise([*bounds, self.last_day + 1])]


# The island itself.


_CELLS_PER_SETTLEMENT = 6  # at least, so that there is country between them
_MOST_SETTLEMENTS = 200


class IslandGrid(Grid, frozen=True):
    """A grid neither too small for an island nor too large for a year in memory."""

    width: Annotated[int, Meta(ge=8, le=250)]
    height: Annotated[int, Meta(ge=8, le=250)]


class Terrain(Settings, frozen=True):
    """The island's place on the earth, shape, vegetation, people and roads; its cells are 1 km wide.

    ``latitude``: degrees, negative in the south. Day lengths of the fire danger follow it, and in the south all that
    depends on the season is turned by half a year: the weather, lightning, how much people post.
    ``land_share``: of all cells, about. ``hurst``: roughness exponent of the relief, smooth at 1; ``relief_noise``: its
    weight against the dome that makes an island of it. ``..._share`` of a fuel: of the land that is not urban, shrub
    is the rest; ``patch_km``: how wide its patches are. ``people``: in all, of whom ``rural_share`` live outside the
    ``settlements``, whose sizes go as rank^-``zipf_exponent``; a cell is urban from ``urban_density`` people on.
    ``road_loops``: roads beyond those without which a settlement could not be reached.
    """

    land_share: Annotated[float, Meta(ge=0.2, le=0.6)]
    summit_m: Annotated[float, Meta(ge=50, le=4000)]
    hurst: Annotated[float, Meta(ge=0.3, le=1)]
    relief_noise: Annotated[float, Meta(ge=0, le=1)]
    bare_share: Share
    grass_share: Share
    broadleaf_share: Share
    conifer_share: Share
    agroforestry_share: Share
    patch_km: Annotated[float, Meta(ge=0.5, le=20)]
    people: Annotated[int, Meta(ge=100, le=10_000_000)]
    rural_share: Share
    settlements: Annotated[int, Meta(ge=1)]  # and no more than there is room for on the grid
    zipf_exponent: Annotated[float, Meta(ge=0, le=2)]
    urban_density: Annotated[float, Meta(ge=1, le=100_000)]
    road_loops: Annotated[int, Meta(ge=0, le=20)]
    latitude: Annotated[float, Meta(ge=-90, le=90)] = 37.0

    def __post_init__(self) -> None:
        """Refuse fuels that cover more than the land."""
        shares = ("bare_share", "grass_share", "broadleaf_share", "conifer_share", "agroforestry_share")
        if (total := sum(getattr(self, share) for share in shares)) > 1:
            raise ValueError(f"{', '.join(f'`{s}`' for s in shares)} are {total:g} in all; must be at most 1")

    def check_grid(self, grid: Grid) -> None:
        """Refuse a ``grid`` that has no room for the settlements."""
        most = min(_MOST_SETTLEMENTS, int(self.land_share * grid.cells / _CELLS_PER_SETTLEMENT))
        if self.settlements > most:
            raise ValueError(
                f"`terrain.settlements` is {self.settlements}, must be in 1..{most}: "
                f"one for {_CELLS_PER_SETTLEMENT} of about {self.land_share * grid.cells:.0f} land cells, but no more "
                f"than {_MOST_SETTLEMENTS}"
            )


# What happens on it.

Number = TypeVar("Number")
Seasons = tuple[Number, Number]
Months = tuple[Number, Number, Number, Number, Number, Number, Number, Number, Number, Number, Number, Number]


class Climate(Settings, frozen=True):
    """The weather: one series for the whole island, from which every cell departs by height, coast and chance.

    Pairs are (deep winter, high summer), a cosine in between; tables of twelve run from January to December. Months
    and days of the year are those of the north: at a southern latitude July has what is said of January.
    ``mean_c``, ``amplitude_k``: yearly course of the daily mean at sea level, warmest on day ``warmest_day`` of the
    year. ``range_k``: highest less lowest temperature of a day. ``residual_sd_k``: of the highest temperature from day
    to day. ``year_sd_k``, ``year_rain_cv``: how much warmer or wetter whole years are; a kelvin warmer, the air has
    ``year_humidity`` percentage points less humidity. ``wet_fraction``: share of days with rain, ``wet_day_mm`` its
    mean on such a day, ``rain_shape`` of its gamma distribution. ``rain_per_km``: share by which rain increases with a
    kilometre of height. ``lapse_k_per_km``: fall of temperature with height.
    ``coast_max_k``, ``coast_min_k``: by how much day and night are warmer at the sea, an effect that fades within
    ``coast_km``. ``local_sd_k``, ``local_km``, ``local_lag_1``: departures of places, how wide they are, and their
    autocorrelation from day to day. ``dew_depression_k``: dew point below the lowest temperature on dry days.
    ``blocking_...``: high pressure that brings heat waves begins with a probability ``per_day`` in ``months``, lasts
    ``days`` on average unless rain ends it, adds ``k`` to the temperature and takes ``humidity`` percentage points.
    ``wind_...``: mean speed at the warmest hour, Weibull shape, autocorrelation, and prevailing direction with
    the standard deviation of the turns from it.
    """

    mean_c: Annotated[float, Meta(ge=-20, le=40)]
    amplitude_k: Annotated[float, Meta(ge=0, le=30)]
    warmest_day: Annotated[int, Meta(ge=1, le=366)]
    range_k: Seasons[Annotated[float, Meta(ge=2, le=30)]]
    residual_sd_k: Seasons[Annotated[float, Meta(ge=0, le=10)]]
    year_sd_k: Annotated[float, Meta(ge=0, le=5)]
    year_humidity: Annotated[float, Meta(ge=0, le=20)]
    wet_fraction: Months[Annotated[float, Meta(ge=0, le=0.95)]]
    wet_day_mm: Months[Annotated[float, Meta(ge=0.5, le=200)]]
    rain_shape: Annotated[float, Meta(ge=0.3, le=5)]
    rain_per_km: Annotated[float, Meta(ge=0, le=5)]
    year_rain_cv: Annotated[float, Meta(ge=0, le=2)]
    lapse_k_per_km: Annotated[float, Meta(ge=0, le=12)]
    coast_max_k: Seasons[Annotated[float, Meta(ge=-10, le=10)]]
    coast_min_k: Seasons[Annotated[float, Meta(ge=-10, le=10)]]
    coast_km: Annotated[float, Meta(gt=0, le=50)]
    local_sd_k: Annotated[float, Meta(ge=0, le=5)]
    local_km: Annotated[float, Meta(ge=1, le=30)]
    local_lag_1: Annotated[float, Meta(ge=0, le=0.99)]
    dew_depression_k: Seasons[Annotated[float, Meta(ge=0, le=30)]]
    blocking_months: Annotated[tuple[Annotated[int, Meta(ge=1, le=12)], ...], Meta(min_length=1, max_length=12)]
    blocking_per_day: Share
    blocking_days: Annotated[float, Meta(ge=1, le=60)]
    blocking_k: Annotated[float, Meta(ge=0, le=20)]
    blocking_humidity: Annotated[float, Meta(ge=0, le=50)]
    wind_kmh: Seasons[Annotated[float, Meta(gt=0, le=100)]]
    wind_shape: Annotated[float, Meta(ge=1, le=10)]
    wind_lag_1: Annotated[float, Meta(ge=0, le=0.99)]
    wind_from_degrees: Seasons[Annotated[float, Meta(ge=0, le=360)]]
    wind_turn_degrees: Annotated[float, Meta(ge=0, le=180)]

    def __post_init__(self) -> None:
        """Refuse nights at the sea that are warmer than the days, and months named twice."""
        for season, least, day, night in zip(
            ("winter", "summer"), self.range_k, self.coast_max_k, self.coast_min_k, strict=True
        ):
            if least + day - night < 1:
                raise ValueError(
                    f"`range_k` + `coast_max_k` - `coast_min_k` is {least + day - night:g} K in {season}; "
                    "must be at least 1, or nights at the sea would be warmer than the days"
                )
        if len(set(self.blocking_months)) != len(self.blocking_months):
            raise ValueError("`blocking_months` names a month twice; each must be there once")


Effect = Annotated[float, Meta(ge=0, le=10)]
RegrowthYears = Annotated[float, Meta(ge=0.1, le=200)]


class Wildfires(Settings, frozen=True):
    """How fires start, are fought, spread, and how fuel grows back.

    Ignition: ``human_per_100km2`` fires a year were all days as dry as FFMC 84, ``lightning_per_100km2`` about. Effects
    add to the logarithm of the human rate: of 12 points of FFMC (``moisture_effect``), of ln(1 + residents), and, less,
    of each km from a road. ``unrest_sd`` is of the logarithm of a daily factor for the whole island,
    ``unrest_persistence`` its correlation with the day before.

    Initial attack: ``escape_share`` of the fires escape that start at FWI 20, wind 15 km/h, the drought of June, on a
    road, far from houses, with no other fire burning. Effects add to the logit: of 10 points of FWI, of one more
    drought of June, of 10 km/h, of each km from a road, less of ln(1 + residents), of ln(1 + other fires on 500 km2).
    Contained fires have a Pareto area from ``contained_least_ha`` up to a cell, of density exponent
    ``contained_exponent``.

    Spread: ``spread_factor`` times the published rates. A burning cell goes out with the hazard ``burnout_per_day``,
    plus 1 for each ``dousing_rain_mm``, plus that of the crews: ``suppression_per_day`` at FWI 0, e times less for each
    ``suppression_fwi`` points, more by ``suppression_growth`` of itself with each day that the fire burns.

    Regrowth: 63 % of the fuel is back after ``..._years``. ``return_years``: mean age of the fuel on the first day.
    """

    human_per_100km2: Annotated[float, Meta(ge=0, le=1000)]
    lightning_per_100km2: Annotated[float, Meta(ge=0, le=1000)]
    moisture_effect: Effect
    people_effect: Effect
    road_effect: Effect
    weekend_factor: Annotated[float, Meta(ge=0, le=10)]
    unrest_sd: Annotated[float, Meta(ge=0, le=3)]
    unrest_persistence: Annotated[float, Meta(ge=0, lt=1)]

    escape_share: Share
    escape_most: Share
    escape_danger: Effect
    escape_drought: Effect
    escape_wind: Effect
    escape_road: Effect
    escape_people: Effect
    escape_others: Effect
    contained_least_ha: Annotated[float, Meta(ge=0.001, le=50)]
    contained_exponent: Annotated[float, Meta(gt=1, le=4)]

    spread_factor: Annotated[float, Meta(ge=0, le=10)]
    burnout_per_day: Annotated[float, Meta(ge=0.1, le=100)]
    dousing_rain_mm: Annotated[float, Meta(gt=0, le=100)]
    suppression_per_day: Annotated[float, Meta(ge=0, le=100)]
    suppression_fwi: Annotated[float, Meta(ge=1, le=1000)]
    suppression_growth: Annotated[float, Meta(ge=0, le=10)]

    grass_years: RegrowthYears
    shrub_years: RegrowthYears
    broadleaf_years: RegrowthYears
    conifer_years: RegrowthYears
    agroforestry_years: RegrowthYears
    return_years: Annotated[float, Meta(ge=0.1, le=10_000)]


# What is seen of it.

Kelvins = Annotated[float, Meta(ge=0, le=200)]  # a difference that a 16-bit reading holds, noise included
MeanDays = Annotated[float, Meta(ge=1, le=3650)]
SpellDays = Annotated[int, Meta(ge=1, le=365)]


class SensorNetwork(Settings, frozen=True):
    """Thermometers, where they stand and how they fail. Temperature differences in K, times in days or years.

    A share of days is of those on which a sensor stands and its battery lives. ``..._days`` is the mean length of a
    spell, or the mean wait for a new sensor; of two numbers the first is the least, the second the most.
    """

    sensors_per_cell: Annotated[float, Meta(gt=0, le=20)]
    scattered_share: Share
    noise_sd_k: Annotated[float, Meta(ge=0, le=10)]
    bias_mean_k: Annotated[float, Meta(ge=-10, le=10)]
    bias_sd_k: Annotated[float, Meta(ge=0, le=10)]
    drift_sd_k_per_year: Annotated[float, Meta(ge=0, le=5)]
    badly_sited_share: Share
    badly_sited_k: tuple[Kelvins, Kelvins]
    spike_share: Share
    spike_k: tuple[Kelvins, Kelvins]
    stuck_share: Share
    stuck_days: tuple[SpellDays, SpellDays]
    noisy_share: Share
    noisy_days: MeanDays
    noisy_sd_k: Annotated[float, Meta(ge=0, le=50)]
    dropout_share: Share
    dropout_days: MeanDays
    outage_share: Share
    outage_days: MeanDays
    battery_shape: Annotated[float, Meta(ge=0.5, le=10)]
    battery_years: Annotated[float, Meta(ge=0.1, le=100)]
    battery_replaced_days: MeanDays
    flame_share: Share
    flame_k: tuple[Kelvins, Kelvins]
    destroyed_share: Share
    destroyed_replaced_days: MeanDays
    fire_dropout_share: Share

    def __post_init__(self) -> None:
        """Refuse ranges that fall, and shares that leave hardly a sensor that works."""
        for key in ("badly_sited_k", "spike_k", "stuck_days", "flame_k"):
            low, high = getattr(self, key)
            if low > high:
                raise ValueError(f"`{key}`: the first number must not be above the second")
        if self.outage_share > self.dropout_share:
            raise ValueError("`outage_share` is a part of `dropout_share` and must not be above it")
        if self.spike_share + self.stuck_share + self.noisy_share + self.dropout_share > 0.5:
            raise ValueError(
                "`spike_share`, `stuck_share`, `noisy_share` and `dropout_share` must not exceed 0.5 in all"
            )


class Posts(Settings, frozen=True):
    """Posts: who writes how much about what.

    ``phrases`` names a table in ``configs/phrases/`` or a TOML file beside the scenario. Shares of kinds of account are
    of all posts, what they leave is people's; shares of topics are of people's posts. Words that come with a post
    (reposts, mentions, links, hashtags, emoji, typos) are drawn without looking at its topic.
    """

    phrases: str
    per_day: Annotated[float, Meta(ge=1, le=40_000)]
    weekend_factor: Annotated[float, Meta(ge=0.1, le=10)]
    summer_swing: Annotated[float, Meta(ge=0, le=0.9)]
    spread: Annotated[float, Meta(gt=0, le=1)]
    accounts: Annotated[int, Meta(ge=100, le=20_000)]
    activity_exponent: Annotated[float, Meta(ge=0, le=2)]
    away_share: Share
    pages_share: Share
    authorities_share: Share
    outsiders_share: Share
    bots_share: Share
    weather_share: Share
    figurative_share: Share
    false_smoke_share: Share
    rumour_share: Share
    danger_share: Share
    repost_share: Annotated[float, Meta(ge=0, le=0.9)]
    mention_share: Annotated[float, Meta(gt=0, le=1)]
    link_share: Annotated[float, Meta(gt=0, le=1)]
    hashtag_share: Share
    emoji_share: Share
    typo_share: Share
    wrong_place_share: Annotated[float, Meta(gt=0, le=1)]
    small_fire_posts: Annotated[float, Meta(ge=0, le=1000)]
    front_posts: Annotated[float, Meta(ge=0, le=10_000)]
    half_life_days: Annotated[float, Meta(ge=0.1, le=3)]
    lookalikes_per_day: Annotated[float, Meta(ge=0, le=1000)]
    lookalike_posts: Annotated[float, Meta(ge=0, le=1000)]

    def __post_init__(self) -> None:
        """Raise ValueError where shares of one whole come to more than 1."""
        kinds = ("pages_share", "authorities_share", "outsiders_share", "bots_share")
        topics = ("weather_share", "figurative_share", "false_smoke_share", "rumour_share", "danger_share")
        for keys in (kinds, topics):
            total = sum(getattr(self, key) for key in keys)
            if total > 1:
                raise ValueError(f"{', '.join(f'`{key}`' for key in keys)} must not sum to more than 1, not {total:g}")

    def kind_shares(self) -> tuple[float, float, float, float, float]:
        """Return the shares of all posts that people, pages, authorities, outsiders and bots write."""
        others = (self.pages_share, self.authorities_share, self.outsiders_share, self.bots_share)
        return (1 - sum(others), *others)


class SlowAlerts(Settings, frozen=True):
    """The slow official system: late, later where remote, blind to small fires, and alarmed for nothing at times.

    A fire's alert comes after ``lag_days`` on average beside a road, and ``lag_days_per_road_km`` later for each
    kilometre from it. A contained fire is missed with the probability ``missed_share / (1 + area / missed_half_ha)``.
    """

    lag_days: Annotated[float, Meta(ge=1, le=60)]
    lag_days_per_road_km: Annotated[float, Meta(ge=0, le=10)]
    missed_share: Share
    missed_half_ha: Annotated[float, Meta(gt=0, le=100)]
    escaped_missed_share: Share
    false_per_day: Annotated[float, Meta(ge=0, le=100)]


_NORTHERN_SUMMER = (91, 274)  # days of the year: April to September


class IslandScenario(Named, frozen=True, tag_field="model", tag="island"):
    """All settings of an island with a geography, and of its observation."""

    checks: Literal["none", "island"]
    calendar: DatedCalendar
    grid: IslandGrid
    terrain: Terrain
    climate: Climate
    fires: Wildfires
    sensors: SensorNetwork
    tweets: Posts
    alerts: SlowAlerts
    about: About = About()

    def __post_init__(self) -> None:
        """Refuse settings that contradict each other across sections."""
        self.terrain.check_grid(self.grid)
        first, last = _NORTHERN_SUMMER
        if self.terrain.latitude < 0 and not first <= self.climate.warmest_day <= last:
            raise ValueError(
                f"`climate.warmest_day` is {self.climate.warmest_day}, must be in {first}..{last} where "
                "`terrain.latitude` is below 0: write the climate as that of the north, for its days and months are "
                "turned by half a year in the south"
            )
