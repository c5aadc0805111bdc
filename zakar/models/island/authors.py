"""The accounts that post: of what kind, where at home, how active, and what they are called."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from zakar.models.island.settings import Posts
from zakar.models.island.terrain import Island
from zakar.models.island.text import Vocabulary
from zakar.seeds import Seeds

KINDS = ("people", "pages", "authorities", "outsiders", "bots")
PEOPLE, PAGES, AUTHORITIES, OUTSIDERS, BOTS = range(len(KINDS))

_NUMBERS = np.array([0.79, 0.07, 0.01, 0.11, 0.02])  # shares of the accounts, by kind
# Zipf's law holds for the many, but at its first rank one person of 3,000 would write 26 posts a day for ten years, and
# 58 on a busy one. With this offset to the ranks the keenest writes 7, and hardly ever 20. Newsrooms may write so much.
_RANK_OFFSET = np.array([5.0, 0.0, 0.0, 5.0, 0.0])  # by kind


@dataclass(frozen=True)
class Authors:
    """The accounts, by kind and home, and where people are.

    ``handle``: names, one an account. ``kind``: index into KINDS, ``home``: place of the land, (accounts,) int32.
    ``until``: running sum of activity, (accounts,), 1 at the end. ``people_until``: (n + 1,), for each place the sum
    before the first of the people who live there, and after the last. ``visits``: running sum over places of the posts
    written away from home, (n,). ``activity``: (n,) share of the island's posts, mean 1.
    """

    handle: pa.Array
    kind: np.ndarray
    home: np.ndarray
    until: np.ndarray
    people_until: np.ndarray
    visits: np.ndarray
    activity: np.ndarray


def draw_authors(settings: Posts, island: Island, seeds: Seeds, vocabulary: Vocabulary) -> Authors:
    """Draw the accounts: homes by residents (pages and authorities in towns), activity by Zipf's law within a kind."""
    draw = seeds.stream("tweets/accounts")
    n = len(island.land)
    residents = np.maximum(island.residents.astype(np.float64), 0) + 1e-3
    in_towns = np.bincount(island.towns, np.maximum(island.town_residents, 1e-3), minlength=n)
    numbers = np.maximum(1, np.rint(settings.accounts * _NUMBERS)).astype(np.int64)
    homes, weights = [], []
    kinds_of = zip(numbers.tolist(), settings.kind_shares(), _RANK_OFFSET.tolist(), strict=True)
    for kind, (number, share, offset) in enumerate(kinds_of):
        where = in_towns if kind in {PAGES, AUTHORITIES} else residents
        activity = draw.permutation((np.arange(1, number + 1) + offset) ** -settings.activity_exponent)
        homes.append(np.sort(draw.choice(n, number, p=where / where.sum())))
        weights.append(activity * share / activity.sum())
    kinds, home, weight = np.repeat(np.arange(len(KINDS)), numbers), np.concatenate(homes), np.concatenate(weights)
    until = np.cumsum(weight) / weight.sum()
    people_before = np.searchsorted(homes[PEOPLE], np.arange(n + 1))

    # People go where others live, but not in proportion, and everywhere sometimes.
    visits = np.sqrt(residents) + 0.05 * np.sqrt(residents).mean()
    visits /= visits.sum()
    posts = np.bincount(home, weight, minlength=n) * (1 - settings.away_share) + settings.away_share * visits
    return Authors(
        handle=_handles(vocabulary, kinds, draw),
        kind=kinds.astype(np.int32),
        home=home.astype(np.int32),
        until=until,
        people_until=np.concatenate([[0.0], until])[people_before],
        visits=np.cumsum(visits),
        activity=posts / posts.mean(),
    )


def _handles(vocabulary: Vocabulary, kind: np.ndarray, draw: np.random.Generator) -> pa.Array:
    """Name the accounts after patterns of the phrase table; one that is taken gets a number."""
    own = vocabulary.handles
    patterns = (own.people, own.pages, own.authorities, own.people, own.bots)
    names, places = _letters(vocabulary.first_names), _letters(vocabulary.names)
    taken: set[str] = set()
    handles = []
    for k, (which, name, place, number) in zip(
        kind.tolist(), draw.integers(0, 1 << 30, (len(kind), 4)).tolist(), strict=True
    ):
        handle = patterns[k][which % len(patterns[k])]
        handle = handle.replace("{name}", names[name % len(names)]).replace("{place}", places[place % len(places)])
        handle = handle.replace("{number}", str(number % 100))
        if handle.lower() in taken:
            handle = f"{handle}{number % 10_000}"
        while handle.lower() in taken:
            handle += "x"
        taken.add(handle.lower())
        handles.append(handle)
    return pa.array(handles)


def _letters(names: tuple[str, ...]) -> list[str]:
    return ["".join(letter for letter in name if letter.isalnum()) for name in names]
