"""The pictures of a report: arrays in, an SVG element out."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import (
    BoundaryNorm,
    Colormap,
    LightSource,
    LinearSegmentedColormap,
    ListedColormap,
    LogNorm,
    Normalize,
)
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator, MultipleLocator, NullLocator
from scipy import ndimage

from zakar.models.calendar import Times
from zakar.page import canvas
from zakar.page.canvas import BLUE, GREY, INK, LAND, LINE, MUTED, ORANGE, RED, SEA, SERIES, SKY, WIDTH
from zakar.report.measures import AFTER, BEFORE, Alerts, Fires, Map

# Lightness rises or falls all along, so that they read the same with any kind of colour vision; heat is blue to red.
_RELIEF = LinearSegmentedColormap.from_list("relief", ["#47735f", "#86a375", "#c9c08e", "#ddcbaa", "#f7f3ea"])
_PEOPLE = LinearSegmentedColormap.from_list("people", ["#f3ece2", "#f0c9a0", "#d98880", "#99487a", "#3b1d5a"])
_COUNT = LinearSegmentedColormap.from_list("count", ["#dcebe4", "#8fc7bd", "#3f93a0", "#2a5f86", "#1d2c55"])
_BURN = LinearSegmentedColormap.from_list("burn", ["#fbe3c0", "#f4a35f", "#d95f36", "#97271f", "#430c14"])
_HEAT = LinearSegmentedColormap.from_list("heat", ["#2b4c8c", "#7fa8cf", "#efe9d6", "#e8a15d", "#9c2a26"])
_FUELS = {
    "bare": "#b9b3a8",
    "grass": "#efe08a",
    "shrub": "#c59a4e",
    "broadleaf": "#8cc084",
    "conifer": "#1f5b4b",
    "agroforestry": "#b58bc0",
    "urban": "#3d3d47",
}
_TALL, _TALLER, _AS_A_MAP = 3.0, 3.9, 4.3  # inches, of pictures that stand beside each other
_FINE = 240  # pixels to which a small map's relief is smoothed
_KM_TICK = 10
_STEPS = 6  # shades of a count
_KEY_LETTERS = 20  # of the names in a key, if it is to fit into a line
_SMALL_HA = 40.0  # ha, below which nearly all fires end
_SPREAD = (0.7548776662466927, 0.5698402909980532)  # steps of Roberts's R2 sequence: even in two dimensions


# The island.


def relief(ground: Map) -> str:
    """Draw elevation with hill shading, roads and where people live."""
    figure, axes = _map(ground.elevation_m.shape)
    smooth = max(1, _FINE // max(ground.elevation_m.shape))
    fine = ndimage.zoom(ground.elevation_m.astype(float), smooth, order=3, mode="nearest", grid_mode=True)
    land = ndimage.zoom(ground.land.astype(float), smooth, order=1, mode="nearest", grid_mode=True) > 0.5
    top = max(float(ground.elevation_m.max()), 1)
    light = LightSource(azdeg=315, altdeg=45)
    shaded = light.shade(
        np.clip(fine, 0, None).T,
        _RELIEF,
        blend_mode="soft",
        vmin=0,
        vmax=top,
        vert_exag=1.5,
        dx=1000 / smooth,
        dy=-1000 / smooth,
    )
    shaded[..., 3] = land.T
    _raster(axes, (shaded * 255).round().astype(np.uint8), ground.land.shape, smoothly=True)
    _roads(axes, ground)
    _towns(axes, ground)
    _bar(figure, axes, _RELIEF, BoundaryNorm(np.linspace(0, top, 257), 256), "elevation, m")
    return canvas.svg(figure, "relief")


def fuel(ground: Map) -> str:
    """Draw the fuel of each cell."""
    figure, axes = _map(ground.land.shape)
    present = [name for name in (*_FUELS, *ground.fuels) if name in ground.fuels and name != "sea"]
    present = list(dict.fromkeys(present))
    colours = [_FUELS.get(name, "#888888") for name in present]
    place = np.asarray([present.index(name) if name in present else -1 for name in ground.fuels])[ground.fuel]
    place = np.where(ground.land, place, -1)
    _cells(
        axes,
        place.astype(float),
        place >= 0,
        ListedColormap(colours),
        BoundaryNorm(range(len(colours) + 1), len(colours)),
    )
    _coast(axes, ground.land)
    share = [np.count_nonzero(place == n) / max(ground.land.sum(), 1) for n in range(len(present))]
    handles = [
        Patch(facecolor=colour, label=f"{name} {part:.0%}")
        for name, colour, part in zip(present, colours, share, strict=True)
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, columnspacing=1.2)
    return canvas.svg(figure, "fuel")


def people(ground: Map) -> str:
    """Draw the residents of each cell, with roads."""
    figure, axes = _map(ground.land.shape)
    most = max(float(ground.residents.max()), 10)
    norm = LogNorm(1, 10 ** np.ceil(np.log10(most)))
    _cells(axes, np.clip(ground.residents, 1, None), ground.land, _PEOPLE, norm)
    _coast(axes, ground.land)
    _roads(axes, ground)
    _bar(figure, axes, _PEOPLE, norm, "residents per km²")
    return canvas.svg(figure, "people")


def sensors(ground: Map, number: np.ndarray) -> str:
    """Draw how many sensors stand in each cell, with roads; ``number``: (width, height)."""
    figure, axes = _map(ground.land.shape)
    _land(axes, ground.land)
    _counts(figure, axes, number, _COUNT, "sensors in a cell, at most at once")
    _coast(axes, ground.land)
    _roads(axes, ground)
    return canvas.svg(figure, "sensors")


# Seasons.


def seasons(when: Times, mean_f: np.ndarray, low_f: np.ndarray, high_f: np.ndarray) -> str:
    """Draw the year's course: mean of all years, a thin line a year, and where nine readings in ten lie."""
    figure, (axes,) = canvas.blank(_TALL)
    width = int(when.day_of_year.max())
    day = np.arange(1, width + 1)
    low, mean, high = (_smooth(_of_year(when, values, width)) for values in (low_f, mean_f, high_f))
    axes.fill_between(day, low, high, color=SKY, alpha=0.3, linewidth=0)
    _single_years(axes, when, mean_f)
    axes.plot(day, mean, color=BLUE, linewidth=1.8)
    axes.set_ylabel("reading, °F")
    celsius = axes.secondary_yaxis("right", functions=(_celsius, _fahrenheit))
    celsius.set_ylabel("°C")
    celsius.spines["right"].set_visible(False)
    _year_axis(axes, when)
    handles = [
        Patch(color=BLUE, label="mean"),
        Patch(color=SKY, alpha=0.3, label="nine readings in ten"),
        Patch(color=MUTED, alpha=0.7, label="single years"),
    ]
    figure.legend(handles=handles, loc="outside upper left", ncols=3)
    return canvas.svg(figure, "seasons")


