"""What Memphis's SDKs of before 1.1 ask, 1.0.x, which know no partitions: on the stations of all others."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from helpers import assert_whole, load, until, zakar
from memphis_broker import answered

from zakar.broker import station
from zakar.broker.access import Access
from zakar.broker.connection import ApiError, Connection, connected
from zakar.broker.memphis.requests import (
    CONSUMER_CREATION,
    CONSUMER_DESTRUCTION,
    PRODUCER_CREATION,
    STATION_CREATION,
    STATION_DESTRUCTION,
)
from zakar.broker.memphis.responder import responding
from zakar.broker.station import stream_name
from zakar.dataset.schema import PUBLIC, TWEETS
from zakar.dataset.store import Dataset
from zakar.loader.load import Progress
from zakar.loader.options import Mode, PublishOptions

ID = "11111111-1111-4111-8111-111111111111"
UPGRADE = "please upgrade your SDK version"
WIDE = (["a$1.>", "a.final"], {"src": "a.final", "dest": "a$1.final"})


@asynccontextmanager
async def _client(access: Access, log: Any = lambda _: None) -> AsyncIterator[Connection]:
    async with responding(access, log), connected(access, f"{ID}::root") as client:
        yield client


async def _ask(client: Connection, subject: str, **request: Any) -> str:
    return (await client.ask(subject, json.dumps(request).encode())).decode()


async def _station(client: Connection, name: str, **options: Any) -> str:
    """What memphis-py 1.0.6 asks for a station: nothing of partitions."""
    usual = {"retention_type": "message_age_sec", "retention_value": 604800, "storage_type": "file", "replicas": 1}
    usual |= {"idempotency_window_in_ms": 120000, "schema_name": "", "username": "root"}
    usual |= {"dls_configuration": {"poison": True, "Schemaverse": True}, "tiered_storage_enabled": False}
    return await _ask(client, STATION_CREATION, name=name, **usual, **options)


async def _producer(client: Connection, where: str, version: int = 1) -> str:
    usual = {"connection_id": ID, "producer_type": "application", "req_version": version, "username": "root"}
    return await _ask(client, PRODUCER_CREATION, name="p", station_name=where, **usual)


async def _consumer(client: Connection, where: str, version: int = 1, **options: Any) -> str:
    usual = {"name": "c", "connection_id": ID, "consumer_type": "application", "req_version": version}
    usual |= {"consumers_group": "g", "max_ack_time_ms": 7000, "max_msg_deliveries": 3, "username": "root"}
    usual |= {"start_consume_from_sequence": 1, "last_messages": -1}
    return await _ask(client, CONSUMER_CREATION, station_name=where, **{**usual, **options})


async def _config(client: Connection, stream: str = "a$1") -> dict[str, Any]:
    return dict((await client.api(f"STREAM.INFO.{stream}"))["config"])


def _form(config: dict[str, Any]) -> tuple[Any, Any]:
    return config["subjects"], config.get("subject_transform")


def test_a_station_that_names_no_partitions_has_one_which_takes_what_both_generations_publish(access: Access):
    async def main() -> None:
        async with _client(access) as client:
            assert await _station(client, "a") == ""
            assert await _station(client, "a") == ""
            assert _form(await _config(client)) == WIDE
            for subject in ("a.final", "a$1.final"):
                await client.jetstream().publish(subject, subject.encode())
            stored = [await client.jetstream().get_msg("a$1", n) for n in (1, 2)]
            assert [(m.subject, m.data) for m in stored] == [("a$1.final", b"a.final"), ("a$1.final", b"a$1.final")]
            assert await _ask(client, STATION_DESTRUCTION, station_name="a", username="root") == ""
            assert await station.look(client, "a$1") is None

    asyncio.run(main())


def test_a_consumer_of_version_1_is_answered_with_nothing_and_one_of_version_2_in_json(access: Access):
    async def main() -> None:
        async with _client(access) as client:
            await _station(client, "a", partitions_number=1)
            assert _form(await _config(client)) == (["a$1.>"], None)
            assert json.loads(await _consumer(client, "a", version=2))["partitions_update"] == {"partitions_list": [1]}
            assert _form(await _config(client)) == (["a$1.>"], None)
            assert await _consumer(client, "a") == ""
            assert _form(await _config(client)) == WIDE
            durable = (await client.api("CONSUMER.INFO.a$1.g"))["config"]
            assert (durable["filter_subject"], durable["ack_wait"]) == ("a$1.final", 7_000_000_000)
            assert json.loads(await _consumer(client, "a", version=4))["error"] == ""

    asyncio.run(main())


@pytest.mark.parametrize("ask", [_producer, _consumer])
def test_a_producer_or_a_consumer_makes_the_station_that_it_misses_in_that_form(access: Access, ask: Any):
    async def main() -> None:
        async with _client(access) as client:
            assert UPGRADE not in await ask(client, "a")
            assert _form(await _config(client)) == WIDE
            assert json.loads(await _producer(client, "a"))["schema_update"]["schema_name"] == ""

    asyncio.run(main())


def test_names_with_dots_are_those_that_the_sdk_publishes_to(access: Access):
    async def main() -> None:
        async with _client(access) as client:
            assert await _station(client, "A.b") == ""
            await client.jetstream().publish("a#b.final", b"x")
            assert (await client.jetstream().get_msg("a#b$1", 1)).subject == "a#b$1.final"

    asyncio.run(main())


def test_a_station_of_several_partitions_is_refused_to_programs_that_know_none(access: Access):
    async def main() -> None:
        async with _client(access) as client:
            await _station(client, "a", partitions_number=3)
            assert await _station(client, "a") == ""  # it is there
            assert json.loads(await _producer(client, "a"))["error"] == f"to produce to this station {UPGRADE}"
            assert await _consumer(client, "a") == f"to consume from this station {UPGRADE}"
            assert _form(await _config(client)) == (["a$1.>"], None)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"name": "mine", "subjects": ["a.>"]}, "stream mine is in the way: it takes a.final"),
        (
            {"name": "a$1", "subjects": ["a$1.>"], "subject_transform": {"src": "a$1.x", "dest": "a$1.y"}},
            "stream a$1 is in the way: it has a subject_transform of its own",
        ),
    ],
)
def test_a_stream_that_is_in_the_way_is_named_and_left_as_it_is(access: Access, config: dict[str, Any], told: str):
    async def main() -> None:
        async with _client(access) as client:
            await station.make(client, config)
            before = await _config(client, config["name"])
            assert await _consumer(client, "a") == told
            assert json.loads(await _producer(client, "a"))["error"] == told
            assert await _config(client, config["name"]) == before

    asyncio.run(main())


def test_many_at_once_widen_a_station_once(access: Access):
    async def main() -> None:
        said: list[str] = []
        async with _client(access, said.append) as client:
            await asyncio.gather(*(_consumer(client, "a", name=f"c{n}", consumers_group=f"g{n}") for n in range(20)))
        assert sum("takes what SDKs of before 1.1 publish" in line for line in said) == 1

    asyncio.run(main())


@pytest.mark.parametrize("asked", [True, False])
def test_a_durable_that_such_an_sdk_makes_itself_is_made_anew_with_the_groups_settings(access: Access, asked: bool):
    async def main() -> None:
        async with _client(access) as client:
            await _consumer(client, "a", **({} if asked else {"consumers_group": "another"}))
            for n in range(5):
                await client.jetstream().publish("a.final", b"%d" % n)
            if asked:
                await client.api("CONSUMER.DELETE.a$1.g")  # under its reader, which makes another without a word
            own = {"durable_name": "g", "ack_policy": "explicit", "filter_subject": "a.final", "deliver_policy": "all"}
            await client.api("CONSUMER.DURABLE.CREATE.a$1.g", {"stream_name": "a$1", "config": own})

            async def mended() -> bool:
                try:
                    config = (await client.api("CONSUMER.INFO.a$1.g"))["config"]
                except ApiError:
                    return False
                return bool(config["filter_subject"] == "a$1.final")

            await until(mended)
            config = (await client.api("CONSUMER.INFO.a$1.g"))["config"]
            assert (config["ack_wait"], config["max_deliver"]) == (
                (7_000_000_000, 3) if asked else (30_000_000_000, 10)
            )
            assert config["max_ack_pending"] == -1
            reader = await client.jetstream().pull_subscribe_bind("g", "a$1")
            assert [m.data for m in await reader.fetch(5)] == [b"0", b"1", b"2", b"3", b"4"]
            destroyed = {"name": "c" if asked else "g", "station_name": "a", "req_version": 1}
            assert await _ask(client, CONSUMER_DESTRUCTION, **destroyed, connection_id=ID if asked else "") == ""

    asyncio.run(main())


def test_consumers_of_others_are_left_alone(access: Access):
    """Pushed to, ephemeral, or with another filter."""

    async def main() -> None:
        async with _client(access) as client:
            await _station(client, "a")
            for name, further in (("pushed", {"deliver_subject": "x", "filter_subject": "a.final"}), ("own", {})):
                config = {"durable_name": name, "ack_policy": "explicit", "filter_subject": "a$1.final", **further}
                await client.api(f"CONSUMER.DURABLE.CREATE.a$1.{name}", {"stream_name": "a$1", "config": config})
            before = [(await client.api(f"CONSUMER.INFO.a$1.{name}"))["created"] for name in ("pushed", "own")]
            await _consumer(client, "a")  # what was asked before it is done by then
            after = [(await client.api(f"CONSUMER.INFO.a$1.{name}"))["created"] for name in ("pushed", "own")]
            assert after == before

    asyncio.run(main())


@pytest.mark.parametrize("mode", [Mode.BATCH, Mode.NONBLOCKING])
def test_a_station_is_widened_in_the_middle_of_a_load_which_ends_whole(sample: Dataset, access: Access, mode: Mode):
    async def main() -> None:
        async with _client(access) as client:
            asking: list[asyncio.Task[str]] = []

            def progress(p: Progress) -> None:
                if not asking and p.stored > 1_000:
                    asking.append(asyncio.get_running_loop().create_task(_consumer(client, TWEETS.station)))

            await load(sample, access, PUBLIC, PublishOptions(200), mode=mode, progress=progress)
            assert await asking[0] == ""
            found = await station.look(client, stream_name(TWEETS.station))
            assert found is not None
            assert found.wide
            await assert_whole(sample, access)
            assert (await load(sample, access, PUBLIC, PublishOptions())).sent == 0

    asyncio.run(main())


def test_recreate_keeps_the_form_that_it_finds_but_not_for_several_partitions(sample: Dataset, access: Access):
    async def main() -> None:
        stream = stream_name(TWEETS.station)

        async def wide(client: Connection) -> bool:
            found = await station.look(client, stream)
            assert found is not None
            return found.wide

        async with _client(access) as client:
            await load(sample, access, [TWEETS], PublishOptions())
            assert not await wide(client)
            await _producer(client, TWEETS.station)
            for _ in range(2):
                await load(sample, access, [TWEETS], PublishOptions(), recreate=True)
                assert await wide(client)
            await load(sample, access, PUBLIC, PublishOptions())
            await assert_whole(sample, access)
            await load(sample, access, [TWEETS], PublishOptions(), recreate=True, partitions=2)
            assert not await wide(client)

    asyncio.run(main())


def test_through_memphis_too_recreate_keeps_the_form(sample: Dataset, access: Access):
    host = access.servers[0].partition("://")[2]
    with answered(access):
        for words in ((), ("--recreate",)):
            done = zakar("load", str(sample.root), "--server", f"memphis://root:x@{host}", "--tables", "tweets", *words)
            assert done.returncode == 0, done.stderr

            async def main(words: tuple[str, ...] = words) -> bool:
                async with connected(access, f"{ID}::root") as client:
                    found = await station.look(client, stream_name(TWEETS.station))
                    if not words:
                        assert await _consumer(client, TWEETS.station) == ""
                    return found is not None and found.wide

            assert asyncio.run(main()) == bool(words)


def test_a_responder_that_comes_later_finds_a_widened_station_laid_out_as_one(access: Access):
    async def main() -> None:
        async with _client(access) as client:
            await _station(client, "a")
        async with _client(access) as client:
            assert json.loads(await _producer(client, "a", version=4))["error"] == ""
            assert json.loads(await _consumer(client, "a", version=4))["error"] == ""

    asyncio.run(main())
