import datetime
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zakar import config
from zakar.errors import ConfigError
from zakar.models import registry, scenario_files

TINY = scenario_files.find("tiny").read_text(encoding="utf-8")


def refusal(folder: Path, old: str, new: str) -> str:
    """Return what is said of the tiny scenario once ``old`` is replaced by ``new``."""
    assert TINY.count(old) == 1
    path = folder / "mine.toml"
    path.write_text(TINY.replace(old, new), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        registry.read(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message.removeprefix(f"{path}: ")


@pytest.mark.parametrize("name", scenario_files.names())
def test_every_shipped_scenario_loads_and_is_named_like_its_file(name: str) -> None:
    assert registry.read(scenario_files.find(name)).name == name


def test_classic_and_tiny_are_shipped() -> None:
    assert {"classic", "tiny"} <= set(scenario_files.names())


def test_every_setting_of_a_shipped_scenario_ends_up_in_its_section() -> None:
    tiny = registry.read(scenario_files.find("tiny"))
    assert (tiny.calendar.days, tiny.grid.cells, tiny.fires.season_last) == (120, 100, 156)
    assert tiny.tweets.fire_posts == (6.0, 3.0, 1.5)
    assert tiny.alerts.lag_days == 3


@pytest.mark.parametrize(
    ("old", "new", "key", "nearest"),
    [
        ("seed = 2023", "sed = 2023", "sed", "seed"),
        ("[alerts]", "[allerts]", "allerts", "alerts"),
        ("width = 10", "widht = 10", "grid.widht", "width"),
        ("days = 120", "day = 120", "calendar.day", "days"),
        ("words_least = 12", "word_least = 12", "tweets.word_least", "words_least"),
        ("rest_days = 4 ", "rest_day = 4 ", "fires.rest_day", "rest_days"),
    ],
)
def test_a_mistyped_key_is_named_with_the_nearest_known_one(
    tmp_path: Path, old: str, new: str, key: str, nearest: str
) -> None:
    message = refusal(tmp_path, old, new)
    assert f"`{key}` is not a known key" in message
    assert f"did you mean `{nearest}`?" in message


def test_a_key_like_no_other_is_to_be_removed(tmp_path: Path) -> None:
    assert "`grid.zzzzzzzz` is not a known key; remove it" in refusal(
        tmp_path, "width = 10", "width = 10\nzzzzzzzz = 1"
    )


@pytest.mark.parametrize(
    ("old", "new"), [("seed = 2023", "seed = 2023\ndays = 30"), ("width = 10", "width = 10\ndays = 30")]
)
def test_a_known_key_in_the_wrong_section_is_not_suggested_to_itself(tmp_path: Path, old: str, new: str) -> None:
    message = refusal(tmp_path, old, new)
    assert "days` is not a known key" in message
    assert "did you mean `days`?" not in message


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("days = 120", 'days = "many"', "calendar.days"),
        ("days = 120", "days = 12.5", "calendar.days"),
        ("seed = 2023", "seed = true", "seed"),
        ('title = "Zakar in seconds"', "title = 3", "title"),
        ("fire_posts = [6.0, 3.0, 1.5]", "fire_posts = 6.0", "tweets.fire_posts"),
        ("fire_posts = [6.0, 3.0, 1.5]", 'fire_posts = [6.0, "three"]', "tweets.fire_posts"),
        ('model = "classic"', 'model = "classical"', "model"),
        ('checks = "none"', 'checks = "some"', "checks"),
        ('name = "tiny"', 'name = "Tiny Island"', "name"),
    ],
)
def test_a_wrong_type_or_value_is_named_with_its_key(tmp_path: Path, old: str, new: str, key: str) -> None:
    assert refusal(tmp_path, old, new).startswith(f"`{key}")


@pytest.mark.parametrize(
    ("line", "key"),
    [("lag_days = 3", "alerts.lag_days"), ("seed = 2023", "seed"), ("width = 10", "grid.width")],
)
def test_a_missing_key_is_named(tmp_path: Path, line: str, key: str) -> None:
    assert f"`{key}` is missing" in refusal(tmp_path, line, "")


@pytest.mark.parametrize("days", [0, -1, -120, 40_001, 10**12])
def test_a_day_range_that_is_empty_or_endless_is_refused(tmp_path: Path, days: int) -> None:
    assert refusal(tmp_path, "days = 120", f"days = {days}").startswith("`calendar.days`")


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("burnable_cells = 53", "burnable_cells = 101", "fires.burnable_cells"),
        ("season_last = 156", "season_last = 366", "fires.season_last"),
        ("season_first = 27 ", "season_first = 157 ", "season_first"),
        ("cells_per_day = 21.0", "cells_per_day = 100.5", "tweets.cells_per_day"),
        ("per_day_mean = 60.0", "per_day_mean = 41.9", "per_day_mean"),
        ("per_day_mean = 60.0", "per_day_mean = 84.1", "per_day_mean"),
        ("words_least = 12", "words_least = 41", "words_least"),
        ("words_most = 40", "words_most = 49", "tweets.words_most"),
        ("words_least = 12", "words_least = 3", "tweets.words_least"),
        ("figurative_share = 0.08 ", "figurative_share = 1.01 ", "tweets.figurative_share"),
        ("fires_per_day = [0.0,", "fires_per_day = [", "fires_per_day"),
        ("at_mean_f = [70.0, 77.5,", "at_mean_f = [77.5, 70.0,", "at_mean_f"),
        ("most_per_day = 5", "most_per_day = 0", "fires.most_per_day"),
        ("rest_days = 4 ", "rest_days = -1 ", "fires.rest_days"),
        ("lag_days = 3", "lag_days = -3", "alerts.lag_days"),
        ("seed = 2023", "seed = -1", "seed"),
    ],
)
def test_settings_that_contradict_each_other_or_their_range_are_named(
    tmp_path: Path, old: str, new: str, named: str
) -> None:
    assert named in refusal(tmp_path, old, new)


