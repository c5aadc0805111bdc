"""What a load needs of an account, of storage and of time."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from making import simulated, tiny

from zakar.broker import account
from zakar.broker.access import Access
from zakar.broker.account import Account
from zakar.broker.connection import Connection
from zakar.broker.memphis import protocol
from zakar.broker.station import Stream
from zakar.dataset import days as day_by_day
from zakar.dataset import store, wire
from zakar.dataset.schema import ALERTS, PREDICTIONS, PUBLIC, TWEETS
from zakar.errors import ServerError
from zakar.loader import partition, plan, sizing
from zakar.loader.dialect import AckEach, FastBatch
from zakar.loader.options import LoadOptions, PublishOptions
from zakar.loader.plan import (
    Action,
    LoadPlan,
    Refusal,
    StreamPlan,
    left_over,
    predictions,
    shortages,
    stream_plan,
    surely_short,
)
from zakar.loader.sizing import Days, days_that_fit

TARGET = replace(plan.Target(ALERTS, "a$1", "a$1.final", 10, 999, {}), wire_bytes=800)


def _stream(**changes: Any) -> Stream:
    values = {
        "name": "a$1", "first": 1, "last": 4, "messages": 4, "bytes": 100, "max_bytes": 999, "subjects": ("a$1.>",),
        "metadata": {}, "batched": True,
    }  # fmt: skip
    return Stream(**(values | changes))


def _answer(**changes: Any) -> dict[str, Any]:
    limits = {"max_storage": 1_000, "max_streams": -1, "storage_max_stream_bytes": -1, "max_bytes_required": False}
    return {"storage": 60, "reserved_storage": 300, "streams": 2, "limits": limits} | changes


def _account(**changes: Any) -> Account:
    return replace(account.parse(_answer(), []), **changes)


def test_reserved_bytes_that_an_old_server_tells_as_below_zero_are_none():
    """nats-server 2.11.0 tells 2^64 - 2 for two streams without a size."""
    found = account.parse(_answer(reserved_storage=2**64 - 2), [])
    assert (found.reserved, found.left) == (0, 1_000)
    elsewhere = account.parse(_answer(reserved_storage=2**64 - 1, reserved_memory=7), [], storage="memory")
    assert (elsewhere.reserved, elsewhere.left_elsewhere) == (7, 940)


TABLES = st.integers(1, 30).flatmap(
    lambda days: st.lists(
        st.lists(st.tuples(st.integers(0, 5_000), st.integers(0, 300)), min_size=days, max_size=days).map(
            lambda rows: Days(
                "zakar-tweets$1", np.array([n for n, _ in rows]), np.array([n * size for n, size in rows])
            )
        ),
        min_size=1,
        max_size=3,
    )
)


def _sizes(tables: list[Days], days: int) -> list[int]:
    return [plan.size(int(t.wire_bytes[:days].sum()), int(t.messages[:days].sum()), t.stream) for t in tables]


@given(
    TABLES,
    st.none() | st.integers(0, 40 << 20),
    st.none() | st.integers(0, 20 << 20),
    st.integers(0, 1 << 20),
    st.integers(1, 3),
)
def test_as_many_days_fit_as_can_be_created_and_not_one_more(tables, room, largest, besides, copies):
    def fits(days: int) -> bool:
        sizes = _sizes(tables, days)
        return (room is None or sum(sizes) * copies + besides <= room) and (largest is None or max(sizes) <= largest)

    days, all_days = sizing.whole_days(tables, room, largest, besides, copies), len(tables[0].messages)
    assert days == 0 or fits(days)
    assert days == all_days or not fits(days + 1)


def test_a_dataset_of_the_days_that_fit_fits(tmp_path: Path):
    whole = simulated(tmp_path / "whole", tiny(calendar={"days": 120}))
    days = [Days(f"{table.station}$1", *day_by_day.by_day(whole, table)) for table in PUBLIC]
    room = 5_000_000
    fit = sizing.whole_days(days, room)
    assert 0 < fit < 120
    for number, fits in ((fit, True), (fit + 1, False)):
        shorter = day_by_day.first(whole, number)
        targets = [plan.target(shorter.manifest, table) for table in PUBLIC]
        assert (sum(target.max_bytes for target in targets) <= room) == fits


@pytest.mark.parametrize(("replicas", "partitions"), [(1, 1), (3, 1), (1, 2), (3, 2)])
def test_the_days_that_fit_are_counted_with_replicas_and_partitions(pristine: Path, replicas: int, partitions: int):
    dataset = store.open_dataset(str(pristine))
    team = _account(max_bytes=4_000_000 * replicas * partitions, committed=0, replicas=replicas)
    stations = {PREDICTIONS.station: predictions(None, team, "batch")}
    fit, starts_over = days_that_fit(dataset, LoadPlan(LoadOptions(PUBLIC, partitions=partitions), team, stations))
    assert not starts_over

    def needs(days: int) -> int:
        sizes = [
            plan.size(int(size[:days].sum()), int(messages[:days].sum()), f"{table.station}$1")
            for table in PUBLIC
            for messages, size in partition.by_day(dataset, table, partitions)
        ]
        return sum(sizes) * replicas + replicas

    assert 0 < fit < dataset.manifest.days
    assert needs(fit) <= team.max_bytes < needs(fit + 1)


def test_a_command_for_fewer_days_repeats_what_was_asked_for():
    assert LoadOptions(PUBLIC).words == ""
    words = " --tables tweets,fire_alerts --partitions 4 --replicas 3 --storage memory"
    assert LoadOptions((TWEETS, ALERTS), partitions=4, replicas=3, storage="memory").words == words


def test_days_are_counted_as_they_are_in_the_table(pristine: Path):
    dataset = store.open_dataset(str(pristine))
    for table in PUBLIC:
        rows, size = day_by_day.by_day(dataset, table)
        day = np.minimum(store.read(dataset, table)[table.known].to_numpy(), 49)  # what is told of later comes last
        assert rows.tolist() == [int((day == n).sum()) for n in range(1, 50)]
        assert size.sum() == dataset.manifest.tables[table.name].wire_bytes
        assert size[:7].sum() == sum(
            wire.size(batch) for batch in store.read(dataset, table).filter(pa.array(day <= 7)).to_batches()
        )


@pytest.mark.parametrize(
    ("streams", "committed"),
    [
        ([], 300),
        ([_stream(max_bytes=300, bytes=60)], 300),
        ([_stream(max_bytes=300, bytes=10), _stream(max_bytes=-1, bytes=50)], 350),
        ([_stream(max_bytes=-1, bytes=50, replicas=3)], 450),
        ([_stream(max_bytes=-1, bytes=50, storage="memory")], 300),
        ([_stream(max_bytes=200, replicas=3)], 300 + 2 * 200),  # servers tell each size once
        (None, 360),  # nobody knows whose the used bytes are
    ],
)
def test_what_streams_have_been_given_and_what_the_others_hold_is_spoken_for(streams, committed: int):
    found = account.parse(_answer(), streams)
    assert (found.committed, found.left) == (committed, 1_000 - committed)


def test_an_account_may_have_no_limits_or_be_over_them():
    limits = {"max_storage": -1, "max_streams": -1, "storage_max_stream_bytes": 0}
    free = account.parse(_answer(limits=limits), [])
    assert (free.left, free.max_streams, free.max_stream_bytes, free.size_required) == (None, None, None, False)
    assert account.parse(_answer(reserved_storage=2_000), []).left == 0


def test_where_replicas_are_counted_apart_theirs_alone_are_looked_at():
    three = _answer()
    tiers = {"R1": {"limits": {"max_storage": 0}}, "R3": three}
    streams = [_stream(max_bytes=-1, bytes=50, replicas=3), _stream(max_bytes=-1, bytes=70)]
    found = account.parse({"limits": {}, "domain": "hub", "tiers": tiers}, streams, replicas=3)
    assert (found.domain, found.committed, found.left, found.tiered) == ("hub", 350, 650, True)
    with pytest.raises(ServerError, match="5 replicas, only R1, R3; give --replicas"):
        account.parse({"limits": {}, "tiers": tiers}, [], replicas=5)


@pytest.mark.parametrize(
    ("found", "refusal", "recreate", "action", "needs", "frees"),
    [
        (None, None, False, Action.CREATE, 999 * 3, 0),
        (_stream(), None, False, Action.CONTINUE, 0, 999 * 2),
        (_stream(max_bytes=-1), None, False, Action.CONTINUE, (999 - 100) * 2, 100 * 2),
        (_stream(max_bytes=-1, bytes=2_000), None, False, Action.CONTINUE, 0, 2_000 * 2),
        (_stream(last=10, messages=10), None, False, Action.NOTHING, 0, 999 * 2),
        (_stream(), Refusal("a$1", "is sealed"), False, Action.REFUSE, 0, 999 * 2),
        (_stream(), None, True, Action.RECREATE, 999 * 3, 999 * 2),
    ],
)
def test_what_a_load_does_with_a_stream_and_what_it_needs_for_that(found, refusal, recreate, action, needs, frees):
    there = None if found is None else replace(found, replicas=2)
    seen = stream_plan(TARGET, there, refusal, "batch", _account(replicas=3), recreate=recreate)
    assert (seen.action, seen.needs, seen.frees) == (action, needs, frees)
    sends = {Action.CREATE: 10, Action.RECREATE: 10, Action.CONTINUE: 6, Action.NOTHING: 0, Action.REFUSE: 0}
    assert seen.sends == sends[action]


def test_streams_that_are_no_target_are_deleted_and_give_back_what_they_take():
    streams = [_stream(), _stream(name="a$2"), _stream(name="a$3", replicas=3), _stream(name="a$4", storage="memory")]
    gone = left_over([TARGET], streams, _account(), "batch", recreate=True)
    assert [o.stream for o in gone] == ["a$2", "a$3", "a$4"]
    assert {(o.action, o.sends, o.needs) for o in gone} == {(Action.DELETE, 0, 0)}
    assert [o.frees for o in gone] == [999, 999 * 3, 0]
    assert [o.frees for o in left_over([], streams, _account(tiered=True), "batch", recreate=True)] == [999, 999, 0, 0]


OPEN = StreamPlan("a$1", Action.CREATE, 10, 0, "batch", 500, 500, least=300)


@pytest.mark.parametrize(
    ("stations", "changes", "said"),
    [
        ([OPEN], {}, []),
        ([OPEN], {"max_bytes": None, "max_stream_bytes": None, "max_streams": None}, []),
        ([OPEN, OPEN], {}, ["storage: a load needs"]),
        ([OPEN], {"max_stream_bytes": 499}, ["storage: `a\\$1` needs"]),
        ([OPEN, replace(OPEN, needs=0)], {"streams": 1, "max_streams": 2}, ["streams: 2 are to be created"]),
        ([OPEN, replace(OPEN, action=Action.DELETE, needs=0)], {"streams": 2, "max_streams": 2}, []),
        ([OPEN, replace(OPEN, action=Action.DELETE, needs=0)], {"streams": 3, "max_streams": 2}, []),
        (
            [OPEN, replace(OPEN, needs=0), replace(OPEN, action=Action.DELETE, needs=0)],
            {"streams": 2, "max_streams": 2},
            ["streams: 2 are to be created, 1 deleted, and the account has 2 of 2"],
        ),
        ([replace(OPEN, action=Action.CONTINUE, needs=0, max_bytes=299)], {}, ["will be full before the end"]),
        ([replace(OPEN, action=Action.CONTINUE, needs=0, max_bytes=300)], {}, []),
        ([replace(OPEN, action=Action.NOTHING, needs=0, max_bytes=299)], {"max_streams": 0}, []),
    ],
)
def test_what_lacks_is_said(stations, changes, said: list[str]):
    found = _account(**changes)
    lines = list(shortages(stations, found, found.left))
    assert len(lines) == len(said)
    for line, beginning in zip(lines, said, strict=True):
        assert re.search(beginning, line)


@pytest.mark.parametrize(
    ("needs", "least", "changes", "streams", "said"),
    [
        (700, 1, {}, [], ""),
        (701, 1, {}, [], "a load needs"),
        (701, 1, {"committed": 900, "used": 900}, [_stream(max_bytes=1, bytes=0)], ""),  # what is deleted has its room
        (700, 1, {"committed": 1_000}, [], ""),  # streams without a size keep none from being created
        (701, 1, {}, [_stream(max_bytes=-1, bytes=60)], "a load needs"),
        (701, 1, {}, [_stream(max_bytes=9, storage="memory")], "a load needs"),
        (500, 940, {}, [], ""),
        (500, 941, {}, [], "the messages take .* at least"),
        (500, 1_000, {}, [_stream(max_bytes=-1, bytes=60)], ""),
        (100, 314, {"replicas": 3}, [], "the messages take .* at least"),
        (100, 980, {"replicas": 3, "tiered": True}, [], ""),
        (100, 981, {"replicas": 3, "tiered": True}, [], "the messages take .* at least"),
        (9_999, 9_999, {"max_bytes": None}, [], ""),
        (1, 1, {"max_bytes": None, "max_streams": 2}, [], "streams: 1 are to be created"),
    ],
)
def test_only_what_surely_lacks_keeps_a_load_from_starting_over(needs, least, changes, streams, said: str):
    lacks = surely_short([replace(OPEN, needs=needs, least=least)], _account(**changes), streams)
    assert len(lacks) == bool(said)
    assert re.search(said, "".join(lacks))


@pytest.mark.parametrize("mode", ["batch", "nonblocking"])
@pytest.mark.parametrize("records", [2, 99_999])
def test_the_bytes_of_a_frame_are_those_that_are_sent(mode: str, records: int):
    target = replace(TARGET, records=records, wire_bytes=records * 61)
    inbox = Connection(Access()).short_inbox()
    dialect = (
        FastBatch("a$1.final", inbox, range(records + 1), 4_000) if mode == "batch" else AckEach("a$1.final", inbox)
    )
    last = dialect.build(pa.array([b"x" * 61], pa.binary()), records - 1)
    assert len(last.data) <= sizing.frame_bytes(target, mode) <= len(last.data) + 2
    named = protocol.header_lines("01234567")
    batch, each = FastBatch("a$1.final", inbox, range(records + 1), 4_000, named), AckEach("a$1.final", inbox, named)
    last = (batch if mode == "batch" else each).build(pa.array([b"x" * 61], pa.binary()), records - 1)
    assert len(last.data) <= sizing.frame_bytes(target, mode, len(named)) <= len(last.data) + 2
    assert sizing.frame_bytes(replace(target, records=0), mode) == 0


def test_the_slowest_of_link_round_trip_and_server_decides_the_time():
    assert sizing.seconds(1_000, 1e6, "batch", 0.001, 1e5, PublishOptions(4_000)) == 10  # the link
    assert sizing.seconds(8_000, 1e6, "nonblocking", 0.5, 1e9, PublishOptions(4_000)) == 1  # messages in flight
    assert sizing.seconds(2_000_000, 1e6, "batch", 1e-6, 1e9, PublishOptions(4_000)) == 10  # the server
    assert sizing.seconds(2_000, 1e6, "batch", 1, 1e9, PublishOptions(rate=100)) == 20  # what is asked for
    assert sizing.seconds(100, 1e3, "blocking", 0.1, 1e9, PublishOptions(4_000)) == pytest.approx(10, rel=0.01)
