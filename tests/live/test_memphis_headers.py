"""Stations loaded over plain NATS look to Memphis's SDKs as its own do, wherever somebody answers those."""

import asyncio
import re
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from frame_proxy import frame_proxied
from helpers import assert_whole, examine, load, publisher, until, zakar
from memphis_broker import answered, memphis_broker, plain

from zakar.broker import station
from zakar.broker.access import Access
from zakar.broker.memphis.responder import responding
from zakar.broker.server import ServerSettings, running
from zakar.broker.station import stream_name
from zakar.dataset.schema import ALERTS, PUBLIC, READINGS, TWEETS
from zakar.dataset.store import Dataset
from zakar.loader import plan
from zakar.loader.load import Progress
from zakar.loader.options import Mode, PublishOptions
from zakar.loader.verify import verify

EXPECTED = "Nats-Expected-Last-Sequence"
PRODUCED_BY, CONNECTION_ID = "$memphis_producedBy", "$memphis_connectionId"
STREAMS = [stream_name(table.station) for table in PUBLIC]


@pytest.fixture
def there() -> Iterator[Access]:
    """A server beside which SDKs are answered, by its address as a NATS server."""
    with memphis_broker() as where:
        yield plain(where)


@pytest.fixture
def alone() -> Iterator[Access]:
    """A server that answers no SDK."""
    with running(ServerSettings()) as server:
        yield Access((server.url,))


async def _headers(access: Access, stream: str) -> list[dict[str, str] | None]:
    """The headers of every message of a stream."""
    async with publisher(access) as connection:
        state = await station.look(connection, stream)
    assert state is not None
    return list(await _headers_at(access, stream, range(1, state.last + 1)))


async def _headers_at(access: Access, stream: str, numbers: Iterable[int]) -> list[Any]:
    """The headers of some messages of a stream."""
    async with publisher(access) as connection:
        context = connection.jetstream()
        return [(await context.get_msg(stream, number)).headers for number in numbers]


async def _some(dataset: Dataset, access: Access, messages: int, **options: Any) -> None:
    """A load of tweets that is stopped once it has stored so many messages."""
    stop = asyncio.Event()

    def progress(p: Progress) -> None:
        if p.stored >= messages:
            stop.set()

    await load(dataset, access, [TWEETS], PublishOptions(200), stop=stop, progress=progress, **options)


def _named(headers: dict[str, str] | None) -> bool:
    return {PRODUCED_BY, CONNECTION_ID} <= set(headers or {})


@pytest.mark.parametrize(("mode", "expects"), [("auto", 0), ("batch", 0), ("nonblocking", 67), ("blocking", 67)])
def test_every_message_has_the_two_headers_that_memphis_sets_in_every_mode(
    sample: Dataset, there: Access, mode: str, expects: int
):
    async def main() -> None:
        await load(sample, there, [ALERTS], PublishOptions(), mode=Mode(mode))
        headers = [h or {} for h in await _headers(there, stream_name(ALERTS.station))]
        assert len(headers) == 67
        assert {h[PRODUCED_BY] for h in headers} == {"zakar"}
        assert len({h[CONNECTION_ID] for h in headers}) == 1
        assert sum(EXPECTED in h for h in headers) == expects
        assert {name for h in headers for name in h} - {EXPECTED} == {PRODUCED_BY, CONNECTION_ID}

    asyncio.run(main())


@pytest.mark.slow
def test_with_headers_a_load_is_as_whole_and_as_fast_a_batch_as_without(sample: Dataset, there: Access):
    async def main() -> None:
        report = await load(sample, there, PUBLIC, PublishOptions())
        assert (report.mode, report.mode_reason, report.sent) == ("batch", "", sample.manifest.records)
        await assert_whole(sample, there)
        firsts = [(await _headers(there, stream))[0] for stream in STREAMS]
        assert [set(h or {}) for h in firsts] == [{PRODUCED_BY, CONNECTION_ID}] * 3

    asyncio.run(main())


def test_several_connections_set_them_in_every_partition(sample: Dataset, there: Access):
    async def main() -> None:
        report = await load(sample, there, [ALERTS], PublishOptions(), partitions=3, connections=2)
        assert report.mode == "batch"
        for number in (1, 2, 3):
            assert all(map(_named, await _headers(there, stream_name(ALERTS.station, number))))

    asyncio.run(main())