@pytest.mark.parametrize(
    ("old", "value"),
    [
        ("mean_f = 50.2", "nan"),
        ("mean_f = 50.2", "inf"),
        ("amplitude_f = 51.0", "nan"),
        ("noise_sd_f = 7.28 ", "inf"),
        ("fire_least_f = 110.0 ", "nan"),
        ("mean_f = 50.2", "40000.0"),
    ],
)
def test_a_temperature_that_no_reading_can_hold_is_refused(tmp_path: Path, old: str, value: str) -> None:
    key = old.split(" = ")[0]
    assert key in refusal(tmp_path, old, f"{key} = {value} ")


def test_a_seed_too_large_for_the_manifest_is_refused(tmp_path: Path) -> None:
    assert "seed" in refusal(tmp_path, "seed = 2023", f"seed = {2**70}")


def test_a_file_that_is_not_toml_is_told_with_its_line(tmp_path: Path) -> None:
    assert re.search(r"not valid TOML: .*line \d+", refusal(tmp_path, "seed = 2023", "seed = = 2023"))


def test_a_file_that_is_not_utf_8_is_told(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(b'name = "\xff\xfe"')
    with pytest.raises(ConfigError, match=re.escape(f"{path}: not UTF-8 text")):
        registry.read(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "none.toml"
    with pytest.raises(ConfigError, match=re.escape(str(path))):
        registry.read(path)
    with pytest.raises(ConfigError, match=re.escape(f"{path}: no such scenario file")):
        scenario_files.find(str(path))


def test_an_unknown_name_gets_the_nearest_known_one() -> None:
    with pytest.raises(ConfigError, match="no scenario named `clasic`.*did you mean `classic`"):
        scenario_files.find("clasic")


def test_a_name_like_no_other_gets_the_list() -> None:
    with pytest.raises(ConfigError, match=r"known: .*classic.*tiny"):
        scenario_files.find("zzzzzz")


def test_a_scenario_is_found_by_name_and_by_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(TINY, encoding="utf-8")
    assert scenario_files.find(str(path)) == path
    assert registry.read(path) == registry.read(scenario_files.find("tiny"))


@given(st.integers(1, 40_000))
def test_with_days_changes_the_days_and_nothing_else(days: int) -> None:
    tiny = registry.read(scenario_files.find("tiny"))
    changed = registry.with_days(tiny, days)
    assert changed.calendar.days == days
    assert registry.with_days(changed, tiny.calendar.days) == tiny


@pytest.mark.parametrize("days", [0, -3, 40_001])
def test_with_days_refuses_an_empty_range(days: int) -> None:
    with pytest.raises(ConfigError, match="--days.*days"):
        registry.with_days(registry.read(scenario_files.find("tiny")), days)


# The island.


def island_refusal(section: str, key: str, value: object) -> str:
    values = config.read_toml(scenario_files.find("island"))
    where = values[section] if section else values
    assert isinstance(where, dict)
    where[key] = value
    with pytest.raises(ConfigError) as refused:
        registry.scenario_of(values, "mine.toml")
    text = str(refused.value)
    assert text.startswith("mine.toml: `")
    assert "\n" not in text
    return text


@pytest.mark.parametrize(
    ("section", "key", "value", "told"),
    [
        ("fires", "escape_share", -0.1, "`fires.escape_share`: Expected `float` >= 0.0; must be at least 0 and"),
        ("fires", "unrest_persistence", 1.0, "must be at least 0 and below 1"),
        ("grid", "width", -1, "`grid.width`: Expected `int` >= 8; must be at least 8 and at most 250"),
        ("grid", "height", 1000, "must be at least 8 and at most 250"),
        ("terrain", "settlements", 500, "`terrain.settlements` is 500, must be in 1..75"),
        ("climate", "blocking_months", [6, 13], "`climate.blocking_months[1]`: Expected `int` <= 12; must be at least"),
        ("climate", "blocking_months", [], "must be a list of 1 to 12 values, each at least 1 and at most 12"),
        ("climate", "wet_fraction", 0.1, "must be a list of 12 values, each at least 0 and at most 0.95"),
        ("", "checks", "islands", "`checks` is `islands`; must be one of `island`, `none`; did you mean `island`?"),
        ("", "checks", {"suite": "island"}, "must be one of `island`, `none`"),
        ("", "model", "iland", "`model` is `iland`; must be one of `classic`, `island`; did you mean `island`?"),
        ("", "model", 3, "must be one of `classic`, `island`"),
        ("", "name", "My Island", "must be small letters, digits and -, a letter first"),
        ("", "climate", 3, "must be a section, its keys below its name in square brackets"),
        ("calendar", "first_date", 2016, "must be a date, as 2016-01-01 is"),
        ("sensors", "sensors_per_cell", 0.0, "must be above 0 and at most 20"),
        ("sensors", "stuck_days", [0, 3], "`sensors.stuck_days[0]`: Expected `int` >= 1; must be at least 1 and"),
        ("climate", "wet_fraction", [0.1] * 11 + [1.1], "must be at least 0 and at most 0.95"),
        ("alerts", "lag_days", 0, "must be at least 1 and at most 60"),  # where classic has another range
        ("", "seed", 2**70, "must be at least 0 and at most 9223372036854775807"),
    ],
)  # fmt: skip
def test_a_number_out_of_its_range_is_refused_with_the_whole_range(
    section: str, key: str, value: object, told: str
) -> None:
    assert told in island_refusal(section, key, value)


@pytest.mark.parametrize("text", ["", "# nothing yet\n"])
def test_an_empty_file_is_told_what_its_first_key_may_be(tmp_path: Path, text: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        registry.read(path)
    assert str(refused.value) == f"{path}: `model` is missing; add it; must be one of `classic`, `island`"


def test_a_missing_number_is_told_with_its_range() -> None:
    values = config.read_toml(scenario_files.find("island"))
    del values["grid"]["height"]
    with pytest.raises(ConfigError, match="`grid.height` is missing; add it; must be at least 8 and at most 250"):
        registry.scenario_of(values, "mine.toml")


@pytest.mark.parametrize("name", ["classic", "island"])
def test_every_number_has_a_range_that_its_refusal_tells(name: str) -> None:
    values = config.read_toml(scenario_files.find(name))
    for section, keys in values.items():
        for key, value in keys.items() if isinstance(keys, dict) else ():
            if isinstance(value, list | float | int):
                last = value[-1] if isinstance(value, list) else value
                beyond = 10**30 if isinstance(last, int) else 1e300
                changed = [*value[:-1], beyond] if isinstance(value, list) else beyond
                told = r"(in \d+\.\.\d+|(at least|above) .* and (at most|below))\b"
                with pytest.raises(ConfigError, match=rf"^mine.toml: `{section}\.{key}.* must be {told}"):
                    registry.scenario_of({**values, section: {**keys, key: changed}}, "mine.toml")


def test_a_files_own_words_on_a_section_stand_alone() -> None:
    text = island_refusal("sensors", "stuck_days", [5, 3])
    assert text.endswith("`sensors`: `stuck_days`: the first number must not be above the second")


def test_brackets_without_end_are_told(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("a = " + "[" * 5_000, encoding="utf-8")
    with pytest.raises(ConfigError, match=re.escape(f"{path}: ") + "(not a scenario: brackets|not valid TOML)"):
        registry.read(path)


def test_a_byte_order_mark_at_the_beginning_is_no_part_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(b"\xef\xbb\xbf" + TINY.encode())
    assert registry.read(path) == registry.read(scenario_files.find("tiny"))


def test_a_folder_in_place_of_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").mkdir()
    with pytest.raises(ConfigError, match="mine.toml: is a folder, not a scenario file"):
        scenario_files.find(str(tmp_path / "mine.toml"))


def test_days_after_the_year_9999_are_refused() -> None:
    text = island_refusal("calendar", "first_date", datetime.date(9999, 12, 1))
    assert "`days` + `holdout_days` is 3653, must be in 1..31" in text


def test_another_seed_must_be_in_its_range_too() -> None:
    known = registry.read(scenario_files.find("tiny"))
    assert registry.with_seed(known, 5).seed == 5
    with pytest.raises(ConfigError, match="^--seed: `seed`: Expected `int` <= 9223372036854775807"):
        registry.with_seed(known, 2**63)


@pytest.mark.parametrize(("name", "own", "other"), [("classic", "classic", "island"), ("island", "island", "classic")])
def test_the_checks_of_another_model_are_refused_when_the_scenario_is_read(
    tmp_path: Path, name: str, own: str, other: str
) -> None:
    path = tmp_path / "mine.toml"
    text = scenario_files.find(name).read_text(encoding="utf-8")
    assert text.count(f'checks = "{own}"') == 1
    path.write_text(text.replace(f'checks = "{own}"', f'checks = "{other}"'), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        registry.read(path)
    words = f"`checks` is `{other}`; must be one of `{own}`, `none`"
    assert str(caught.value).startswith(f"{path}: ")
    assert words in str(caught.value)
    path.write_text(text.replace(f'checks = "{own}"', 'checks = "none"'), encoding="utf-8")
    assert registry.read(path).checks == "none"
