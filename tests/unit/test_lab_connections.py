"""The lessons on connections and partitions: what is counted, what theory has of it, what is said of it."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from links import link

from zakar.lab import preset, steady, theory
from zakar.lab.lessons import connections
from zakar.lab.lessons.connections import Scaling
from zakar.lab.steady import Received


def found(rate: float, producer_cores: float = 0.4, server_cores: float = 0.1) -> Received:
    return Received((rate, rate), producer_cores, server_cores, 100, (100,))


def scaling(rates: dict[int, float], capacity: float = math.inf, producer_cores: float = 0.4) -> Scaling:
    sdk = {number: found(rate, producer_cores) for number, rate in rates.items()}
    return Scaling(link("continent", 0.25, capacity), sdk, {4: found(3_000)}, found(20_000))


LINEAR = {1: 1_400, 2: 2_800, 4: 5_500, 8: 11_000}
BENT = {1: 1_400, 2: 2_800, 4: 5_500, 8: 7_000}
FLAT = {1: 3_400, 2: 3_580, 4: 3_580, 8: 3_580}


@given(st.integers(1, 64), st.floats(1, 1e5), st.floats(1, 1e6))
def test_producers_side_by_side_bring_no_more_than_so_many_alone_or_the_link(producers, one, link):
    rate = theory.side_by_side(producers, one, link)
    assert rate <= min(link, producers * one) <= theory.side_by_side(producers + 1, one, link)


def test_a_link_without_a_rate_takes_any_number_and_20_mbit_3600_a_second():
    assert steady.capacity(preset.read("same-machine")) == math.inf
    assert steady.capacity(preset.read("home")) == pytest.approx(3_587, abs=1)


@given(st.lists(st.integers(0, 1000), min_size=2, max_size=20), st.integers(0, 10), st.integers(0, 20))
def test_only_intervals_in_which_all_were_at_work_are_counted(growth, since, length):
    counts = [sum(growth[: n + 1]) for n in range(len(growth))]
    samples = [(float(when), count) for when, count in enumerate(counts)]
    rates = steady.between(samples, since, since + length)
    assert len(rates) == max(0, min(since + length, len(growth) - 1) - since)
    assert list(rates) == growth[since + 1 : since + 1 + len(rates)]


@pytest.mark.parametrize(("rates", "most"), [(LINEAR, 8), (BENT, 4), (FLAT, 1), ({1: 10.0}, 1)])
def test_linear_is_said_up_to_where_it_was(rates: dict[int, float], most: int):
    assert steady.linear(rates) == most


def test_producers_that_grew_linearly_are_said_to_and_nothing_was_unseen():
    lesson = connections.concluded([scaling(LINEAR)], cores=2)
    assert (
        "2, 4, 8 producers brought 2.0, 3.9, 7.9 times the 1,400 messages a second of one: linear up to 8."
        in lesson.seen
    )
    assert lesson.unseen == ()


def test_producers_that_filled_the_link_are_said_to_and_nothing_was_unseen():
    lesson = connections.concluded([scaling(FLAT, capacity=3_587)], cores=2)
    assert "not linear, since the link was full with 3,580 of the 3,587" in lesson.seen
    assert lesson.unseen == ()


def test_producers_that_shared_a_whole_machine_are_unseen_with_who_was_busy():
    lesson = connections.concluded([scaling(BENT, producer_cores=1.6)], cores=2)
    assert "linear up to 4." in lesson.seen
    assert "8 producers used 1.6 of 2 cores, 0.20 each, the broker 0.10" in lesson.unseen[0]
    assert "the whole machine" in lesson.unseen[0]


def test_producers_that_something_else_held_back_are_unseen_without_blaming_the_broker_or_the_link():
    lesson = connections.concluded([scaling(BENT)], cores=2)
    assert "neither it nor the link was full" in lesson.unseen[0]


def test_the_articles_line_is_drawn_from_what_one_producer_brought():
    graph = connections.concluded([scaling(BENT, capacity=5_000)], cores=2).graphs[0]
    assert [(claim.x, claim.y) for claim in graph.claims] == [(1, 1_400), (2, 2_800), (4, 5_600)]
    assert [point.expected for point in graph.points] == [None, 2_800, 5_000, 5_000, None, None]


def test_producers_of_one_object_are_measured_on_its_one_connection_and_stand_beside_the_others():
    lesson = connections.concluded([scaling(LINEAR)], cores=2)
    assert "4 producers of one object, on one connection, brought 3,000." in lesson.seen
    (shared,) = (point for point in lesson.graphs[0].points if point.series == connections.SHARED)
    assert (shared.x, shared.median) == (4, 3_000)
    assert ("4 of one SDK object", "3,000", "0.40", "0.10") in lesson.tables[0].rows


def test_theory_is_that_of_each_link_that_was_measured_and_of_no_other():
    near = Scaling(link("mine", 0.04, 1_000), {1: found(900.0)}, {}, found(950))
    lesson = connections.concluded([scaling(LINEAR), near], cores=2)
    assert "Over `continent` one brings 2,000 a second at most (250 ms), and the link takes any number." in (
        lesson.prediction
    )
    assert "Over `mine` one brings 12,500 a second at most (40 ms)" in lesson.prediction
    assert "take 1,000 a second, however many send them" in lesson.prediction
    assert "20 Mbit/s" not in lesson.prediction
    without = Scaling(preset.read("same-machine"), {1: found(9_000.0)}, {}, found(200_000))
    assert "`same-machine` has no round trip to wait for" in connections.concluded([without], cores=2).prediction
