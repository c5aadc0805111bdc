"""What dataset hubs want beside the data: Kaggle's metadata file; Hugging Face reads the card's front matter.

Kaggle's format: https://github.com/Kaggle/kaggle-cli/blob/main/docs/datasets_metadata.md.
"""

import re

import msgspec

from zakar.dataset.about import about
from zakar.dataset.manifest import Manifest

NAME = "dataset-metadata.json"
NOBODY = "YOUR-NAME"
_TITLE, _SUBTITLE, _SLUG = (6, 50), (20, 80), 50  # characters, at least and at most
_LICENCES = (  # as Kaggle calls them
    *("CC0-1.0", "CC-BY-3.0", "CC-BY-4.0", "CC-BY-SA-3.0", "CC-BY-SA-4.0", "CC-BY-NC-4.0", "CC-BY-NC-SA-4.0"),
    *("CC-BY-ND-4.0", "CC-BY-NC-ND-4.0", "ODbL-1.0", "DbCL-1.0", "ODC-BY-1.0", "PDDL", "CDLA-Permissive-1.0"),
    *("CDLA-Sharing-1.0", "GPL-2.0", "GPL-3.0", "LGPL-3.0", "AGPL-3.0", "FDL-1.3"),
    "apache-2.0",
)


def kaggle(manifest: Manifest, card: str, owner: str) -> bytes:
    """Return Kaggle's metadata file, which says whose a dataset is, its licence, and what its page shows: the card."""
    _, _, body = card.partition("\n---\n")
    known = {name.lower(): name for name in _LICENCES}
    licence = known.get(about(manifest).licence.lower(), "other")
    metadata = {
        "title": _title(manifest.title),
        "subtitle": _subtitle(manifest),
        "id": f"{owner}/{slug(manifest)}",
        "licenses": [{"name": licence}],
        "keywords": ["tabular", "text", "time series analysis"],
        "description": (body if card.startswith("---\n") else card).strip() + "\n",
    }
    return msgspec.json.format(msgspec.json.encode(metadata), indent=2) + b"\n"


def slug(manifest: Manifest) -> str:
    """Return what a dataset may be called in an address of a hub."""
    name = re.sub("[^a-z0-9]+", "-", manifest.name.lower()).strip("-") or "island"
    end = "-held-out" if manifest.withheld else ""
    return f"zakar-{name}"[: _SLUG - len(end)].rstrip("-") + end


def commands(manifest: Manifest, folder: str, owner: str) -> dict[str, str]:
    """Return the command that uploads a folder, by the hub's name."""
    return {
        "Hugging Face": f"hf upload {owner}/{slug(manifest)} {folder} --repo-type dataset",
        "Kaggle": f"kaggle datasets create -p {folder} --dir-mode zip",
    }


def _title(title: str) -> str:
    least, most = _TITLE
    text = " ".join(title.split())
    text = text if len(text) >= least else f"Zakar: {text}".strip()
    return text if len(text) <= most else text[: most - 3].rstrip() + "..."


def _subtitle(manifest: Manifest) -> str:
    what = "held-out days of posts and readings" if manifest.withheld else "days of posts, readings and late alerts"
    text = f"A simulated wildfire island: {manifest.days:,} {what}"
    return text[: _SUBTITLE[1]]
