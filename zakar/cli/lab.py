"""`zakar lab`: run the lessons, and make a page of what they measured."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from zakar import location
from zakar.cli.common import Json, PageFile, new_page
from zakar.cli.printing import give, tell
from zakar.lab import preset, run
from zakar.lab.lesson import Record
from zakar.lab.lessons import LESSONS

app = typer.Typer(help="The lessons of a hackathon's upload script, measured on this machine.", no_args_is_help=True)
RESULTS, PAGE = Path("lab"), Path("lab.html")


@app.command("run")
def run_command(
    lessons: Annotated[list[str] | None, typer.Argument(help="Names or numbers of lessons [default: all].")] = None,
    link: Annotated[
        str | None, typer.Option(help="A link of configs/links, or a TOML file, in place of the lessons' own.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Few settings and repetitions: five minutes for all.")] = False,
    out: Annotated[Path, typer.Option(parser=location.local("--out"), help="Folder for what was measured.")] = RESULTS,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the lab's broker; 0 takes a free one.")] = 0,
    json: Json = False,
) -> None:
    """Measure what the article of 2023 teaches: with a real broker, the Memphis SDK, and emulated links.

    Example: `zakar lab run latency --quick`
    """
    names = run.choose(lessons or [])
    over = preset.read(link) if link is not None else None
    try:
        records = run.run(names, over, out, port, tell, quick=quick)
    except KeyboardInterrupt:
        tell(f"interrupted; the lessons that were finished are kept in {out}")
        raise
    if json:
        give({"lessons": msgspec.to_builtins(records), "folder": str(out)})
        return
    for record in records:
        print(_told(record))
    tell(f"kept in {out}; a page of it: zakar lab report {out}")


def _told(record: Record) -> str:
    """Write a lesson for a terminal: what was asked, expected and seen, and what could not be shown."""
    lesson = record.lesson
    lines = [
        f"{lesson.number}. {lesson.title} ({record.seconds:,.0f} s)",
        lesson.question,
        f"Theory: {lesson.prediction}",
        f"Seen: {lesson.seen}",
        *(f"Not shown here: {text}" for text in lesson.unseen),
    ]
    return "\n   ".join(lines) + "\n"


@app.command("report")
def report_command(
    folder: Annotated[
        Path, typer.Argument(parser=location.local("FOLDER"), help="Where `zakar lab run` put its results.")
    ] = RESULTS,
    out: PageFile = PAGE,
    json: Json = False,
) -> None:
    """Make one HTML page, which needs no network, of what lessons asked, expected and measured.

    Example: `zakar lab report`
    """
    from zakar.lab.report import page  # noqa: PLC0415 - matplotlib takes half a second, for which others need not wait

    records = run.kept(folder)
    with new_page(out) as write:
        write(page(records, list(LESSONS)))
    if json:
        give({"page": str(out), "lessons": msgspec.to_builtins(records)})
    else:
        tell(f"{out}: {len(records)} of {len(LESSONS)} lessons, {out.stat().st_size / 1e6:.1f} MB")
