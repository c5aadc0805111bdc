"""What a dataset says of itself: manifests, notes, card, metadata."""

from collections.abc import Iterable
from pathlib import Path, PureWindowsPath
from typing import Any

import msgspec

from zakar.dataset import card, croissant, manifest
from zakar.dataset.content import fingerprint
from zakar.dataset.manifest import Manifest, PrivateManifest, TableEntry
from zakar.dataset.schema import Table
from zakar.dataset.writer import Part, Writer, entry
from zakar.models import registry, scenario_files
from zakar.models.shared import phrase_files
from zakar.models.shared.settings import Scenario


def published_settings(scenario: Scenario) -> dict[str, Any]:
    """Return the settings of a scenario as its dataset tells them: as if no days were held out."""
    values: dict[str, Any] = msgspec.to_builtins(scenario)
    values["calendar"].pop("holdout_days", None)
    if registry.model_of(scenario).phrases is not None:
        tweets = values["tweets"]
        tweets["phrases"] = PureWindowsPath(tweets["phrases"]).name  # a path tells of its maker's machine
    return values


def published_notes(scenario: Scenario, source: Path) -> dict[str, str]:
    """Return what is said of a scenario's published settings, by the key's path.

    First what its file ``source`` says, then what the values come to. Raises ConfigError if that file's comments
    cannot be read.
    """
    values = published_settings(scenario)
    paths = {f"{section}.{key}" for section, keys in values.items() if isinstance(keys, dict) for key in keys}
    notes = {path: note for path, note in scenario_files.read_notes(source).items() if path in paths | values.keys()}
    for path, remark in registry.model_of(scenario).remarks(scenario).items():
        notes[path] = f"{notes[path]}; here {remark}" if path in notes else f"here {remark}"
    return notes


def describe(
    scenario: Scenario,
    phrase_file: Path | None,
    notes: dict[str, str],
    parts: list[tuple[bool, Part]],
    maps: dict[str, TableEntry],
    writer: Writer,
) -> Manifest:
    """Put the private manifest, the card and the metadata beside the parts; return the manifest, which comes last."""

    def entries(chosen: Iterable[Table], held_out: bool) -> dict[str, TableEntry]:
        return {t.name: entry(t, [p for h, p in parts if h == held_out and p.table == t.name]) for t in chosen}

    model = registry.model_of(scenario)
    public, truth = entries(model.public, False), entries(model.truth, False)
    public_manifest = Manifest(
        format=manifest.FORMAT,
        name=scenario.name,
        title=scenario.title,
        seed=scenario.seed,
        days=scenario.calendar.days,
        fingerprint=_together(public),
        tables=public,
        software=manifest.software(),
        scenario=published_settings(scenario),
        phrases=phrase_files.digest(phrase_file) if phrase_file else "",
        language=scenario.about.language or (phrase_files.language(phrase_file) if phrase_file else ""),
        maps=maps,
        notes=notes,
    )
    private = PrivateManifest(format=manifest.FORMAT, fingerprint=_together(truth), truth=truth)
    if registry.held_out_days(scenario):
        held_out = entries(model.public, True)
        private = msgspec.structs.replace(
            private,
            holdout_days=registry.held_out_days(scenario),
            holdout=held_out,
            holdout_fingerprint=_together(held_out),
            holdout_truth=entries(model.truth, True),
        )
    writer.put(f"private/{manifest.NAME}", manifest.encode(private))
    writer.put(card.NAME, registry.rendered(public_manifest).encode())
    writer.put(croissant.NAME, croissant.render(public_manifest))
    return public_manifest


def _together(entries: dict[str, TableEntry]) -> str:
    return fingerprint({name: entry.sha256 for name, entry in entries.items()})
