"""Loads through Memphis's control protocol: a real nats-server, with zakar's responder in the place of Memphis."""

import asyncio
import contextlib
import json
import re
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from helpers import assert_whole, examine, load, proxied, publisher, started, stored, until, zakar
from memphis_broker import PASSWORD, USER, address, answered, memphis_broker, plain

from zakar.broker import station
from zakar.broker.access import Access
from zakar.broker.connection import connected
from zakar.broker.link import Link
from zakar.broker.memphis import client as memphis_client
from zakar.broker.memphis import protocol
from zakar.broker.server import ServerSettings, running
from zakar.broker.station import Stream, stream_name
from zakar.dataset.schema import ALERTS, PREDICTIONS, PUBLIC, READINGS, TWEETS
from zakar.dataset.store import Dataset
from zakar.errors import ConfigError, MismatchError, ServerError
from zakar.loader import doctor, plan
from zakar.loader.load import LoadReport, Progress
from zakar.loader.options import Mode, PublishOptions, Transport
from zakar.loader.plan import Action
from zakar.loader.verify import verify

ALERT_STREAM = stream_name(ALERTS.station)


@pytest.fixture
def memphis() -> Iterator[str]:
    with memphis_broker() as where:
        yield where


@pytest.fixture
def there(memphis: str) -> Access:
    return Access((memphis,))


@pytest.fixture
def unmeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have nobody spend a second on measuring the link."""

    async def measure(*_: object) -> Link:
        return Link(0.001, why="not asked for")

    monkeypatch.setattr(doctor.links, "measure", measure)


async def _streams(access: Access, name: str) -> list[Stream]:
    async with publisher(access) as connection:
        return await station.partitions(connection, name)


async def _some(dataset: Dataset, access: Access, messages: int, **options: Any) -> LoadReport:
    """A load that is stopped once it has stored so many messages."""
    stop = asyncio.Event()

    def progress(p: Progress) -> None:
        if p.stored >= messages:
            stop.set()

    return await load(dataset, access, PUBLIC, PublishOptions(200), stop=stop, progress=progress, **options)


@contextlib.asynccontextmanager
async def _overheard(access: Access) -> AsyncIterator[list[tuple[str, dict[str, Any]]]]:
    """What is asked on Memphis's control subjects during a block."""
    heard: list[tuple[str, dict[str, Any]]] = []
    async with publisher(access) as connection:
        for subject in ("station_creations", "station_destructions", "producer_creations", "producer_destructions"):

            async def hear(message: Any, subject: str = subject) -> None:
                heard.append((subject, json.loads(message.data)))

            await connection.subscribe(f"$memphis_{subject}", cb=hear)
        await connection.flush()
        yield heard
        await connection.flush()


def test_stations_are_asked_for_filled_whole_and_found_filled_the_next_time(sample: Dataset, there: Access):
    async def main() -> None:
        async with _overheard(plain(there.servers[0])) as heard:
            report = await load(sample, there, PUBLIC, PublishOptions())
        assert report.sent == report.acknowledged == sample.manifest.records
        assert (report.mode, report.mode_reason) == ("nonblocking", "through Memphis there is no fast ingest")
        await assert_whole(sample, there)
        made = [asked["name"] for subject, asked in heard if subject == "station_creations"]
        assert made == [table.station for table in (*PUBLIC, PREDICTIONS)]
        producers = [asked["station_name"] for subject, asked in heard if subject == "producer_creations"]
        assert producers == [table.station for table in PUBLIC]
        ended = [asked["station_name"] for subject, asked in heard if subject == "producer_destructions"]
        assert ended == producers
        (found,) = await _streams(there, TWEETS.station)
        assert (found.max_messages, found.max_age, found.max_bytes) == (protocol.MESSAGES_MOST, 0, -1)
        assert found.metadata[plan.FINGERPRINT] == sample.manifest.fingerprint

        async with _overheard(plain(there.servers[0])) as heard:
            report = await load(sample, there, PUBLIC, PublishOptions())
        assert (report.sent, report.already_stored, report.mode) == (0, sample.manifest.records, "nonblocking")
        assert heard == []

    asyncio.run(main())


