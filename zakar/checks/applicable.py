"""Which figures can be held against a dataset: those that were found for its settings, and those that any island has.

A check names the settings that its range was found for, as sections or keys. Where a dataset has others than the
scenario of zakar's own that its suite is called after, the figure is told, and not judged.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from zakar.checks import settings
from zakar.checks.check import Check
from zakar.dataset.store import Dataset
from zakar.models import registry, scenario_files
from zakar.models.shared import phrase_files
from zakar.models.shared.settings import Scenario

_NOT_COMPARED = frozenset({"about", "calendar.holdout_days"})  # what is said of the data, and what is secret
_PHRASES = "tweets.phrases"
_SHOWN = 6  # settings that a reason names
_TOO_LITTLE = "too few days, fires, readings or posts to measure it"


def judged(dataset: Dataset, reference: str, checks: Iterable[Check]) -> list[Check]:
    """Return checks, each with why it does not apply to the dataset, if it does not.

    ``reference``: the scenario that their ranges were found for, by its name or file.
    Raises MismatchError if the manifest's scenario cannot be read.
    """
    others = other_settings(dataset, reference)
    return [replace(check, why=_why(check, others, scenario_files.find(reference).name)) for check in checks]


def told(checks: Iterable[Check], why: str) -> list[Check]:
    """Return checks of which none is judged."""
    return [replace(check, why=why) for check in checks]


def other_settings(dataset: Dataset, reference: str) -> list[str]:
    """Return the settings, as `section.key`, that a dataset has other than a scenario, given by its name or file.

    A phrase table is what it says, whatever its name.
    """
    source = scenario_files.find(reference)
    usual_scenario = registry.read(source)
    own, usual = (_flat(scenario) for scenario in (settings.scenario_of(dataset), usual_scenario))
    others = {path for path in own.keys() | usual.keys() if own.get(path) != usual.get(path)}
    if dataset.manifest.phrases:
        others.discard(_PHRASES)
        table = registry.phrase_table(usual_scenario, source)
        if table is None or dataset.manifest.phrases != phrase_files.digest(table):
            others.add(_PHRASES)
    return sorted(others)


def _flat(scenario: Scenario) -> dict[str, Any]:
    """Return the values of a scenario's sections, by section and key."""
    sections = msgspec.to_builtins(scenario).items()
    values = {
        f"{name}.{key}": value for name, keys in sections if isinstance(keys, dict) for key, value in keys.items()
    }
    return {path: value for path, value in values.items() if not _within(path, _NOT_COMPARED)}


def _within(path: str, settings: Iterable[str]) -> bool:
    """Return whether a key is one of some settings, or in one of these sections."""
    return any(path == each or path.startswith(f"{each}.") for each in settings)


def _why(check: Check, others: Sequence[str], reference: str) -> str:
    """Return why a check does not apply; empty if it does.

    Of the very settings of the reference a figure without a value is a failure.
    """
    mine = [path for path in others if _within(path, check.settings)]
    if mine:
        more = f" and {len(mine) - _SHOWN} more" if len(mine) > _SHOWN else ""
        return f"found for {reference}; other here: {', '.join(mine[:_SHOWN])}{more}"
    return _TOO_LITTLE if others and math.isnan(check.value) else ""
