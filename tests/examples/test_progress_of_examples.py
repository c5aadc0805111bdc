"""Whoever waits for an example sees how far it is, on standard error alone; here it is told more often."""

import re
from pathlib import Path

import pytest

from zakar.broker.server import ServerSettings, running

SAMPLE = str(Path(__file__).parents[2] / "data" / "sample")

pytestmark = pytest.mark.slow  # they need what `pip install '.[examples]'` brings

TWEETS = 7_153
ON_STATIONS = {
    "01": ({"zakar-fire-alerts": "zakar-tweets", "20_000": "1_000"}, r"([\d,]+) messages read, [\d,]+ to come", 7),
    "02": (
        {"SAID_SECONDS = 5": "SAID_SECONDS = -1", "QUIET_SECONDS = 7, 5": "QUIET_SECONDS = 7, 0.2"},
        r"([\d,]+) messages of zakar-tweets read",
        15,
    ),
    "03": ({"500_000": "2_000"}, r"([\d,]+) messages of zakar-temperature-readings read", 1),
}
ON_FILES = {
    "05": ({}, r"counting the words of ([\d,]+) posts", 1, TWEETS),
    "06": ({"250_000": "1_000"}, r"([\d,]+) of 7,153 posts searched", 8, TWEETS),
}


def numbers(said: str, pattern: str) -> list[int]:
    return [int(number.replace(",", "")) for number in re.findall(pattern, said)]


@pytest.mark.parametrize("number", ON_STATIONS)
def test_an_example_that_reads_a_station_says_how_many_messages_it_has_read(stations: str, run, number: str):
    edit, pattern, least = ON_STATIONS[number]
    ended = run(number, stations, edit=edit)
    assert ended.returncode == 0, ended.stderr
    told = numbers(ended.stderr, pattern)
    assert len(told) >= least
    assert told == sorted(told)
    assert not re.search(pattern, ended.stdout)


@pytest.mark.parametrize("number", ON_FILES)
def test_an_example_that_looks_through_posts_says_how_many(run, number: str):
    edit, pattern, least, last = ON_FILES[number]
    plain, told = run(number, SAMPLE), run(number, SAMPLE, edit=edit)
    assert (plain.returncode, plain.stdout) == (told.returncode, told.stdout)  # searched in however many parts
    assert len(numbers(told.stderr, pattern)) == least
    assert numbers(told.stderr, pattern)[-1] == last


def test_the_upload_says_how_many_messages_it_has_sent(run):
    with running(ServerSettings()) as server:
        ended = run("08", server.url, edit={"50_000": "2_000"})
    assert ended.returncode == 0, ended.stderr
    assert numbers(ended.stderr, r"zakar-tweets\$1: ([\d,]+) messages sent") == [2_000, 4_000, 6_000]
    assert numbers(ended.stderr, r"zakar-temperature-readings\$1: ([\d,]+) messages sent")[-1] == 12_000
    assert len(ended.stdout.splitlines()) == 3  # one a table, at its end


def test_the_starter_says_what_it_reads_learns_and_looks_through(run):
    ended = run("09", "--learn", SAMPLE, "--warn", SAMPLE, edit={"250_000": "3_000"}, OMP_NUM_THREADS="1")
    assert ended.returncode == 0, ended.stderr
    assert numbers(ended.stderr, r"words of ([\d,]+) of 7,153 posts") == [0, 3_000, 6_000] * 2
    assert [line.split()[1] for line in ended.stderr.splitlines() if line.startswith("reading ")] == [
        "temperature_readings",
        "tweets",
        "fire_alerts",
        "temperature_readings",
        "tweets",
    ]
    assert all(line.startswith("{") for line in ended.stdout.splitlines())
