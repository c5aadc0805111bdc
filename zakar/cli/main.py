"""`zakar`: the commands by name, each imported once it is run, and the exit codes of what they raise."""

import contextlib
import importlib
import logging
import sys
from collections.abc import Iterator
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

import zakar
from zakar import location
from zakar.cli import interrupts
from zakar.cli.printing import tell
from zakar.errors import ZakarError

_UsageError: Any = typer.BadParameter.__base__  # for which typer has no name that all its versions share


COMMANDS = {  # name: module, function (or a group of commands), first sentence of its help
    "demo": ("demo", "demo", "Simulate, start a broker, load, read everything back, and say what to try next."),
    "simulate": ("dataset", "simulate_command", "Simulate a scenario into a dataset of Parquet files."),
    "schema": (
        "dataset",
        "schema_command",
        "Show the tables: columns, units and the keys of their messages; then those that no station carries.",
    ),
    "check": (
        "dataset",
        "check_command",
        "Compare a dataset with its manifest, and with the figures that its scenario names.",
    ),
    "report": (
        "report",
        "report_command",
        "Draw a dataset as one HTML page, which needs no network: maps, seasons, fires, posts, faults, check results.",
    ),
    "publish": (
        "publish",
        "publish_command",
        "Write what may leave of a dataset, without key, truth and held-out days, and read it again to make sure.",
    ),
    "broker": (
        "broker",
        "broker_command",
        "Run a NATS server with JetStream until Ctrl-C. Listens on this machine alone unless told otherwise.",
    ),
    "memphis": (
        "memphis",
        "memphis_command",
        "Answer the SDKs of Memphis at a NATS server of yours, until Ctrl-C, so that their programs run there.",
    ),
    "load": (
        "stations",
        "load_command",
        "Fill stations from a dataset, every message once and in order. Safe to run again: it goes on.",
    ),
    "verify": (
        "stations",
        "verify_command",
        "Read stations back and compare them with a dataset, message by message.",
    ),
    "consume": (
        "stations",
        "consume_command",
        "Read a station out, from its first message to its last now, as JSON lines or as a Parquet file.",
    ),
    "doctor": (
        "doctor",
        "doctor_command",
        "Say what a server offers, whether a dataset fits, what is missing, and the fix.",
    ),
    "lab": ("lab", "app", "The lessons of a hackathon's upload script, measured on this machine."),
}
_STYLE: dict[str, Any] = {
    "add_completion": False,
    "pretty_exceptions_enable": False,
    "rich_markup_mode": "markdown",
}


class _Deferred(TyperCommand):
    """A command whose module is imported when it is run, not to be listed: most need pyarrow, which takes its time."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        return imported(str(self.name)).make_context(info_name, args, parent, **extra)


def imported(name: str) -> Any:
    """Return the command of a name, or the group of them, as Typer makes it."""
    module, attribute, _ = COMMANDS[name]
    function = getattr(importlib.import_module(f"zakar.cli.{module}"), attribute)
    if isinstance(function, typer.Typer):
        return typer.main.get_command(function)
    single = typer.Typer(**_STYLE)
    single.command(name)(function)
    return typer.main.get_command(single)


class _Commands(TyperGroup):
    """The commands, of which bad usage is told without the secrets of addresses among their words."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for name, (_, _, sentence) in COMMANDS.items():
            self.add_command(_Deferred(name, help=sentence, rich_markup_mode="markdown"))

    def make_context(self, *args: Any, **settings: Any) -> Any:
        with _hiding():
            return super().make_context(*args, **settings)

    def invoke(self, ctx: Any) -> Any:
        with _hiding():
            return super().invoke(ctx)


@contextlib.contextmanager
def _hiding() -> Iterator[None]:
    try:
        yield
    except _UsageError as error:
        error.message = location.hidden(error.message, sys.argv)
        raise


app = typer.Typer(
    name="zakar",
    cls=_Commands,
    help="Simulate the wildfire island of Zakar and stream its data into NATS JetStream stations.",
    no_args_is_help=True,
    **_STYLE,
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"zakar {zakar.__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    """Take the options that belong to no command."""


def main() -> None:
    """Run the command line and exit: 0 done, and otherwise as zakar.errors says; 130 interrupted."""
    # asyncio's warning at the end of each TLS connection of nats-py's means nothing to whoever runs a command.
    logging.getLogger("asyncio").addFilter(lambda record: "eof_received" not in str(record.msg))
    interrupts.remember()
    try:
        app()
    except ZakarError as error:
        tell(f"zakar: {location.hidden(str(error), sys.argv)}")
        sys.exit(error.exit_code)
    except OSError as error:  # standard output cannot be written to
        tell(f"zakar: {error.strerror or error}")
        sys.exit(2)
