"""Scenario files: found, read, validated; a wrong key is named."""

import difflib
import math
import re
import tomllib
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
        raise ConfigError(f"{path}: no such scenario file")
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
        return path.read_text(encoding="utf-8")
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
    """Rewrite msgspec's message as `key`: problem; an unknown key gets the nearest known one, a number its range."""
    text, _, place = message.partition(" - at ")
    path = place.strip("`").removeprefix("$").removeprefix(".")
    unknown = re.fullmatch(r"Object contains unknown field `(.*)`", text)
    if unknown:
        key = unknown[1]
        known = _known_keys(kind)
        if key in known:
            return f"`{path + '.' if path else ''}{key}` is not a known key here; it belongs elsewhere"
        close = difflib.get_close_matches(key, known, n=1)
        hint = f"; did you mean `{close[0]}`?" if close else "; remove it"
        return f"`{path + '.' if path else ''}{key}` is not a known key{hint}"
    missing = re.fullmatch(r"Object missing required field `(.*)`", text)
    if missing:
        return f"`{path + '.' if path else ''}{missing[1]}` is missing; add it"
    return f"`{path}`: {text}{_allowed(kind, values, path)}" if path else text


def _allowed(kind: type, values: object, path: str) -> str:
    """Return in words from where to where the number at ``path`` may be, empty where it has not both ends."""
    found = inspect.type_info(kind)
    for part in re.findall(r"\w+", path):
        if isinstance(found, inspect.UnionType):  # of models
            model = values.get("model") if isinstance(values, dict) else None
            found = next((t for t in found.types if isinstance(t, inspect.StructType) and t.tag == model), found)
        if isinstance(found, inspect.StructType):
            found = next((field.type for field in found.fields if field.encode_name == part), found)
        elif isinstance(found, inspect.VarTupleType):
            found = found.item_type
        elif isinstance(found, inspect.TupleType) and part.isdecimal():
            found = found.item_types[int(part)]
    if not isinstance(found, inspect.IntType | inspect.FloatType):
        return ""
    least = [f"{word} {_plain(end)}" for word, end in (("at least", found.ge), ("above", found.gt)) if end is not None]
    most = [f"{word} {_plain(end)}" for word, end in (("at most", found.le), ("below", found.lt)) if end is not None]
    return f"; must be {least[0]} and {most[0]}" if least and most else ""


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
