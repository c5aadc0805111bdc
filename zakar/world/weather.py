"""The weather that is true, whether or not a sensor sees it."""

import numpy as np

from zakar.scenario import Calendar, SeasonalWeather
from zakar.seeds import Seeds


def seasonal_means_f(weather: SeasonalWeather, calendar: Calendar, seeds: Seeds, days: np.ndarray) -> np.ndarray:
    """Return the island's mean temperature on ``days``, degrees Fahrenheit, shape (days,).

    ``mean + amplitude * sin(2 pi day / days_per_year)`` and a Gaussian residual drawn for each day.
    """
    season = weather.mean_f + weather.amplitude_f * np.sin(2 * np.pi * days / calendar.days_per_year)
    residual = [seeds.stream("weather/residual", int(day)).standard_normal() for day in days]
    return season + weather.residual_sd_f * np.asarray(residual)
