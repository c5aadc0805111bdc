"""Two years of the tiny island's posts: numbers, form, and that no form gives fire posts away."""

import re
import string
import unicodedata
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from making import history, tiny

from zakar import config
from zakar.errors import ConfigError
from zakar.models.classic import phrases
from zakar.models.classic.observers import phrased
from zakar.models.classic.phrases import FIELDS, FIGURATIVE, FIRE, Phrases, compose
from zakar.models.classic.settings import ClassicScenario
from zakar.models.classic.world import Truth
from zakar.seeds import Seeds

ENGLISH = config.folder() / "phrases" / "en.toml"
FIRE_WORD = re.compile(r"\bfires?\b", re.IGNORECASE)


class Posts:
    """What was posted, as arrays, beside what was true."""

    def __init__(self, settings: ClassicScenario) -> None:
        seeds = Seeds(settings.seed)
        self.settings = settings
        self.truth: Truth = history(settings)
        found = phrased(settings.tweets, settings.grid, seeds, phrases.load(ENGLISH, seeds), self.truth)
        self.day, self.cell, self.topic = (np.asarray(found[name]) for name in ("day", "cell", "topic"))
        self.text: list[str] = found["tweet"].to_pylist()
        self.about_fire = self.topic == FIRE


@pytest.fixture(scope="module")
def posts() -> Posts:
    return Posts(tiny(calendar={"days": 730}))


def words(text: str) -> int:
    """Words but mentions, hashtags, emoji and lone dashes."""
    return sum(word[0] not in "@#" and any(c.isalnum() for c in word) for word in text.split())


def emoji(text: str) -> int:
    return sum(unicodedata.category(c) == "So" for c in text if not c.isascii())


def auc(values: np.ndarray, positive: np.ndarray) -> float:
    """The chance that a positive has the larger value, ties counting half."""
    others = np.sort(values[~positive])
    below = np.searchsorted(others, values[positive], "left") + np.searchsorted(others, values[positive], "right")
    return float(below.mean() / 2 / len(others))


def test_the_rank_statistic_knows_a_giveaway_from_a_tie() -> None:
    positive = np.array([False, True, False, True])
    assert auc(np.array([1, 2, 1, 2]), positive) == 1
    assert auc(np.array([3, 3, 3, 3]), positive) == 0.5
    assert auc(np.array([2, 1, 2, 1]), positive) == 0


def test_every_days_number_lies_within_its_bounds(posts: Posts) -> None:
    a_day = np.bincount(posts.day, minlength=731)[1:]
    tweets = posts.settings.tweets
    assert tweets.per_day_least <= a_day.min() <= a_day.max() <= tweets.per_day_most
    assert a_day.mean() == pytest.approx(tweets.per_day_mean, abs=1)
    assert a_day.std() == pytest.approx(tweets.per_day_sd, abs=1)


def test_the_number_of_posts_tells_nothing_of_fires(posts: Posts) -> None:
    a_day = np.bincount(posts.day, minlength=731)[1:]
    burning = np.isin(np.arange(1, 731), posts.truth.fires.day)
    assert 0.4 < auc(a_day, burning) < 0.6


def test_posts_are_in_day_and_cell_order(posts: Posts) -> None:
    assert np.all(np.diff(posts.day * 100 + posts.cell) >= 0)
    assert posts.cell.min() >= 0
    assert posts.cell.max() < 100


def test_within_a_cell_and_day_fire_posts_come_in_no_order(posts: Posts) -> None:
    place = posts.day * 100 + posts.cell
    same = (np.diff(place) == 0) & (np.diff(posts.about_fire.astype(int)) != 0)
    fire_first = posts.about_fire[:-1][same].mean()
    assert same.sum() > 100
    assert 0.3 < fire_first < 0.7


def test_posts_have_between_the_least_and_the_most_words(posts: Posts) -> None:
    counts = [words(text) for text in posts.text]
    assert min(counts) == posts.settings.tweets.words_least
    assert max(counts) == posts.settings.tweets.words_most


