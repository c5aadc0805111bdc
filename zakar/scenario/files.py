"""Scenario files: found, read, validated; a wrong key is named."""

import difflib
import math
import re
import tomllib
from collections.abc import Collection
from pathlib import Path
from typing import TypeVar, get_args

import msgspec
from msgspec import Struct, inspect

from zakar.errors import ConfigError
from zakar.scenario.classic import ClassicScenario
from zakar.scenario.island import IslandScenario

_T = TypeVar("_T")

Scenario = ClassicScenario | IslandScenario


def config_folder() -> Path:
    """Return the folder of scenarios: inside an installed package, or beside it in a checkout."""
    package = Path(__file__).parents[1]
    installed = package / "configs"
    return installed if installed.is_dir() else package.parent / "configs"


def names() -> list[str]:
    """Return the names of the scenarios that come with zakar."""
    return sorted(path.stem for path in config_folder().glob("*.toml"))


def find(name_or_file: str) -> Path:
    """Return the TOML file of a scenario, given its name or a path.

    Raises ConfigError if there is neither.
    """
    known = names()
    if name_or_file in known:
        return config_folder() / f"{name_or_file}.toml"
    path = Path(name_or_file)
    if path.suffix == ".toml":
        if path.is_file():
            return path
        raise ConfigError(f"{path}: {'is a folder, not a' if path.is_dir() else 'no such'} scenario file")
    close = difflib.get_close_matches(name_or_file, known, n=1)
    hint = f"did you mean `{close[0]}`?" if close else "give one of these, or a .toml file"
    raise ConfigError(f"no scenario named `{name_or_file}` (known: {', '.join(known)}); {hint}")


def read(path: Path) -> Scenario:
    """Read and validate a scenario file.

    Raises ConfigError naming the file, the key and what is wrong with it.
    """
    return scenario_of(read_toml(path), str(path))


def scenario_of(values: object, source: str) -> Scenario:
    """Turn plain values, from a file or a manifest, into a scenario. Raises ConfigError naming what is wrong."""
    return convert(values, Scenario, source)  # type: ignore[arg-type]  # a union is no type to mypy


def read_toml(path: Path) -> dict[str, object]:
    """Read a TOML file. Raises ConfigError naming the file and the line."""
    return parse_toml(read_text(path), path)


def read_text(path: Path) -> str:
    """Read a text file. Raises ConfigError naming it."""
    try:
        return path.read_text(encoding="utf-8-sig")  # some editors begin a file with a byte-order mark
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text: {error}") from error


def parse_toml(text: str, path: Path) -> dict[str, object]:
    """Parse TOML read from ``path``. Raises ConfigError naming the file and the line."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from error
    except RecursionError as error:
        raise ConfigError(f"{path}: not a scenario: brackets within brackets without end") from error


def convert(values: object, kind: type[_T], source: str) -> _T:
    """Turn plain values into frozen settings. Raises ConfigError naming ``source`` and the key."""
    endless = _not_finite(values)
    if endless:
        raise ConfigError(f"{source}: `{endless}` is not a finite number")
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{source}: {_explain(str(error), kind, values)}") from error


def with_seed(scenario: Scenario, seed: int) -> Scenario:
    """Return the scenario with another seed. Raises ConfigError where it cannot be one."""
    return scenario_of({**msgspec.to_builtins(scenario), "seed": seed}, "--seed")


def with_days(scenario: Scenario, days: int) -> Scenario:
    """Return the scenario cut, or stretched, to ``days`` days. Raises ConfigError where it cannot be."""
    values = msgspec.to_builtins(scenario)
    calendar = {**values["calendar"], "days": days}
    if isinstance(scenario, IslandScenario):  # the held-out part becomes shorter with the released one
        whole = scenario.calendar
        calendar["holdout_days"] = min(whole.holdout_days, -(-whole.holdout_days * days // whole.days))
    return scenario_of({**values, "calendar": calendar}, "--days")


def _not_finite(values: object, path: str = "") -> str:
    """Return the path of the first number that is infinite or none at all; empty if there is none."""
    if isinstance(values, float):
        return "" if math.isfinite(values) else path
    items = values.items() if isinstance(values, dict) else enumerate(values) if isinstance(values, list) else ()
    found = (_not_finite(value, f"{path}.{key}" if path else str(key)) for key, value in items)
    return next((path for path in found if path), "")


def _explain(message: str, kind: type, values: object) -> str:
    """Rewrite msgspec's message as `key`: problem. An unknown word gets the nearest known one, a value its range."""
    text, _, place = message.partition(" - at ")
    path = place.strip("`").removeprefix("$").removeprefix(".")
    unknown = re.fullmatch(r"Object contains unknown field `(.*)`", text)
    if unknown:
        key = unknown[1]
        known = _known_keys(kind)
        if key in known:
            return f"`{_joined(path, key)}` is not a known key here; it belongs elsewhere"
        return f"`{_joined(path, key)}` is not a known key{_nearest(key, known) or '; remove it'}"
    missing = re.fullmatch(r"Object missing required field `(.*)`", text)
    if missing:
        path = _joined(path, missing[1])
        return f"`{path}` is missing; add it{_must(_type_at(kind, values, path))}"
    if not path:
        return text
    found = _type_at(kind, values, path)
    word = re.fullmatch(r"Invalid (?:enum )?value '(.*)'", text)
    if word:
        return f"`{path}` is `{word[1]}`{_must(found)}{_nearest(word[1], _choices(found))}"
    ours = isinstance(found, inspect.StructType) and not text.startswith("Expected")  # its section's own words
    return f"`{path}`: {text}{'' if ours else _must(found)}"


