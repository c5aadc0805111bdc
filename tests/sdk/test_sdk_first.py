"""Programs of memphis-py 1.0.5 and 1.0.6, the SDKs of the hackathon, with what they were run with then."""

import asyncio
import json
import subprocess
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import stock
from clients import HERE, Broker, broking, run
from helpers import clean, publisher, started, until, zakar

from zakar.broker import station
from zakar.broker.connection import Connection
from zakar.broker.station import stream_name
from zakar.dataset import store, wire
from zakar.dataset.schema import ALERTS, PUBLIC, TWEETS, Table
from zakar.dataset.store import Dataset

pytestmark = pytest.mark.slow

PING = (
    "ping exception raised memphis: NotFoundError: code=404 err_code=10059 description='stream not found'",
    "docs/memphis.md",
)
Program = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def where() -> Iterator[Broker]:
    """A broker of a test's own."""
    with broking("--user", "root", "--password", "memphis") as broker:
        yield broker


@pytest.fixture
def first(first_python: str) -> Iterator[Program]:
    """Start a program in `programs/` with such an SDK; it ends with the test at the latest."""
    running: list[subprocess.Popen[str]] = []

    def start(name: str, broker: Broker, *words: str) -> "subprocess.Popen[str]":
        command = [first_python, "-u", str(HERE / "programs" / f"{name}.py"), *broker.words, *words]
        pipes = dict.fromkeys(("stdout", "stderr"), subprocess.PIPE)
        running.append(subprocess.Popen(command, **pipes, encoding="utf-8", env=clean()))
        return running[-1]

    yield start
    for process in running:
        process.kill()
        process.communicate()


def _lines(dataset: Dataset, table: Table) -> list[bytes]:
    return [line for batch in store.batches(dataset, table) for line in wire.encode(batch).to_pylist()]


def _printed(process: "subprocess.Popen[str]") -> list[list[Any]]:
    """What a printer has printed once it has ended: the headers and the object of each message."""
    said, complaint = process.communicate()
    assert (process.returncode, complaint) == (0, "")
    return [json.loads(line) for line in said.splitlines() if line.startswith("[")]


def _load(dataset: Dataset, broker: Broker, *words: str) -> list[str]:
    secret = ["--user", broker.user, "--password", broker.password]
    return ["load", str(dataset.root), "--server", broker.url, *secret, *words]


@pytest.mark.parametrize("limited", [(), ("limited",)])
def test_an_upload_of_2023_fills_its_stations_and_its_reader_gets_every_message(
    first, where, sample, tmp_path, limited
):
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
        for table in PUBLIC:
            archive.writestr(table.station, b"\n".join(_lines(sample, table)) + b"\n")
    upload = first("uploader", where, str(tmp_path / "data.zip"), *limited)
    said, _ = upload.communicate()
    assert upload.returncode == 0
    assert "memphis:" not in said
    for table in PUBLIC:
        stored = [message.payload for message in stock.read(where.access, stream_name(table.station))]
        assert Counter(stored) == Counter(_lines(sample, table))
    rows = sample.manifest.tables[TWEETS.name].rows
    read = _printed(first("printer", where, TWEETS.station, "readers", str(rows)))
    wanted = [json.loads(line) for line in _lines(sample, TWEETS)]
    assert sorted(map(json.dumps, (row for _, row in read))) == sorted(map(json.dumps, wanted))


@pytest.mark.parametrize("way", ["fetch", "consume"])
def test_a_station_that_zakar_has_loaded_is_read_whole_and_in_order(first, where, sample, way):
    done = zakar(*_load(sample, where, "--json"))
    assert json.loads(done.stdout)["mode"] == "batch"
    rows = _lines(sample, ALERTS)
    read = _printed(first("printer", where, ALERTS.station, "readers", str(len(rows)), way))
    assert [row for _, row in read] == [json.loads(line) for line in rows]
    assert {name for headers, _ in read for name in headers} == {"$memphis_producedBy", "$memphis_connectionId"}
    again = zakar("verify", str(sample.root), *_load(sample, where)[2:])
    assert again.returncode == 0, again.stdout


