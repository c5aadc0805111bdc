"""The suites of figures that a scenario may be held against, by the name that its key `checks` gives."""

from zakar.check import applicable
from zakar.check.figure import Check
from zakar.check.island import baselines, island
from zakar.check.realism import classic
from zakar.dataset.store import Dataset
from zakar.progress import Show, unseen

_SUITES = {"classic": classic, "island": island}
NAMES = ("none", *_SUITES)

_UNASKED = 'the scenario asks for no checks (`checks = "none"`)'


def needs_truth(dataset: Dataset, suite: str) -> bool:
    """Return whether a suite looks at the private part of a dataset, as all figures of an island do."""
    return suite == "island" or (suite == "none" and _has_baselines(dataset))


def figures(dataset: Dataset, suite: str, progress: Show = unseen) -> list[Check]:
    """Return the figures of a suite, with why one does not apply to this dataset.

    Where none is asked for, the scores of the baselines are told all the same. ``progress`` is told the steps of
    measuring that are done, of how many, and what the last one dealt with. Raises MismatchError if the manifest's
    scenario cannot be read, and ConfigError if the private part is needed and not here.
    """
    if suite == "none":
        return applicable.told(baselines(dataset, progress), _UNASKED) if _has_baselines(dataset) else []
    return applicable.judged(dataset, suite, _SUITES[suite](dataset, progress))


def _has_baselines(dataset: Dataset) -> bool:
    return dataset.manifest.scenario.get("model") == "island"