def every_day(when: Times, mean_f: np.ndarray) -> str:
    """Draw the mean reading of every day, a row a year."""
    years = np.unique(when.year)
    rows = len(years)
    figure, (axes,) = canvas.blank(_TALL)
    width = int(when.day_of_year.max())
    grid = np.full((rows, width), np.nan)
    grid[when.year - years[0], when.day_of_year - 1] = mean_f
    least, most = (float(f(mean_f)) if np.isfinite(mean_f).any() else 0.0 for f in (np.nanmin, np.nanmax))
    colours = (_HEAT((np.nan_to_num(grid) - least) / max(most - least, 1e-9)) * 255).round().astype(np.uint8)
    colours[..., 3] = np.where(np.isnan(grid), 0, 255)
    axes.imshow(
        colours,
        interpolation="none",
        aspect="auto",
        extent=(0.5, width + 0.5, years[-1] + 0.5, years[0] - 0.5),
    )
    axes.yaxis.set_major_locator(MaxNLocator(min(rows, 10), integer=True))
    axes.set_ylim(years[-1] + 0.5, years[0] - 0.5)
    axes.set_ylabel("year")
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    _year_axis(axes, when)
    _bar(figure, axes, _HEAT, BoundaryNorm(np.linspace(least, max(most, least + 1), 257), 256), "mean reading, °F")
    return canvas.svg(figure, "every-day")


def rain(when: Times, rain_mm: np.ndarray) -> str:
    """Draw the rain of each month, a dot a year and the mean as a bar."""
    figure, (axes,) = canvas.blank(_TALL)
    starts = _part_starts(when)
    length = np.diff([*starts, int(when.day_of_year.max()) + 1])
    part = when.part[when.month_starts - when.first_day]
    whole = np.bincount(when.month) >= length[part] - 1
    part, total = part[whole], np.bincount(when.month, np.nan_to_num(rain_mm))[whole]
    number = np.bincount(part, minlength=len(starts))
    mean = np.bincount(part, total, minlength=len(starts)) / np.maximum(number, 1)
    centre = np.asarray(starts) + length / 2
    axes.bar(centre, mean, length * 0.8, color=SKY)
    axes.plot(centre[part], total, ".", color=INK, markersize=3, alpha=0.6, markeredgewidth=0)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("rain, mm a month")
    _year_axis(axes, when)
    return canvas.svg(figure, "rain")