def test_every_message_names_the_producer_and_its_connection(sample: Dataset, there: Access):
    async def main() -> None:
        async with _overheard(plain(there.servers[0])) as heard:
            await load(sample, there, [ALERTS], PublishOptions())
        ids = {asked["connection_id"] for _, asked in heard if "connection_id" in asked}
        assert len(ids) == 1
        rows = sample.manifest.tables[ALERTS.name].rows
        async with publisher(there) as connection:
            for number in range(1, rows + 1):
                message = await connection.jetstream().get_msg(ALERT_STREAM, number)
                assert message.headers == {
                    "Nats-Expected-Last-Sequence": str(number - 1),
                    "$memphis_producedBy": "zakar",
                    "$memphis_connectionId": min(ids),
                }

    asyncio.run(main())


@pytest.mark.slow
def test_partitions_are_filled_from_several_connections_each_a_producer_of_its_own(sample: Dataset, there: Access):
    async def main() -> None:
        async with _overheard(plain(there.servers[0])) as heard:
            report = await load(sample, there, PUBLIC, PublishOptions(), partitions=3, connections=3)
        assert report.connections == 3
        assert {s.partitions for s in report.stations.values()} == {3}
        await assert_whole(sample, there)
        creations = [asked for subject, asked in heard if subject == "producer_creations"]
        assert len({asked["connection_id"] for asked in creations}) == 3
        assert len({asked["app_id"] for asked in creations}) == 1
        assert {asked["station_name"] for asked in creations} == {table.station for table in PUBLIC}
        assert len(await _streams(there, READINGS.station)) == 3
        assert (await load(sample, there, PUBLIC, PublishOptions())).sent == 0

    asyncio.run(main())


def test_a_load_that_was_stopped_is_gone_on_with_by_either_address(sample: Dataset, there: Access):
    async def main() -> None:
        nats = plain(there.servers[0])
        first = await _some(sample, nats, 3_000)
        second = await _some(sample, there, first.sent + 3_000)
        assert (second.interrupted, second.already_stored) == (True, first.sent)
        report = await load(sample, nats, PUBLIC, PublishOptions())
        assert report.already_stored == first.sent + second.sent
        await assert_whole(sample, there)

    asyncio.run(main())


