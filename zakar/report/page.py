"""A report: pictures of what a dataset holds and its check results, as one HTML page that fetches nothing."""

import math
import os
import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from jinja2 import Environment
from markupsafe import Markup
from msgspec import Struct

from zakar.checks import results, settings
from zakar.checks.check import accepted, written
from zakar.dataset import store
from zakar.dataset.about import about
from zakar.dataset.store import Dataset
from zakar.errors import MismatchError
from zakar.models import registry
from zakar.models.calendar import Calendar, Times
from zakar.models.shared.settings import Grid
from zakar.page import canvas, template
from zakar.report import figures, measures
from zakar.report.measures import Alerts, Bursts, Episode, Faults, Fires, Map, Post, Posts, Readings

_SAMPLE = 10  # posts shown
_ROWS = 60  # sensors shown
_EXAMPLES = ("spike", "stuck", "noisy", "scorched")  # faults worth seeing, and first to be seen
_AROUND = 25  # days around a fault


@dataclass(frozen=True)
class Panel:
    """A picture with its title, and what it shows in words. ``truth``: whether it comes from the private part."""

    title: str
    caption: str
    svg: Markup
    truth: bool = False


@dataclass(frozen=True)
class Listing:
    """A table of words: a title, the columns' names, and rows."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Section:
    """A part of the page. ``id`` names it in the page's links."""

    id: str
    title: str
    words: str
    panels: Sequence[Panel] = ()
    listings: Sequence[Listing] = ()
    posts: Sequence[Post] = ()


class CheckLine(Struct, frozen=True):
    """One check as ``zakar check`` wrote it beside the data; NaN is null there, and so is an end that a range lacks."""

    id: str
    name: str
    value: float | None
    low: float | None
    high: float | None
    ok: bool
    source: str
    applies: bool = True
    why: str = ""

    @property
    def place(self) -> float | None:
        """Where the value lies on a scale of 0 to 100 whose middle half is the accepted range; None for no value."""
        if self.value is None or self.low is None or self.high is None:
            return None
        if self.low == self.high:
            return 50.0 + 45.0 * ((self.value > self.high) - (self.value < self.low))
        return min(max(25 + 50 * (self.value - self.low) / (self.high - self.low), 2.0), 98.0)

    @property
    def accepted(self) -> str:
        """The accepted range in words."""
        return accepted(self.low, self.high)


class Verdict(Struct, frozen=True):
    """What ``zakar check`` found. ``fingerprint``: of the data that it looked at."""

    ok: bool
    fingerprint: str
    checks: tuple[CheckLine, ...]


@dataclass(frozen=True)
class Report:
    """A finished page, which sections it has, and whether it shows the truth and current check results."""

    html: str
    sections: Sequence[str]
    truth: bool
    checked: bool


def report(dataset: Dataset, *, with_truth: bool = False) -> Report:
    """Look at a dataset's released days and draw what is there, of its public part alone.

    Pictures of the truth are drawn too where ``with_truth`` says so and the private part is there. Raises
    MismatchError if the manifest's scenario or a table cannot be read.
    """
    scenario = settings.scenario_of(dataset)
    model = registry.model_of(scenario)
    calendar = model.calendar(scenario)
    truth = with_truth and model.drawn and store.has_truth(dataset)
    verdict = verdict_of(dataset)
    with canvas.styled():
        sections = []
        for section in _sections(dataset, scenario.grid, calendar, truth):
            sections.append(section)
            dataset.progress(f"drew {section.title}", 0)
    page = _environment().get_template("report.html")
    html = page.render(
        manifest=dataset.manifest,
        about=about(dataset.manifest),
        description=scenario.description,
        truth_is_drawn=model.drawn,
        facts=_facts(dataset, scenario.grid, calendar),
        sections=sections,
        truth=truth,
        verdict=verdict,
    )
    return Report(html, [section.id for section in sections] + ["checks"], truth, verdict is not None)


