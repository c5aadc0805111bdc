"""Datasets held against their manifests."""

import posixpath
from collections.abc import Iterator

from zakar.checks import settings
from zakar.checks.check import Check
from zakar.dataset import content, layout, store
from zakar.dataset.content import fingerprint
from zakar.dataset.layout import Split
from zakar.dataset.schema import Table
from zakar.dataset.store import Dataset
from zakar.errors import MismatchError

_SOURCE = "manifest.json"


def integrity(dataset: Dataset) -> list[Check]:
    """Decode every public table, maps too, and compare its content with the manifest's checksums."""
    entries = layout.published(dataset.manifest)
    digests = {table.name: content.table_digest(table, _days(dataset, table)) for table, _ in entries}
    checks = [
        _same(
            f"content/{table.name}",
            f"{table.name}: content is what the manifest says",
            entry.sha256,
            digests[table.name],
        )
        for table, entry in entries
    ]
    streamed = {name: digests[name] for name in dataset.manifest.tables}
    return [*checks, _same("content/fingerprint", "fingerprint", dataset.manifest.fingerprint, fingerprint(streamed))]


def check_private(dataset: Dataset) -> None:
    """Decode every table of the private part, where that is here, and compare its content with the checksums there.

    Raises MismatchError naming the first that is another. No figure: whoever gets the data is told of neither.
    """
    for part, table, entry in store.private_tables(dataset, settings.truth(dataset)):
        full = table.having(entry.columns)
        if content.table_digest(full, _days(part, full)) != entry.sha256:
            raise MismatchError(f"{_place(part, table)}: content is not what it should be; simulate the dataset again")


def _days(dataset: Dataset, table: Table) -> Iterator[tuple[int, bytes]]:
    for name, rows in store.parts(dataset, table):
        try:
            yield from content.day_digests(table, rows)
        except ValueError as error:
            raise MismatchError(f"{_place(dataset, table)}/{name}: {error}; simulate the dataset again") from error


def _place(dataset: Dataset, table: Table) -> str:
    return posixpath.join(dataset.root, layout.folder(table, dataset.split is Split.HOLDOUT).as_posix())


def _same(identifier: str, name: str, listed: str, actual: str) -> Check:
    return Check(identifier, name, int(listed != actual), 0, 0, _SOURCE)
