"""The weather that is true, whether or not a sensor sees it: daily, on every land cell.

A weather generator in the manner of Richardson 1981, with one series for the whole island: 30 km are far below the
distance over which weather changes. Places depart from it by their height, their distance from the sea, and a little
by chance. Everything is drawn on its own day: what begins on a day says nothing of when it will end.
"""

from dataclasses import dataclass
from functools import partial
from math import ceil, exp, gamma, log, log1p, pi, sqrt

import numpy as np

from zakar.models.island.settings import Climate, DatedCalendar, Seasons
from zakar.models.island.terrain import Island
from zakar.models.shared import gregorian
from zakar.seeds import Seeds

# Residuals of the highest temperature, the lowest and the sunshine: x = A x(yesterday) + B e, with e white noise.
# Richardson and Wright 1984, WGEN: A model for generating daily weather variables, ARS-8.
A = np.array([[0.567, 0.086, -0.002], [0.253, 0.504, -0.050], [-0.006, -0.039, 0.244]])
B = np.array([[0.781, 0.0, 0.0], [0.328, 0.637, 0.0], [0.238, -0.341, 0.873]])
NIGHT_SHARE = 0.85  # standard deviation of the lowest temperature against that of the highest
TURN_LAG_1 = 0.5  # of the wind's turns from its prevailing direction
SUNNY_SHARE = 0.3  # by how much a day sunnier by one standard deviation has a deeper dew point depression
LEAST_RANGE_K = 1.0
LEAST_HUMIDITY = 5.0  # percent
LEAST_RAIN_MM = 0.1  # on a wet day, everywhere
LOCAL_RAIN, LOCAL_WIND = 0.35, 0.1  # departures of places: of the logarithm of the rain, of the wind as a share
CHUNK = 2**20  # grid points at a time, which bounds memory on a large island


@dataclass(frozen=True)
class Weather:
    """Weather of consecutive days; float32 of shape (days, n) over the n land cells unless said.

    Rounded to one decimal, so that what is computed from it can be computed again from what is published.
    ``tmax_c``, ``tmin_c``: highest and lowest temperature of the day, degrees Celsius. ``humidity_percent``: relative
    humidity at the warmest hour. ``wind_kmh``: wind speed then, 10 m above ground. ``rain_mm``: rain of the day, on a
    wet day at least 0.1 everywhere. ``wind_from_degrees``: (days,) where the wind comes from, clockwise from north.
    ``wet``: (days,) bool, whether it rains on the island. ``blocking``: (days,) bool, whether a heat wave's high
    pressure stands over it.
    """

    tmax_c: np.ndarray
    tmin_c: np.ndarray
    humidity_percent: np.ndarray
    wind_kmh: np.ndarray
    rain_mm: np.ndarray
    wind_from_degrees: np.ndarray
    wet: np.ndarray
    blocking: np.ndarray


@dataclass(frozen=True)
class WeatherState:
    """What a day hands to the next.

    ``year``: the calendar year to which ``year_k`` (by how much it is warmer, K) and ``year_rain`` (how many times
    wetter) belong; 0 before the first. ``wet``, ``blocking``: of the day. ``series``: standardised residuals of highest
    and lowest temperature, sunshine, wind speed and wind direction, (5,). ``local``: standardised departures of the
    land cells, complex64 (n,), by day in the real part and by night in the imaginary one.
    """

    year: int
    year_k: float
    year_rain: float
    wet: bool
    blocking: bool
    series: np.ndarray
    local: np.ndarray


def stationary_covariance() -> np.ndarray:
    """Return the covariance M of the residuals in the long run, (3, 3): the solution of M = A M A' + B B'."""
    together = np.eye(9) - np.kron(A, A)
    covariance: np.ndarray = np.linalg.solve(together, (B @ B.T).ravel()).reshape(3, 3)
    return covariance


def start(climate: Climate, island: Island, seeds: Seeds) -> WeatherState:
    """Return the state of the day before the first: dry, and else as on any day."""
    draw = seeds.stream("weather/start")
    series = draw.standard_normal(5)
    series[:3] = np.linalg.cholesky(stationary_covariance()) @ series[:3]
    local = _noise(climate, island, draw, 1)[0]
    return WeatherState(0, 0.0, 1.0, wet=False, blocking=False, series=series, local=local)


