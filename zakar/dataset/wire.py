"""Columns to JSON and back: a batch of rows becomes a batch of wire objects, and they rows again, inside Arrow."""

import contextlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pa_json

_SHOWN = 60  # characters of a message that an error shows
_DEEP = 100  # brackets in a message from which on its depth is looked at

_CONTROLS = {chr(code): f"\\u{code:04x}" for code in range(0x20)} | {
    "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t",
}  # fmt: skip


def encode(batch: pa.RecordBatch) -> pa.Array:
    """Return one compact JSON object a row, a binary array as long as the batch.

    The keys are the columns in order. Integers and strings are all that a table holds.
    """
    if batch.num_rows == 0:
        return pa.array([], pa.binary())
    parts: list[object] = []
    lead = "{"
    for field, column in zip(batch.schema, batch.columns, strict=True):
        if pa.types.is_string(field.type):
            parts += [f'{lead}"{field.name}":"', _escape(column)]
            lead = '",'
        else:
            parts.append(spelled(column, f'{lead}"{field.name}":'))
            lead = ","
    parts.append(lead.replace(",", "}"))
    return pc.binary_join_element_wise(*parts, "").cast(pa.binary())


def spelled(numbers: pa.Array, before: str, after: str = "") -> pa.Array:
    """Return integers in decimal between two texts, a string array as long as ``numbers``, which has no nulls.

    Where they lie close together, each value is spelled once and looked up, which is quicker than to join.
    """
    values = numbers.to_numpy(zero_copy_only=False)
    least, most = (int(values.min()), int(values.max())) if len(values) else (0, 0)
    if most - least >= len(values):
        return pc.binary_join_element_wise(before, numbers.cast(pa.string()), after, "")
    span = pa.array(np.arange(most - least + 1).astype(values.dtype) + values.dtype.type(least))
    table = pc.binary_join_element_wise(before, span.cast(pa.string()), after, "")
    # Unsigned, since the span of a small type may be wider than its greatest value.
    places = values.astype(np.uint64) - np.uint64(least % 2**64)
    return table.take(pa.array(places.astype(np.int32)))


def size(batch: pa.RecordBatch) -> int:
    """Return the number of bytes that ``encode`` would make of a batch, without making them."""
    rows: int = batch.num_rows
    total = rows  # the closing braces
    for field, column in zip(batch.schema, batch.columns, strict=True):
        total += rows * (len(field.name) + 4)  # "name": and one of { , }
        if pa.types.is_string(field.type):
            total += 2 * rows + len(_bytes(_escape(column)))
        else:
            total += _digits(column.to_numpy(zero_copy_only=False))
    return total


def lengths(batch: pa.RecordBatch) -> np.ndarray:
    """Return the bytes of each wire object that ``encode`` makes of a batch, shape (rows,)."""
    return np.diff(np.frombuffer(encode(batch).buffers()[1], np.int32)[: batch.num_rows + 1])


def _digits(values: np.ndarray) -> int:
    """Return the number of characters of integers in decimal, signs included."""
    negative = values < 0
    characters = len(values) + int(np.count_nonzero(negative))
    # Unsigned, since the least integer has no positive of its own size.
    magnitude = np.where(negative, -(values.astype(np.int64) + 1), values).astype(np.uint64) + negative
    most = int(magnitude.max(initial=0))
    limit = 10
    while limit <= most:
        characters += int(np.count_nonzero(magnitude >= limit))
        limit *= 10
    return characters


def _escape(text: pa.Array) -> pa.Array:
    """Escape for a JSON string what there is to escape; looking is far cheaper than replacing."""
    data = _bytes(text)
    known = data.tobytes()
    if b"\\" in known:
        text = pc.replace_substring(text, "\\", "\\\\")
    if b'"' in known:
        text = pc.replace_substring(text, '"', '\\"')
    if data.min(initial=ord(" ")) < ord(" "):
        for character, escape in _CONTROLS.items():
            text = pc.replace_substring(text, character, escape)
    return text


def _bytes(text: pa.Array) -> np.ndarray:
    """Return the UTF-8 bytes of all strings together."""
    if len(text) == 0:
        return np.empty(0, np.uint8)
    offsets = np.frombuffer(text.buffers()[1], np.int32)
    data = text.buffers()[2]
    first, last = offsets[text.offset], offsets[text.offset + len(text)]
    return np.frombuffer(data, np.uint8)[first:last] if data is not None else np.empty(0, np.uint8)


