"""What commands print: answers on standard output, everything else on standard error."""

import codecs
import json
import re
import sys
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

_CONTROLS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")  # but the end of a line


def tell(text: str) -> None:
    """Print a line for a person, on standard error; what would control the terminal is written as an escape."""
    text = _CONTROLS.sub(lambda letter: repr(letter[0])[1:-1], text)
    Console(stderr=True, soft_wrap=True).print(text, markup=False, highlight=False, emoji=False)


def give(report: object) -> None:
    """Print a report as one JSON object on standard output, escaped where that does not take UTF-8."""
    text = msgspec.json.format(msgspec.json.encode(_whole(msgspec.to_builtins(report))), indent=2).decode()
    if codecs.lookup(sys.stdout.encoding or "utf-8").name != "utf-8":
        text = re.sub(r"[^\x00-\x7f]", lambda letter: json.dumps(letter[0])[1:-1], text)
    sys.stdout.write(text + "\n")
    sys.stdout.flush()  # where nothing can be written, it is told here


def show(grid: Table) -> None:
    """Print a table on standard output, whole, wider than the console if need be."""
    console = Console()
    least = console.measure(grid, options=console.options.update(max_width=10_000)).minimum
    Console(width=max(console.width, least)).print(grid)


def _whole(value: Any) -> Any:
    """Return plain values whose texts are UTF-8, though a name of a file came in another encoding."""
    if isinstance(value, str):
        return value.encode(errors="surrogateescape").decode(errors="replace")
    if isinstance(value, dict):
        return {_whole(key): _whole(inner) for key, inner in value.items()}
    return [_whole(inner) for inner in value] if isinstance(value, list) else value
