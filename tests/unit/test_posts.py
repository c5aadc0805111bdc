"""Posts of the island: an island of two dozen lines stands in for the world."""

import datetime
import re
from collections import Counter
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from making import sketched

from zakar import config
from zakar.errors import ConfigError
from zakar.models.island import posts as tweets
from zakar.models.island import text as chatter
from zakar.models.island import year
from zakar.models.island.authors import KINDS, OUTSIDERS, draw_authors
from zakar.models.island.fire import NO_BURNED_CELLS, NO_FIRES, BurnedCells, Fires
from zakar.models.island.fwi import Danger
from zakar.models.island.settings import DatedCalendar, Posts
from zakar.models.island.terrain import Island
from zakar.models.island.text import Vocabulary
from zakar.models.island.topics import TOPICS
from zakar.models.island.weather import Weather
from zakar.models.island.year import Truth
from zakar.seeds import Seeds

TABLE = config.folder() / "phrases" / "island-en.toml"
CALENDAR = DatedCalendar(first_date=datetime.date(2016, 1, 1), days=40, holdout_days=20)
VALUES: dict[str, Any] = {
    "phrases": "island-en", "per_day": 300.0, "weekend_factor": 1.15, "summer_swing": 0.08, "spread": 0.12,
    "accounts": 800, "activity_exponent": 0.8, "away_share": 0.35, "pages_share": 0.25, "authorities_share": 0.06,
    "outsiders_share": 0.13, "bots_share": 0.03, "weather_share": 0.07, "figurative_share": 0.06,
    "false_smoke_share": 0.015, "rumour_share": 0.01, "danger_share": 0.08, "repost_share": 0.22,
    "mention_share": 0.25, "link_share": 0.36, "hashtag_share": 0.45, "emoji_share": 0.25, "typo_share": 0.08,
    "wrong_place_share": 0.04, "small_fire_posts": 9.5, "front_posts": 280.0, "half_life_days": 0.85,
    "lookalikes_per_day": 0.6, "lookalike_posts": 3.0,
}  # fmt: skip
FIRE_DAY, FIRE = 20, 20_001

Columns = dict[str, list[Any]]


def chosen(**changes: Any) -> Posts:
    return msgspec.convert({**VALUES, **changes}, Posts)


def square(side: int = 16) -> Island:
    """Return an island of land all over, people around three towns."""
    cells = side * side
    x, y = np.divmod(np.arange(cells), side)
    towns = np.array([side * 5 + 5, side * 12 + 10, side * 3 + 13], np.int32)
    people = np.array([9000, 4500, 3000], np.float32)
    km = np.hypot(x[:, None] - x[towns], y[:, None] - y[towns])
    return sketched(
        np.ones((side, side), bool),
        residents=(people * np.exp(-km)).sum(axis=1).astype(np.float32),
        towns=towns,
        town_residents=people,
        town=km.argmin(axis=1).astype(np.int16),
    )


def world(island: Island, days: int) -> Truth:
    """Return a dry month with one large fire in the middle of the island, and a small one in a town each fifth day."""
    shape = (days, len(island.land))
    rng = np.random.default_rng(3)
    warm, wind = rng.normal(30, 3, shape).astype(np.float32), rng.gamma(4, 5, shape).astype(np.float32)
    rain = np.repeat(np.where(rng.random(days) < 0.2, 5, 0)[:, None], shape[1], axis=1).astype(np.float32)
    air = Weather(
        tmax_c=warm, tmin_c=warm - 8, humidity_percent=warm, wind_kmh=wind, rain_mm=rain,
        wind_from_degrees=np.full(days, 270.0), wet=rain[:, 0] > 0, blocking=np.zeros(days, bool),
    )  # fmt: skip
    index = np.full(shape, 25, np.float32)
    middle = island.width // 2 * island.height + island.height // 2
    day = np.array([*range(5, days, 5)])
    cell = np.where(day == FIRE_DAY, middle, island.land[island.towns[0]])
    escaped = day == FIRE_DAY
    fires = Fires(day * 1000 + 1, day, cell, day > 0, escaped, np.where(escaped, 900, 2).astype(np.float32), day)
    burned_day = np.array([FIRE_DAY, *[FIRE_DAY + 1] * 4, *[FIRE_DAY + 2] * 2])
    step = np.array([0, 1, -1, island.height, -island.height, 2, -2])
    reached = burned_day < days + 1
    burned_cells = BurnedCells(burned_day[reached], (middle + step)[reached], np.full(reached.sum(), FIRE))
    return Truth(np.arange(1, days + 1), air, Danger(*[index] * 6), fires, burned_cells)


