import asyncio
import contextlib
import gc
import json
import signal
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import nats.errors
import psutil
import pytest
import trustme
from helpers import free_port, started, until
from nats.aio.client import Client

from zakar.broker import station
from zakar.broker.access import Access
from zakar.broker.connection import ApiError, Connection, connected
from zakar.broker.memphis import requests
from zakar.broker.memphis.requests import (
    CONSUMER_CREATION,
    CONSUMER_DESTRUCTION,
    PRODUCER_CREATION,
    SCHEMA_CREATION,
    STATION_CREATION,
    STATION_DESTRUCTION,
)
from zakar.broker.memphis.responder import responding
from zakar.broker.server import ServerSettings, running
from zakar.cli.broker import broker_command
from zakar.errors import ConfigError, ServerError

GOLDEN = Path(__file__).parents[1] / "golden" / "memphis-requests.jsonl"
_IDS = ["7c9e6679-7425-40de-944b-e07fc1f90ae7", "16fd2706-8baf-433b-82eb-8c7fada847da"]
_TOLD = {"NATS_USER": "", "NATS_PASSWORD": ""}


def _station(name: str, **options: Any) -> dict[str, Any]:
    """What the Python SDK asks for a station."""
    usual = {"retention_type": "message_age_sec", "retention_value": 1209600, "storage_type": "file", "replicas": 1}
    usual |= {"idempotency_window_in_ms": 120000, "schema_name": "", "username": "root", "partitions_number": 1}
    return {"name": name, **usual, **options}


def _producer(name: str, where: str, **options: Any) -> dict[str, Any]:
    usual = {"producer_type": "application", "req_version": 4, "username": "root"}
    return {"name": name, "station_name": where, "connection_id": _IDS[0], **usual, **options}


def _consumer(name: str, where: str, **options: Any) -> dict[str, Any]:
    usual = {"connection_id": _IDS[0], "consumer_type": "application", "req_version": 4, "username": "root"}
    usual |= {"consumers_group": "", "max_ack_time_ms": 30000, "max_msg_deliveries": 2}
    usual |= {"start_consume_from_sequence": 1, "last_messages": -1}
    return {"name": name, "station_name": where, **usual, **options}


async def _ask(client: Client, subject: str, request: dict[str, Any] | bytes, timeout: float = 5.0) -> str:  # noqa: ASYNC109
    payload = request if isinstance(request, bytes) else json.dumps(request).encode()
    return (await client.request(subject, payload, timeout=timeout)).data.decode()


async def _streams(client: Connection) -> list[str]:
    return list((await client.api("STREAM.NAMES"))["streams"] or ())


async def _durable(client: Connection, stream: str, name: str) -> dict[str, Any] | None:
    try:
        return dict((await client.api(f"CONSUMER.INFO.{stream}.{name}"))["config"])
    except ApiError:
        return None


@contextlib.asynccontextmanager
async def _served(access: Access, name: str = f"{_IDS[0]}::root") -> AsyncIterator[Connection]:
    """A client of a server beside which a responder runs; named as an SDK names it."""
    async with responding(access), connected(access, name) as client:
        yield client


@pytest.fixture
def serve(access: Access, runner: asyncio.Runner) -> Callable[[Callable[[Connection], Awaitable[None]]], None]:
    """Run a test's coroutine with such a client."""

    def run(main: Callable[[Connection], Awaitable[None]]) -> None:
        async def served() -> None:
            async with _served(access) as client:
                await main(client)

        runner.run(served())

    return run


def test_what_the_sdks_ask_is_answered_byte_for_byte_as_memphis_did(serve: Any):
    # Memphis lost the name of the station; and it made schemas, which zakar does not.
    ours = {
        "Station  does not exist": "Station node-one does not exist",
        "Schema s does not exist": "Schema s does not exist: zakar keeps no schemas",
        '{"error":""}': '{"error":"zakar keeps no schemas"}',
    }

    async def main(client: Connection) -> None:
        for line in GOLDEN.read_text(encoding="utf-8").splitlines():
            asked = json.loads(line)
            answer = await _ask(client, asked["subject"], asked["payload"].encode())
            assert answer == ours.get(asked["reply"], asked["reply"]), asked
        assert await _streams(client) == ["zakar-two$1"]

    serve(main)


