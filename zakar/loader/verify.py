"""Compare stations with the dataset, message by message, in Arrow."""

import asyncio
import dataclasses
import secrets
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pyarrow as pa

from zakar.broker import reader, station
from zakar.broker.access import Access
from zakar.broker.connection import LOST, ApiError, Connection, connected
from zakar.broker.station import Stream
from zakar.dataset import wire
from zakar.dataset.schema import Table
from zakar.dataset.store import Dataset
from zakar.errors import ServerError
from zakar.loader import partition, plan
from zakar.loader.load import LeftOut, stored
from zakar.loader.load import left_out as left_out_of


@dataclass(frozen=True)
class Comparison:
    """A station against its table.

    ``missing``: messages of the table that the station lacks; ``duplicates``: copies beyond those that the
    table has; ``different``: messages that the table does not have; ``out_of_order``: places where the order
    goes back. ``days``: how many of the dataset's days the station says it was last asked to hold, if it does.
    """

    expected: int
    stored: int
    missing: int = 0
    duplicates: int = 0
    out_of_order: int = 0
    different: int = 0
    days: int | None = None

    @property
    def ok(self) -> bool:
        """Whether every message is there once, in order, and nothing else."""
        return not (self.missing or self.duplicates or self.out_of_order or self.different)


COUNTS = [field.name for field in dataclasses.fields(Comparison) if field.name != "days"]


async def verify(
    dataset: Dataset,
    access: Access,
    tables: Sequence[Table],
    progress: Callable[[str, int], None] = lambda *_: None,
    left_out: LeftOut | None = None,
) -> dict[str, Comparison]:
    """Read the stations of ``tables`` back and compare; return a comparison for each station.

    Of a dataset's first days alone, a station must hold those; what it holds beyond must be what comes next.
    Answers that are not among the tables are put into ``left_out``, with the messages that their stations hold, and
    are compared too where those hold any and the dataset has them.

    ``progress`` is told a station and the messages read from it since it was last told. Raises ServerError if
    the server cannot be reached or stops answering.
    """
    async with connected(access, "zakar verify") as connection:
        await station.info(connection)
        comparisons = {}
        others = await stored(connection, left_out_of(dataset, tables))
        if left_out is not None:
            left_out.update(others)
        loaded = [table for table in dataset.tables if any((others.get(table.name) or {}).values())]
        for table in (*tables, *loaded):
            try:
                streams = await station.partitions(connection, table.station)
                of = plan.partitions(streams)
                last = max(of, *(station.number_of(stream.name) for stream in streams), 0)  # there may be too many
                expected = await _expected(dataset, table, of, streams)
                parts = [
                    await _partition(connection, dataset.whole, table, n, of, expected.get(n), progress)
                    for n in range(1, last + 1)
                ]
            except (ApiError, *LOST) as error:
                why = str(error) or type(error).__name__
                raise ServerError(f"{access.shown}: reading `{table.station}` failed: {why}") from error
            sums = {name: sum(getattr(c, name) for c in parts) for name in COUNTS}
            days = plan.days(streams[0]) if streams else None
            comparisons[table.station] = Comparison(**sums, days=days)
        return comparisons


async def _expected(dataset: Dataset, table: Table, of: int, streams: Sequence[Stream]) -> dict[int, int]:
    """Return how many rows each partition of a station is to hold, where that is not all; it may hold more of them."""
    if dataset.whole is dataset:
        return {}
    lengths = {station.number_of(stream.name): stream.last for stream in streams}
    shares = await asyncio.to_thread(partition.shares, dataset, table, of)
    return {share.number: max(share.records, lengths.get(share.number, 0)) for share in shares}


async def _partition(
    connection: Connection,
    dataset: Dataset,
    table: Table,
    number: int,
    of: int,
    rows: int | None,
    progress: Callable[[str, int], None],
) -> Comparison:
    """Compare one partition of a station with its share of the table, or with the first ``rows`` of that."""

    def expected() -> Iterator[pa.Array]:
        if rows is None:
            share = partition.batches(dataset, table, number, of)
        else:
            share = partition.first(dataset, table, number, of, rows)
        return (wire.encode(batch) for batch in share)

    def report(messages: int) -> None:
        progress(table.station, messages)

    async with aclosing(reader.read(connection, station.stream_name(table.station, number))) as stored:
        return await compare(expected, stored, report)


