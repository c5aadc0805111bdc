"""The first days of a dataset in stations: loaded, added to, and compared."""

import asyncio
import json
import re
from pathlib import Path

import pytest
from helpers import publisher, started, until, zakar

from zakar.broker import station
from zakar.broker.access import Access
from zakar.broker.server import Server, ServerSettings, running
from zakar.broker.station import Stream
from zakar.dataset.days import first
from zakar.dataset.schema import ALERTS, READINGS, TWEETS
from zakar.dataset.store import Dataset
from zakar.loader import plan

STATIONS = [table.station for table in (TWEETS, READINGS, ALERTS)]


def command(verb: str, dataset: Dataset, broker: Server, *words: str):
    return zakar(verb, dataset.root, "--server", broker.url, *words)


def loaded(dataset: Dataset, broker: Server, *words: str) -> dict:
    done = command("load", dataset, broker, "--json", *words)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def verified(dataset: Dataset, broker: Server, *words: str) -> tuple[bool, dict]:
    said = json.loads(command("verify", dataset, broker, "--json", *words).stdout)
    return said["ok"], said["stations"]


def streams(broker: Server, name: str = READINGS.station) -> list[Stream]:
    return asyncio.run(_streams(broker, name))


async def _streams(broker: Server, name: str) -> list[Stream]:
    async with publisher(Access((broker.url,))) as connection:
        return await station.partitions(connection, name)


@pytest.mark.slow
def test_days_are_loaded_added_to_and_compared(sample: Dataset, broker: Server):
    assert loaded(sample, broker, "--days", "40")["records"] == first(sample, 40).manifest.records
    ok, stations = verified(sample, broker, "--days", "40")
    assert ok
    assert stations[READINGS.station]["expected"] == 4_000
    (stream,) = streams(broker)
    small, days = stream.max_bytes, stream.metadata["zakar.days"]
    assert days == "40"

    more = loaded(sample, broker, "--days", "60")
    assert more["already_stored"] == first(sample, 40).manifest.records
    assert more["sent"] == first(sample, 60).manifest.records - more["already_stored"]
    assert (more["days"], more["beyond"]) == (60, 0)
    assert verified(sample, broker, "--days", "60")[0]
    assert verified(sample, broker, "--days", "40")[0]
    assert streams(broker)[0].max_bytes > small

    fewer = loaded(sample, broker, "--days", "20")
    assert (fewer["sent"], fewer["already_stored"]) == (0, first(sample, 20).manifest.records)
    assert fewer["beyond"] == first(sample, 60).manifest.records - fewer["records"]
    said = command("load", sample, broker, "--days", "20").stderr
    assert re.search(r"messages are stored already, and [\d,]+ of later days; nothing was sent", said)

    assert loaded(sample, broker)["sent"] == sample.manifest.records - first(sample, 60).manifest.records
    assert verified(sample, broker)[0]
    (stream,) = streams(broker)
    assert (stream.metadata["zakar.days"], stream.last) == ("120", 12_000)
    assert stream.max_bytes == plan.target(sample.manifest, READINGS).max_bytes


@pytest.mark.slow
def test_a_comparison_with_all_days_says_how_many_there_are(sample: Dataset, broker: Server):
    loaded(sample, broker, "--days", "30", "--tables", "temperature_readings")
    done = command("verify", sample, broker, "--tables", "temperature_readings")
    assert done.returncode == 1
    assert f"loaded with the first 30 of 120 days: `zakar verify {sample.root} --days 30` compares those" in done.stderr
    ok, stations = verified(sample, broker, "--tables", "temperature_readings")
    assert not ok
    assert stations[READINGS.station]["missing"] == 9_000
    assert stations[READINGS.station]["days"] == 30
    assert not verified(sample, broker, "--days", "31", "--tables", "temperature_readings")[0]


@pytest.mark.slow
def test_what_a_station_holds_beyond_its_days_must_be_what_comes_next(sample: Dataset, broker: Server):
    loaded(sample, broker, "--days", "30")

    async def meddle() -> None:
        async with publisher(Access((broker.url,))) as connection:
            await connection.jetstream().publish(f"{READINGS.station}$1.final", b'{"day":31}')

    asyncio.run(meddle())
    ok, stations = verified(sample, broker, "--days", "30")
    assert not ok
    assert (stations[READINGS.station]["missing"], stations[READINGS.station]["different"]) == (1, 1)
    refused = command("load", sample, broker, "--days", "30")
    assert refused.returncode == 1
    assert "differs from the dataset at message 3,001" in refused.stderr


@pytest.mark.slow
def test_partitions_are_added_to_from_several_connections(sample: Dataset, broker: Server):
    loaded(sample, broker, "--days", "50", "--partitions", "3")
    loaded(sample, broker, "--days", "90", "--connections", "2")
    ok, stations = verified(sample, broker, "--days", "90")
    assert ok
    assert stations[READINGS.station]["expected"] == 9_000
    assert [stream.metadata["zakar.days"] for stream in streams(broker)] == ["90"] * 3
    loaded(sample, broker, "--connections", "2")
    assert verified(sample, broker)[0]


