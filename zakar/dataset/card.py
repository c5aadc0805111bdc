"""README.md of a dataset: the card that travels with the data, from the schema, the manifest and what checks found."""

import json
import math
from collections.abc import Iterable
from typing import Protocol

from zakar.dataset import layout
from zakar.dataset.about import about, size
from zakar.dataset.croissant import NAME as CROISSANT
from zakar.dataset.croissant import SPLIT
from zakar.dataset.manifest import Manifest
from zakar.dataset.schema import PREDICTIONS, Table

NAME = "README.md"

_BEGIN, _END = "<!-- baselines -->", "<!-- end of baselines -->"

_SIZES = (10**3, 10**4, 10**5, 10**6, 10**7, 10**8, 10**9, 10**10, 10**11, 10**12)  # as dataset hubs name them


class Figure(Protocol):
    """What a check found: a value, and the range that is accepted for it, both ends included."""

    @property
    def baseline(self) -> bool: ...  # noqa: D102
    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def value(self) -> float: ...  # noqa: D102
    @property
    def low(self) -> float: ...  # noqa: D102
    @property
    def high(self) -> float: ...  # noqa: D102
    @property
    def applies(self) -> bool: ...  # noqa: D102


def render(manifest: Manifest, limits: str, figures: Iterable[Figure] | None) -> str:
    """Return the dataset card as Markdown, its front matter in the style of dataset hubs.

    ``limits``: those of the model, a Markdown list; empty if nobody knows them. ``figures`` are what checks found; the
    scores of baselines among them are shown. None where the model has no baselines.
    """
    lines = [
        *_front_matter(manifest),
        f"# {manifest.title}",
        "",
        str(manifest.scenario.get("description", "")),
        "",
        "Simulated data: no real place, person or post.",
        f"{size(manifest)} Scenario `{manifest.name}`, seed {manifest.seed}.",
        "",
        *_people(manifest),
        *_tables(manifest),
        *_splits(manifest),
        *_loading(manifest),
        *_parameters(manifest),
        *(["## Known limits", "", limits] if limits else []),
        *(["## Baselines", "", *_scores(manifest, figures), ""] if figures is not None else []),
        *_provenance(manifest),
        *_licence(manifest),
    ]
    return "\n".join(lines)


def with_scores(card: str, manifest: Manifest, figures: Iterable[Figure]) -> str:
    """Return a card with the scores that checks found, the rest as it is: people may have edited it.

    A card without the marks between which scores stand is returned unchanged.
    """
    before, begin, rest = card.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    return before + "\n".join(_scores(manifest, figures)) + after if begin and end else card


def _front_matter(manifest: Manifest) -> list[str]:
    configs = []
    for table, _ in layout.published(manifest):
        configs += [
            f"  - config_name: {table.name}",
            "    data_files:",
            f"      - split: {_split(manifest)}",
            f"        path: {layout.folder(table, held_out=False).as_posix()}/*.parquet",
        ]
    known = about(manifest)
    other = [f"license_name: {_value(known.licence)}"] if known.hub_licence == "other" else []
    if other and known.licence_address:
        other.append(f"license_link: {_value(known.licence_address)}")
    return [
        "---",
        f"pretty_name: {_value(manifest.title)}",
        f"license: {known.hub_licence}",
        *other,
        *_language(manifest.language),
        "tags: [wildfire, simulation, synthetic, streaming]",
        f"size_categories: [{_value(_size(manifest.records))}]",
        "task_categories: [tabular-classification, time-series-forecasting, text-classification]",
        "configs:",
        *configs,
        "---",
        "",
    ]


def _language(code: str) -> list[str]:
    """Return a language as dataset hubs have it: a code without a country, and one with it, if it has one."""
    language, _, country = code.partition("-")
    whole = [f"language_bcp47: [{_value(code)}]"] if country else []
    return [f"language: [{_value(language)}]", *whole] if code else []


