"""Posts: who writes when, where and about what. Words come from the phrase table; see text.py.

A day's posts lie in the order of their minutes. Most are daily life, written wherever an account's owner is. Contained
fires, the fronts of escaped ones and things that only look or smell like fire are sources: each draws posts from people
around it, from pages, authorities and accounts off the island, that fade from day to day. What an account writes about
differs by its kind alone, and kinds have about the same share in posts about fires as in others, so that an author's
name tells little. A repost copies the words of an earlier post, of the same day or the day before.
"""

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
import pyarrow as pa

from zakar.models.island import bursts, text, topics
from zakar.models.island.authors import AUTHORITIES, KINDS, OUTSIDERS, PAGES, PEOPLE, Authors
from zakar.models.island.bursts import Sources
from zakar.models.island.fwi import Danger
from zakar.models.island.settings import DatedCalendar, Posts
from zakar.models.island.terrain import Island
from zakar.models.island.text import CHOICES, Vocabulary
from zakar.models.island.weather import Weather
from zakar.models.island.year import Truth
from zakar.models.shared import gregorian
from zakar.models.shared.wording import choose
from zakar.seeds import Seeds

ECHO_DAYS = bursts.ECHO_DAYS

# Uniform draws that a post needs, by name.
_FIELDS = ("minute", "account", "away", "cell", "topic", "pool", "repost", "lag", "wrong", *CHOICES)
_GUIDE = 1 << 16  # steps of the tables that turn a uniform draw into an account, a place, a minute
_ID_STEP = 100_000  # numbers of posts that a day has

# Share of a day's posts by hour of local time: least before dawn, most in the evening.
_HOURS = np.array(
    [28, 19, 14, 11.5, 11, 13, 22, 36, 46, 50, 52, 55, 60, 57, 53, 52, 54, 58, 63, 69, 73, 72, 62, 44], np.float64
)
_BUSIEST_DAY = 213  # of the year in the north: the end of July

_NEARNESS = np.exp(-bursts.KM / np.array([[0.7], [1.5], [2.5]]))  # e-folding km of sight, smoke and talk
_DRIFT = 1.1  # smoke is so much likelier downwind, as a logarithm, than across
_LOCAL_SHARE = 0.2  # of people's posts about a source by those who live where they write
_CROWDING = 4.0  # shape of the gamma noise of a source's day: some fires are the talk of the island, most are not


@dataclass(frozen=True)
class _Draws:
    """What is drawn for some days, in the order of minutes.

    ``start``: where each day's posts begin, and where the last's end. ``at``: which posts a source draws; ``near``,
    ``fire``, ``small``: its place, its fire's number (0 for none), whether it is no escaped fire. ``u``: uniform draws
    of all n posts, by the names in _FIELDS.
    """

    start: np.ndarray
    at: np.ndarray
    near: np.ndarray
    fire: np.ndarray
    small: np.ndarray
    u: dict[str, np.ndarray]


@dataclass(frozen=True)
class _Posts:
    """Posts before they have words, each array of shape (n,).

    ``account``; ``place`` that the post carries, ``true_place`` of its author, -1 off the island; ``post_type``,
    ``fire``; ``spoken_of``: the place whose settlement may be named.
    """

    account: np.ndarray
    place: np.ndarray
    true_place: np.ndarray
    post_type: np.ndarray
    fire: np.ndarray
    spoken_of: np.ndarray