@dataclass(frozen=True)
class Rows:
    """What messages came to: a row each in ``table``, in order, of all but the ``bad`` ones.

    ``bad``: index, from 0, and what is wrong, of each message that is no row. ``further``: keys that are no column and
    were left out, with the number of rows that had each.
    """

    table: pa.Table
    bad: tuple[tuple[int, str], ...]
    further: Counter[str]


def decode(payloads: Sequence[bytes], schema: pa.Schema | None = None) -> Rows:
    """Return the rows of messages, one JSON object each.

    With a ``schema``, an object must have as keys all columns that are not nullable, in any order; further keys are
    left out. Without one, columns and types are those that fit all messages, else those of the first ones; strings stay
    strings, whatever they look like.
    """
    if schema is not None or not any(map(_deep, payloads)):
        try:
            return _holdable(_parse(payloads, schema, schema))
        except (pa.ArrowException, ValueError):
            pass
    return _decode_each(payloads, schema)


def _decode_each(payloads: Sequence[bytes], schema: pa.Schema | None) -> Rows:
    """Decode what cannot be parsed at once: leave out what is no row, and take what is merely laid out oddly."""
    plain: list[bytes] = []
    places: list[int] = []
    bad: list[tuple[int, str]] = []
    left_out: list[set[str]] = []
    for index, payload in enumerate(payloads):
        try:
            value = _object(payload)
        except ValueError as error:
            bad.append((index, str(error)))
            continue
        no_columns = set() if schema is None else value.keys() - set(schema.names)
        plain.append(msgspec.json.encode({key: item for key, item in value.items() if key not in no_columns}))
        places.append(index)
        left_out.append(no_columns)
    known, parts, spans = schema, [], [(0, len(plain))]
    further: Counter[str] = Counter()
    while spans:  # halves of what cannot be parsed as a whole, the earlier one first
        start, stop = spans.pop()
        try:
            rows = _parse(plain[start:stop], schema, known)
        except (pa.ArrowException, ValueError) as error:
            if stop - start == 1:
                bad.append((places[start], _why(plain[start], known, error)))
            else:
                middle = (start + stop) // 2
                spans += [(middle, stop), (start, middle)]
            continue
        parts.append(rows)
        further.update(key for keys in left_out[start:stop] for key in keys)
        if schema is None:  # what only nulls were seen of may still become anything
            known = pa.schema([column for column in rows.schema if not pa.types.is_null(column.type)])
    whole = _holdable(pa.concat_tables(parts, promote_options="default") if parts else _parse([], schema, schema))
    return Rows(whole.table, tuple(sorted(bad)), further + whole.further)


def _holdable(rows: pa.Table) -> Rows:
    """Return rows without the columns that Parquet cannot hold: objects without any key."""
    names = [column.name for column in rows.schema if _has_empty(column.type)]
    further = Counter({name: rows.num_rows - rows[name].null_count for name in names})
    return Rows(rows.drop_columns(names) if names else rows, (), further)


def _has_empty(kind: pa.DataType) -> bool:
    if pa.types.is_list(kind):
        return _has_empty(kind.value_type)
    return pa.types.is_struct(kind) and (kind.num_fields == 0 or any(_has_empty(part.type) for part in kind))


def _parse(payloads: Sequence[bytes], schema: pa.Schema | None, known: pa.Schema | None) -> pa.Table:
    """Parse messages all at once. Raises ArrowException or ValueError if that cannot be done or trusted.

    Without a ``schema``, columns come as they are seen; those that are ``known`` already are of the types known.
    """
    if not payloads:
        return (schema or pa.schema([])).empty_table()
    joined = b"\n".join(payloads)
    # Arrow reads a stream of objects. One object a message it is only if every line is a message and looks like
    # at least one object, and no more objects come out than there are messages. It would end at a NUL.
    lines = joined.count(b"\n") + 1 == len(payloads) and joined.count(b"}\n{") + 1 == len(payloads)
    if not (lines and joined.startswith(b"{") and joined.endswith(b"}")) or b"\0" in joined:
        raise ValueError("not an object a line")
    options = pa_json.ParseOptions(known, unexpected_field_behavior="error" if schema else "infer")
    # One block: an object may not be larger than a block, and types must not depend on where blocks are cut.
    reading = pa_json.ReadOptions(use_threads=False, block_size=len(joined) + 1)
    rows = pa_json.read_json(pa.BufferReader(joined), reading, options)
    if rows.num_rows != len(payloads):
        raise ValueError("more than an object a message")
    if schema is not None:
        rows = rows.select(schema.names).cast(schema)
    rows.validate(full=True)  # strings may hold bytes that are no UTF-8
    if schema is not None:
        return rows
    plain = pa.schema([pa.field(column.name, _as_sent(column.type)) for column in rows.schema])
    return rows if plain.equals(rows.schema) else _parse(payloads, None, plain)


