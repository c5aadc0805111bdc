"""What checks found, kept beside the data: for whoever gets it, and in full for whoever made it."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from zakar import files
from zakar.checks.check import PRIVATE, Check
from zakar.dataset import card
from zakar.dataset.store import Dataset
from zakar.errors import ConfigError, MismatchError

NAME = "checks.json"


def report(fingerprint: str, checks: Sequence[Check]) -> dict[str, object]:
    """Return what was found of the dataset with that fingerprint, and whether all of it that applies is accepted."""
    rows = [
        {
            "id": check.id,
            "name": check.name,
            **{name: float(getattr(check, name)) for name in ("value", "low", "high")},  # some are NumPy's
            "source": check.source,
            "settings": check.settings,
            "why": check.why,
            "ok": check.ok,
            "applies": check.applies,
        }
        for check in checks
    ]
    return {"ok": all(check.ok for check in checks), "fingerprint": fingerprint, "checks": rows}


def keep(dataset: Dataset, checks: Sequence[Check]) -> None:
    """Write what was found beside the data, and the scores of baselines into its card.

    What compares held-out days is left out there, and if that fails, it is not told; the private part, where it is
    here, gets the full report. Raises ConfigError if this cannot be written.
    """
    if dataset.local is None:
        raise ConfigError("the report is not kept: an object store is only read")
    shown = [check for check in checks if not check.private]
    if (dataset.local / "private").is_dir():
        _write(dataset.local / "private" / NAME, _encoded(report(dataset.manifest.fingerprint, checks)))
    _write(dataset.local / NAME, _encoded(report(dataset.manifest.fingerprint, shown)))
    readme = dataset.local / card.NAME
    if readme.is_file():
        text = readme.read_bytes().decode(errors="surrogateescape")
        scored = card.with_scores(text, dataset.manifest, shown)
        if scored != text:
            _write(readme, scored.encode(errors="surrogateescape"))


def published(content: bytes, fingerprint: str) -> bytes | None:
    """Return what may leave of a report that is kept beside the data; None if it is of other data, or no report.

    Raises MismatchError if it tells of held-out days.
    """
    try:
        kept = msgspec.json.decode(content, type=_Report)
    except (msgspec.DecodeError, RecursionError):
        return None
    if any(check.id in PRIVATE for check in kept.checks):
        raise MismatchError(f"{NAME}: tells of held-out days; run `zakar check` again, which keeps that in private/")
    return _encoded(msgspec.to_builtins(kept)) if kept.fingerprint == fingerprint else None


class _Check(Struct):
    id: str
    name: str
    value: float | None
    low: float | None
    high: float | None
    source: str
    ok: bool
    settings: list[str] = []
    applies: bool = True
    why: str = ""


class _Report(Struct):
    ok: bool
    fingerprint: str
    checks: list[_Check]


def _encoded(values: dict[str, object]) -> bytes:
    return msgspec.json.format(msgspec.json.encode(values), indent=2) + b"\n"


def _write(path: Path, content: bytes) -> None:
    with files.replacing(path) as partial, files.writable(path):
        partial.write_bytes(content)