@pytest.mark.slow
def test_a_loader_that_is_killed_half_way_is_gone_on_with(large: Dataset, there: Access):
    words = ("load", str(large.root), "--server", there.servers[0])
    loader = started(*words, "--rate", "60000", "--partitions", "2")
    streams = [stream_name(table.station, number) for table in PUBLIC for number in (1, 2)]

    async def half() -> None:
        async with publisher(there) as looking:

            async def reached() -> bool:
                return await stored(looking, streams) > large.manifest.records // 2

            await until(reached)

    asyncio.run(half())
    loader.kill()
    loader.communicate()
    done = zakar(*words, "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert 0 < report["already_stored"] < large.manifest.records
    asyncio.run(assert_whole(large, there))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot send one process a Ctrl-C")
def test_ctrl_c_drains_what_is_in_flight_and_ends_the_producers(large: Dataset, there: Access):
    words = ("load", str(large.root), "--server", there.servers[0])

    async def main() -> None:
        async with _overheard(plain(there.servers[0])) as heard:
            loader = started(*words, "--rate", "30000", "--json")
            async with publisher(there) as looking:

                async def reached() -> bool:
                    return await stored(looking) > 20_000

                await until(reached)
                loader.send_signal(signal.SIGINT)
                out, errors = await asyncio.to_thread(loader.communicate)
                assert loader.returncode == 130, errors
                report = json.loads(out)
                assert report["sent"] == report["acknowledged"] == await stored(looking)
        ended = [asked["station_name"] for subject, asked in heard if subject == "producer_destructions"]
        assert ended == [table.station for table in PUBLIC]
        await load(large, there, PUBLIC, PublishOptions())
        await assert_whole(large, there)

    asyncio.run(main())


def test_a_connection_that_is_cut_is_made_again_and_doubles_nothing(sample: Dataset, there: Access):
    async def main() -> None:
        async with proxied(plain(there.servers[0]).servers[0]) as proxy:
            cuts = 0

            def progress(p: Progress) -> None:
                nonlocal cuts
                if cuts < 2 and p.stored > (cuts + 1) * 5_000:
                    cuts += 1
                    proxy.cut()

            way = Access((f"memphis://ana:s3%2Fcret@{proxy.url.partition('://')[2]}",))
            report = await load(sample, way, PUBLIC, PublishOptions(500), progress=progress)
        assert (report.reconnects, cuts) == (2, 2)
        await assert_whole(sample, there)

    asyncio.run(main())


def test_recreate_has_stations_deleted_and_never_those_of_predictions(sample: Dataset, other: Dataset, there: Access):
    async def main() -> None:
        tables = (ALERTS, TWEETS)
        await load(sample, there, tables, PublishOptions(), partitions=2)
        async with publisher(there) as connection:
            await connection.jetstream().publish(f"{stream_name(PREDICTIONS.station)}.final", b"a prediction")
        with pytest.raises(MismatchError, match="of another dataset"):
            await load(other, there, tables, PublishOptions())
        async with _overheard(plain(there.servers[0])) as heard:
            await load(other, there, tables, PublishOptions(), recreate=True)
        gone = [asked["station_name"] for subject, asked in heard if subject == "station_destructions"]
        assert sorted(gone) == sorted(table.station for table in tables)
        assert all(found.ok for found in (await verify(other, there, tables)).values())
        assert [len(await _streams(there, table.station)) for table in tables] == [1, 1]
        assert (await _streams(there, PREDICTIONS.station))[0].messages == 1

    asyncio.run(main())


async def _asked(access: Access, name: str, partitions: int, **options: Any) -> None:
    """Make a station as an SDK's program does."""
    request = {**json.loads(protocol.station_creation(name, USER, partitions, 1)), **options}
    async with publisher(access) as connection:
        assert await connection.ask(protocol.STATION_CREATION, json.dumps(request).encode()) == b""


def test_an_empty_station_of_a_programs_is_filled_as_it_is(sample: Dataset, there: Access):
    async def main() -> None:
        await _asked(there, ALERTS.station, 3)
        report = await load(sample, there, [ALERTS], PublishOptions())
        assert report.stations[ALERTS.station].partitions == 3
        assert (await verify(sample, there, [ALERTS]))[ALERTS.station].ok

    asyncio.run(main())


def test_a_station_of_a_programs_that_forgets_within_the_hour_is_refused(sample: Dataset, there: Access):
    async def main() -> None:
        await _asked(there, ALERTS.station, 1, retention_type="message_age_sec", retention_value=3600)
        await load(sample, there, [ALERTS], PublishOptions())

    with pytest.raises(MismatchError, match="would not keep every message: its max_age is 3,600 s"):
        asyncio.run(main())


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.parametrize(("has", "asked"), [(1, 3), (3, 2)])
@pytest.mark.parametrize("filled", [True, False])
def test_another_number_of_partitions_than_a_station_has_is_refused(
    sample: Dataset, there: Access, has: int, asked: int, filled: bool
):
    async def main() -> None:
        if filled:
            await load(sample, there, [ALERTS], PublishOptions(), partitions=has)
        else:
            await _asked(there, ALERTS.station, has)
        before = await _streams(there, ALERTS.station)
        seen = (await examine(there, sample, [ALERTS], partitions=asked)).plan
        assert seen is not None
        assert Action.CREATE not in [o.action for o in seen.of(ALERTS)]
        assert seen.refusals
        said = f"is one of {has} partitions, not of {asked}; give --partitions {has}"
        if has > asked and not filled:
            said = f"is a partition too many: its station is to have {asked}"
        with pytest.raises(MismatchError, match=said):
            await load(sample, there, [ALERTS], PublishOptions(), partitions=asked)
        assert await _streams(there, ALERTS.station) == before

    asyncio.run(main())


def test_what_memphis_does_not_have_is_refused_in_a_message(sample: Dataset, there: Access):
    with pytest.raises(ServerError, match="--mode batch: through Memphis there is no fast ingest; use --mode auto"):
        asyncio.run(load(sample, there, PUBLIC, PublishOptions(), mode=Mode.BATCH))
    with pytest.raises(ConfigError, match="no server is given by a ws:// or wss:// address"):
        asyncio.run(load(sample, there, PUBLIC, PublishOptions(), transport=Transport.WEBSOCKET))
    with pytest.raises(ServerError, match="--mode batch: through Memphis"):
        asyncio.run(examine(there, sample, mode=Mode.BATCH))
    with pytest.raises(ServerError, match="--replicas 3: this server is in no cluster"):
        asyncio.run(load(sample, there, PUBLIC, PublishOptions(), replicas=3))


@pytest.mark.slow
def test_doctor_and_a_rehearsal_say_what_a_load_would_do(sample: Dataset, there: Access):
    async def main() -> None:
        async with _overheard(plain(there.servers[0])) as heard:
            found = await examine(there, sample)
        assert found.plan is not None
        assert found.plan.ok
        assert {o.action for o in found.plan.stations.values()} == {Action.CREATE}
        assert {o.max_bytes for o in found.plan.stations.values()} == {-1}
        assert {o.mode for o in found.plan.stations.values()} == {"nonblocking"}
        assert (found.offer.memphis, found.offer.fast_ingest) == (True, False)
        assert found.offer.server == f"memphis://{there.servers[0].rpartition('@')[2]}"
        assert [subject for subject, _ in heard] == ["producer_destructions"]  # of none: to see whether it is answered
        needs = found.plan.needs
        await load(sample, there, PUBLIC, PublishOptions())
        async with publisher(there) as connection:
            taken = sum(stream.bytes for stream in await station.every(connection))
        assert taken <= needs <= 1.06 * taken + 4 * 2**20  # a mebibyte to spare for each station

    asyncio.run(main())
    done = zakar("doctor", str(sample.root), "--server", there.servers[0])
    assert done.returncode == 0, done.stderr
    assert "nothing: all is there" in done.stdout
    assert "missing: fast ingest: through Memphis there is no fast ingest" in done.stdout
    assert re.search(
        r"dedupe +a Memphis broker goes by the header msg-id; `zakar broker --memphis` ignores it", done.stdout
    )
    assert PASSWORD not in done.stdout + done.stderr


@pytest.mark.usefixtures("unmeasured")
def test_a_server_that_answers_for_no_stations_is_named_with_the_fix(sample: Dataset):
    said = "nothing answers for stations: this server is no Memphis broker; give a nats:// address"
    with running(ServerSettings()) as server:
        there = Access((address(server),))
        with pytest.raises(ServerError, match=said):
            asyncio.run(load(sample, there, PUBLIC, PublishOptions()))
        found = asyncio.run(examine(there, sample))
        assert found.offer.account is None
        assert re.match(said, found.offer.lacks)
        asyncio.run(
            load(sample, Access((server.url,)), [ALERTS], PublishOptions())
        )  # nothing was made that would be in the way
        with pytest.raises(ServerError, match=said):
            asyncio.run(load(sample, there, [ALERTS], PublishOptions(), recreate=True))
        assert asyncio.run(verify(sample, there, [ALERTS]))[ALERTS.station].ok


@pytest.mark.slow
@pytest.mark.parametrize("words", [("load", "--dry-run"), ("doctor",), ("load",)])
def test_a_server_that_answers_for_no_stations_is_no_broker_to_load(sample: Dataset, words: tuple[str, ...]):
    with running(ServerSettings()) as server:
        done = zakar(*words, str(sample.root), "--server", address(server))
    assert (done.returncode, "Traceback" in done.stderr) == (3, False)
    assert "nothing answers for stations: this server is no Memphis broker" in done.stderr


@contextlib.asynccontextmanager
async def _answering(access: Access, **answers: str) -> AsyncIterator[None]:
    """Something that answers control requests with fixed texts, as a Memphis broker that refuses."""
    async with publisher(access) as connection:
        for subject, text in answers.items():

            async def answer(message: Any, text: str = text) -> None:
                await message.respond(text.encode())

            await connection.subscribe(f"$memphis_{subject}", cb=answer)
        await connection.flush()
        yield


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        (
            {"station_creations": "Station name can not be empty"},
            "does not make station `zakar-tweets`: Station name can",
        ),
        (
            {"station_creations": "station can not be created, probably since replicas count is larger"},
            "replicas count is larger; leave --replicas out, or give fewer",
        ),
        ({"station_creations": ""}, r"has not made `zakar-tweets\$1`, and does not say why; does it know user `ana`\?"),
    ],
)
def test_a_station_that_the_broker_refuses_ends_the_load_before_anything_is_sent(sample: Dataset, answers, said: str):
    async def main(access: Access) -> None:
        async with _answering(access, **answers):
            await load(sample, access, PUBLIC, PublishOptions())

    with running(ServerSettings()) as server, pytest.raises(ServerError, match=said):
        asyncio.run(main(Access((address(server),))))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (json.dumps({"error": "User ana does not exist", "partitions_update": None}), "User ana does not exist"),
        ("not JSON, as of old", "not JSON, as of old"),
    ],
)
def test_a_producer_that_the_broker_refuses_ends_the_load_before_anything_is_sent(
    sample: Dataset, access: Access, answer: str, said: str
):
    async def main() -> None:
        await _created(access)
        async with _answering(access, producer_creations=answer):
            await load(sample, _memphis(access), PUBLIC, PublishOptions())

    with pytest.raises(ServerError, match=f"takes no producer for station `zakar-tweets`: {said}"):
        asyncio.run(main())


