"""`zakar report`: a dataset in pictures."""

import time
from typing import Annotated

import typer

from zakar import location
from zakar.cli.common import Dataset, Json, PageFile, meter, new_page
from zakar.cli.printing import give, tell
from zakar.dataset import store
from zakar.errors import ConfigError
from zakar.progress import counted


def report_command(
    where: Dataset,
    *,
    out: PageFile,
    with_truth: Annotated[
        bool,
        typer.Option("--with-truth", help="Show the truth too, from the private part: a page not to be published."),
    ] = False,
    json: Json = False,
) -> None:
    """Draw a dataset as one HTML page, which needs no network: maps, seasons, fires, posts, faults, check results.

    Reads nothing but what may be published, so that the page may be, too. With --with-truth, for whoever made the data,
    the truth of the released days is shown beside it.

    Example: `zakar report data/island --out report.html`
    """
    from zakar.report.page import report  # noqa: PLC0415 - matplotlib takes half a second, for which others need not wait

    began = time.perf_counter()
    dataset = store.open_dataset(where)
    with new_page(out) as write:
        if with_truth and not store.has_truth(dataset):
            raise ConfigError(f"--with-truth: {location.shown(where)} has no private part, or no truth in it")
        with meter("reading rows") as show:
            page = report(store.watched(dataset, counted(show, None)), with_truth=with_truth)
        write(page.html)
    seconds = time.perf_counter() - began
    if json:
        give(
            {
                "dataset": location.shown(where),
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
