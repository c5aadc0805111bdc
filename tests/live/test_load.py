import asyncio
import json
import shutil
import threading
from pathlib import Path

import pytest
from frame_proxy import frame_proxied
from helpers import STREAMS, assert_whole, examine, free_port, load, publisher, stored

from zakar.broker import station
from zakar.broker.access import Access
from zakar.broker.server import Server, ServerSettings, running
from zakar.dataset import store, wire
from zakar.dataset.schema import ALERTS, PREDICTIONS, PUBLIC, READINGS, TWEETS
from zakar.dataset.store import Dataset
from zakar.errors import MismatchError, ServerError, StoppedError
from zakar.loader import frames, plan, producer
from zakar.loader.load import Progress
from zakar.loader.options import Mode, PublishOptions

ALERT_STREAM = station.stream_name(ALERTS.station)

MODES = [Mode.NONBLOCKING, Mode.BATCH]


async def _create(access: Access, dataset: Dataset, max_bytes: int | None = None, table=ALERTS) -> None:
    target = plan.target(dataset.manifest, table)
    async with publisher(access) as connection:
        size = target.max_bytes if max_bytes is None else max_bytes
        await station.create(connection, target.stream, target.metadata, size)


async def _publish(access: Access, payloads: list[bytes], stream: str = ALERT_STREAM) -> None:
    async with publisher(access) as connection:
        for payload in payloads:
            await connection.jetstream().publish(station.subject(stream), payload)


def test_a_load_stores_every_message_once_and_in_order(sample: Dataset, access: Access):
    report = asyncio.run(load(sample, access, PUBLIC, PublishOptions()))
    assert report.records == report.sent == report.acknowledged == sample.manifest.records
    assert (report.already_stored, report.timeouts, report.retries, report.reconnects) == (0, 0, 0, 0)
    asyncio.run(assert_whole(sample, access))


def test_a_second_load_sends_nothing(sample: Dataset, access: Access):
    asyncio.run(load(sample, access, PUBLIC, PublishOptions()))
    report = asyncio.run(load(sample, access, PUBLIC, PublishOptions()))
    assert report.sent == 0
    assert report.already_stored == sample.manifest.records
    asyncio.run(assert_whole(sample, access))


def test_a_load_that_goes_well_never_has_to_ask_what_is_stored(
    sample: Dataset, access: Access, monkeypatch: pytest.MonkeyPatch
):
    async def settled(*_: object) -> int:
        raise AssertionError("asked")

    monkeypatch.setattr(producer, "_settled", settled)
    for _ in range(10):
        report = asyncio.run(load(sample, access, PUBLIC, PublishOptions(), recreate=True))
        assert (report.mode, report.acknowledged, report.retries) == ("batch", report.records, 0)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("in_flight", [1, 2, 3, 500, 100_000])
def test_any_limit_on_messages_in_flight_is_kept(sample: Dataset, access: Access, mode: Mode, in_flight: int):
    seen: list[Progress] = []
    report = asyncio.run(
        load(sample, access, [ALERTS, TWEETS], PublishOptions(in_flight), mode=mode, progress=seen.append)
    )
    assert max(p.in_flight for p in seen) <= in_flight
    assert report.mode == mode
    assert report.acknowledged == report.records


@pytest.mark.parametrize("mode", MODES)
def test_the_limit_sets_itself_unless_told(sample: Dataset, access: Access, mode: Mode):
    report = asyncio.run(load(sample, access, PUBLIC, PublishOptions(), mode=mode))
    assert 16 <= report.in_flight_limit <= 65_536
    assert (report.acknowledged, report.timeouts, report.retries) == (report.records, 0, 0)
    asyncio.run(assert_whole(sample, access))


