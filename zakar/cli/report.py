"""`zakar report`: a dataset in pictures."""

import time
from pathlib import Path
from typing import Annotated

import typer

from zakar.cli.common import Dataset, Json, give, tell
from zakar.dataset import store
from zakar.errors import ConfigError


def report_command(
    where: Dataset,
    *,
    out: Annotated[Path, typer.Option(metavar="FILE.html", help="File to write the page into; it is replaced.")],
    json: Json = False,
) -> None:
    """Draw a dataset as one HTML page, which needs no network: maps, seasons, fires, posts, faults, check results.

    Reads what is published; where the private part is there too, the truth of the released days is shown with it.

    Example: `zakar report data/island --out report.html`
    """
    from zakar.check.report import report  # noqa: PLC0415 - matplotlib takes half a second, for which others need not wait

    began = time.perf_counter()
    dataset = store.open_dataset(where)
    with store.writable(out):
        if out.exists() and not out.is_file():
            raise ConfigError(f"{out}: is no file; give --out the name of one")
    with store.replacing(out) as partial:
        with store.writable(out):
            partial.touch()  # what cannot be written is told before the work, not after it
        page = report(dataset)
        with store.writable(out):
            partial.write_text(page.html, encoding="utf-8", newline="\n")
    seconds = time.perf_counter() - began
    if json:
        give(
            {
                "dataset": store.shown(where),
                "out": str(out),
                "bytes": out.stat().st_size,
                "sections": list(page.sections),
                "truth": page.truth,
                "checked": page.checked,
                "seconds": round(seconds, 3),
            }
        )
    else:
        tell(f"{out}: {len(page.sections)} sections, {out.stat().st_size / 1e6:.1f} MB, in {seconds:.1f} s")