async def _created(access: Access) -> None:
    """Have the streams of all stations there, empty, as another would have made them."""
    async with publisher(access) as connection:
        for table in (*PUBLIC, PREDICTIONS):
            await station.create(connection, stream_name(table.station), {}, -1)


def _memphis(access: Access) -> Access:
    return Access((f"memphis://ana:x@{access.servers[0].partition('://')[2]}",))


def test_a_broker_that_does_not_answer_is_not_waited_for_longer_than_the_sdk_waits(
    sample: Dataset, access: Access, monkeypatch: pytest.MonkeyPatch
):
    assert memphis_client._PATIENCE == 20
    monkeypatch.setattr(memphis_client, "_PATIENCE", 0.2)

    async def main() -> None:
        async with publisher(access) as deaf:
            await deaf.subscribe("$memphis_station_creations")
            await deaf.flush()
            await load(sample, _memphis(access), PUBLIC, PublishOptions())

    with pytest.raises(ServerError, match="does not answer .memphis_station_creations within 0.2 s"):
        asyncio.run(main())


def _connected(access: Access) -> tuple[str, str]:
    """Who a connection says that it is: its name, and its user."""

    async def main() -> tuple[str, str]:
        async with connected(access) as connection:
            told = json.loads(await connection.ask("$SYS.REQ.USER.INFO", b""))
            return connection.name, told["data"]["user"]

    return asyncio.run(main())