@pytest.mark.parametrize("mode", MODES)
def test_a_rate_is_kept(sample: Dataset, access: Access, mode: Mode):
    report = asyncio.run(load(sample, access, [TWEETS], PublishOptions(rate=5_000), mode=mode))
    assert report.messages_per_second <= 5_050
    assert report.acknowledged == report.records


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_a_rate_below_one_a_second_is_kept_too(sample: Dataset, access: Access, mode: Mode):
    stop = asyncio.Event()

    def progress(p: Progress) -> None:
        if p.stored == 2:
            stop.set()

    pace = PublishOptions(rate=0.8, ack_timeout=1.5)  # pings are due before the first message is
    report = asyncio.run(load(sample, access, [ALERTS], pace, mode=mode, stop=stop, progress=progress))
    assert 2 <= report.sent == report.acknowledged < 5
    assert report.timeouts == 0


@pytest.mark.slow
def test_a_rate_that_takes_longer_to_the_next_ack_than_its_deadline_costs_no_time_out(sample: Dataset, access: Access):
    stop = asyncio.Event()

    def progress(p: Progress) -> None:
        if p.sent > 600:
            stop.set()

    pace = PublishOptions(2_000, ack_timeout=3, rate=100)  # an ack every 500 messages
    report = asyncio.run(load(sample, access, [TWEETS], pace, mode=Mode.BATCH, stop=stop, progress=progress))
    assert (report.timeouts, report.retries) == (0, 0)


def test_blocking_waits_for_each_ack(sample: Dataset, access: Access):
    seen: list[Progress] = []
    report = asyncio.run(load(sample, access, [ALERTS], PublishOptions(), mode=Mode.BLOCKING, progress=seen.append))
    assert max(p.in_flight for p in seen) <= 1
    assert report.mode == "blocking"
    assert report.acknowledged == report.records


def test_auto_uses_fast_ingest_where_server_and_stream_allow(sample: Dataset, access: Access):
    report = asyncio.run(load(sample, access, PUBLIC, PublishOptions()))
    assert (report.mode, report.mode_reason) == ("batch", "")


def test_a_stream_of_another_mode_is_gone_on_with_in_any_mode(sample: Dataset, access: Access):
    async def main() -> None:
        modes = {Mode.NONBLOCKING: 2_000, Mode.BATCH: 4_000, Mode.BLOCKING: 5_000, Mode.AUTO: 30_000}
        for mode, end in modes.items():
            stop = asyncio.Event()

            def progress(p: Progress, stop: asyncio.Event = stop, end: int = end) -> None:
                if p.stored > end:
                    stop.set()

            report = await load(sample, access, PUBLIC, PublishOptions(300), mode=mode, stop=stop, progress=progress)
            assert report.sent == report.acknowledged
            # The tweets that are left are fewer than a killed loader could have had in flight.
            assert ("under way from a loader that was killed" in report.mode_reason) == (
                mode in {Mode.BATCH, Mode.AUTO}
            )
        await assert_whole(sample, access)

    asyncio.run(main())


@pytest.mark.slow
def test_a_user_who_may_not_update_streams_still_loads_safely_and_is_told_why(sample: Dataset):
    limited = """
    accounts { team {
        jetstream: enabled
        users: [
            {user: boss, password: pw}
            {user: ana, password: pw, permissions: {publish: {deny: "$JS.API.STREAM.UPDATE.>"}}}
        ]
    } }
    """
    with running(ServerSettings(extra=limited)) as server:
        boss, ana = (Access(servers=(server.url,), user=user, password="pw") for user in ("boss", "ana"))
        asyncio.run(_create(boss, sample))
        report = asyncio.run(load(sample, ana, [ALERTS], PublishOptions()))
        assert report.mode == "nonblocking"
        assert "may not update streams" in report.mode_reason
        asyncio.run(load(sample, ana, PUBLIC, PublishOptions()))
        asyncio.run(assert_whole(sample, boss))


