"""What SDKs are answered: nothing for done, JSON where they read it, else the text that they show. Pure."""

from typing import Any

import msgspec

from zakar.broker.memphis.protocol import PRODUCER_CREATION, SCHEMA_CREATION
from zakar.broker.memphis.requests import SDK_LEAST

DONE = b""
_NO_SCHEMA: dict[str, Any] = {
    "schema_name": "",
    "active_version": {"version_number": 0, "descriptor": "", "schema_content": "", "message_struct_name": ""},
    "type": "",
}


def failure(subject: str, text: str) -> bytes:
    """Return the answer that makes an SDK say ``text``."""
    if subject == PRODUCER_CREATION:
        return _producer(None, text)
    if subject == SCHEMA_CREATION:
        return msgspec.json.encode({"error": text})
    return text.encode(errors="replace")  # of a consumer too: the Python SDK hides what comes as JSON


def producer(partitions: list[int]) -> bytes:
    """Return the answer to a producer: its station's partitions, no schema, no functions."""
    return _producer(partitions, "")


def consumer(partitions: list[int]) -> bytes:
    """Return the answer to a consumer: its station's partitions, no schema."""
    return msgspec.json.encode(
        {"schema_update": _NO_SCHEMA, "partitions_update": {"partitions_list": partitions}, "error": ""}
    )


def _producer(partitions: list[int] | None, error: str) -> bytes:
    made = partitions is not None
    return msgspec.json.encode(
        {
            "schema_update": _NO_SCHEMA,
            "partitions_update": {"partitions_list": partitions},
            "schemaverse_to_dls": made,
            "send_notification": False,
            "station_version": SDK_LEAST if made else 0,
            "station_partitions_first_functions": {} if made else None,
            "error": error,
        }
    )
