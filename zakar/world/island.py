"""The island: what does not change from day to day."""

from dataclasses import dataclass

import numpy as np

from zakar.scenario import Scenario
from zakar.seeds import Seeds


@dataclass(frozen=True)
class Island:
    """Static maps. ``burnable``: the cell numbers (x * height + y) that can catch fire, ascending."""

    burnable: np.ndarray


def make(scenario: Scenario, seeds: Seeds) -> Island:
    """Draw the island's maps."""
    chosen = seeds.stream("island/burnable").permutation(scenario.grid.cells)
    return Island(burnable=np.sort(chosen[: scenario.fires.burnable_cells]))