def danger(when: Times, fwi: np.ndarray) -> str:
    """Draw fire danger through the year, a thin line a year and the mean of all."""
    figure, (axes,) = canvas.blank(_TALL)
    width = int(when.day_of_year.max())
    _single_years(axes, when, fwi)
    axes.plot(np.arange(1, width + 1), _smooth(_of_year(when, fwi, width)), color=ORANGE, linewidth=1.8)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("Fire Weather Index")
    _year_axis(axes, when)
    return canvas.svg(figure, "danger")


# Fires.


def alert_map(land: np.ndarray | None, shape: tuple[int, int], official: Alerts) -> str:
    """Draw how often each cell was on fire, as the official alerts have it."""
    figure, axes = _map(shape)
    if land is not None:
        _land(axes, land)
    number = np.bincount(official.cell, minlength=shape[0] * shape[1]).reshape(shape)
    _counts(figure, axes, number, _BURN, "alerts in a cell")
    if land is not None:
        _coast(axes, land)
    return canvas.svg(figure, "alert-map")


def fire_map(land: np.ndarray, true: Fires) -> str:
    """Draw how often each cell burned, and where fires started."""
    figure, axes = _map(land.shape)
    height = land.shape[1]
    _land(axes, land)
    number = np.bincount(true.burned_cell, minlength=land.size).reshape(land.shape)
    _counts(figure, axes, number, _BURN, "times that a cell burned")
    _coast(axes, land)
    # Where in its cell a fire started is not known: dots are spread evenly, the same way each time.
    order = np.arange(len(true.cell))
    x, y = true.cell // height + order * _SPREAD[0] % 1, true.cell % height + order * _SPREAD[1] % 1
    size = min(2.8, 84 / max(land.shape))
    axes.plot(x[true.human], y[true.human], ".", color=BLUE, markersize=size, alpha=0.8, markeredgewidth=0)
    axes.plot(x[~true.human], y[~true.human], "^", color=INK, markersize=size + 1.2, markeredgewidth=0)
    handles = [
        *axes.plot([], [], ".", color=BLUE, markersize=6, markeredgewidth=0, label="started by people"),
        *axes.plot([], [], "^", color=INK, markersize=4, markeredgewidth=0, label="started by lightning"),
    ]
    figure.legend(handles=handles, loc="outside upper left", ncols=2)
    return canvas.svg(figure, "fire-map")


