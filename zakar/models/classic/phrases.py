"""Phrase tables, and posts composed from them by the block.

A post is one core, which carries the topic, among filler pieces, which do not. The target length, the
pieces, case, typos, joints, end marks, hashtags and emoji are drawn without looking at the topic, and fillers
make up for a short core, so that neither length nor form gives a topic away.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Meta

from zakar import config
from zakar.errors import ConfigError
from zakar.models.shared.settings import Settings
from zakar.models.shared.wording import ISLAND, Lines, expand, faked, mistype, named, pick, sentence, unfilled
from zakar.seeds import Seeds

TOPICS = ("ordinary", "figurative", "fire")
ORDINARY, FIGURATIVE, FIRE = range(len(TOPICS))

# Uniform draws that a post needs, by name; compose() takes them as rows in this order.
_CHOICES = (
    "template", "variant", "length", "place", "piece0", "piece1", "piece2", "case", "typo", "typo_at",
    "joint", "end", "mention", "tag0", "tag1", "emoji",
)  # fmt: skip
FIELDS = len(_CHOICES)

_VARIANTS = 48  # expansions made of a phrase that has slots
_PIECE_LEAST, _PIECE_MOST, _PIECES = 3, 12, 3  # words in a filler piece; pieces in a post, at most
_CORE_MOST = 18  # words in a core, its slots filled

_JOINTS = (". ", ". ", ". ", ", ", ", ", "... ", "! ", " - ", "; ")
_ENDS = (".", ".", ".", "", "", "", "!", "!", "...", "?", "!!")
_TAG_SHARES = (0.45, 0.15)  # of posts with a first and a second hashtag
_EMOJI_SHARE, _MENTION_SHARE, _TYPO_SHARE = 0.25, 0.12, 0.08
_CASE_SHARES = (0.55, 0.43, 0.02)  # sentence case, all lower, all upper


class _Cores(Settings, frozen=True):
    ordinary: Lines
    figurative: Lines
    fire: Lines


class _Fillers(Settings, frozen=True):
    lines: Lines


class _Closers(Settings, frozen=True):
    hashtags: Lines
    emoji: Lines


class PhraseFile(Settings, frozen=True):
    """A phrase table as a person writes it; see configs/phrases/en.toml."""

    language: Annotated[str, Meta(min_length=2)]
    slots: dict[str, Lines]
    cores: _Cores
    fillers: _Fillers
    closers: _Closers


@dataclass(frozen=True)
class Phrases:
    """Phrase tables ready for taking by the block.

    ``segments`` holds every expanded core and filler in 8 forms (4 cases, each without and with a typo),
    ``forms`` apart; the last segment of a form is empty. ``template_*``: where the templates of each topic
    start, and each template's first variant and number of variants. ``filler_*``: the same for fillers by
    number of words.
    """

    segments: pa.Array
    forms: int
    topic_first: np.ndarray
    topic_count: np.ndarray
    template_first: np.ndarray
    template_count: np.ndarray
    words: np.ndarray
    filler_first: np.ndarray
    filler_count: np.ndarray
    handles: pa.Array
    hashtags: pa.Array
    emoji: pa.Array


def load(path: Path, seeds: Seeds, island: str = ISLAND) -> Phrases:
    """Read a phrase table and expand it with draws from ``seeds``; ``island`` is its name.

    Raises ConfigError naming the file and the phrase that cannot be used.
    """
    return _expanded(config.read_text(path), path, seeds, island)


@lru_cache(maxsize=4)
def _expanded(text: str, path: Path, seeds: Seeds, island: str) -> Phrases:
    table = config.convert(named(config.parse_toml(text, path), island), PhraseFile, str(path))
    unfilled(table.closers.hashtags, path)
    draw = seeds.stream("phrases")
    slots = faked(table.language, int(draw.integers(2**31)), path) | table.slots

    first: list[int] = []
    count: list[int] = []
    texts: list[str] = []
    for template in (t for topic in TOPICS for t in getattr(table.cores, topic)):
        expanded = expand(template, slots, draw, path, _VARIANTS)
        first.append(len(texts))
        count.append(len(expanded))
        texts += expanded
    cores = len(texts)
    longest = max(texts, key=_words)
    if _words(longest) > _CORE_MOST:
        raise ConfigError(f"{path}: phrase {longest!r} has more than {_CORE_MOST} words; shorten it")

    fillers = [text for line in table.fillers.lines for text in expand(line, slots, draw, path, _VARIANTS)]
    fillers.sort(key=_words)
    lengths = np.array([_words(text) for text in fillers])
    sizes = np.arange(_PIECE_MOST + 1)
    filler_count = np.searchsorted(lengths, sizes, "right") - np.searchsorted(lengths, sizes, "left")
    lacking = [int(n) for n in sizes[_PIECE_LEAST:] if filler_count[n] == 0]
    if lacking:
        raise ConfigError(f"{path}: `fillers.lines` has no phrase of {lacking[0]} words; add one")
    texts += fillers

    topic_count = np.array([len(getattr(table.cores, topic)) for topic in TOPICS])
    return Phrases(
        segments=pa.array(_forms(texts, draw)),
        forms=len(texts) + 1,
        topic_first=np.cumsum(topic_count) - topic_count,
        topic_count=topic_count,
        template_first=np.array(first),
        template_count=np.array(count),
        words=np.array([_words(text) for text in texts[:cores]]),
        filler_first=cores + np.searchsorted(lengths, sizes, "left"),
        filler_count=filler_count,
        handles=pa.array(["", *(f"{handle} " for handle in slots["handle"])]),
        hashtags=pa.array(["", *(f" {tag}" for tag in table.closers.hashtags)]),
        emoji=pa.array(["", *(f" {sign}" for sign in table.closers.emoji)]),
    )


def compose(phrases: Phrases, topic: np.ndarray, draws: np.ndarray, words_least: int, words_most: int) -> pa.Array:
    """Compose posts: ``topic`` of shape (n,), ``draws`` uniform in [0, 1) of shape (FIELDS, n).

    Returns a string array of n posts of ``words_least`` to ``words_most`` words, not counting a mention,
    hashtags and emoji.
    """
    u = dict(zip(_CHOICES, draws, strict=True))
    template = phrases.topic_first[topic] + pick(u["template"], phrases.topic_count[topic])
    core = phrases.template_first[template] + pick(u["variant"], phrases.template_count[template])

    # Fillers make up what the core lacks of a length drawn for all topics alike.
    length = words_least + pick(u["length"] ** 1.5, words_most + 1 - words_least)
    lack = length - phrases.words[core]
    lack = np.where(lack > 0, np.clip(lack, _PIECE_LEAST, _PIECE_MOST * _PIECES), 0)
    pieces = -(-lack // _PIECE_MOST)
    core_at = pick(u["place"], pieces + 1)

    form = np.searchsorted(np.cumsum(_CASE_SHARES)[:-1], u["case"], "right")
    typo_at = np.where(u["typo"] < _TYPO_SHARE, pick(u["typo_at"], pieces + 1), -1)
    joint = pick(u["joint"], len(_JOINTS))
    end = pick(u["end"], len(_ENDS))

    fillers = []
    for i in range(_PIECES):
        size = np.where(i < pieces, lack // np.maximum(pieces, 1) + (i < lack % np.maximum(pieces, 1)), 3)
        fillers.append(phrases.filler_first[size] + pick(u[f"piece{i}"], phrases.filler_count[size]))

    parts = [_optional(phrases.handles, u["mention"], _MENTION_SHARE)]
    joints = pa.array(["", *_JOINTS])
    sentence_end = np.array([mark.strip() in {".", "...", "!"} for mark in _JOINTS])
    for i in range(_PIECES + 1):
        filler = np.choose(np.clip(i - (i > core_at), 0, _PIECES - 1), fillers)
        segment = np.where(i == core_at, core, filler)
        segment = np.where(i <= pieces, segment, phrases.forms - 1)
        # Within a sentence the second piece keeps its small letter: form 3 is "as written".
        case = np.where((form == 0) & (i > 0) & ~sentence_end[joint], 3, form)
        index = segment + phrases.forms * (2 * case + (typo_at == i))
        if i > 0:
            parts.append(joints.take(pa.array(np.where(i <= pieces, joint + 1, 0))))
        parts.append(phrases.segments.take(pa.array(index)))
    parts.append(pa.array(_ENDS).take(pa.array(end)))
    parts += [_optional(phrases.hashtags, u[f"tag{i}"], share) for i, share in enumerate(_TAG_SHARES)]
    parts.append(_optional(phrases.emoji, u["emoji"], _EMOJI_SHARE))
    return pc.binary_join_element_wise(*parts, "")


def _words(text: str) -> int:
    """Return the number of words, not counting mentions."""
    return sum(not word.startswith("@") for word in text.split())


def _optional(table: pa.Array, uniform: np.ndarray, share: float) -> pa.Array:
    """Take from ``table`` for a share of the posts, its empty first entry for the rest."""
    index = np.where(uniform < share, 1 + pick(uniform / share, len(table) - 1), 0)
    return table.take(pa.array(index))


def _forms(texts: list[str], draw: np.random.Generator) -> list[str]:
    """Return all texts in sentence, lower, upper case and as written, each without and with a typo."""
    typos = [mistype(text, draw) for text in texts]
    cases = (sentence, str.lower, str.upper, str)
    return [form for case in cases for table in (texts, typos) for form in [*map(case, table), ""]]