def test_a_stopped_load_drains_and_the_next_goes_on(sample: Dataset, access: Access):
    async def main() -> None:
        stop = asyncio.Event()

        def progress(p: Progress) -> None:
            if p.stored > 5_000:
                stop.set()

        first = await load(sample, access, PUBLIC, PublishOptions(200), stop=stop, progress=progress)
        assert first.interrupted
        assert 5_000 < first.acknowledged == first.sent < first.records
        second = await load(sample, access, PUBLIC, PublishOptions())
        assert second.already_stored == first.acknowledged
        assert second.sent == second.records - first.acknowledged
        assert not second.interrupted
        await assert_whole(sample, access)

    asyncio.run(main())


def test_a_station_is_made_as_memphis_and_plain_clients_expect_it(sample: Dataset, access: Access):
    async def main() -> None:
        await load(sample, access, PUBLIC, PublishOptions())
        async with publisher(access) as connection:
            for table in (*PUBLIC, PREDICTIONS):
                found = await station.look(connection, station.stream_name(table.station))
                assert found is not None
                assert found.subjects == (f"{table.station}$1.>",)
                assert found.metadata[plan.TABLE] == table.name
                assert found.metadata[plan.FINGERPRINT] == sample.manifest.fingerprint
            message = await connection.jetstream().get_msg("zakar-temperature-readings$1", 1)
            assert message.subject == "zakar-temperature-readings$1.final"
            assert list(json.loads(message.data)) == [c.name for c in READINGS.columns]

    asyncio.run(main())


def test_the_size_asked_for_holds_the_table_and_little_more(sample: Dataset, access: Access):
    async def main() -> None:
        await load(sample, access, PUBLIC, PublishOptions(), mode=Mode.NONBLOCKING)  # whose messages have a header each
        async with publisher(access) as connection:
            for table in PUBLIC:
                target = plan.target(sample.manifest, table)
                found = await station.look(connection, target.stream)
                assert found is not None
                assert found.bytes <= target.max_bytes <= found.bytes * 1.06 + (1 << 20)

    asyncio.run(main())


def test_another_dataset_is_refused_and_nothing_is_touched(sample: Dataset, other: Dataset, access: Access):
    asyncio.run(load(other, access, PUBLIC, PublishOptions()))
    with pytest.raises(MismatchError, match=r"zakar-tweets\$1.*another dataset.*scenario tiny.*--recreate"):
        asyncio.run(load(sample, access, PUBLIC, PublishOptions()))
    asyncio.run(assert_whole(other, access))


def test_recreate_replaces_the_tables_and_keeps_the_predictions(sample: Dataset, other: Dataset, access: Access):
    async def main() -> None:
        await load(other, access, PUBLIC, PublishOptions())
        predictions = station.stream_name(PREDICTIONS.station)
        await _publish(access, [b'{"event_day":30}'], predictions)
        await load(sample, access, PUBLIC, PublishOptions(), recreate=True)
        await assert_whole(sample, access)
        async with publisher(access) as connection:
            assert await stored(connection, [predictions]) == 1

    asyncio.run(main())


def test_messages_that_zakar_did_not_load_are_refused(sample: Dataset, access: Access):
    async def main() -> None:
        async with publisher(access) as connection:
            await station.create(connection, ALERT_STREAM, {}, -1)
        await _publish(access, [b"a test message"])
        await load(sample, access, PUBLIC, PublishOptions())

    with pytest.raises(MismatchError, match="1 messages that zakar did not load"):
        asyncio.run(main())


def test_an_empty_stream_of_nobodys_is_adopted(sample: Dataset, access: Access):
    async def main() -> None:
        async with publisher(access) as connection:
            await station.create(connection, ALERT_STREAM, {"team": "red"}, -1)
        await load(sample, access, PUBLIC, PublishOptions())
        await assert_whole(sample, access)
        async with publisher(access) as connection:
            found = await station.look(connection, ALERT_STREAM)
            assert found is not None
            assert found.metadata["team"] == "red"
            assert found.metadata[plan.FINGERPRINT] == sample.manifest.fingerprint

    asyncio.run(main())