def fires_by_year(when: Times, official: Alerts, true: Fires | None) -> str:
    """Draw each year's alerts, as high as a map beside it, or true fires by cause and what they burned."""
    years = np.unique(when.year)

    def a_year(day: np.ndarray, weight: np.ndarray | None = None) -> np.ndarray:
        return np.asarray(np.bincount(when.year[day - when.first_day] - years[0], weight, minlength=len(years)))

    if true is None:
        figure, (axes,) = canvas.blank(_AS_A_MAP)
        axes.bar(years, a_year(official.day), 0.7, color=ORANGE)
        axes.set_ylabel("alerts a year")
    else:
        figure, (axes, below) = canvas.blank(_TALL, 2)
        human, lightning = a_year(true.day[true.human]), a_year(true.day[~true.human])
        axes.bar(years, human, 0.7, color=BLUE, label="people")
        axes.bar(years, lightning, 0.7, human, color=ORANGE, label="lightning")
        axes.set_ylabel("fires a year")
        figure.legend(loc="outside upper left", ncols=2)
        below.bar(years, a_year(true.day, true.area_ha), 0.7, color=RED)
        below.set_ylabel("burned, ha a year")
        below.yaxis.set_major_formatter(_thousands)
        axes = below
    axes.set_xticks(years[:: -(-len(years) // 10)])
    axes.set_xlim(years[0] - 0.6, years[-1] + 0.6)
    axes.set_xlabel("year")
    return canvas.svg(figure, "fires-by-year")


def fires_by_month(when: Times, official: Alerts, true: Fires | None) -> str:
    """Draw when in the year alerts, or true fires and what they burned, come: shares of the whole."""
    figure, (axes,) = canvas.blank(_TALL)
    parts = len(when.names)
    place = np.arange(parts)

    def share(day: np.ndarray, weight: np.ndarray | None = None) -> np.ndarray:
        total = np.bincount(when.part[day - when.first_day], weight, minlength=parts)
        return np.asarray(100 * total / max(total.sum(), 1e-9))

    if true is None:
        axes.bar(place, share(official.day), 0.75, color=ORANGE)
    else:
        axes.bar(place - 0.2, share(true.day), 0.38, color=BLUE, label="fires")
        axes.bar(place + 0.2, share(true.day, true.area_ha), 0.38, color=RED, label="burned area")
        figure.legend(loc="outside upper left", ncols=2)
    axes.set_ylabel("share, %")
    axes.set_xticks(place, when.names)
    axes.set_xlabel("month" if when.dated else "day of the year from which on")
    return canvas.svg(figure, "fires-by-month")


def fire_sizes(true: Fires) -> str:
    """Draw the share of fires at least as large as a size, both logarithmic."""
    figure, (axes,) = canvas.blank(_TALL)
    area = np.sort(true.area_ha)
    axes.plot(area, 1 - np.arange(len(area)) / len(area), color=BLUE, drawstyle="steps-post")
    axes.axvline(_SMALL_HA, color=MUTED, linewidth=0.8, linestyle=(0, (3, 2)))
    below = np.count_nonzero(area < _SMALL_HA) / len(area)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.annotate(
        f"{below:.0%} are\nbelow {_SMALL_HA:g} ha", (_SMALL_HA, 1), xytext=(4, -2), textcoords="offset points", va="top"
    )
    axes.grid(visible=True, axis="both")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(_thousands)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g}"))
    axes.set_xlabel("burned area of a fire, ha")
    axes.set_ylabel("fires at least as large, %")
    return canvas.svg(figure, "fire-sizes")


def delays(official: Alerts) -> str:
    """Draw how many days after the event alerts come."""
    figure, (axes,) = canvas.blank(_TALL)
    most = int(official.lag.max(initial=1))
    least = min(int(official.lag.min(initial=0)), 0)
    axes.bar(
        np.arange(least, most + 1), np.bincount(official.lag - least, minlength=most + 1 - least), 0.8, color=ORANGE
    )
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    axes.set_xlim(least - 0.6, most + 0.6)
    axes.set_xlabel("days from event to notification")
    axes.set_ylabel("alerts")
    axes.yaxis.set_major_formatter(_thousands)
    return canvas.svg(figure, "delays")


# Posts.


def burst(relative: np.ndarray) -> str:
    """Draw posts near alerts, as a multiple of the usual number, by the day from the fire on."""
    figure, (axes,) = canvas.blank(_TALL)
    lags = np.arange(-BEFORE, AFTER + 1)
    shown = lags >= -10
    axes.bar(lags[shown], relative[shown], 0.8, color=np.where(lags[shown] < 0, GREY, ORANGE).tolist())
    axes.axhline(1, color=INK, linewidth=0.8, linestyle=(0, (3, 2)), label="the usual number")
    figure.legend(loc="outside upper left")
    _lag_axis(axes)
    axes.set_ylabel("posts, times the usual number")
    return canvas.svg(figure, "burst")


def one_burst(near: np.ndarray) -> str:
    """Draw posts near one fire, by the day from it on; ``near``: -1 on days outside the dataset."""
    figure, (axes,) = canvas.blank(_TALL)
    lags = np.arange(-BEFORE, AFTER + 1)
    shown = near >= 0
    axes.bar(lags[shown], near[shown], 0.8, color=np.where(lags[shown] < 0, GREY, ORANGE).tolist())
    _lag_axis(axes)
    axes.set_ylabel("posts near it a day")
    axes.yaxis.set_major_formatter(_thousands)
    return canvas.svg(figure, "one-burst")


def burst_by_topic(names: Sequence[str], by_lag: np.ndarray, fires: int) -> str:
    """Draw posts about escaped fires by topic, mean of the fires, by the day from the fire on."""
    figure, (axes,) = canvas.blank(_TALL)
    lags = np.arange(-BEFORE, AFTER + 1)
    shown = (lags >= -2) & (lags <= 14)
    edges = np.append(lags[shown], lags[shown][-1] + 1) - 0.5
    _stacked(axes, edges, [(n, row[shown] / max(fires, 1)) for n, row in zip(names, by_lag, strict=True)])
    figure.legend(loc="outside upper left", ncols=4, columnspacing=1.2)
    _lag_axis(axes, 2)
    axes.set_ylabel("posts about a fire a day")
    return canvas.svg(figure, "burst-by-topic")


def posts_over_years(when: Times, number: np.ndarray) -> str:
    """Draw posts a day, mean of each month; ``number``: (days,)."""
    figure, (axes,) = canvas.blank(_TALL)
    axes.stairs(np.bincount(when.month, number) / np.bincount(when.month), _month_edges(when), fill=True, color=BLUE)
    axes.set_ylabel("posts a day")
    axes.yaxis.set_major_formatter(_thousands)
    _time_axis(axes, when)
    return canvas.svg(figure, "posts-over-years")


def hours(number: np.ndarray) -> str:
    """Draw posts by the hour of the day."""
    figure, (axes,) = canvas.blank(_TALL)
    axes.bar(np.arange(24) + 0.5, 100 * number / max(number.sum(), 1), 0.85, color=BLUE)
    axes.set_xticks(range(0, 25, 3))
    axes.set_xlabel("hour, local time")
    axes.set_ylabel("posts, %")
    return canvas.svg(figure, "hours")


def topics(names: Sequence[str], count: np.ndarray) -> str:
    """Draw what posts are about, in shares."""
    figure, (axes,) = canvas.blank(max(_TALL, 0.8 + 0.18 * len(names)))
    share = 100 * count / max(count.sum(), 1)
    place = np.arange(len(names))
    axes.barh(place, share, 0.7, color=BLUE)
    for y, value in zip(place, share, strict=True):
        axes.annotate(f"{value:.1f}", (value, y), xytext=(3, 0), textcoords="offset points", va="center", fontsize=8)
    axes.set_yticks(place, names)
    axes.invert_yaxis()
    axes.grid(visible=False)
    axes.set_xlim(right=float(share.max(initial=1)) * 1.12)
    axes.set_xlabel("posts, %")
    return canvas.svg(figure, "topics")


# Faults and missing readings.


def fault_shares(when: Times, kinds: Sequence[str], number: np.ndarray, sensor_days: np.ndarray) -> str:
    """Draw faults by month, in per cent of sensor-days. ``number``: (kinds, months); ``sensor_days``: (months,)."""
    figure, (axes,) = canvas.blank(_TALLER)
    share = 100 * number / np.maximum(sensor_days, 1)
    edges = _month_edges(when)
    _stacked(axes, edges, list(zip(kinds, share, strict=True)))
    if kinds:
        figure.legend(loc="outside upper left", ncols=4, columnspacing=1.2)
    axes.set_ylabel("sensor-days, %")
    _time_axis(axes, when)
    return canvas.svg(figure, "fault-shares")


def fault_examples(examples: Sequence[tuple[str, np.ndarray, np.ndarray, np.ndarray, tuple[int, int]]]) -> str:
    """Draw sensors at fault beside the truth, a row each.

    Of each: what is wrong, days from the fault on, readings and true highest temperatures, degrees Fahrenheit, and
    first and last day of the fault.
    """
    figure = Figure(figsize=(WIDTH, _TALLER), layout="constrained")
    rows = figure.subplots(len(examples), 1, squeeze=False, sharex=True)[:, 0]
    for axes, (kind, day, reading, true, (first, last)) in zip(rows, examples, strict=True):
        axes.axvspan(first - 0.5, last + 0.5, color=LINE, linewidth=0)
        axes.plot(day, true, color=GREY, linewidth=1, label="true highest temperature")
        axes.plot(day, reading, ".-", color=BLUE, markersize=3, linewidth=0.8, label="reading")
        axes.set_title(kind, pad=2)
        axes.yaxis.set_major_locator(MaxNLocator(3, integer=True))
    figure.legend(*rows[0].get_legend_handles_labels(), loc="outside upper left", ncols=2)
    figure.supylabel("°F", fontsize=8.5)
    rows[-1].set_xlabel("days from the fault on")
    return canvas.svg(figure, "fault-examples")


def reporting(when: Times, standing: np.ndarray, readings: np.ndarray) -> str:
    """Draw how many sensors report, and what share of those that stand does not, by month."""
    figure, (above, below) = canvas.blank(_TALL, 2)
    days = np.bincount(when.month)
    stand, report = (np.bincount(when.month, values) for values in (standing, readings))
    edges = _month_edges(when)
    above.stairs(report / days, edges, fill=True, color=BLUE)
    above.set_ylabel("sensors reporting")
    above.yaxis.set_major_formatter(_thousands)
    below.stairs(100 * (stand - report) / np.maximum(stand, 1), edges, fill=True, color=ORANGE)
    below.set_ylabel("missing, %")
    _time_axis(below, when)
    return canvas.svg(figure, "reporting")


def gap_lengths(length: np.ndarray) -> str:
    """Draw in gaps of which length the missing readings lie."""
    figure, (axes,) = canvas.blank(_TALL)
    edges = [1, 2, 3, 5, 9, 17, 33, 65, max(int(length.max(initial=0)) + 1, 66)]
    lost = np.asarray([length[(length >= low) & (length < high)].sum() for low, high in pairwise(edges)])
    names = [str(low) if high == low + 1 else f"{low}-{high - 1}" for low, high in pairwise(edges)]
    names[-1] = f"{edges[-2]}+"
    axes.bar(range(len(names)), 100 * lost / max(lost.sum(), 1), 0.75, color=ORANGE)
    axes.set_xticks(range(len(names)), names)
    axes.set_xlabel("length of the gap, days")
    axes.set_ylabel("of all missing readings, %")
    return canvas.svg(figure, "gap-lengths")


def missing_near_fires(share: np.ndarray, usual: float) -> str:
    """Draw the share of readings missing near alerts, by the day from the fire on, beside that of all."""
    figure, (axes,) = canvas.blank(_TALL)
    lags = np.arange(-BEFORE, AFTER + 1)
    axes.bar(lags, 100 * share, 0.8, color=np.where(lags < 0, GREY, ORANGE).tolist())
    axes.axhline(100 * usual, color=INK, linewidth=0.8, linestyle=(0, (3, 2)), label="anywhere and always")
    figure.legend(loc="outside upper left")
    _lag_axis(axes)
    axes.set_ylabel("missing, %")
    return canvas.svg(figure, "missing-near-fires")


def one_year(when: Times, year: int, readings: np.ndarray, standing: np.ndarray) -> str:
    """Draw the readings of some sensors in one year, a row each; both (sensors, days of the year)."""
    figure, (axes,) = canvas.blank(_TALL)
    colours = np.zeros((*readings.shape, 4), np.uint8)
    colours[standing] = (213, 94, 0, 255)
    colours[readings] = (0, 114, 178, 150)
    first = int(when.day_of_year[when.year == year][0])
    width = readings.shape[1]
    axes.imshow(
        colours,
        interpolation="none",
        aspect="auto",
        extent=(first - 0.5, first + width - 0.5, len(readings) + 0.5, 0.5),
    )
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.set_ylabel("sensor")
    _year_axis(axes, when)
    axes.set_xlim(first - 0.5, first + width - 0.5)
    handles = [
        Patch(color="#0072b2", alpha=150 / 255, label="reading"),
        Patch(color="#d55e00", label="missing"),
        Patch(facecolor="none", edgecolor=MUTED, linewidth=0.5, label="no such sensor"),
    ]
    figure.legend(handles=handles, loc="outside upper left", ncols=3)
    return canvas.svg(figure, "one-year")


# Parts of pictures.


def _celsius(fahrenheit: Any) -> Any:
    return (fahrenheit - 32) / 1.8


def _fahrenheit(celsius: Any) -> Any:
    return celsius * 1.8 + 32


_thousands = FuncFormatter(lambda value, _: f"{value:,.10g}")


def _map(shape: tuple[int, int]) -> tuple[Figure, Axes]:
    """Return a figure with axes for a map of (width, height) cells of a kilometre."""
    width, height = shape
    figure, (axes,) = canvas.blank(min(0.9 + 3.6 * height / width, 6))
    axes.set_aspect("equal")
    axes.set_xlim(0, width)
    axes.set_ylim(0, height)
    axes.set_facecolor(SEA)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    step = _KM_TICK if max(shape) <= 60 else 50
    axes.set_xticks(range(0, width + 1, step))
    axes.set_yticks(range(0, height + 1, step))
    axes.set_xlabel("km east")
    axes.set_ylabel("km north")
    return figure, axes


def _raster(axes: Axes, colours: np.ndarray, shape: tuple[int, int], smoothly: bool = False) -> None:
    """Draw (rows, columns, 4) colours over the whole map, the first row in the south."""
    axes.imshow(
        colours,
        origin="lower",
        extent=(0, shape[0], 0, shape[1]),
        interpolation="nearest" if smoothly else "none",
    )


def _cells(axes: Axes, values: np.ndarray, shown: np.ndarray, colours: Colormap, norm: Normalize) -> None:
    painted = (np.asarray(colours(norm(values))) * 255).round().astype(np.uint8)
    painted[..., 3] = np.where(shown, 255, 0)
    _raster(axes, painted.transpose(1, 0, 2), values.shape)


def _counts(figure: Figure, axes: Axes, number: np.ndarray, colours: Colormap, label: str) -> None:
    """Colour the cells of which there is something to count, with a key of the counts that occur."""
    classes = _classes(number)
    if not classes:
        return
    darkest = min(1.0, 0.4 + 0.12 * len(classes))  # few shades need not be far apart
    shades = ListedColormap(colours(np.linspace(0.1, darkest, len(classes))))
    place = np.searchsorted([low for low, _ in classes], number, "right") - 1
    _cells(axes, place, number > 0, shades, BoundaryNorm(range(shades.N + 1), shades.N))
    names = [str(low) if high == low else f"{low}-{high}" for low, high in classes]
    handles = [Patch(facecolor=shades(n), label=name) for n, name in enumerate(names)]
    columns = len(names) if len("".join(names)) <= _KEY_LETTERS else 3
    figure.legend(handles=handles, title=label, loc="outside lower center", ncols=columns, columnspacing=1.2)


def _classes(number: np.ndarray) -> list[tuple[int, int]]:
    """Return the least and the greatest count of each class that occurs: each count its own, if they are few enough."""
    counts = np.unique(number[number > 0])
    if len(counts) <= _STEPS:
        return [(count, count) for count in counts.tolist()]
    most = int(counts[-1])
    step = -(-most // _STEPS)
    even = np.median(number[number > 0]) > 2 * step
    edges = list(range(1, most + step + 1, step)) if even else _growing(most)
    return [(low, high - 1) for low, high in pairwise(edges) if ((counts >= low) & (counts < high)).any()]


def _growing(most: int) -> list[int]:
    """Return the edges of at most _STEPS classes of counts up to ``most``, each wider than the last: 1, 2, 3-4, 5-8."""
    for base in (2, 4, 10, most):
        edges = [1, 2, *(base**n + 1 for n in range(1, _STEPS) if base**n < most), most + 1]
        if len(edges) <= _STEPS + 1 and edges[-2] > most // base:
            break
    return edges


def _bar(figure: Figure, axes: Axes, colours: Colormap, norm: Normalize, label: str) -> Axes:
    """Put a colour bar below the map."""
    bar = figure.colorbar(
        ScalarMappable(norm, colours),
        ax=axes,
        orientation="horizontal",
        fraction=0.04,
        aspect=35,
        pad=0.02,
        label=label,
    )
    bar.outline.set_visible(False)
    bar.ax.minorticks_off()
    if isinstance(norm, BoundaryNorm) and norm.N > 100:
        span = MaxNLocator(6).tick_values(float(norm.boundaries[0]), float(norm.boundaries[-1]))
        inside = [tick for tick in span if norm.boundaries[0] <= tick <= norm.boundaries[-1]]
        bar.set_ticks(inside, labels=[f"{tick:,g}" for tick in inside])
    elif isinstance(norm, LogNorm):
        bar.ax.xaxis.set_major_formatter(_thousands)
    return bar.ax


def _land(axes: Axes, land: np.ndarray) -> None:
    """Fill the land with the page's colour for it, a strip from coast to coast at a time; cells are drawn over it."""
    edges = np.diff(np.pad(land, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    x, south = np.nonzero(edges > 0)
    north = np.nonzero(edges < 0)[1]
    none = np.full(len(x), np.nan)
    across = np.stack([x, x + 1, x + 1, x, none], axis=1).ravel()
    along = np.stack([south, south, north, north, none], axis=1).ravel()
    axes.fill(across, along, color=LAND, linewidth=0, zorder=-1)


def _coast(axes: Axes, land: np.ndarray) -> None:
    """Draw the line between land and sea."""
    padded = np.pad(land, 1)
    x, y = np.nonzero(padded[1:, 1:-1] != padded[:-1, 1:-1])
    u, v = np.nonzero(padded[1:-1, 1:] != padded[1:-1, :-1])
    none = np.full(len(x) + len(u), np.nan)
    across = np.concatenate([x, u]), np.concatenate([x, u + 1]), none
    along = np.concatenate([y, v]), np.concatenate([y + 1, v]), none
    axes.plot(np.stack(across, 1).ravel(), np.stack(along, 1).ravel(), color=MUTED, linewidth=0.6)


def _roads(axes: Axes, ground: Map) -> None:
    """Join the centres of neighbouring cells with a road; diagonally only where there is no way round the corner."""
    road = ground.road
    ends: list[np.ndarray] = []
    padded = np.pad(road, 1)
    for dx, dy in ((1, 0), (0, 1), (1, 1), (1, -1)):
        there = padded[1 + dx : 1 + dx + road.shape[0], 1 + dy : 1 + dy + road.shape[1]]
        joined = road & there
        if dx and dy:
            joined &= ~padded[2:, 1:-1] & ~padded[1:-1, 1 + dy : 1 + dy + road.shape[1]]
        x, y = np.nonzero(joined)
        ends.append(np.stack([x, y, x + dx, y + dy], axis=1))
    x1, y1, x2, y2 = (np.concatenate(ends).T + 0.5).astype(float)
    none = np.full(len(x1), np.nan)
    across, along = np.stack([x1, x2, none], 1).ravel(), np.stack([y1, y2, none], 1).ravel()
    axes.plot(across, along, color="#ffffff", linewidth=1.6, alpha=0.7)
    axes.plot(across, along, color="#40302a", linewidth=0.7)


def _towns(axes: Axes, ground: Map) -> None:
    """Mark the cells that hold more people than any within two kilometres, by their number."""
    residents = np.where(ground.land, ground.residents, 0)
    peak = (residents == ndimage.maximum_filter(residents, 5)) & (residents > residents.max() / 30)
    x, y = np.nonzero(peak)
    size = 4 + 50 * residents[peak] / max(float(residents.max()), 1)
    axes.scatter(x + 0.5, y + 0.5, size, color="#ffffff", edgecolors="#40302a", linewidths=0.8, zorder=3)


def _stacked(axes: Axes, edges: np.ndarray, layers: Sequence[tuple[str, np.ndarray]]) -> None:
    """Stack steps between ``edges``, the most frequent first; layers beyond the colours there are become one."""
    layers = sorted((layer for layer in layers if layer[1].sum() > 0), key=lambda layer: -layer[1].sum())
    kept = layers[: len(SERIES) - 1]
    if len(layers) > len(kept):
        kept.append(("others", np.sum([layer[1] for layer in layers[len(kept) :]], axis=0)))
    below = np.zeros(len(edges) - 1)
    for (name, value), colour in zip(kept, SERIES, strict=False):
        axes.stairs(below + value, edges, baseline=below, fill=True, color=colour, label=name)
        below = below + value


def _month_edges(when: Times) -> np.ndarray:
    return np.append(when.month_starts, when.last_day + 1)


def _of_year(when: Times, values: np.ndarray, width: int) -> np.ndarray:
    """Return the mean over the years of each day of the year, NaN where there is none."""
    known = np.isfinite(values)
    number = np.bincount(when.day_of_year[known] - 1, minlength=width)
    total = np.bincount(when.day_of_year[known] - 1, values[known], minlength=width)
    return np.where(number > 0, total / np.maximum(number, 1), np.nan)


def _single_years(axes: Axes, when: Times, values: np.ndarray) -> None:
    """Draw a thin line a year, the fainter the more there are."""
    years = np.unique(when.year)
    for year in years:
        mine = when.year == year
        course = _smooth(values[mine], wrap=False)
        axes.plot(when.day_of_year[mine], course, color=MUTED, linewidth=0.5, alpha=min(0.7, 6 / len(years)))


def _smooth(values: np.ndarray, days: int = 15, wrap: bool = True) -> np.ndarray:
    """Return the running mean over ``days`` days, over the year's end if ``wrap`` and the year is whole."""
    if len(values) < 2 * days or not np.isfinite(values).all():
        return values
    mean: np.ndarray = ndimage.uniform_filter1d(values, days, mode="wrap" if wrap else "nearest")
    return mean


def _part_starts(when: Times) -> list[int]:
    """Return the day of the year on which each part begins."""
    if not when.dated:
        return [int(name) for name in when.names]
    return [1, 32, 60, 91, 121, 152, 182, 213, 244, 274, 305, 335]


def _year_axis(axes: Axes, when: Times) -> None:
    """Label an axis of days of the year."""
    width = int(when.day_of_year.max())
    starts = [start for start in _part_starts(when) if start <= width]
    axes.set_xlim(0.5, width + 0.5)
    if when.dated:
        axes.set_xticks(starts, ["" for _ in starts])
        length = np.diff([*starts, width + 1])
        axes.set_xticks(np.asarray(starts) + length / 2, when.names[: len(starts)], minor=True)
        axes.tick_params(axis="x", which="minor", length=0, labelsize=8)
    else:
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
        axes.set_xlabel("day of the year")


def _lag_axis(axes: Axes, step: int = 7) -> None:
    """Label an axis of days from a fire on."""
    axes.xaxis.set_major_locator(MultipleLocator(step))
    axes.set_xlabel("days from the fire on")


def _time_axis(axes: Axes, when: Times) -> None:
    """Label an axis of day numbers with years, or with days where there is one year only."""
    axes.set_xlim(when.first_day - 0.5, when.last_day + 1)
    years, first = np.unique(when.year, return_index=True)
    if len(years) > 1:
        skip = -(-len(years) // 10)
        axes.set_xticks((when.first_day + first)[::skip], [str(year) for year in years[::skip]])
        axes.set_xlabel("year")
    else:
        axes.set_xlabel("day")