def test_a_user_signs_in_with_the_accounts_number_or_without_where_that_is_refused():
    users = 'authorization { users: [{user: "ana$7", password: pw}, {user: bob, password: pw}] }'
    uuid = "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}"
    with running(ServerSettings(extra=users)) as server:
        name, user = _connected(Access((address(server, "memphis://ana:pw@") + "?account=7",)))
        assert re.fullmatch(f"{uuid}::ana", name)
        assert user == "ana$7"
        name, user = _connected(Access((address(server, "memphis://bob:pw@") + "?account=7",)))
        assert re.fullmatch(f"{uuid}::bob", name)
        assert user == "bob"
        for who in ("memphis://ana:pw@", "memphis://bob:no@"):  # another account, another password
            with pytest.raises(
                ServerError, match="refuses these credentials .*; check the user, the password and the acc"
            ):
                _connected(Access((address(server, who),)))


def test_a_token_signs_in_for_a_user(sample: Dataset):
    with running(ServerSettings(token="t0ken")) as server, answered(Access((server.url,), token="t0ken")):
        where = address(server, "memphis://ana@")
        asyncio.run(load(sample, Access((where,), token="t0ken"), [ALERTS], PublishOptions()))
        assert asyncio.run(verify(sample, Access((where,), token="t0ken"), [ALERTS]))[ALERTS.station].ok
        with pytest.raises(ServerError, match="refuses these credentials"):
            _connected(Access((where,), token="another"))
        with pytest.raises(ConfigError, match="no password"):
            _connected(Access((where,)))


@pytest.mark.slow
def test_commands_take_such_an_address_and_what_else_is_needed_from_the_environment(sample: Dataset, memphis: str):
    where = f"memphis://{memphis.rpartition('@')[2]}"
    secrets = {"NATS_USER": USER, "NATS_PASSWORD": PASSWORD}
    for command in ("load", "load", "verify"):
        done = zakar(command, str(sample.root), "--server", where, **secrets)
        assert done.returncode == 0, done.stderr
    done = zakar("load", str(sample.root), "--server", where, "--mode", "batch", **secrets)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == "zakar: --mode batch: through Memphis there is no fast ingest; use --mode auto\n"
    done = zakar("consume", ALERTS.station, "--limit", "1", NATS_URL=where, **secrets)
    assert json.loads(done.stdout).keys() == {column.name for column in ALERTS.columns}
    done = zakar("consume", "zakar-nothing", "--server", where, **secrets)
    assert (done.returncode, "no station `zakar-nothing`" in done.stderr) == (1, True)
    done = zakar("consume", ALERTS.station, "--server", where)
    assert (done.returncode, "no user; give memphis://user:password@host, or --user" in done.stderr) == (2, True)