def test_a_group_is_shared_with_the_newest_sdk_and_each_message_comes_once(first, python, where, sample):
    assert zakar(*_load(sample, where, "--tables", "tweets")).returncode == 0
    shared = {"station": TWEETS.station, "consumer": "newest", "consumer_group": "readers", "size": 10}
    old = first("printer", where, TWEETS.station, "readers", "100")

    async def begun() -> None:
        async with publisher(where.access) as client:

            async def reading() -> bool:
                consumer = await _group(client, stream_name(TWEETS.station))
                return consumer is not None and consumer["delivered"]["stream_seq"] > 0

            await until(reading)

    asyncio.run(begun())
    new = run([python, str(HERE / "calls.py"), *where.words, "exhaust", json.dumps(shared)])
    assert new.returncode == 0, new.stderr
    news = [message["data"] for batch in json.loads(new.stdout)[0] for message in batch]
    olds = [json.dumps(row, separators=(",", ":"), ensure_ascii=False) for _, row in _printed(old)]
    assert len(olds) >= 100
    assert len(news) > 0
    assert Counter(map(json.dumps, map(json.loads, olds + news))) == Counter(
        json.dumps(json.loads(line)) for line in _lines(sample, TWEETS)
    )


def test_a_durable_that_is_deleted_under_a_reader_comes_back_and_gets_everything_anew(first, where):
    async def main() -> None:
        async with publisher(where.access) as client:
            reader = first("printer", where, "deleted", "readers", "150", "refetch")

            async def acknowledged() -> bool:
                consumer = await _group(client, "deleted$1")
                return consumer is not None and consumer["ack_floor"]["stream_seq"] == 50

            async def there() -> bool:
                return await station.look(client, "deleted$1") is not None

            await until(there)
            for n in range(50):
                await client.jetstream().publish("deleted$1.final", b"%d" % n)
            await until(acknowledged)
            # A fetch that is under way fails; each makes the consumer first, if it is not there.
            await client.api("CONSUMER.DELETE.deleted$1.readers")
            for n in range(50, 100):
                await client.jetstream().publish("deleted.final", b"%d" % n)
            read = await asyncio.to_thread(_printed, reader)
            assert [row for _, row in read] == [*range(50), *range(100)]

    asyncio.run(main())


async def _group(client: Connection, stream: str) -> dict[str, Any] | None:
    """The group of a test among a stream's consumers, as the server lists them."""
    answer = await client.api(f"CONSUMER.LIST.{stream}")
    found = [consumer for consumer in answer["consumers"] or () if consumer["name"] == "readers"]
    return found[0] if found else None


def test_a_reader_that_comes_in_the_middle_of_a_load_gets_everything_and_the_load_ends_whole(first, where, sample):
    async def main() -> None:
        loading = started(*_load(sample, where, "--tables", "tweets", "--rate", "2000"))
        async with publisher(where.access) as client:

            async def begun() -> bool:
                found = await station.look(client, stream_name(TWEETS.station))
                return found is not None and found.last > 500

            await until(begun)
            rows = _lines(sample, TWEETS)
            read = await asyncio.to_thread(_printed, first("printer", where, TWEETS.station, "readers", str(len(rows))))
            _, complaint = await asyncio.to_thread(loading.communicate)
            found = await station.look(client, stream_name(TWEETS.station))
        assert loading.returncode == 0, complaint
        assert found is not None
        assert (found.wide, found.last) == (True, len(rows))
        assert [row for _, row in read] == [json.loads(line) for line in rows]
        assert zakar("verify", str(sample.root), *_load(sample, where)[2:], "--tables", "tweets").returncode == 0

    asyncio.run(main())


def test_a_waiting_program_prints_the_line_that_the_documentation_quotes(first, where):
    line, document = PING
    waiting = first("printer", where, "dry", "readers", "1")
    assert waiting.stdout is not None
    assert waiting.stdout.readline().strip() == line
    assert line in (HERE.parents[1] / document).read_text(encoding="utf-8")
