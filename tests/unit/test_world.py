from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from making import history, tiny, years

from zakar.models.classic import world
from zakar.models.classic.settings import ClassicScenario
from zakar.seeds import Seeds

SEEDS = st.integers(0, 2**32)


def hot(seed: int, **fires: Any) -> ClassicScenario:
    """A small island that burns much, in short years."""
    return tiny(
        seed=seed,
        calendar={"days": 200, "days_per_year": 40},
        weather={"mean_f": 95.0, "amplitude_f": 5.0},
        tweets={"cells_per_day": 20.0},
        fires={
            "burnable_cells": 12,
            "season_first": 1,
            "season_last": 40,
            "fires_per_day": [4.0] * 7,
            "most_per_day": 5,
            "rest_days": 4,
        }
        | fires,
    )


@given(SEEDS, st.integers(1, 40), st.integers(0, 39))
@settings(max_examples=25)
def test_fires_burn_only_in_season(seed: int, first: int, length: int) -> None:
    scenario = hot(seed, season_first=first, season_last=min(40, first + length))
    day_of_year = (history(scenario).fires.day - 1) % 40 + 1
    assert np.all((day_of_year >= first) & (day_of_year <= min(40, first + length)))


@given(SEEDS)
@settings(max_examples=25)
def test_fires_burn_only_in_burnable_cells(seed: int) -> None:
    scenario = hot(seed)
    burnable = world.make(scenario, Seeds(seed)).burnable
    assert len(np.unique(burnable)) == 12
    assert np.all((burnable >= 0) & (burnable < 100))
    assert set(history(scenario).fires.cell.tolist()) <= set(burnable.tolist())


@given(SEEDS, st.integers(0, 45))
@settings(max_examples=25)
def test_a_cell_rests_after_a_fire_also_across_a_new_year(seed: int, rest_days: int) -> None:
    fires = history(hot(seed, rest_days=rest_days)).fires
    by_cell = np.lexsort((fires.day, fires.cell))
    gaps = np.diff(fires.day[by_cell])[np.diff(fires.cell[by_cell]) == 0]
    assert len(gaps) > 0
    assert gaps.min() > rest_days


@given(SEEDS, st.integers(1, 6))
@settings(max_examples=25)
def test_no_day_has_more_fires_than_the_most(seed: int, most: int) -> None:
    fires = history(hot(seed, most_per_day=most, rest_days=0)).fires
    assert np.bincount(fires.day).max() == most


@given(SEEDS)
@settings(max_examples=25)
def test_fires_are_in_day_and_cell_order_and_never_twice(seed: int) -> None:
    fires = history(hot(seed)).fires
    assert np.all(np.diff(fires.day * 100 + fires.cell) > 0)


def test_nothing_burns_where_the_rate_is_zero() -> None:
    assert len(history(hot(1, fires_per_day=[0.0] * 7)).fires.day) == 0


def test_fires_a_day_follow_the_rate() -> None:
    scenario = hot(3, burnable_cells=100, fires_per_day=[2.0] * 7, most_per_day=50, rest_days=0)
    assert len(history(scenario).fires.day) / 200 == pytest.approx(2.0, abs=0.4)  # four standard errors


@given(SEEDS, st.integers(1, 120))
@settings(max_examples=25)
def test_days_run_without_a_gap_to_the_last(seed: int, days: int) -> None:
    season = {"season_first": 1, "season_last": 17}
    scenario = tiny(seed=seed, calendar={"days": days, "days_per_year": 17}, fires=season)
    assert history(scenario).days.tolist() == list(range(1, days + 1))


@given(SEEDS, st.integers(1, 119))
@settings(max_examples=25)
def test_a_shorter_calendar_is_the_beginning_of_a_longer_one(seed: int, days: int) -> None:
    short, long = history(tiny(seed=seed, calendar={"days": days})), history(tiny(seed=seed))
    assert np.array_equal(short.means_f, long.means_f[:days])
    assert np.array_equal(short.fires.cell, long.fires.between(1, days).cell)


def test_the_island_is_warmest_a_quarter_into_the_year() -> None:
    means = history(tiny(calendar={"days": 365}, weather={"residual_sd_f": 0.0})).means_f
    assert abs(int(means.argmax()) + 1 - 91) <= 1
    assert means.max() == pytest.approx(101.2, abs=0.01)
    assert means.min() == pytest.approx(-0.8, abs=0.01)


@given(SEEDS, st.data())
@settings(max_examples=25)
def test_a_cut_holds_its_days_and_the_fires_that_echo_in_them(seed: int, data: st.DataObject) -> None:
    scenario = hot(seed)
    whole, echo = history(scenario), world.echo_days(scenario)
    truth = data.draw(st.sampled_from(years(scenario)))
    first = data.draw(st.integers(int(truth.days[0]), int(truth.days[-1])))
    last = data.draw(st.integers(first, int(truth.days[-1])))
    run = truth.cut(first, last, echo)
    assert run.days.tolist() == list(range(first, last + 1))
    assert np.array_equal(run.means_f, whole.means_f[first - 1 : last])
    expected = whole.fires.between(first - echo, last)
    assert np.array_equal(run.fires.day, expected.day)
    assert np.array_equal(run.fires.cell, expected.cell)
