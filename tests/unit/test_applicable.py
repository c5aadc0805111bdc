"""Checks that belong to the settings of a shipped scenario, and those that any island must pass."""

import datetime
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from making import edit_manifest, simulated, small_island, tiny
from scipy.stats import poisson

from zakar import config
from zakar.checks import applicable, statistics
from zakar.checks import classic as realism
from zakar.checks import registry as suites
from zakar.checks import results as record
from zakar.checks.check import Check
from zakar.checks.island import alerts, posts
from zakar.checks.island import suite as island
from zakar.checks.island.history import recorded
from zakar.dataset import store
from zakar.dataset.store import Dataset
from zakar.models import registry, scenario_files
from zakar.models.island import terrain as world
from zakar.models.shared import phrase_files
from zakar.models.shared.settings import Scenario
from zakar.report.page import report
from zakar.seeds import Seeds
from zakar.simulation.description import published_settings

NAN = float("nan")

# A small maritime island of the south, on which hardly anything is as on the shipped one.
SAINT_MARY = {
    "calendar": {"first_date": datetime.date(2031, 7, 1), "days": 200, "holdout_days": 40},
    "terrain": {"latitude": -52.0},
    "climate": {"mean_c": 9.0, "amplitude_k": 4.0},
    "tweets": {"per_day": 100},
}


def named(settings: Scenario, name: str, checks: str) -> Any:
    return msgspec.structs.replace(settings, name=name, checks=checks)


@pytest.fixture(scope="module")
def saint_mary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("saint-mary") / "dataset"
    simulated(out, named(small_island(**SAINT_MARY), "saint-mary", "island"))
    return out


@pytest.fixture
def folder(saint_mary: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saint_mary, tmp_path / "dataset"))


