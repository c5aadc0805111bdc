"""Columns to JSON and back: a batch of rows becomes a batch of wire objects, and they rows again, inside Arrow."""

import bisect
import contextlib
import json
from collections.abc import Collection, Sequence

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
    found = _bytes(text)
    known = found.tobytes()
    if b"\\" in known:
        text = pc.replace_substring(text, "\\", "\\\\")
    if b'"' in known:
        text = pc.replace_substring(text, '"', '\\"')
    if found.min(initial=ord(" ")) < ord(" "):
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


class RowError(ValueError):
    """A message that is no row. ``index`` counts from 0 among those given; ``why`` says what is wrong with it."""

    def __init__(self, index: int, why: str) -> None:
        super().__init__(f"message {index}: {why}")
        self.index = index
        self.why = why


def decode(payloads: Sequence[bytes], schema: pa.Schema | None = None) -> pa.Table:
    """Return the rows of messages, one JSON object each, in order.

    With a ``schema``, an object's keys must be its columns, in any order: all that are not nullable, and no others.
    Without one, columns and types are those that fit all of ``payloads``, and strings stay strings, whatever they
    look like. Raises RowError for the first message that is no JSON object or does not fit.
    """
    if schema is None:
        _check_depth(payloads)
    try:
        rows = _parse(payloads, schema)
    except (pa.ArrowException, ValueError):
        rows = _decode_with_care(payloads, schema)
    if schema is not None:
        return rows
    plain = pa.schema([pa.field(field.name, _as_sent(field.type)) for field in rows.schema])
    return rows if plain.equals(rows.schema) else decode(payloads, plain)


def _parse(payloads: Sequence[bytes], schema: pa.Schema | None) -> pa.Table:
    """Parse messages all at once. Raises ArrowException or ValueError if that cannot be done or trusted."""
    if not payloads:
        return (schema or pa.schema([])).empty_table()
    joined = b"\n".join(payloads)
    # Arrow reads a stream of objects. One object a message it is only if every line is a message and looks like
    # at least one object, and no more objects come out than there are messages. It would end at a NUL.
    lines = joined.count(b"\n") + 1 == len(payloads) and joined.count(b"}\n{") + 1 == len(payloads)
    if not (lines and joined.startswith(b"{") and joined.endswith(b"}")) or b"\0" in joined:
        raise ValueError("not an object a line")
    options = pa_json.ParseOptions(schema, unexpected_field_behavior="error" if schema else "infer")
    # One block: an object may not be larger than a block, and types must not depend on where blocks are cut.
    reading = pa_json.ReadOptions(use_threads=False, block_size=len(joined) + 1)
    rows = pa_json.read_json(pa.BufferReader(joined), reading, options)
    if rows.num_rows != len(payloads):
        raise ValueError("more than an object a message")
    if schema is not None:
        rows = rows.select(schema.names).cast(schema)
    rows.validate(full=True)  # strings may hold bytes that are no UTF-8
    return rows


def _decode_with_care(payloads: Sequence[bytes], schema: pa.Schema | None) -> pa.Table:
    """Decode what cannot be parsed at once: find the message that is wrong, or take what is merely laid out oddly."""
    plain: list[bytes] = []
    wrong: RowError | None = None
    for index, payload in enumerate(payloads):
        try:
            plain.append(_normal(payload))
        except ValueError as error:
            wrong = RowError(index, str(error))
            break
    try:
        rows = _parse(plain, schema)
    except (pa.ArrowException, ValueError) as error:
        index = bisect.bisect_left(range(len(plain)), True, key=lambda last: not _fits(plain[: last + 1], schema))
        raise RowError(index, _why(plain[index], schema, error)) from error
    if wrong is not None:
        raise wrong
    return rows


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
    with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        payload = msgspec.json.format(payload, indent=-1)
    return b" ".join(payload.splitlines())


def _normal(payload: bytes) -> bytes:
    """Return a message as compact JSON. Raises ValueError, saying why, if it is no JSON object."""
    try:
        value = msgspec.json.decode(payload)
        if not isinstance(value, dict):
            raise ValueError(f"{_excerpt(payload)} is no JSON object")
        if len(json.loads(payload, object_pairs_hook=lambda pairs: pairs)) != len(value):
            raise ValueError(f"{_excerpt(payload)} has a key twice")
        return msgspec.json.encode(value)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{_excerpt(payload)} is no JSON: {error}") from error
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _fits(payloads: Sequence[bytes], schema: pa.Schema | None) -> bool:
    try:
        _parse(payloads, schema)
    except (pa.ArrowException, ValueError):
        return False
    return True


def _why(payload: bytes, schema: pa.Schema | None, error: Exception) -> str:
    """Say what keeps a JSON object from being a row, in terms of its keys."""
    if schema is None:  # Arrow says which column changed its kind
        return str(error).removeprefix("JSON parse error: ").partition(" in row ")[0]
    value = msgspec.json.decode(payload)
    missing = [field.name for field in schema if not field.nullable and field.name not in value]
    if missing:
        return f"{_excerpt(payload)} lacks `{missing[0]}`"
    for key, item in value.items():
        if key not in schema.names:
            return f"{_excerpt(payload)} has `{key[:40]}`, which is no column"
        alone = pa.schema([schema.field(key)])
        if not _fits([msgspec.json.encode({key: item})], alone):
            return f"`{key}` is {_excerpt(msgspec.json.encode(item))}, not {alone.field(0).type}"
    return str(error)


def _check_depth(payloads: Sequence[bytes]) -> None:
    """Raise RowError for a message nested so deeply that taking it apart would exhaust the stack."""
    for index, payload in enumerate(payloads):
        if payload.count(b"[") + payload.count(b"{") > _DEEP:
            try:
                _normal(payload)
            except ValueError as error:
                raise RowError(index, str(error)) from error


def _as_sent(kind: pa.DataType) -> pa.DataType:
    """Return an inferred type with strings where Arrow saw times in them."""
    if pa.types.is_timestamp(kind):
        return pa.string()
    if pa.types.is_list(kind):
        return pa.list_(_as_sent(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([pa.field(field.name, _as_sent(field.type)) for field in kind])
    return kind


def keys(payload: bytes) -> Collection[str]:
    """Return the keys of a message; none if it is no JSON object."""
    try:
        value = msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ()
    return value if isinstance(value, dict) else ()


def _excerpt(payload: bytes) -> str:
    text = payload[: 2 * _SHOWN].decode("utf-8", "replace")
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "...")
