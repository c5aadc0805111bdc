"""Fire danger: the Canadian Forest Fire Weather Index System.

Equations and their numbers: Van Wagner and Pickett 1985, "Equations and FORTRAN program for the Canadian Forest Fire
Weather Index System", Forestry Technical Report 33; Van Wagner 1987, Technical Report 35, for what they mean. As in
the reference code of the Canadian Forest Service (the R package cffdrs), the moisture scale's constant is
250 * 59.5 / 101 and not the report's rounded 147.2, which would move FFMC by up to 0.12. Day lengths are those of the
latitude's band: see ``day_lengths``.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from zakar.models.island.weather import Weather

Codes = tuple[np.ndarray, np.ndarray, np.ndarray]

START = (85.0, 6.0, 15.0)
"""(FFMC, DMC, DC) of the first day of all: the System's standard values, three days after snow melt."""

SCALE = 250 * 59.5 / 101
CANADA = 46.0  # degrees north: where the System was made
CHUNK = 2**16  # cell-days at a time: what fits a core's cache, and bounds memory on a large island


@dataclass(frozen=True)
class DayLengths:
    """How long it dries, January to December, (12,) each.

    ``duff``: effective hours of a day for DMC. ``deep``: the factor of DC's evapotranspiration. ``duff_band`` and
    ``deep_band``: for which latitudes they were published.
    """

    duff: np.ndarray
    deep: np.ndarray
    duff_band: str
    deep_band: str


# Southern end of a band, its name, January to December; the northernmost first.
_DUFF = (
    (30, "north of 30 N", (6.5, 7.5, 9.0, 12.8, 13.9, 13.9, 12.4, 10.9, 9.4, 8.0, 7.0, 6.0)),
    (10, "10 to 30 N", (7.9, 8.4, 8.9, 9.5, 9.9, 10.2, 10.1, 9.7, 9.1, 8.6, 8.1, 7.8)),
    (-10, "10 S to 10 N", (9.0,) * 12),
    (-30, "10 to 30 S", (10.1, 9.6, 9.1, 8.5, 8.1, 7.8, 7.9, 8.3, 8.9, 9.4, 9.9, 10.2)),
    (-np.inf, "south of 30 S", (11.5, 10.5, 9.2, 7.9, 6.8, 6.2, 6.5, 7.4, 8.7, 10.0, 11.2, 11.8)),
)
_DEEP = (
    (20, "north of 20 N", (-1.6, -1.6, -1.6, 0.9, 3.8, 5.8, 6.4, 5.0, 2.4, 0.4, -1.6, -1.6)),
    (-20, "20 S to 20 N", (1.4,) * 12),
    (-np.inf, "south of 20 S", (6.4, 5.0, 2.4, 0.4, -1.6, -1.6, -1.6, -1.6, -1.6, 0.9, 3.8, 5.8)),
)


def day_lengths(latitude: float) -> DayLengths:
    """Return the day lengths of a latitude, degrees, negative in the south.

    North of 30 degrees those of Van Wagner 1987; bands and factors of other latitudes as in Lawson and Armitage 2008,
    "Weather guide for the Canadian Forest Fire Danger Rating System", and in cffdrs. Where two bands meet, it is that
    of the south.
    """
    duff_band, duff = next((band, hours) for end, band, hours in _DUFF if latitude > end)
    deep_band, deep = next((band, factor) for end, band, factor in _DEEP if latitude > end)
    return DayLengths(np.array(duff), np.array(deep), duff_band, deep_band)


@dataclass(frozen=True)
class Danger:
    """The FWI System's six components of consecutive days, each float32 of shape (days, n) over the land cells."""

    ffmc: np.ndarray
    dmc: np.ndarray
    dc: np.ndarray
    isi: np.ndarray
    bui: np.ndarray
    fwi: np.ndarray