def _people(manifest: Manifest) -> list[str]:
    """Return who makes the data available, if that is said."""
    known = about(manifest)
    lines = [
        *([f"Made available by {known.creator}."] if known.creator else []),
        *([f"Contact: {known.contact}"] if known.contact else []),
        *([f"Published on {known.published}."] if known.published else []),
    ]
    return [*"\n\n".join(lines).split("\n"), ""] if lines else []


def _licence(manifest: Manifest) -> list[str]:
    known = about(manifest)
    address = f": {known.licence_address}" if known.licence_address not in {"", known.licence} else ""
    whose = f"name {known.creator} as its source" if known.creator else "name its source"
    asks = [f"Use it for anything, and {whose}."] if known.licence == "CC-BY-4.0" else []
    return [
        "## Licence",
        "",
        f"{known.licence}{address}",
        "",
        *[*asks, ""][: 2 * len(asks)],
        "The words of the posts come from a phrase table: those of zakar's own are CC-BY-4.0.",
        "",
    ]


def _size(records: int) -> str:
    """Return the class of size that dataset hubs use: ``n<1K``, ``1K<n<10K`` and so on."""
    above = next((number for number, size in enumerate(_SIZES) if records < size), len(_SIZES))
    if above == 0:
        return f"n<{_short(_SIZES[0])}"
    lower = _short(_SIZES[above - 1])
    return f"{lower}<n<{_short(_SIZES[above])}" if above < len(_SIZES) else f"n>{lower}"


def _short(size: int) -> str:
    step = (len(str(size)) - 1) // 3
    return f"{size // 1000**step}{'KMBT'[step - 1]}"


def _tables(manifest: Manifest) -> list[str]:
    lines = [
        "## Tables",
        "",
        "Parquet files under `public/<table>/`; name order is row order. As messages, one JSON object a row",
        "with the columns as keys.",
        "",
    ]
    for table, entry in layout.published(manifest):
        carried = f" in station `{table.station}`" if table.name in manifest.tables else ", in no station"
        lines += [*_dictionary(table), f"{entry.rows:,} rows{carried}.", ""]
    labels = [
        "The task: say on which day and in which cell a fire starts, before the official system does. The alerts are",
        "the labels at hand: they come late, and where the system is as slow as a real one, some fires are missed and",
        "some alerts are false. Participants send back:",
    ]
    if manifest.withheld:
        labels = [
            "The task: say on which day and in which cell a fire starts. Learn from the released days, whose alerts",
            "are known; those of these days are withheld. Participants send back:",
        ]
    return [
        *lines,
        *labels,
        "",
        *_dictionary(PREDICTIONS),
        f"In station `{PREDICTIONS.station}`.",
        "",
    ]


def _dictionary(table: Table) -> list[str]:
    rows = [_row(f"`{c.name}`", str(c.type), c.unit, c.doc) for c in table.columns]
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


def _splits(manifest: Manifest) -> list[str]:
    calendar = manifest.scenario.get("calendar")
    dated = calendar.get("first_date") if isinstance(calendar, dict) else None
    date = f" Day 1 is {dated}." if dated else ""
    days = f"all days, {manifest.first_day:,} to {manifest.first_day + manifest.days - 1:,}.{date}"
    if manifest.withheld:
        withheld = ", ".join(f"`{name}`" for name in manifest.withheld)
        return ["## Splits", "", f"One, `{_split(manifest)}`: {days}", f"To be predicted: {withheld} are withheld.", ""]
    return [
        "## Splits",
        "",
        f"One, `{_split(manifest)}`: {days}",
        "To validate, cut by time and keep whole years: neighbouring days and cells are alike, and a random cut shows",
        "a model the answers.",
        "",
    ]


def _split(manifest: Manifest) -> str:
    """Return the name of the one split: of days to learn from, or of days whose alerts are withheld."""
    return "test" if manifest.withheld else "train"