def cut(truth: Truth, first: int, last: int) -> Truth:
    begin, old = max(1, first - 1), first - tweets.ECHO_DAYS
    rows = slice(begin - 1, last)
    return Truth(
        truth.days[rows], year.rows_of(truth.weather, rows), year.rows_of(truth.danger, rows),
        truth.fires.between(old, last), truth.burned_cells.between(old, last),
    )  # fmt: skip


@lru_cache(maxsize=8)
def words(seed: int = 1, table: Path = TABLE) -> Vocabulary:
    return chatter.load(table, chosen(), Seeds(seed))


def made(
    first: int,
    last: int,
    seeds: Seeds | None = None,
    truth: Truth | None = None,
    island: Island | None = None,
    table: Path = TABLE,
    **changes: Any,
) -> Columns:
    seeds, island, wanted = seeds or Seeds(1), island or square(), chosen(**changes)
    known = words(seeds.root, table)
    people = draw_authors(wanted, island, seeds, known)
    columns = tweets.posts(
        wanted, CALENDAR, island, people, seeds, known, first, cut(truth or world(island, last), first, last)
    )
    return {
        name: column.to_pylist() if isinstance(column, pa.Array) else column.tolist()
        for name, column in columns.items()
    }


@lru_cache(maxsize=1)
def month() -> Columns:
    return made(1, 40, per_day=1000.0, accounts=3000)


def joined(*blocks: Columns) -> Columns:
    return {name: [value for block in blocks for value in block[name]] for name in blocks[0]}


@given(st.sets(st.integers(2, 30), max_size=5))
@settings(max_examples=8, deadline=None)
def test_cutting_days_into_blocks_changes_nothing(starts: set[int]) -> None:
    bounds = sorted({1, *starts, 31})
    truth = world(square(), 30)
    blocks = [made(low, high - 1, truth=truth) for low, high in pairwise(bounds)]
    assert joined(*blocks) == made(1, 30, truth=truth)


def test_what_comes_later_changes_nothing_before() -> None:
    truth = world(square(), 30)
    later = truth.fires.day > 12
    other = replace(
        truth,
        fires=replace(truth.fires, cell=np.where(later, 0, truth.fires.cell), escaped=truth.fires.escaped | later),
        danger=replace(truth.danger, fwi=np.where(np.arange(30)[:, None] >= 12, 80, truth.danger.fwi)),
    )
    assert made(1, 12, truth=other) == made(1, 12, truth=truth)
    assert made(13, 14, truth=other) != made(13, 14, truth=truth)


def test_held_out_days_come_from_the_secret_alone() -> None:
    truth = world(square(), 42)
    one, other = (made(39, 42, Seeds(1, secret, 40), truth) for secret in (11, 12))
    public = made(39, 40, truth=truth)
    count = len(public["day"])
    for posts in (one, other):
        assert {name: column[:count] for name, column in posts.items()} == public
    held_out = [posts["tweet"][count:] for posts in (one, other, made(39, 42, truth=truth))]
    assert all(len(set(left) & set(right)) < 5 for left, right in pairwise([*held_out, held_out[0]]))


def test_another_seed_makes_other_posts() -> None:
    assert len(set(made(3, 3)["tweet"]) & set(made(3, 3, Seeds(2))["tweet"])) < 5


