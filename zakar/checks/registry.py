"""The suites of figures that a scenario may be held against, by the name that its key `checks` gives."""

from collections.abc import Callable
from dataclasses import dataclass

from zakar.checks import applicable, classic
from zakar.checks.check import Check
from zakar.checks.island import suite as island
from zakar.dataset.store import Dataset
from zakar.models import registry
from zakar.progress import Show, unseen

_UNASKED = 'the scenario asks for no checks (`checks = "none"`)'

Measure = Callable[[Dataset, Show], list[Check]]


@dataclass(frozen=True)
class Suite:
    """A suite of figures. ``measure`` tells the steps that are done, of how many, and what the last one dealt with.

    It raises MismatchError if the manifest's scenario cannot be read. ``reference``: the scenario that the ranges were
    found for, by its name or file. ``truth``: whether it looks at the private part. ``baselines``: measures the scores
    of simple methods alone.
    """

    measure: Measure
    reference: str
    truth: bool = False
    baselines: Measure | None = None


SUITES = {
    "classic": Suite(classic.checks, "classic"),
    "island": Suite(island.checks, "island", truth=True, baselines=island.scores),
}


def known(suite: str) -> bool:
    """Return whether there is a suite of that name, `none` included."""
    return suite == "none" or suite in SUITES


def needs_truth(dataset: Dataset, suite: str) -> bool:
    """Return whether a suite looks at the private part of a dataset, as the baselines do."""
    return SUITES[suite].truth if suite != "none" else _baselines(dataset) is not None


def figures(dataset: Dataset, suite: str, progress: Show = unseen) -> list[Check]:
    """Return the figures of a suite, with why one does not apply to this dataset.

    Where none is asked for, the scores of the baselines are told all the same. ``progress`` is told the steps of
    measuring that are done, of how many, and what the last one dealt with. Raises MismatchError if the manifest's
    scenario cannot be read, and ConfigError if the private part is needed and not here.
    """
    if suite == "none":
        baselines = _baselines(dataset)
        return applicable.told(baselines(dataset, progress), _UNASKED) if baselines is not None else []
    return applicable.judged(dataset, SUITES[suite].reference, SUITES[suite].measure(dataset, progress))


def _baselines(dataset: Dataset) -> Measure | None:
    model = registry.described(dataset.manifest)
    return SUITES[model.baselines].baselines if model is not None and model.baselines else None