@pytest.mark.slow
def test_where_nobody_answers_sdks_no_message_has_any_header(sample: Dataset, alone: Access):
    async def main() -> None:
        report = await load(sample, alone, PUBLIC, PublishOptions())
        assert report.mode == "batch"
        assert [h for stream in STREAMS for h in await _headers(alone, stream) if h] == []

    asyncio.run(main())


@pytest.mark.parametrize("first", ["nobody", "responder"])
def test_a_load_that_begins_without_a_responder_is_gone_on_with_beside_one_and_the_other_way_round(
    sample: Dataset, alone: Access, first: str
):
    async def main() -> None:
        stream = stream_name(TWEETS.station)
        if first == "responder":
            async with responding(alone):
                await _some(sample, alone, 1_000)
        else:
            await _some(sample, alone, 1_000)
        async with publisher(alone) as connection:
            begun = await station.look(connection, stream)
        assert begun is not None
        assert 1_000 <= begun.last < sample.manifest.tables[TWEETS.name].rows
        if first == "responder":
            await load(sample, alone, PUBLIC, PublishOptions())
        else:
            async with responding(alone):
                await load(sample, alone, PUBLIC, PublishOptions())
        await assert_whole(sample, alone)
        headers = await _headers(alone, stream)
        assert all(_named(h) == (first == "responder") for h in headers[: begun.last])
        assert all(_named(h) == (first == "nobody") for h in headers[begun.last :])

    asyncio.run(main())


@pytest.mark.slow
def test_a_stream_of_the_size_for_no_headers_is_given_more_and_one_of_a_users_size_is_left_as_it_is(
    sample: Dataset, alone: Access
):
    async def main() -> None:
        await _some(sample, alone, 500)
        manifest, rows = sample.manifest, sample.manifest.tables[TWEETS.name].rows
        stream = stream_name(TWEETS.station)
        async with publisher(alone) as connection, responding(alone):
            begun = await station.look(connection, stream)
            await load(sample, alone, [TWEETS], PublishOptions())
            whole = await station.look(connection, stream)
            assert begun is not None
            assert whole is not None
            lines = (await examine(alone)).offer.header_bytes
            assert begun.max_bytes == plan.target(manifest, TWEETS).max_bytes
            assert whole.max_bytes == plan.target(manifest, TWEETS, header_bytes=lines).max_bytes
            assert whole.last == rows

            await station.delete(connection, stream)
            own = begun.max_bytes + 12_345
            await station.create(connection, stream, {}, own)
            await load(sample, alone, [TWEETS], PublishOptions())
            left = await station.look(connection, stream)
            assert left is not None
            assert (left.max_bytes, left.last) == (own, rows)
        assert not any(map(_named, await _headers(alone, stream)))

    asyncio.run(main())


def test_doctor_and_a_responder_that_comes_later_name_the_stations_without_headers(sample: Dataset, alone: Access):
    async def main() -> None:
        said: list[str] = []
        assert (await examine(alone)).offer.header_bytes == 0
        await load(sample, alone, [ALERTS, READINGS], PublishOptions())

        async def told() -> bool:
            return len(said) == 2

        async with responding(alone, said.append):
            await until(told)
            await load(sample, alone, [TWEETS], PublishOptions())
            found = await examine(alone, sample)
        assert sorted(re.findall(r"station stream (\S+): its messages lack", "\n".join(said))) == sorted(
            stream_name(table.station) for table in (ALERTS, READINGS)
        )
        assert set(found.bare) == {stream_name(table.station) for table in (ALERTS, READINGS)}
        assert found.offer.header_bytes > 50

    asyncio.run(main())


@pytest.mark.slow
def test_doctor_prints_what_is_served_and_the_fix(sample: Dataset, alone: Access):
    url = alone.servers[0]
    assert zakar("load", str(sample.root), "--server", url, "--tables", "fire_alerts").returncode == 0
    said = zakar("doctor", str(sample.root), "--server", url).stdout
    assert re.search(r"^Memphis SDKs +not served here", said, re.M)
    with answered(alone):
        said = zakar("doctor", str(sample.root), "--server", url).stdout
    assert re.search(
        r"^Memphis SDKs +served here; each message carries the headers that they read, \d+ bytes", said, re.M
    )
    assert re.search(r"^missing: the messages of station stream `zakar-fire-alerts\$1` lack .* --recreate$", said, re.M)


