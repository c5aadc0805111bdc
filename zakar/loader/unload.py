"""A station into a Parquet file: messages back into rows."""

from collections.abc import AsyncIterator
from pathlib import Path

import pyarrow as pa

from zakar.broker import reader
from zakar.broker.connection import Connection
from zakar.dataset import store, wire
from zakar.dataset.schema import carried_by
from zakar.errors import MismatchError

# Of a block, which is decoded at once: a row group of messages, or less where they are large.
_MESSAGES = 65_536
_BYTES = 16 << 20


async def unload(connection: Connection, station: str, out: Path, limit: int | None = None) -> int:
    """Write what a station holds now, at most ``limit`` messages, into the Parquet file ``out``; return the rows.

    The columns are those of the table that the station carries; of a station that carries none, those that its first
    block of messages has. The file appears under its name once it is whole.

    Raises MismatchError naming the first message that is no row of the table, ConfigError if ``out`` cannot be
    written, and what ``reader.read`` raises.
    """
    table = carried_by(station)
    schema: pa.Schema | None = None
    belongs = f"no row of `{table.name}`" if table is not None else "not like those before it"
    done = 0
    with store.written_whole(out) as write:
        async for block in _blocks(reader.read_station(connection, station, limit)):
            if table is not None and schema is None:
                schema = table.having(wire.keys(block[0])).schema
            try:
                rows = wire.decode(block, schema)
            except wire.RowError as error:
                raise MismatchError(
                    f"station `{station}`: message {done + error.index + 1:,} is {belongs}: {error.why}; "
                    "--format jsonl takes any"
                ) from error
            try:
                write(rows)
            except ValueError as error:
                raise MismatchError(f"station `{station}`: {error}; --format jsonl takes any message") from error
            schema = rows.schema
            done += len(block)
        if done == 0 and table is None:
            raise MismatchError(f"station `{station}` holds no messages to tell columns from; try --format jsonl")
        if done == 0 and table is not None:
            write(table.schema.empty_table())
    return done


async def _blocks(chunks: AsyncIterator[list[bytes]]) -> AsyncIterator[list[bytes]]:
    """Gather lists of messages into blocks."""
    block: list[bytes] = []
    size = 0
    async for chunk in chunks:
        for payload in chunk:
            block.append(payload)
            size += len(payload)
            if len(block) == _MESSAGES or size >= _BYTES:
                yield block
                block, size = [], 0
    if block:
        yield block
