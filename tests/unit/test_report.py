"""The report is one page that stands alone, says only what the data says, and can be looked at in a browser."""

import json
import math
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from browser import browser
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from making import edit_manifest, rewrite, simulated, small_island, tiny
from pages import ATTACK, OVERLAPS, Page

from zakar.checks.results import NAME as CHECKS
from zakar.cli.report import report_command
from zakar.dataset import store
from zakar.errors import ConfigError, MismatchError
from zakar.models import registry, scenario_files
from zakar.page import canvas
from zakar.report import figures as pictures
from zakar.report import measures as digest
from zakar.report.measures import AFTER, BEFORE, REACH, Alerts, Faults, Fires, Posts, Readings, Times
from zakar.report.page import CheckLine, Report, report, verdict_of


@pytest.fixture
def dataset(tmp_path: Path, pristine: Path) -> Path:
    shutil.copytree(pristine, tmp_path / "dataset")
    return tmp_path / "dataset"


@pytest.fixture(scope="module")
def island(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small island's dataset, its truth and held-out days included."""
    out = tmp_path_factory.mktemp("report") / "island"
    simulated(out, small_island())
    return out


@pytest.fixture(scope="module")
def island_report(island: Path) -> Report:
    return report(store.open_dataset(str(island)), with_truth=True)


def page_of(folder: Path) -> Page:
    return Page(report(store.open_dataset(str(folder))).html)


def checks_file(folder: Path, fingerprint: str) -> None:
    check = {"id": "a", "name": "the <b>lag</b>", "value": 3.5, "low": 3, "high": 4, "ok": True, "source": "a source"}
    failed = {**check, "id": "b", "name": "the fall", "value": None, "ok": False}
    found = {"ok": False, "fingerprint": fingerprint, "checks": [check, failed]}
    (folder / CHECKS).write_text(json.dumps(found), encoding="utf-8")


# The page.


def test_the_page_refers_to_nothing_but_itself_and_runs_nothing(pristine: Path) -> None:
    page = page_of(pristine)
    local = [reference for reference in page.references if reference.startswith("#")]
    assert all(reference.startswith(("#", "data:")) for reference in page.references)
    assert {reference[1:] for reference in local} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
    assert not {"script", "iframe", "object", "embed", "base", "form"} & set(page.elements)


def test_a_scenario_without_a_map_has_only_the_sections_that_apply(pristine: Path) -> None:
    found = report(store.open_dataset(str(pristine)))
    assert list(found.sections) == ["seasons", "fires", "posts", "missing", "checks"]
    assert set(found.sections) <= set(Page(found.html).ids)
    assert not found.truth
    assert "None of 4,900 readings is missing" in found.html


def test_an_island_is_shown_with_its_map_and_with_the_truth_that_is_there(island_report: Report) -> None:
    found = island_report
    page = Page(found.html)
    assert list(found.sections) == ["island", "seasons", "fires", "posts", "faults", "missing", "checks"]
    assert len(page.ids) == len(set(page.ids))
    assert all(reference.startswith(("#", "data:")) for reference in page.references)
    assert found.truth
    assert "Where it burned and started" in page.words


def test_without_the_private_part_an_island_says_that_the_truth_is_not_there(island: Path, tmp_path: Path) -> None:
    shutil.copytree(island, tmp_path / "public", ignore=shutil.ignore_patterns("private"))
    found = report(store.open_dataset(str(tmp_path / "public")))
    page = Page(found.html)
    assert list(found.sections) == ["island", "seasons", "fires", "posts", "missing", "checks"]
    assert not found.truth
    assert 'class="tag"' not in found.html
    assert "The truth is not part of this page" in page.words


@pytest.mark.slow
def test_nothing_of_the_held_out_days_is_shown(island: Path, island_report: Report, tmp_path: Path) -> None:
    shutil.copytree(island, tmp_path / "kept", ignore=shutil.ignore_patterns("holdout", "holdout-truth", "key"))
    assert report(store.open_dataset(str(tmp_path / "kept")), with_truth=True).html == island_report.html


def test_words_of_the_data_are_shown_and_never_run(dataset: Path) -> None:
    def attack(values):
        values["title"] = values["name"] = values["scenario"]["title"] = values["scenario"]["description"] = ATTACK
        values["software"] = {ATTACK: ATTACK}

    edit_manifest(dataset, attack)
    for number in range(3):
        rewrite(
            dataset,
            "tweets",
            number,
            lambda rows: rows.set_column(
                3, rows.schema.field("tweet"), pa.array([f"{ATTACK} {n}" for n in range(len(rows))])
            ),
        )
    page = page_of(dataset)
    assert page.elements["script"] == 0
    assert page.words.count(ATTACK) >= 5


@pytest.mark.parametrize("days", [1, 2, pytest.param(400, marks=pytest.mark.slow)])
def test_any_number_of_days_can_be_reported(tmp_path: Path, days: int) -> None:
    simulated(tmp_path / "dataset", tiny(calendar={"days": days}))
    assert "seasons" in page_of(tmp_path / "dataset").ids


def test_a_dataset_without_posts_and_alerts_can_be_reported(dataset: Path) -> None:
    for table in ("tweets", "fire_alerts", "temperature_readings"):
        for number in range(3):
            rewrite(dataset, table, number, lambda rows: rows.slice(0, 0))
    assert "fires" in page_of(dataset).ids


def test_a_row_outside_the_grid_is_told(dataset: Path) -> None:
    def outside(rows):
        return rows.set_column(2, rows.schema.field("geospatial_x"), pa.array([10] * len(rows), pa.int16()))

    rewrite(dataset, "fire_alerts", 1, outside)
    with pytest.raises(MismatchError, match="outside the grid of 10 x 10 cells; `zakar check`"):
        page_of(dataset)


# Check results.


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (3, 4, "3 to 4"),
        (0, 0, "0"),
        (2_294_100, 2_294_100, "2,294,100"),
        (1.5, None, "at least 1.5"),
        (1.5, math.inf, "at least 1.5"),
        (-math.inf, math.inf, "anything"),
        (None, 2e6, "at most 2,000,000"),
        (None, None, "anything"),
    ],
)
def test_an_accepted_range_is_said_in_words(low: float | None, high: float | None, words: str) -> None:
    assert CheckLine("", "", 1, low, high, True, "").accepted == words