def test_a_station_is_streams_as_memphis_made_them(serve: Any):
    async def main(client: Connection) -> None:
        wanted = _station("A.b", partitions_number=3, retention_type="messages", retention_value=10)
        assert await _ask(client, STATION_CREATION, wanted) == ""
        assert sorted(await _streams(client)) == ["a#b$1", "a#b$2", "a#b$3"]
        made = (await client.api("STREAM.INFO.a#b$2"))["config"]
        assert made["metadata"].pop("zakar.partitions") == "3"
        expected = {
            "name": "a#b$2",
            "subjects": ["a#b$2.>"],
            "retention": "limits",
            "max_consumers": -1,
            "max_msgs": 10,
        }
        expected |= {"max_bytes": -1, "max_age": 0, "max_msgs_per_subject": -1, "max_msg_size": -1, "discard": "old"}
        expected |= {"storage": "file", "num_replicas": 1, "duplicate_window": 120 * 10**9, "compression": "none"}
        expected |= dict.fromkeys(("allow_direct", "mirror_direct", "sealed", "deny_delete", "deny_purge"), False)
        assert {key: made.get(key) for key in expected} == expected

    serve(main)


def test_a_station_that_is_there_is_left_as_it_is_whatever_is_asked(serve: Any):
    async def main(client: Connection) -> None:
        await _ask(client, STATION_CREATION, _station("a"))
        before = (await client.api("STREAM.INFO.a$1"))["config"]
        for options in ({"partitions_number": 3}, {"partitions_number": 0}, {"storage_type": "x"}, {"name": "A"}):
            assert await _ask(client, STATION_CREATION, _station("a") | options) == ""
        assert (await client.api("STREAM.INFO.a$1"))["config"] == before
        assert await _streams(client) == ["a$1"]

    serve(main)


def test_a_producer_and_a_consumer_make_the_station_that_they_miss(serve: Any):
    async def main(client: Connection) -> None:
        for asked, subject in ((_producer("p", "one"), PRODUCER_CREATION), (_consumer("c", "two"), CONSUMER_CREATION)):
            answer = json.loads(await _ask(client, subject, asked))
            assert answer["partitions_update"] == {"partitions_list": [1]}
            made = (await client.api(f"STREAM.INFO.{asked['station_name']}$1"))["config"]
            assert (made["max_age"], made["storage"], made["duplicate_window"]) == (3600 * 10**9, "file", 120 * 10**9)

    serve(main)


def test_more_replicas_than_there_are_servers_leave_nothing_behind(serve: Any):
    async def main(client: Connection) -> None:
        answer = await _ask(client, STATION_CREATION, _station("a", replicas=3, partitions_number=3))
        assert answer == "station can not be created, probably since replicas count is larger than the cluster size"
        assert await _streams(client) == []

    serve(main)


def test_a_station_for_dead_letters_is_made_too(serve: Any):
    async def main(client: Connection) -> None:
        assert await _ask(client, STATION_CREATION, _station("a", dls_station="B.dead")) == ""
        assert sorted(await _streams(client)) == ["a$1", "b#dead$1"]

    serve(main)


def test_what_a_load_made_is_a_station_that_can_be_consumed_and_produced_to(serve: Any):
    async def main(client: Connection) -> None:
        for number in (1, 2):
            await station.create(client, f"zakar-tweets${number}", {"zakar.table": "tweets"}, -1)
        answer = json.loads(await _ask(client, PRODUCER_CREATION, _producer("p", "zakar-tweets")))
        assert answer["partitions_update"]["partitions_list"] == [1, 2]
        await client.jetstream().publish("zakar-tweets$2.final", b"{}")
        await _ask(client, CONSUMER_CREATION, _consumer("c", "zakar-tweets"))
        pulled = await client.jetstream().pull_subscribe("zakar-tweets$2.final", durable="c")
        assert [message.data for message in await pulled.fetch(1, timeout=5)] == [b"{}"]
        assert "zakar.table" in (await client.api("STREAM.INFO.zakar-tweets$2"))["config"]["metadata"]

    serve(main)


def test_a_group_is_a_durable_on_each_partition_before_the_answer_comes(serve: Any):
    async def main(client: Connection) -> None:
        await _ask(client, STATION_CREATION, _station("a", partitions_number=2))
        for number in range(30):
            await client.jetstream().publish(f"a${1 + number % 2}.final", b"x")
        asked = _consumer("c", "a", consumers_group="Gr.P", last_messages=12, max_ack_time_ms=5000)
        await _ask(client, CONSUMER_CREATION, asked)
        for stream in ("a$1", "a$2"):
            made = await _durable(client, stream, "gr#p")
            assert made is not None
            expected = {"durable_name": "gr#p", "deliver_policy": "by_start_sequence", "opt_start_seq": 4}
            expected |= {"ack_policy": "explicit", "ack_wait": 5 * 10**9, "max_deliver": 2, "replay_policy": "instant"}
            expected |= {
                "filter_subject": f"{stream}.final",
                "max_waiting": 512,
                "max_ack_pending": -1,
                "num_replicas": 0,
            }
            assert {key: made.get(key) for key in expected} == expected

    serve(main)