def test_a_stream_with_other_subjects_is_refused(sample: Dataset, access: Access):
    async def main() -> None:
        async with publisher(access) as connection:
            await connection.jetstream().add_stream(name=ALERT_STREAM, subjects=["theirs"])
        await load(sample, access, PUBLIC, PublishOptions())

    with pytest.raises(MismatchError, match="its subjects are theirs"):
        asyncio.run(main())


def test_a_wrong_last_message_is_refused(sample: Dataset, access: Access):
    async def main() -> None:
        await _create(access, sample)
        await _publish(access, [b'{"event_day":1}'])
        await load(sample, access, PUBLIC, PublishOptions())

    with pytest.raises(MismatchError, match="differs from the dataset at message 1"):
        asyncio.run(main())


def test_what_another_stored_meanwhile_counts_as_stored_already(sample: Dataset, access: Access):
    (rows,) = store.batches(sample, ALERTS)
    payloads = wire.encode(rows).to_pylist()
    meanwhile: list[threading.Thread] = []

    def progress(p: Progress) -> None:
        if p.stored == 10 and not meanwhile:  # as late frames of a killed loader would be
            rest = payloads[10 + p.in_flight : 20]
            meanwhile.append(threading.Thread(target=lambda: asyncio.run(_publish(access, rest))))
            meanwhile[0].start()
            meanwhile[0].join()

    report = asyncio.run(load(sample, access, [ALERTS], PublishOptions(1), mode=Mode.NONBLOCKING, progress=progress))
    assert report.already_stored >= 8
    assert report.already_stored + report.acknowledged == report.records == len(payloads)


def test_a_resumed_batch_begins_beyond_all_that_a_killed_loader_may_still_store(
    sample: Dataset, access: Access, monkeypatch: pytest.MonkeyPatch
):
    """Late messages that ask for an ack each are stored wherever they fit, so none may find its place in a batch."""
    monkeypatch.setattr(plan, "IN_FLIGHT_MOST", 500)
    stop, sent = asyncio.Event(), {b"HPUB": 0, b"PUB": 0}

    def progress(p: Progress) -> None:
        if p.stored > 2_000:
            stop.set()

    def note(frame: bytes) -> bool:
        word, _, rest = frame.partition(b" ")
        if rest.startswith(f"{STREAMS[0]}.final".encode()):
            assert word == b"HPUB" or sent[b"HPUB"] > 500
            sent[word] += 1
        return False

    async def main() -> None:
        first = await load(
            sample, access, [TWEETS], PublishOptions(100), mode=Mode.NONBLOCKING, stop=stop, progress=progress
        )
        async with frame_proxied(access.servers[0]) as proxy:
            proxy.up.lose = note
            report = await load(sample, Access(servers=(proxy.url,)), [TWEETS], PublishOptions())
        assert report.mode == "batch"
        assert 500 < sent[b"HPUB"] < 510  # a batch's first message has headers too, and there may be a few batches
        assert sent[b"HPUB"] + sent[b"PUB"] >= report.sent == report.records - first.sent

    asyncio.run(main())


