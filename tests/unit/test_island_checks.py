"""The island's checks on histories, readings, posts and alerts that are made up, so that the answer is known."""

import itertools
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st
from making import rewrite, simulated, sketched, small_island
from scipy import ndimage

from zakar import config
from zakar.checks.check import Check
from zakar.checks.island import alert_labels as labels
from zakar.checks.island import alerts, annual, climate, posts
from zakar.checks.island import baselines as ignition
from zakar.checks.island import reproducibility as again
from zakar.checks.island import sensors as network
from zakar.checks.island.annual import Band, Ensemble
from zakar.checks.island.baselines import CellDays
from zakar.checks.island.history import History, recorded
from zakar.checks.island.posts import Posts, Rows
from zakar.checks.island.sensors import Readings, SensorDays
from zakar.checks.island.suite import checks as island
from zakar.dataset import store
from zakar.errors import ConfigError
from zakar.models import registry, scenario_files
from zakar.models.island import terrain as relief
from zakar.models.island.fire import Fires
from zakar.models.island.settings import SlowAlerts
from zakar.models.island.terrain import Island
from zakar.seeds import Seeds
from zakar.simulation.run import simulate

WET_FRACTION = (0.33, 0.30, 0.25, 0.18, 0.11, 0.05, 0.02, 0.03, 0.08, 0.18, 0.27, 0.33)
ALERTS = SlowAlerts(
    lag_days=2.9,
    lag_days_per_road_km=0.35,
    missed_share=0.4,
    missed_half_ha=3.0,
    escaped_missed_share=0.0,
    false_per_day=0.04,
)


def square(side: int) -> Island:
    """Return an island that fills its grid: a dome, roads in the west, people in the south."""
    x, y = np.divmod(np.arange(side**2), side)
    height_m = 1000 * np.cos(np.pi * (x / side - 0.5)) * np.cos(np.pi * (y / side - 0.5))
    return sketched(
        np.ones((side, side), bool),
        elevation_m=height_m.astype(np.float32),
        fuel=(x % 4).astype(np.uint8),
        residents=(1000.0 / (1 + y)).astype(np.float32),
        coast_km=np.minimum(x, y).astype(np.float32),
        road_km=x.astype(np.float32),
        town_residents=np.array([1000], np.float32),
    )


def fires(day: np.ndarray, cell: np.ndarray, area_ha: np.ndarray, escaped: np.ndarray | None = None) -> Fires:
    """Return a catalogue in (day, cell) order, of fires that people caused and that burned a day."""
    order = np.lexsort((cell, day))
    day, cell, area_ha = day[order].astype(np.int64), cell[order].astype(np.int64), area_ha[order].astype(np.float32)
    within = np.arange(len(day)) - np.searchsorted(day, day)
    lost = area_ha >= 100 if escaped is None else escaped[order]
    return Fires(day * 1000 + within + 1, day, cell, np.ones(len(day), bool), lost, area_ha, day)


def calm(side: int, days: int, burned: Fires | None = None) -> History:
    """Return a history without weather: 20 degrees everywhere, from 1 January 2016, day 1."""
    none = np.zeros(0, np.int64)
    shape = (days, side**2)
    return History(
        square(side),
        1,
        np.datetime64("2016-01-01") + np.arange(days),
        np.full(shape, 20, np.float32),
        np.zeros(shape, np.float32),
        np.full(shape, 85, np.float32),
        np.full(shape, 10, np.float32),
        np.zeros(days, bool),
        fires(none, none, none) if burned is None else burned,
    )