def test_the_last_messages_of_a_station_of_one_partition_are_had(serve: Any):
    async def main(client: Connection) -> None:
        await _ask(client, STATION_CREATION, _station("a"))
        for number in range(10):
            await client.jetstream().publish("a$1.final", str(number).encode())
        for _run in range(2):  # a program that is run again asks the same of a longer station
            assert '"error":""' in await _ask(client, CONSUMER_CREATION, _consumer("c", "a", last_messages=3))
            await client.jetstream().publish("a$1.final", b"later")
        pulled = await client.jetstream().pull_subscribe("a$1.final", durable="c")
        assert [message.data for message in await pulled.fetch(5, timeout=5)] == [b"7", b"8", b"9", b"later", b"later"]

    serve(main)


def test_a_group_takes_the_limits_of_its_newest_member_and_keeps_its_start(serve: Any):
    async def main(client: Connection) -> None:
        await _ask(client, STATION_CREATION, _station("a"))
        group = {"consumers_group": "g"}
        await _ask(client, CONSUMER_CREATION, _consumer("c1", "a", **group))
        await _ask(client, CONSUMER_CREATION, _consumer("c2", "a", max_ack_time_ms=5000, max_msg_deliveries=5, **group))
        answer = await _ask(client, CONSUMER_CREATION, _consumer("c3", "a", start_consume_from_sequence=5, **group))
        assert json.loads(answer)["error"] == ""
        made = await _durable(client, "a$1", "g")
        assert made is not None
        assert (made["deliver_policy"], made["ack_wait"], made["max_deliver"]) == ("all", 30 * 10**9, 2)
        for name in ("c1", "c2", "c3"):
            assert await _durable(client, "a$1", "g") is not None
            assert await _ask(client, CONSUMER_DESTRUCTION, _consumer(name, "a")) == ""
        assert await _durable(client, "a$1", "g") is None
        assert (
            await _ask(client, CONSUMER_DESTRUCTION, _consumer("c3", "a")) == "Consumer c3 at station a does not exist"
        )

    serve(main)


def test_a_consumer_is_destroyed_by_its_own_connection_alone(serve: Any):
    async def main(client: Connection) -> None:
        await _ask(client, CONSUMER_CREATION, _consumer("c.1", "a.b"))
        foreign = _consumer("c.1", "a.b", connection_id=_IDS[1])
        assert await _ask(client, CONSUMER_DESTRUCTION, foreign) == "Consumer c.1 at station a.b does not exist"
        assert await _durable(client, "a#b$1", "c#1") is not None
        old_sdk = {"name": "c.1", "station_name": "a.b", "username": "root"}
        assert await _ask(client, CONSUMER_DESTRUCTION, old_sdk) == ""
        assert await _durable(client, "a#b$1", "c#1") is None

    serve(main)


def test_a_group_goes_with_its_last_member_that_is_connected(access: Access, runner: asyncio.Runner):
    async def main() -> None:
        async with _served(access) as client:
            group = {"consumers_group": "g"}
            async with connected(access, f"{_IDS[1]}::root") as other:
                await _ask(other, CONSUMER_CREATION, _consumer("c", "a", connection_id=_IDS[1], **group))
                await _ask(client, CONSUMER_CREATION, _consumer("c", "a", **group))
                assert await _ask(client, CONSUMER_DESTRUCTION, _consumer("c", "a")) == ""
                assert await _durable(client, "a$1", "g") is not None
            await _ask(client, CONSUMER_CREATION, _consumer("c", "a", **group))
            assert await _ask(client, CONSUMER_DESTRUCTION, _consumer("c", "a")) == ""
            assert await _durable(client, "a$1", "g") is None

    runner.run(main())


def test_who_comes_back_to_a_group_that_all_left_is_told_that_it_cannot_begin_elsewhere(
    access: Access, runner: asyncio.Runner
):
    async def main() -> None:
        async with _served(access) as client:
            async with connected(access, f"{_IDS[1]}::root") as other:
                await _ask(other, CONSUMER_CREATION, _consumer("c", "a", connection_id=_IDS[1]))
            again = _consumer("c", "a", start_consume_from_sequence=7)
            assert await _ask(client, CONSUMER_CREATION, again) == "deliver policy can not be updated (10012)"
            assert json.loads(await _ask(client, CONSUMER_CREATION, _consumer("c", "a")))["error"] == ""

    runner.run(main())


def test_a_consumer_that_is_pushed_to_is_nobodys_group(serve: Any):
    async def main(client: Connection) -> None:
        await _ask(client, STATION_CREATION, _station("a"))
        pushed = {"durable_name": "c", "deliver_subject": "somewhere", "ack_policy": "none"}
        request = {"stream_name": "a$1", "config": pushed}
        await client.api("CONSUMER.DURABLE.CREATE.a$1.c", request)
        before = await _durable(client, "a$1", "c")
        assert "no group's" in await _ask(client, CONSUMER_CREATION, _consumer("c", "a"))
        assert await _durable(client, "a$1", "c") == before

    serve(main)