def test_a_load_of_fewer_days_starts_over_only_if_told_to(sample: Dataset, broker: Server):
    loaded(sample, broker, "--days", "50")
    assert loaded(sample, broker, "--days", "10", "--recreate")["sent"] == first(sample, 10).manifest.records
    assert streams(broker)[0].last == 1_000
    assert verified(sample, broker, "--days", "10")[0]


@pytest.mark.slow
def test_a_dry_run_and_doctor_say_what_days_would_do(sample: Dataset, broker: Server):
    loaded(sample, broker, "--days", "20")
    dry = command("load", sample, broker, "--days", "30", "--dry-run").stdout
    assert re.search(r"zakar-temperature-readings +go on after 2,000 messages, with \d\.\d MiB in place of", dry)
    dry = command("doctor", sample, broker, "--days", "15").stdout
    assert re.search(r"zakar-temperature-readings +nothing: all is there, and 500 messages of later days", dry)
    assert streams(broker)[0].last == 2_000


@pytest.mark.slow
def test_an_account_without_room_for_more_days_says_how_many_and_deletes_nothing(sample: Dataset):
    account = "accounts { A { jetstream: {max_file: 5MB}, users: [{user: ana, password: secret}] } }"
    with running(ServerSettings(extra=account)) as server:
        who = ["--user", "ana", "--password", "secret"]
        loaded(sample, server, "--days", "20", *who)
        short = command("load", sample, server, "--dry-run", *who)
        assert short.returncode == 1
        days = int(re.search(r"the first (\d+) of 120 days have room: `zakar load \S+ --days \d+`", short.stdout)[1])
        assert 20 < days < 120
        loaded(sample, server, "--days", str(days), *who)
        over = command("load", sample, server, "--days", str(days + 1), *who)
        assert over.returncode == 3
        assert "nothing was created, since a load would not fit: storage: a load needs" in over.stderr
        assert verified(sample, server, "--days", str(days), *who)[0]


@pytest.mark.slow
@pytest.mark.parametrize("limit", ["account", "server"])
def test_a_load_of_too_many_days_takes_no_room_from_those_that_do_fit(sample: Dataset, tmp_path: Path, limit: str):
    """Streams are given more room for more days: all of them or none, whoever has too little."""
    account = "accounts { A { jetstream: {max_file: 5MB}, users: [{user: ana, password: secret}] } }"
    store = f'jetstream {{ store_dir: "{tmp_path.as_posix()}/js", max_file_store: 5MB }}'
    settings = {
        "account": ServerSettings(extra=account),
        "server": ServerSettings(store=tmp_path, extra=f"server_name: small\n{store}"),
    }
    who = ["--user", "ana", "--password", "secret"] if limit == "account" else []

    def sizes(server: Server) -> dict[str, int]:
        async def look() -> dict[str, int]:
            asked = Access((server.url,), user="ana", password="secret") if who else Access((server.url,))
            async with publisher(asked) as connection:
                found = [await station.look(connection, station.stream_name(name)) for name in STATIONS]
                return {stream.name: stream.max_bytes for stream in found if stream}

        return asyncio.run(look())

    with running(settings[limit]) as server:
        loaded(sample, server, "--days", "20", *who)
        before = sizes(server)
        over = command("load", sample, server, "--days", "70", *who)
        assert over.returncode == 3
        said = (
            "a load needs 1.7 MiB"
            if limit == "account"
            else "made for fewer days, and the server refused to enlarge it"
        )
        assert said in over.stderr
        assert sizes(server) == before
        loaded(sample, server, "--days", "45", *who)
        assert verified(sample, server, "--days", "45", *who)[0]


@pytest.mark.slow
@pytest.mark.parametrize("spread", [[], ["--partitions", "3"]])
def test_a_load_of_more_days_that_is_killed_is_gone_on_with_exactly(sample: Dataset, broker: Server, spread: list[str]):
    least = loaded(sample, broker, "--days", "30", *spread)["records"]
    among = ["--connections", "2"] if spread else []
    killed = started("load", sample.root, "--server", broker.url, "--days", "90", "--rate", "1500", *among)

    async def begun() -> bool:
        found = await asyncio.gather(*(_streams(broker, name) for name in STATIONS))
        return sum(stream.last for station_streams in found for stream in station_streams) > least + 1_000

    asyncio.run(until(begun))
    killed.kill()
    killed.communicate()
    more = loaded(sample, broker, "--days", "90", *among)
    assert least + 1_000 < more["already_stored"] < more["records"]
    assert more["sent"] == more["records"] - more["already_stored"]
    ok, stations = verified(sample, broker, "--days", "90")
    assert ok
    assert sum(one["stored"] for one in stations.values()) == first(sample, 90).manifest.records
    assert {stream.metadata["zakar.days"] for name in STATIONS for stream in streams(broker, name)} == {"90"}
    loaded(sample, broker, *among)
    assert verified(sample, broker)[0]


@pytest.mark.parametrize("number", ["0", "121", "x"])
def test_days_that_there_are_not_are_bad_usage(sample: Dataset, broker: Server, number: str):
    done = command("load", sample, broker, "--days", number)
    assert done.returncode == 2
    assert "--days" in done.stderr
    assert streams(broker) == []
