"""Named, independent random streams, keyed by (stream, day).

A draw depends on the root of its day, the stream's name and the day, and on nothing else: not on which worker
makes it, nor on how the days are cut into blocks, nor on what other streams drew.
"""

import hashlib
import zlib
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Seeds:
    """The roots of all random streams of one dataset.

    ``root`` is public. Draws of days after ``last_public`` come from ``secret`` alone, so that neither the
    public files nor the seed tell anything of them; None where no day is held out.
    """

    root: int
    secret: int | None = field(default=None, repr=False)
    last_public: int = 0

    def stream(self, name: str, day: int = 0) -> np.random.Generator:
        """Return the generator of stream ``name`` on ``day`` (0: draws that belong to no day).

        The stream's number is the CRC-32 of its name, so adding a stream changes no other.
        """
        root = self.root if self.secret is None or day <= self.last_public else self.secret
        key = (zlib.crc32(name.encode()), day)
        return np.random.Generator(np.random.PCG64DXSM(np.random.SeedSequence(root, spawn_key=key)))


def secret_root(key: bytes) -> int:
    """Return the root that a secret key stands for: 256 bits from which the key cannot be told."""
    return int.from_bytes(hashlib.sha256(b"zakar holdout\0" + key).digest(), "big")
