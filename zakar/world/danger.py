"""Fire danger: the Canadian Forest Fire Weather Index System."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Danger:
    """The FWI System's six components of consecutive days, each float32 of shape (days, n) over the land cells."""

    ffmc: np.ndarray
    dmc: np.ndarray
    dc: np.ndarray
    isi: np.ndarray
    bui: np.ndarray
    fwi: np.ndarray
