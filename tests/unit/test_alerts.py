"""The slow official system: how late it is, what it misses, what it makes up."""

from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from making import sketched

from zakar.models.island import alerts
from zakar.models.island.fire import Fires
from zakar.models.island.settings import SlowAlerts
from zakar.models.island.terrain import Island
from zakar.seeds import Seeds

USUAL: dict[str, Any] = {
    "lag_days": 2.9,
    "lag_days_per_road_km": 0.35,
    "missed_share": 0.4,
    "missed_half_ha": 3.0,
    "escaped_missed_share": 0.0,
    "false_per_day": 0.04,
}
EVERY = {"missed_share": 0.0, "false_per_day": 0.0}
SEEDS = st.integers(0, 2**32)


def settings(**changes: Any) -> SlowAlerts:
    return msgspec.convert(USUAL | changes, SlowAlerts)


def island() -> Island:
    """Return 20 x 20 cells of which those with an odd number are land, ever farther from the road."""
    odd = np.arange(400) % 2 == 1
    return sketched(odd.reshape(20, 20), road_km=np.linspace(0, 6, odd.sum()).astype(np.float32))


LAND = island()


def fires(seed: int, days: int, a_day: float = 0.5) -> Fires:
    """Return fires of every size up to a cell's, one in ten escaped, some of them in the same cell on a day."""
    draw = np.random.default_rng(seed)
    number = draw.poisson(a_day, days)
    day = np.repeat(np.arange(1, days + 1), number)
    cell = draw.choice(LAND.land[::4], len(day))
    order = np.lexsort((cell, day))
    day, cell = day[order], cell[order]
    within = np.concatenate([np.arange(n) for n in number]) if len(day) else day
    escaped = draw.random(len(day)) < 0.1
    area = np.where(escaped, 700, 0.01 * 10 ** draw.uniform(0, 4, len(day))).astype(np.float32)
    return Fires(day * 1000 + within + 1, day, cell, draw.random(len(day)) < 0.9, escaped, area, day + escaped * 3)


def told(chosen: SlowAlerts, these: Fires, seed: int, first: int, last: int) -> dict[str, np.ndarray]:
    return alerts.slow(chosen, LAND, these, Seeds(seed), np.arange(first, last + 1))


def same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[key], other[key]) for key in one)


@given(SEEDS, st.integers(1, 59))
@hypothesis_settings(max_examples=20, deadline=None)
def test_how_days_are_cut_into_blocks_changes_nothing(seed: int, cut: int) -> None:
    these, chosen = fires(seed, 60), settings(false_per_day=1.0)
    parts = [told(chosen, these, seed, 1, cut), told(chosen, these, seed, cut + 1, 60)]
    joined = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    assert same(told(chosen, these, seed, 1, 60), joined)


@given(SEEDS)
@hypothesis_settings(max_examples=20, deadline=None)
def test_what_becomes_of_a_fire_later_changes_no_alert(seed: int) -> None:
    these = fires(seed, 60)
    grown = replace(these, area_ha=np.where(these.escaped, 9000, these.area_ha), last_day=these.last_day + 9)
    assert same(told(settings(), these, seed, 1, 60), told(settings(), grown, seed, 1, 60))


@given(SEEDS)
@hypothesis_settings(max_examples=20, deadline=None)
def test_alerts_come_in_order_one_a_day_and_cell_at_least_a_day_late(seed: int) -> None:
    found = told(settings(false_per_day=3.0, missed_share=0.0), fires(seed, 60, 3.0), seed, 1, 60)
    assert np.all(np.diff(found["event_day"] * 400 + found["cell"]) > 0)
    assert np.all(found["notification_day"] > found["event_day"])
    assert np.all(np.isin(found["cell"], LAND.land))


@given(SEEDS)
@hypothesis_settings(max_examples=20, deadline=None)
def test_an_alert_names_a_fire_of_its_day_and_cell_or_none_burns_there(seed: int) -> None:
    these = fires(seed, 60, 3.0)
    found = told(settings(false_per_day=3.0), these, seed, 1, 60)
    place = {number: (day, cell) for number, day, cell in zip(these.number, these.day, these.cell, strict=True)}
    for day, cell, fire in zip(found["event_day"], found["cell"], found["fire"], strict=True):
        assert place[fire] == (day, cell) if fire else (day, cell) not in place.values()


def test_every_fire_is_told_of_where_none_is_missed() -> None:
    these = fires(1, 300)
    found = told(settings(**EVERY), these, 1, 1, 300)
    assert np.array_equal(found["event_day"] * 400 + found["cell"], np.unique(these.day * 400 + these.cell))


def test_misses_rise_as_size_falls_as_configured_and_no_escaped_fire_is_missed() -> None:
    these = fires(2, 1000, 8)
    alone = np.diff(these.day * 400 + these.cell, prepend=-1, append=-1) != 0
    alone = alone[:-1] & alone[1:]
    missed = ~np.isin(these.number, told(settings(), these, 2, 1, 1000)["fire"])
    assert not missed[these.escaped & alone].any()
    for low, high in ((0.01, 0.1), (0.1, 1), (1, 10), (10, 100)):
        some = alone & ~these.escaped & (these.area_ha >= low) & (these.area_ha < high)
        expected = 0.4 / (1 + these.area_ha[some] / 3)
        assert missed[some].mean() == pytest.approx(expected.mean(), abs=0.03)


def test_alerts_are_as_late_as_configured_and_later_where_remote() -> None:
    found = told(settings(**EVERY), fires(3, 1000, 5), 3, 1, 1000)
    lag = found["notification_day"] - found["event_day"]
    far_km = LAND.road_km[np.searchsorted(LAND.land, found["cell"])]
    slope, beside = np.polyfit(far_km, lag, 1)
    assert beside == pytest.approx(2.9, abs=0.15)
    assert slope == pytest.approx(0.35, abs=0.05)


def test_false_alarms_come_at_their_rate() -> None:
    found = told(settings(false_per_day=2.0), fires(4, 0), 4, 1, 1000)
    assert len(found["cell"]) == pytest.approx(2000, abs=200)
    assert not found["fire"].any()
    assert len(np.unique(found["cell"])) > 190


def test_days_without_fires_and_alarms_give_no_alert() -> None:
    found = told(settings(**EVERY), fires(5, 0), 5, 1, 30)
    assert [len(values) for values in found.values()] == [0, 0, 0, 0]


def test_held_out_days_draw_from_the_secret_and_released_ones_do_not() -> None:
    these, chosen = fires(6, 400), settings()
    days = np.arange(1, 401)
    one, other = (alerts.slow(chosen, LAND, these, Seeds(6, secret, 200), days) for secret in (2**200, 2**201))
    public = alerts.slow(chosen, LAND, these, Seeds(6), np.arange(1, 201))
    until = int(np.searchsorted(one["event_day"], 201))
    for found in (one, other):
        assert same({key: values[:until] for key, values in found.items()}, public)
    assert not same(one, other)


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"lag_days": 0.5}, "lag_days"),
        ({"lag_days_per_road_km": -1.0}, "lag_days_per_road_km"),
        ({"missed_share": 1.5}, "missed_share"),
        ({"missed_half_ha": 0.0}, "missed_half_ha"),
        ({"false_per_day": -0.1}, "false_per_day"),
    ],
)
def test_settings_that_cannot_be_are_refused_by_name(changes: dict[str, Any], key: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=key):
        settings(**changes)
