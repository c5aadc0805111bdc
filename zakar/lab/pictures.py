"""The pictures of the lab's page: a graph in, an SVG element out."""

import math
import textwrap
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.scale import SymmetricalLogScale
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator
from matplotlib.transforms import ScaledTranslation

from zakar.lab.lesson import Graph, Point
from zakar.page import canvas
from zakar.page.canvas import BLUE, GREEN, INK, ORANGE, PURPLE, RED, SKY, YELLOW

_WIDTH, _HEIGHT = 3.4, 2.6  # inches, the key not counted
_LINE = 0.16  # inches of the key
_COLOURS = (ORANGE, BLUE, GREEN, PURPLE, YELLOW, SKY)  # with a mark each, so that nobody needs the colour
_MARKS = "os^DvP"
_DASHES: tuple[Any, ...] = ((0, (4, 2)), (0, (1, 1.5)), (0, (6, 1.5, 1, 1.5)), "solid")
_CLAIM_MARKS = "*XPd"
_APART, _TOGETHER = 5.0, 16.0  # points between the series at one setting, and of all of them
_HALF, _WHOLE = 20, 44  # letters of a name, in a key of two columns and of one
_BELOW, _BESIDE = 36, 26  # letters of an axis's name, in a line
_INCHES, _LETTER, _GAP = 2.5, 0.063, 0.09  # of the x axis, of a letter on it, between two numbers
_SETTINGS = 9  # so many are named as they are, more of them are a course
_DECADES = 2.2  # from which on powers of ten alone are named


def picture(graph: Graph, name: str) -> str:
    """Draw measurements as points with all repetitions, theory as lines, the article's figures as they are.

    ``name`` sets the ids apart from other pictures'.
    """
    series = list(dict.fromkeys(point.series for point in graph.points))
    labels = [*series, *(curve.label for curve in graph.curves), *dict.fromkeys(claim.label for claim in graph.claims)]
    columns = 2 if all(len(label) <= _HALF for label in labels) else 1
    lines = sum(len(_key(label).splitlines()) for label in labels) / columns
    figure, (axes,) = canvas.blank(_HEIGHT + _LINE * math.ceil(lines), width=_WIDTH)
    for place, one in enumerate(series):  # in the order of the key
        _points(axes, graph.points, one, place)
    _theory(axes, graph)
    _claims(axes, graph)
    _across(axes, graph)
    _upwards(axes, graph)
    if labels:
        figure.legend(loc="outside upper left", ncols=columns, columnspacing=1.4, handlelength=2.0)
    return canvas.svg(figure, name)


def number(value: float) -> str:
    """Write a figure for people, short."""
    if abs(value) >= 100 or value == round(value):
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _points(axes: Axes, points: Sequence[Point], series: str, place: int) -> None:
    """Draw a series: a small mark a repetition, a line from the least to the most, a large mark for the median."""
    colour, mark = _COLOURS[place % len(_COLOURS)], _MARKS[place % len(_MARKS)]
    key: str | None = _key(series)
    for point in points:
        if point.series != series or not point.values:
            continue
        aside = ScaledTranslation(_aside(point, points) / 72, 0, axes.figure.dpi_scale_trans)
        drawn: dict[str, Any] = {"color": colour, "transform": axes.transData + aside}
        x = [point.x] * len(point.values)
        axes.plot(x, point.values, linewidth=1, zorder=3, **drawn)
        axes.plot(x, point.values, mark, markersize=2.5, markeredgewidth=0, alpha=0.6, zorder=3, **drawn)
        edge: dict[str, Any] = {"markeredgecolor": canvas.CARD, "markeredgewidth": 0.6}
        axes.plot([point.x], [point.median], mark, markersize=5.5, zorder=4, label=key, **edge, **drawn)
        key = None


def _aside(point: Point, points: Sequence[Point]) -> float:
    """Return how far aside a point is drawn, in typographic points: where several series have one, side by side."""
    here = list(dict.fromkeys(other.series for other in points if other.x == point.x and other.values))
    return (here.index(point.series) - (len(here) - 1) / 2) * min(_APART, _TOGETHER / len(here))


def _theory(axes: Axes, graph: Graph) -> None:
    for place, curve in enumerate(graph.curves):
        dash = _DASHES[place % len(_DASHES)]
        axes.plot(curve.xs, curve.ys, color=INK, linestyle=dash, linewidth=1.1, zorder=2, label=_key(curve.label))


def _claims(axes: Axes, graph: Graph) -> None:
    """Draw the article's figures: a mark each, or a line where one holds at no particular setting."""
    for place, label in enumerate(dict.fromkeys(claim.label for claim in graph.claims)):
        claims = [claim for claim in graph.claims if claim.label == label]
        key: str | None = _key(label)
        for claim in claims:
            if claim.x is None:
                axes.axhline(claim.y, color=RED, linestyle=(0, (1, 2)), linewidth=1.1, zorder=1, label=key)
                key = None
        xs, ys = ([getattr(claim, axis) for claim in claims if claim.x is not None] for axis in "xy")
        if xs:
            mark = _CLAIM_MARKS[place % len(_CLAIM_MARKS)]
            axes.plot(xs, ys, mark, markersize=7, markerfacecolor="none", color=RED, zorder=5, label=key)