@given(st.integers(-80, 80), st.integers(-80, 80), st.integers(-80, 80))
def test_a_value_lies_in_the_middle_half_of_the_bar_if_it_is_accepted(value: int, low: int, high: int) -> None:
    low, high = sorted((low, high))
    place = CheckLine("", "", value, low, high, low <= value <= high, "").place
    assert place is not None
    assert 0 < place < 100
    assert (25 <= place <= 75) == (low <= value <= high)


def test_check_results_beside_the_data_are_shown(dataset: Path) -> None:
    checks_file(dataset, store.open_dataset(str(dataset)).manifest.fingerprint)
    page = page_of(dataset)
    assert "1 of 2 figures" in page.words
    assert "the <b>lag</b>" in page.words
    assert "Not checked yet" not in page.words


def test_without_check_results_the_page_says_how_to_get_them(dataset: Path) -> None:
    assert "Not checked yet: run zakar check" in page_of(dataset).words


def test_check_results_of_other_data_are_not_shown(dataset: Path) -> None:
    checks_file(dataset, "0" * 64)
    assert verdict_of(store.open_dataset(str(dataset))) is None


def test_check_results_that_cannot_be_read_are_named(dataset: Path) -> None:
    (dataset / CHECKS).write_text("{", encoding="utf-8")
    with pytest.raises(MismatchError, match=r"checks\.json: cannot be read"):
        verdict_of(store.open_dataset(str(dataset)))


# The command.