def lines(payloads: Sequence[bytes]) -> bytes:
    """Return messages as text, a line each, as they are.

    A message that has line ends in it, as other programs write, is folded: JSON by leaving out the space between its
    values, which are not touched; anything else by a space for each line end, since there is no JSON to keep whole.
    """
    joined = b"\n".join([*payloads, b""])
    if joined.count(b"\n") > len(payloads):
        joined = b"\n".join([*map(_folded, payloads), b""])
    return joined


def _folded(payload: bytes) -> bytes:
    """Return a message on one line."""
    if b"\n" not in payload:
        return payload
    if not _deep(payload):  # how deep a parser goes before it gives up depends on the Python version
        with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError):
            payload = msgspec.json.format(payload, indent=-1)
    return b" ".join(payload.splitlines())


def _object(payload: bytes) -> dict[str, object]:
    """Return a message's keys and values. Raises ValueError, saying why, if it is no JSON object."""
    if not payload:
        raise ValueError("is empty")
    try:
        value = msgspec.json.decode(payload)
        if not isinstance(value, dict):
            raise ValueError(f"{_excerpt(payload)} is no JSON object")
        if len(json.loads(payload, object_pairs_hook=lambda pairs: pairs)) != len(value):
            raise ValueError(f"{_excerpt(payload)} has a key twice")
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{_excerpt(payload)} is no JSON: {error}") from error
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    return value


def _fits(payload: bytes, schema: pa.Schema) -> bool:
    try:
        _parse([payload], schema, schema)
    except (pa.ArrowException, ValueError):
        return False
    return True


def _why(payload: bytes, schema: pa.Schema | None, error: Exception) -> str:
    """Say what keeps a JSON object from being a row, in terms of its keys."""
    value = msgspec.json.decode(payload)
    for column in schema or ():
        if column.name not in value and not column.nullable:
            return f"{_excerpt(payload)} lacks `{column.name}`"
        if column.name in value:
            alone = msgspec.json.encode(value[column.name])
            if not _fits(msgspec.json.encode({column.name: value[column.name]}), pa.schema([column])):
                return f"`{column.name}` is {_excerpt(alone)}, not {column.type}"
    return str(error).removeprefix("JSON parse error: ").partition(" in row ")[0]


def _deep(payload: bytes) -> bool:
    """Whether a message may be nested so deeply that taking it apart would exhaust the stack."""
    return payload.count(b"[") + payload.count(b"{") > _DEEP


def _as_sent(kind: pa.DataType) -> pa.DataType:
    """Return an inferred type with strings where Arrow saw times in them."""
    if pa.types.is_timestamp(kind):
        return pa.string()
    if pa.types.is_list(kind):
        return pa.list_(_as_sent(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([pa.field(field.name, _as_sent(field.type)) for field in kind])
    return kind


def keys(payloads: Sequence[bytes]) -> Counter[str]:
    """Return how many of the messages have each key; those that are no JSON object have none."""
    counts: Counter[str] = Counter()
    for payload in payloads:
        with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            counts.update(msgspec.json.decode(payload, type=dict[str, msgspec.Raw]).keys())
    return counts


def shown(key: str) -> str:
    """Return a key as it may be printed, whoever chose it."""
    return repr(key if len(key) <= _SHOWN else key[:_SHOWN] + "...")


def _excerpt(payload: bytes) -> str:
    text = payload[: 2 * _SHOWN].decode("utf-8", "replace")
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "...")