@pytest.mark.slow
def test_whoever_hears_everything_and_says_nothing_is_no_responder(sample: Dataset, alone: Access):
    async def main() -> None:
        async with publisher(alone) as connection:
            await connection.subscribe(">")
            await connection.flush()
            await load(sample, alone, [ALERTS], PublishOptions())
        assert not any(map(_named, await _headers(alone, stream_name(ALERTS.station))))

    asyncio.run(main())


def test_a_stream_that_keeps_what_sdks_ask_gets_nothing_of_ours(sample: Dataset, alone: Access):
    async def main() -> None:
        async with publisher(alone) as connection:
            await station.make(connection, {"name": "asked", "subjects": ["*"], "storage": "memory"})
            await load(sample, alone, [ALERTS], PublishOptions())
            await examine(alone)
            asked = await station.look(connection, "asked")
        assert asked is not None
        assert asked.messages == 0

    asyncio.run(main())


def test_the_first_message_of_a_loader_that_was_killed_comes_late_and_is_not_stored(sample: Dataset, there: Access):
    """It says nothing of what it follows, so that only a stream without fast ingest refuses it."""

    async def main() -> None:
        stream = stream_name(TWEETS.station)
        late = b"PUB %s _INBOX.late.b.500.fail.1.0.$FI 4\r\nlate\r\n" % station.subject(stream).encode()
        metadata = {**plan.target(sample.manifest, TWEETS).metadata, station.OWNER: "killed"}
        async with publisher(there) as connection:
            await station.create(connection, stream, metadata, 1 << 26)  # as the killed loader left it
            sent = False

            def progress(p: Progress) -> None:
                nonlocal sent
                if not sent and p.stored > 1_000:
                    sent = True
                    asyncio.get_running_loop().create_task(connection.send(memoryview(late)))

            await load(sample, there, PUBLIC, PublishOptions(200), progress=progress)
            assert sent
        await assert_whole(sample, there)

    asyncio.run(main())


@pytest.mark.slow
def test_a_station_that_a_killed_loader_has_made_is_filled_by_fast_ingest_once_nothing_of_it_can_come(
    large: Dataset, there: Access
):
    async def main() -> None:
        stream = stream_name(READINGS.station)
        late = b"PUB %s _INBOX.late.b.500.fail.1.0.$FI 4\r\nlate\r\n" % station.subject(stream).encode()
        target = plan.target(large.manifest, READINGS)
        async with publisher(there) as connection:
            await station.create(connection, stream, {**target.metadata, station.OWNER: "killed"}, 1 << 28)
            sent = []

            def progress(p: Progress) -> None:
                if len(sent) < p.stored // 30_000 and p.stored < plan.late_until(0) - 10_000:
                    sent.append(asyncio.get_running_loop().create_task(connection.send(memoryview(late))))

            report = await load(large, there, [READINGS], PublishOptions(1_000), progress=progress)
            found = await station.look(connection, stream)
        assert len(sent) > 1
        assert (report.mode, report.retries, report.sent) == ("batch", 0, target.records)
        assert found is not None
        assert (found.batched, found.last) == (True, target.records)
        headers = await _headers_at(there, stream, [1, plan.late_until(0), plan.late_until(0) + 2, target.records])
        assert [EXPECTED in h for h in headers] == [True, True, False, False]
        compared = await verify(large, there, [READINGS])
        assert compared[READINGS.station].ok

    asyncio.run(main())


def test_a_first_message_that_is_held_up_on_its_way_is_stored_once(sample: Dataset, there: Access):
    """It arrives only once another has taken its place."""

    async def main() -> None:
        stream = stream_name(TWEETS.station)
        held: list[bytes] = []

        def first(frame: bytes) -> bool:
            if b".1.0.$FI" in frame and not held:
                held.append(frame)
                return True
            return False

        async with publisher(there) as connection, frame_proxied(there.servers[0]) as proxy:
            proxy.up.lose = first
            way = Access((proxy.url,), there.user, there.password)
            arrived = False

            def progress(p: Progress) -> None:
                nonlocal arrived
                if held and not arrived and p.stored > 1_000:
                    arrived = True
                    asyncio.get_running_loop().create_task(connection.send(memoryview(held[0])))

            await load(sample, way, [TWEETS], PublishOptions(200), progress=progress)
            await load(sample, there, PUBLIC, PublishOptions())
            found = await station.look(connection, stream)
        assert held
        assert EXPECTED.encode() not in held[0]
        assert arrived
        assert found is not None
        assert found.last == sample.manifest.tables[TWEETS.name].rows
        await assert_whole(sample, there)

    asyncio.run(main())
