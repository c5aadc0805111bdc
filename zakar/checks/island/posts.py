"""Checks 19, 20 and 22: how many posts there are around fires, what words they have, and what gives them away."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from zakar.checks import statistics
from zakar.checks.check import DAYS, FIRES, Check
from zakar.checks.island.history import History
from zakar.dataset import store
from zakar.dataset.schema import TWEET_TOPICS, TWEETS
from zakar.dataset.store import Dataset

_BEFORE, _AFTER = 28, 14  # days around the escape of a fire
_TOKENS = 23_000  # as many as the labelled crisis tweets have, to which the figures belong
_LINK = r"https?://\S+"
_NO_WORD = r"[^\pL\pN#@'_]+"
_NO_NUMBER = r"[^0-9.,:%/-]+"
_BATCH = 65_536
_CRISIS = "CrisisLexT26, Colorado 2012 and Australia 2013"


@dataclass(frozen=True)
class Rows:
    """Posts in the order of the table: index of the day, cell number, and the fire that each is about, 0 for none."""

    day: np.ndarray
    cell: np.ndarray
    fire: np.ndarray


@dataclass(frozen=True)
class Posts:
    """Some of the posts: their number in the table, text, id, author, and minute of the day."""

    row: np.ndarray
    text: pa.Array
    identifier: np.ndarray
    author: pa.Array
    minute: np.ndarray

    def where(self, chosen: np.ndarray) -> "Posts":
        """Return those that a mask chooses."""
        mask = pa.array(chosen)
        return Posts(
            self.row[chosen],
            self.text.filter(mask),
            self.identifier[chosen],
            self.author.filter(mask),
            self.minute[chosen],
        )


@dataclass(frozen=True)
class Words:
    """Words one after another, as numbers in ``vocabulary``, and the number of the text that each belongs to."""

    word: np.ndarray
    text: np.ndarray
    vocabulary: pa.Array


def read_rows(dataset: Dataset, history: History) -> Rows:
    """Read where posts are, and what fire each is about."""
    rows = store.columns(dataset, TWEETS, ["day", "geospatial_x", "geospatial_y"])
    cell = rows["geospatial_x"].to_numpy().astype(np.int64) * history.island.height + rows["geospatial_y"].to_numpy()
    fire = store.columns(dataset, TWEET_TOPICS, ["fire"])["fire"].to_numpy()
    return Rows(rows["day"].to_numpy().astype(np.int64) - history.first_day, cell, fire)


def read(dataset: Dataset, chosen: np.ndarray) -> Posts:
    """Read the posts that a mask over all rows chooses, a batch at a time."""
    names = ["tweet", "tweet_id", "author", "minute"]
    kept: list[pa.RecordBatch] = []
    first = 0
    for batch in store.batches(dataset, TWEETS.full(), rows=_BATCH):
        mask = chosen[first : first + batch.num_rows]
        first += batch.num_rows
        if mask.any():
            kept.append(batch.select(names).filter(pa.array(mask)))
    whole = pa.Table.from_batches(kept, pa.schema([TWEETS.full().schema.field(name) for name in names]))
    return Posts(
        row=np.flatnonzero(chosen),
        text=whole["tweet"].combine_chunks(),
        identifier=whole["tweet_id"].to_numpy(),
        author=whole["author"].combine_chunks(),
        minute=whole["minute"].to_numpy(),
    )


# Words.


def words(texts: pa.Array) -> Words:
    """Return the words of texts: in small letters, links as one word, without punctuation, # and @ kept."""

    def plain(some: pa.Array) -> pa.Array:
        without_links = pc.replace_substring_regex(pc.utf8_lower(some), _LINK, " #link ")
        return pc.replace_substring_regex(without_links, _NO_WORD, " ")

    return _split(texts, plain)


def number_shapes(texts: pa.Array) -> Words:
    """Return how the numbers in texts are written, as words in which every digit is a 9."""

    def plain(some: pa.Array) -> pa.Array:
        return pc.replace_substring_regex(pc.replace_substring_regex(some, _NO_NUMBER, " "), r"[0-9]", "9")

    return _split(texts, plain)


