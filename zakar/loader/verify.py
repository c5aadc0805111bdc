"""Compare stations with the dataset, message by message, in Arrow."""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from zakar.broker import reader, station
from zakar.broker.connection import Access, ApiError, connected
from zakar.dataset import store, wire
from zakar.dataset.schema import Table
from zakar.dataset.store import Dataset
from zakar.errors import ServerError


@dataclass(frozen=True)
class Comparison:
    """A station against its table.

    ``missing``: messages of the table that the station lacks; ``duplicates``: copies beyond those that the
    table has; ``different``: messages that the table does not have; ``out_of_order``: places where the order
    goes back.
    """

    expected: int
    stored: int
    missing: int = 0
    duplicates: int = 0
    out_of_order: int = 0
    different: int = 0

    @property
    def ok(self) -> bool:
        """Whether every message is there once, in order, and nothing else."""
        return not (self.missing or self.duplicates or self.out_of_order or self.different)


async def verify(
    dataset: Dataset,
    access: Access,
    tables: Sequence[Table],
    progress: Callable[[str, int], None] = lambda *_: None,
) -> dict[str, Comparison]:
    """Read the stations of ``tables`` back and compare; return a comparison for each station.

    ``progress`` is told a station and the messages read from it since it was last told. Raises ServerError if
    the server cannot be reached or stops answering.
    """
    async with connected(access, "zakar verify") as connection:
        await station.limits(connection)
        comparisons = {}
        for table in tables:

            def expected(table: Table = table) -> Iterator[pa.Array]:
                return (wire.encode(batch) for batch in store.batches(dataset, table))

            stored = reader.read(connection, station.stream_name(table.station))

            def report(messages: int, name: str = table.station) -> None:
                progress(name, messages)

            try:
                comparisons[table.station] = await compare(expected, stored, report)
            except ApiError as error:
                raise ServerError(f"{access.shown}: reading `{table.station}` failed: {error}") from error
        return comparisons


async def compare(
    expected: Callable[[], Iterator[pa.Array]],
    stored: AsyncIterator[list[bytes]],
    progress: Callable[[int], None] = lambda *_: None,
) -> Comparison:
    """Compare what is stored with what ``expected()`` yields, in order.

    While the two agree, only a chunk of each is in memory.
    """
    agreed = 0
    coming = expected()
    head = pa.array([], pa.binary())  # what is expected next
    rest: list[pa.Array] = []  # what was stored from the first difference on
    async for chunk in stored:
        progress(len(chunk))
        found = pa.array(chunk, pa.binary())
        while not rest and len(found):
            if len(head) == 0:
                head = next(coming, head)
            size = min(len(head), len(found))
            if size == 0 or not head[:size].equals(found[:size]):
                break
            agreed += size
            head, found = head[size:], found[size:]
        if len(found):
            rest.append(found)
    left = pa.concat_arrays([head, *coming])
    extra = pa.concat_arrays(rest) if rest else pa.array([], pa.binary())
    return difference(_first(expected(), agreed), agreed, left, extra)


def difference(agreed: Iterator[pa.Array], agreed_messages: int, expected: pa.Array, stored: pa.Array) -> Comparison:
    """Compare the rests of two streams after the ``agreed`` messages, which are the same in both."""
    table = pc.unique(expected)
    want = pc.index_in(expected, table).to_numpy(zero_copy_only=False)
    have = pc.index_in(stored, table)
    unknown = stored.filter(have.is_null())
    again = 0  # second copies of what was agreed on
    if len(unknown):
        known_before = np.zeros(len(unknown), bool)
        for batch in agreed:
            known_before |= pc.is_in(unknown, batch).to_numpy(zero_copy_only=False)
        again = int(np.count_nonzero(known_before))
    have = have.drop_null().to_numpy(zero_copy_only=False)
    wanted = np.bincount(want, minlength=len(table))
    held = np.bincount(have, minlength=len(table))

    # The k-th copy of a message belongs where the table has its k-th copy; copies beyond are duplicates.
    order, copy = np.argsort(want, kind="stable"), _copy_numbers(have)
    known = copy < wanted[have]
    first = np.cumsum(wanted) - wanted
    places = order[first[have[known]] + copy[known]]
    return Comparison(
        expected=agreed_messages + len(expected),
        stored=agreed_messages + len(stored),
        missing=int(np.maximum(wanted - held, 0).sum()),
        duplicates=int(np.maximum(held - wanted, 0).sum()) + again,
        out_of_order=int(np.count_nonzero(np.diff(places) < 0)),
        different=len(unknown) - again,
    )


def _first(batches: Iterator[pa.Array], messages: int) -> Iterator[pa.Array]:
    for batch in batches:
        if messages <= 0:
            return
        yield batch[:messages]
        messages -= len(batch)


def _copy_numbers(codes: np.ndarray) -> np.ndarray:
    """Return, for each element, how many equal ones come before it."""
    order = np.argsort(codes, kind="stable")
    ordered = codes[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=-1))
    numbers = np.arange(len(codes)) - np.repeat(starts, np.diff(np.append(starts, len(codes))))
    copies = np.empty(len(codes), np.int64)
    copies[order] = numbers
    return copies
