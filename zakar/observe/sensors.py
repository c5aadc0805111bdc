"""Temperature readings."""

import math

import numpy as np

from zakar.scenario import EveryCellSensors, Grid
from zakar.seeds import Seeds
from zakar.world.year import Truth


def every_cell(sensors: EveryCellSensors, grid: Grid, seeds: Seeds, truth: Truth) -> dict[str, np.ndarray]:
    """Return one reading for each day and cell, in (day, x, y) order: day, cell, temperature.

    Temperature is in whole degrees Fahrenheit: the island's mean and Gaussian noise; in a cell that burns
    on that day at least ``fire_least_f`` plus a gamma-distributed excess.
    """
    first_day = int(truth.days[0])
    noise = np.stack([seeds.stream("sensors/noise", int(d)).standard_normal(grid.cells) for d in truth.days])
    temperature = truth.means_f[:, None] + sensors.noise_sd_f * noise

    fires = truth.fires.between(first_day, int(truth.days[-1]))
    shape = (sensors.fire_excess_mean_f / sensors.fire_excess_sd_f) ** 2
    scale = sensors.fire_excess_mean_f / shape
    for day in np.unique(fires.day).tolist():
        cells = fires.between(day, day).cell
        excess = seeds.stream("sensors/fire", day).gamma(shape, scale, len(cells))
        row = temperature[day - first_day]
        row[cells] = np.maximum(row[cells], math.ceil(sensors.fire_least_f) + excess)

    return {
        "day": np.repeat(truth.days, grid.cells),
        "cell": np.tile(np.arange(grid.cells), len(truth.days)),
        "temperature": np.rint(temperature).ravel().astype(np.int16),
    }
