import re
from pathlib import Path

import pytest

from zakar.errors import ConfigError
from zakar.lab import preset
from zakar.lab.link import Direction, Settings
from zakar.lab.preset import Change, Preset

LINK = """
description = "mine"
[up]
delay_ms = 10
jitter_ms = 3
rate_mbit = 20
queue_kib = 64
[down]
delay_ms = 2.5
[[change]]
after_seconds = 5
up_mbit = 2
"""
UP = LINK[LINK.index("[up]") : LINK.index("[down]")]


def read(folder: Path, text: str) -> Preset:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return preset.read(str(path))


def refusal(folder: Path, old: str, new: str) -> str:
    """Return what is said of a link's file once ``old``, where it comes first, is replaced by ``new``."""
    assert old in LINK
    with pytest.raises(ConfigError) as caught:
        read(folder, LINK.replace(old, new, 1))
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{folder / 'mine.toml'}: ")
    return message.partition("mine.toml: ")[2]


def test_plain_units_become_seconds_bits_and_bytes_and_what_is_left_out_has_no_limit(tmp_path: Path) -> None:
    assert read(tmp_path, LINK) == Preset(
        name="mine",
        description="mine",
        settings=Settings(up=Direction(0.01, jitter=0.003, rate=20e6, queue=65_536), down=Direction(0.0025)),
        changes=(Change(after=5.0, up=2e6, down=None),),
    )


def test_these_links_are_shipped_and_each_says_what_it_is() -> None:
    assert preset.names() == ["continent", "far-cable", "home", "phone", "rate-drop", "same-machine", "slow-dsl"]
    assert all(preset.read(name).name == name for name in preset.names())
    assert all(len(preset.read(name).description) > 20 for name in preset.names())


def test_the_links_of_kept_benchmarks_are_what_they_were() -> None:
    fast = Direction(0.125, rate=100e6, queue=1024 * 1024)
    kept = {
        "home": Settings(up=Direction(0.0165, rate=20e6), down=Direction(0.0165, rate=100e6)),
        "slow-dsl": Settings(up=Direction(0.075, rate=1e6), down=Direction(0.075, rate=8e6)),
        "continent": Settings(up=fast, down=fast),
        "same-machine": None,
    }
    assert {name: preset.read(name).settings for name in kept} == kept


@pytest.mark.parametrize("name", preset.names())
def test_a_round_trip_that_a_description_gives_is_the_files_own(name: str) -> None:
    settings = preset.read(name).settings
    said = re.search(r"(?:(\d+) to )?(\d+) ms", preset.read(name).description)
    assert (settings is None) == (said is None)
    if settings is not None and said is not None:
        least = settings.up.delay + settings.down.delay
        most = least + settings.up.jitter + settings.down.jitter
        assert [float(said[1] or said[2]), float(said[2])] == pytest.approx([least * 1e3, most * 1e3])


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "delay_ms = 10",
            "delay_ms = -1",
            "`up.delay_ms`: Expected `float` >= 0.0; must be at least 0 and at most 60000",
        ),
        ("delay_ms = 2.5", "", "`down.delay_ms` is missing; add it; must be at least 0 and at most 60000"),
        ("delay_ms = 10", 'delay_ms = "long"', "`up.delay_ms`: Expected `float`, got `str`; must be at least 0"),
        ("delay_ms = 10", "delay_ms = true", "`up.delay_ms`: Expected `float`, got `bool`"),
        ("jitter_ms = 3", "jitter_ms = -3", "`up.jitter_ms`: Expected `float` >= 0.0"),
        ("jitter_ms = 3", "jitter_ms = nan", "`up.jitter_ms` is not a finite number"),
        (
            "rate_mbit = 20",
            "rate_mbit = 0",
            "`up.rate_mbit`: Expected `float` >= 0.001; must be at least 0.001 and at most",
        ),
        ("rate_mbit = 20", "rate_mbit = inf", "`up.rate_mbit` is not a finite number"),
        ("rate_mbit = 20", "rate_mbt = 20", "`up.rate_mbt` is not a known key; did you mean `rate_mbit`?"),
        ("rate_mbit = 20", "zzzzzzz = 20", "`up.zzzzzzz` is not a known key; remove it"),
        ("queue_kib = 64", "queue_kib = 1", "`up.queue_kib`: Expected `int` >= 2; must be at least 2 and at most"),
        ("queue_kib = 64", "queue_kib = 2.5", "`up.queue_kib`: Expected `int`, got `float`"),
        ('description = "mine"', "", "`description` is missing"),
        ('description = "mine"', "description = 3", "`description`: Expected `str`, got `int`"),
        ("[up]", "[upp]", "`upp` is not a known key; did you mean `up`?"),
        (UP, "up = 3\n", "`up`: Expected `object`, got `int`; must be a section"),
        ("[down]\ndelay_ms = 2.5\n", "", "`down` is missing; a link has both ways, or neither"),
        (
            "[[change]]",
            "[change]",
            "`change`: Expected `array`, got `object`; must be sections, the keys of each below",
        ),
        ("up_mbit = 2", "up_mbit = 0", "`change[0].up_mbit`: Expected `float` >= 0.001; must be at least 0.001"),
        ("up_mbit = 2", "upmbit = 2", "`change[0].upmbit` is not a known key; did you mean `up_mbit`?"),
        ("up_mbit = 2", "", "`change[0]`: it changes nothing; give `up_mbit` or `down_mbit`, or both"),
        ("after_seconds = 5\n", "", "`change[0].after_seconds` is missing; add it; must be at least 0"),
        ("after_seconds = 5", "after_seconds = -5", "`change[0].after_seconds`: Expected `float` >= 0.0"),
        (
            "[[change]]",
            "[[change]]\nafter_seconds = 5\nup_mbit = 1\n[[change]]",
            "`change`: each `after_seconds` must be above",
        ),
        ("[up]", "[up", "not valid TOML: "),
    ],
)
def test_what_makes_no_link_is_told_with_file_key_and_what_to_do(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert refusal(tmp_path, old, new).startswith(said)


def test_a_change_without_a_link_is_refused(tmp_path: Path) -> None:
    head, _, change = LINK.partition("[up]")[0], "", LINK.partition("[[change]]")[2]
    with pytest.raises(ConfigError, match="mine.toml: `change`: without a link nothing changes; add `up` and `down`"):
        read(tmp_path, f"{head}[[change]]{change}")


@pytest.mark.parametrize(
    ("name", "hint"), [("hom", "did you mean `home`?"), ("moon", "give one of these, or a .toml file")]
)
def test_a_link_that_does_not_exist_gets_the_list_of_those_that_do(name: str, hint: str) -> None:
    known = "continent, far-cable, home, phone, rate-drop, same-machine, slow-dsl"
    with pytest.raises(ConfigError) as caught:
        preset.read(name)
    assert str(caught.value) == f"no link preset named `{name}` (known: {known}); {hint}"


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match=r"^none\.toml: no such link preset file$"):
        preset.read("none.toml")


@pytest.mark.parametrize("url", ["nats://127.0.0.1:4222", "memphis://me:pw@host:6666?account=1", "localhost:4222"])
def test_one_machine_has_nothing_to_cross(url: str) -> None:
    with preset.crossing(url, preset.read("same-machine")) as there:
        assert there is url
