"""What a scenario's values come to, in words: a note in a file that said so would be wrong of another value."""

import datetime

import numpy as np

from zakar.models.island.fwi import day_lengths
from zakar.models.island.settings import IslandScenario

_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_NEW_YEAR = datetime.date(2015, 1, 1)  # of a year that is no leap year
_HALF_YEAR = 183  # days
_TURNED = "in the south July has what is said of January"


def remarks(scenario: IslandScenario) -> dict[str, str]:
    """Return what values of a scenario of ``island`` come to, by the key's path."""
    calendar, grid, terrain, climate = scenario.calendar, scenario.grid, scenario.terrain, scenario.climate
    land = terrain.land_share * grid.cells
    last = calendar.dates(np.array(calendar.days)).item()
    southern = terrain.latitude < 0
    notes = {
        "calendar.days": f"{calendar.days / 365.25:.1f} years, to {_date(last)} {last.year}",
        "grid.height": f"{grid.cells:,} cells in all",
        "terrain.latitude": _latitude(terrain.latitude),
        "terrain.land_share": f"about {land:,.0f} square kilometres",
        "terrain.people": f"about {_rounded(terrain.people / land)} a square kilometre of land",
        "climate.warmest_day": _date(_day(climate.warmest_day + (_HALF_YEAR if southern else 0))),
        "sensors.sensors_per_cell": f"about {_rounded(land * scenario.sensors.sensors_per_cell)} in all",
    }
    if southern:
        months = sorted((month + 5) % 12 + 1 for month in climate.blocking_months)
        notes |= {
            "climate": _TURNED,
            "climate.wet_fraction": _TURNED,
            "climate.wet_day_mm": _TURNED,
            "climate.blocking_months": ", ".join(_MONTHS[month - 1] for month in months),
        }
    return notes


def _latitude(latitude: float) -> str:
    lengths = day_lengths(latitude)
    side = "S" if latitude < 0 else "N"
    seasons = "; southern seasons: all are turned by half a year" if latitude < 0 else ""
    return (
        f"{abs(latitude):g} {side}, day lengths of the fire danger for {lengths.duff_band} (DMC) and "
        f"{lengths.deep_band} (DC){seasons}"
    )


def _rounded(number: float) -> str:
    """Write an estimate: two digits that count."""
    return f"{float(f'{number:.1e}'):,.0f}"


def _day(day_of_year: int) -> datetime.date:
    return _NEW_YEAR + datetime.timedelta((day_of_year - 1) % 365)


def _date(day: datetime.date) -> str:
    return f"{day.day} {_MONTHS[day.month - 1]}"
