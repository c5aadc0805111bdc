"""The lab's later lessons at a real broker: what is sure by physics and by counting, never how fast this machine is."""

import time
from collections.abc import Iterator
from functools import partial

import pytest

from zakar.broker.station import stream_name
from zakar.lab import bench as benches
from zakar.lab import own, preset, pull, samples, steady, theory
from zakar.lab.bench import Bench
from zakar.lab.lessons import wire
from zakar.lab.pull import Acks
from zakar.lab.steady import Pacing

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with benches.opened(None, 0, lambda _: None, quick=True) as opened:
        yield opened


@pytest.fixture
def filled(bench: Bench) -> Iterator[str]:
    """A station of 5,000 messages and those that went before, as a warm-up."""
    with bench.station() as place:
        bench.call(own.produce, bench.url, stream_name(place), 5_000, 100, 1, batch=True)
        yield place


@pytest.mark.parametrize(
    ("partitions", "work", "processes", "producers"),
    [
        (1, steady.by_sdk, 2, 2),
        (2, steady.by_sdk, 2, 2),
        (2, partial(steady.by_sdk, producers=3), 1, 3),
        (2, partial(steady.by_own, partitions=2), 1, None),
    ],
    ids=["one partition", "two partitions", "one object", "zakar"],
)
def test_a_broker_received_all_that_was_sent_evenly_and_no_more_than_the_link_takes(
    bench: Bench, partitions: int, work: steady.Producing, processes: int, producers: int | None
):
    home = preset.read("home")
    found = steady.received(bench, bench.crew, home, partitions, work, processes, Pacing(2, 0.5, 0.3))
    assert sum(found.stored) == found.sent > 0
    assert len(found.stored) == partitions
    if producers:
        assert max(found.stored) - min(found.stored) <= producers
        # What waits in the link's queue at the beginning of an interval may arrive in it too.
        queued = home.settings.up.queue / steady.frame("lab-0") / 0.5
        assert all(rate <= steady.capacity(home) + queued for rate in found.rates)
    assert found.producer_cores > 0


def test_a_message_of_the_sdk_is_as_long_on_the_wire_as_theory_has_it(bench: Bench):
    payload = b"x" * steady.SIZE
    found = wire._counted(bench, "payloads", wire.SDK, [payload])
    assert found.payload == steady.SIZE
    assert abs(found.up - steady.frame("lab-0")) <= 2  # a station's number has more digits


def test_bytes_shrink_from_way_to_way_and_the_link_carries_no_more_than_its_rate(bench: Bench):
    slow, readings = preset.read("slow-dsl"), samples.messages()["readings"]
    wires = [wire._counted(bench, "readings", way, readings) for way in wire.WAYS]
    sizes = [found.up for found in wires]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] < wires[-1].payload < sizes[-2]
    sent = wire._sent(bench, slow, wires[2], readings)
    assert all(rate <= theory.link_rate(slow.settings.up.rate, sent.bytes) for rate in sent.rates)


@pytest.mark.parametrize("acks", Acks)
def test_fetches_bring_different_messages_and_no_more_than_so_many_a_round_trip(bench: Bench, filled: str, acks: Acks):
    home = preset.read("home")
    size = 5 if acks is Acks.AWAITED else 100
    with bench.across(home) as url:
        found = bench.call(pull.fetch, url, stream_name(filled), size, 3 * size, 2, acks)
    trip = home.settings.round_trip
    assert all(got.messages == got.different == 3 * size for got in found)
    assert all(got.rate <= theory.windowed(1 if acks is Acks.AWAITED else size, trip, 1e9, 1e9) for got in found)
    assert all((got.ack_bytes > 0) == (acks is not Acks.NONE) for got in found)


def test_consumers_of_one_durable_share_its_messages(bench: Bench, filled: str):
    found = bench.call(pull.fetch, bench.url, stream_name(filled), 10, 1_000, 3, Acks.EACH, 4)
    assert [(got.messages, got.different) for got in found] == [(1_000, 1_000)] * 3


def test_the_sdk_and_a_reader_in_order_get_what_they_ask_for(bench: Bench, filled: str):
    by_sdk = bench.call(pull.by_sdk, bench.url, filled, 7, 100, 2)
    assert [(got.messages, got.different) for got in by_sdk] == [(100, 100)] * 2
    assert [got.messages for got in bench.call(pull.read, bench.url, stream_name(filled), 4_000, 2)] == [4_000] * 2


def test_a_broker_says_how_busy_it_is(bench: Bench):
    assert 0 <= bench.server_cores() < 64


def test_processes_of_a_lesson_that_fails_are_gone():
    found = []

    def fail() -> None:
        with benches.crewed(2) as crew:
            crew.submit(time.sleep, 60)
            found.extend(crew._processes.values())
            raise RuntimeError("a lesson")

    with pytest.raises(RuntimeError, match="a lesson"):
        fail()
    for process in found:
        process.join(10)
    assert [process.is_alive() for process in found] == [False, False]
