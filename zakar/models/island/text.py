"""The island's phrase table, and posts composed from it by the block.

A post is a core, which carries the matter, perhaps a place's name or words on the moment of writing, and fillers before
or after it that make up the length drawn for the post; a closing of mark, emoji and hashtags; a link. News and notices
have fillers of their own, the same around a fire as around a fair. How long a post is, its case, typos, emoji and link
are drawn without looking at the matter, so that neither length nor form gives it away.

Each part is a row of one long table of texts. The parts of all posts are taken from it in one go and lie in memory one
after the other, so that a post is a longer view of what is there already: nothing is joined.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Annotated

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Meta

from zakar import config
from zakar.errors import ConfigError
from zakar.models.island.settings import Posts
from zakar.models.shared.settings import Settings
from zakar.models.shared.wording import (
    FAKED,
    ISLAND,
    Lines,
    Slots,
    alternatives,
    choose,
    domain_of,
    expand,
    faked,
    mistype,
    named,
    pick,
    sentence,
    unfilled,
    zipf_law,
)
from zakar.seeds import Seeds

# Uniform draws that the words of a post need, by name; indices() takes them as rows in this order.
CHOICES = ("core", "length", "split", "lead", "tail", "where", "tags", "close", "link", "path", "form", "mention")

_VARIANTS = 24  # expansions made of a phrase
# Common things come first in the phrase table; how often each comes up follows Zipf's law, offset by these.
_PHRASE_OFFSET = 12.0
_VALUE_OFFSET = 3.0
_TAG_OFFSET = 0.0
_LINE_OFFSET = 0.5
_WAYS = 64  # ways to name each settlement, some of them the same
_MOMENT_WAYS = 16  # ways to name a moment
_LENGTHS = 128  # characters that fillers make up at most, and one more
_WINDOW = 3  # a filler may be so many characters shorter or longer than what lacks
_LEAST = 12  # characters that lack before a filler is sought
_MIDDLE = 58  # from here on two fillers share the work
_FILLED = 60  # there must be fillers of every length up to here
_CLOSINGS, _LINKS = 4096, 2048  # ready-made closings of each group; beginnings and ends of links
_WHERE_SHARE = 0.4
_WHEN_SHARE = 0.08  # of people's posts with words on the moment
_CORE_MOST = 110  # characters of a core, its slots filled

_ENDS = (".", ".", ".", ".", "", "", "", "", "", "!", "...", "!!")
_CLOSED = frozenset(".!")
_SENTENCE, _LOWER, _UPPER, _WRITTEN = range(4)  # the forms of a piece; as written there are cores alone
_CASES = (0.55, 0.98)  # below the first in sentences, below the second in small letters, else in capitals
_TAGS = (0.65, 0.9)  # of posts with a hashtag, one below the first, two below the second, else three
_BODY = (88.0, 26.0, 44.0, 150.0)  # characters without closing and link: mean, SD, least, most
_SIGNS = "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"


class Pools(Settings, frozen=True):
    """Cores by what they are about; configs/phrases/island-en.toml says which is which."""

    ordinary: Lines
    figurative: Lines
    heat: Lines
    wind: Lines
    rain: Lines
    cold: Lines
    mild: Lines
    danger: Lines
    smell: Lines
    smoke: Lines
    scene: Lines
    rumour: Lines
    eyewitness: Lines
    concern: Lines
    news: Lines
    history: Lines
    news_fire: Lines
    notices: Lines
    drills: Lines
    official_fire: Lines
    abroad: Lines
    abroad_fire: Lines


POOLS = Pools.__struct_fields__
_OFFICIAL = frozenset({"news", "history", "news_fire", "notices", "drills", "official_fire"})
_MANNERS = ("fillers", "official_fillers")
_MANNER = np.array([name in _OFFICIAL for name in POOLS], np.int32)  # of each pool, as an index into these

PARTS_OF_DAY = {"night": 5, "morning": 7, "afternoon": 6, "evening": 6}  # from midnight on, and the hours that each has


class _FillerLines(Settings, frozen=True):
    before: Lines
    after: Lines
    lines: Lines


class _When(Settings, frozen=True):
    weekdays: Annotated[tuple[str, ...], Meta(min_length=7, max_length=7)]
    night: Lines
    morning: Lines
    afternoon: Lines
    evening: Lines


class _Closings(Settings, frozen=True):
    hashtags: Lines
    fire_hashtags: Lines
    emoji: Lines


class _Handles(Settings, frozen=True):
    people: Lines
    pages: Lines
    authorities: Lines
    bots: Lines


class IslandPhrases(Settings, frozen=True):
    """A phrase table as a person writes it; see configs/phrases/island-en.toml."""

    language: Annotated[str, Meta(min_length=2)]
    places: Annotated[tuple[str, ...], Meta(min_length=2)]
    where: Lines
    when: _When
    slots: dict[str, Lines]
    cores: Pools
    fillers: _FillerLines
    official_fillers: _FillerLines
    closings: _Closings
    handles: _Handles


@dataclass(frozen=True)
class Vocabulary:
    """A phrase table ready for taking by the block.

    ``segments``: every piece in sentences, small letters and capitals, ``pieces`` apart, the cores as written, then
    closings and links; ``length`` of each piece in characters. Pieces are cores, ``core_first`` and ``core_count`` by
    pool; fillers before (lead) and after (tail) a core with, by manner and characters that lack, the first that fits
    and how many do; places, _WAYS to name each; words on each moment, _MOMENT_WAYS of them; and nothing.
    ``lead_closed``: whether a lead ends a sentence. ``names`` of the settlements, and ``handles`` that accounts are
    named after.
    """

    segments: pa.Array
    pieces: int
    length: np.ndarray
    core_first: np.ndarray
    core_count: np.ndarray
    lead_first: np.ndarray
    lead_count: np.ndarray
    tail_first: np.ndarray
    tail_count: np.ndarray
    lead_closed: np.ndarray
    where_first: int
    when_first: int
    closing_first: int
    link_first: int
    names: tuple[str, ...]
    first_names: tuple[str, ...]
    handles: _Handles


def load(path: Path, settings: Posts, seeds: Seeds, island: str = ISLAND) -> Vocabulary:
    """Read a phrase table and expand it with draws from ``seeds``; ``island`` is its name.

    Raises ConfigError naming the file and the phrase that cannot be used.
    """
    # A key changes nothing of what belongs to no day, so the table is expanded once with and without one.
    return _expanded(config.read_text(path), path, settings, Seeds(seeds.root), island)


@lru_cache(maxsize=2)
def _expanded(text: str, path: Path, settings: Posts, seeds: Seeds, island: str) -> Vocabulary:
    table = config.convert(named(config.parse_toml(text, path), island), IslandPhrases, str(path))
    unfilled((*table.places, *table.closings.hashtags, *table.closings.fire_hashtags), path)
    draw = seeds.stream("chatter")
    faked_slots = {slot for slot in FAKED if slot == "name" or f"{{{slot}}}" in text} - table.slots.keys()
    made = faked(table.language, int(draw.integers(2**31)), path, faked_slots)
    slots = made | {"weekday": table.when.weekdays} | table.slots
    names = [table.places[i] for i in draw.permutation(len(table.places))]

    cores: list[str] = []
    core_count = []
    for pool in POOLS:
        expanded = _variants(getattr(table.cores, pool), slots, draw, path)
        core_count.append(len(expanded))
        cores += expanded
    longest = max(cores, key=len)
    if len(longest) > _CORE_MOST:
        raise ConfigError(f"{path}: phrase {longest!r} has more than {_CORE_MOST} characters; shorten it")

    leads, tails = zip(*(_fillers(getattr(table, key), slots, draw, path) for key in _MANNERS), strict=True)
    ways = _drawn(table.where, _WAYS, draw)
    where = [" " + way.replace("{place}", name) for name in names for way in ways]
    when = [
        " " + way.replace("{weekday}", weekday)
        for weekday in table.when.weekdays
        for part in PARTS_OF_DAY
        for way in _drawn(getattr(table.when, part), _MOMENT_WAYS, draw)
    ]

    # A post has a core and about one filler.
    loose = _mistyped([*cores, *chain(*leads), *chain(*tails)], settings.typo_share / 2, draw)
    texts = [*loose, *where, *when, ""]
    pieces = pa.array(texts)
    forms = [_sentences(pieces), pc.utf8_lower(pieces), pc.utf8_upper(pieces), pieces.slice(0, len(cores))]
    closings = [
        *_closings((), table.closings.hashtags, table.closings.emoji, settings, draw),
        *_closings(table.closings.fire_hashtags, table.closings.hashtags, table.closings.emoji, settings, draw),
    ]
    links = [f" https://{domain_of(island)}.example/{sign}" for sign in _signs(draw)] + _signs(draw) + [""]
    lead_first, lead_count = _fitting(leads, len(cores), path)
    tail_first, tail_count = _fitting(tails, len(cores) + sum(map(len, leads)), path)
    return Vocabulary(
        segments=pa.concat_arrays([*forms, pa.array(closings + links)]),
        pieces=len(pieces),
        length=pc.utf8_length(pieces).to_numpy(),
        core_first=(np.cumsum(core_count) - core_count).astype(np.int32),
        core_count=np.array(core_count, np.int32),
        lead_first=lead_first,
        lead_count=lead_count,
        tail_first=tail_first,
        tail_count=tail_count,
        lead_closed=np.array([*[False] * len(cores), *[lead.rstrip()[-1] in _CLOSED for lead in chain(*leads)]]),
        where_first=len(loose),
        when_first=len(loose) + len(where),
        closing_first=sum(map(len, forms)),
        link_first=sum(map(len, forms)) + len(closings),
        names=tuple(names),
        first_names=slots["name"],
        handles=table.handles,
    )


PARTS = 8  # of a post: prefix, lead, core, where, tail, closing, link and its end


def indices(
    vocabulary: Vocabulary,
    settings: Posts,
    pool: np.ndarray,
    town: np.ndarray,
    moment: np.ndarray,
    fiery: np.ndarray,
    u: dict[str, np.ndarray],
) -> np.ndarray:
    """Choose the parts of n posts.

    ``pool`` of the core, ``town``: the settlement that may be named, ``moment`` of writing, as moments() numbers them,
    ``fiery``: share of hashtags about fire, each of shape (n,); ``u``: uniform draws by the names in CHOICES. Returns
    rows of ``segments``, shape (n, PARTS), int32. The first, the prefix, is left to the caller.
    """
    core = vocabulary.core_first[pool] + choose(u["core"], vocabulary.core_count[pool])
    nothing = np.int32(vocabulary.pieces - 1)
    way = (
        vocabulary.where_first
        + (town % len(vocabulary.names)).astype(np.int32) * np.int32(_WAYS)
        + choose(u["where"] / np.float32(_WHERE_SHARE), _WAYS)
    )
    where = np.where(u["where"] < _WHERE_SHARE, way, nothing)
    rest = 1 - u["where"]
    timed = np.flatnonzero((rest < np.float32(_WHEN_SHARE)) & (_MANNER[pool] == 0))
    again = choose(rest[timed] / np.float32(_WHEN_SHARE), _MOMENT_WAYS)
    where[timed] = vocabulary.when_first + moment[timed] * _MOMENT_WAYS + again

    lack = _lengths()[choose(u["length"], 1024)] - vocabulary.length[core] - vocabulary.length[where]
    np.clip(lack, 0, _LENGTHS - 1, out=lack)
    some, two = lack >= _LEAST, lack >= _MIDDLE
    # Two fillers share what lacks, from 0.3 : 0.7 to 0.7 : 0.3; one stands before or after the core.
    share = np.where(two, np.float32(0.3) + np.float32(0.4) * u["split"], u["split"] < 0.5)
    before = (share * lack).astype(np.int32)
    after = lack - before
    has_lead, has_tail = some & (before > 0), some & (after > 0)
    manner = _MANNER[pool] * np.int32(_LENGTHS)
    before += manner
    after += manner
    lead = np.where(has_lead, vocabulary.lead_first[before] + choose(u["lead"], vocabulary.lead_count[before]), nothing)
    tail = np.where(has_tail, vocabulary.tail_first[after] + choose(u["tail"], vocabulary.tail_count[after]), nothing)

    case = np.where(u["form"] < _CASES[0], _SENTENCE, np.where(u["form"] < _CASES[1], _LOWER, _UPPER))
    form = case.astype(np.int32) * np.int32(vocabulary.pieces)
    # Within a sentence a core keeps its small letter.
    goes_on = (case == _SENTENCE) & (lead != nothing)
    goes_on &= ~vocabulary.lead_closed[np.where(goes_on, lead, vocabulary.lead_first[0])]

    linked = u["link"] < settings.link_share
    link = vocabulary.link_first + choose(u["link"] / np.float32(settings.link_share), _LINKS)
    no_link = len(vocabulary.segments) - 1
    parts = np.empty((len(pool), PARTS), np.int32)
    parts[:, 1] = lead + form
    parts[:, 2] = core + np.where(goes_on, np.int32(_WRITTEN * vocabulary.pieces), form)
    parts[:, 3] = where + form
    parts[:, 4] = tail + form
    parts[:, 5] = vocabulary.closing_first + (u["tags"] < fiery) * np.int32(_CLOSINGS) + choose(u["close"], _CLOSINGS)
    parts[:, 6] = np.where(linked, link, no_link)
    parts[:, 7] = np.where(linked, vocabulary.link_first + _LINKS + choose(u["path"], _LINKS), no_link)
    return parts


def moments(weekday: np.ndarray, minute: np.ndarray) -> np.ndarray:
    """Return numbers of moments that words are about, from days of the week, 0 for Monday, and minutes of the day."""
    part = np.repeat(np.arange(len(PARTS_OF_DAY)), [60 * hours for hours in PARTS_OF_DAY.values()]).astype(np.int32)
    numbers: np.ndarray = weekday.astype(np.int32) * np.int32(len(PARTS_OF_DAY)) + part[minute]
    return numbers


def prefixes(handles: pa.Array) -> pa.Array:
    """Return what may stand before a post: nothing, a mention of each account, the mark of a repost of each."""
    names = handles.to_pylist()
    return pa.array(["", *[f"@{name} " for name in names], *[f"RT @{name}: " for name in names]])


_CHUNK = 8192  # posts taken at a time: what they take stays in the processor's cache


def texts(vocabulary: Vocabulary, before: pa.Array, rows: np.ndarray) -> pa.Array:
    """Return the posts whose parts are ``rows``, (n, PARTS): the first of ``before``, the rest of ``segments``."""
    table = pa.concat_arrays([vocabulary.segments, before])
    rows[:, 0] += len(vocabulary.segments)
    return pa.concat_arrays(
        [pa.array([], pa.string()), *(_text(table, rows[at : at + _CHUNK]) for at in range(0, len(rows), _CHUNK))]
    )


def _text(table: pa.Array, rows: np.ndarray) -> pa.Array:
    count, parts = rows.shape
    taken = table.take(pa.array(rows.ravel()))
    offsets = np.frombuffer(taken.buffers()[1], np.int32, count * parts + 1)[::parts]
    return pa.StringArray.from_buffers(count, pa.py_buffer(np.ascontiguousarray(offsets)), taken.buffers()[2])


@lru_cache(maxsize=1)
def _lengths() -> np.ndarray:
    """Return 1,024 lengths, the quantiles of a gamma distribution cut off at both ends."""
    mean, sd, least, most = _BODY
    shape = (mean / sd) ** 2
    at = np.arange(1, 2 * int(most))
    density = at ** (shape - 1) * np.exp(-at * shape / mean)
    quantiles = np.interp((np.arange(1024) + 0.5) / 1024, np.cumsum(density) / density.sum(), at)
    lengths: np.ndarray = np.clip(quantiles, least, most).astype(np.int32)
    return lengths


def _variants(templates: Lines, slots: Slots, draw: np.random.Generator, path: Path) -> list[str]:
    """Return expansions of each template, the more the nearer it is to the front."""
    parts = []
    for template, number in zip(templates, _numbers(len(templates)), strict=True):
        plain, choices = alternatives(template)
        if any("{" in value for values in choices.values() for value in values):
            raise ConfigError(f"{path}: phrase {template!r} has a slot among alternatives; write a phrase for each")
        expanded = expand(plain, {**slots, **choices} if choices else slots, draw, path, number, _VALUE_OFFSET)
        parts += expanded if len(expanded) == number else expanded * number
    return parts


def _fillers(fillers: _FillerLines, slots: Slots, draw: np.random.Generator, path: Path) -> tuple[list[str], list[str]]:
    """Return fillers to stand before and after a core, with what joins them to it, each in order of length."""
    lines = _variants(fillers.lines, slots, draw, path)
    before, after = (_drawn(joints, len(lines), draw) for joints in (fillers.before, fillers.after))
    leads = sorted((text + joint for text, joint in zip(lines, before, strict=True)), key=len)
    tails = sorted((_after(text, joint) for text, joint in zip(lines, after, strict=True)), key=len)
    return leads, tails


def _drawn(lines: Lines, count: int, draw: np.random.Generator) -> list[str]:
    """Draw from lines of which the first are the most common."""
    return [lines[i] for i in np.searchsorted(zipf_law(len(lines), _LINE_OFFSET), draw.random(count)).tolist()]


def _numbers(count: int) -> list[int]:
    """Return the number of expansions of each of ``count`` templates: about _VARIANTS on average, fewer to the end."""
    shares = np.diff(zipf_law(count, _PHRASE_OFFSET), prepend=0)
    numbers: list[int] = np.maximum(1, np.rint(shares * count * _VARIANTS)).astype(int).tolist()
    return numbers


def _sentences(texts: pa.Array) -> pa.Array:
    first, rest = pc.utf8_slice_codeunits(texts, 0, 1), pc.utf8_slice_codeunits(texts, 1)
    return pc.binary_join_element_wise(pc.utf8_upper(first), rest, "")


def _after(text: str, joint: str) -> str:
    return joint + (sentence(text) if joint.strip()[-1] in _CLOSED else text)


def _mistyped(pieces: list[str], share: float, draw: np.random.Generator) -> list[str]:
    for i in np.flatnonzero(draw.random(len(pieces)) < share).tolist():
        pieces[i] = mistype(pieces[i], draw)
    return pieces


def _fitting(fillers: Iterable[list[str]], offset: int, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return, by manner and number of characters that may lack, the first filler that fits and how many do."""
    firsts, counts = [], []
    for key, texts in zip(_MANNERS, fillers, strict=True):
        lengths = np.array([len(text) for text in texts])
        targets = np.maximum(np.arange(_LENGTHS), lengths[0] + _WINDOW)
        first = np.searchsorted(lengths, targets - _WINDOW, "left")
        count = np.searchsorted(lengths, targets + _WINDOW, "right") - first
        gap = np.flatnonzero(count == 0)
        longest = int(gap[0]) - 1 if len(gap) else _LENGTHS - 1
        if longest < _FILLED:
            raise ConfigError(f"{path}: `{key}.lines` has no phrase of about {longest + 1} characters; add some")
        first[longest:], count[longest:] = first[longest], count[longest]
        firsts.append(first + offset)
        counts.append(count)
        offset += len(texts)
    return np.concatenate(firsts).astype(np.int32), np.concatenate(counts).astype(np.int32)


