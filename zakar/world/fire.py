"""Fires that are true, whether or not anybody reports them: ignition, initial attack, spread, regrowth."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Fires:
    """A catalogue in (day, cell) order, one element a fire.

    ``number``: int64, unique for ever: day * 1000 and a count within the day, never 0. ``day``: of ignition, int64.
    ``cell``: where, cell number, int64. ``human``: bool, else lightning. ``escaped``: bool, whether initial attack
    failed, known on the day of ignition. ``area_ha``: float32, of a contained fire drawn at ignition, of an escaped
    one 100 ha for each cell that it burned. ``last_day``: int64, the last day on which it burned.
    """

    number: np.ndarray
    day: np.ndarray
    cell: np.ndarray
    human: np.ndarray
    escaped: np.ndarray
    area_ha: np.ndarray
    last_day: np.ndarray


@dataclass(frozen=True)
class Front:
    """Cells in flames, in (day, cell) order, one element a cell that the front of an escaped fire reached that day.

    ``day``, ``cell`` (cell number), ``fire`` (its number): int64.
    """

    day: np.ndarray
    cell: np.ndarray
    fire: np.ndarray