@given(st.integers(4, 36), st.integers(20, 48), st.integers(0, 2**32))
@settings(max_examples=25)
def test_words_stay_within_any_range_that_a_scenario_accepts(least: int, most: int, seed: int) -> None:
    least = min(least, most)
    try:
        tweets = tiny(tweets={"words_least": least, "words_most": most}).tweets
    except ConfigError:  # refusing a range is as good as keeping it
        return
    draw = np.random.default_rng(seed)
    made = compose(english(), draw.integers(0, 3, 300), draw.random((FIELDS, 300)), least, most)
    counts = [words(text) for text in made.to_pylist()]
    assert tweets.words_least <= min(counts)
    assert max(counts) <= tweets.words_most


def english() -> Phrases:
    return phrases.load(ENGLISH, Seeds(1))


def test_hardly_any_post_is_said_twice(posts: Posts) -> None:
    assert len(set(posts.text)) / len(posts.text) > 0.99


def test_posts_are_well_formed_text(posts: Posts) -> None:
    odd = [text for text in posts.text if re.search(r"[{}\n\t]|  |^\s|\s$| [.,!?;]", text)]
    assert odd == []


def test_posts_about_fire_come_only_from_cells_that_burned_in_the_last_days(posts: Posts) -> None:
    fires = posts.truth.fires
    reach = len(posts.settings.tweets.fire_posts)
    burned = {(d + n, c) for d, c in zip(fires.day.tolist(), fires.cell.tolist(), strict=True) for n in range(reach)}
    spoken = zip(posts.day[posts.about_fire].tolist(), posts.cell[posts.about_fire].tolist(), strict=True)
    assert posts.about_fire.sum() > 1000
    assert set(spoken) <= burned


def test_a_fire_is_spoken_of_as_often_as_the_settings_say(posts: Posts) -> None:
    mean = posts.about_fire.sum() / len(posts.truth.fires.day)
    assert mean == pytest.approx(sum(posts.settings.tweets.fire_posts), rel=0.1)


def test_without_fires_no_post_is_about_one() -> None:
    quiet = Posts(tiny(calendar={"days": 26}))
    assert not quiet.about_fire.any()


def test_the_share_of_figurative_posts_is_the_setting(posts: Posts) -> None:
    others = posts.topic[~posts.about_fire]
    assert np.mean(others == FIGURATIVE) == pytest.approx(posts.settings.tweets.figurative_share, abs=0.006)


@pytest.mark.parametrize(
    "feature",
    [
        len,
        words,
        lambda text: sum(map(text.count, string.ascii_uppercase)) / len(text),
        lambda text: sum(map(text.count, string.punctuation)),
        lambda text: sum(map(text.count, string.digits)),
        lambda text: text.count("#"),
        emoji,
        lambda text: text.count("@"),
        lambda text: text[0].isupper(),
        lambda text: text.count(","),
        lambda text: text.count("?"),
        lambda text: text.count("!"),
        lambda text: text.count("'"),
        lambda text: len(text) / words(text),
    ],
    ids=[
        "characters",
        "words",
        "upper case",
        "punctuation",
        "digits",
        "hashtags",
        "emoji",
        "mentions",
        "first letter",
        "commas",
        "questions",
        "exclamations",
        "apostrophes",
        "characters a word",
    ],
)
def test_no_trait_of_style_gives_fire_posts_away(posts: Posts, feature: Callable[[str], float]) -> None:
    values = np.array([float(feature(text)) for text in posts.text])
    assert 0.45 <= auc(values, posts.about_fire) <= 0.55


def test_the_word_fire_is_neither_needed_nor_enough(posts: Posts) -> None:
    says_fire = np.array([bool(FIRE_WORD.search(text)) for text in posts.text])
    assert 0.01 < says_fire[posts.about_fire].mean() <= 0.75
    assert says_fire[~posts.about_fire].sum() > 100
