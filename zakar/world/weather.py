"""The weather that is true, whether or not a sensor sees it: daily, on every land cell."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Weather:
    """Weather of consecutive days; float32 of shape (days, n) over the n land cells unless said.

    ``tmax_c``, ``tmin_c``: highest and lowest temperature of the day, degrees Celsius. ``humidity_percent``: relative
    humidity at the warmest hour. ``wind_kmh``: wind speed then, 10 m above ground. ``rain_mm``: rain of the day.
    ``wind_from_degrees``: (days,) where the wind comes from, clockwise from north. ``wet``: (days,) bool, whether it
    rains on the island. ``blocking``: (days,) bool, whether a heat wave's high pressure stands over it.
    """

    tmax_c: np.ndarray
    tmin_c: np.ndarray
    humidity_percent: np.ndarray
    wind_kmh: np.ndarray
    rain_mm: np.ndarray
    wind_from_degrees: np.ndarray
    wet: np.ndarray
    blocking: np.ndarray