def advance(
    climate: Climate,
    calendar: DatedCalendar,
    island: Island,
    seeds: Seeds,
    first: int,
    last: int,
    state: WeatherState,
) -> tuple[Weather, WeatherState]:
    """Return the weather of the days ``first`` to ``last``, all of one calendar year, and the last one's state."""
    dates = calendar.dates(np.arange(first, last + 1))
    months = gregorian.season_month(dates, island.southern) - 1
    summer = _summer(climate, dates, island.southern)
    year = int(gregorian.year(dates[0]))
    year_k, year_rain = (state.year_k, state.year_rain) if year == state.year else _year(climate, seeds, first)

    wet, blocking = _regimes(climate, seeds.stream("weather/regimes", first), months, state)
    series = _series(climate, seeds.stream("weather/series", first), state.series, len(dates))
    noise = _noise(climate, island, seeds.stream("weather/local", first), len(dates))
    local = _remembered(climate.local_lag_1, noise, state.local)

    tmax, tmin = _temperatures(climate, island, summer, wet, series, local)
    drier = climate.year_humidity * year_k + climate.blocking_humidity * blocking
    humidity = _humidity(climate, summer, wet, series[:, 2], tmax, tmin) - drier.astype(np.float32)[:, None]
    warmer = (year_k + climate.blocking_k * blocking).astype(np.float32)[:, None]
    speed, direction = _wind(climate, summer, wet, series[:, 3], series[:, 4])
    amounts = year_rain * _amounts(climate, seeds.stream("weather/rain", first), months)
    weather = Weather(
        tmax_c=_rounded(tmax + warmer),
        tmin_c=_rounded(tmin + warmer),
        humidity_percent=_rounded(np.clip(humidity, LEAST_HUMIDITY, 100)),
        wind_kmh=_rounded(speed[:, None] * (_exposure(island) * (1 + LOCAL_WIND * noise.imag))),
        rain_mm=_rain(climate, island, wet, amounts, noise.real),
        wind_from_degrees=direction,
        wet=wet,
        blocking=blocking,
    )
    return weather, WeatherState(year, year_k, year_rain, bool(wet[-1]), bool(blocking[-1]), series[-1], local[-1])


def _year(climate: Climate, seeds: Seeds, day: int) -> tuple[float, float]:
    """Return how many K the year that begins on ``day`` is warmer than others, and how many times wetter."""
    warmer, wetter = seeds.stream("weather/year", day).standard_normal(2).tolist()
    spread = sqrt(log1p(climate.year_rain_cv**2))
    return climate.year_sd_k * warmer, exp(spread * wetter - spread**2 / 2)


def _summer(climate: Climate, dates: np.ndarray, southern: bool) -> np.ndarray:
    """Return the season of each date: 1 on the warmest day, -1 half a year later, a cosine in between."""
    summer: np.ndarray = np.cos(2 * pi * (gregorian.day_of_year(dates) - climate.warmest_day) / 365.25)
    return -summer if southern else summer


def _season(pair: Seasons[float], summer: np.ndarray) -> np.ndarray:
    """Interpolate a (deep winter, high summer) pair."""
    winter, high = pair
    return winter + (high - winter) * (1 + summer) / 2


# What the whole island shares.


def _regimes(
    climate: Climate, draw: np.random.Generator, months: np.ndarray, state: WeatherState
) -> tuple[np.ndarray, np.ndarray]:
    """Return whether each day is wet, and whether it is under blocking high pressure; ``months`` from 0, by season.

    Both are chains of two states. Rain: Sommer and Kaplan 2017, GWGEN. Rain ends blocking, so a day is never both.
    """
    dry_to_wet = 0.7451 * np.asarray(climate.wet_fraction)
    wet_to_wet = 0.2549 + dry_to_wet
    may_begin = np.isin(months + 1, climate.blocking_months)
    wet, blocking = state.wet, state.blocking
    weather_types = np.empty((2, len(months)), bool)
    for day, (month, (rain, pressure)) in enumerate(zip(months, draw.random((len(months), 2)), strict=True)):
        wet = rain < (wet_to_wet if wet else dry_to_wet)[month]
        stays = (
            pressure >= 1 / climate.blocking_days if blocking else pressure < climate.blocking_per_day * may_begin[day]
        )
        blocking = stays and not wet
        weather_types[:, day] = wet, blocking
    return weather_types[0], weather_types[1]


