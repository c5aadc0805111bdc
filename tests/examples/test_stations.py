"""The examples that read and fill stations: run on the sample, held against the dataset itself."""

import ast
import asyncio
import json
import re
from collections import Counter, defaultdict
from pathlib import Path
from statistics import fmean

import pyarrow.parquet as pq
import pytest
from helpers import free_port, zakar

from zakar.broker import station
from zakar.broker.access import Access
from zakar.broker.connection import connected
from zakar.broker.server import ServerSettings, running
from zakar.dataset.schema import PREDICTIONS

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "data" / "sample"
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
ON_STATIONS = ("01", "02", "03", "08")
QUICKER = {"QUIET_SECONDS = 7, 5": "QUIET_SECONDS = 7, 0.2"}


def rows(table: str) -> list[dict]:
    return pq.read_table(SAMPLE / "public" / table).to_pylist()


def cell(row: dict) -> tuple[int, int]:
    return row["geospatial_x"], row["geospatial_y"]


def around(places: set[tuple[int, int, int]]) -> set[tuple[int, int, int]]:
    """Those places and the cells around them, on their days."""
    return {(day, x + i, y + j) for day, x, y in places for i in (-1, 0, 1) for j in (-1, 0, 1)}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_a_page_that_says_what_it_is(path: Path):
    text = path.read_text(encoding="utf-8")
    pages = 2 if path.stem == "08_upload" else 1  # one that writes asks beforehand whose the station is, and who hears
    assert len(text.splitlines()) <= 60 * pages
    assert ast.get_docstring(ast.parse(text))


def test_examples_are_numbered_without_a_gap():
    assert [path.name[:3] for path in EXAMPLES] == [f"{number:02}_" for number in range(1, len(EXAMPLES) + 1)]


def test_a_station_is_read_once_by_a_reader_that_comes_again(stations: str, run):
    alerts = rows("fire_alerts")
    first, second = run("01", stations), run("01", NATS_URL=stations)
    assert [ast.literal_eval(line) for line in first.stdout.splitlines()[:-1]] == alerts[:5]
    assert first.stdout.splitlines()[-1].startswith(f"{len(alerts)} new messages of zakar-fire-alerts")
    assert second.stdout.startswith("0 new messages")
    anew = run("01", stations, edit={"first-reader": "second-reader"})
    assert anew.stdout == first.stdout


def test_a_window_has_the_mean_temperature_and_the_posts_of_its_days(stations: str, run):
    said = run("02", stations, edit=QUICKER).stdout.splitlines()
    readings, tweets = rows("temperature_readings"), rows("tweets")
    last = max(row["day"] for row in readings)
    assert [int(line.split()[1].rstrip(":")) for line in said] == list(range(1, last + 1))
    for day in (1, 5, 60, last):
        window = range(day - 6, day + 1)
        warmth = defaultdict(list)
        for row in readings:
            if row["day"] in window:
                warmth[cell(row)].append(row["temperature"])
        posts = Counter(cell(row) for row in tweets if row["day"] in window)
        warmest, degrees, loudest = re.fullmatch(
            r"day \d+: warmest (\(.*\)), ([\d.]+) F; most posts \((\(.*\), \d+)\)", said[day - 1]
        ).groups()
        means = {place: fmean(temperatures) for place, temperatures in warmth.items()}
        assert float(degrees) == pytest.approx(max(means.values()), abs=0.051)
        assert means[ast.literal_eval(warmest)] == max(means.values())
        place, number = ast.literal_eval(f"({loudest})")
        assert posts[place] == number == max(posts.values())


def test_a_first_early_warning_system_beats_chance_and_publishes_each_prediction_once(stations: str, run):
    first, second = run("03", stations), run("03", stations)
    assert first.stdout == second.stdout
    warnings, split, alerts = map(int, re.findall(r"\d+", first.stdout.splitlines()[0]))
    precision, chance, recall = map(float, re.findall(r"([\d.]+)%", first.stdout))
    later = {(row["event_day"], *cell(row)) for row in rows("fire_alerts") if row["event_day"] > split}
    assert alerts == len(later)
    published = zakar("consume", PREDICTIONS.station, "--server", stations).stdout.splitlines()
    predictions = [json.loads(line) for line in published]
    assert len(predictions) == warnings
    assert all(list(row) == [column.name for column in PREDICTIONS.columns] for row in predictions)
    places = {(row["event_day"], *cell(row)) for row in predictions}
    assert len(places) == warnings
    assert min(day for day, _, _ in places) > split
    assert precision == pytest.approx(100 * len(places & around(later)) / warnings, abs=0.051)
    assert recall == pytest.approx(100 * len(later & around(places)) / alerts, abs=0.051)
    readings = [(row["day"], *cell(row)) for row in rows("temperature_readings") if row["day"] > split]
    assert chance == pytest.approx(100 * len(around(later) & set(readings)) / len(readings), abs=0.051)
    assert precision > 10 * chance
    assert recall > 50


