"""How many rows a scenario makes, about: from its settings alone, before anything is simulated."""

import numpy as np

from zakar.dataset.schema import ALERTS, READINGS, TWEETS
from zakar.observe import alerts, bursts, sensors
from zakar.scenario import ClassicScenario, IslandScenario, Scenario
from zakar.world import attack, classic, fuel, ignition

_SIZES = 1_000  # areas that stand for all that a contained fire may have


def rows(scenario: Scenario, days: int) -> dict[str, int]:
    """Return how many rows each public table has on ``days`` days of a scenario, about.

    Of seven years of ``island``, posts and readings come within a hundredth, alerts mostly within a fifth: a day has
    its share of a year's fires here, whatever the season, and the weather is that of ``island.toml``.
    """
    found = _island(scenario, days) if isinstance(scenario, IslandScenario) else _classic(scenario, days)
    return {table.name: round(number) for table, number in zip((TWEETS, READINGS, ALERTS), found, strict=True)}


def _classic(scenario: ClassicScenario, days: int) -> tuple[float, float, float]:
    """Return the posts, readings and alerts of the first ``days`` days; fires take the place of other posts."""
    when = np.arange(1, days + 1)
    warmth = classic.season_f(scenario.weather, scenario.calendar, when)
    fires = classic.fire_rates(scenario.fires, scenario.calendar, when, warmth)
    alerts = np.minimum(fires, scenario.fires.most_per_day).sum()
    return days * scenario.tweets.per_day_mean, days * scenario.grid.cells, float(alerts)


def _island(scenario: IslandScenario, days: int) -> tuple[float, float, float]:
    """Return the posts, readings and alerts of ``days`` days, every fire counted as one that does not escape."""
    land = scenario.terrain.land_share * scenario.grid.cells
    fires = ignition.fires_a_year(scenario.fires, land) * days / fuel.YEAR
    evenly = (np.arange(_SIZES) + 0.5) / _SIZES
    area_ha = attack.contained_ha(scenario.fires.contained_least_ha, scenario.fires.contained_exponent, evenly)

    tweets = scenario.tweets
    everyday = days * (tweets.per_day + tweets.lookalikes_per_day * tweets.lookalike_posts)
    about_fires = fires * float(bursts.posts_of(tweets, area_ha).mean())
    readings = days * land * scenario.sensors.sensors_per_cell * sensors.heard_share(scenario.sensors)
    told = fires * float((1 - alerts.contained_missed(scenario.alerts, area_ha)).mean())
    return everyday + about_fires, readings, told + days * scenario.alerts.false_per_day
