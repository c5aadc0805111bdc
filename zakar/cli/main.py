"""`zakar`: the commands, and the exit codes of what they raise."""

import contextlib
import logging
import sys
from collections.abc import Iterator
from typing import Any

import typer
from typer.core import TyperGroup

import zakar
from zakar import location
from zakar.cli import broker, dataset, demo, doctor, lab, publish, report, stations
from zakar.cli.common import tell
from zakar.errors import ZakarError

_UsageError: Any = typer.BadParameter.__base__  # for which typer has no name that all its versions share


class _Commands(TyperGroup):
    """The commands, of which bad usage is told without the secrets of addresses among their words."""

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
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
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


app.command("demo")(demo.demo)
app.command("simulate")(dataset.simulate_command)
app.command("schema")(dataset.schema_command)
app.command("check")(dataset.check_command)
app.command("report")(report.report_command)
app.command("publish")(publish.publish_command)
app.command("broker")(broker.broker_command)
app.command("load")(stations.load_command)
app.command("verify")(stations.verify_command)
app.command("consume")(stations.consume_command)
app.command("doctor")(doctor.doctor_command)
app.add_typer(lab.app, name="lab")


def main() -> None:
    """Run the command line and exit: 0 done, and otherwise as zakar.errors says; 130 interrupted."""
    # asyncio's warning at the end of each TLS connection of nats-py's means nothing to whoever runs a command.
    logging.getLogger("asyncio").addFilter(lambda record: "eof_received" not in str(record.msg))
    try:
        app()
    except ZakarError as error:
        tell(f"zakar: {location.hidden(str(error), sys.argv)}")
        sys.exit(error.exit_code)
    except OSError as error:  # standard output cannot be written to
        tell(f"zakar: {error}")
        sys.exit(2)
