"""Columns to JSON: a batch of rows becomes a batch of wire objects, inside Arrow."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_CONTROL = "[\\x00-\\x1f]"
_ESCAPES = {chr(code): f"\\u{code:04x}" for code in range(0x20)} | {
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
            total += 2 * rows + int(pc.sum(pc.binary_length(_escape(column))).as_py() or 0)
        else:
            total += _digits(column.to_numpy(zero_copy_only=False))
    return total


def _digits(values: np.ndarray) -> int:
    """Return the number of characters of integers in decimal, signs included."""
    values = values.astype(np.int64)
    characters = len(values) + int(np.count_nonzero(values < 0))
    magnitude = np.abs(values)
    limit = 10
    while len(magnitude) and limit <= magnitude.max():
        characters += int(np.count_nonzero(magnitude >= limit))
        limit *= 10
    return characters


def _escape(text: pa.Array) -> pa.Array:
    """Escape for a JSON string: backslash and quote always, control characters where there are any."""
    text = pc.replace_substring(text, "\\", "\\\\")
    text = pc.replace_substring(text, '"', '\\"')
    if pc.any(pc.match_substring_regex(text, _CONTROL)).as_py():
        for character, escape in _ESCAPES.items():
            text = pc.replace_substring(text, character, escape)
    return text
