"""Baselines of check 21 that know of fires what participants know: the alerts. They are told, and not judged."""

from dataclasses import dataclass

import numpy as np

from zakar.checks import statistics
from zakar.checks.check import Check
from zakar.checks.island import baselines, posts
from zakar.checks.island.baselines import CellDays, Signals
from zakar.checks.island.history import History
from zakar.checks.island.posts import Rows
from zakar.dataset import store
from zakar.dataset.schema import ALERTS
from zakar.dataset.store import Dataset

_OTHERS = 0.003  # of the cell-days without an alert or a fire, those that are looked at
_LEARNED = 0.2  # of the posts far from any alert, those whose words are learned
_LATELY = 30  # days: for so long an alert is held against its cell
_SOURCE = "what participants have for labels: late, incomplete and now and then false"


@dataclass(frozen=True)
class Told:
    """Alerts: index of the day that each is of, place of its cell, and index of the day on which it came; int64."""

    day: np.ndarray
    place: np.ndarray
    came: np.ndarray

    def before(self, day: int) -> "Told":
        """Return those that came before a day."""
        known = self.came < day
        return Told(self.day[known], self.place[known], self.came[known])


def read(dataset: Dataset, history: History) -> Told:
    """Read a dataset's alerts."""
    rows = store.columns(dataset, ALERTS, ["event_day", "notification_day", "geospatial_x", "geospatial_y"])
    day, came, x, y = (column.to_numpy().astype(np.int64) for column in rows.columns)
    place = np.searchsorted(history.island.land, x * history.island.height + y)
    return Told(day - history.first_day, place, came - history.first_day)


def sample(history: History, alerts: Told, first_test_day: int) -> CellDays:
    """Return the cell-days before ``first_test_day`` that an alert names by then, and a fixed share of the others.

    Each is said to have a fire where an alert says so.
    """
    known = alerts.before(first_test_day)
    return baselines.labelled(history.until(first_test_day), known.day, known.place, _OTHERS)


def checks(dataset: Dataset, history: History, warmth_f: np.ndarray, rows: Rows, first_test_day: int) -> list[Check]:
    """Return the figures of a dataset: learned from the alerts before ``first_test_day``, tested from it on.

    ``warmth_f``: temperatures, (days, n). ``rows``: of all posts.
    """
    alerts, true = read(dataset, history), baselines.sample(history, _OTHERS)
    alerted, tested = sample(history, alerts, first_test_day), true.where(true.day >= first_test_day)
    # What is posted near an alert is taken to be about a fire: the words of fires are learned from that.
    suspect = baselines.near(rows, alerted.where(alerted.fire), history)
    few = (rows.day < first_test_day) & statistics.sampled(np.arange(len(rows.day)), _LEARNED)
    learned = suspect | few
    some = posts.read(dataset, learned | baselines.near(rows, alerted, history) | baselines.near(rows, tested, history))
    words, day, cell = posts.words(some.text), rows.day[some.row], rows.cell[some.row]
    classifier = posts.trained(words, suspect[some.row], learned[some.row])
    score = classifier.scores(words, len(day))

    def signals(at: CellDays) -> Signals:
        return baselines.sensed(history, warmth_f, at, day, cell, score, classifier.alarm)

    return judged(alerts, signals(alerted), signals(tested), first_test_day)


def judged(alerts: Told, alerted: Signals, unseen: Signals, first_test_day: int) -> list[Check]:
    """Return the figures: trained on what alerts say of cell-days, and tested on what is true of ``unseen`` ones."""
    return [
        Check(
            "21/alert-labels",
            f"AUC of the day's temperature and posts, both learned from alerts alone{baselines.FOR}; not judged",
            baselines.skill("fused", alerted, first_test_day, unseen),
            -np.inf,
            np.inf,
            _SOURCE,
            baseline=True,
        ),
        Check(
            "21/alert-known",
            f"AUC of an alert that came from the cell in the {_LATELY} days before a day, for a fire's start there on "
            "that day; tested on the second half of the days; not judged",
            statistics.auc(lately(alerts, unseen.at).astype(float), unseen.at.fire),
            -np.inf,
            np.inf,
            "an alert comes after its fire: it foretells none",
            baseline=True,
        ),
    ]


def lately(alerts: Told, at: CellDays) -> np.ndarray:
    """Return whether an alert from the cell of each cell-day came in the _LATELY days before it, (rows,) bool."""
    days = max(int(part.max(initial=0)) for part in (alerts.came, at.day)) + 1
    came = np.sort(alerts.place * days + alerts.came)
    first, after = at.place * days + np.maximum(at.day - _LATELY, 0), at.place * days + at.day
    return np.asarray(np.searchsorted(came, first) < np.searchsorted(came, after))