def fwi(
    temperature_c: ArrayLike,
    humidity_percent: ArrayLike,
    wind_kmh: ArrayLike,
    rain_mm: ArrayLike,
    month: ArrayLike,
    state: tuple[ArrayLike, ArrayLike, ArrayLike],
    latitude: float = CANADA,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return today's (FFMC, DMC, DC, ISI, BUI, FWI), float64, from today's weather and yesterday's codes.

    ``temperature_c``: air temperature at noon, degrees Celsius. ``humidity_percent``: relative humidity then, 0-100.
    ``wind_kmh``: wind speed then, 10 m above open ground. ``rain_mm``: rain of the 24 hours before. ``month``: 1-12.
    ``state``: yesterday's (FFMC, DMC, DC), START on the first day. Arrays of any shapes that broadcast, or numbers;
    the results have the shape to which they broadcast. The codes and indices have no unit. ``latitude``: degrees,
    negative in the south.
    """
    temperature, humidity, wind, rain, ffmc, dmc, dc = np.broadcast_arrays(
        *(np.asarray(x, np.float64) for x in (temperature_c, humidity_percent, wind_kmh, rain_mm, *state))
    )
    codes = _wet((ffmc, dmc, dc), *_wetting(rain))
    ffmc, dmc, dc = _dry(codes, *_drying(temperature, humidity, wind, np.asarray(month), day_lengths(latitude)))
    return ffmc, dmc, dc, *_indices(ffmc, dmc, dc, wind)


def advance(
    weather: Weather,
    months: np.ndarray,
    state: tuple[ArrayLike, ArrayLike, ArrayLike],
    latitude: float = CANADA,
) -> tuple[Danger, Codes]:
    """Carry the three codes through consecutive days and return all six components, and the last day's codes.

    ``weather``: of the days, (days, n). ``months``: (days,), 1-12. ``state``: the codes of the day before, (n,) each,
    or START. ``latitude``: degrees, negative in the south. The highest temperature and the humidity and wind of the
    warmest hour stand for those of noon.
    """
    days, cells = weather.tmax_c.shape
    ffmc, dmc, dc = (np.full(cells, code, np.float64) for code in state)
    codes = ffmc, dmc, dc
    components = np.empty((6, days, cells), np.float32)
    lengths = day_lengths(latitude)
    step = max(1, CHUNK // cells)
    for first in range(0, days, step):
        part = slice(first, first + step)
        codes = _advance_part(weather, months, lengths, part, codes, components[:, part])
    return Danger(*components), codes


def _advance_part(
    weather: Weather, months: np.ndarray, lengths: DayLengths, part: slice, codes: Codes, components: np.ndarray
) -> Codes:
    temperature, humidity, wind, rain = (
        values[part].astype(np.float64)
        for values in (weather.tmax_c, weather.humidity_percent, weather.wind_kmh, weather.rain_mm)
    )
    ffmc, dmc, dc = np.empty((3, *rain.shape))
    wetting = _wetting(rain)
    drying = _drying(temperature, humidity, wind, months[part, None], lengths)
    rains = np.any(rain > 0.5, axis=1).tolist()
    # Only what depends on yesterday's codes is done day by day.
    for day in range(len(rain)):
        if rains[day]:
            codes = _wet(codes, *(values[day] for values in wetting))
        codes = _dry(codes, *(values[day] for values in drying))
        ffmc[day], dmc[day], dc[day] = codes
    components[:] = (ffmc, dmc, dc, *_indices(ffmc, dmc, dc, wind))
    return codes


def _moisture(ffmc: np.ndarray) -> np.ndarray:
    """Return the moisture content of fine fuel in percent of its dry weight: equation 1."""
    moisture: np.ndarray = SCALE * np.maximum(101 - ffmc, 0) / (59.5 + ffmc)  # rounding may end a hair above 101
    return moisture


def _fine_fuel_code(moisture: np.ndarray) -> np.ndarray:
    """Return FFMC, 0-101, from the moisture content: equation 10."""
    moisture = np.minimum(np.maximum(moisture, 0), 250)
    return 59.5 * (250 - moisture) / (SCALE + moisture)


def _wetting(rain: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return what ``_wet`` needs to know of the rain: five arrays of its shape."""
    fine = np.maximum(rain - 0.5, 0)  # what the canopy does not hold: equation 2
    gain = 42.5 * fine * (1 - np.exp(-6.93 / np.where(fine > 0, fine, 1)))  # of equation 3a
    flood = 0.0015 * np.sqrt(fine)  # of equation 3b
    reaches_duff = rain > 1.5
    duff = 0.92 * rain - 1.27  # equation 11
    deep = 3.937 * np.where(rain > 2.8, 0.83 * rain - 1.27, 0)  # equation 18, and the factor of 20
    return gain, flood, reaches_duff, duff, deep


def _wet(
    codes: Codes, gain: np.ndarray, flood: np.ndarray, reaches_duff: np.ndarray, duff: np.ndarray, deep: np.ndarray
) -> Codes:
    """Return the codes after the day's rain: equations 3, 12 to 15 and 19 to 21."""
    ffmc, dmc, dc = codes
    before = _moisture(ffmc)
    after = before + gain * np.exp(-100 / (251 - before)) + flood * np.maximum(before - 150, 0) ** 2
    ffmc = np.where(gain > 0, _fine_fuel_code(after), ffmc)

    log = np.log(np.maximum(dmc, 33))
    slope = np.where(dmc <= 33, 100 / (0.5 + 0.3 * dmc), np.where(dmc <= 65, 14 - 1.3 * log, 6.2 * log - 17.2))
    wetted = np.where(reaches_duff, duff, 0)
    above_20 = 280 * np.exp(-0.023 * dmc) + 1000 * wetted / (48.77 + slope * wetted)  # moisture less 20 percent
    dmc = np.where(reaches_duff, np.maximum(43.43 * (5.6348 - np.log(above_20)), 0), dmc)

    dc = np.maximum(dc - 400 * np.log(1 + deep / (800 * np.exp(-dc / 400))), 0)
    return ffmc, dmc, dc


def _drying(
    temperature: np.ndarray, humidity: np.ndarray, wind: np.ndarray, month: np.ndarray, lengths: DayLengths
) -> tuple[np.ndarray, ...]:
    """Return what ``_dry`` needs to know of the air: six arrays of its shape."""
    humidity = np.minimum(np.maximum(humidity, 0), 100)
    dampness, dryness = humidity / 100, 1 - humidity / 100
    near_saturation = np.exp((humidity - 100) / 10)
    warmth = 0.18 * (21.1 - temperature) * (1 - np.exp(-0.115 * humidity))
    falls_to = 0.942 * humidity**0.679 + 11 * near_saturation + warmth  # equation 4
    rises_to = 0.618 * humidity**0.753 + 10 * near_saturation + warmth  # equation 5

    gusts = 0.0694 * np.sqrt(wind)
    falls = 0.424 * (1 - dampness**1.7) + gusts * (1 - dampness**8)  # equation 6a
    rises = 0.424 * (1 - dryness**1.7) + gusts * (1 - dryness**8)  # equation 7a
    speed = -0.581 * np.log(10) * np.exp(0.0365 * temperature)  # equations 6b and 7b; log 10, as exp is taken of it

    hours, factor = lengths.duff[month - 1], lengths.deep[month - 1]
    duff = 1.894e-2 * np.maximum(temperature + 1.1, 0) * dryness * hours  # equation 16, times 100 as in 17
    deep = np.maximum(0.36 * np.maximum(temperature + 2.8, 0) + factor, 0) / 2  # equation 22, halved as in 23
    return falls_to, 1 - np.exp(speed * falls), rises_to, 1 - np.exp(speed * rises), duff, deep


def _dry(
    codes: Codes,
    falls_to: np.ndarray,
    falls_by: np.ndarray,
    rises_to: np.ndarray,
    rises_by: np.ndarray,
    duff: np.ndarray,
    deep: np.ndarray,
) -> Codes:
    """Return the codes after the day's air: equations 8, 9, 17 and 23.

    Fine fuel wetter than ``falls_to`` loses the share ``falls_by`` of what it has more, fuel drier than ``rises_to``
    gains the share ``rises_by`` of what it lacks, and in between nothing happens.
    """
    ffmc, dmc, dc = codes
    before = _moisture(ffmc)
    lost = falls_by * np.maximum(before - falls_to, 0)
    gained = rises_by * np.maximum(rises_to - before, 0)
    return _fine_fuel_code(before - lost + gained), dmc + duff, dc + deep


def _indices(
    ffmc: np.ndarray, dmc: np.ndarray, dc: np.ndarray, wind: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    isi, bui = _spread(ffmc, wind), _buildup(dmc, dc)
    return isi, bui, _weather_index(isi, bui)


def _spread(ffmc: np.ndarray, wind: np.ndarray) -> np.ndarray:
    """Return ISI: equations 24 to 26."""
    moisture = _moisture(ffmc)
    return 0.208 * 91.9 * np.exp(0.05039 * wind - 0.1386 * moisture) * (1 + moisture**5.31 / 4.93e7)


def _buildup(dmc: np.ndarray, dc: np.ndarray) -> np.ndarray:
    """Return BUI: equation 27."""
    dry = 0.4 * dc
    # Where both codes are 0 nothing has built up, whatever the share.
    share = 0.8 * dc / np.where(dmc + dry > 0, dmc + dry, 1)
    mostly_duff = np.maximum(dmc - (1 - share) * (0.92 + (0.0114 * dmc) ** 1.7), 0)
    return np.where(dmc <= dry, dmc * share, mostly_duff)


def _weather_index(isi: np.ndarray, bui: np.ndarray) -> np.ndarray:
    """Return FWI: equations 28 to 30."""
    duff = np.where(bui <= 80, 0.626 * bui**0.809 + 2, 1000 / (25 + 108.64 * np.exp(-0.023 * bui)))
    intensity = 0.1 * isi * duff
    return np.where(intensity > 1, np.exp(2.72 * (0.434 * np.log(np.maximum(intensity, 1))) ** 0.647), intensity)