def checked(folder: Path, code: int = 0) -> dict[str, Any]:
    """What `zakar check --json` says of a dataset: checks by id, and what is said in all."""
    command = [sys.executable, "-m", "zakar", "check", str(folder), "--json"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == code, done.stderr
    said = json.loads(done.stdout)
    return {"ok": said["ok"], **{row["id"]: row for row in said["checks"]}}


def described_as(dataset: Dataset, values: dict[str, Any], phrase_table: str) -> Dataset:
    """The same dataset with other settings in its manifest, and the digest of a phrase table."""
    digest = phrase_files.digest(phrase_files.find(phrase_table))
    return Dataset(
        dataset.filesystem,
        dataset.root,
        msgspec.structs.replace(dataset.manifest, scenario=values, phrases=digest),
    )


def shipped(dataset: Dataset, name: str, change: Callable[[dict[str, Any]], object] = lambda _: None) -> Dataset:
    """The same dataset with the settings of a shipped scenario, changed."""
    settings = registry.read(scenario_files.find(name))
    values = json.loads(msgspec.json.encode(published_settings(settings)))
    change(values)
    return described_as(dataset, values, settings.tweets.phrases)


def figures(value: float = 0.0) -> list[Check]:
    return [
        Check("weather", "", value, 1, 2, "", ("grid", "terrain", "climate")),
        Check("posts", "", value, 1, 2, "", ("tweets", "calendar.days")),
        Check("any", "", value, 1, 2, ""),
    ]


# Which settings are others.


def test_the_shipped_settings_are_no_others_whatever_the_seed_and_what_is_said_of_the_data(saint_mary: Path) -> None:
    dataset = store.open_dataset(str(saint_mary))

    def change(values: dict[str, Any]) -> None:
        values |= {"seed": 7, "name": "mine", "title": "Mine", "description": "Mine"}
        values["about"] |= {"creator": "me", "licence": "MIT"}

    for name in ("island", "classic"):
        assert applicable.other_settings(shipped(dataset, name, change), name) == []


def test_only_posts_changed_leaves_the_climate_judged(saint_mary: Path) -> None:
    dataset = shipped(store.open_dataset(str(saint_mary)), "island", lambda v: v["tweets"].update(per_day=400.0))
    assert applicable.other_settings(dataset, "island") == ["tweets.per_day"]
    found = {check.id: check for check in applicable.judged(dataset, "island", figures())}
    assert [(c.applies, c.ok) for c in found.values()] == [(True, False), (False, True), (True, False)]
    assert found["posts"].why == "found for island.toml; other here: tweets.per_day"


def test_a_phrase_table_is_another_if_its_words_are_and_not_if_its_name_is(saint_mary: Path) -> None:
    renamed = shipped(store.open_dataset(str(saint_mary)), "island", lambda v: v["tweets"].update(phrases="copy.toml"))
    assert applicable.other_settings(renamed, "island") == []
    other = described_as(renamed, renamed.manifest.scenario, "en")
    assert applicable.other_settings(other, "island") == ["tweets.phrases"]


KEYS = [
    (section, key, value)
    for section, keys in published_settings(registry.read(scenario_files.find("island"))).items()
    if isinstance(keys, dict) and section not in {"about", "calendar"}
    for key, value in keys.items()
    if isinstance(value, float) and key not in {"land_share", "latitude"}
]


@given(st.sampled_from(KEYS))
def test_a_check_applies_unless_a_setting_that_it_names_is_another(
    saint_mary: Path, chosen: tuple[str, str, float]
) -> None:
    section, key, value = chosen
    dataset = shipped(
        store.open_dataset(str(saint_mary)),
        "island",
        lambda v: v[section].update({key: value + 0.001 * (value < 0.5) - 0.001 * (value >= 0.5)}),
    )
    for check in applicable.judged(dataset, "island", figures(1.5)):
        assert check.applies == (section not in check.settings)
        assert check.applies or f"{section}.{key}" in check.why


def test_a_reason_names_six_settings_and_counts_the_others() -> None:
    others = [f"climate.{letter}" for letter in "abcdefgh"]
    why = applicable._why(figures()[0], others, "island.toml")
    assert why == f"found for island.toml; other here: {', '.join(others[:6])} and 2 more"


def test_nothing_measured_is_a_failure_of_the_shipped_settings_and_of_others_no_judgement(saint_mary: Path) -> None:
    dataset = store.open_dataset(str(saint_mary))
    same = applicable.judged(shipped(dataset, "island"), "island", figures(NAN))
    assert [check.ok for check in same] == [False] * 3
    longer = applicable.judged(
        shipped(dataset, "island", lambda v: v["calendar"].update(days=9)), "island", figures(NAN)
    )
    assert [check.why for check in longer] == [
        "too few days, fires, readings or posts to measure it",
        "found for island.toml; other here: calendar.days",
        "too few days, fires, readings or posts to measure it",
    ]


# What checks say that they depend on.


def test_every_setting_that_a_check_names_is_one(saint_mary: Path, pristine: Path) -> None:
    for folder, suite, name in ((saint_mary, island.checks, "island"), (pristine, realism.checks, "classic")):
        values = published_settings(registry.read(scenario_files.find(name)))
        known = {*values, *(f"{s}.{key}" for s, keys in values.items() if isinstance(keys, dict) for key in keys)}
        checks = suite(store.open_dataset(str(folder)))
        assert {path for check in checks for path in check.settings} <= known
        assert any(check.settings for check in checks)
    free = {check.id for check in island.checks(store.open_dataset(str(saint_mary))) if not check.settings}
    assert free == {
        *("1/fwi", "2/stationary-variance", "4/wet-transitions", "9/lognormal-ratio", "18/lag", "18/misses"),
        *("18/false", "21/alert-labels", "21/alert-known", "22/leak", "23/climate", "24/blocks-of-7"),
        "24/blocks-of-50",
    }


# A scenario of one's own, by command.


def test_another_climate_and_place_fails_nothing_and_says_why_each_figure_is_not_judged(folder: Path) -> None:
    said = checked(folder)
    assert said["ok"]
    for identifier in (
        "3/tmax-lag-1",
        "7/lapse-rate",
        "8/heat-wave",
        "12/annual-cv",
        "16/missing",
        "20/zipf",
        "21/fused",
    ):
        assert not said[identifier]["applies"]
        assert said[identifier]["why"].startswith("found for island.toml; other here: ")
    for identifier in ("content/fingerprint", "content/island_places", "1/fwi", "18/lag", "22/leak", "24/blocks-of-7"):
        assert (said[identifier]["applies"], said[identifier]["ok"], said[identifier]["why"]) == (True, True, "")
    assert "terrain.latitude" in said["7/lapse-rate"]["why"]
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert re.search(
        r"\| AUC of the day's temperature and posts, for .* \| 0\.\d{3} \| not judged of these settings \|", text
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "fails"),
    [
        (lambda v: v["scenario"]["alerts"].update(lag_days=9.0), "18/lag"),
        (lambda v: v["scenario"]["alerts"].update(false_per_day=3.0), "18/false"),
        (lambda v: v["scenario"]["climate"].update(wet_fraction=[0.9] * 12), "4/wet-transitions"),
        (lambda v: v["scenario"]["tweets"].update(typo_share=0.5), "24/blocks-of-7"),
    ],
)
def test_what_any_island_must_satisfy_still_fails(
    folder: Path, change: Callable[[dict[str, Any]], object], fails: str
) -> None:
    edit_manifest(folder, change)
    said = checked(folder, 1)
    assert not said["ok"]
    assert (said[fails]["applies"], said[fails]["ok"]) == (True, False)


