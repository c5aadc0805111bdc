"""Files of settings: found, read, validated; a wrong key is named."""

import difflib
import math
import re
import tomllib
from collections.abc import Collection
from pathlib import Path
from typing import TypeVar, get_args

import msgspec
from msgspec import Struct, inspect

from zakar import location
from zakar.errors import ConfigError

_T = TypeVar("_T")


def folder() -> Path:
    """Return the folder of the files that come with zakar: inside an installed package, or beside it in a checkout."""
    package = Path(__file__).parent
    installed = package / "configs"
    return installed if installed.is_dir() else package.parent / "configs"


def names(within: Path) -> list[str]:
    """Return the names of the TOML files in a folder."""
    return sorted(path.stem for path in within.glob("*.toml"))


def find(name_or_file: str, within: Path, what: str) -> Path:
    """Return a TOML file, given its name in the folder ``within`` or a path. ``what`` says in a word what it is of.

    Raises ConfigError if there is neither.
    """
    if name_or_file:
        location.refuse(f"{what} file", name_or_file)
    known = names(within)
    if name_or_file in known:
        return within / f"{name_or_file}.toml"
    path = Path(name_or_file)
    if path.suffix == ".toml":
        if path.is_file():
            return path
        raise ConfigError(f"{path}: {'is a folder, not a' if path.is_dir() else 'no such'} {what} file")
    close = difflib.get_close_matches(name_or_file, known, n=1)
    hint = f"did you mean `{close[0]}`?" if close else "give one of these, or a .toml file"
    raise ConfigError(f"no {what} named `{name_or_file}` (known: {', '.join(known)}); {hint}")


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
        raise ConfigError(f"{path}: not valid TOML: brackets within brackets without end") from error


def convert(values: object, kind: type[_T], source: str) -> _T:
    """Turn plain values into frozen settings. Raises ConfigError naming ``source`` and the key."""
    endless = _not_finite(values)
    if endless:
        raise ConfigError(f"{source}: `{endless}` is not a finite number")
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{source}: {_explain(str(error), kind, values)}") from error


def _not_finite(values: object, path: str = "") -> str:
    """Return the path of the first number that is infinite or none at all; empty if there is none."""
    if isinstance(values, float):
        return "" if math.isfinite(values) else path
    items = values.items() if isinstance(values, dict) else enumerate(values) if isinstance(values, list) else ()
    paths = (_not_finite(value, f"{path}.{key}" if path else str(key)) for key, value in items)
    return next((path for path in paths if path), "")


def _explain(message: str, kind: type, values: object) -> str:
    """Rewrite msgspec's message as `key`: problem. An unknown word gets the nearest known one, a value its range."""
    text, _, place = message.partition(" - at ")
    text = text.replace(" | null`", "`")  # TOML has no such value: what may be left out is not there
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
    kind_there = _type_at(kind, values, path)
    word = re.fullmatch(r"Invalid (?:enum )?value '(.*)'", text)
    if word:
        return f"`{path}` is `{word[1]}`{_must(kind_there)}{_nearest(word[1], _choices(kind_there))}"
    ours = isinstance(kind_there, inspect.StructType) and not text.startswith("Expected")  # its section's own words
    return f"`{path}`: {text}{'' if ours else _must(kind_there)}"


def _joined(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _nearest(word: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean `{close[0]}`?" if close else ""


def _type_at(kind: type, values: object, path: str) -> inspect.Type:
    """Return what is to be found at ``path`` of settings of a kind; the model that ``values`` name says which."""
    info = inspect.type_info(kind)
    for part in re.findall(r"\w+", path):
        info = _given(info)
        if isinstance(info, inspect.UnionType):  # of models
            if part == "model":
                break
            model = values.get("model") if isinstance(values, dict) else None
            info = next((t for t in info.types if isinstance(t, inspect.StructType) and t.tag == model), info)
        if isinstance(info, inspect.StructType):
            info = next((field.type for field in info.fields if field.encode_name == part), info)
        elif isinstance(info, inspect.VarTupleType):
            info = info.item_type
        elif isinstance(info, inspect.TupleType) and part.isdecimal():
            info = info.item_types[int(part)]
    return _given(info)


def _given(info: inspect.Type) -> inspect.Type:
    """Return what a value that may be left out must be where it is there."""
    types = info.types if isinstance(info, inspect.UnionType) else ()
    there = [kind for kind in types if not isinstance(kind, inspect.NoneType)]
    return there[0] if len(there) == 1 else info


def _must(info: inspect.Type) -> str:
    """Return in words what a value of a type must be, behind a semicolon; empty where its type says it all."""
    words = _words(info)
    return f"; must be {words}" if words else ""


def _words(info: inspect.Type) -> str:
    """Return in words what a value of a type must be: its range, its length, the words that it may be."""
    if isinstance(info, inspect.Metadata):
        return str((info.extra_json_schema or {}).get("description", ""))
    if isinstance(info, inspect.IntType | inspect.FloatType):
        ends = (("at least", info.ge), ("above", info.gt), ("at most", info.le), ("below", info.lt))
        return " and ".join(f"{word} {_plain(end)}" for word, end in ends if end is not None)
    if isinstance(info, inspect.DateType):
        return "a date, as 2016-01-01 is"
    if isinstance(info, inspect.StructType):
        return "a section, its keys below its name in square brackets"
    if isinstance(info, inspect.TupleType):
        return _list_of(f"{len(info.item_types)}", info.item_types[0])
    if isinstance(info, inspect.VarTupleType) and isinstance(info.item_type, inspect.StructType):
        return "sections, the keys of each below its name in double square brackets"
    if isinstance(info, inspect.VarTupleType):
        least, most = info.min_length or 0, info.max_length
        return _list_of(f"at least {least}" if most is None else f"{least} to {most}", info.item_type)
    choices = _choices(info)
    return f"one of {', '.join(f'`{choice}`' for choice in choices)}" if choices else ""


def _list_of(number: str, item: inspect.Type) -> str:
    words = _words(item)
    return f"a list of {number} values{', each ' + words if words else ''}"


def _choices(info: inspect.Type) -> list[str]:
    """Return the words that a value of a type may be, if there are only some: the models of a union are such."""
    if isinstance(info, inspect.LiteralType):
        return [str(value) for value in info.values]
    models = info.types if isinstance(info, inspect.UnionType) else ()
    return [str(model.tag) for model in models if isinstance(model, inspect.StructType)]


def _plain(number: float) -> str:
    return str(number) if isinstance(number, int) else f"{number:g}"


def _known_keys(kind: object) -> set[str]:
    """Collect the keys of a settings type and of its sections, also those that may be left out or come in lists."""
    keys: set[str] = set().union(*map(_known_keys, get_args(kind)))
    if isinstance(kind, type) and issubclass(kind, Struct):
        for field in msgspec.structs.fields(kind):
            keys |= {field.name} | _known_keys(field.type)
    return keys
