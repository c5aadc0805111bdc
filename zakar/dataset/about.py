"""What is said of a dataset as a whole: whose it is, under which licence, and how large."""

import re

import msgspec
from msgspec import Struct

from zakar.dataset.manifest import Manifest

_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]*")
_ADDRESS = re.compile(r"https?://\S+")
_MAIL = re.compile(r"[^\s@]+@[^\s@]+")

# Licences that dataset hubs know by a word of their own: small SPDX identifiers, but for three.
_ON_HUBS = frozenset(
    (
        "apache-2.0", "mit", "cc0-1.0", "cc-by-3.0", "cc-by-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0", "cc-by-nc-4.0",
        "cc-by-nc-nd-4.0", "cc-by-nc-sa-4.0", "cc-by-nd-4.0", "gpl-3.0", "lgpl-3.0", "agpl-3.0", "mpl-2.0",
        "bsd-2-clause", "bsd-3-clause", "cdla-permissive-1.0", "cdla-permissive-2.0", "cdla-sharing-1.0", "unlicense",
        "odbl", "odc-by", "pddl",
    )
)  # fmt: skip
_HUB_WORD = {"odbl-1.0": "odbl", "odc-by-1.0": "odc-by", "pddl-1.0": "pddl"}


class About(Struct, frozen=True):
    """The section `about` of a scenario, as a manifest has it."""

    creator: str = ""
    contact: str = ""
    licence: str = "CC-BY-4.0"
    version: str = "1.0.0"
    published: str | None = None

    @property
    def licence_address(self) -> str:
        """Where the licence can be read; empty where it is told in words alone."""
        if _ADDRESS.fullmatch(self.licence):
            return self.licence
        if self.licence == "CC-BY-4.0":
            return "https://creativecommons.org/licenses/by/4.0/"
        return f"https://spdx.org/licenses/{self.licence}.html" if _IDENTIFIER.fullmatch(self.licence) else ""

    @property
    def hub_licence(self) -> str:
        """The licence as dataset hubs name it; `other` where they do not."""
        word = _HUB_WORD.get(self.licence.lower(), self.licence.lower())
        return word if word in _ON_HUBS else "other"

    @property
    def contact_kind(self) -> str:
        """What schema.org calls the contact: `email`, `url`, or `description` of anything else."""
        if _MAIL.fullmatch(self.contact):
            return "email"
        return "url" if _ADDRESS.fullmatch(self.contact) else "description"


def about(manifest: Manifest) -> About:
    """Return what a dataset's scenario says of it; of an older one what is usual."""
    try:
        return msgspec.convert(manifest.scenario.get("about", {}), About)
    except msgspec.ValidationError:  # of another zakar
        return About()


def size(manifest: Manifest) -> str:
    """Return how much there is, in a sentence: days, grid and records, counted and not as anybody said it."""
    calendar, grid = (_section(manifest, name) for name in ("calendar", "grid"))
    year = calendar.get("days_per_year", 365.25)
    years = f" ({manifest.days / year:.1f} years)" if isinstance(year, int | float) and year > 0 else ""
    cells = f" on {grid['width']} x {grid['height']} cells" if {"width", "height"} <= grid.keys() else ""
    return f"{manifest.days:,} days{years}{cells}, {manifest.records:,} records."


def _section(manifest: Manifest, name: str) -> dict[str, object]:
    section = manifest.scenario.get(name)
    return section if isinstance(section, dict) else {}
