"""`zakar publish`: what may leave of a dataset, in a folder of its own."""

import datetime
import re
import shlex
import time
from pathlib import Path
from typing import Annotated

import typer

from zakar import location
from zakar.cli.common import Json, meter
from zakar.cli.printing import give, tell
from zakar.dataset import card, hubs
from zakar.dataset.layout import Split
from zakar.errors import ConfigError

_OWNER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}")


def publish_command(
    where: Annotated[
        Path, typer.Argument(metavar="DIR", parser=location.local("DIR"), help="A dataset: a folder of this machine.")
    ],
    *,
    out: Annotated[Path, typer.Option(parser=location.local("--out"), help="Folder to write what may leave into.")],
    which: Annotated[
        Split,
        typer.Option(
            "--split", help="The released days, or, to hand out, the posts and readings of those that are held out."
        ),
    ] = Split.TRAIN,
    owner: Annotated[
        str, typer.Option(metavar="NAME", help="Your name at the hub, for its metadata file and the command to upload.")
    ] = hubs.NOBODY,
    day: Annotated[
        datetime.datetime | None,
        typer.Option("--date", formats=["%Y-%m-%d"], help="Day of publication [default: the scenario's, or today]."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace what was published there before, never a private part.")
    ] = False,
    json: Json = False,
) -> None:
    """Write what may leave of a dataset, without key, truth and held-out days, and read it again to make sure.

    With --split holdout: the held-out days for whoever is to predict on them, without their alerts. Nothing is
    uploaded; the commands for Hugging Face and Kaggle, whose metadata files are written too, are said at the end.

    Example: `zakar publish data/island --out public/island`
    """
    from zakar.publish import publish  # noqa: PLC0415 - SciPy takes a second, for which others need not wait

    if not _OWNER.fullmatch(owner):
        raise ConfigError("--owner: give your name at the hub: letters, digits, dots, dashes and underscores")
    began = time.perf_counter()
    with meter("copying rows, then comparing them") as progress:
        done = publish(
            where, which, out, owner, day=day.date() if day else None, overwrite=overwrite, progress=progress
        )
    seconds = time.perf_counter() - began
    uploads = hubs.commands(done.manifest, shlex.quote(str(out)), owner)
    if json:
        give(
            {
                "dataset": str(out),
                "split": "holdout" if done.manifest.withheld else "train",
                "days": done.manifest.days,
                "records": done.manifest.records,
                "tables": {
                    name: {"rows": entry.rows, "bytes": entry.bytes} for name, entry in done.manifest.tables.items()
                },
                "withheld": list(done.manifest.withheld),
                "fingerprint": done.manifest.fingerprint,
                "files": done.files,
                "bytes": done.bytes,
                "uploads": uploads,
                "own_lines": done.own_lines,
                "seconds": round(seconds, 3),
            }
        )
        return
    withheld = f", without {' and '.join(done.manifest.withheld)}" if done.manifest.withheld else ""
    tell(
        f"{out}: {done.manifest.records:,} records of {done.manifest.days:,} days{withheld}, {done.files} files, "
        f"{done.bytes / 1e6:.1f} MB, read again and compared; nothing of the private part is in it"
    )
    if done.own_lines:
        tell(
            f"{out / card.NAME} leaves as it is, with {done.own_lines:,} lines that are not zakar's: read them once, "
            f"since no program can tell what they give away; without {where / card.NAME} it is made anew"
        )
    for hub, command in uploads.items():
        tell(f"{hub}: {command}")
    if owner == hubs.NOBODY:
        tell(f"--owner NAME puts your name in place of {hubs.NOBODY}, there and in {hubs.NAME}")
