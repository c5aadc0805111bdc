"""How many rows a scenario of ``island`` makes, about: from its settings alone, before anything is simulated."""

import numpy as np

from zakar.dataset.schema import ALERTS, READINGS, TWEETS
from zakar.models.island import alerts, bursts, fuel, ignition, initial_attack, sensors
from zakar.models.island.settings import IslandScenario

_SIZES = 1_000  # areas that stand for all that a contained fire may have


def rows(scenario: IslandScenario, days: int) -> dict[str, int]:
    """Return how many rows each public table has on ``days`` days, about, every fire counted as one that is contained.

    Of seven years of ``island``, posts and readings come within a hundredth, alerts mostly within a fifth: a day has
    its share of a year's fires here, whatever the season, and the weather is that of ``island.toml``.
    """
    land = scenario.terrain.land_share * scenario.grid.cells
    fires = ignition.fires_a_year(scenario.fires, land) * days / fuel.YEAR
    evenly = (np.arange(_SIZES) + 0.5) / _SIZES
    area_ha = initial_attack.contained_ha(scenario.fires.contained_least_ha, scenario.fires.contained_exponent, evenly)

    tweets = scenario.tweets
    everyday = days * (tweets.per_day + tweets.lookalikes_per_day * tweets.lookalike_posts)
    about_fires = fires * float(bursts.posts_of(tweets, area_ha).mean())
    readings = days * land * scenario.sensors.sensors_per_cell * sensors.heard_share(scenario.sensors)
    alert_rows = fires * float((1 - alerts.contained_missed(scenario.alerts, area_ha)).mean())
    return {
        TWEETS.name: round(everyday + about_fires),
        READINGS.name: round(readings),
        ALERTS.name: round(alert_rows + days * scenario.alerts.false_per_day),
    }