@pytest.mark.slow
def test_the_command_replaces_a_file_with_the_same_page_in_any_process(dataset: Path) -> None:
    out = dataset.parent / "page.html"
    out.write_text("older", encoding="utf-8")
    command = [sys.executable, "-m", "zakar", "report", str(dataset), "--out", str(out), "--json"]
    environment = {**os.environ, "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo"}
    said = json.loads(subprocess.run(command, capture_output=True, check=True, env=environment).stdout)
    assert out.read_text(encoding="utf-8") == report(store.open_dataset(str(dataset))).html
    assert said["bytes"] == out.stat().st_size
    assert said["sections"] == ["seasons", "fires", "posts", "missing", "checks"]
    assert sorted(path.name for path in dataset.parent.iterdir()) == ["dataset", "page.html"]


@pytest.mark.parametrize(
    ("where", "out", "said"),
    [
        ("nothing", "page.html", "nothing: no dataset here"),
        ("dataset", "dataset", "dataset: is no file; give --out the name of one"),
        ("dataset", "no/such/page.html", "page.html: cannot be written: No such file or directory"),
    ],
)
def test_what_cannot_be_read_or_written_is_bad_usage(dataset: Path, where: str, out: str, said: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(said)):
        report_command(str(dataset.parent / where), out=dataset.parent / out)
    assert [path.name for path in dataset.parent.iterdir()] == ["dataset"]


@pytest.mark.slow
@pytest.mark.parametrize("module", ["dataset", "demo", "doctor", "publish", "stations"])
def test_other_commands_do_not_wait_for_what_draws_or_calculates(module: str) -> None:
    script = f"import sys, zakar.cli.{module}; sys.exit(bool({{'matplotlib', 'jinja2', 'scipy'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


# What is counted.


def when(days: int) -> Times:
    return registry.model_of(tiny()).calendar(tiny()).times(1, days)


def test_days_of_a_dated_scenario_have_the_months_of_the_calendar() -> None:
    island = registry.read(scenario_files.find("island"))
    found = registry.model_of(island).calendar(island).times(1, 2557)
    dates = island.calendar.dates(np.arange(1, 2558))
    assert found.year.tolist() == [date.year for date in dates.tolist()]
    assert found.part.tolist() == [date.month - 1 for date in dates.tolist()]
    assert found.day_of_year.tolist() == [date.timetuple().tm_yday for date in dates.tolist()]
    starts = dates[found.month_starts - 1]
    assert np.array_equal(starts, np.unique(dates.astype("datetime64[M]")).astype("datetime64[D]"))


def readings_of(seen: np.ndarray) -> Readings:
    sensor, index = np.nonzero(seen)
    nothing = np.full(seen.shape[1], np.nan)
    ids = np.arange(len(seen))
    return Readings(index, sensor, np.zeros(len(index)), ids, ids, nothing, nothing, nothing, seen)


@given(hnp.arrays(bool, st.tuples(st.integers(1, 4), st.integers(1, 12))))
def test_gaps_are_the_runs_of_missing_days_between_readings(seen: np.ndarray) -> None:
    seen[:, 0] |= ~seen.any(axis=1)  # a sensor without a reading is in no dataset
    expected = []
    for row in seen:
        days = "".join("x" if day else "." for day in row).strip(".")
        expected += [len(gap) for gap in days.split("x") if gap]
    found = readings_of(seen)
    assert digest.gaps(found).tolist() == expected
    assert (found.standing & ~seen).sum() == sum(expected)


@given(
    hnp.arrays(np.uint16, (60, 4, 3), elements=st.integers(0, 50)),
    st.lists(st.tuples(st.integers(1, 60), st.integers(0, 11)), min_size=1, max_size=4),
)
def test_posts_near_an_alert_are_those_of_its_cell_and_the_cells_around(by_cell, alerts) -> None:
    day, cell = map(np.asarray, zip(*alerts, strict=True))
    found = digest.bursts(Posts(by_cell, None), Alerts(day, day * 0, cell), when(60))
    for row, (first, place) in enumerate(alerts):
        x, y = divmod(place, 3)
        for lag in range(-BEFORE, AFTER + 1):
            index = first - 1 + lag
            around = by_cell[index : index + 1, max(x - REACH, 0) : x + REACH + 1, max(y - REACH, 0) : y + REACH + 1]
            assert found.near[row, lag + BEFORE] == (around.sum() if 0 <= index < 60 else -1)