@pytest.mark.slow
def test_nothing_shows_the_password_of_an_address(sample: Dataset):
    with running(ServerSettings(user="ana", password="other")) as server:
        done = zakar("load", str(sample.root), "--server", address(server))
    assert done.returncode == 3
    assert "refuses these credentials" in done.stderr
    done = zakar("load", str(sample.root), "--server", address(server))  # now it is down
    assert done.returncode == 3
    assert "cannot be reached" in done.stderr
    assert "zakar broker --memphis" in done.stderr
    assert not any(word in done.stderr for word in (PASSWORD, "s3%2Fcret"))


@pytest.mark.slow
def test_a_memphis_broker_is_reached_by_tls_where_an_authority_is_given(sample: Dataset, tmp_path: Path):
    authority = trustme.CA()
    own = authority.issue_cert("127.0.0.1")
    ca, cert, key = (tmp_path / name for name in ("ca.pem", "cert.pem", "key.pem"))
    authority.cert_pem.write_to_path(str(ca))
    own.cert_chain_pems[0].write_to_path(str(cert))
    own.private_key_pem.write_to_path(str(key))
    settings = ServerSettings(user=USER, password=PASSWORD, account=1, tls_cert=cert, tls_key=key)
    with running(settings) as server, answered(Access((server.url,), USER, PASSWORD, tls_ca=ca)):
        there = Access((address(server),), tls_ca=ca)
        asyncio.run(load(sample, there, PUBLIC, PublishOptions()))
        asyncio.run(assert_whole(sample, there))
        assert asyncio.run(examine(there)).offer.encrypted
        with pytest.raises(ServerError, match="TLS"):
            _connected(Access((address(server),)))


@pytest.mark.usefixtures("unmeasured")
def test_a_station_that_may_not_be_marked_is_known_by_its_messages(sample: Dataset, other: Dataset):
    limited = """
    accounts { team {
        jetstream: enabled
        users: [
            {user: boss, password: pw}
            {user: ana, password: pw, permissions: {publish: {deny: "$JS.API.STREAM.UPDATE.>"}}}
        ]
    } }
    """

    async def main(there: Access) -> None:
        report = await _some(sample, there, 3_000, partitions=2)
        assert report.interrupted
        streams = await _streams(there, TWEETS.station)
        assert plan.FINGERPRINT not in streams[0].metadata
        report = await load(sample, there, PUBLIC, PublishOptions())
        assert 3_000 <= report.already_stored < sample.manifest.records
        assert "this user may not update streams" in report.mode_reason
        assert (await load(sample, there, PUBLIC, PublishOptions())).sent == 0
        await assert_whole(sample, there)
        seen = (await examine(there, sample)).plan
        assert seen is not None
        assert {o.action for o in seen.stations.values()} == {Action.NOTHING}
        with pytest.raises(MismatchError, match="messages that zakar did not load"):
            await load(other, there, PUBLIC, PublishOptions())
        async with publisher(there) as connection:
            await connection.jetstream().publish(f"{stream_name(ALERTS.station, 2)}.final", b"a test message")
        with pytest.raises(MismatchError, match=r"alerts\$2` holds \d+ messages, the table only"):
            await load(sample, there, [ALERTS], PublishOptions())

    with running(ServerSettings(extra=limited)) as server, answered(Access((server.url,), "boss", "pw")):
        asyncio.run(main(Access((address(server, "memphis://ana:pw@"),))))


def test_a_responder_that_is_gone_when_a_load_ends_does_not_fail_it(
    sample: Dataset, access: Access, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(memphis_client, "_FAREWELL", 0.1)

    async def main() -> None:
        await _created(access)
        async with _answering(access, producer_creations=json.dumps({"error": ""})), publisher(access) as deaf:
            await deaf.subscribe(protocol.PRODUCER_DESTRUCTION)
            await deaf.flush()
            report = await load(sample, _memphis(access), PUBLIC, PublishOptions())
        assert report.acknowledged == sample.manifest.records
        await assert_whole(sample, access)

    asyncio.run(main())