def test_people_are_told_which_figures_do_not_apply_and_how_many(folder: Path) -> None:
    command = [sys.executable, "-m", "zakar", "check", str(folder)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=True)
    lines = done.stdout.splitlines()
    away = [line for line in lines if line.startswith("n/a ")]
    assert len(away) > 20
    assert all(
        "; not applicable: found for island.toml; other here: " in line or "too few days" in line for line in away
    )
    assert not any(line.startswith("NOT") for line in lines)
    judged = len(lines) - len(away)
    assert f"{judged} of {judged} figures are ok; {len(away)} do not apply to this dataset" in done.stderr


def test_without_checks_the_baselines_are_told_all_the_same(folder: Path) -> None:
    edit_manifest(folder, lambda values: values["scenario"].update(checks="none"))
    said = checked(folder)
    ids = [identifier for identifier in said if identifier.partition("/")[0] in {"21", "22"}]
    assert {"21/fused", "21/alert-labels", "22/words"} <= set(ids)
    assert {said[each]["why"] for each in ids} == {'the scenario asks for no checks (`checks = "none"`)'}
    assert set(said) - {"ok", *ids} == {identifier for identifier in said if identifier.startswith("content/")}
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert "## Baselines" in text
    assert "| AUC of naive Bayes on words" in text


def test_without_checks_and_the_private_part_the_content_is_compared_alone(folder: Path) -> None:
    edit_manifest(folder, lambda values: values["scenario"].update(checks="none"))
    shutil.rmtree(folder / "private")
    command = [sys.executable, "-m", "zakar", "check", str(folder)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=True)
    assert "only the content was compared: the baselines need the private part, which is not here" in done.stderr
    assert not (folder / "checks.json").exists()  # scores that were there would stay


def test_the_page_shows_what_does_not_apply_as_such_and_not_as_a_failure(folder: Path) -> None:
    dataset = store.open_dataset(str(folder))
    record.keep(dataset, suites.figures(dataset, "island"))
    html = report(dataset).html
    number = sum(not row["applies"] for row in json.loads((folder / "checks.json").read_bytes())["checks"])
    assert html.count('class="mark none"') == number > 20
    assert "✗ not" not in html
    assert html.count("Not applicable: found for island.toml; other here: ") > 20
    assert f"{number} figures are not judged, and each says why" in html


def test_results_of_a_check_before_this_are_still_shown(folder: Path) -> None:
    dataset = store.open_dataset(str(folder))
    record.keep(dataset, suites.figures(dataset, "island"))
    path = folder / "checks.json"
    values = json.loads(path.read_bytes())
    for row in values["checks"]:
        del row["applies"], row["why"], row["settings"]
    path.write_text(json.dumps(values), encoding="utf-8")
    assert 'class="mark none"' not in report(dataset).html


# The island of 2023 with other settings.