def _closings(
    fiery: tuple[str, ...], tags: Lines, emoji: Lines, settings: Posts, draw: np.random.Generator
) -> list[str]:
    """Return ready-made closings: end mark, emoji, hashtags, a third of them ``fiery`` ones if there are any."""
    end = draw.integers(0, len(_ENDS), _CLOSINGS).tolist()
    has_emoji = (draw.random(_CLOSINGS) < settings.emoji_share).tolist()
    sign = draw.integers(0, len(emoji), _CLOSINGS).tolist()
    tagged = draw.random(_CLOSINGS) < settings.hashtag_share
    number = np.where(tagged, 1 + np.searchsorted(_TAGS, draw.random(_CLOSINGS)), 0).tolist()
    shape = (_CLOSINGS, len(_TAGS) + 1)
    about_fire = draw.random(shape) < (1 / 3 if fiery else 0)
    tag = np.where(
        about_fire,
        pick(draw.random(shape), len(fiery)),
        len(fiery) + np.searchsorted(zipf_law(len(tags), _TAG_OFFSET), draw.random(shape)),
    ).tolist()
    known = (*fiery, *tags)
    return [
        _ENDS[end[i]]
        + (f" {emoji[sign[i]]}" if has_emoji[i] else "")
        + "".join(f" {known[t]}" for t in dict.fromkeys(tag[i][: number[i]]))
        for i in range(_CLOSINGS)
    ]


def _signs(draw: np.random.Generator) -> list[str]:
    """Return ``_LINKS`` different strings of three letters or digits, in no order."""
    chosen = draw.permutation(len(_SIGNS) ** 3)[:_LINKS].tolist()
    base = len(_SIGNS)
    return [_SIGNS[i // base**2] + _SIGNS[i // base % base] + _SIGNS[i % base] for i in chosen]
