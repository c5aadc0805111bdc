from dataclasses import fields
from datetime import date
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from zakar.models import registry, scenario_files
from zakar.models.island import terrain as island
from zakar.models.island import year
from zakar.models.island.settings import DatedCalendar, IslandScenario
from zakar.models.island.terrain import Island
from zakar.models.island.year import Truth
from zakar.models.shared.settings import Grid
from zakar.seeds import Seeds

SEEDS = Seeds(3)


def small(days: int = 500) -> IslandScenario:
    """A small island from July on, so that a new year comes and fires burn on either side of it."""
    whole = registry.read(scenario_files.find("island"))
    assert isinstance(whole, IslandScenario)
    return replace(
        whole,
        grid=Grid(width=16, height=16),
        calendar=DatedCalendar(first_date=date(2016, 7, 1), days=days, holdout_days=0),
        terrain=replace(whole.terrain, settlements=4),
        fires=replace(whole.fires, human_per_100km2=300.0, escape_share=0.05),
    )


def runs(settings: IslandScenario, seeds: Seeds = SEEDS) -> tuple[Island, list[Truth]]:
    land = island.make(settings.terrain, settings.grid, seeds)
    state, found = year.start(settings, land, seeds), []
    for first, last in settings.calendar.runs():
        truth, state = year.advance(settings, land, seeds, first, last, state)
        found.append(truth)
    return land, found


def columns(table: Any) -> list[np.ndarray]:
    return [getattr(table, column.name) for column in fields(table)]


def same(one: Any, other: Any) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(columns(one), columns(other), strict=True))


def test_a_year_has_weather_danger_fires_and_what_echoes_of_the_last() -> None:
    land, (first, second) = runs(small())
    for truth in (first, second):
        for daily in (truth.weather.tmax_c, truth.danger.fwi):
            assert daily.shape == (len(truth.days), len(land.land))
    assert second.days[0] == first.days[-1] + 1
    assert same(second.fires.burning(1, first.days[-1]), first.fires.burning(second.days[0] - year.ECHO_DAYS, 999))
    assert same(
        second.burned_cells.between(1, first.days[-1]),
        first.burned_cells.between(second.days[0] - year.ECHO_DAYS, first.days[-1]),
    )
    assert (second.fires.day >= second.days[0]).any()


def test_a_cut_has_its_days_and_what_burned_on_them_or_shortly_before() -> None:
    _, (truth, _) = runs(small())
    cut = truth.cut(40, 60, echo=5)
    assert np.array_equal(cut.days, np.arange(40, 61))
    assert np.array_equal(cut.weather.rain_mm, truth.weather.rain_mm[39:60])
    assert np.array_equal(cut.weather.wet, truth.weather.wet[39:60])
    assert np.array_equal(cut.danger.dc, truth.danger.dc[39:60])
    assert same(cut.fires, truth.fires.burning(35, 60))
    assert same(cut.burned_cells, truth.burned_cells.between(35, 60))
    assert set(cut.burned_cells.fire.tolist()) <= set(cut.fires.number.tolist())
    with pytest.raises(ValueError, match="61 days"):
        truth.cut(40, 60, echo=61)


def test_a_calendar_cut_short_has_the_same_days_and_fires() -> None:
    _, (whole, _) = runs(small())
    _, (short,) = runs(small(days=100))
    assert np.array_equal(short.weather.tmax_c, whole.weather.tmax_c[:100])
    assert np.array_equal(short.danger.fwi, whole.danger.fwi[:100])
    assert same(short.burned_cells, whole.burned_cells.between(1, 100))
    assert np.array_equal(short.fires.number, whole.fires.between(1, 100).number)


def test_days_that_are_held_out_burn_by_the_secret_root_alone() -> None:
    one, other = (runs(small(), Seeds(3, secret=secret, last_public=184))[1] for secret in (1, 2))
    public = runs(small(), Seeds(3))[1]
    assert same(one[0].fires, public[0].fires)
    assert same(one[0].fires, other[0].fires)
    held_out = [runs_of[1].fires.between(185, 500) for runs_of in (one, other, public)]
    assert not same(held_out[0], held_out[1])
    assert not same(held_out[0], held_out[2])