def posts(
    settings: Posts,
    calendar: DatedCalendar,
    island: Island,
    authors: Authors,
    seeds: Seeds,
    vocabulary: Vocabulary,
    first: int,
    truth: Truth,
) -> dict[str, np.ndarray | pa.Array]:
    """Return the posts of the days from ``first`` on in (day, x, y, minute) order.

    ``truth`` begins with the day before ``first`` or earlier, or with day 1, and ends with the last day; its fires are
    those of ECHO_DAYS days before ``first`` on, or more. Raises ValueError if it begins too late.

    Columns: day, cell (cell number), tweet, tweet_id, author, minute; topic (a word of TOPICS), fire (its number, 0
    for none), true_x, true_y (-1 off the island).
    """
    begin, last = max(1, first - 1), int(truth.days[-1])  # reposts copy posts of the day before
    if truth.days[0] > begin:
        raise ValueError(f"posts of day {first} need the weather of day {begin} on")
    weather, danger = truth.weather, truth.danger
    sources = bursts.sources(settings, island, authors, truth.fires, truth.burned_cells, begin, last)
    drawn = _drawn(settings, calendar, island, authors, seeds, sources, begin, last)
    sizes = np.diff(drawn.start)
    day = np.repeat(np.arange(begin, last + 1), sizes)
    row = day - int(truth.days[0])
    minute = _minutes()[choose(drawn.u["minute"], _GUIDE)]
    weekday = np.repeat(gregorian.weekday(calendar.dates(np.arange(begin, last + 1))), sizes)

    drafts = _everyday(settings, authors, danger, drawn, row)
    _drawn_by_sources(island, authors, weather, drawn, row, drafts)
    _part_ways(authors, day, minute, drafts)
    _misplace(settings, authors, drawn, drafts)
    moment = text.moments(weekday, minute)
    pool = topics.pools(weather, drafts.post_type, row, drafts.place, drawn.u["pool"])
    parts = _parts(settings, island, authors, vocabulary, drawn, pool, moment, drafts)
    _repost(settings, authors, drawn, drafts, parts)

    order = _order(drafts.place, drawn.start[int(begin < first) :])
    rank = np.arange(len(day)) - np.repeat(drawn.start[:-1], sizes)
    true_place = drafts.true_place[order]
    true_x, true_y = np.divmod(island.land[true_place], island.height)
    return {
        "day": day[order],
        "cell": island.land[drafts.place[order]],
        "tweet": text.texts(vocabulary, text.prefixes(authors.handle), parts.take(order, axis=0)),
        "tweet_id": (day * _ID_STEP + rank + 1)[order],
        "author": authors.handle.take(pa.array(drafts.account[order])),
        "minute": minute[order],
        "topic": pa.array(topics.TOPICS).take(pa.array(topics.TOPIC[drafts.post_type[order]])),
        "fire": drafts.fire[order],
        "true_x": np.where(true_place >= 0, true_x, -1),
        "true_y": np.where(true_place >= 0, true_y, -1),
    }