@pytest.fixture(scope="module")
def weathered() -> History:
    """Six years of weather as it should be on an island of 30 x 30 cells."""
    draw, history = np.random.default_rng(1), calm(30, 2_192)
    days = len(history.dates)
    wet = np.zeros(days, bool)
    chance = 0.7451 * np.array(WET_FRACTION)[history.month - 1]
    for day in range(1, days):
        wet[day] = draw.random() < chance[day] + 0.2549 * wet[day - 1]
    series = np.zeros(days)
    for day in range(1, days):
        series[day] = 0.62 * series[day - 1] + np.sqrt(1 - 0.62**2) * draw.normal()
    season = 19 + 8 * np.cos(2 * np.pi * (history.day_of_year - 217) / 365.25)
    local = smooth_noise(draw.normal(size=(days, 30, 30))).reshape(days, -1)
    tmax = (season + 3 * series)[:, None] + 0.65 * local - 6.5 * history.island.height_m / 1000
    rain = wet * draw.gamma(0.789, 8, days) * np.array(WET_FRACTION)[history.month - 1]
    return replace(
        history,
        tmax_c=tmax.astype(np.float32),
        rain_mm=np.repeat(np.where(wet, np.maximum(rain, 1e-3), 0)[:, None], 900, 1).astype(np.float32),
    )


def smooth_noise(maps: np.ndarray) -> np.ndarray:
    """Return maps of noise that is alike in places near to each other, of unit variance."""
    smooth = ndimage.gaussian_filter(maps, (0, 3, 3), mode="wrap")
    return smooth / smooth.std()


# Weather.


def failing(checks: list[Check]) -> set[str]:
    return {check.id for check in checks if not check.ok}


def test_weather_as_it_should_be_passes(weathered: History) -> None:
    assert not failing(climate.checks(weathered, WET_FRACTION))


def spoiled(history: History, how: str) -> History:
    draw = np.random.default_rng(2)
    if how == "days independent":
        return replace(history, tmax_c=history.tmax_c[draw.permutation(len(history.dates))])
    if how == "cells independent":
        return replace(history, tmax_c=history.tmax_c + draw.normal(0, 3, history.tmax_c.shape).astype(np.float32))
    if how == "no lapse":
        return replace(history, tmax_c=history.tmax_c + 6.5 * history.island.height_m / 1000)
    if how == "rain by the coin":
        wet = draw.random(len(history.dates)) < np.array(WET_FRACTION)[history.month - 1]
        return replace(history, rain_mm=np.where(wet[:, None], 5.0, 0.0))
    return replace(history, rain_mm=np.sqrt(history.rain_mm))


@pytest.mark.parametrize(
    ("how", "fails"),
    [
        ("days independent", "3/tmax-lag-1"),
        ("cells independent", "6/correlation"),
        ("cells independent", "15/temperature"),
        ("no lapse", "7/lapse-rate"),
        ("rain by the coin", "4/wet-transitions"),
        ("even rain", "5/rain-shape"),
    ],
)
def test_weather_that_is_wrong_in_one_thing_fails_its_check(weathered: History, how: str, fails: str) -> None:
    assert fails in failing(climate.checks(spoiled(weathered, how), WET_FRACTION))


def test_too_few_days_are_in_no_range() -> None:
    found = climate.checks(calm(5, 20), WET_FRACTION)
    assert failing(found) == {check.id for check in found}
    assert all(np.isnan(figure.of(calm(5, 20))) for figure in annual.FIGURES)


def test_other_years_of_the_same_climate_pass_and_warmer_ones_fail() -> None:
    draw = np.random.default_rng(3)
    history = calm(2, 3_653)
    year = draw.normal(0, 0.6, 10)[history.year - 2016]
    history = replace(
        history,
        tmax_c=history.tmax_c + year[:, None],
        rain_mm=history.rain_mm + draw.gamma(4, 1, 10)[history.year - 2016][:, None],
        fwi=history.fwi + year[:, None],
    )
    late = replace(
        history,
        **{name: getattr(history, name)[2_557:] for name in ("dates", "tmax_c", "rain_mm", "fwi")},
        first_day=2_558,
    )
    assert climate.unchanged(history.until(2_557), late).ok
    assert not climate.unchanged(history.until(2_557), replace(late, tmax_c=late.tmax_c + 4)).ok


# Annual figures.


def test_the_spread_of_summers_is_that_of_the_years() -> None:
    history, offsets = calm(2, 2_192), np.array([0.3, -0.8, 0.1, 1.2, -0.5, 0.4])
    warmer = replace(history, tmax_c=history.tmax_c + offsets[history.year - 2016][:, None])
    assert annual.summer_sd(warmer) == pytest.approx(np.std(offsets, ddof=1), rel=1e-4)