def _series(climate: Climate, draw: np.random.Generator, before: np.ndarray, days: int) -> np.ndarray:
    """Return the standardised residuals of each day, (days, 5), in the order of ``WeatherState.series``."""
    memory, shock = np.zeros((5, 5)), np.zeros((5, 5))
    memory[:3, :3], shock[:3, :3] = A, B
    for place, lag_1 in ((3, climate.wind_lag_1), (4, TURN_LAG_1)):
        memory[place, place], shock[place, place] = lag_1, sqrt(1 - lag_1**2)
    series = draw.standard_normal((days, 5))
    for day in range(days):
        before = series[day] = memory @ before + shock @ series[day]
    return series


def _wind(
    climate: Climate, summer: np.ndarray, wet: np.ndarray, speed: np.ndarray, turn: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the wind's speed in km/h and where it comes from in whole degrees, from their residuals.

    Speed is of Weibull's distribution; wet days are windier: Sommer and Kaplan 2017.
    """
    from scipy.special import log_ndtr

    scale = _season(climate.wind_kmh, summer) / gamma(1 + 1 / climate.wind_shape)
    # The logarithm is that of the chance of a stronger wind.
    kmh = scale * (-log_ndtr(-speed)) ** (1 / climate.wind_shape) * np.where(wet, 1.093, 0.945)
    winter, high = climate.wind_from_degrees
    shorter_way = (high - winter + 180) % 360 - 180
    degrees = _season((winter, winter + shorter_way), summer) + climate.wind_turn_degrees * turn
    return kmh.astype(np.float32), (np.rint(degrees) % 360).astype(np.float32)


def _amounts(climate: Climate, draw: np.random.Generator, months: np.ndarray) -> np.ndarray:
    """Return the rain that falls on each day if it is wet, mm: gamma, with the month's mean."""
    scale = np.asarray(climate.wet_day_mm)[months] / climate.rain_shape
    amounts: np.ndarray = scale * draw.standard_gamma(climate.rain_shape, len(months))
    return amounts


# What places have for themselves.


def _noise(climate: Climate, island: Island, draw: np.random.Generator, days: int) -> np.ndarray:
    """Return noise that is white in time and smooth in space: complex64 (days, n), of unit variance in either part.

    The correlation of two places is exp(-(distance / local_km)^2). It is made of waves that are drawn, and only of
    those long enough to matter; the waves' box is so much larger than the land that it cannot be seen to repeat.
    """
    x, y = np.divmod(island.land, island.height)
    width, height = (ceil(np.ptp(along) + 1 + 2 * climate.local_km) for along in (x, y))
    across, up = (_waves(size, climate.local_km) for size in (width, height))
    weight = np.exp(-((climate.local_km * pi) ** 2) / 2 * ((across / width)[:, None] ** 2 + (up / height) ** 2))
    weight = (weight / np.sqrt((weight**2).sum())).astype(np.float32)

    waves = np.empty((days, len(island.land)), np.complex64)
    at_once = max(1, CHUNK // (width * height))
    for done in range(0, days, at_once):
        part = waves[done : done + at_once]
        shape = (len(part), len(across), len(up), 2)
        box = np.zeros((len(part), width, height), np.complex64)
        box[:, across[:, None], up] = draw.standard_normal(shape, np.float32).view(np.complex64)[..., 0] * weight
        field = np.fft.ifft2(box, norm="forward")
        part[:] = field.reshape(len(part), -1)[:, (x - x.min()) * height + y - y.min()]
    return waves


def _waves(size: int, length: float) -> np.ndarray:
    """Return the numbers of waves to a box of ``size`` whose amplitude is more than 1 % of the longest one's."""
    most = min(ceil(size / (length * pi) * sqrt(2 * log(100))), (size - 1) // 2)
    return np.arange(-most, most + 1)


def _remembered(lag_1: float, noise: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Return a first-order autoregression of unit variance, driven by ``noise``, (days, n)."""
    noise_days: np.ndarray = noise * np.float32(sqrt(1 - lag_1**2))
    for day in range(len(noise_days)):
        noise_days[day] += np.float32(lag_1) * before
        before = noise_days[day]
    return noise_days


def _temperatures(
    climate: Climate, island: Island, summer: np.ndarray, wet: np.ndarray, series: np.ndarray, local: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the highest and lowest temperature, degrees Celsius, but for what the year and blocking add.

    Wet days have less warm maxima: Sommer and Kaplan 2017.
    """
    mean = climate.mean_c + climate.amplitude_k * summer
    half_range = _season(climate.range_k, summer) / 2
    spread = _season(climate.residual_sd_k, summer)
    day = mean + half_range
    day = np.where(wet, 0.949 * day - 0.586, 1.006 * day + 0.387) + spread * series[:, 0]
    night = np.minimum(mean - half_range + NIGHT_SHARE * spread * series[:, 1], day - LEAST_RANGE_K)

    places = partial(_at_places, climate, island, summer)
    tmax, tmin = places(day, climate.coast_max_k, local.real), places(night, climate.coast_min_k, local.imag)
    return tmax, np.minimum(tmin, tmax - np.float32(LEAST_RANGE_K))


def _at_places(
    climate: Climate,
    island: Island,
    summer: np.ndarray,
    island_wide: np.ndarray,
    at_sea: Seasons[float],
    local: np.ndarray,
) -> np.ndarray:
    """Return the temperature of each day and place, (days, n), from the island's at sea level, (days,)."""
    height = (climate.lapse_k_per_km / 1000 * island.height_m).astype(np.float32)
    coast = np.exp(-island.coast_km / climate.coast_km).astype(np.float32)
    temperature: np.ndarray = local * np.float32(climate.local_sd_k)
    temperature += _season(at_sea, summer).astype(np.float32)[:, None] * coast
    temperature += island_wide.astype(np.float32)[:, None]
    temperature -= height
    return temperature


def _humidity(
    climate: Climate,
    summer: np.ndarray,
    wet: np.ndarray,
    sunshine: np.ndarray,
    tmax: np.ndarray,
    tmin: np.ndarray,
) -> np.ndarray:
    """Return the relative humidity at the warmest hour, percent: Magnus, from a dew point below the night's lowest.

    Constants: Alduchov and Eskridge 1996. How much drier warm years and heat waves are is set, so ``tmax`` and ``tmin``
    are those without them.
    """
    depression = _season(climate.dew_depression_k, summer) * np.maximum(1 + SUNNY_SHARE * sunshine, 0)
    dew = tmin - np.where(wet, 0, depression).astype(np.float32)[:, None]
    humidity: np.ndarray = 100 * np.exp(17.625 * (dew / (243.04 + dew) - tmax / (243.04 + tmax)))
    return humidity


def _exposure(island: Island) -> np.ndarray:
    """Return how many times windier each cell is than the island: ridges and coasts more, by what is plausible."""
    height = island.height_m
    windier = 1 + 0.3 * (height - height.mean()) / 1000 + 0.2 * np.exp(-island.coast_km / 2)
    exposure: np.ndarray = (windier / windier.mean()).astype(np.float32)
    return exposure


def _rain(climate: Climate, island: Island, wet: np.ndarray, amounts: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Return the rain, mm: on wet days the island's amount, more where it is high, and lognormal by place."""
    orographic = 1 + climate.rain_per_km * island.height_m / 1000
    share = (orographic / orographic.mean()).astype(np.float32)
    by_place = np.exp(-LOCAL_RAIN * noise[wet] - LOCAL_RAIN**2 / 2)
    rain = np.zeros(noise.shape, np.float32)
    rain[wet] = np.maximum(_rounded(amounts[wet].astype(np.float32)[:, None] * share * by_place), LEAST_RAIN_MM)
    return rain


def _rounded(values: np.ndarray) -> np.ndarray:
    return np.round(values, 1, out=values)
