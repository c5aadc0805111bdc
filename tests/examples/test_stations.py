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
from operators import Operator

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
    # One that writes asks beforehand whose the station is, and who hears; the starter is a small project.
    most = {"08_upload": 125, "09_starter": 230}.get(path.stem, 95)
    assert len(text.splitlines()) <= most
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
    first, second = (run("03", stations, "--team", "owls") for _ in range(2))
    assert first.stdout == second.stdout
    warnings, split, alerts = map(int, re.findall(r"\d+", first.stdout.splitlines()[0]))
    precision, chance, recall = map(float, re.findall(r"([\d.]+)%", first.stdout))
    later = {(row["event_day"], *cell(row)) for row in rows("fire_alerts") if row["event_day"] > split}
    assert alerts == len(later)
    published = zakar("consume", PREDICTIONS.station, "--server", stations).stdout.splitlines()
    predictions = [json.loads(line) for line in published]
    assert len(predictions) == warnings
    assert all(list(row) == [column.name for column in PREDICTIONS.full().columns] for row in predictions)
    places = {(row["event_day"], *cell(row)) for row in predictions}
    assert len(places) == warnings
    assert min(day for day, _, _ in places) > split
    assert precision == pytest.approx(100 * len(places & around(later)) / warnings, abs=0.051)
    assert recall == pytest.approx(100 * len(later & around(places)) / alerts, abs=0.051)
    readings = [(row["day"], *cell(row)) for row in rows("temperature_readings") if row["day"] > split]
    assert chance == pytest.approx(100 * len(around(later) & set(readings)) / len(readings), abs=0.051)
    assert precision > 10 * chance
    assert recall > 50
    run("03", stations, "--team", "crows")  # who sees the same publishes it too
    published = zakar("consume", PREDICTIONS.station, "--server", stations).stdout.splitlines()
    assert Counter(json.loads(line)["team"] for line in published) == {"owls": warnings, "crows": warnings}


@pytest.mark.slow
def test_stations_without_alerts_teach_nothing_and_are_told_so_in_a_line(run):
    with running(ServerSettings()) as server:
        for words in (["--tables", "tweets,temperature_readings"], ["--tables", "fire_alerts", "--days", "80"]):
            assert zakar("load", str(SAMPLE), "--server", server.url, *words).returncode == 0
            told = run("03", server.url)
            if words[1] != "fire_alerts":
                assert told.returncode == 2
                assert told.stderr.endswith(
                    "no alert came by day 80, so there is nothing to learn from: 09 learns from other days\n"
                )
        assert told.returncode == 0  # alerts to learn from, and none of the days to be warned on
        assert "and 0 alerts" in told.stdout or "alerts, to match" in told.stdout


def published(alerts: list[dict], url: str) -> None:
    """Fill a broker with the sample's posts and readings, and with these alerts."""
    assert zakar("load", str(SAMPLE), "--server", url, "--tables", "tweets,temperature_readings").returncode == 0

    async def main() -> None:
        async with connected(Access((url,))) as connection:
            await station.create(connection, "zakar-fire-alerts$1", {}, -1)
            for alert in alerts:
                await connection.jetstream().publish("zakar-fire-alerts$1.final", json.dumps(alert).encode())

    asyncio.run(main())


@pytest.mark.slow
def test_an_early_warning_learns_from_no_alert_before_its_notification(run):
    """Alerts of fires before day 80 that are told after it change nothing of what is warned."""
    alerts, warned = rows("fire_alerts"), []
    late = [alert for alert in alerts if alert["event_day"] <= 80 < alert["notification_day"]]
    assert late
    for some in (alerts, [alert for alert in alerts if alert not in late]):
        with running(ServerSettings()) as server:
            published(some, server.url)
            assert run("03", server.url, "--team", "owls").returncode == 0
            warned.append(zakar("consume", PREDICTIONS.station, "--server", server.url).stdout)
    assert warned[0] == warned[1] != ""


@pytest.mark.slow
def test_stations_of_several_partitions_are_read_whole_where_pulls_have_a_limit(run, tmp_path: Path):
    """nats.go#2149: a pull of more than the server allows ends at once, with 409."""
    store = f'store_dir: "{(tmp_path / "store").as_posix()}"'
    limited = ServerSettings(extra=f"jetstream {{ {store}, limits {{ max_request_batch: 250 }} }}")
    plain = ServerSettings()
    said = {}
    for name, settings, words in (("one", plain, []), ("three", limited, ["--partitions", "3"])):
        with running(settings) as server:
            assert zakar("load", str(SAMPLE), "--server", server.url, *words).returncode == 0
            alerts, window = run("01", server.url), run("02", server.url, edit=QUICKER)
            assert (alerts.stderr, window.returncode) == ("", 0), window.stderr
            said[name] = (alerts.stdout.splitlines()[-1], window.stdout)
    first = {name: [line.split("; most")[0] for line in window.splitlines()] for name, (_, window) in said.items()}
    assert first["one"] == first["three"]
    assert said["three"][0] == said["one"][0] == "67 new messages of zakar-fire-alerts read and acknowledged"


