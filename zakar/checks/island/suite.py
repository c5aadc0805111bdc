"""The 24 checks of an island with a geography: what a sceptic holds against a simulated one.

Each is named by its number in the list and a word. Annual figures are judged over an ensemble of seeds (annual.py).
"""

import numpy as np

from zakar.checks import settings, statistics
from zakar.checks.check import Check
from zakar.checks.island import alert_labels, alerts, annual, baselines, climate, fires, posts, reproducibility, sensors
from zakar.checks.island.baselines import Signals
from zakar.checks.island.history import History, recorded
from zakar.checks.island.posts import Classifier
from zakar.dataset import store
from zakar.dataset.store import Dataset
from zakar.models.island import terrain
from zakar.models.island.settings import IslandScenario
from zakar.progress import Count, Show, counted, unseen
from zakar.seeds import Seeds

_STEPS = 6  # of measuring what was observed
_CLASSIFIED = 0.2  # of all posts, those that the classifiers see; of those about a real fire all


def checks(dataset: Dataset, progress: Show = unseen) -> list[Check]:
    """Return the checks of a dataset, by number.

    Those that look at held-out days are private, so that the others may be published. ``progress`` is told the steps
    that are done. Raises ConfigError if the private part is not here, and MismatchError if the scenario or a table
    cannot be read.
    """
    scenario = settings.of_model(dataset, IslandScenario)
    land = terrain.make(scenario.terrain, scenario.grid, Seeds(scenario.seed))
    history = recorded(dataset, scenario, land)
    held_out = store.held_out(dataset)
    later = recorded(held_out, scenario, land) if held_out else None
    done = counted(progress, _STEPS + 2 + (held_out is not None))
    figures = [
        *reproducibility.equations(),
        *climate.checks(history, scenario.climate.wet_fraction),
        *annual.judged(history, scenario),
        *fires.checks(history),
        *alerts.checks(dataset, history, scenario.alerts),
    ]
    done("weather, fires and alerts", 1)
    figures += reproducibility.repeated(dataset, scenario)
    done("days simulated again", 1)
    figures += _observed(dataset, history, held_out, later, done)
    return sorted(figures, key=lambda check: check.group)


def scores(dataset: Dataset, progress: Show = unseen) -> list[Check]:
    """Return the scores of the baselines alone. Tells ``progress`` and raises as ``checks`` does."""
    scenario = settings.of_model(dataset, IslandScenario)
    land = terrain.make(scenario.terrain, scenario.grid, Seeds(scenario.seed))
    observed = _observed(dataset, recorded(dataset, scenario, land), None, None, counted(progress, _STEPS))
    return [check for check in observed if check.baseline]


def _observed(
    dataset: Dataset, history: History, held_out: Dataset | None, later: History | None, done: Count
) -> list[Check]:
    """Return the checks that need readings and posts, in _STEPS steps, and one more for held-out days."""
    first_test_day = len(history.dates) // 2
    readings, rows, at = sensors.read(dataset, history), posts.read_rows(dataset, history), baselines.sample(history)
    number = len(rows.day)
    about_fire, few = rows.fire > 0, statistics.sampled(np.arange(number), _CLASSIFIED)
    for_text = posts.text_sample(number)
    some = posts.read(dataset, about_fire | few | for_text | baselines.near(rows, at, history))
    done("posts read", 1)
    words, day, cell = posts.words(some.text), rows.day[some.row], rows.cell[some.row]
    done("words of posts", 1)
    train, positive = day < first_test_day, about_fire[some.row]
    classified = positive | few[some.row]
    classifier = posts.trained(words, positive, classified & train)
    score = classifier.scores(words, len(day))
    done("posts told apart", 1)
    warmth = sensors.warmth(history, readings)
    released = baselines.sensed(history, warmth, at, day, cell, score, classifier.alarm)
    tested = classified & ~train
    # Of the posts about no fire only a sample is read: each stands for several.
    weight = np.where(positive, 1.0, few[some.row] / _CLASSIFIED) * (score > classifier.alarm)
    figures = [
        *sensors.checks(dataset, history, readings),
        *posts.burst(history, np.bincount(day, weight, len(history.dates))),
        *posts.diversity(some.text.filter(for_text[some.row])),
        posts.told_apart(score[tested], positive[tested]),
    ]
    done("readings and bursts of posts", 1)
    figures.append(posts.leak(some.where(classified), day[classified], positive[classified], train[classified]))
    done("what gives posts away", 1)
    figures += baselines.checks(released, first_test_day)
    figures += alert_labels.checks(dataset, history, warmth, rows, first_test_day)
    done("baselines", 1)
    if held_out and later:
        figures += [
            climate.unchanged(history, later),
            baselines.held_out(released, first_test_day, _unseen(held_out, later, classifier)),
        ]
        done("held-out days", 1)
    return figures


def _unseen(dataset: Dataset, history: History, classifier: Classifier) -> Signals:
    """Return the signals of held-out days, posts judged by a classifier that was trained on released ones."""
    readings, rows, at = sensors.read(dataset, history), posts.read_rows(dataset, history), baselines.sample(history)
    some = posts.read(dataset, baselines.near(rows, at, history))
    score = classifier.scores(posts.words(some.text), len(some.row))
    warmth = sensors.warmth(history, readings)
    return baselines.sensed(history, warmth, at, rows.day[some.row], rows.cell[some.row], score, classifier.alarm)
