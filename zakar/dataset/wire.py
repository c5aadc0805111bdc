"""Columns to JSON: a batch of rows becomes a batch of wire objects, inside Arrow."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_CONTROLS = {chr(code): f"\\u{code:04x}" for code in range(0x20)} | {
    "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t",
}  # fmt: skip


def encode(batch: pa.RecordBatch) -> pa.Array:
    """Return one compact JSON object a row, a binary array as long as the batch.

    The keys are the columns in order. Integers and strings are all that a table holds.
    """
    parts: list[object] = []
    lead = "{"
    for field, column in zip(batch.schema, batch.columns, strict=True):
        if pa.types.is_string(field.type):
            parts += [f'{lead}"{field.name}":"', _escape(column)]
            lead = '",'
        else:
            parts += [f'{lead}"{field.name}":', column.cast(pa.string())]
            lead = ","
    parts.append(lead.replace(",", "}"))
    if batch.num_rows == 0:
        return pa.array([], pa.binary())
    return pc.binary_join_element_wise(*parts, "").cast(pa.binary())


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
    if np.any(found == ord("\\")):
        text = pc.replace_substring(text, "\\", "\\\\")
    if np.any(found == ord('"')):
        text = pc.replace_substring(text, '"', '\\"')
    if np.any(found < ord(" ")):
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