@pytest.mark.slow
@pytest.mark.parametrize("delay", [0.02, 0.03, 0.04])
def test_late_messages_of_a_killed_loader_never_shift_a_batch(large: Dataset, access: Access, delay: float):
    async def main() -> None:
        stop, blocks = asyncio.Event(), []

        def progress(p: Progress) -> None:
            if p.stored > 20_000:
                stop.set()

        await load(large, access, [TWEETS], PublishOptions(2_000), mode=Mode.NONBLOCKING, stop=stop, progress=progress)
        async with publisher(access) as dead:
            after = there = await stored(dead, STREAMS[:1])
            for rows in store.batches(large, TWEETS, there):
                late = frames.expecting(wire.encode(rows), after, station.subject(STREAMS[0]), "_INBOX.dead")
                after += len(rows)
                blocks.append(late.data)
                if after > there + 60_000:
                    break
            loading = asyncio.create_task(load(large, access, PUBLIC, PublishOptions()))
            await asyncio.sleep(delay)
            for block in blocks:
                await dead.send(block)
            report = await loading
        assert report.already_stored + report.acknowledged == report.records
        await assert_whole(large, access)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"no_ack": True}, "its no_ack is true"),
        ({"allow_msg_counter": True}, "its allow_msg_counter is true"),
        ({"max_msg_size": 100}, "its max_msg_size is 100, and the messages have 186 bytes on average"),
    ],
)
def test_a_stream_that_cannot_be_filled_is_refused_by_a_load_and_a_dry_run_alike(
    sample: Dataset, access: Access, setting: dict[str, object], said: str
):
    async def create() -> None:
        name = STREAMS[0]
        config = {"name": name, "subjects": [f"{name}.>"], "storage": "file", "allow_batched": True}
        async with publisher(access) as connection:
            await connection.api(f"STREAM.CREATE.{name}", config | setting)

    asyncio.run(create())
    with pytest.raises(MismatchError, match=rf"zakar-tweets\$1` cannot be filled: {said}"):
        asyncio.run(load(sample, access, PUBLIC, PublishOptions()))
    seen = asyncio.run(examine(access, sample)).plan
    assert seen is not None
    assert [said in outlook.why for outlook in seen.refusals.values()] == [True]


@pytest.mark.parametrize("mode", MODES)
def test_a_message_larger_than_its_stream_takes_is_told(sample: Dataset, access: Access, mode: Mode):
    async def main() -> None:
        name = STREAMS[0]
        config = {"name": name, "subjects": [f"{name}.>"], "storage": "file", "allow_batched": True}
        async with publisher(access) as connection:
            await connection.api(f"STREAM.CREATE.{name}", config | {"max_msg_size": 300})
            said = r"its max_msg_size is 300, and messages have up to \d+ bytes with their headers. Raise max_msg_size"
            with pytest.raises(MismatchError, match=said):
                await load(sample, access, [TWEETS], PublishOptions(), mode=mode)
            assert await stored(connection) == 0
            config = (await connection.api(f"STREAM.INFO.{name}"))["config"]
            await connection.api(f"STREAM.UPDATE.{name}", config | {"max_msg_size": 5_000})
        report = await load(sample, access, PUBLIC, PublishOptions(), mode=mode)
        assert report.already_stored + report.acknowledged == report.records
        await assert_whole(sample, access)

    asyncio.run(main())


def test_a_purged_stream_is_refused(sample: Dataset, access: Access):
    async def main() -> None:
        await load(sample, access, PUBLIC, PublishOptions())
        async with publisher(access) as connection:
            await connection.jetstream().purge_stream(ALERT_STREAM, keep=3)
        await load(sample, access, PUBLIC, PublishOptions())

    with pytest.raises(MismatchError, match="has lost messages: 3 are left of"):
        asyncio.run(main())


def test_a_stream_longer_than_its_table_is_refused(sample: Dataset, access: Access):
    async def main() -> None:
        await load(sample, access, PUBLIC, PublishOptions())
        await _publish(access, [b"one more"])
        await load(sample, access, PUBLIC, PublishOptions())

    with pytest.raises(MismatchError, match="the table only 67"):
        asyncio.run(main())


@pytest.mark.parametrize("mode", MODES)
def test_a_full_stream_stops_the_load_and_once_enlarged_it_goes_on(sample: Dataset, access: Access, mode: Mode):
    async def main() -> None:
        target = plan.target(sample.manifest, TWEETS)
        async with publisher(access) as connection:
            await station.create(connection, target.stream, target.metadata, 200_000)
            for size in (500_000, target.max_bytes):
                held = await stored(connection, [target.stream])
                with pytest.raises(StoppedError, match=r"zakar-tweets\$1` is full after [\d,]+ messages"):
                    await load(sample, access, PUBLIC, PublishOptions(), mode=mode)
                assert held < await stored(connection, [target.stream]) < target.records
                config = (await connection.jetstream().stream_info(target.stream)).config
                config.max_bytes = size
                await connection.jetstream().update_stream(config)
        report = await load(sample, access, PUBLIC, PublishOptions(), mode=mode)
        assert 0 < report.already_stored < target.records
        await assert_whole(sample, access)

    asyncio.run(main())