def test_a_fault_of_days_in_a_row_is_one_episode_of_one_sensor() -> None:
    days, sensors = np.asarray([1, 2, 4, 2, 3]), np.asarray([7, 7, 7, 8, 8])
    wrong = Faults(days, sensors, sensors * 10, np.asarray([0, 0, 0, 0, 1]), ("stuck", "spike"))
    found = [(e.sensor, e.cell, e.kind, e.first, e.last) for e in digest.episodes(wrong)]
    assert found == [(7, 70, 0, 1, 2), (7, 70, 0, 4, 4), (8, 80, 0, 2, 2), (8, 80, 1, 3, 3)]


def test_readings_have_the_mean_and_the_percentiles_of_each_day(pristine: Path) -> None:
    dataset = store.open_dataset(str(pristine))
    found = digest.readings(dataset, when(49), tiny().grid)
    values = store.read(dataset, digest.READINGS)["temperature"].to_numpy().reshape(49, 100)
    assert np.allclose(found.mean_f, values.mean(axis=1))
    for shown, share in ((found.low_f, 5), (found.high_f, 95)):
        assert np.array_equal(shown, np.percentile(values, share, axis=1, method="inverted_cdf"))


# Keys of maps.


@given(hnp.arrays(np.int64, st.integers(1, 60), elements=st.integers(0, 300)))
def test_the_key_of_a_map_has_the_counts_that_occur_and_no_other(number: np.ndarray) -> None:
    classes = pictures._classes(number)
    counts = sorted(set(number.tolist()) - {0})
    assert len(classes) <= 6
    assert all(any(low <= count <= high for count in counts) for low, high in classes)
    assert all(sum(low <= count <= high for low, high in classes) == 1 for count in counts)
    if len(counts) <= 6:
        assert classes == [(count, count) for count in counts]


@pytest.mark.parametrize(
    ("burned", "key"),
    [([], []), ([0, 3, 5], ["times that a cell burned", "1"]), ([0, 3, 3, 3], ["times that a cell burned", "1", "3"])],
)
def test_a_map_of_what_burned_has_a_key_of_how_often(burned: list[int], key: list[str]) -> None:
    none = np.zeros(0, np.int64)
    places = {"cell": none, "day": none, "human": none == 0, "escaped": none == 0, "area_ha": none.astype(float)}
    fires = Fires(**places, number=none, burned_cell=np.array(burned, np.int64))
    with canvas.styled():
        svg = pictures.fire_map(np.ones((3, 3), bool), fires)
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", svg)
    assert texts[texts.index("km north") + 1 :] == [*key, "started by people", "started by lightning"]


# In a browser.


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tiny", "island"])
def test_a_browser_shows_the_page_without_complaint_on_desk_and_phone(
    request: pytest.FixtureRequest, tmp_path: Path, name: str
) -> None:
    dataset = request.getfixturevalue({"tiny": "pristine"}.get(name, name))
    path = tmp_path / "page.html"
    path.write_text(report(store.open_dataset(str(dataset))).html, encoding="utf-8")
    with browser(tmp_path / "profile") as page:
        for width in (1280, 390):
            for dark in (False, True):
                page.open(path, width, dark)
                assert page.value("document.documentElement.scrollWidth") <= width
                assert page.value("document.querySelectorAll('figure svg text').length") > 50
                assert page.value(OVERLAPS) == []
        assert page.complaints == []
        assert all(url == path.as_uri() or url.startswith("data:") for url in page.asked)