def test_weather_that_begins_too_late_is_refused() -> None:
    island, wanted = square(), chosen()
    people = draw_authors(wanted, island, Seeds(1), words())
    late = cut(world(island, 9), 6, 9)
    with pytest.raises(ValueError, match="day 4 need the weather of day 3"):
        tweets.posts(wanted, CALENDAR, island, people, Seeds(1), words(), 4, late)


def test_rows_are_in_order_and_ids_follow_the_time_of_day() -> None:
    posts = month()
    rows = list(zip(posts["day"], posts["cell"], posts["tweet_id"], strict=True))
    assert rows == sorted(rows)
    by_time = sorted(zip(posts["tweet_id"], posts["day"], posts["minute"], strict=True))
    assert [(day, minute) for _, day, minute in by_time] == sorted(zip(posts["day"], posts["minute"], strict=True))
    ids = [i for i, _, _ in by_time]
    assert all(i // 100_000 == day for i, day, _ in by_time)
    assert len(set(ids)) == len(ids)
    assert set(posts["topic"]) == set(TOPICS)
    assert all(0 <= minute < 1440 for minute in posts["minute"])


def test_a_repost_copies_an_earlier_post_of_the_day_or_the_day_before() -> None:
    posts = month()
    earliest: dict[tuple[str, str], int] = {}
    for text, author, number in zip(posts["tweet"], posts["author"], posts["tweet_id"], strict=True):
        said = re.sub(r"^@\S+ ", "", text)
        earliest[author, said] = min(number, earliest.get((author, said), number))
    copies = [
        (number, earliest[found[1], found[2]])
        for text, number in zip(posts["tweet"], posts["tweet_id"], strict=True)
        if (found := re.fullmatch(r"RT @(\w+): (.*)", text))
    ]
    assert 0.17 < len(copies) / len(posts["tweet"]) < 0.25
    assert all(original < copy for copy, original in copies)
    # Words that were said twice may have been copied from the second time.
    assert np.mean([copy // 100_000 - original // 100_000 <= 1 for copy, original in copies]) > 0.99
    assert any(copy // 100_000 > original // 100_000 for copy, original in copies)


def test_nobody_copies_their_own_posts() -> None:
    posts = month()
    copied = [re.match(r"RT @(\w+): ", text) for text in posts["tweet"]]
    assert not [found for author, found in zip(posts["author"], copied, strict=True) if found and found[1] == author]


def test_nobody_writes_twice_in_a_minute() -> None:
    posts = month()
    written = Counter(zip(posts["day"], posts["minute"], posts["author"], strict=True))
    assert len({minute for _, minute, _ in written}) < len(written) / 20  # so many posts share their minute with others
    assert max(written.values()) == 1


def test_a_large_fire_is_the_talk_of_the_island_and_fades() -> None:
    posts = month()
    counts = Counter(day for day, fire in zip(posts["day"], posts["fire"], strict=True) if fire == FIRE)
    by_day = [counts[day] for day in range(FIRE_DAY, FIRE_DAY + 11)]
    assert min(counts) == FIRE_DAY
    assert sum(by_day[:3]) > 150
    peak = int(np.argmax(by_day))
    assert by_day[peak + 4] < by_day[peak] / 2
    assert sum(by_day[9:]) < 0.1 * max(by_day)


def test_people_near_a_fire_talk_of_it_more_than_others() -> None:
    posts, middle = month(), square().height // 2
    x, y = np.divmod(np.array(posts["cell"]), square().height)
    near = np.maximum(abs(x - middle), abs(y - middle)) <= 2
    by_day = np.bincount(np.array(posts["day"])[near], minlength=41)
    assert by_day.max() > 2.5 * np.median(by_day[1:FIRE_DAY])
    about = np.array(posts["fire"]) == FIRE
    assert near[about].mean() > 3 * near[~about].mean()


def test_without_fires_nothing_is_about_one() -> None:
    posts = made(1, 6, truth=replace(world(square(), 6), fires=NO_FIRES, burned_cells=NO_BURNED_CELLS))
    assert set(posts["fire"]) == {0}
    assert {"smoke", "rumour", "figurative", "danger"} <= set(posts["topic"])
    assert "eyewitness" not in posts["topic"]


def test_the_drier_the_more_talk_of_danger() -> None:
    truth = world(square(), 8)
    indices = (np.full_like(truth.danger.fwi, 1), truth.danger.fwi, np.full_like(truth.danger.fwi, 60))
    worlds = [replace(truth, danger=replace(truth.danger, fwi=index)) for index in indices]
    counts = [made(1, 8, truth=each)["topic"].count("danger") for each in worlds]
    assert counts[0] < counts[1] < counts[2]


def test_most_posts_say_where_their_author_is_and_outsiders_are_nowhere() -> None:
    posts, side = month(), square().height
    here = [x * side + y for x, y in zip(posts["true_x"], posts["true_y"], strict=True)]
    kind = dict(zip(*accounts_of(), strict=True))
    off = [x == -1 for x in posts["true_x"]]
    assert off == [y == -1 for y in posts["true_y"]]
    assert off == [kind[author] == OUTSIDERS for author in posts["author"]]
    right = np.array([a == b for a, b in zip(here, posts["cell"], strict=True)])[~np.array(off)]
    assert 0.93 < right.mean() < 0.98


def accounts_of() -> tuple[list[str], list[int]]:
    people = draw_authors(chosen(per_day=1000.0, accounts=3000), square(), Seeds(1), words())
    return people.handle.to_pylist(), people.kind.tolist()


def test_handles_are_unique_and_every_kind_has_some() -> None:
    handles, kinds = accounts_of()
    assert len({handle.lower() for handle in handles}) == len(handles) == 3000
    assert set(kinds) == set(range(len(KINDS)))
    assert all(re.fullmatch(r"\w+", handle) for handle in handles)


def test_the_day_has_a_rhythm() -> None:
    hours = np.bincount(np.array(month()["minute"]) // 60, minlength=24)
    assert 5 <= hours.max() / hours.min() <= 8
    assert 2 <= hours.argmin() <= 4


def auc(score: np.ndarray, positive: np.ndarray) -> float:
    """Return how probably a positive scores above another, ties counted half."""
    rank = np.argsort(np.argsort(score, kind="stable"), kind="stable").astype(float)
    for value in np.unique(score):
        rank[score == value] = rank[score == value].mean()
    number = positive.sum()
    return float((rank[positive].sum() - number * (number - 1) / 2) / number / (len(score) - number))


def test_form_does_not_tell_what_a_post_is_about() -> None:
    posts = month()
    burst = np.isin(posts["day"], range(FIRE_DAY, FIRE_DAY + 5))
    about = np.array(posts["fire"])[burst] == FIRE
    texts = np.array(posts["tweet"])[burst]
    lengths = np.char.str_len(texts)
    digits = np.array([sum(map(str.isdigit, text)) for text in texts])
    kind = dict(zip(*accounts_of(), strict=True))
    kinds = np.array([kind[author] for author in np.array(posts["author"])[burst]])
    shares = np.array([np.mean(about[kinds == k]) for k in range(len(KINDS))])
    for feature in (lengths, digits, np.array(posts["minute"])[burst], np.array(posts["tweet_id"])[burst] % 100_000):
        assert 0.42 < auc(feature, about) < 0.58  # a burst is a few hundred posts
    assert auc(shares[kinds], about) < 0.58


def test_words_tell_something_but_not_all() -> None:
    posts = month()
    about = np.array(posts["fire"]) > 0
    fiery = np.array([bool(re.search(r"fire|smok|burn|flame|ash\b|evacuat", text.lower())) for text in posts["tweet"]])
    assert 0.35 < fiery[about].mean() < 0.75
    assert 0.05 < fiery[~about].mean() < 0.25


def test_posts_read_like_posts() -> None:
    texts = month()["tweet"]
    assert not any(set("{}|\n\t") & set(text) for text in texts)
    assert not any("  " in text or text != text.strip() for text in texts)
    assert 105 < np.mean([len(text) for text in texts]) < 125
    assert max(map(len, texts)) < 320
    assert np.mean(["https://" in text for text in texts]) == pytest.approx(0.36, abs=0.03)
    sample = [texts[i] for i in np.random.default_rng(0).permutation(len(texts))[:1300]]
    assert len(set(sample)) / len(sample) > 0.95
    tokens = [token for text in sample for token in text.lower().split()][:23_000]
    assert 0.5 < len(set(pairwise(tokens))) / len(tokens) < 0.65


def phrases_of(*path: str) -> list[str]:
    """Return the phrases of the table under some keys."""
    found = config.read_toml(TABLE)
    for key in path:
        found = found[key]  # type: ignore[assignment]
    lists = found.values() if isinstance(found, dict) else [found]
    return [phrase for lines in lists for phrase in lines]  # type: ignore[attr-defined]


def moments() -> dict[str, set[tuple[int, int]]]:
    """Return all that the table says of moments, and on which days of the week and parts of the day it is said."""
    found: dict[str, set[tuple[int, int]]] = {}
    for part, key in enumerate(("night", "morning", "afternoon", "evening")):
        for line in phrases_of("when", key):
            for day, name in enumerate(phrases_of("when", "weekdays")):
                found.setdefault(line.replace("{weekday}", name).lower(), set()).add((day, part))
    return found


def test_words_on_the_moment_follow_the_clock_and_the_calendar() -> None:
    posts, known = month(), moments()
    pattern = re.compile(" (" + "|".join(map(re.escape, sorted(known, key=len, reverse=True))) + r")(?!\w)")
    view = Counter[int]()
    for text, day, minute in zip(posts["tweet"], posts["day"], posts["minute"], strict=True):
        if " - " in text and not text.startswith("RT ") and (said := pattern.search(text.lower())):
            date = CALENDAR.first_date + datetime.timedelta(days=day - 1)
            part = sum(minute >= 60 * hour for hour in (5, 12, 18))
            assert (date.weekday(), part) in known[said[1]], (text, date, minute)
            view[part] += 1
    assert min(view[part] for part in range(4)) > 20
    assert 0.02 < sum(view.values()) / len(posts["day"]) < 0.06


_OF_THE_MOMENT = re.compile(
    r"\b(tonight|weekend|mid(day|night)|noon|dawn|dusk|sun(rise|set)|bedtime|spring|summer|autumn|winter|harvest"
    r"|(this|good|whole|late|early) (morning|afternoon|evening|night)|(mon|tues|wednes|thurs|fri|satur|sun)day"
    r"|january|february|march|april|june|july|august|september|october|november|december)"
    r"|since \{hour\}|it's \{(hour|clock)\}|(this|every|whole|quiet|only|better|what a) \{weekday\}"
)


def test_no_phrase_says_when_it_is_written_but_those_that_are_chosen_by_it() -> None:
    keys = (("cores",), ("fillers", "lines"), ("official_fillers", "lines"), ("where",), ("closings", "hashtags"))
    phrases = [phrase.lower() for path in keys for phrase in phrases_of(*path)]
    assert len(phrases) > 1500
    assert [phrase for phrase in phrases if _OF_THE_MOMENT.search(phrase)] == []


def test_what_pages_and_authorities_write_is_filled_out_soberly_and_what_people_write_is_not(tmp_path: Path) -> None:
    text = TABLE.read_text(encoding="utf-8")
    for section, end, word in (("[fillers]", "[official_fillers]", "zig"), ("[official_fillers]", "[closings]", "zag")):
        filled = [f"{word} " * number + word for number in range(1, 30)]
        before, _, rest = text.partition(f"\n{section}\n")
        joints = 'before = [". "]\nafter = [". "]\n'
        text = f"{before}\n{section}\n{joints}lines = {filled}\n{rest[rest.index(end) :]}"
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    posts = made(18, 23, table=path, typo_share=0.0)
    said = dict.fromkeys(TOPICS, "")
    for topic, text in zip(posts["topic"], posts["tweet"], strict=True):
        said[topic] += text.lower()
    for topic in ("media", "official"):
        assert "zag" in said[topic]
        assert "zig" not in said[topic]
    for topic in ("eyewitness", "smoke", "concern", "rumour", "weather", "danger", "figurative"):
        assert "zig" in said[topic]
        assert "zag" not in said[topic]


def test_a_large_island_has_posts_and_its_fire_too() -> None:
    island = square(140)
    posts = made(19, 22, island=island, truth=world(island, 22))
    assert max(posts["cell"]) > 18_000
    assert FIRE in posts["fire"]


def test_there_are_fillers_of_every_length_whatever_the_seed() -> None:
    for seed in (2, 3):
        loaded = words(seed)
        assert loaded.core_count.min() >= 24 * 15
        assert loaded.lead_count[12:60].min() > 0
        assert loaded.tail_count[12:60].min() > 0


def test_a_table_may_use_slots_that_the_english_one_does_without(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    text = TABLE.read_text(encoding="utf-8")
    path.write_text(text.replace('"puddles as deep as', '"puddles, says {handle}, as deep as'), encoding="utf-8")
    assert any(text.startswith("puddles, says @") for text in words(table=path).segments.to_pylist())


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('"game off, the pitch', '"game off, {nothing} the pitch', "unknown slot {nothing}"),
        ('"puddles as deep as a {thing}"', '"puddles as deep as a {thing"', "puddles"),
        ('"drizzle again, my', '"drizzle again, ' + "and again " * 12 + "my", "more than 110 characters"),
        ('"rain at last, the {animal} is', '"rain at last, (the {animal}|nobody) is', "slot among alternatives"),
        ('"Friday", "Saturday", "Sunday"]', '"Friday", "Saturday"]', "`when.weekdays`"),
        ("\neyewitness = [", "\neyewitnes = [", "`cores.eyewitnes` is not a known key; did you mean `eyewitness`"),
        ('language = "en"', 'language = "no-such"', "`language`"),
    ],
)
def test_a_broken_table_is_told_with_its_file_and_phrase(tmp_path: Path, old: str, new: str, named: str) -> None:
    text = TABLE.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path = tmp_path / "mine.toml"
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        chatter.load(path, chosen(), Seeds(1))
    assert str(caught.value).startswith(f"{path}: ")
    assert named in str(caught.value)


@pytest.mark.parametrize(("section", "end"), [("fillers", "[official_fillers]"), ("official_fillers", "[closings]")])
def test_a_length_without_a_filler_is_named(tmp_path: Path, section: str, end: str) -> None:
    text = TABLE.read_text(encoding="utf-8")
    before, _, rest = text.partition(f"\n[{section}]\n")
    path = tmp_path / "mine.toml"
    few = 'before = [". "]\nafter = [". "]\nlines = ["so there", "and I told {name} so"]\n'
    path.write_text(f"{before}\n[{section}]\n{few}{rest[rest.index(end) :]}", encoding="utf-8")
    with pytest.raises(ConfigError, match=rf"`{section}\.lines.* characters; add some"):
        chatter.load(path, chosen(), Seeds(1))


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"per_day": -1.0}, "per_day"),
        ({"repost_share": 1.5}, "repost_share"),
        ({"half_life_days": 0.0}, "half_life_days"),
        ({"pages_share": 0.9, "bots_share": 0.3}, "`pages_share`, `authorities_share`"),
        ({"weather_share": 0.9, "danger_share": 0.3}, "`weather_share`, `figurative_share`"),
    ],
)
def test_values_that_cannot_be_are_refused_by_name(changes: dict[str, float], named: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=re.escape(named)):
        chosen(**changes)