_FOREIGN: list[dict[str, Any]] = [
    {"subjects": ["orders.>"]},
    {"subjects": ["a$1.>", "orders"]},
    {"subjects": ["a$1.>"], "retention": "workqueue"},
    {"mirror": {"name": "source"}},
    {"subjects": ["a$1.>"], "sources": [{"name": "source"}]},
]


@pytest.mark.parametrize("config", _FOREIGN)
def test_a_stream_that_is_no_stations_is_never_touched(serve: Any, config: dict[str, Any]):
    async def main(client: Connection) -> None:
        await client.api("STREAM.CREATE.source", {"name": "source", "subjects": ["source"]})
        await client.api("STREAM.CREATE.a$1", {"name": "a$1", "storage": "memory", **config})
        before = await client.api("STREAM.INFO.a$1")
        asking = [
            (STATION_CREATION, _station("a")),
            (STATION_CREATION, _station("a", partitions_number=3)),
            (STATION_CREATION, _station("b", dls_station="a")),
            (PRODUCER_CREATION, _producer("p", "a")),
            (CONSUMER_CREATION, _consumer("c", "a")),
            (CONSUMER_DESTRUCTION, _consumer("c", "a")),
            (STATION_DESTRUCTION, {"station_name": "a"}),
        ]
        for subject, request in asking:
            assert "a$1 is in the way" in await _ask(client, subject, request)
        after = await client.api("STREAM.INFO.a$1")
        assert [after[key] for key in ("config", "state")] == [before[key] for key in ("config", "state")]
        assert sorted(await _streams(client)) == ["a$1", "source"]

    serve(main)


def test_a_foreign_stream_among_the_partitions_is_neither_used_nor_deleted(serve: Any):
    async def main(client: Connection) -> None:
        await client.api("STREAM.CREATE.a$2", {"name": "a$2", "subjects": ["orders.>"]})
        assert "a$2 is in the way" in await _ask(client, STATION_CREATION, _station("a", partitions_number=3))
        assert await _streams(client) == ["a$2"]
        assert await _ask(client, STATION_CREATION, _station("a")) == ""
        answer = json.loads(await _ask(client, PRODUCER_CREATION, _producer("p", "a")))
        assert answer["partitions_update"]["partitions_list"] == [1]
        assert await _ask(client, STATION_DESTRUCTION, {"station_name": "a"}) == ""
        assert await _streams(client) == ["a$2"]

    serve(main)


def test_nothing_is_done_for_a_reply_that_would_end_in_a_stream_or_in_jetstream(serve: Any):
    async def main(client: Connection) -> None:
        await client.api("STREAM.CREATE.orders", {"name": "orders", "subjects": ["orders.>"]})
        for reply in ("orders.new", "$JS.API.STREAM.DELETE.orders", "$JS.API.STREAM.PURGE.orders"):
            await client.publish(STATION_CREATION, json.dumps(_station("a")).encode(), reply=reply)
            await client.publish(STATION_CREATION, b"{", reply=reply)
        assert await _ask(client, STATION_CREATION, _station("b")) == ""
        assert sorted(await _streams(client)) == ["b$1", "orders"]
        assert (await client.api("STREAM.INFO.orders"))["state"]["messages"] == 0

    serve(main)


def test_a_deletion_that_was_cut_short_is_ended_by_the_next_request(serve: Any):
    async def main(client: Connection) -> None:
        await _ask(client, STATION_CREATION, _station("a", partitions_number=3))
        await client.jetstream().publish("a$1.final", b"old")
        await station.adopt(client, "a$1", {"zakar.station": "being destroyed"})
        await station.delete(client, "a$3")
        answer = json.loads(await _ask(client, PRODUCER_CREATION, _producer("p", "a")))
        assert answer["partitions_update"]["partitions_list"] == [1]
        assert await _streams(client) == ["a$1"]
        assert (await client.api("STREAM.INFO.a$1"))["state"]["messages"] == 0

    serve(main)


def test_a_deletion_that_was_cut_short_is_ended_by_the_next_responder(access: Access, runner: asyncio.Runner):
    said: list[str] = []

    async def main() -> None:
        async with connected(access) as client:
            async with responding(access):
                for name in ("a", "b"):
                    await _ask(client, STATION_CREATION, _station(name, partitions_number=3))
            await station.adopt(client, "a$1", {"zakar.station": "being destroyed"})
            await station.delete(client, "a$2")
            async with responding(access, said.append):

                async def ended() -> bool:
                    return sorted(await _streams(client)) == ["b$1", "b$2", "b$3"]

                await until(ended)

    runner.run(main())
    assert any("station a: made or deleted" in line for line in said)


