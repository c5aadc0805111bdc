"""`zakar report`: a dataset in pictures."""

import time

from zakar import location
from zakar.cli.common import Dataset, Json, PageFile, give, new_page, tell
from zakar.dataset import store


def report_command(
    where: Dataset,
    *,
    out: PageFile,
    json: Json = False,
) -> None:
    """Draw a dataset as one HTML page, which needs no network: maps, seasons, fires, posts, faults, check results.

    Reads what is published; where the private part is there too, the truth of the released days is shown with it.

    Example: `zakar report data/island --out report.html`
    """
    from zakar.check.report import report  # noqa: PLC0415 - matplotlib takes half a second, for which others need not wait

    began = time.perf_counter()
    dataset = store.open_dataset(where)
    with new_page(out) as write:
        page = report(dataset)
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