def _across(axes: Axes, graph: Graph) -> None:
    """Name on the x axis the settings that were measured, as many of them as fit; round numbers if there are many."""
    settings = {point.x for point in graph.points} | {claim.x for claim in graph.claims if claim.x is not None}
    everything = sorted(settings | {x for curve in graph.curves for x in curve.xs}) or [0.0]
    positive = [x for x in everything if x > 0]
    if graph.x_log and positive:
        axes.set_xscale("log" if everything[0] > 0 else SymmetricalLogScale(axes.xaxis, linthresh=positive[0]))
    axes.set_xlabel(textwrap.fill(_printable(graph.x_label), _BELOW))
    low, high = _padded(axes.xaxis, everything[0], everything[-1], 0.07)
    axes.set_xlim(low, high)
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=(1, 2, 5, 10)))
    named = sorted(settings)
    if graph.x_log and positive and len(settings) > _SETTINGS:
        named = [x for x in round_numbers(positive[0], everything[-1]) if low <= x <= high]
    if graph.x_log or len(settings) <= _SETTINGS:
        left, right, *places = axes.xaxis.get_transform().transform([low, high, *named])
        inches = [_INCHES * (place - left) / (right - left) for place in places]
        axes.xaxis.set_major_locator(FixedLocator(_fitting(dict(zip(named, inches, strict=True)))))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    axes.xaxis.set_minor_locator(NullLocator())


def _padded(axis: Axis, low: float, high: float, share: float) -> tuple[float, float]:
    """Return limits of an axis with some room beyond two numbers on either side."""
    transform = axis.get_transform()
    first, last = transform.transform([low, high])
    room = (last - first) * share or 0.5
    padded = transform.inverted().transform([first - room, last + room])
    return float(padded[0]), float(padded[1])


def _fitting(places: dict[float, float]) -> list[float]:
    """Return those numbers that stand on an axis without touching, the first and the last of them before others.

    ``places``: where each is, in inches.
    """

    def touch(a: float, b: float) -> bool:
        half = (len(number(a)) + len(number(b))) * _LETTER / 2
        return abs(places[a] - places[b]) < half + _GAP

    kept: list[float] = []
    ordered = sorted(places)
    for one in ordered[:1] + ordered[-1:] + ordered[1:-1]:
        if not any(touch(one, other) for other in kept):
            kept.append(one)
    return sorted(kept)


def _upwards(axes: Axes, graph: Graph) -> None:
    """Let the y axis begin at nothing, or go from a round number to a round number where it goes by powers of ten."""
    values = [value for point in graph.points for value in point.values]
    values += [y for curve in graph.curves for y in curve.ys] + [claim.y for claim in graph.claims]
    axes.set_ylabel(textwrap.fill(_printable(graph.y_label), _BESIDE))
    positive, least = [value for value in values if value > 0], min(values, default=0.0)
    if graph.y_log and positive:
        ticks = round_numbers(min(positive), max(positive))
        axes.set_yscale("log" if least > 0 else SymmetricalLogScale(axes.yaxis, linthresh=ticks[0]))
        axes.set_ylim(_padded(axes.yaxis, min(least, ticks[0]), ticks[-1], 0.03))
        axes.yaxis.set_major_locator(FixedLocator([0.0] * (least <= 0) + ticks))
    else:
        low, high = _padded(axes.yaxis, min(least, 0.0), max(positive, default=0.0), 0.06)
        axes.set_ylim(low if least < 0 else 0.0, high)
        axes.yaxis.set_major_locator(MaxNLocator(6, steps=(1, 2, 5, 10)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    axes.yaxis.set_minor_locator(NullLocator())


def round_numbers(low: float, high: float) -> list[float]:
    """Return 1, 2 and 5 and their tenfolds, or powers of ten alone where they reach far, around two numbers above 0.

    At least two, of which the first is at most ``low`` and the last at least ``high``.
    """
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    steps = (1,) if math.log10(high / low) > _DECADES else (1, 2, 5)
    every = [float(f"{step}e{power}") for power in range(first - 1, last + 2) for step in steps]
    begin = max(place for place, value in enumerate(every) if value <= low)
    end = min(place for place, value in enumerate(every) if value >= high)
    ticks = every[begin : max(end, begin + 1) + 1]
    thinned = ticks[:: max(1, len(ticks) // 8)]
    return thinned if thinned[-1] == ticks[-1] else [*thinned, ticks[-1]]


def _key(name: str) -> str:
    return textwrap.fill(_printable(name), _WHOLE) or " "


def _printable(words: str) -> str:
    """Replace what no SVG may hold, such as control characters in the name of somebody's link."""
    return "".join(
        letter if letter.isprintable() or letter.isspace() else "\N{REPLACEMENT CHARACTER}" for letter in words
    )


def least_to_most(values: Sequence[float]) -> str:
    """Write the spread of repetitions."""
    return number(values[0]) if len(values) == 1 else f"{number(min(values))} to {number(max(values))}"