def verdict_of(dataset: Dataset) -> Verdict | None:
    """Return the check results beside the data; None if there are none, or none of this very data.

    Raises MismatchError if the file cannot be read.
    """
    path = posixpath.join(dataset.root, results.NAME)
    try:
        with dataset.filesystem.open_input_stream(os.fsencode(path)) as stream:
            verdict = msgspec.json.decode(stream.read(), type=Verdict)
    except FileNotFoundError:
        return None
    except (msgspec.DecodeError, RecursionError, OSError) as error:
        raise MismatchError(f"{path}: cannot be read: {error}; run `zakar check` again") from error
    return verdict if verdict.fingerprint == dataset.manifest.fingerprint else None


def _environment() -> Environment:
    environment = template.environment(Path(__file__).parent)
    environment.filters["figure"] = written
    return environment


def _facts(dataset: Dataset, grid: Grid, calendar: Calendar) -> list[tuple[str, str]]:
    """Return what is said at the head of the page: figure and words."""
    listed = dataset.manifest
    days = "days"
    if calendar.dates is not None:
        first, last = calendar.dates(np.asarray([listed.first_day, listed.first_day + listed.days - 1]))
        days = f"days, {first} to {last}"
    return [
        (f"{listed.days:,}", days),
        (f"{grid.width} x {grid.height}", "cells of 1 km²"),
        *((f"{listed.tables[table.name].rows:,}", table.name.replace("_", " ")) for table in dataset.tables),
    ]


def _sections(dataset: Dataset, grid: Grid, calendar: Calendar, truth: bool) -> Iterator[Section]:
    when = calendar.times(dataset.manifest.first_day, dataset.manifest.days)
    ground = measures.island_map(dataset, grid)
    readings = measures.readings(dataset, when, grid)
    official = measures.alerts(dataset, when, grid)
    written = measures.posts(dataset, when, grid)
    wrong = measures.faults(dataset, grid) if truth else None
    together = measures.episodes(wrong) if wrong is not None else []
    shown = _examples(together, wrong, readings, when) if wrong is not None else []
    true = measures.fires(dataset, grid) if truth else None

    if ground is not None:
        yield _island(ground, readings)
    sky = measures.weather(dataset, when, grid, [e.cell for e in shown]) if truth else None
    yield _seasons(when, readings, sky)
    if not dataset.manifest.withheld:
        yield _fires(when, (grid.width, grid.height), ground, official, true)
    yield _posts(dataset, when, grid, written, official, true)
    if wrong is not None and sky is not None:
        yield _faults(when, readings, wrong, together, shown, sky)
    yield _missing(when, readings, official, grid)


def _panel(title: str, caption: str, svg: str, truth: bool = False) -> Panel:
    return Panel(title, caption, Markup(svg), truth)  # noqa: S704 - drawn by figures.py, which escapes words


def _island(ground: Map, readings: Readings) -> Section:
    land = int(ground.land.sum())
    return Section(
        "island",
        "The island",
        f"{land:,} km² of land, up to {ground.elevation_m.max():,.0f} m high, with "
        f"{round(float(ground.residents.sum()), -2):,.0f} residents and {len(readings.ids):,} sensors over the years.",
        [
            _panel(
                "Elevation, roads and settlements",
                "Light from the north-west. A circle is a settlement, the larger the more people.",
                figures.relief(ground),
            ),
            _panel(
                "Fuel",
                "The vegetation that a fire finds in each cell, and its share of the land.",
                figures.fuel(ground),
            ),
            _panel("People and roads", "Residents of each cell; lines are roads.", figures.people(ground)),
            _panel(
                "Sensors and roads",
                "How many thermometers stand in a cell at once, at most; cells without any are bare.",
                figures.sensors(ground, _standing_at_once(readings, ground.land.shape)),
            ),
        ],
    )