def test_a_deletion_reaches_partitions_beyond_one_that_somebody_deleted(serve: Any):
    async def main(client: Connection) -> None:
        await _ask(client, STATION_CREATION, _station("a", partitions_number=5))
        await station.delete(client, "a$2")
        answer = json.loads(await _ask(client, PRODUCER_CREATION, _producer("p", "a")))
        assert answer["partitions_update"]["partitions_list"] == [1]
        assert await _ask(client, STATION_DESTRUCTION, {"station_name": "a"}) == ""
        assert await _streams(client) == []

    serve(main)


def test_a_station_that_was_left_half_made_is_made_whole_by_the_next_request_or_destroyed(serve: Any):
    async def main(client: Connection) -> None:
        for request, subject, left in (
            (_producer("p", "a"), PRODUCER_CREATION, ["a$1", "a$2", "a$3"]),
            (_station("a"), STATION_CREATION, ["a$1", "a$2", "a$3"]),
            ({"station_name": "a"}, STATION_DESTRUCTION, []),
        ):
            await _ask(client, STATION_CREATION, _station("a", partitions_number=3))
            whole = (await client.api("STREAM.INFO.a$3"))["config"]
            await station.adopt(client, "a$1", {"zakar.station": "being made"})
            await station.delete(client, "a$3")
            answer = await _ask(client, subject, request)
            assert not answer or json.loads(answer)["partitions_update"] == {"partitions_list": [1, 2, 3]}
            assert sorted(await _streams(client)) == left
            if left:
                assert (await client.api("STREAM.INFO.a$3"))["config"] == whole
                assert "zakar.station" not in (await client.api("STREAM.INFO.a$1"))["config"]["metadata"]

    serve(main)


def test_a_partition_with_messages_whose_station_is_gone_is_no_part_of_a_new_one(serve: Any):
    async def main(client: Connection) -> None:
        await _ask(client, STATION_CREATION, _station("a", partitions_number=2))
        await client.jetstream().publish("a$2.final", b"precious")
        await station.delete(client, "a$1")
        assert "a$2 is in the way" in await _ask(client, STATION_CREATION, _station("a", partitions_number=2))
        assert await _streams(client) == ["a$2"]

    serve(main)


def test_what_memphis_knew_and_zakar_does_not_is_answered_and_logged_once(access: Access, runner: asyncio.Runner):
    said: list[str] = []

    async def main() -> None:
        async with responding(access, said.append), connected(access) as client:
            for subject in ("$memphis_cache_updates", "$memphis_ws_subs.overview"):
                for _ in range(3):
                    assert await _ask(client, subject, b"{}") == f"zakar does not do {subject}"

    runner.run(main())
    assert said == [
        "$memphis_cache_updates: asked for, which zakar does not do",
        "$memphis_ws_subs.overview: asked for, which zakar does not do",
    ]


def test_requests_of_others_are_not_disturbed(serve: Any):
    async def main(client: Connection) -> None:
        async def answer(message: Any) -> None:
            await message.respond(b"mine")

        with pytest.raises(nats.errors.NoRespondersError):
            await _ask(client, "orders", b"")
        with pytest.raises(nats.errors.NoRespondersError):
            await _ask(client, "$memphis_of_no_sdk", b"")
        await client.subscribe("orders", cb=answer)
        assert [await _ask(client, "orders", b"") for _ in range(20)] == ["mine"] * 20

    serve(main)


def test_hostile_requests_are_answered_with_a_text_and_the_responder_lives(serve: Any):
    bodies = [b"", b"\xff\0", b"[" * 100_000, b'{"name":' * 50_000, b"9" * 500_000, b'{"name": "a", "name": 5}']
    named = ["*", ">", "a.*", "..", "../../etc", "a/b", "a b", "a\0", "$JS", "a$1", "x" * 300_000, "\u202e", "-"]

    async def main(client: Connection) -> None:
        for subject in requests.SUBJECTS:
            for body in (*bodies, *(json.dumps({"name": n, "station_name": n}).encode() for n in named)):
                assert await _ask(client, subject, body) != ""
        assert await _streams(client) == []
        assert await _ask(client, STATION_CREATION, _station("a")) == ""

    serve(main)


