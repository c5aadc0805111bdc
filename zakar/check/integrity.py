"""Datasets held against their manifests."""

from collections.abc import Iterator

from zakar.check.figure import Check
from zakar.dataset import content, store
from zakar.dataset.content import fingerprint
from zakar.dataset.schema import Table
from zakar.dataset.store import Dataset
from zakar.errors import MismatchError

_SOURCE = "manifest.json"


def integrity(dataset: Dataset) -> list[Check]:
    """Decode every public table and compare its content with the manifest's checksums."""
    found = {table.name: content.table_digest(table, _days(dataset, table)) for table in dataset.tables}
    checks = [
        _same(
            f"content/{name}",
            f"{name}: content is what the manifest says",
            dataset.manifest.tables[name].sha256,
            digest,
        )
        for name, digest in found.items()
    ]
    told = dataset.manifest.fingerprint
    return [*checks, _same("content/fingerprint", "fingerprint", told, fingerprint(found))]


def _days(dataset: Dataset, table: Table) -> Iterator[tuple[int, bytes]]:
    for name, rows in store.parts(dataset, table):
        try:
            yield from content.day_digests(table, rows)
        except ValueError as error:
            raise MismatchError(f"public/{table.name}/{name}: {error}; simulate the dataset again") from error


def _same(identifier: str, name: str, told: str, found: str) -> Check:
    return Check(identifier, name, int(told != found), 0, 0, _SOURCE)