def _split(texts: pa.Array, plain: Callable[[pa.Array], pa.Array]) -> Words:
    """Return the words, parted by spaces, of what ``plain`` makes of texts; some texts at a time, to save memory."""
    coded, text = [], []
    for first in range(0, max(len(texts), 1), _BATCH):
        parts = pc.utf8_split_whitespace(pc.utf8_trim_whitespace(plain(texts.slice(first, _BATCH))))
        coded.append(parts.flatten().dictionary_encode())
        text.append(pc.list_parent_indices(parts).to_numpy().astype(np.int32) + np.int32(first))
    chunks = pa.chunked_array(coded).unify_dictionaries().chunks
    word, vocabulary = np.concatenate([chunk.indices.to_numpy() for chunk in chunks]), chunks[-1].dictionary
    there = pc.not_equal(vocabulary, "").to_numpy(zero_copy_only=False)[word]  # an empty text has one such part
    return Words(word[there], np.concatenate(text)[there], vocabulary)


@dataclass(frozen=True)
class Classifier:
    """Naive Bayes: the words that are known, and the weight of each as a sign that a post is about a real fire.

    ``alarm``: a score that one in a hundred of the other posts exceeds.
    """

    vocabulary: pa.Array
    odds: np.ndarray
    alarm: float

    def scores(self, text_words: Words, texts: int) -> np.ndarray:
        """Return the score of each of so many texts: the sum of the weights of its words that are known."""
        place = pc.index_in(text_words.vocabulary, self.vocabulary).fill_null(len(self.vocabulary)).to_numpy()
        weight = np.append(self.odds, 0.0)[place]
        return np.bincount(text_words.text, weight[text_words.word], minlength=texts)


def trained(text_words: Words, positive: np.ndarray, used: np.ndarray) -> Classifier:
    """Train on the texts that are ``used``; ``positive``: whether each is about a real fire. Both (texts,) bool."""
    size = len(text_words.vocabulary)
    of_class = (
        np.bincount(text_words.word[(used & is_in)[text_words.text]], minlength=size) for is_in in (positive, ~positive)
    )
    classifier = Classifier(text_words.vocabulary, statistics.word_odds(*of_class), 0.0)
    others = classifier.scores(text_words, len(used))[used & ~positive]
    return replace(classifier, alarm=float(np.quantile(others, 0.99)) if len(others) else 0.0)


# The checks.


def burst(history: History, loud: np.ndarray) -> list[Check]:
    """Return check 19. ``loud``: how many posts a filter for fires keeps on each day, shape (days,)."""
    curve = burst_curve(history, loud)
    peak = int(np.argmax(curve[_BEFORE : _BEFORE + 4])) + _BEFORE if len(curve) else 0
    return [
        Check(
            "19/burst",
            "posts that a word filter keeps, on the day of most after a fire escapes, over a usual day",
            float(curve[peak]) if len(curve) else np.nan,
            5,
            20,
            f"{_CRISIS}: about 14",
            (*FIRES, *DAYS, "tweets"),
        ),
        Check(
            "19/half-life",
            "days from then until what is more than on a usual day has halved",
            statistics.half_life(curve[peak:] - 1) if len(curve) else np.nan,
            0.7,
            2,
            f"{_CRISIS}: about a day",
            (*FIRES, *DAYS, "tweets"),
        ),
    ]


def burst_curve(history: History, loud: np.ndarray) -> np.ndarray:
    """Return the posts of each day around the escape of a fire over those of a usual day: the median over all fires.

    From _BEFORE days before to _AFTER days after; a usual day is the median of all. The median over the days on which
    fires escape, since one may burn for long. Empty where nothing escapes so far from both ends.
    """
    escape = np.unique(history.ignition[0][history.fires.escaped])
    escape = escape[(escape >= _BEFORE) & (escape + _AFTER < len(loud))]
    usual = float(np.median(loud))
    if len(escape) == 0 or usual == 0:
        return np.empty(0)
    around: np.ndarray = np.median(loud[escape[:, None] + np.arange(-_BEFORE, _AFTER + 1)], axis=0) / usual
    return around


def text_sample(rows: int) -> np.ndarray:
    """Return a mask that chooses the posts whose words are looked at, some more than are needed."""
    return statistics.sampled(np.arange(rows), min(1, 4_000 / max(rows, 1)))