def test_two_hundred_clients_at_once_all_get_what_they_ask_for(access: Access, runner: asyncio.Runner):
    async def participant(number: int) -> None:
        who = f"{number:08d}-0000-4000-8000-000000000000"
        async with connected(access, f"{who}::root") as client:
            for subject, request in (
                (STATION_CREATION, _station("shared", partitions_number=2)),
                (PRODUCER_CREATION, _producer("p", f"own-{number % 50}", connection_id=who)),
                (CONSUMER_CREATION, _consumer("c", "shared", connection_id=who, consumers_group="g")),
            ):
                answer = await _ask(client, subject, request, timeout=60)
                assert answer == "" or json.loads(answer)["error"] == "", answer

    async def main() -> None:
        async with responding(access), connected(access) as client:
            await asyncio.gather(*(participant(number) for number in range(200)))
            assert len(await _streams(client)) == 52
            group = await _durable(client, "shared$1", "g")
            assert group is not None
            assert len(json.loads(group["metadata"]["zakar.members"])) == 200

    runner.run(main())


def test_of_two_responders_one_answers_each_request_and_the_other_goes_on_alone(access: Access, runner: asyncio.Runner):
    async def main() -> None:
        async with connected(access) as client, responding(access):
            async with responding(access):
                answers = await client.subscribe(inbox := client.new_inbox())
                for number in range(50):
                    await client.publish(STATION_CREATION, json.dumps(_station(f"s{number}")).encode(), reply=inbox)
                assert [(await answers.next_msg(10)).data for _ in range(50)] == [b""] * 50
                both = await asyncio.gather(
                    *(_ask(client, STATION_CREATION, _station("both", partitions_number=n)) for n in (2, 3) * 10)
                )
                assert both == [""] * 20
                assert answers.pending_msgs == 0
            assert await _ask(client, STATION_CREATION, _station("later")) == ""

    runner.run(main())


def test_a_responder_that_is_started_anew_goes_on_with_what_is_there(access: Access, runner: asyncio.Runner):
    async def main() -> None:
        async with connected(access, f"{_IDS[0]}::root") as client:
            async with responding(access):
                await _ask(client, STATION_CREATION, _station("a", partitions_number=2))
                await _ask(client, CONSUMER_CREATION, _consumer("c", "a"))
            with pytest.raises(nats.errors.NoRespondersError):
                await _ask(client, PRODUCER_CREATION, _producer("p", "a"))
            async with responding(access):
                answer = json.loads(await _ask(client, PRODUCER_CREATION, _producer("p", "a")))
                assert answer["partitions_update"]["partitions_list"] == [1, 2]
                assert await _ask(client, CONSUMER_DESTRUCTION, _consumer("c", "a")) == ""
                assert await _durable(client, "a$2", "c") is None

    runner.run(main())


def test_a_server_that_is_started_anew_finds_the_responder_and_the_clients_back(tmp_path: Path, runner: asyncio.Runner):
    settings = ServerSettings(port=free_port(), store=tmp_path / "store")
    access = Access((f"nats://127.0.0.1:{settings.port}",))

    async def answered(client: Connection, name: str) -> bool:
        try:
            return await _ask(client, STATION_CREATION, _station(name), timeout=1) == ""
        except (nats.errors.Error, OSError):
            return False

    async def main() -> None:
        async with contextlib.AsyncExitStack() as stack:
            with running(settings):
                await stack.enter_async_context(responding(access))
                client = await stack.enter_async_context(connected(access))
                assert await answered(client, "before")
            under_way = asyncio.create_task(_ask(client, STATION_CREATION, _station("lost"), timeout=0.1))
            await asyncio.wait([under_way])
            assert under_way.exception() is not None
            with running(settings):
                await until(lambda: answered(client, "after"))
                assert {"before$1", "after$1"} <= set(await _streams(client))
                await stack.aclose()

    runner.run(main())


def test_a_request_that_a_lost_server_interrupts_is_answered_when_it_is_back(tmp_path: Path, runner: asyncio.Runner):
    settings = ServerSettings(port=free_port(), store=tmp_path / "store")
    access = Access((f"nats://127.0.0.1:{settings.port}",))

    async def main() -> None:
        async with contextlib.AsyncExitStack() as stack:
            with running(settings) as server:
                await stack.enter_async_context(responding(access))
                client = await stack.enter_async_context(connected(access))
                asking = asyncio.create_task(_ask(client, STATION_CREATION, _station("a", partitions_number=200), 30))

                async def begun() -> bool:
                    return bool(await _streams(client))

                await until(begun)
                psutil.Process(server.process.pid).children()[0].kill()
            with running(settings):
                assert await asking == ""
                assert json.loads(await _ask(client, PRODUCER_CREATION, _producer("p", "a")))["error"] == ""
                await stack.aclose()

    runner.run(main())


