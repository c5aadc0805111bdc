"""README.md of a dataset: the card that travels with the data, from the schema and the manifest."""

import msgspec

from zakar.dataset.manifest import Manifest
from zakar.dataset.schema import PREDICTIONS, PUBLIC, Table


def render(manifest: Manifest) -> str:
    """Return the dataset card as Markdown, its front matter in the style of dataset hubs."""
    description = manifest.scenario.get("description", "")
    software = ", ".join(f"{name} {version}" for name, version in manifest.software.items())
    lines = [
        "---",
        f"pretty_name: {msgspec.json.encode(manifest.title).decode()}",
        "license: cc-by-4.0",
        "tags: [wildfire, simulation, synthetic, streaming]",
        "---",
        "",
        f"# {manifest.title}",
        "",
        f"{description}",
        "",
        "Simulated data: no real place, person or post.",
        f"{manifest.days:,} days, {manifest.records:,} records, scenario `{manifest.name}`, seed {manifest.seed}.",
        "",
        "## Tables",
        "",
        "Parquet files under `public/<table>/`; name order is row order. As messages, one JSON object a row",
        "with the columns as keys. A missing reading is no row.",
        "",
    ]
    for table in PUBLIC:
        entry = manifest.tables[table.name]
        table = table.having(entry.columns)  # noqa: PLW2901 - the table as it is here
        lines += [*_dictionary(table), f"{entry.rows:,} rows in station `{table.station}`.", ""]
    lines += [
        "Participants send back:",
        "",
        *_dictionary(PREDICTIONS),
        f"In station `{PREDICTIONS.station}`.",
        "",
        "## Provenance",
        "",
        f"Made by {software}.",
        "All settings are in `manifest.json`, under `scenario`; the same scenario, seed and software make the",
        "same content. Fingerprint of the decoded content:",
        "",
        f"    {manifest.fingerprint}",
        "",
        "## Read it",
        "",
        "```python",
        "import pyarrow.dataset as ds",
        "",
        'print(ds.dataset("public/tweets").head(5).to_pylist())',
        "```",
        "",
        "## Licence",
        "",
        "CC-BY-4.0: use it for anything, and name zakar as the source.",
        "",
    ]
    return "\n".join(lines)


def _dictionary(table: Table) -> list[str]:
    rows = [f"| `{c.name}` | {c.type} | {c.unit} | {c.doc} |" for c in table.columns]
    return [
        f"### {table.name}",
        "",
        table.doc,
        "",
        "| column | type | unit | meaning |",
        "|---|---|---|---|",
        *rows,
        "",
    ]