def _standing_at_once(readings: Readings, shape: tuple[int, ...]) -> np.ndarray:
    """Return the greatest number of sensors that stand in each cell on one day, (width, height)."""
    most = np.zeros(shape[0] * shape[1], np.int64)
    order = np.argsort(readings.cells, kind="stable")
    cells, first = np.unique(readings.cells[order], return_index=True)
    standing = readings.standing[order]
    if len(cells):
        most[cells] = np.add.reduceat(standing, first, axis=0, dtype=np.int32).max(axis=1)
    return most.reshape(shape)


def _seasons(when: Times, readings: Readings, sky: measures.Weather | None) -> Section:
    panels = [
        _panel(
            "The year's course",
            "Readings of all sensors, running means of 15 days.",
            figures.seasons(when, readings.mean_f, readings.low_f, readings.high_f),
        )
    ]
    if len(np.unique(when.year)) > 1:
        panels.append(
            _panel(
                "Every day of every year",
                "Mean reading of the island, a row a year.",
                figures.every_day(when, readings.mean_f),
            )
        )
    if sky is not None:
        panels += [
            _panel("Rain", "Mean over the land. A dot is a single year.", figures.rain(when, sky.rain_mm), truth=True),
            _panel(
                "Fire danger",
                "Mean over the land, running means of 15 days. A thin line is a single year.",
                figures.danger(when, sky.fwi),
                truth=True,
            ),
        ]
    mean = float(np.nanmean(readings.mean_f)) if np.isfinite(readings.mean_f).any() else math.nan
    words = f"A reading is {mean:.0f} °F ({(mean - 32) / 1.8:.0f} °C) on average."
    return Section("seasons", "Seasons", words, panels)


def _fires(when: Times, shape: tuple[int, int], ground: Map | None, official: Alerts, true: Fires | None) -> Section:
    land = ground.land if ground is not None else None
    panels = []
    if true is not None and land is not None:
        panels.append(
            _panel(
                "Where it burned and started",
                "Burned cells of fires that escaped initial attack, and where all fires started.",
                figures.fire_map(land, true),
                truth=True,
            )
        )
    panels.append(
        _panel(
            "Where fires were reported", "The official alerts of each cell.", figures.alert_map(land, shape, official)
        )
    )
    if len(np.unique(when.year)) > 1:
        panels.append(
            _panel(
                "By year",
                "Fires by cause, and the area that they burned." if true is not None else "Official alerts.",
                figures.fires_by_year(when, official, true),
                truth=true is not None,
            )
        )
    panels.append(
        _panel(
            "Through the year",
            "Shares of all fires and of all burned area." if true is not None else "Shares of all official alerts.",
            figures.fires_by_month(when, official, true),
            truth=true is not None,
        )
    )
    if true is not None and len(true.area_ha):
        panels.append(
            _panel(
                "By size",
                "The share of fires that burned at least so much; both axes are logarithmic. A cell has 100 ha.",
                figures.fire_sizes(true),
                truth=True,
            )
        )
    if len(official.day):
        panels.append(
            _panel(
                "How late alerts come",
                "From the day of the event to that of its notification.",
                figures.delays(official),
            )
        )
    words = f"{len(official.day):,} official alerts."
    if true is not None:
        words = (
            f"{len(true.day):,} fires, {np.count_nonzero(true.escaped):,} of which escaped initial attack; "
            f"{true.area_ha.sum():,.0f} ha burned. {len(official.day):,} official alerts."
        )
    return Section("fires", "Fires", words, panels)