async def compare(
    expected: Callable[[], Iterator[pa.Array]],
    stored: AsyncIterator[list[bytes]],
    progress: Callable[[int], None] = lambda *_: None,
) -> Comparison:
    """Compare what is stored with what ``expected()`` yields, in order.

    While the two agree, only a chunk of each is in memory; from the first difference on, 16 bytes a message.
    """
    agreed = 0
    coming = expected()
    head = pa.array([], pa.binary())  # what is expected next
    rest: list[np.ndarray] = []  # digests of what was stored from the first difference on
    differs = False
    async for chunk in stored:
        progress(len(chunk))
        messages = pa.array(chunk, pa.binary())
        while not differs and len(messages):
            while len(head) == 0 and (batch := next(coming, None)) is not None:
                head = batch
            size = min(len(head), len(messages))
            if size == 0 or not head[:size].equals(messages[:size]):
                differs = True
                break
            agreed += size
            head, messages = head[size:], messages[size:]
        if len(messages):
            rest.append(_digests(messages))
    if not differs and len(head) == 0 and next((b for b in coming if len(b)), None) is None:
        return Comparison(agreed, agreed)
    expected_digests = _together([_digests(batch) for batch in expected()])
    return difference(expected_digests, _together([expected_digests[:agreed], *rest]))


def difference(expected: np.ndarray, stored: np.ndarray) -> Comparison:
    """Compare two streams of messages, given their digests, shape (messages,), in order."""
    table, want = np.unique(expected, return_inverse=True)
    at = np.searchsorted(table, stored)
    at[at == len(table)] = 0
    known = table[at] == stored if len(table) else np.zeros(len(stored), bool)
    have = at[known]
    expected_counts = np.bincount(want, minlength=len(table))
    stored_counts = np.bincount(have, minlength=len(table))

    # The k-th copy of a message belongs where the table has its k-th copy; copies beyond are duplicates.
    order, copy = np.argsort(want, kind="stable"), _copy_numbers(have)
    due = copy < expected_counts[have]
    first = np.cumsum(expected_counts) - expected_counts
    places = order[first[have[due]] + copy[due]]
    return Comparison(
        expected=len(expected),
        stored=len(stored),
        missing=int(np.maximum(expected_counts - stored_counts, 0).sum()),
        duplicates=int(np.maximum(stored_counts - expected_counts, 0).sum()),
        out_of_order=int(np.count_nonzero(np.diff(places) < 0)),
        different=int(np.count_nonzero(~known)),
    )


def _digests(messages: pa.Array) -> np.ndarray:
    """Return 128 bits of each message, shape (messages,): memory must not grow with what is compared.

    A multilinear hash with random coefficients, two of 64 bits: it tells two messages apart but for a chance
    of some 2^-100.
    """
    offsets = np.frombuffer(messages.buffers()[1], np.int32)[messages.offset : messages.offset + len(messages) + 1]
    lengths = np.diff(offsets)
    data = messages.buffers()[2]
    text = np.frombuffer(data, np.uint8)[offsets[0] : offsets[-1]] if data is not None else np.empty(0, np.uint8)
    place = np.arange(len(text)) - np.repeat(offsets[:-1] - offsets[0], lengths)
    digests = np.empty((len(messages), 2), np.uint64)
    for half, coefficients in enumerate(_coefficients(int(lengths.max(initial=0)) + 1)):
        terms = (text.astype(np.uint64) + 1) * coefficients[place + 1]
        sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(terms, dtype=np.uint64)])
        ends = offsets - offsets[0]
        digests[:, half] = sums[ends[1:]] - sums[ends[:-1]] + lengths.astype(np.uint64) * coefficients[0]
    return digests.view([("high", np.uint64), ("low", np.uint64)]).ravel()


@lru_cache(maxsize=1)
def _seed() -> int:
    return secrets.randbits(128)


@lru_cache(maxsize=8)
def _coefficients(number: int) -> np.ndarray:
    """Return two rows of random odd coefficients; longer rows begin with the shorter ones."""
    size = 1 << (number - 1).bit_length()
    rows = [np.random.default_rng([_seed(), half]).integers(0, 2**64, size, np.uint64) for half in range(2)]
    return np.stack(rows) | np.uint64(1)


def _together(digests: list[np.ndarray]) -> np.ndarray:
    return np.concatenate([np.empty(0, [("high", np.uint64), ("low", np.uint64)]), *digests])


def _copy_numbers(codes: np.ndarray) -> np.ndarray:
    """Return, for each element, how many equal ones come before it."""
    order = np.argsort(codes, kind="stable")
    ordered = codes[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=-1))
    numbers = np.arange(len(codes)) - np.repeat(starts, np.diff(np.append(starts, len(codes))))
    copies = np.empty(len(codes), np.int64)
    copies[order] = numbers
    return copies
