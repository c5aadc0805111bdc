"""The lesson on partitions: what is said of invented figures, whichever way they go."""

import math

import pytest
from links import link

from zakar.lab import preset
from zakar.lab.lesson import Lesson
from zakar.lab.lessons import partitions
from zakar.lab.steady import Received


def found(rate: float, producer_cores: float = 0.8, server_cores: float = 0.2) -> Received:
    return Received((rate, rate), producer_cores, server_cores, 100, (50, 50))


def concluded(eight: tuple[float, float, float], server_cores: float, capacity: float = math.inf) -> Lesson:
    """The lesson where eight producers bring so many times what one does, on 1, 2 and 4 partitions."""
    rates = {(number, 8): times * 1_400 for number, times in zip((1, 2, 4), eight, strict=True)}
    grid = {place: found(rate, server_cores=server_cores) for place, rate in {(1, 1): 1_400, **rates}.items()}
    return partitions.concluded(link("continent", 0.25, capacity), grid, {4: found(20_000)}, cores=4)


@pytest.mark.parametrize(
    ("eight", "server_cores", "said"),
    [
        ((7.6, 7.7, 7.5), 0.2, "brought 7.6, 7.7, 7.5 times the 1,400 messages a second of one"),
        ((7.6, 7.7, 7.5), 0.2, "1.01 times as much with a second one (little), for the broker had time to spare"),
        ((5.0, 7.5, 7.5), 0.2, "1.50 times as much with a second one, by chance, for the broker had time to spare"),
        ((7.5, 5.0, 7.5), 0.2, "0.67 times as much with a second one, by chance"),
        ((5.0, 7.5, 7.6), 1.0, "1.50 times as much with a second one: it relieved a broker that was busy"),
        ((5.0, 5.1, 5.1), 1.0, "1.02 times as much with a second one: it did not relieve a broker that was busy"),
        ((5.0, 7.5, 7.6), 2.5, "1.50 times as much with a second one, on a machine that was busy with the producers"),
    ],
)
def test_what_a_second_partition_did_is_told_by_what_the_broker_had_to_spare(eight, server_cores: float, said: str):
    assert said in concluded(eight, server_cores).seen


def test_a_broker_that_had_time_to_spare_is_told_as_what_could_not_be_seen():
    assert (
        "it kept 0.20 of 4 cores busy at most, at 10,640 messages a second, while the producers used 0.80"
        in (concluded((7.5, 7.5, 7.6), 0.2).unseen[0])
    )
    assert concluded((7.5, 7.5, 7.6), 1.0).unseen == ()
    assert "it kept 2.50 of 4 cores busy" in concluded((7.5, 7.5, 7.6), 2.5).unseen[0]


def test_intervals_that_overlap_do_not_show_that_a_second_partition_relieved_a_broker():
    grid = {(1, 1): found(1_400, server_cores=1.0), (4, 8): found(9_000)}
    grid[1, 8] = Received((4_000, 9_000), 0.8, 1.0, 100, (100,))
    grid[2, 8] = Received((8_000, 9_500), 0.8, 1.0, 100, (50, 50))
    assert "it did not relieve" in partitions.concluded(link("continent", 0.25), grid, {}, cores=4).seen


def test_producers_that_were_not_linear_on_one_partition_are_told_with_why():
    assert "8 producers used 0.8 of 4 cores" in concluded((5.0, 5.0, 5.0), 1.0).unseen[0]
    full = concluded((5.0, 5.0, 5.0), 1.0, capacity=7_200)
    assert "the link was full with 7,000 of 7,200 messages a second" in full.unseen[0]


def test_theory_expects_no_more_of_producers_than_the_link_takes():
    graph = concluded((5.0, 5.0, 5.0), 0.2, capacity=7_200).graphs[0]
    assert [point.expected for point in graph.points if point.x == 8] == [7_200] * 3
    assert graph.curves[0].ys == (1_400, 7_200)


def test_the_articles_graph_is_drawn_relative_to_one_producer_on_one_partition():
    relative = concluded((5.0, 7.5, 7.6), 0.2).graphs[1]
    assert [(point.series, point.x, point.median) for point in relative.points] == [
        ("1 partition", 1, 1),
        ("1 partition", 8, pytest.approx(5)),
        ("2 partitions", 8, pytest.approx(7.5)),
        ("4 partitions", 8, pytest.approx(7.6)),
    ]
    assert [(claim.x, claim.y) for claim in relative.claims] == [(1, 1), (2, 2), (4, 4), (8, 8)]


@pytest.mark.parametrize(
    ("where", "said"),
    [
        (
            link("far", 0.25),
            "Over `far` 8 producers bring 16,000 at most, 500 each in 250 ms, so one partition is enough",
        ),
        (
            link("near", 0.02),
            "Over `near` 8 producers bring 200,000 at most, 500 each in 20 ms, which may be more than",
        ),
        (link("slow", 0.02, 900), "Over `slow` 8 producers bring 900 at most"),
        (
            preset.read("same-machine"),
            "`same-machine` has no round trip to wait for, so 8 producers may come near that",
        ),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_theory_is_that_of_the_link_that_was_measured(where, said: str):
    grid = {place: found(1_400) for place in ((1, 1), (1, 8), (2, 8), (4, 8))}
    assert said in partitions.concluded(where, grid, {}, cores=4).prediction


def test_what_each_partition_holds_is_told():
    assert concluded((5.0, 7.5, 7.6), 0.2).tables[0].rows[-1][-1] == "50 + 50"