def _posts(dataset: Dataset, when: Times, grid: Grid, written: Posts, official: Alerts, true: Fires | None) -> Section:
    panels: list[Panel] = []
    shown: list[Post] = []
    reach = 2 * measures.REACH + 1
    number = int(written.by_cell.sum(dtype=np.int64))
    if len(official.day) and number:
        near = measures.bursts(written, official, when)
        panels += _burst_panels(near, reach)
        day, cell = int(official.day[near.greatest]), int(official.cell[near.greatest])
        shown = measures.posts_near(dataset, grid, day, cell, _SAMPLE)
    if len(np.unique(when.year)) > 1:
        number_by_day = written.by_cell.sum(axis=(1, 2), dtype=np.int64)
        panels.append(_panel("Over the years", "Mean of each month.", figures.posts_over_years(when, number_by_day)))
    if written.by_hour is not None:
        panels.append(_panel("Time of day", "All posts.", figures.hours(written.by_hour)))
    if true is not None:
        about = measures.topics(dataset, true)
        escaped = int(np.count_nonzero(true.escaped))
        if about.by_lag.any():
            panels.insert(
                0,
                _panel(
                    "Posts about a fire that escaped",
                    f"By topic, mean of {escaped:,} fires, wherever their authors say they are.",
                    figures.burst_by_topic(about.names, about.by_lag, escaped),
                    truth=True,
                ),
            )
        panels.append(
            _panel("What posts are about", "All posts.", figures.topics(about.names, about.count), truth=True)
        )
    words = f"{number:,} posts, {number / when.days:,.0f} a day."
    return Section("posts", "Posts and their bursts", words, panels, posts=shown)


def _burst_panels(near: Bursts, reach: int) -> list[Panel]:
    around = f"within {reach} x {reach} cells"
    return [
        _panel(
            "The burst around a fire",
            f"Posts {around} of each official alert, sum of {len(near.near):,} alerts, against the number "
            f"{measures.BEFORE} to {measures.QUIET + 1} days before.",
            figures.burst(near.relative),
        ),
        _panel(
            "One burst",
            f"Posts {around} of the alert with the greatest burst; some of them stand below.",
            figures.one_burst(near.near[near.greatest]),
        ),
    ]


def _faults(
    when: Times,
    readings: Readings,
    wrong: Faults,
    together: Sequence[Episode],
    shown: Sequence[Episode],
    sky: measures.Weather,
) -> Section:
    kind_month = np.zeros((len(wrong.kinds), int(when.month[-1]) + 1))
    np.add.at(kind_month, (wrong.kind, when.month[wrong.day - when.first_day]), 1)
    faulty_days = _without_reading(readings, wrong, when)
    sensor_days = np.bincount(when.month, readings.seen.sum(axis=0) + faulty_days)
    panels = [
        _panel(
            "Faults over the years",
            "Share of the days of all sensors, by month.",
            figures.fault_shares(when, wrong.kinds, kind_month, sensor_days),
            truth=True,
        )
    ]
    if shown:
        panels.append(
            _panel(
                "Faults as they look",
                "A sensor each, beside what was true in its cell; the fault is shaded.",
                figures.fault_examples([_example(e, wrong, readings, when, sky) for e in shown]),
                truth=True,
            )
        )
    all_days = float(sensor_days.sum())
    rows = []
    for kind, name in enumerate(wrong.kinds):
        length = np.asarray([e.last - e.first + 1 for e in together if e.kind == kind])
        rows.append(
            (
                name,
                f"{length.sum():,}",
                f"{100 * length.sum() / max(all_days, 1):.2f}",
                f"{len(length):,}",
                f"{np.median(length):.0f}",
            )
        )
    columns = ("fault", "sensor-days", "share, %", "episodes", "median length, days")
    words = f"{len(wrong.day):,} of {all_days:,.0f} sensor-days have a fault."
    return Section("faults", "Faults", words, panels, [Listing("Faults counted", columns, rows)])


def _without_reading(readings: Readings, wrong: Faults, when: Times) -> np.ndarray:
    """Return how many sensors have a fault and no reading on each day, (days,)."""
    index = wrong.day - when.first_day
    place = np.minimum(np.searchsorted(readings.ids, wrong.sensor), max(len(readings.ids) - 1, 0))
    read = np.zeros(len(index), bool)
    if len(readings.ids):
        read = (readings.ids[place] == wrong.sensor) & readings.seen[place, index]
    return np.bincount(index[~read], minlength=when.days)