def test_heat_waves_are_the_runs_of_three_hot_days_or_more() -> None:
    history = calm(2, 1_096)
    hot = np.zeros(1_096)
    for first, length in ((190, 6), (210, 2), (560, 4), (930, 8), (950, 1)):
        hot[first : first + length] = 9
    assert annual.heat_wave_days(replace(history, tmax_c=history.tmax_c + hot[:, None])) == pytest.approx(6)


def test_the_exponent_and_the_ratio_are_those_of_the_sizes_that_were_drawn() -> None:
    share = np.random.default_rng(4).random(3_000)
    area = (1 - share * (1 - 90_000**-0.75)) ** (-1 / 0.75)
    history = calm(30, 730, fires(np.arange(3_000) % 730 + 1, np.arange(3_000) % 900, area))
    assert annual.size_exponent(history) == pytest.approx(1.75, abs=0.05)
    assert abs(annual.lognormal_ratio(history)) < 3


def test_burned_area_follows_severity_in_summer() -> None:
    history = calm(3, 2_192)
    fwi = np.array([5, 30, 12, 25, 8, 18.0])[history.year - 2016]
    severity = np.array([(0.0272 * fwi[history.year == y] ** 1.77).sum() for y in range(2016, 2022)])
    day = np.array([np.flatnonzero((history.year == y) & (history.month == 8))[0] + 1 for y in range(2016, 2022)])
    winter = np.array([20])
    area = np.exp(severity / severity.max() * 5)
    burned = fires(np.append(day, winter), np.zeros(7, int), np.append(area, 0.01))
    history = replace(history, fwi=np.repeat(fwi[:, None], 9, 1).astype(np.float32), fires=burned)
    assert annual.burn_explained(history) == pytest.approx(1, abs=0.001)
    assert annual.burn_variation(history) == pytest.approx(np.std(area, ddof=1) / area.mean(), rel=0.01)
    assert annual.summer_burn_share(history) == pytest.approx(1, abs=0.001)


