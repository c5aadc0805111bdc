"""The lesson on consuming: what theory has of fetches, and what is said of invented figures."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zakar.broker.connection import Delivery
from zakar.lab import preset, pull, theory
from zakar.lab.lessons import consuming
from zakar.lab.lessons.consuming import PULL, SDK, Consumed, Path
from zakar.lab.pull import Acks

seconds, many = st.floats(1e-4, 10), st.floats(10, 1e6)
SIZES = (1, 10, 100, 1_000)


@given(st.integers(1, 5_000), seconds, seconds, many, many)
def test_larger_fetches_bring_more_and_never_more_than_littles_law_or_the_link(size, trip, working, down, up):
    rate = theory.fetched(size, trip, working, down, up)
    assert rate < theory.fetched(size + 1, trip, working, down, up)
    assert rate <= theory.windowed(size, trip, down, up)


def test_a_fetch_of_one_over_a_round_trip_of_33_ms_brings_thirty_a_second():
    assert theory.fetched(1, 0.033, 0.0, 1e9, 1e9) == pytest.approx(theory.blocking(0.033), rel=1e-6)


@given(st.binary(max_size=50), st.binary(max_size=50))
def test_a_delivery_is_as_long_as_it_was_on_the_wire(headers, payload):
    if headers:
        line = b"HMSG a.final 1 $JS.ACK.x %d %d\r\n" % (len(headers), len(headers) + len(payload))
    else:
        line = b"MSG a.final 1 $JS.ACK.x %d\r\n" % len(payload)
    delivery = Delivery(b"a.final", b"$JS.ACK.x", headers, payload)
    assert pull.wire_bytes(delivery) == len(line + headers + payload + b"\r\n")


def _consumed(**changes: object) -> Consumed:
    path = Path("home", preset.read("home").settings, 200.0, 80.0)
    bare = {series: {size: (size / (0.0005 + size * 2e-5),) for size in SIZES} for series in (SDK, PULL)}
    consumed = Consumed(path, bare, {}, {}, {}, 0, 30_000, (40_000.0,), (200_000.0,))
    far = {series: {size: (consumed.expected(series, size) or 0.0,) for size in SIZES} for series in (SDK, PULL)}
    acks = {Acks.EACH: (2_400.0,), Acks.NONE: (2_600.0,), Acks.LAST: (2_600.0,), Acks.AWAITED: (27.0,)}
    consumed = replace(consumed, far=far, acks=acks, consumers={1: (280.0,), 4: (1_100.0,)})
    return replace(consumed, **changes)


def test_where_theory_holds_the_lesson_on_consuming_says_so():
    lesson = consuming.concluded(_consumed())
    assert "theory is off by 0% at most" in lesson.seen
    assert "brought 9.8 times as much at first" in lesson.seen
    assert "To wait for each ack brought fewer: 27 instead of 2,400" in lesson.seen
    assert "4 consumers of one durable brought 3.9 times what one did, nearly as many times as there are" in lesson.seen
    assert "zakar's reader in order brought more: 40,000" in lesson.seen
    assert lesson.unseen == ()


def test_figures_that_go_the_other_way_are_told_the_other_way():
    acks = dict.fromkeys(Acks, (2_400.0,))
    lesson = consuming.concluded(_consumed(acks=acks, consumers={1: (280.0,), 4: (300.0,)}, ordered=(50.0,)))
    assert "To wait for each ack made little difference: 2,400 instead of 2,400" in lesson.seen
    assert "brought 1.1 times what one did, fewer than there are" in lesson.seen
    assert "zakar's reader in order brought fewer: 50" in lesson.seen


def test_what_is_far_off_theory_is_unseen_with_the_time_that_theory_counts():
    consumed = _consumed()
    far = {**consumed.far, SDK: {**consumed.far[SDK], 1_000: (1.0,)}}
    lesson = consuming.concluded(replace(consumed, far=far))
    assert f"theory is off by 100% at most ({SDK}, fetches of 1,000)" in lesson.seen
    assert "How Memphis SDK fetches 1,000" in lesson.unseen[0]
    assert "the 20 ms that such a fetch took without the link" in lesson.unseen[0]


def test_without_a_link_theory_is_silent_and_the_round_trip_unseen():
    consumed = _consumed()
    lesson = consuming.concluded(replace(consumed, path=Path("same-machine", None, 200.0, 80.0)))
    assert "theory" not in lesson.seen
    assert "without a link there is none" in lesson.unseen[0]
    assert all(point.expected is None for point in lesson.graphs[0].points)
    assert {row[-1] for row in lesson.tables[0].rows} == {"none"}


def test_who_waits_for_each_ack_is_expected_to_get_one_a_round_trip():
    rows = {row[0]: row for row in consuming.concluded(_consumed()).tables[0].rows}
    assert int(rows[str(Acks.AWAITED)][-1]) in range(26, 29)
    assert rows[str(Acks.NONE)][-1] > rows[str(Acks.EACH)][-1]


def test_a_message_that_came_to_two_consumers_is_told():
    assert consuming.concluded(_consumed(repeated=3)).tables[1].rows[-1][1] == "3"
