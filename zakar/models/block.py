"""A run of whole days, with all that is needed to emit its observations on any worker."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from zakar.dataset.schema import Table

Rows = Iterator[tuple[Table, pa.Table]]


@dataclass(frozen=True)
class Block:
    """Days ``first_day`` to ``last_day``. ``held_out``: whether they belong to the held-out part.

    ``observe``, given the words of the model that made the block, yields each table, public and true, with the block's
    rows of it; it can be pickled.
    """

    first_day: int
    last_day: int
    observe: Callable[[Any], Rows]
    held_out: bool = False


def rows(table: Table, columns: dict[str, np.ndarray | pa.Array], height: int) -> pa.Table:
    """Give columns the table's order and types; ``cell`` becomes the two coordinates."""
    cell = columns.get("cell")
    if cell is not None:
        columns = columns | {"geospatial_x": cell // height, "geospatial_y": cell % height}
    arrays = [
        columns[c.name] if isinstance(columns[c.name], pa.Array) else pa.array(columns[c.name]).cast(c.type)
        for c in table.columns
    ]
    return pa.Table.from_arrays(arrays, schema=table.schema)