@pytest.mark.slow
def test_an_upload_asks_for_streams_by_name_in_an_account_that_has_many(run):
    """nats.go#1059: the server lists streams in pages, which must not be taken for the whole."""
    with running(ServerSettings()) as server:

        async def crowd() -> None:
            async with connected(Access((server.url,))) as connection:
                for number in range(1_100):
                    config = {"name": f"a{number}", "subjects": [f"a{number}"], "storage": "memory"}
                    await connection.api(f"STREAM.CREATE.a{number}", config)

        asyncio.run(crowd())
        for _ in range(2):
            ended = run("08", server.url)
            assert (ended.returncode, ended.stderr) == (0, "")
        assert zakar("verify", str(SAMPLE), "--server", server.url).returncode == 0
        assert run("01", server.url).stdout.splitlines()[-1].startswith("67 new messages")


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


@pytest.mark.slow
@pytest.mark.parametrize("number", ["03", "09"])
def test_a_prediction_that_another_stream_has_stored_ends_in_a_line(run, number: str):
    """The ack says who has it: here a mapping leads elsewhere."""
    with running(
        ServerSettings(extra='mappings { "zakar-fire-predictions$1.final": "archive.predictions" }')
    ) as server:
        assert zakar("load", str(SAMPLE), "--server", server.url).returncode == 0

        async def archive() -> int:
            async with connected(Access(servers=(server.url,))) as connection:
                found = await station.look(connection, "ARCHIVE")
                if found is None:
                    await station.make(connection, {"name": "ARCHIVE", "subjects": ["archive.>"]})
                return found.last if found else 0

        asyncio.run(archive())
        places = ("--learn", str(SAMPLE), "--warn", server.url) if number == "09" else (server.url,)
        ended = run(number, *places, "--team", "owls")
        assert ended.returncode == 1
        said = "ARCHIVE has stored what is for zakar-fire-predictions; nothing more was sent"
        assert said in ended.stderr.splitlines()
        assert asyncio.run(archive()) == 1


CREDENTIALS = {  # as nats-py does not take them
    "line ends of Windows": lambda text: text.replace("\n", "\r\n"),
    "indented": lambda text: "".join(f"    {line}" for line in text.splitlines(keepends=True)),
    "another label, and a mark of the byte order": lambda text: f"\ufeff{text}".replace(
        "USER NKEY SEED", "USER PRIVATE KEY"
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("shape", CREDENTIALS)
def test_credentials_are_taken_as_an_editor_leaves_them(run, tmp_path: Path, shape: str):
    operator, file = Operator(), tmp_path / "ana.creds"
    file.write_text(CREDENTIALS[shape](operator.member().creds), encoding="utf-8", newline="")
    who = ("--creds", str(file))
    with running(ServerSettings(extra=operator.config())) as server:
        assert run("08", server.url, *who).stdout.splitlines()[-1] == "zakar-fire-alerts$1: 67 messages sent, 67 stored"
        assert "67 new messages" in run("01", server.url, NATS_CREDS=str(file)).stdout
        assert run("02", server.url, *who, edit=QUICKER).returncode == 0


@pytest.mark.parametrize("number", ["01", "02", "08"])
@pytest.mark.parametrize("lacks", ["JWT", "SEED", "all"])
def test_incomplete_credentials_end_in_a_line(run, tmp_path: Path, number: str, lacks: str):
    kept = [
        line
        for line in Operator().member().creds.splitlines()
        if {"JWT": "eyJ", "SEED": "SU"}.get(lacks, "") not in line
    ]
    (tmp_path / "ana.creds").write_text("\n".join(kept) if lacks != "all" else "", encoding="utf-8")
    ended = run(number, f"nats://127.0.0.1:{free_port()}", "--creds", str(tmp_path / "ana.creds"))
    assert (ended.returncode, len(ended.stderr.splitlines())) == (1, 1)
    assert "--creds: the file lacks a JWT or its seed" in ended.stderr


def test_the_dashboard_reads_credentials_as_the_other_examples_do():
    texts = {path.stem[:2]: path.read_text(encoding="utf-8") for path in EXAMPLES}
    functions = {number: text.partition("def credentials(")[2].partition("\n\n\n")[0] for number, text in texts.items()}
    assert {functions[number] for number in ("01", "02", "07", "08")} == {functions["01"]} != {""}
