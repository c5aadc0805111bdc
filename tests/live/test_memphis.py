import json
from typing import Any

from nats.aio.client import Client

from zakar.broker.connection import Access, connected
from zakar.broker.memphis import requests, responding


def _station(name: str, **options: Any) -> dict[str, Any]:
    """What the Python SDK asks for a station."""
    usual = {"retention_type": "message_age_sec", "retention_value": 1209600, "storage_type": "file", "replicas": 1}
    usual |= {"idempotency_window_in_ms": 120000, "schema_name": "", "username": "root", "partitions_number": 1}
    return {"name": name, **usual, **options}


def _consumer(name: str, station: str, **options: Any) -> dict[str, Any]:
    usual = {"connection_id": "7c9e6679-7425-40de-944b-e07fc1f90ae7", "consumer_type": "application"}
    usual |= {"consumers_group": "", "max_ack_time_ms": 30000, "max_msg_deliveries": 2, "req_version": 4}
    usual |= {"start_consume_from_sequence": 1, "last_messages": -1, "username": "root"}
    return {"name": name, "station_name": station, **usual, **options}


async def _ask(client: Client, subject: str, request: dict[str, Any]) -> str:
    return (await client.request(subject, json.dumps(request).encode(), timeout=5)).data.decode()


def test_a_station_a_producer_and_a_consumer_are_made_and_destroyed(access: Access, runner: Any):
    async def main() -> None:
        async with responding(access), connected(access) as client:
            assert await _ask(client, requests.STATION_CREATION, _station("A.b", partitions_number=3)) == ""
            answer = await _ask(client, requests.CONSUMER_CREATION, _consumer("C", "a.b"))
            assert json.loads(answer)["partitions_update"]["partitions_list"] == [1, 2, 3]
            found = (await client.api("CONSUMER.INFO.a#b$3.c"))["config"]
            assert (found["max_deliver"], found["max_ack_pending"], found["ack_wait"]) == (2, -1, 30 * 10**9)
            assert await _ask(client, requests.CONSUMER_DESTRUCTION, _consumer("c", "a.b")) == ""
            assert await _ask(client, requests.STATION_DESTRUCTION, {"station_name": "a.b"}) == ""
            assert (await client.api("STREAM.NAMES"))["total"] == 0

    runner.run(main())