def test_the_name_that_an_sdk_signs_in_with_is_let_in_and_no_other(runner: asyncio.Runner):
    async def let_in(url: str, **who: Any) -> bool:
        try:
            async with connected(Access((url,), **who)):
                return True
        except ServerError:
            return False

    async def main(url: str) -> None:
        for user, password, wanted in (
            ("ana", "s3cret-$x'\"", True),
            ("ana$1", "s3cret-$x'\"", True),
            ("ana$2", "s3cret-$x'\"", False),  # the SDK tries again without the number
            ("ana$1", "wrong", False),
            ("ana$", "s3cret-$x'\"", False),
            ("$1", "s3cret-$x'\"", False),
        ):
            assert await let_in(url, user=user, password=password) is wanted, user
        assert not await let_in(url)

    settings = ServerSettings(user="ana", password="s3cret-$x'\"", account=1)
    with running(settings) as server:
        runner.run(main(server.url))
        for path in server.folder.rglob("*"):
            assert not path.is_file() or b"s3cret" not in path.read_bytes()


_DENIED = """
authorization { users: [ { user: app, password: pw, permissions: { %s } } ] }
"""


@pytest.mark.parametrize(
    ("permissions", "told"),
    [
        ('publish: { deny: ["$JS.API.>"] }', "the server refuses JetStream requests"),
        ('publish: { deny: ["$JS.API.STREAM.>"] }', r"let this user ask \$JS.API.>"),
        ('subscribe: { deny: ["$memphis_station_creations"] }', r"does not let this user answer.*memphis_station"),
        ('publish: { allow: ["$JS.API.>"] }', r"does not let this user answer.*_inbox"),
    ],
)
def test_a_user_who_may_not_answer_is_told_at_once(permissions: str, told: str, runner: asyncio.Runner):
    async def main(url: str) -> None:
        async with responding(Access((url,), user="app", password="pw")):
            pass

    with (
        running(ServerSettings(extra=_DENIED % permissions)) as server,
        pytest.raises(ServerError, match=f"(?i){told}"),
    ):
        runner.run(main(server.url))


def test_an_inbox_that_may_not_be_answered_does_not_stop_the_others(runner: asyncio.Runner):
    lines = 'publish: { allow: ["$JS.API.>", "_INBOX.>"], deny: ["_INBOX.secret.>"] }'
    users = _DENIED.replace("} ] }", "}, { user: root, password: pw } ] }")

    async def main(url: str) -> None:
        root = Access((url,), user="root", password="pw")
        async with responding(Access((url,), user="app", password="pw")), connected(root) as client:
            await client.publish(STATION_CREATION, json.dumps(_station("a")).encode(), reply="_INBOX.secret.x")
            for name in ("b", "c"):
                assert await _ask(client, STATION_CREATION, _station(name)) == ""

    with running(ServerSettings(extra=users % lines)) as server:
        runner.run(main(server.url))


@pytest.mark.parametrize("what", ["STREAM.UPDATE", "STREAM.CREATE.a$3"])
def test_a_station_that_cannot_be_made_whole_is_not_made_and_the_reason_is_told(what: str, runner: asyncio.Runner):
    said: list[str] = []

    async def main(url: str) -> None:
        access = Access((url,), user="app", password="pw")
        async with responding(access, said.append), connected(access) as client:
            answer = await _ask(client, STATION_CREATION, _station("a", partitions_number=3))
            assert "Permissions Violation" in answer
            assert await _streams(client) == []
            assert await _ask(client, STATION_CREATION, _station("b")) == ""

    denied = f'publish: {{ deny: ["$JS.API.{what}", "$JS.API.{what}.>"] }}'
    with running(ServerSettings(extra=_DENIED % denied)) as server:
        runner.run(main(server.url))
    assert what in said[0]


def test_a_server_without_jetstream_is_told_at_once(runner: asyncio.Runner):
    async def main(url: str) -> None:
        async with responding(Access((url,), user="app", password="pw")):
            pass

    accounts = "accounts: { APP: { users: [ { user: app, password: pw } ] } }"  # which has no JetStream
    with running(ServerSettings(extra=accounts)) as server, pytest.raises(ServerError, match="no JetStream") as caught:
        runner.run(main(server.url))
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"server": ["nats://127.0.0.1:1"]}, "--server"),
        ({"creds": Path("x")}, "--creds"),
        ({"memphis_too": True, "nkey": Path("x")}, "--nkey"),
        ({"memphis_too": True, "server": ["nats://127.0.0.1:1"], "port": 0}, "--port"),
        ({"memphis_too": True, "server": ["nats://127.0.0.1:1"], "store": Path("x")}, "--store"),
        ({"memphis_too": True, "context": "x", "listen": "127.0.0.1"}, "--listen"),
    ],
)
def test_options_of_another_server_and_of_ours_do_not_go_together(options: dict[str, Any], named: str):
    with pytest.raises(ConfigError, match=f"^{named}: "):
        broker_command(**options)


