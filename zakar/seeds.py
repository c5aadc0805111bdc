"""Named, independent random streams, keyed by (stream, day).

A draw depends on the root, the stream's name and the day, and on nothing else: not on which worker makes it,
nor on how the days are cut into blocks, nor on what other streams drew.
"""

import zlib
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Seeds:
    """The root of all random streams of one dataset."""

    root: int

    def stream(self, name: str, day: int = 0) -> np.random.Generator:
        """Return the generator of stream ``name`` on ``day`` (0: draws that belong to no day).

        The stream's number is the CRC-32 of its name, so adding a stream changes no other.
        """
        key = (zlib.crc32(name.encode()), day)
        return np.random.Generator(np.random.PCG64DXSM(np.random.SeedSequence(self.root, spawn_key=key)))