def _examples(together: Sequence[Episode], wrong: Faults, readings: Readings, when: Times) -> list[Episode]:
    """Choose the episode of each kind of fault worth seeing that shows best, away from the dataset's ends."""
    kinds = [kind for kind in _EXAMPLES if kind in wrong.kinds]
    chosen = []
    for kind in kinds:
        middle = [
            e
            for e in together
            if e.kind == wrong.kinds.index(kind)
            and e.first - _AROUND >= when.first_day
            and e.first + _AROUND <= when.last_day
        ]
        best = max(middle, key=lambda e: _visible(e, readings, when), default=None)
        if best is not None:
            chosen.append(best)
    return chosen


def _visible(episode: Episode, readings: Readings, when: Times) -> tuple[int, int, int]:
    """Return how well a fault can be seen: by the readings before it, its length up to three weeks, and its age."""
    place = int(np.searchsorted(readings.ids, episode.sensor))
    if place == len(readings.ids) or readings.ids[place] != episode.sensor:
        return (0, 0, 0)
    first = episode.first - when.first_day
    before = int(readings.seen[place, max(first - _AROUND, 0) : first].sum())
    length = min(episode.last - episode.first + 1, 21)
    return (before // 4, length, -episode.first)


def _example(
    episode: Episode, wrong: Faults, readings: Readings, when: Times, sky: measures.Weather
) -> tuple[str, np.ndarray, np.ndarray, np.ndarray, tuple[int, int]]:
    first = episode.first - when.first_day
    window = slice(max(first - _AROUND, 0), min(first + _AROUND + 1, when.days))
    day = np.arange(window.start, window.stop) - first
    last = min(episode.last - episode.first, int(day[-1]))
    reading = readings.of(episode.sensor)
    return wrong.kinds[episode.kind], day, reading[window], sky.tmax_f[episode.cell][window], (0, last)


def _missing(when: Times, readings: Readings, official: Alerts, grid: Grid) -> Section:
    standing = readings.standing
    expected, read = int(standing.sum()), int(readings.seen.sum())
    share = (expected - read) / max(expected, 1)
    words = (
        f"{expected - read:,} of {expected:,} readings are missing, {100 * share:.1f} %. "
        "A sensor is expected to report each day from its first reading to its last; a missing reading is no row."
    )
    if expected == read:
        words = (
            f"None of {read:,} readings is missing: each sensor reports every day from its first reading to its last."
        )
        return Section("missing", "Missing readings", words)
    year, days = _whole_year(when)
    chosen = _spread(readings, standing[:, days])
    panels = [
        _panel(
            "Sensors that report",
            "Sensors that report on a day, mean of the month, and the share of expected readings that is missing.",
            figures.reporting(when, standing.sum(axis=0), readings.seen.sum(axis=0)),
        ),
        _panel(
            f"{len(chosen)} sensors through {'year ' if not when.dated else ''}{year}",
            "A row each, from the west to the east.",
            figures.one_year(when, year, readings.seen[chosen][:, days], standing[chosen][:, days]),
        ),
        _panel(
            "How long gaps are",
            "The missing readings by the length of the gap that they lie in.",
            figures.gap_lengths(measures.gaps(readings)),
        ),
        _panel(
            "Near fires",
            f"Readings that are missing within {2 * measures.REACH + 1} x {2 * measures.REACH + 1} cells of alerts.",
            figures.missing_near_fires(measures.missing_near(readings, official, when, grid), share),
        ),
    ]
    return Section("missing", "Missing readings", words, panels)


def _whole_year(when: Times) -> tuple[int, np.ndarray]:
    """Return the middle one of the longest years, and its days' places."""
    years, length = np.unique(when.year, return_counts=True)
    whole = years[length >= length.max() - 1]
    year = int(whole[len(whole) // 2])
    return year, np.flatnonzero(when.year == year)


def _spread(readings: Readings, standing: np.ndarray) -> np.ndarray:
    """Choose sensors that stand on some of the days, evenly over the island."""
    there = np.flatnonzero(standing.any(axis=1))
    there = there[np.lexsort((readings.ids[there], readings.cells[there]))]
    number = min(_ROWS, len(there))
    return there[np.arange(number) * len(there) // max(number, 1)]