def _account(limit: str) -> str:
    return f"""
    accounts {{ team {{
        users: [{{user: ana, password: pw}}]
        jetstream {{ max_file: {limit}, max_mem: 1MB }}
    }} }}
    """


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_a_full_account_stops_the_load_and_once_it_is_given_more_it_goes_on(
    sample: Dataset, tmp_path: Path, mode: Mode
):
    port = free_port()
    access = Access(servers=(f"nats://127.0.0.1:{port}",), user="ana", password="pw")

    async def create_without_a_size() -> None:
        async with publisher(access) as connection:
            for table in PUBLIC:
                target = plan.target(sample.manifest, table)
                await station.create(connection, target.stream, target.metadata, -1)

    def serving(limit: str) -> ServerSettings:
        return ServerSettings(port=port, store=tmp_path / "store", extra=_account(limit))

    with running(serving("700KB")):
        asyncio.run(create_without_a_size())
        with pytest.raises(StoppedError, match=r"is full after [\d,]+ messages.*run this again"):
            asyncio.run(load(sample, access, PUBLIC, PublishOptions(), mode=mode))
    with running(serving("100MB")):
        report = asyncio.run(load(sample, access, PUBLIC, PublishOptions(), mode=mode))
        assert 0 < report.already_stored < report.records
        asyncio.run(assert_whole(sample, access))


def test_a_server_without_room_for_the_table_is_told_before_anything_is_sent(sample: Dataset, tmp_path: Path):
    extra = f'jetstream {{ max_file_store: 1MB, store_dir: "{tmp_path.as_posix()}" }}'
    with running(ServerSettings(extra=extra)) as server:
        access = Access(servers=(server.url,))
        with pytest.raises(ServerError, match=r"nothing was created.*refuses 7\.2 MiB of file storage"):
            asyncio.run(load(sample, access, PUBLIC, PublishOptions()))


def test_a_server_without_jetstream_is_told(sample: Dataset):
    with running(ServerSettings(extra="jetstream: false")) as server, pytest.raises(ServerError, match="no JetStream"):
        asyncio.run(load(sample, Access(servers=(server.url,)), PUBLIC, PublishOptions()))


def test_an_account_that_demands_a_size_gets_one(sample: Dataset):
    demanding = """
    accounts { team {
        users: [{user: ana, password: pw}]
        jetstream { max_bytes_required: true, max_file: 1GB, max_mem: 1MB }
    } }
    """
    with running(ServerSettings(extra=demanding)) as server:
        access = Access(servers=(server.url,), user="ana", password="pw")
        asyncio.run(load(sample, access, PUBLIC, PublishOptions()))
        asyncio.run(assert_whole(sample, access))


@pytest.mark.slow
def test_a_deleted_stream_is_told(sample: Dataset, access: Access, broker: Server):
    async def main() -> None:
        deleted = asyncio.Event()

        async def delete() -> None:
            await deleted.wait()
            async with publisher(access) as connection:
                await station.delete(connection, STREAMS[0])

        deleting = asyncio.create_task(delete())

        def progress(p: Progress) -> None:
            if p.stored > 100:
                deleted.set()

        with pytest.raises(StoppedError, match=r"zakar-tweets\$1` is gone"):
            await load(sample, access, PUBLIC, PublishOptions(1), progress=progress)
        await deleting

    asyncio.run(main())


