import asyncio

import pytest
from helpers import compared, load, proxied, publisher

from zakar.broker import reader, station
from zakar.broker.access import Access
from zakar.broker.server import ServerSettings, running
from zakar.dataset import store, wire
from zakar.dataset.schema import ALERTS, PUBLIC, TWEETS
from zakar.dataset.store import Dataset
from zakar.errors import ServerError
from zakar.loader.options import PublishOptions
from zakar.loader.verify import Comparison, verify


def _alerts(dataset: Dataset) -> list[bytes]:
    return [row for batch in store.batches(dataset, ALERTS) for row in wire.encode(batch).to_pylist()]


def _verify_alerts(dataset: Dataset, access: Access, payloads: list[bytes]) -> Comparison:
    """Compare a station of alerts that holds ``payloads``; the others are missing altogether."""

    async def main() -> Comparison:
        async with publisher(access) as connection:
            stream = station.stream_name(ALERTS.station)
            await station.create(connection, stream, {}, -1)
            for payload in payloads:
                await connection.jetstream().publish(station.subject(stream), payload)
        return (await compared(dataset, access))[ALERTS.station]

    return asyncio.run(main())


def test_a_whole_station_is_ok(sample: Dataset, access: Access):
    rows = _alerts(sample)
    found = _verify_alerts(sample, access, rows)
    assert found == Comparison(len(rows), len(rows))
    assert found.ok


def test_a_missing_message_is_found(sample: Dataset, access: Access):
    rows = _alerts(sample)
    found = _verify_alerts(sample, access, rows[:20] + rows[21:])
    assert (found.missing, found.duplicates, found.out_of_order, found.different) == (1, 0, 0, 0)


def test_everything_uploaded_twice_is_found(sample: Dataset, access: Access):
    rows = _alerts(sample)
    found = _verify_alerts(sample, access, rows + rows)
    assert (found.missing, found.duplicates, found.out_of_order, found.different) == (0, len(rows), 0, 0)


def test_two_messages_in_the_wrong_order_are_found(sample: Dataset, access: Access):
    rows = _alerts(sample)
    rows[5], rows[6] = rows[6], rows[5]
    found = _verify_alerts(sample, access, rows)
    assert (found.missing, found.duplicates, found.out_of_order, found.different) == (0, 0, 1, 0)


def test_a_message_that_is_none_of_the_tables_is_found(sample: Dataset, access: Access):
    found = _verify_alerts(sample, access, [*_alerts(sample), b"a test message"])
    assert (found.missing, found.duplicates, found.out_of_order, found.different) == (0, 0, 0, 1)


def test_stations_that_are_not_there_miss_everything(sample: Dataset, access: Access):
    for comparison in asyncio.run(compared(sample, access)).values():
        assert comparison.missing == comparison.expected > 0
        assert comparison.stored == 0


def test_another_datasets_stations_are_told_apart(sample: Dataset, other: Dataset, access: Access):
    asyncio.run(load(other, access, PUBLIC, PublishOptions()))
    assert not any(comparison.ok for comparison in asyncio.run(compared(sample, access)).values())


@pytest.mark.parametrize("deed", ["delete", pytest.param("purge", marks=pytest.mark.slow)])
def test_a_stream_that_goes_while_it_is_read_holds_nobody(large: Dataset, access: Access, deed: str):
    async def main() -> list[int]:
        await load(large, access, [TWEETS], PublishOptions())
        stream = station.stream_name(TWEETS.station)
        read = []
        async with publisher(access) as connection, publisher(access) as other:
            async for payloads in reader.read(connection, stream):
                if not read:
                    jetstream = other.jetstream()
                    await (jetstream.delete_stream(stream) if deed == "delete" else jetstream.purge_stream(stream))
                read.append(len(payloads))
        return read

    if deed == "delete":
        with pytest.raises(ServerError, match="is gone"):
            asyncio.run(main())
    else:
        assert sum(asyncio.run(main())) < large.manifest.tables["tweets"].rows


def test_a_connection_cut_while_reading_back_misses_nothing(sample: Dataset, access: Access):
    async def main() -> None:
        await load(sample, access, PUBLIC, PublishOptions())
        async with proxied(access.servers[0]) as proxy:
            cuts = 0

            def progress(_station: str, _messages: int) -> None:
                nonlocal cuts
                if cuts < 3:
                    cuts += 1
                    proxy.cut()

            found = await verify(sample, Access(servers=(proxy.url,)), PUBLIC, progress)
            assert cuts == 3
            assert all(comparison.ok for comparison in found.values()), found

    asyncio.run(main())


def test_a_user_who_may_not_pull_is_told_so(sample: Dataset):
    users = """
    accounts { team {
        jetstream: enabled
        users: [
            {user: boss, password: pw}
            {user: ana, password: pw, permissions: {publish: {deny: "$JS.API.CONSUMER.MSG.NEXT.>"}}}
        ]
    } }
    """
    with running(ServerSettings(extra=users)) as server:
        boss, ana = (Access(servers=(server.url,), user=user, password="pw") for user in ("boss", "ana"))
        asyncio.run(load(sample, boss, PUBLIC, PublishOptions()))
        with pytest.raises(ServerError, match=r"(?i)permissions violation for publish to .*MSG\.NEXT"):
            asyncio.run(verify(sample, ana, PUBLIC))