def test_a_history_is_judged_in_the_ensembles_bands_and_the_ensemble_in_the_target(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    history = calm(2, 1_096)
    monkeypatch.setattr(annual, "world_digest", lambda _: "this")
    bands = {figure.id: Band(figure.low, -1.0, 1e9) for figure in annual.FIGURES}
    bands["8/summer-sd"] = Band(0.3, 0.5, 0.9)
    for days, world, judged_in_bands in (("1096", "this", True), ("10", "this", False), ("1096", "other", False)):
        known = Ensemble(world, 99, {days: bands})
        monkeypatch.setattr(annual, "ensemble", lambda known=known: known)
        found = {check.id: check for check in annual.judged(history, None)}  # type: ignore[arg-type]
        assert ("8/summer-sd/ensemble" in found) == judged_in_bands
        assert (found["8/summer-sd"].low == 0.5) == judged_in_bands
        assert ("no ensemble" in found["8/summer-sd"].name) != judged_in_bands
        if judged_in_bands:
            assert not found["8/summer-sd/ensemble"].ok
            assert found["9/size-exponent/ensemble"].ok


def test_a_history_cut_short_and_joined_again_is_whole() -> None:
    area = np.array([1.0, 200, 3])
    history = calm(2, 40, fires(np.array([3, 20, 21]), np.array([0, 1, 2]), area))
    early = history.until(20)
    assert early.fires.day.tolist() == [3, 20]
    late = replace(
        history,
        first_day=21,
        dates=history.dates[20:],
        tmax_c=history.tmax_c[20:],
        rain_mm=history.rain_mm[20:],
        ffmc=history.ffmc[20:],
        fwi=history.fwi[20:],
        blocking=history.blocking[20:],
        fires=fires(np.array([21]), np.array([2]), area[2:]),
    )
    whole = early.joined(late)
    assert whole.dates.tolist() == history.dates.tolist()
    assert whole.fires.number.tolist() == history.fires.number.tolist()


# Sensors.


def test_missing_readings_in_bursts_and_more_near_fires_pass_and_scattered_ones_fail() -> None:
    draw = np.random.default_rng(5)
    days, sensors = 400, 50
    near = np.zeros((days, 25), bool)
    near[::40, :5] = True
    place = np.arange(sensors) % 25
    for burst, enough in ((4, True), (1, False)):
        begins = draw.random((days, sensors)) < 0.04 / burst
        gone = np.any([np.roll(begins, k, axis=0) for k in range(burst)], axis=0)
        if enough:
            gone |= near[:, place] & (draw.random((days, sensors)) < 0.3)
        there = [SensorDays(*(a.astype(np.int64) for a in (d, place[s], s))) for d, s in map(np.nonzero, (gone, ~gone))]
        found = network.missing(there[0], there[1], near)
        assert failing(found) == (set() if enough else {"16/bursts", "16/near-fires"})
        assert found[0].value == pytest.approx(gone.mean())


def test_the_sensors_bias_is_that_of_sound_days_and_lies_in_no_place() -> None:
    draw, history = np.random.default_rng(6), calm(12, 100)
    sensors = 300
    place, bias = draw.integers(0, 144, sensors), draw.normal(0.5, 0.4, sensors)
    day, sensor = np.divmod(np.arange(100 * sensors), sensors)
    at = SensorDays(day, place[sensor], sensor)
    stuck = draw.random(len(day)) < 0.1
    celsius = np.where(stuck, 90, 20 + bias[sensor])
    readings = Readings(at, np.rint(celsius * 1.8 + 32).astype(np.int16))
    found = network.errors(history, readings, at.where(stuck))
    assert not failing(found)
    assert found[0].value == pytest.approx(bias.mean(), abs=0.05)
    in_the_east = bias + place // 12 / 4
    readings = Readings(at, np.rint((20 + in_the_east[sensor]) * 1.8 + 32).astype(np.int16))
    assert failing(network.errors(history, readings, at.where(stuck))) == {"17/sensor-bias", "15/sensor-error"}


def test_near_a_fire_is_its_cell_and_those_beside_it_that_day_and_the_next() -> None:
    near = network.near_fires(np.array([1, 3]), np.array([0, 12]), calm(5, 4))
    assert np.argwhere(near).tolist() == [
        [day, x * 5 + y] for day, xs in ((1, range(2)), (2, range(2)), (3, range(1, 4))) for x in xs for y in xs
    ]


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 80), st.integers(0, 100)), max_size=20))
def test_the_warmth_of_a_cell_is_that_of_the_nearest_sensors(rows: list[tuple[int, int, int]]) -> None:
    day, place, temperature = (
        (np.array(column, np.int64) for column in zip(*rows, strict=True)) if rows else (np.zeros(0, np.int64),) * 3
    )
    history = SMALL
    found = network.warmth(history, Readings(SensorDays(day, place, place), temperature.astype(np.int16)))
    for d, cell in itertools.product(range(3), range(0, 81, 7)):
        far = np.maximum(abs(place // 9 - cell // 9), abs(place % 9 - cell % 9))
        groups = [temperature[(day == d) & (far <= width)] for width in (0, 1, 3)]
        groups += [temperature[day == earlier] for earlier in range(d, -1, -1)]
        known = [group for group in groups if len(group)]
        assert found[d, cell] == pytest.approx(known[0].mean() if known else 0, abs=0.01)


SMALL = calm(9, 3)


# Alerts.


def alarmed(lag_days: float = 2.9, missed_share: float = 0.4, false: int = 20) -> list[Check]:
    draw = np.random.default_rng(7)
    number = 1_500
    area = np.exp(draw.normal(0.5, 2, number))
    history = calm(10, 500, fires(draw.integers(1, 501, number), draw.integers(0, 100, number), area))
    all_fires = history.fires
    chance = np.where(all_fires.escaped, 0, missed_share / (1 + all_fires.area_ha / 3))
    told = draw.random(number) >= chance
    far = history.island.road_km[history.ignition[1]]
    lag = np.append(1 + draw.poisson(lag_days - 1 + 0.35 * far)[told], np.ones(false))
    cause = np.append(all_fires.number[told], np.zeros(false, np.int64))
    return alerts.judged(history, ALERTS, lag.astype(float), cause)


def test_alerts_as_configured_pass() -> None:
    assert not failing(alarmed())


@pytest.mark.parametrize("number", [1, 2, 5, 20])
def test_few_alerts_as_configured_pass(number: int) -> None:
    """One alert, two: their own spread says nothing of what chance does to them."""
    draw, passed = np.random.default_rng(number), 0
    for _ in range(400):
        history = calm(10, 60, fires(np.arange(1, number + 1), draw.integers(0, 100, number), np.ones(number)))
        far = history.island.road_km[history.ignition[1]]
        lag = 1.0 + draw.poisson(ALERTS.lag_days - 1 + ALERTS.lag_days_per_road_km * far)
        passed += next(c.ok for c in alerts.judged(history, ALERTS, lag, history.fires.number) if c.id == "18/lag")
    assert passed >= 397  # 1 in 1,000 may fail


@pytest.mark.parametrize(
    ("fails", "wrong"),
    [
        ("18/lag", {"lag_days": 3.5}),
        ("18/misses", {"missed_share": 0.8}),
        ("18/small-missed", {"missed_share": 0.0}),
        ("18/false", {"false": 60}),
    ],
)
def test_alerts_that_are_not_as_configured_fail(fails: str, wrong: dict[str, float]) -> None:
    assert fails in failing(alarmed(**wrong))  # type: ignore[arg-type]


# Posts.


def test_words_are_small_without_punctuation_and_links_are_one() -> None:
    texts = pa.array(["Fire, FIRE! https://t.co/ab1 #Smoke @al_ba", "", "don't—go", "..."])
    found = posts.words(texts)
    told = [found.vocabulary[i].as_py() for i in found.word.tolist()]
    assert told == ["fire", "fire", "#link", "#smoke", "@al_ba", "don't", "go"]
    assert found.text.tolist() == [0, 0, 0, 0, 0, 2, 2]


def test_number_shapes_keep_how_a_number_is_written() -> None:
    found = posts.number_shapes(pa.array(["at 10:35, 40% of 1,200 ha", "none"]))
    assert [found.vocabulary[i].as_py() for i in found.word.tolist()] == ["99:99,", "99%", "9,999"]


def written(number: int, about: np.ndarray, draw: np.random.Generator) -> pa.Array:
    """Return posts of six words, of which those about fire share most with the others."""
    common = [f"word{i}" for i in range(200)]
    special = np.array(["flames", "evacuate", "smoke"])
    picks = draw.integers(0, 200, (number, 6))
    extra = np.where(about & (draw.random(number) < 0.8), special[draw.integers(0, 3, number)], "")
    extra = np.where(~about & (draw.random(number) < 0.05), "smoke", extra)
    return pa.array(
        [" ".join([*(common[i] for i in row), word]) for row, word in zip(picks.tolist(), extra, strict=True)]
    )


def test_a_classifier_learns_the_words_of_fires_and_keeps_its_alarm_rare() -> None:
    draw = np.random.default_rng(8)
    about = draw.random(6_000) < 0.2
    texts = written(6_000, about, draw)
    used = np.arange(6_000) < 4_000
    found = posts.words(texts)
    classifier = posts.trained(found, about, used)
    score = classifier.scores(found, 6_000)
    assert posts.told_apart(score[~used], about[~used]).ok
    assert np.mean(score[used & ~about] > classifier.alarm) == pytest.approx(0.01, abs=0.005)
    later = classifier.scores(posts.words(texts.slice(4_000)), 2_000)  # words are known by themselves, not by number
    assert later == pytest.approx(score[4_000:])


def made_posts(leaking: str) -> tuple[Posts, np.ndarray, np.ndarray]:
    """Return posts of 40 days, their days, and which are about a fire; one feature gives those away."""
    draw = np.random.default_rng(9)
    number = 8_000
    day = np.sort(draw.integers(0, 40, number))
    about = draw.random(number) < 0.3 * (1 + day % 3) / 3  # some days have more: that alone is no leak
    gives = about & (draw.random(number) < 0.3)
    author = np.where(gives & (leaking == "author"), "firewatch", [f"u{i}" for i in draw.integers(0, 900, number)])
    minute = np.where(gives & (leaking == "hour"), 125, draw.integers(0, 1440, number))
    text = np.array(
        [f"{'x' * n} {k}" for n, k in zip(draw.integers(40, 90, number), draw.integers(1, 99, number), strict=True)]
    )
    text = np.where(gives & (leaking == "length"), "x" * 95 + " 5", text)
    text = np.where(gives & (leaking == "numbers"), np.char.add(text, ".000"), text)
    identifier = np.arange(number) * 10
    identifier = np.where(gives & (leaking == "id"), identifier + 7, identifier + draw.integers(0, 10, number))
    return Posts(np.arange(number), pa.array(text), identifier, pa.array(author), minute), day, about


@pytest.mark.parametrize("leaking", ["nothing", "author", "hour", "length", "numbers", "id"])
def test_what_gives_posts_away_without_their_words_is_found(leaking: str) -> None:
    some, day, about = made_posts(leaking)
    assert posts.leak(some, day, about, day < 30).ok == (leaking == "nothing")


def test_a_burst_and_its_half_life_are_found_again() -> None:
    escape = np.arange(60, 1_000, 60)
    history = calm(20, 1_100, fires(escape, escape % 400, np.full(len(escape), 300.0)))
    daily = np.full(1_100, 20)
    for day in escape:
        daily[day - 1 : day + 9] += np.round(180 * 0.5 ** np.arange(10)).astype(int)
    burst, half = posts.burst(history, daily)
    assert burst.value == pytest.approx(10, rel=0.02)
    assert half.value == pytest.approx(1, abs=0.05)
    assert all(np.isnan(check.value) for check in posts.burst(calm(20, 1_000), daily[:1_000]))


def test_texts_of_one_phrase_are_not_diverse() -> None:
    found = posts.diversity(pa.array(["the hills are on fire again"] * 5_000))
    assert {"20/distinct-2", "20/unique"} <= failing(found)


# What can be foreseen.


def test_a_sample_has_every_fire_and_is_the_same_for_cells_and_days_whenever_the_history_ends() -> None:
    draw = np.random.default_rng(11)
    burned = fires(draw.integers(1, 201, 80), draw.integers(0, 81, 80), np.ones(80))
    history = calm(9, 200, burned)
    at = ignition.sample(history, 0.1)
    assert at.fire.sum() == len(np.unique(burned.day * 81 + burned.cell))
    assert np.all(np.diff(at.keys) > 0)
    others = at.keys[~at.fire]
    shorter = ignition.sample(history.until(150), 0.1)
    assert shorter.keys.tolist() == at.keys[at.keys < 150 * 81].tolist()
    assert len(others) == pytest.approx(0.1 * 200 * 81, rel=0.1)


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 80), st.integers(-9, 9)), max_size=30),
    st.sets(st.integers(0, 3 * 81 - 1), min_size=1, max_size=20),
)
def test_what_posts_say_of_a_cell_is_what_a_brute_force_counts(
    rows: list[tuple[int, int, int]], chosen: set[int]
) -> None:
    day, cell, score = (
        (np.array(c, np.int64) for c in zip(*rows, strict=True)) if rows else (np.zeros(0, np.int64),) * 3
    )
    keys = np.array(sorted(chosen))
    at = CellDays(keys // 81, keys % 81, np.zeros(len(keys), bool), keys)
    found = ignition.post_features(day, cell, score.astype(float), 4.0, at, SMALL)
    mask = ignition.near(Rows(day, cell, np.zeros(len(day))), at, SMALL)
    seen = np.zeros(len(day), bool)
    for row, (d, c) in zip(found, zip(at.day, at.place, strict=True), strict=True):
        far = np.where(day == d, np.maximum(abs(cell // 9 - c // 9), abs(cell % 9 - c % 9)), 99)
        own, loud = score[far == 0], score > 4
        rings = [np.sum((far == ring) & loud) for ring in range(3)]
        assert row == pytest.approx([np.log1p(len(own)), own.max(initial=-20), *np.log1p(rings)])
        seen |= far <= 2
    assert mask.tolist() == seen.tolist()


def test_baselines_find_what_was_put_into_the_signals() -> None:
    draw = np.random.default_rng(12)
    number = 6_000
    fire = draw.random(number) < 0.1
    at = CellDays(np.sort(draw.integers(0, 700, number)), np.zeros(number, np.int64), fire, np.arange(number))

    def hint(strength: float, columns: int) -> np.ndarray:
        return draw.normal(size=(number, columns)) + strength * fire[:, None] * (np.arange(columns) == 0)

    signals = ignition.Signals(at, hint(0.6, 2), hint(1.2, 5), hint(1.2, 3), hint(0.3, 6))
    found = {check.id: check for check in ignition.checks(signals, 500)}
    assert not failing(list(found.values()))
    assert found["21/fused"].value > max(found["21/temperature"].value, found["21/posts"].value)
    assert ignition.held_out(signals, 500, signals).ok
    blind = replace(signals, warmth=hint(0, 2), posts=hint(0, 5))
    assert not ignition.held_out(signals, 500, blind).ok


# What alerts are worth as labels.


def test_alerts_are_labels_by_their_own_day_and_cell_once_they_have_come() -> None:
    burned = fires(np.array([5, 9]), np.array([3, 7]), np.ones(2))
    told = labels.Told(np.array([4, 6, 8]), np.array([3, 50, 7]), np.array([7, 9, 12]))  # one false, one too late
    at = labels.sample(calm(9, 20, burned), told, 10)
    assert list(zip(at.day[at.fire], at.place[at.fire], strict=True)) == [(4, 3), (6, 50)]
    assert at.day.max(initial=0) < 10


@given(
    st.lists(st.tuples(st.integers(0, 80), st.integers(0, 8)), max_size=20),
    st.lists(st.tuples(st.integers(0, 80), st.integers(0, 8)), min_size=1, max_size=9),
)
def test_an_alert_is_known_from_the_day_after_it_came_and_for_thirty_days(
    told: list[tuple[int, int]], asked: list[tuple[int, int]]
) -> None:
    came, place = (np.array([pair[n] for pair in told], np.int64) for n in (0, 1))
    day, cell = np.array(asked).T
    at = CellDays(day, cell, np.zeros(len(day), bool), np.arange(len(day)))
    expected = [any(d - 30 <= c < d and q == p for c, q in told) for d, p in asked]
    assert labels.lately(labels.Told(came - 3, place, came), at).tolist() == expected


def test_labels_that_tell_little_of_the_truth_teach_little() -> None:
    draw = np.random.default_rng(13)
    number = 4_000
    day, fire = np.sort(draw.integers(0, 400, number)), draw.random(number) < 0.1

    def signals(said: np.ndarray) -> ignition.Signals:
        at = CellDays(day, np.zeros(number, np.int64), said, np.arange(number))
        draw = np.random.default_rng(14)
        warmth, other = (draw.normal(size=(number, 2)) + 1.2 * fire[:, None] for _ in range(2))
        return ignition.Signals(at, warmth, other, other, other)

    none = labels.Told(*(np.zeros(0, np.int64),) * 3)
    scores = [
        labels.judged(none, signals(said), signals(fire), 200)[0].value
        for said in (fire, fire & (draw.random(number) < 0.5), draw.permutation(fire))
    ]
    assert scores[0] - 0.02 < scores[1] < scores[0] + 0.02 < 1
    assert scores[2] < scores[0] - 0.05
    assert labels.judged(none, signals(fire), signals(fire), 200)[1].value == 0.5


def test_who_has_only_alerts_is_scored_without_a_look_at_what_posts_are_about(tmp_path: Path) -> None:
    settings = small_island(calendar={"holdout_days": 0})
    dataset = simulated(tmp_path / "dataset", settings)
    history = recorded(dataset, settings, relief.make(settings.terrain, settings.grid, Seeds(settings.seed)))
    warmth, rows = network.warmth(history, network.read(dataset, history)), posts.read_rows(dataset, history)
    found = labels.checks(dataset, history, warmth, rows, 30)
    assert [check.id for check in found] == ["21/alert-labels", "21/alert-known"]
    assert all(0 <= check.value <= 1 and check.ok for check in found)
    assert labels.checks(dataset, history, warmth, replace(rows, fire=np.zeros_like(rows.fire)), 30) == found


# What runs the code.


def test_fire_danger_and_the_weathers_matrices_are_those_of_their_sources() -> None:
    assert not failing(again.equations())


def test_all_24_numbers_are_there_even_of_forty_days_and_the_same_days_come_out_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(annual, "ensemble", lambda: None)
    settings = registry.with_days(registry.read(scenario_files.find("island")), 40)
    shorter = msgspec.structs.replace(settings.calendar, holdout_days=20)
    dataset = simulated(tmp_path / "dataset", msgspec.structs.replace(settings, calendar=shorter), block_days=16)
    found = island(dataset)
    assert {int(check.id.partition("/")[0]) for check in found} == set(range(1, 25))
    assert len({check.id for check in found}) == len(found)
    assert [check.id for check in found] == sorted((c.id for c in found), key=lambda i: int(i.partition("/")[0]))
    assert all(check.ok for check in found if check.id.startswith(("1/", "2/", "24/", "16/missing")))
    shutil.rmtree(tmp_path / "dataset" / "private")
    with pytest.raises(ConfigError, match="without its private part"):
        island(dataset)


def test_a_phrase_table_of_ones_own_is_looked_for_in_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, elsewhere = tmp_path / "own", tmp_path / "elsewhere"
    own.mkdir()
    elsewhere.mkdir()
    shutil.copy(config.folder() / "phrases" / "island-en.toml", own / "mine.toml")
    shutil.copy(scenario_files.find("island"), own / "scenario.toml")
    settings = small_island(calendar={"days": 3, "holdout_days": 0}, tweets={"phrases": "mine.toml"})
    with ThreadPoolExecutor(1) as executor:
        simulate(settings, own / "scenario.toml", tmp_path / "dataset", executor)
    dataset = store.open_dataset(str(tmp_path / "dataset"))
    monkeypatch.chdir(own)
    assert not failing(again.repeated(dataset, settings))
    monkeypatch.chdir(elsewhere)
    with pytest.raises(ConfigError, match=r"`mine\.toml` is not here.* in the folder that it is in"):
        again.repeated(dataset, settings)


def test_a_changed_post_is_found_by_simulating_its_day_again(tmp_path: Path) -> None:
    settings = registry.with_days(registry.read(scenario_files.find("island")), 12)
    calendar = msgspec.structs.replace(settings.calendar, holdout_days=0)
    settings = msgspec.structs.replace(settings, calendar=calendar)
    dataset = simulated(tmp_path / "dataset", settings, block_days=5)
    assert not failing(again.repeated(dataset, settings))

    def shouted(rows: pa.Table) -> pa.Table:
        return rows.set_column(3, rows.schema.field(3), pc.utf8_upper(rows["tweet"]))

    rewrite(tmp_path / "dataset", "tweets", 1, shouted)
    changed = store.open_dataset(str(tmp_path / "dataset"))
    assert [check.value for check in again.repeated(changed, settings)] == [1, 1]


def test_an_island_of_few_days_can_be_checked(tmp_path: Path) -> None:
    for days in (1, 2):
        calendar = {"days": days, "holdout_days": 1}
        few = small_island(calendar=calendar, fires={"human_per_100km2": 0.0, "lightning_per_100km2": 0.0})
        found = island(simulated(tmp_path / str(days), few))
        assert {int(check.id.partition("/")[0]) for check in found} == set(range(1, 25))