@pytest.mark.slow
def test_a_message_too_large_for_the_server_is_told_before_it_cuts_the_connection(sample: Dataset, tmp_path: Path):
    store_folder = tmp_path / "store"
    with running(ServerSettings(store=store_folder)) as server:
        access = Access(servers=(server.url,))
        asyncio.run(load(sample, access, [ALERTS], PublishOptions()))
        asyncio.run(_create(access, sample, table=TWEETS))
    with (
        running(ServerSettings(store=store_folder, extra="max_payload: 300")) as server,
        pytest.raises(
            MismatchError, match=r"max_payload is 300, and messages have up to 3\d\d bytes with their headers"
        ),
    ):
        asyncio.run(load(sample, Access(servers=(server.url,)), [TWEETS], PublishOptions()))


def test_a_user_who_may_not_publish_is_told_at_once(sample: Dataset):
    reading = """
    accounts { team {
        jetstream: enabled
        users: [{user: ana, password: pw, permissions: {publish: ["$JS.API.>", "_INBOX.>"], subscribe: ">"}}]
    } }
    """
    with running(ServerSettings(extra=reading)) as server:
        access = Access(servers=(server.url,), user="ana", password="pw")
        with pytest.raises((ServerError, StoppedError), match=r"denies this user.*zakar-tweets"):
            asyncio.run(load(sample, access, PUBLIC, PublishOptions()))


def test_a_user_without_an_inbox_is_told(sample: Dataset):
    deaf = """
    accounts { team {
        jetstream: enabled
        users: [{user: ana, password: pw, permissions: {publish: ">", subscribe: {deny: "_INBOX.>"}}}]
    } }
    """
    with running(ServerSettings(extra=deaf)) as server:
        access = Access(servers=(server.url,), user="ana", password="pw")
        with pytest.raises(ServerError, match=r"(?i)permissions violation.*_inbox"):
            asyncio.run(load(sample, access, PUBLIC, PublishOptions()))


@pytest.mark.parametrize("denied", ["$JS.API.STREAM.INFO.>", "$JS.API.STREAM.MSG.GET.>"])
def test_a_right_that_lacks_for_several_questions_at_once_is_named(sample: Dataset, denied: str):
    users = f"""
    accounts {{ team {{
        jetstream: enabled
        users: [
            {{user: boss, password: pw}}
            {{user: ana, password: pw, permissions: {{publish: {{deny: "{denied}"}}}}}}
        ]
    }} }}
    """
    with running(ServerSettings(extra=users)) as server:
        boss, ana = (Access(servers=(server.url,), user=user, password="pw") for user in ("boss", "ana"))
        asyncio.run(load(sample, boss, PUBLIC, PublishOptions()))
        with pytest.raises(ServerError, match=r"(?i)permissions violation for publish to"):
            asyncio.run(load(sample, ana, PUBLIC, PublishOptions()))


@pytest.mark.parametrize("recreate", [False, True])
def test_replicas_on_a_server_of_no_cluster_are_refused_before_anything_is_deleted(
    sample: Dataset, access: Access, recreate: bool
):
    asyncio.run(load(sample, access, PUBLIC, PublishOptions()))
    refused = r"--replicas 3: this server is in no cluster.*leave --replicas out, or give --server one of a cluster"
    with pytest.raises(ServerError, match=refused):
        asyncio.run(load(sample, access, PUBLIC, PublishOptions(), replicas=3, recreate=recreate))
    with pytest.raises(ServerError, match=refused):
        asyncio.run(examine(access, sample, replicas=3, recreate=recreate))
    asyncio.run(assert_whole(sample, access))


def test_a_file_damaged_in_the_middle_stops_the_load_with_its_name(sample: Dataset, access: Access, tmp_path: Path):
    copy = tmp_path / "copy"
    shutil.copytree(str(sample.root), copy)
    path = copy / "public" / "tweets" / "part-00000.parquet"
    content = bytearray(path.read_bytes())
    content[50_000:60_000] = bytes(10_000)
    path.write_bytes(content)
    with pytest.raises(MismatchError, match=r"part-00000\.parquet: cannot be decoded"):
        asyncio.run(load(store.open_dataset(str(copy)), access, PUBLIC, PublishOptions()))