@pytest.mark.parametrize(
    "changes",
    [
        {"calendar": {"days": 1}},
        {"calendar": {"days": 30}},
        {"calendar": {"days": 400}, "weather": {"mean_f": 20.0}},
        {"calendar": {"days": 200}, "fires": {"fires_per_day": [0.0] * 7}},
        {"calendar": {"days": 90}, "alerts": {"lag_days": 7}, "tweets": {"per_day_mean": 50.0}},
    ],
)
def test_the_island_of_2023_with_other_settings_is_judged_by_what_applies(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    dataset = simulated(tmp_path / "dataset", named(tiny(**changes), "mine", "classic"))
    found = suites.figures(dataset, "classic")
    assert [check.id for check in found if not check.ok] == []
    applies = {check.id for check in found if check.applies}
    assert "tweets/order" in applies
    assert "volume/all" not in applies
    some = dataset.manifest.tables["fire_alerts"].rows > 0
    assert ("alerts/lag-least" in applies) == (some and "alerts" not in changes)
    record.keep(dataset, found)
    assert report(dataset).html.count("✗ not") == 0


# Figures of few data, or of much.


def test_false_alarms_of_a_small_island_are_expected_to_share_cells(tmp_path: Path) -> None:
    settings = small_island(calendar={"days": 200, "holdout_days": 0}, alerts={"false_per_day": 30.0})
    dataset = simulated(tmp_path / "dataset", settings)
    history = recorded(dataset, settings, world.make(settings.terrain, settings.grid, Seeds(settings.seed)))
    found = {check.id: check for check in alerts.checks(dataset, history, settings.alerts)}
    assert found["18/false"].value > 0.01
    assert dataset.manifest.tables["fire_alerts"].rows < 0.95 * 200 * 30


def test_a_lag_of_few_alerts_is_held_against_what_chance_does_to_few(saint_mary: Path) -> None:
    settings = small_island(**SAINT_MARY)
    dataset = store.open_dataset(str(saint_mary))
    history = recorded(dataset, settings, world.make(settings.terrain, settings.grid, Seeds(settings.seed)))
    some = np.arange(len(history.fires.number)) < 9
    expected = (
        settings.alerts.lag_days + settings.alerts.lag_days_per_road_km * history.island.road_km[history.ignition[1]]
    )
    late = np.tile([-1.0, 2.0, 1.0], 3)
    checks = alerts.judged(history, settings.alerts, (expected[some] + late), history.fires.number[some])
    lag = next(check for check in checks if check.id == "18/lag")
    mean = float((expected[some] - 1).sum())  # all lags together, less a day each, are a Poisson number
    least, most = round(mean + 9 * lag.low), round(mean + 9 * lag.high)
    assert poisson.cdf(most - 1, mean) < 0.9995 <= poisson.cdf(most, mean)
    assert poisson.cdf(least - 1, mean) < 0.0005 <= poisson.cdf(least, mean)
    assert lag.ok


def test_settings_of_the_configs_are_found_whatever_the_folder(
    saint_mary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert (config.folder() / "island.toml").is_file()
    assert "terrain.latitude" in applicable.other_settings(store.open_dataset(str(saint_mary)), "island")


@pytest.mark.parametrize(
    "changes",
    [
        {
            "grid": {"width": 8, "height": 9},
            "terrain": {"settlements": 1, "land_share": 0.2},
            "sensors": {"sensors_per_cell": 0.05},
        },
        {"tweets": {"per_day": 1.0, "accounts": 100, "lookalikes_per_day": 0.0}, "terrain": {"latitude": -33.0}},
        {"fires": {"human_per_100km2": 0.0, "lightning_per_100km2": 0.0}, "climate": {"wet_fraction": [0.0] * 12}},
    ],
)
def test_an_island_of_hardly_any_sensors_posts_or_fires_is_checked_and_shown(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    calendar = {"first_date": datetime.date(2020, 1, 1), "days": 120, "holdout_days": 20}
    settings = named(small_island(calendar=calendar, **changes), "sparse", "island")
    dataset = simulated(tmp_path / "dataset", settings)
    found = suites.figures(dataset, "island")
    assert [check.id for check in found if not check.ok] == []
    record.keep(dataset, found)
    assert "✗ not" not in report(dataset).html


def test_the_error_of_chance_is_that_of_both_kinds_of_post() -> None:
    draw = np.random.default_rng(3)
    positive = np.arange(60) < 12
    scores = draw.random((4_000, 60))
    seen = np.std([statistics.auc(row, positive) for row in scores])
    assert posts._chance_error(positive) == pytest.approx(seen, rel=0.05)
    assert posts._chance_error(~positive) == posts._chance_error(positive)
    assert posts._chance_error(np.arange(100_000) < 20_000) < 0.05 / 3
