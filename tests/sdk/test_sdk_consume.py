"""What the Memphis SDK for Python consumes, how it shares that, what comes again."""

import asyncio
from collections import Counter
from itertools import chain

import pytest
import stock
from nats.js.api import AckPolicy, DeliverPolicy

pytestmark = pytest.mark.slow

MESSAGES = 6_500


@pytest.fixture(scope="module")
def filled(broker) -> str:
    """A station with numbers as its messages."""

    async def fill() -> None:
        async with stock.jetstream(broker.access) as context:
            await context.add_stream(name="filled$1", subjects=["filled$1.>"])
            for n in range(MESSAGES):
                await context.publish_async("filled$1.final", str(n).encode())
            await context.publish_async_completed()

    asyncio.run(fill())
    return "filled"


def test_a_fetch_returns_as_many_as_it_asks_for_from_1_to_5000_in_order(sdk, filled):
    sizes = [1, 10, 900, 5000]
    batches = sdk("fetch", station=filled, consumer="sizes", sizes=[*sizes, 900])
    assert [len(batch) for batch in batches] == [*sizes, MESSAGES - sum(sizes)]
    assert [message["data"] for batch in batches for message in batch] == [str(n) for n in range(MESSAGES)]


def test_nobody_who_acknowledges_nothing_is_stalled(sdk, filled):
    batches = sdk("fetch", station=filled, consumer="silent", sizes=[5000, 1500], ack=False)
    assert [len(batch) for batch in batches] == [5000, 1500]


def test_what_is_acknowledged_does_not_come_again(sdk, broker):
    sdk("produce", station="acked", messages=[{"message": str(n)} for n in range(20)])
    batches, seconds = sdk("exhaust", station="acked", consumer="acking", size=10, max_ack_time_ms=1000)
    assert [message["data"] for batch in batches for message in batch] == [str(n) for n in range(20)]
    assert seconds > 3  # the empty fetch, in which they would have come


def test_what_is_not_acknowledged_comes_once_more_and_never_a_third_time(sdk, broker):
    sdk("produce", station="unacked", messages=[{"message": str(n)} for n in range(20)])
    batches, seconds = sdk("exhaust", station="unacked", consumer="silent", size=10, ack=False, max_ack_time_ms=1000)
    counts = Counter(message["data"] for batch in batches for message in batch)
    assert counts == {str(n): 2 for n in range(20)}
    assert seconds > 3


def test_what_is_refused_comes_at_once_and_what_is_put_off_comes_later(sdk, broker):
    sdk("produce", station="refused", messages=[{"message": "a"}, {"message": "b"}])
    assert sdk("nack", station="refused", consumer="refusing") == [1, 2]


def test_members_of_a_group_share_and_go_on_when_one_leaves(sdk, filled):
    batches = sdk("share", station=filled)
    assert list(chain.from_iterable(batches)) == list(range(1, 121))


def test_each_group_gets_everything_and_a_group_that_returns_goes_on_where_it_stopped(sdk, filled):
    for group, sizes, first in (("a", [100], 0), ("b", [100], 0), ("a", [100, 50], 100), ("b", [10], 100)):
        batches = sdk("fetch", station=filled, consumer=f"of-{group}", consumer_group=group, sizes=sizes)
        numbers = [int(message["data"]) for batch in batches for message in batch]
        assert numbers == list(range(first, first + sum(sizes)))


def test_a_group_that_was_destroyed_begins_anew(sdk, filled):
    for _ in range(2):
        [batch] = sdk("fetch", station=filled, consumer="repeated", sizes=[10], destroy=True)
        assert [message["data"] for message in batch] == [str(n) for n in range(10)]


def test_a_consumer_begins_where_it_asks_to(sdk, filled):
    [batch] = sdk("fetch", station=filled, consumer="from", sizes=[10], start_consume_from_sequence=6_001)
    assert [message["sequence"] for message in batch] == list(range(6_001, 6_011))
    [batch] = sdk("fetch", station=filled, consumer="last", sizes=[10], last_messages=5)
    assert [message["sequence"] for message in batch] == list(range(MESSAGES - 4, MESSAGES + 1))


def test_the_durable_has_exactly_the_limits_that_the_sdk_asks_for(sdk, broker, filled):
    sdk("fetch", station=filled, consumer="Limited.One", consumer_group="Limited.Group", sizes=[1])
    config = stock.consumers(broker.access, "filled$1")["limited#group"]
    assert (config.ack_policy, config.ack_wait, config.max_deliver) == (AckPolicy.EXPLICIT, 30.0, 2)
    assert (config.max_ack_pending, config.filter_subject) == (-1, "filled$1.final")
    assert (config.deliver_policy, config.inactive_threshold) == (DeliverPolicy.ALL, None)


def test_partitions_are_read_by_number_and_in_turn(sdk, broker):
    sdk("station", name="parts", partitions_number=3)
    sdk("produce", station="parts", messages=[{"message": str(n)} for n in range(9)])
    batches = sdk("fetch", station="parts", consumer="by-turn", sizes=[10, 10, 10])
    assert [[message["data"] for message in batch] for batch in batches] == [[*"036"], [*"147"], [*"258"]]
    [batch] = sdk("fetch", station="parts", consumer="by-number", sizes=[10], partition=2)
    assert [message["data"] for message in batch] == [*"147"]