def diversity(texts: pa.Array) -> list[Check]:
    """Return check 20, of the first of the texts that come to 23,000 words."""
    text_words = words(texts)
    last = int(text_words.text[_TOKENS]) if len(text_words.text) > _TOKENS else len(texts)
    kept = text_words.text < last
    word, text = text_words.word[kept], text_words.text[kept]
    unique = pc.count_distinct(texts.slice(0, last)).as_py() / last if last else np.nan
    return [
        Check(
            "20/distinct-2",
            "different ones among all pairs of words, at 23,000 words",
            statistics.distinct(word, text, 2),
            0.50,
            0.65,
            f"{_CRISIS}: 0.56-0.59",
            (*DAYS, "tweets"),
        ),
        Check(
            "20/zipf",
            "slope of log frequency on log rank, the 1,000 most frequent words",
            statistics.zipf_slope(word) if len(word) else np.nan,
            -1.15,
            -0.95,
            f"{_CRISIS}: -1.03",
            (*DAYS, "tweets"),
        ),
        Check(
            "20/unique",
            "share of different posts",
            unique,
            0.88,
            1,
            f"{_CRISIS}: 0.90-0.98",
            (*DAYS, "tweets"),
        ),
    ]


def told_apart(score: np.ndarray, positive: np.ndarray) -> Check:
    """Return check 22, as far as it is about words, from scores of posts that the classifier was not trained on."""
    return Check(
        "22/words",
        "AUC of naive Bayes on words: about a real fire or not, trained on earlier years",
        statistics.auc(score, positive),
        0.85,
        0.95,
        f"{_CRISIS}: 0.907, informative or not",
        (*FIRES, *DAYS, "tweets"),
        baseline=True,
    )


def leak(posts: Posts, day: np.ndarray, positive: np.ndarray, train: np.ndarray) -> Check:
    """Return check 22, as far as it is about what must give nothing away: all but the words.

    ``day``, ``positive``, ``train``: of each post; what is not ``train`` is tested.
    """
    score = np.zeros(len(day))
    for feature in _outward(posts, day):
        score += _category_odds(feature, positive, train)
    within = max(0.05, 3 * _chance_error(positive[~train]))  # of few posts chance has more
    shapes = number_shapes(posts.text)
    score += trained(shapes, positive, train).scores(shapes, len(day))
    return Check(
        "22/leak",
        "AUC within a day of naive Bayes on id, length, author, hour and number formatting alone",
        statistics.auc_within(score[~train], positive[~train], day[~train]),
        0.5 - within,
        0.5 + within,
        "what a post is about must show in its words alone",
        baseline=True,
    )


def _chance_error(positive: np.ndarray) -> float:
    """Return the standard error of an AUC that is 0.5, of so many positives and others (Hanley and McNeil 1982)."""
    some, others = max(int(positive.sum()), 1), max(int((~positive).sum()), 1)
    return float(np.sqrt((some + others + 1) / (12 * some * others)))


def _outward(posts: Posts, day: np.ndarray) -> Iterator[np.ndarray]:
    """Yield what is seen of each post without its words, as numbers of categories from 0 on."""
    of_day = np.flatnonzero(np.concatenate([[True], day[1:] != day[:-1]]))
    number = np.cumsum(np.bincount(of_day, minlength=len(day))) - 1
    least = np.minimum.reduceat(posts.identifier, of_day)[number]
    most = np.maximum.reduceat(posts.identifier, of_day)[number]
    yield (10 * (posts.identifier - least)) // (most - least + 1)
    yield posts.identifier % 10
    yield pc.utf8_length(posts.text).to_numpy().astype(np.int64) // 10
    yield posts.author.dictionary_encode().indices.to_numpy().astype(np.int64)
    yield pc.utf8_length(posts.author).to_numpy().astype(np.int64)
    yield posts.minute.astype(np.int64) // 60


def _category_odds(category: np.ndarray, positive: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Return the weight of each row's category as a sign of a positive."""
    size = int(category.max()) + 1
    of_class = (np.bincount(category[train & is_in], minlength=size) for is_in in (positive, ~positive))
    return np.asarray(statistics.word_odds(*of_class)[category])
