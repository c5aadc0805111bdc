"""Messages of a station back into rows, and into a Parquet file."""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from zakar.broker import reader
from zakar.broker.connection import Connection, Delivery
from zakar.dataset import wire, writer
from zakar.dataset.schema import Table, carried_by
from zakar.errors import MismatchError
from zakar.progress import Count, unseen

# Of a block, which is decoded at once: a row group of messages, or less where they are large.
_MESSAGES = 65_536
_BYTES = 16 << 20
_LISTED = 20  # of the messages that are no rows


@dataclass(frozen=True)
class NoRow:
    """A message that is no row: where it is, and what is wrong with it."""

    stream: str
    sequence: int
    why: str


@dataclass(frozen=True)
class Unloaded:
    """What a station came to: ``rows`` in the file, and ``bad`` messages that are none, of which the first are listed.

    ``further``: keys that are no column and were left out, with the number of rows that had each.
    """

    rows: int
    bad: int
    listed: tuple[NoRow, ...]
    further: Counter[str]


async def unload(
    connection: Connection, station: str, out: Path, limit: int | None = None, progress: Count = unseen
) -> Unloaded:
    """Write what a station holds now, at most ``limit`` messages, into the Parquet file ``out``.

    The file appears under its name once it is whole. Raises ConfigError if ``out`` cannot be written, and what
    ``decoded`` raises.
    """
    with writer.written_whole(out) as write:
        return await decoded(connection, station, write, limit, progress)


async def decoded(
    connection: Connection,
    station: str,
    take: Callable[[pa.Table], None],
    limit: int | None = None,
    progress: Count = unseen,
) -> Unloaded:
    """Let ``take`` have the rows that a station holds now, of at most ``limit`` messages, block by block, one at least.

    The columns are those of the table that the station carries; of a station that carries none, those that its first
    block of messages has. Messages that are no rows are left out, and told. ``progress`` is told the station and how
    many more messages were dealt with.

    Raises MismatchError where there is nothing to tell columns from, or ``take`` raises ValueError, and what
    ``reader.read`` raises.
    """
    table = carried_by(station)
    schema: pa.Schema | None = None
    done = bad = 0
    listed: list[NoRow] = []
    further: Counter[str] = Counter()
    async with aclosing(reader.station_deliveries(connection, station, limit)) as chunks:
        async for block in _blocks(chunks):
            payloads = [message.payload for _, message in block]
            if table is not None and schema is None:
                schema = _having(table, payloads).schema
            rows = wire.decode(payloads, schema)
            bad += len(rows.bad)
            for index, why in rows.bad[: _LISTED - len(listed)]:
                stream, message = block[index]
                listed.append(NoRow(stream, reader.sequence(message), why))
            further.update(rows.further)
            if rows.table.num_columns:
                try:
                    take(rows.table)
                except ValueError as error:
                    raise MismatchError(f"station `{station}`: {error}; --format jsonl takes any message") from error
                schema = rows.table.schema
                done += rows.table.num_rows
            progress(station, len(block))
    if schema is None and table is None:
        raise MismatchError(f"station `{station}` holds no messages to tell columns from; try --format jsonl")
    if schema is None and table is not None:
        take(table.schema.empty_table())
    return Unloaded(done, bad, tuple(listed), further)


def _having(table: Table, payloads: Sequence[bytes]) -> Table:
    """Return a table with those extras that messages have: one that each row needs if most do, another if any does."""
    counts = wire.keys(payloads)
    least = counts[table.day] // 2
    return table.having([extra.name for extra in table.extras if counts[extra.name] > (0 if extra.optional else least)])


async def _blocks(chunks: AsyncIterator[tuple[str, list[Delivery]]]) -> AsyncIterator[list[tuple[str, Delivery]]]:
    """Gather messages into blocks, each message with the name of its stream."""
    block: list[tuple[str, Delivery]] = []
    size = 0
    async for stream, chunk in chunks:
        for message in chunk:
            block.append((stream, message))
            size += len(message.payload)
            if len(block) == _MESSAGES or size >= _BYTES:
                yield block
                block, size = [], 0
    if block:
        yield block
