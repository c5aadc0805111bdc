"""What phrase tables of every scenario share: slots and their values, expansion, case and typos."""

import re
import string
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from msgspec import Meta

from zakar.errors import ConfigError

Lines = Annotated[tuple[str, ...], Meta(min_length=1)]
Slots = Mapping[str, tuple[str, ...]]

FAKED = {"name": 300, "handle": 400, "place": 60, "street": 120, "job": 120, "surname": 400}  # how many Faker makes


ISLAND = "Zakar"


def named(value: Any, island: str) -> Any:
    """Return values of a phrase table with the island's name in them, wherever they name it.

    {island} is the name, {tag} its small letters and digits, {short} the first three of these, {Short} the same with a
    capital.
    """
    if isinstance(value, str):
        tag = tag_of(island)
        for slot, word in (("island", island), ("tag", tag), ("short", tag[:3]), ("Short", tag[:3].title())):
            value = value.replace(f"{{{slot}}}", word)
        return value
    if isinstance(value, dict):
        return {key: named(each, island) for key, each in value.items()}
    return [named(each, island) for each in value] if isinstance(value, list) else value


def tag_of(island: str) -> str:
    """Return an island's name as it stands in hashtags: its letters and digits, small."""
    return "".join(sign for sign in island.lower() if sign.isalnum())


def domain_of(island: str) -> str:
    """Return the name of the island's short links: the consonants of its own, or all of it where they are few."""
    tag = "".join(sign for sign in tag_of(island) if sign.isascii())
    consonants = "".join(sign for sign in tag if sign not in "aeiou")
    return consonants if len(consonants) > 1 else tag or "isle"


def unfilled(lines: Iterable[str], path: Path) -> None:
    """Raise ConfigError naming ``path`` and the first of the lines, which have no slots, with a brace in it."""
    for line in lines:
        if "{" in line or "}" in line:
            raise ConfigError(f"{path}: phrase {line!r} has a slot that cannot be filled here")


def faked(language: str, seed: int, path: Path, slots: Collection[str] = FAKED.keys()) -> dict[str, tuple[str, ...]]:
    """Build the tables of names, places and handles with Faker, or of some of these ``slots``.

    Raises ConfigError naming ``path``, the phrase table, if Faker does not know its language.
    """
    from faker import Faker  # noqa: PLC0415 - workers, which are handed the words, start without it

    try:
        fake = Faker(language)
    except AttributeError as error:
        raise ConfigError(f"{path}: `language` is {language!r}, which Faker does not know; say `en`") from error
    fake.seed_instance(seed)
    makers: dict[str, Callable[[], str]] = {
        "name": fake.first_name,
        "handle": lambda: f"@{fake.user_name()}",
        "place": fake.city,
        "street": fake.street_name,
        "job": lambda: fake.job().split(",")[0].split("/")[0].split("(")[0].strip().lower(),
        "surname": fake.last_name,
    }
    return {slot: tuple(makers[slot]() for _ in range(number)) for slot, number in FAKED.items() if slot in slots}


def expand(
    template: str, slots: Slots, draw: np.random.Generator, path: Path, variants: int, zipf: float | None = None
) -> list[str]:
    """Fill a phrase's slots in several ways; a phrase without slots is itself.

    All values of a slot are as likely, or, given ``zipf``, by the law of that name with this offset. Raises ConfigError
    naming ``path`` and the phrase if a slot is unknown or a brace is no part of one.
    """
    try:
        parsed = list(string.Formatter().parse(template))
    except ValueError as error:
        raise ConfigError(f"{path}: phrase {template!r}: {error}") from error
    names = [name for _, name, _, _ in parsed if name is not None]
    unknown = [name for name in names if name not in slots]
    if unknown:
        raise ConfigError(f"{path}: phrase {template!r} has an unknown slot {{{unknown[0]}}}")
    braces = template.count("{"), template.count("}")
    if braces != (len(names), len(names)) or any(f"{{{name}}}" not in template for name in names):
        raise ConfigError(f"{path}: phrase {template!r} has a brace that is no part of a {{slot}}")
    if not names:
        return [template]
    columns = []
    for text, name, _, _ in parsed:
        columns.append([text] * variants)
        if name is not None:
            values = slots[name]
            if zipf is None:
                chosen = draw.integers(0, len(values), variants)
            else:
                chosen = np.searchsorted(zipf_law(len(values), zipf), draw.random(variants))
            columns.append([values[i] for i in chosen.tolist()])
    return ["".join(row) for row in zip(*columns, strict=True)]


_GROUP = re.compile(r"\(([^()]*\|[^()]*)\)")


def alternatives(template: str) -> tuple[str, dict[str, tuple[str, ...]]]:
    """Turn each group of alternatives, ``(just|only just)``, into a slot; return the template and those slots."""
    slots: dict[str, tuple[str, ...]] = {}

    def slot(group: re.Match[str]) -> str:
        name = f"_{len(slots)}"
        slots[name] = tuple(group[1].split("|"))
        return f"{{{name}}}"

    return _GROUP.sub(slot, template), slots


@lru_cache
def zipf_law(count: int, offset: float) -> np.ndarray:
    """Return the running shares of ``count`` things by the law of Zipf and Mandelbrot: thing k has 1 / (k + offset)."""
    share = 1 / (np.arange(1, count + 1) + offset)
    until: np.ndarray = np.cumsum(share / share.sum())
    until[-1] = 1
    return until


def sentence(text: str) -> str:
    """Return ``text`` with a capital first letter."""
    return text[:1].upper() + text[1:]


def mistype(text: str, draw: np.random.Generator) -> str:
    """Swap, drop or double one letter."""
    letters = [i for i in range(1, len(text) - 1) if text[i].isalpha() and text[i + 1].isalpha()]
    if not letters:
        return text
    i = letters[int(draw.integers(len(letters)))]
    kind = int(draw.integers(3))
    middle = (text[i + 1] + text[i], text[i + 1], text[i] * 2 + text[i + 1])[kind]
    return text[:i] + middle + text[i + 2 :]


def pick(uniform: np.ndarray, count: np.ndarray | int) -> np.ndarray:
    """Turn uniform draws into indices below ``count``."""
    return (uniform * count).astype(np.int64)


def choose(uniform: np.ndarray, count: np.ndarray | int) -> np.ndarray:
    """Turn uniform draws of single precision into indices below ``count``: rounding never takes them up to it."""
    indices: np.ndarray = (uniform * np.asarray(count, np.float32)).astype(np.int32)
    return indices