def _joined(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _nearest(word: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean `{close[0]}`?" if close else ""


def _type_at(kind: type, values: object, path: str) -> inspect.Type:
    """Return what is to be found at ``path`` of settings of a kind; the model that ``values`` name says which."""
    found = inspect.type_info(kind)
    for part in re.findall(r"\w+", path):
        if isinstance(found, inspect.UnionType):  # of models
            if part == "model":
                break
            model = values.get("model") if isinstance(values, dict) else None
            found = next((t for t in found.types if isinstance(t, inspect.StructType) and t.tag == model), found)
        if isinstance(found, inspect.StructType):
            found = next((field.type for field in found.fields if field.encode_name == part), found)
        elif isinstance(found, inspect.VarTupleType):
            found = found.item_type
        elif isinstance(found, inspect.TupleType) and part.isdecimal():
            found = found.item_types[int(part)]
    return found


def _must(found: inspect.Type) -> str:
    """Return in words what a value of a type must be, behind a semicolon; empty where its type says it all."""
    words = _words(found)
    return f"; must be {words}" if words else ""


def _words(found: inspect.Type) -> str:
    """Return in words what a value of a type must be: its range, its length, the words that it may be."""
    if isinstance(found, inspect.Metadata):
        return str((found.extra_json_schema or {}).get("description", ""))
    if isinstance(found, inspect.IntType | inspect.FloatType):
        ends = (("at least", found.ge), ("above", found.gt), ("at most", found.le), ("below", found.lt))
        return " and ".join(f"{word} {_plain(end)}" for word, end in ends if end is not None)
    if isinstance(found, inspect.DateType):
        return "a date, as 2016-01-01 is"
    if isinstance(found, inspect.StructType):
        return "a section, its keys below its name in square brackets"
    if isinstance(found, inspect.TupleType):
        return _list_of(f"{len(found.item_types)}", found.item_types[0])
    if isinstance(found, inspect.VarTupleType):
        least, most = found.min_length or 0, found.max_length
        return _list_of(f"at least {least}" if most is None else f"{least} to {most}", found.item_type)
    choices = _choices(found)
    return f"one of {', '.join(f'`{choice}`' for choice in choices)}" if choices else ""


def _list_of(number: str, item: inspect.Type) -> str:
    words = _words(item)
    return f"a list of {number} values{', each ' + words if words else ''}"


def _choices(found: inspect.Type) -> list[str]:
    """Return the words that a value of a type may be, if there are only some: the models of a union are such."""
    if isinstance(found, inspect.LiteralType):
        return [str(value) for value in found.values]
    models = found.types if isinstance(found, inspect.UnionType) else ()
    return [str(model.tag) for model in models if isinstance(model, inspect.StructType)]


def _plain(number: float) -> str:
    return str(number) if isinstance(number, int) else f"{number:g}"


def _known_keys(kind: type) -> set[str]:
    """Collect the keys of a settings type, or of each of a union's, and of its sections."""
    keys: set[str] = set().union(*map(_known_keys, get_args(kind)))
    if not (isinstance(kind, type) and issubclass(kind, Struct)):
        return keys
    for field in msgspec.structs.fields(kind):
        keys.add(field.name)
        if isinstance(field.type, type) and issubclass(field.type, Struct):
            keys |= _known_keys(field.type)
    return keys