@pytest.mark.parametrize("number", ON_STATIONS)
def test_without_a_broker_an_example_says_so_in_a_line(run, number: str):
    ended = run(number, f"nats://127.0.0.1:{free_port()}")
    assert ended.returncode == 1
    assert len(ended.stderr.splitlines()) == 1
    assert "127.0.0.1" in ended.stderr
    assert re.search("zakar (doctor|broker)", ended.stderr)


@pytest.mark.slow
def test_without_stations_an_example_says_so_in_a_line(run):
    with running(ServerSettings()) as server:
        for number in ("01", "02", "03"):
            ended = run(number, server.url)
            assert ended.returncode != 0
            assert "Traceback" not in ended.stderr
            assert re.search("NotFoundError.*`zakar doctor`|no readings.*`zakar load`", ended.stderr), ended.stderr


@pytest.mark.slow
def test_an_upload_is_what_a_load_would_have_stored_and_goes_on_where_it_stopped(run):
    with running(ServerSettings()) as server:
        broken = run("08", server.url, edit={"len(acks) == 500": "len(acks) == 500 and not (number > 3000 and 1 / 0)"})
        assert "ZeroDivisionError" in broken.stderr
        said = run("08", server.url).stdout
        sent = int(re.search(r"zakar-tweets\$1: ([\d,]+) messages sent", said)[1].replace(",", ""))
        assert 0 < sent < len(rows("tweets"))
        assert run("08", server.url).stdout.count(": 0 messages sent") == 3
        assert zakar("verify", str(SAMPLE), "--server", server.url).returncode == 0


@pytest.mark.slow
def test_an_upload_stops_where_its_message_is_refused(run):
    with running(ServerSettings()) as server:
        other = {'"Nats-Expected-Last-Sequence": str(number - 1)': '"Nats-Expected-Last-Sequence": str(number)'}
        ended = run("08", server.url, edit=other)
        assert ended.returncode == 1
        assert "wrong last sequence" in ended.stderr


@pytest.mark.slow
def test_an_upload_goes_on_behind_its_own_dataset_alone(run, tmp_path: Path):
    other = tmp_path / "other"
    assert zakar("simulate", "tiny", "--seed", "7", "--days", "60", "--out", str(other)).returncode == 0
    with running(ServerSettings()) as server:
        assert zakar("load", str(other), "--server", server.url).returncode == 0
        ended = run("08", server.url)
        assert ended.returncode == 1
        assert re.search(r"zakar-tweets\$1 holds another's message 1; nothing more was sent", ended.stderr), (
            ended.stderr
        )
        assert len(ended.stderr.splitlines()) == 1
        assert zakar("verify", str(other), "--server", server.url).returncode == 0


@pytest.mark.slow
def test_an_upload_goes_on_where_a_load_stopped_only_if_all_that_is_stored_is_the_tables(run):
    """The first message and the last may be right, and one between them another's."""

    async def stored(url: str, lines: list[bytes]) -> None:
        async with connected(Access(servers=(url,))) as connection:
            stream = await station.create(connection, "zakar-tweets$1", {}, -1)
            for line in lines:
                await connection.publish(station.subject(stream.name), line)
            await connection.flush()

    lines = [json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() for row in rows("tweets")[:40]]
    for changed, code in ((lines, 0), ([*lines[:20], lines[0], *lines[21:]], 1)):
        with running(ServerSettings()) as server:
            asyncio.run(stored(server.url, changed))
            ended = run("08", server.url)
            assert ended.returncode == code, ended.stderr
            if code:
                assert "zakar-tweets$1 holds another's message 21" in ended.stderr
            else:
                assert zakar("verify", str(SAMPLE), "--server", server.url).returncode == 0


@pytest.mark.slow
def test_an_upload_leaves_a_station_of_several_partitions_alone(run):
    with running(ServerSettings()) as server:
        assert zakar("load", str(SAMPLE), "--server", server.url, "--partitions", "2").returncode == 0
        ended = run("08", server.url)
        assert ended.returncode == 1
        assert "zakar-tweets has partitions" in ended.stderr
        assert zakar("verify", str(SAMPLE), "--server", server.url).returncode == 0


@pytest.mark.slow
def test_an_upload_that_another_stream_would_hear_sends_nothing(run):
    settings = ServerSettings(extra='mappings { "zakar-tweets$1.final": "archive.tweets" }')

    async def archive(url: str, *, make: bool) -> int:
        async with connected(Access(servers=(url,))) as connection:
            if make:
                await station.make(connection, {"name": "ARCHIVE", "subjects": ["archive.>"]})
            found = await station.look(connection, "ARCHIVE")
            assert found is not None
            return found.last

    with running(settings) as server:
        asyncio.run(archive(server.url, make=True))
        ended = run("08", server.url)
        assert ended.returncode == 1
        assert "not zakar-tweets$1 alone hears what is sent to it, but ARCHIVE; nothing more was sent" in ended.stderr
        assert asyncio.run(archive(server.url, make=False)) == 0
