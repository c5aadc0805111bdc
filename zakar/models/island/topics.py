"""What posts are about: strains of talk, who talks so, and the pools of phrases that the words come from."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from zakar.models.island.authors import AUTHORITIES, BOTS, OUTSIDERS, PAGES, PEOPLE
from zakar.models.island.fwi import Danger
from zakar.models.island.settings import Posts
from zakar.models.island.text import POOLS
from zakar.models.island.weather import Weather

TOPICS = (
    "ordinary", "weather", "danger", "figurative", "smoke", "rumour", "eyewitness", "concern", "media", "official",
    "outsider",
)  # fmt: skip


SEEN, SMELT, TALKED = range(3)


@dataclass(frozen=True)
class _PostType:
    """A kind of talk: its topic, the kind of account, and weights of the pools that its phrases come from.

    ``reach``: how far from a fire it is heard, as SEEN, SMELT or TALKED.
    True and false talk share pools, so that no word tells for certain.
    """

    topic: str
    kind: int
    pools: dict[str, int]
    reach: int = 0


_EVERYDAY = {
    "ordinary": _PostType("ordinary", PEOPLE, {"ordinary": 56, "scene": 5, "concern": 1, "notices": 2}),
    "weather": _PostType("weather", PEOPLE, {"mild": 1}),
    "danger": _PostType("danger", PEOPLE, {"danger": 1}),
    "figurative": _PostType("figurative", PEOPLE, {"figurative": 1}),
    "false smoke": _PostType("smoke", PEOPLE, {"smoke": 5, "smell": 5}),
    "false rumour": _PostType("rumour", PEOPLE, {"rumour": 1}),
    "news": _PostType("media", PAGES, {"news": 52, "history": 7, "drills": 2, "news_fire": 2, "notices": 1}),
    "notices": _PostType("official", AUTHORITIES, {"notices": 48, "drills": 16}),
    "abroad": _PostType("outsider", OUTSIDERS, {"abroad": 50, "history": 3, "concern": 4, "abroad_fire": 2, "news": 5}),
    "advertising": _PostType("ordinary", BOTS, {"news": 24, "ordinary": 24, "notices": 12, "mild": 4}),
    "look-alike": _PostType("smoke", PEOPLE, {"smell": 30, "smoke": 20, "scene": 14}),
}
_ABOUT_FIRE = {
    "eyewitness": _PostType("eyewitness", PEOPLE, {"eyewitness": 37, "scene": 18, "smoke": 9}),
    "smoke": _PostType("smoke", PEOPLE, {"smoke": 50, "scene": 10, "smell": 4}, SMELT),
    "concern": _PostType("concern", PEOPLE, {"concern": 41, "scene": 10, "ordinary": 13}, TALKED),
    "rumour": _PostType("rumour", PEOPLE, {"rumour": 1}, TALKED),
    "news of fire": _PostType("media", PAGES, {"news_fire": 44, "history": 8, "notices": 6, "news": 6}),
    "notices of fire": _PostType("official", AUTHORITIES, {"official_fire": 44, "drills": 10, "notices": 10}),
    "fire from afar": _PostType("outsider", OUTSIDERS, {"abroad_fire": 37, "concern": 15, "abroad": 12}, TALKED),
}
_POST_TYPES = _EVERYDAY | _ABOUT_FIRE
_NUMBER = {name: number for number, name in enumerate(_POST_TYPES)}
EYEWITNESS, SMOKE, NOTICES, LOOKALIKE = (_NUMBER[name] for name in ("eyewitness", "smoke", "notices", "look-alike"))
TOPIC = np.array([TOPICS.index(post_type.topic) for post_type in _POST_TYPES.values()])
KIND = np.array([post_type.kind for post_type in _POST_TYPES.values()])
REACH = np.array([post_type.reach for post_type in _POST_TYPES.values()])
_BY_KIND = np.array([_NUMBER[name] for name in ("ordinary", "news", "notices", "abroad", "advertising")])

# Shares of strains in posts about an escaped and a contained fire, in the order of _ABOUT_FIRE. News, authorities
# and the far have about the shares that CrisisLexT26 finds, and that they have in everyday posts.
_LARGE = np.cumsum([0.15, 0.18, 0.11, 0.09, 0.26, 0.07, 0.14])
_SMALL = np.cumsum([0.19, 0.23, 0.08, 0.06, 0.25, 0.06, 0.13])

_SPOKEN_OF = np.array([_NUMBER[name] for name in ("weather", "figurative", "false smoke", "false rumour", "danger")])
_DANGEROUS = 50.0  # Fire Weather Index from which all talk of danger there is is heard; extreme by most schemes

# Shares of closings with hashtags about fire, by pool.
_FIERY = {
    "figurative": 0.15, "danger": 0.3, "smell": 0.15, "smoke": 0.3, "scene": 0.25, "rumour": 0.3, "eyewitness": 0.45,
    "concern": 0.45, "history": 0.35, "news_fire": 0.5, "drills": 0.35, "official_fire": 0.5, "abroad_fire": 0.5,
}  # fmt: skip
FIERY = np.array([_FIERY.get(name, 0.02) for name in POOLS], np.float32)

_STEPS = 256  # in which the pools of a strain are weighed


def everyday(
    settings: Posts, danger: Danger, kind: np.ndarray, row: np.ndarray, place: np.ndarray, u: np.ndarray
) -> np.ndarray:
    """Return the strains of everyday posts: ``kind`` of account, day's row and place of each, uniform draws.

    The drier it is, the more people talk of danger.
    """
    edges = np.cumsum(
        [settings.weather_share, settings.figurative_share, settings.false_smoke_share, settings.rumour_share]
    )
    post_type: np.ndarray = _BY_KIND[kind]
    some = np.flatnonzero((kind == PEOPLE) & (u < edges[-1] + settings.danger_share))
    heard = edges[-1] + settings.danger_share * np.clip(danger.fwi[row[some], place[some]] / _DANGEROUS, 0.02, 1)
    talk = _SPOKEN_OF[np.searchsorted(edges, u[some], "right")]
    post_type[some] = np.where(u[some] < heard, talk, post_type[some])
    return post_type


def about_sources(fire: np.ndarray, small: np.ndarray, u: np.ndarray) -> np.ndarray:
    """Return the strains of posts that sources draw: number of the fire, 0 for none, whether it is a contained one."""
    last = len(_LARGE) - 1
    large_fire = np.minimum(np.searchsorted(_LARGE, u, "right"), last)
    small_fire = np.minimum(np.searchsorted(_SMALL, u, "right"), last)
    post_type: np.ndarray = EYEWITNESS + np.where(small, small_fire, large_fire)
    return np.where(fire > 0, post_type, np.where(u < 0.25, NOTICES, LOOKALIKE))


def pools(weather: Weather, post_type: np.ndarray, row: np.ndarray, place: np.ndarray, u: np.ndarray) -> np.ndarray:
    """Return the pool of each post's core; talk of the weather is about that day's."""
    pool: np.ndarray = _weighed()[post_type * _STEPS + (u * np.float32(_STEPS)).astype(np.int32)]
    at = np.flatnonzero(post_type == _NUMBER["weather"])
    here = row[at], place[at]
    warm, wind, rain = weather.tmax_c[here], weather.wind_kmh[here], weather.rain_mm[here]
    wet, gale, heat, cold, mild = (POOLS.index(name) for name in ("rain", "wind", "heat", "cold", "mild"))
    pool[at] = np.select([(rain > 1) & (u[at] < 0.8), wind > 35, warm > 28, warm < 13], [wet, gale, heat, cold], mild)
    return pool


@lru_cache(maxsize=1)
def _weighed() -> np.ndarray:
    """Return the pools of each strain, each as often as its weight says, _STEPS a strain."""
    steps = (np.arange(_STEPS) + 0.5) / _STEPS
    rows = []
    for post_type in _POST_TYPES.values():
        until = np.cumsum(list(post_type.pools.values()))
        numbers = np.array([POOLS.index(name) for name in post_type.pools])
        rows.append(numbers[np.searchsorted(until, steps * until[-1])])
    return np.concatenate(rows).astype(np.int32)