def _drawn(
    settings: Posts,
    calendar: DatedCalendar,
    island: Island,
    authors: Authors,
    seeds: Seeds,
    sources: Sources,
    first: int,
    last: int,
) -> _Draws:
    """Draw all that is random, from one stream a day."""
    expected = _expected(settings, calendar, np.arange(first, last + 1), island.southern).tolist()
    bounds = np.searchsorted(sources.day, np.arange(first, last + 2)).tolist()
    shape = 1 / settings.spread**2
    start = [0]
    at, near, fire, small, choices = [], [], [], [], []
    for (low, high), mean_posts, day in zip(pairwise(bounds), expected, range(first, last + 1), strict=True):
        draw = seeds.stream("tweets", day)
        ordinary = min(int(draw.poisson(mean_posts * draw.standard_gamma(shape) / shape)), _ID_STEP // 2 - 1)
        lookalikes = np.searchsorted(authors.visits, draw.random(draw.poisson(settings.lookalikes_per_day)))
        mean = np.concatenate([sources.mean[low:high], np.full(len(lookalikes), settings.lookalike_posts)])
        number = draw.poisson(mean * draw.standard_gamma(_CROWDING, len(mean)) / _CROWDING)
        # However large a fire, a day has numbers for so many posts.
        number = np.diff(np.minimum(np.cumsum(number), _ID_STEP // 2), prepend=0)
        total = max(1, ordinary + int(number.sum()))
        none = np.zeros(len(lookalikes), np.int64)
        at.append(start[-1] + draw.permutation(total)[: number.sum()])
        near.append(np.repeat(np.concatenate([sources.place[low:high], lookalikes]), number))
        fire.append(np.repeat(np.concatenate([sources.fire[low:high], none]), number))
        small.append(np.repeat(np.concatenate([sources.small[low:high], none == 0]), number))
        u = draw.random((len(_FIELDS), total), np.float32)
        u[0].sort()
        choices.append(u)
        start.append(start[-1] + total)
    fields = dict(zip(_FIELDS, np.concatenate(choices, axis=1), strict=True))
    return _Draws(
        np.array(start), np.concatenate(at), np.concatenate(near), np.concatenate(fire), np.concatenate(small), fields
    )


def _expected(settings: Posts, calendar: DatedCalendar, days: np.ndarray, southern: bool) -> np.ndarray:
    """Return the everyday posts expected on each day: more at weekends and in summer, ``per_day`` over a year."""
    dates = calendar.dates(days)
    week = np.where(gregorian.is_weekend(dates), settings.weekend_factor, 1.0) / ((5 + 2 * settings.weekend_factor) / 7)
    summer = np.cos(2 * np.pi * (gregorian.day_of_year(dates) - _BUSIEST_DAY) / 365.25)
    season = 1 + settings.summer_swing * (-summer if southern else summer)
    expected: np.ndarray = settings.per_day * week * season
    return expected


def _everyday(settings: Posts, authors: Authors, danger: Danger, drawn: _Draws, row: np.ndarray) -> _Posts:
    """Return all posts as if nothing burned: accounts by activity, at home or elsewhere."""
    u = drawn.u
    account = _guide(authors.until)[choose(u["account"], _GUIDE)]
    elsewhere = _guide(authors.visits)[choose(u["cell"], _GUIDE)]
    place = np.where(u["away"] < settings.away_share, elsewhere, authors.home[account])
    post_type = topics.everyday(settings, danger, authors.kind[account], row, place, u["topic"])
    return _Posts(account, place, place.copy(), post_type, np.zeros(len(place), np.int64), place.copy())


def _drawn_by_sources(
    island: Island, authors: Authors, weather: Weather, drawn: _Draws, row: np.ndarray, drafts: _Posts
) -> None:
    """Turn the posts that sources draw into what people around, pages, authorities and the far say of them."""
    at, near = drawn.at, drawn.near
    u = {name: drawn.u[name][at] for name in ("account", "away", "cell", "topic")}
    post_type = topics.about_sources(drawn.fire, drawn.small, u["topic"])
    place = _witness_place(island, authors, weather, post_type, near, row[at], u["cell"])
    account = _witness(authors, topics.KIND[post_type], place, u["account"], u["away"] < _LOCAL_SHARE)
    # Pages and authorities write from home; half of their posts carry the place that they are about.
    desk = np.isin(topics.KIND[post_type], (PAGES, AUTHORITIES))
    home = authors.home[account]
    drafts.account[at], drafts.post_type[at], drafts.fire[at], drafts.spoken_of[at] = (
        account,
        post_type,
        drawn.fire,
        near,
    )
    drafts.true_place[at] = np.where(desk, home, place)
    drafts.place[at] = np.where(desk & (u["cell"] < 0.5), home, place)


def _witness_place(
    island: Island,
    authors: Authors,
    weather: Weather,
    post_type: np.ndarray,
    near: np.ndarray,
    row: np.ndarray,
    u: np.ndarray,
) -> np.ndarray:
    """Draw places around ``near``: who sees it is close, who smells it downwind, who talks of it where people are."""
    distinct, which = np.unique(near, return_inverse=True)
    around = bursts.around(island, distinct)
    present = np.where(around >= 0, authors.activity[around] + 0.02, 0.0)[which]
    weight = present * _NEARNESS[topics.REACH[post_type]]
    # Smoke goes where the wind does.
    smelt = np.flatnonzero(post_type == topics.SMOKE)
    to = np.radians(weather.wind_from_degrees[row[smelt]] + 180)[:, None]
    along = (bursts.OFFSETS[:, 0] * np.sin(to) + bursts.OFFSETS[:, 1] * np.cos(to)) / np.maximum(bursts.KM, 1)
    weight[smelt] *= np.exp(_DRIFT * along)
    until = np.cumsum(weight, axis=1)
    drafts: np.ndarray = around[which, (until <= u[:, None] * until[:, -1:]).sum(axis=1)]
    return drafts


def _witness(authors: Authors, kind: np.ndarray, place: np.ndarray, u: np.ndarray, local: np.ndarray) -> np.ndarray:
    """Draw accounts by activity: of all of the kind, or, for local people, of those who live at ``place`` if any do."""
    ends = np.concatenate([[0.0], authors.until])[np.searchsorted(authors.kind, np.arange(len(KINDS) + 1))]
    here, after = authors.people_until[place], authors.people_until[place + 1]
    local = local & (kind == PEOPLE) & (after > here)
    low, high = np.where(local, here, ends[kind]), np.where(local, after, ends[kind + 1])
    drafts = np.searchsorted(authors.until, low + u * (high - low), "right")
    accounts: np.ndarray = np.minimum(drafts, len(authors.kind) - 1)
    return accounts


def _part_ways(authors: Authors, day: np.ndarray, minute: np.ndarray, drafts: _Posts) -> None:
    """Give posts to other accounts where one would write twice in a minute: at most chance makes that happen again.

    The cast is in order of kinds and homes, so the next account is of the same kind, and most often a neighbour's.
    """
    before = np.flatnonzero((minute[1:] == minute[:-1]) & (day[1:] == day[:-1]))
    later, apart = [np.empty(0, np.int64)], 1
    while len(before):
        later.append(before[drafts.account[before] == drafts.account[before + apart]] + apart)
        apart += 1
        before = before[before + apart < len(day)]
        after = before + apart
        before = before[(minute[before] == minute[after]) & (day[before] == day[after])]
    again, steps = np.unique(np.concatenate(later), return_counts=True)
    account = drafts.account[again]
    first, end = (np.searchsorted(authors.kind, authors.kind[account], side) for side in ("left", "right"))
    moved = np.where(account + steps < end, account + steps, account - steps)
    drafts.account[again] = np.maximum(moved, first)


def _misplace(settings: Posts, authors: Authors, drawn: _Draws, drafts: _Posts) -> None:
    """Give some posts a wrong place, whatever they are about; accounts off the island are nowhere on it."""
    drafts.true_place[authors.kind[drafts.account] == OUTSIDERS] = -1
    wrong = np.flatnonzero(drawn.u["wrong"] < settings.wrong_place_share)
    again = drawn.u["wrong"][wrong] / np.float32(settings.wrong_place_share)
    drafts.place[wrong] = _guide(authors.visits)[choose(again, _GUIDE)]


def _parts(
    settings: Posts,
    island: Island,
    authors: Authors,
    vocabulary: Vocabulary,
    drawn: _Draws,
    pool: np.ndarray,
    moment: np.ndarray,
    drafts: _Posts,
) -> np.ndarray:
    """Choose the parts of the posts' texts, a mention before some: shape (n, text.PARTS)."""
    town = island.town[drafts.spoken_of]
    parts = text.indices(vocabulary, settings, pool, town, moment, topics.FIERY[pool], drawn.u)
    mention = np.flatnonzero(drawn.u["mention"] < settings.mention_share)
    again = drawn.u["mention"][mention] / np.float32(settings.mention_share)
    parts[:, 0] = 0
    parts[mention, 0] = 1 + _guide(authors.until)[choose(again, _GUIDE)]  # the more active, the more talked to
    return parts


def _repost(settings: Posts, authors: Authors, drawn: _Draws, drafts: _Posts, parts: np.ndarray) -> None:
    """Let some everyday posts copy originals that are up to about a day's posts older; they keep author and place."""
    marked = drawn.u["repost"] < settings.repost_share
    marked[drawn.at] = False
    sizes = np.diff(drawn.start)
    oldest = np.repeat(np.concatenate([[0], drawn.start[:-2]]), sizes)  # where the day before begins
    copy = np.flatnonzero(marked)
    # Half of all lags are shorter than the root of a day's posts.
    lag = np.maximum(np.exp(drawn.u["lag"][copy] * np.log(settings.per_day)), 1).astype(np.int64)
    original = np.maximum.accumulate(np.where(marked, -1, np.arange(len(marked))))
    source = np.where(copy - lag >= oldest[copy], original[np.maximum(copy - lag, 0)], -1)
    valid = (source >= oldest[copy]) & (drafts.account[source] != drafts.account[copy])  # nobody copies themselves
    copy, source = copy[valid], source[valid]
    parts[copy] = parts.take(source, axis=0)  # several times as fast as parts[source]
    parts[copy, 0] = 1 + len(authors.kind) + drafts.account[source]
    drafts.post_type[copy], drafts.fire[copy] = drafts.post_type[source], drafts.fire[source]


def _order(place: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Return the posts from ``start`` on, day by day in order of their places, and in a place of their minutes."""
    small = place.astype(np.uint16) if int(place.max(initial=0)) < 1 << 16 else place  # two bytes sort in linear time
    return np.concatenate([low + np.argsort(small[low:high], kind="stable") for low, high in pairwise(start.tolist())])


def _guide(until: np.ndarray) -> np.ndarray:
    """Return a table that turns a uniform draw times _GUIDE into an index of ``until``, a running sum."""
    steps = (np.arange(_GUIDE) + 0.5) / _GUIDE * until[-1]
    indices: np.ndarray = np.searchsorted(until, steps).astype(np.int32)
    return indices


@lru_cache(maxsize=1)
def _minutes() -> np.ndarray:
    """Return the minutes of the day at the quantiles of the daily rhythm, shape (_GUIDE,)."""
    rhythm = np.interp(np.arange(1440) + 0.5, np.arange(24) * 60 + 30, _HOURS, period=1440)
    minutes: np.ndarray = _guide(np.cumsum(rhythm)).astype(np.int16)
    return minutes
