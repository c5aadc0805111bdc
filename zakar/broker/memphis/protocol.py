"""Memphis's control protocol, of both directions: the subjects, the headers of messages, and what its SDK asks.

Requests are those of the Python SDK 1.3.1 byte for byte, down to their spaces.
"""

import json

STATION_CREATION = "$memphis_station_creations"
STATION_DESTRUCTION = "$memphis_station_destructions"
PRODUCER_CREATION = "$memphis_producer_creations"
PRODUCER_DESTRUCTION = "$memphis_producer_destructions"
CONSUMER_CREATION = "$memphis_consumer_creations"
CONSUMER_DESTRUCTION = "$memphis_consumer_destructions"
SCHEMA_CREATION = "$memphis_schema_creations"
SCHEMA_ATTACHMENT = "$memphis_schema_attachments"
SCHEMA_DETACHMENT = "$memphis_schema_detachments"

PRODUCED_BY, CONNECTION_ID = "$memphis_producedBy", "$memphis_connectionId"  # headers of each message
PRODUCER = "zakar"
# Retention: so many messages, the most that the broker's database takes. One by age would forget a dataset one day,
# one by size would do so without a word once a station is full.
MESSAGES_MOST = 2**31 - 1


def station_creation(name: str, user: str, partitions: int, replicas: int, storage: str = "file") -> bytes:
    """Return the request for a station that keeps everything."""
    return _spaced(
        {
            "name": name,
            "retention_type": "messages",
            "retention_value": MESSAGES_MOST,
            "storage_type": storage,
            "replicas": replicas,
            "idempotency_window_in_ms": 120_000,
            "schema_name": "",
            "dls_configuration": {"poison": True, "Schemaverse": True},
            "username": user,
            "tiered_storage_enabled": False,
            "partitions_number": partitions,
            "dls_station": "",
        }
    )


def station_destruction(name: str, user: str) -> bytes:
    """Return the request to delete a station."""
    return _spaced({"station_name": name, "username": user})


def producer_creation(name: str, user: str, connection_id: str, app: str) -> bytes:
    """Return the request to show a producer of station ``name``."""
    return _spaced(
        {
            "name": PRODUCER,
            "station_name": name,
            "connection_id": connection_id,
            "producer_type": "application",
            "req_version": 4,
            "username": user,
            "app_id": app,
            "sdk_lang": "python",
        }
    )


def producer_destruction(name: str, user: str, connection_id: str) -> bytes:
    """Return the request to show the producer of station ``name`` no more."""
    return json.dumps(
        {
            "name": PRODUCER,
            "station_name": name,
            "username": user,
            "connection_id": connection_id,
            "req_version": 1,
        }
    ).encode()


def header_lines(connection_id: str) -> str:
    """Return the header lines by which a message shows who produced it."""
    return f"{PRODUCED_BY}: {PRODUCER}\r\n{CONNECTION_ID}: {connection_id}\r\n"


def _spaced(request: object) -> bytes:
    return json.dumps(request, indent=2).encode()