def _loading(manifest: Manifest) -> list[str]:
    first = layout.published(manifest)[0][0].name
    return [
        "## Read it",
        "",
        "In this folder, with whatever you like to work with:",
        "",
        "```python",
        "import pyarrow.dataset",
        "",
        f'print(pyarrow.dataset.dataset("public/{first}").head(5).to_pylist())',
        "```",
        "",
        "```python",
        "import datasets, pathlib",
        "",
        f'print(datasets.load_dataset(str(pathlib.Path.cwd()), "{first}", split="{_split(manifest)}")[0])',
        "```",
        "",
        "```python",
        "import duckdb",
        "",
        f'duckdb.read_parquet("public/{first}/*.parquet").limit(5).show()',
        "```",
        "",
        "`croissant.json` describes the files for tools that read Croissant, such as `mlcroissant`. To them the split",
        f"is called `{SPLIT}`, after its folder, since that is what they can filter by:",
        "",
        "```python",
        "import itertools, mlcroissant",
        "",
        f'rows = mlcroissant.Dataset("{CROISSANT}").records("{first}", filters={{"{first}/split": "{SPLIT}"}})',
        "print(list(itertools.islice(rows, 5)))",
        "```",
        "",
    ]


def _parameters(manifest: Manifest) -> list[str]:
    """Return the table of the scenario's keys; a section's own note stands in the row of its name."""
    rows = []
    for section, keys in manifest.scenario.items():
        if isinstance(keys, dict) and section != "about":  # that is told elsewhere
            rows.append(_row(f"**{section}**", "", manifest.notes.get(section, "")))
            paths = {f"{section}.{key}": value for key, value in keys.items()}
            rows += [_row(f"`{path}`", _value(value), manifest.notes.get(path, "")) for path, value in paths.items()]
    return [
        "## Parameters and their sources",
        "",
        "The settings that made this data, and what the scenario file says of them: meaning, unit, source. What",
        "follows the word `here` is calculated from the values.",
        "",
        "| key | value | note |",
        "|---|---|---|",
        *rows,
        "",
    ]


def _scores(manifest: Manifest, figures: Iterable[Figure]) -> list[str]:
    """Return what stands between the marks, and the marks."""
    rows = [
        _row(figure.name, f"{figure.value:.3f}" if math.isfinite(figure.value) else "none", _expected(figure))
        for figure in figures
        if figure.baseline
    ]
    if not rows:
        hint = "No scores yet: run `zakar check` on this folder, and they appear here and in `checks.json`."
        return [_BEGIN, hint, _END]
    return [
        _BEGIN,
        f"What simple methods score on this data (fingerprint {manifest.fingerprint[:12]}), as `zakar check` found it;",
        "all its figures are in `checks.json`. They are tested on what truly happened, and learn from it too, which",
        "participants cannot: their labels are the alerts. What those are worth stands in the two rows that are not",
        "judged: what the same method scores once it learns from alerts alone, and what an alert that is there already",
        "tells of a cell's next fire. 0.5 is chance.",
        "",
        "| baseline | score | expected |",
        "|---|---|---|",
        *rows,
        _END,
    ]


def _expected(figure: Figure) -> str:
    if not figure.applies:
        return "not judged of these settings"
    return f"{figure.low:g} to {figure.high:g}" if math.isfinite(figure.high - figure.low) else "not judged"


def _provenance(manifest: Manifest) -> list[str]:
    software = ", ".join(f"{name} {version}" for name, version in manifest.software.items())
    again = "the same scenario, seed and software make the"
    if manifest.withheld:
        again = "that, the software and a secret key make the"
    return [
        "## Provenance",
        "",
        f"Simulated by {software}.",
        f"All settings are in `manifest.json`, under `scenario`; {again}",
        "same content. Fingerprint of the decoded content:",
        "",
        f"    {manifest.fingerprint}",
        "",
    ]


def _value(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _row(*cells: str) -> str:
    """Return a row of a Markdown table."""
    return f"| {' | '.join(' '.join(cell.split()).replace('|', chr(92) + '|') for cell in cells)} |"
