"""Write docs/commands.md, the reference of the command line, from the commands themselves."""

import enum
import inspect
import re
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from zakar.cli.main import COMMANDS, imported

_HEAD = """# Commands

Made by `docs/reference.py` from what `zakar COMMAND --help` says; do not edit it.

Exit codes: 0 done; 1 a check or comparison failed, or a station holds something else; 2 usage or bad configuration;
3 the server cannot be reached or refuses, and nothing was sent; 4 stopped after something was stored: run it again to
go on; 130 interrupted.
"""


def reference() -> str:
    """Return the whole page, as Markdown."""
    return "\n".join([_HEAD, *(section for name in COMMANDS for section in _sections(f"zakar {name}", imported(name)))])


def _sections(name: str, command: Any) -> Iterator[str]:
    """Yield the section of a command, or those of a group's commands."""
    if inner := getattr(command, "commands", {}):
        for word, each in inner.items():
            yield from _sections(f"{name} {word}", each)
        return
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option"]
    usage = " ".join([name, *(_argument(p) for p in arguments), "[OPTIONS]"])
    yield f"## {name}\n\n```text\n{usage}\n```\n\n{inspect.cleandoc(command.help)}\n"
    types = _annotations(command.callback)
    rows = [f"| `{_argument(p)}` | {_text(p.help)} | {_default(p)} |" for p in arguments]
    rows += [f"| {_names(p, types.get(p.name))} | {_text(p.help)} | {_default(p)} |" for p in options]
    yield "\n".join(["| | | default |", "|---|---|---|", *rows, ""])


def _argument(argument: Any) -> str:
    return argument.metavar or f"[{argument.name.upper()}]" + "..." * (argument.nargs != 1)


def _annotations(function: Any) -> dict[str, Any]:
    return {name: parameter.annotation for name, parameter in inspect.signature(function).parameters.items()}


def _names(option: Any, annotation: Any) -> str:
    value = "" if option.is_flag else f" {option.metavar or _value(annotation)}"
    names = [f"`{name}{value}`" for name in (*option.opts, *option.secondary_opts) if name.startswith("-")]
    return ", ".join(names).replace("|", "\\|")


def _value(annotation: Any) -> str:
    """Return what stands for an option's value, from its type."""
    while inner := typing.get_args(annotation):  # of Annotated, of a union with None, of a list
        annotation = inner[0]
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return "|".join(str(member.value) for member in annotation)
    return {int: "N", float: "NUMBER", Path: "PATH"}.get(annotation, "TEXT")


def _text(text: str | None) -> str:
    """Return a help text for a cell of a table, without the default that some say themselves."""
    return re.sub(r"\s*\[default: [^]]*\]", "", text or "").replace("|", "\\|").replace("\n", " ")


def _default(parameter: Any) -> str:
    if spoken := re.search(r"\[default: ([^]]*)\]", parameter.help or ""):
        return spoken[1]
    if parameter.default in (None, False, ()) or callable(parameter.default):
        return ""
    return f"`{getattr(parameter.default, 'value', parameter.default)}`"


if __name__ == "__main__":
    (Path(__file__).parent / "commands.md").write_text(reference(), encoding="utf-8", newline="\n")
