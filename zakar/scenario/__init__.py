"""Settings of one simulated island and its observation: read from TOML, validated, frozen."""

from zakar.scenario.classic import (
    Calendar,
    ClassicScenario,
    EveryCellSensors,
    LateAlerts,
    PhraseTweets,
    ScatteredFires,
    SeasonalWeather,
)
from zakar.scenario.files import find, island_name, names
from zakar.scenario.island import (
    Climate,
    DatedCalendar,
    IslandScenario,
    Posts,
    SensorNetwork,
    SlowAlerts,
    Terrain,
    Wildfires,
)
from zakar.scenario.notes import read_notes
from zakar.scenario.settings import About, Grid, Named, Scenario, Settings

__all__ = [
    "About",
    "Calendar",
    "ClassicScenario",
    "Climate",
    "DatedCalendar",
    "EveryCellSensors",
    "Grid",
    "IslandScenario",
    "LateAlerts",
    "Named",
    "PhraseTweets",
    "Posts",
    "ScatteredFires",
    "Scenario",
    "SeasonalWeather",
    "SensorNetwork",
    "Settings",
    "SlowAlerts",
    "Terrain",
    "Wildfires",
    "find",
    "island_name",
    "names",
    "read_notes",
]