def test_a_server_that_is_not_there_is_told_and_nothing_else():
    port = free_port()
    with pytest.raises(ServerError, match=f"127.0.0.1:{port}: cannot be reached"):
        broker_command(memphis_too=True, server=[f"nats://127.0.0.1:{port}"])
    gc.collect()  # what was never awaited would be complained of now


@contextlib.contextmanager
def _command(*words: str) -> Any:
    """`zakar broker` with such words, until Ctrl-C; what it said is yielded, and added to at its end."""
    process = started("broker", *words)
    assert process.stdout is not None
    said: list[str] = []
    try:
        yield process, said
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        said.append(errors.decode())
        assert process.returncode == 0, errors
    finally:
        process.kill()
        process.communicate()


def test_the_broker_command_answers_sdks_by_the_time_it_prints_its_address(runner: asyncio.Runner, tmp_path: Path):
    authority = trustme.CA()
    issued = authority.issue_cert("broker.example")
    cert, key, ca = (tmp_path / name for name in ("cert.pem", "key.pem", "ca.pem"))
    cert.write_bytes(issued.cert_chain_pems[0].bytes())
    key.write_bytes(issued.private_key_pem.bytes())
    authority.cert_pem.write_to_path(str(ca))

    async def main(url: str) -> None:
        # By the certificate itself, since its name is not that of this machine.
        async with connected(Access((url,), token="s3cret", tls_pin=cert)) as client:
            assert await _ask(client, STATION_CREATION, _station("a")) == ""
            assert "does not do" in await _ask(client, "$memphis_cache_updates", b"{}")
        with pytest.raises(ServerError):
            async with connected(Access((url,), token="s3cret", tls_ca=ca)):
                pass

    port = free_port()
    options = ("--memphis", "--port", str(port), "--token", "s3cret", "--tlscert", str(cert), "--tlskey", str(key))
    with _command(*options) as (process, said):
        assert process.stdout.readline().decode().strip() == f"tls://127.0.0.1:{port}"
        runner.run(main(f"tls://127.0.0.1:{port}"))
    assert "station a: made, 1 partition" in said[0]
    assert "$memphis_cache_updates: asked for" in said[0]
    assert "s3cret" not in said[0]


@pytest.mark.slow
def test_the_broker_command_answers_sdks_beside_a_server_that_is_there(runner: asyncio.Runner):
    async def main(url: str) -> None:
        async with connected(Access((url,), user="ana", password="s3cret")) as client:

            async def answered() -> bool:
                with contextlib.suppress(nats.errors.NoRespondersError):
                    return await _ask(client, STATION_CREATION, _station("a")) == ""
                return False

            await until(answered)

    with running(ServerSettings(user="ana", password="s3cret")) as server:
        with _command("--memphis", "--server", server.url, "--user", "ana", "--password", "s3cret") as (_, said):
            runner.run(main(server.url))
        assert f"answering Memphis SDKs at {server.url}" in said[0]
        assert "s3cret" not in said[0]


def test_a_memphis_broker_is_not_answered_for(runner: asyncio.Runner):
    async def main() -> None:
        async with responding(Access(("memphis://ana:s3cret@127.0.0.1",)), print):
            pass

    with pytest.raises(ConfigError, match=r"memphis://127\.0\.0\.1:6666: a Memphis broker answers its SDKs itself"):
        runner.run(main())


def test_a_schema_is_refused_in_the_form_that_an_sdk_reads(serve: Any):
    async def main(client: Connection) -> None:
        answer = await _ask(client, SCHEMA_CREATION, {"name": "s", "type": "json", "schema_content": "{}"})
        assert json.loads(answer) == {"error": "zakar keeps no schemas"}

    serve(main)


@pytest.mark.slow
def test_a_request_takes_less_than_ten_milliseconds_among_thousands_of_stations(access: Access, runner: asyncio.Runner):
    async def main() -> None:
        async with _served(access) as client:
            for number in range(3_000):
                await _ask(client, STATION_CREATION, _station(f"s{number}", storage_type="memory"))
            took: dict[str, list[float]] = {}
            for number in range(100):
                for subject, request in (
                    (STATION_CREATION, _station(f"new-{number}")),
                    (STATION_CREATION, _station(f"s{number}")),
                    (PRODUCER_CREATION, _producer("p", f"s{number}")),
                    (CONSUMER_CREATION, _consumer("c", f"s{number}")),
                    (CONSUMER_DESTRUCTION, _consumer("c", f"s{number}")),
                    (STATION_DESTRUCTION, {"station_name": f"new-{number}"}),
                ):
                    began = time.perf_counter()
                    await _ask(client, subject, request)
                    took.setdefault(subject, []).append(time.perf_counter() - began)
            medians = {subject: statistics.median(times) for subject, times in took.items()}
            assert all(median < 0.010 for median in medians.values()), medians

    runner.run(main())
