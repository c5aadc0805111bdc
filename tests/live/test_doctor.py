"""What a server offers, whether a dataset fits, and what a dry run says: held against what then happens."""

import asyncio
import json
import re
from pathlib import Path

import pytest
import trustme
from helpers import examine, free_port, load, publisher, zakar
from operators import tiered

from zakar.broker import link, station
from zakar.broker.access import Access, with_creds
from zakar.broker.connection import ApiError
from zakar.broker.server import Server, ServerSettings, running
from zakar.dataset.days import first
from zakar.dataset.schema import ALERTS, PUBLIC, TWEETS
from zakar.dataset.store import Dataset
from zakar.errors import ServerError
from zakar.loader import plan
from zakar.loader.load import Progress
from zakar.loader.options import PublishOptions
from zakar.loader.plan import Action

QUOTA = """
accounts {{ team {{
    users: [{{user: ana, password: secret}}]
    jetstream {{ max_mem: 1MB, {} }}
}} }}
"""


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(link, "_LEAST", 0.01)


def _limited(limits: str):
    return running(ServerSettings(extra=QUOTA.format(limits)))


def _ana(server: Server) -> Access:
    return Access(servers=(server.url,), user="ana", password="secret")


async def _part(dataset: Dataset, access: Access, messages: int) -> int:
    """Load until so many messages are stored; return how many were."""
    stop = asyncio.Event()

    def progress(p: Progress) -> None:
        if p.stored > messages:
            stop.set()

    return (await load(dataset, access, PUBLIC, PublishOptions(200), stop=stop, progress=progress)).acknowledged


def test_a_plain_server_is_described(access: Access, broker: Server):
    found = asyncio.run(examine(access)).offer
    assert found.server == broker.url
    assert found.fast_ingest
    assert not found.encrypted
    assert found.max_payload == 1 << 20
    assert found.account is not None
    assert (found.account.left, found.account.streams, found.account.domain) == (None, 0, "")
    assert 0 < found.link.round_trip < 1
    assert found.link.rate is not None
    assert found.link.rate > 1e6


def test_doctor_prints_the_promised_keys_and_nothing_is_left(sample: Dataset, broker: Server, access: Access, command):
    code, out, _ = command("doctor", str(sample.root), "--server", broker.url, "--json")
    found = json.loads(out)
    assert code == 0
    assert found["ok"] is found["jetstream"] is True
    assert set(found) >= {
        "server", "version", "tls", "round_trip_seconds", "bytes_per_second", "messages_per_second", "max_payload",
        "fast_ingest", "account", "stations", "needs", "left", "seconds", "days_that_fit", "missing",
    }  # fmt: skip
    targets = [plan.target(sample.manifest, table) for table in PUBLIC]
    assert found["needs"] == sum(target.max_bytes for target in targets) + 1
    assert found["missing"] == []
    after = asyncio.run(examine(access)).offer.account
    assert after is not None
    assert (after.streams, after.used, after.committed) == (0, 0, 0)


def test_secrets_are_never_shown(sample: Dataset, command):
    with running(ServerSettings(user="ana", password="secret")) as server:
        url = server.url.replace("//", "//ana:secret@")
        code, out, err = command("doctor", str(sample.root), "--server", url)
        assert code == 0
        assert server.url in out
        assert "secret" not in out + err
        wrong, _, err = command("doctor", "--server", server.url, "--user", "ana", "--password", "wrong")
    assert wrong == 3
    assert "refuses these credentials" in err


def test_a_domain_and_tls_are_told(tmp_path: Path):
    authority = trustme.CA()
    cert = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    cert.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    cert.private_key_pem.write_to_path(tmp_path / "key.pem")
    settings = ServerSettings(
        tls_cert=tmp_path / "cert.pem",
        tls_key=tmp_path / "key.pem",
        extra=f'jetstream {{ domain: hub, store_dir: "{tmp_path.as_posix()}" }}',
    )
    with running(settings) as server:
        found = asyncio.run(examine(Access((server.url,), tls_ca=tmp_path / "ca.pem"))).offer
    assert found.encrypted
    assert found.account is not None
    assert found.account.domain == "hub"


def test_a_server_without_jetstream_exits_3_and_is_described_all_the_same(sample: Dataset, command):
    with running(ServerSettings(extra="jetstream: false")) as server:
        code, out, err = command("doctor", str(sample.root), "--server", server.url, "--json")
        found = json.loads(out)
        assert (code, found["ok"], found["jetstream"]) == (3, False, False)
        assert found["bytes_per_second"] > 1e6
        assert found["dedupe_header"] is None
        assert "start it with JetStream enabled" in found["missing"][0]
        assert len(err.splitlines()) == 1
        code, out, _ = command("doctor", "--server", server.url)
        assert code == 3
        assert "JetStream    no" in out
        assert _said(out, "batch") == "off: there is no JetStream"


def test_a_server_that_is_down_exits_3_with_a_line(command):
    code, out, err = command("doctor", "--server", f"nats://127.0.0.1:{free_port()}")
    assert (code, out) == (3, "")
    assert len(err.splitlines()) == 1


def test_an_old_server_is_told_what_it_lacks(access: Access, broker: Server, monkeypatch, command):
    monkeypatch.setattr(station, "FAST_INGEST", 99)
    code, out, _ = command("doctor", "--server", broker.url)
    assert code == 0
    assert re.search(r"missing: fast ingest: .* has no fast ingest, which came with 2.14; nats-server 2.14 and", out)
    assert re.fullmatch(r"off: .* has no fast ingest, which came with 2.14", _said(out, "batch"))


def _said(out: str, name: str) -> str:
    """What a report says in the line of a name."""
    (line,) = [line for line in out.splitlines() if line.startswith(f"{name} ")]
    return line.removeprefix(name).strip()


@pytest.mark.parametrize("words", [["doctor"], ["load", "--dry-run"]], ids=["doctor", "dry-run"])
def test_whether_batch_and_compression_are_on_is_told(sample: Dataset, command, words: list[str]):
    def asked(url: str, *more: str) -> tuple[str, str, dict[str, bool]]:
        line = [words[0], str(sample.root), *words[1:], "--server", url, *more]
        code, out, _ = command(*line)
        found = json.loads(command(*line, "--json")[1])
        assert code == 0
        return _said(out, "batch"), _said(out, "compression"), {key: found[key] for key in ("batch", "compression")}

    with running(ServerSettings(websocket_port=0)) as server:
        batch, compression, found = asked(server.url)
        assert (batch, found) == ("on, fast ingest", {"batch": True, "compression": False})
        assert compression == "off: TCP is not compressed, a ws:// address of the server would be"
        _, compression, found = asked(server.websocket_url)
        assert (compression, found) == ("on", {"batch": True, "compression": True})
        if words[0] == "load":
            batch, _, found = asked(server.url, "--mode", "nonblocking")
            assert (batch, found["batch"]) == ("off: the load would ask for an ack a message", False)


def test_which_header_makes_a_message_a_repeat_is_told_as_it_is(broker: Server, access: Access, command):
    async def stored_twice(header: str) -> int:
        async with publisher(access) as connection:
            await station.create(connection, "twice$1", {}, 1_000_000)
            for _ in range(2):
                await connection.jetstream().publish("twice$1.final", b"{}", headers={header: "the same"})
            stream = await station.look(connection, "twice$1")
            await station.delete(connection, "twice$1")
        assert stream is not None
        return stream.messages

    words = ["doctor", "--server", broker.url]
    header = json.loads(command(*words, "--json")[1])["dedupe_header"]
    assert _said(command(*words)[1], "dedupe") == f"by the header {header}; that of Memphis's SDKs, msg-id, is ignored"
    assert asyncio.run(stored_twice(header)) == 1
    assert asyncio.run(stored_twice("msg-id")) == 2


def test_a_websocket_without_compression_is_told(command):
    port = free_port()
    with running(ServerSettings(extra=f'websocket {{ listen: "127.0.0.1:{port}", no_tls: true }}')):
        words = ["doctor", "--server", f"ws://127.0.0.1:{port}"]
        assert _said(command(*words)[1], "compression") == "off: the server does not offer it"
        assert json.loads(command(*words, "--json")[1])["compression"] is False


@pytest.mark.parametrize(
    "limits",
    [
        "max_file: 5MB",
        "max_file: 300MB, disk_max_stream_bytes: 2MB",
        "max_file: 7MB, max_bytes_required: true, disk_max_stream_bytes: 2MB",
    ],
)
def test_where_storage_is_short_the_days_that_fit_do_fit_and_one_more_does_not(
    sample: Dataset, tmp_path: Path, limits: str
):
    def loaded(access: Access, days: int, *, recreate: bool) -> None:
        asyncio.run(load(first(sample, days), access, PUBLIC, PublishOptions(), recreate=recreate))

    async def delete(access: Access) -> None:
        async with publisher(access) as connection:
            for table in PUBLIC:
                await station.delete(connection, station.stream_name(table.station))

    async def create(access: Access, dataset: Dataset) -> None:
        async with publisher(access) as connection:
            for target in (plan.target(dataset.manifest, table) for table in PUBLIC):
                await station.create(connection, target.stream, {}, target.max_bytes)

    with _limited(limits) as server:
        days = asyncio.run(examine(_ana(server), sample)).days_that_fit
        assert days is not None
        assert 0 < days < 120
        loaded(_ana(server), days, recreate=True)
        with pytest.raises(ServerError, match="nothing was deleted, since a load would not fit"):
            loaded(_ana(server), days + 1, recreate=True)
        asyncio.run(delete(_ana(server)))
        with pytest.raises(ServerError, match="nothing was created, since a load would not fit"):
            loaded(_ana(server), days + 1, recreate=False)
        with pytest.raises(ApiError, match="storage|exceeds|limit"):  # so it was right
            asyncio.run(create(_ana(server), first(sample, days + 1)))


def test_a_dataset_that_does_not_fit_exits_1_with_the_command_for_the_days_that_do(sample: Dataset, command):
    with _limited("max_file: 5MB") as server:
        words = ["doctor", str(sample.root), "--server", server.url, "--user", "ana", "--password", "secret"]
        code, out, err = command(*words)
        assert code == 1
        assert "storage: a load needs 7.2 MiB and the account has 5.0 MiB left" in out
        assert re.search(r"the first \d+ of 120 days have room: `zakar load \S+ --days \d+`$", out, re.MULTILINE)
        assert len(err.splitlines()) == 1
        code, out, _ = command(*words, "--json")
        found = json.loads(out)
        assert (code, found["ok"]) == (1, False)
        assert 0 < found["days_that_fit"] < sample.manifest.days
        assert len(found["missing"]) == 2


@pytest.mark.parametrize("before", [False, True], ids=["new", "there"])
@pytest.mark.slow
def test_the_command_for_the_days_that_fit_loads_them_as_was_asked_for(
    sample: Dataset, tmp_path: Path, command, before: bool
):
    with _limited("max_file: 7MB") as server:
        who = ["--server", server.url, "--user", "ana", "--password", "secret"]
        words = ["--tables", "tweets,fire_alerts", "--partitions", "3"]
        if before:
            assert command("load", str(sample.root), *who, "--tables", "fire_alerts")[0] == 0
            words += ["--recreate"]
        code, out, _ = command("load", str(sample.root), *who, *words, "--dry-run")
        assert code == 1
        (loaded,) = re.findall(r"`zakar ([^`]+)`", out)
        assert loaded.endswith(" ".join(words))
        days = int(re.findall(r"--days (\d+)", loaded)[0])
        assert command(*loaded.split(), *who)[0] == 0
        more = loaded.replace(f"--days {days}", f"--days {days + 1}").split()
        assert command(*more, *who)[0] == 3


def test_not_a_single_day_may_fit_and_too_few_streams_be_allowed(sample: Dataset, command):
    with _limited("max_file: 1MB, max_streams: 3") as server:
        words = ["--server", server.url, "--user", "ana", "--password", "secret"]
        code, out, _ = command("doctor", str(sample.root), *words)
    assert code == 1
    assert "there is not room for a single day" in out
    assert "streams: 4 are to be created and the account has 0 of 3" in out


def test_an_account_that_demands_sizes_needs_one_for_predictions(sample: Dataset):
    with _limited("max_file: 1GB, max_bytes_required: true") as server:
        found = asyncio.run(examine(_ana(server), sample))
        assert found.plan is not None
        assert found.plan.ok
        before = found.plan.needs
        asyncio.run(load(sample, _ana(server), PUBLIC, PublishOptions()))
        account = asyncio.run(examine(_ana(server))).offer.account
        assert account is not None
        assert account.committed == before > 256 << 20


def test_an_account_with_limits_by_replicas_is_filled_as_a_dry_run_says(sample: Dataset, tmp_path: Path):
    tier = {"disk_storage": 1 << 30, "disk_max_stream_bytes": 64 << 20, "max_bytes_required": True}
    extra, creds = tiered(tmp_path, R1=tier)
    with running(ServerSettings(extra=extra)) as server:
        access = with_creds(Access((server.url,)), str(creds))
        found = asyncio.run(examine(access, sample))
        assert found.plan is not None
        assert found.plan.ok
        asyncio.run(load(sample, access, PUBLIC, PublishOptions()))
        account = asyncio.run(examine(access)).offer.account
        assert account is not None
        assert account.committed == found.plan.needs > 64 << 20


def test_streams_that_hold_the_dataset_are_paid_for(sample: Dataset, other: Dataset, command):
    needed = sum(plan.target(sample.manifest, table).max_bytes for table in PUBLIC) + 1
    with _limited(f"max_file: {needed}") as server:
        access = _ana(server)
        stored = asyncio.run(_part(sample, access, 9_000))
        found = asyncio.run(examine(access, sample))
        assert found.plan is not None
        assert (found.plan.ok, found.plan.needs, found.plan.left) == (True, 0, 1)
        assert sum(o.sends for o in found.plan.stations.values()) == sample.manifest.records - stored
        actions = [found.plan.stations[table.station].action for table in PUBLIC]
        assert actions == [Action.NOTHING, Action.CONTINUE, Action.CONTINUE]
        words = ["--server", server.url, "--user", "ana", "--password", "secret"]
        code, out, _ = command("doctor", str(other.root), *words)
        assert code == 1
        assert "start over with --recreate" in out
        asyncio.run(load(sample, access, PUBLIC, PublishOptions()))


def test_a_stream_too_small_for_the_rest_is_told(sample: Dataset, access: Access):
    async def main() -> None:
        target = plan.target(sample.manifest, TWEETS)
        async with publisher(access) as connection:
            await station.create(connection, target.stream, target.metadata, 200_000)

    asyncio.run(main())
    seen = asyncio.run(examine(access, sample)).plan
    assert seen is not None
    assert len(seen.shortages) == 1
    assert "will be full before the end: its max_bytes is 0.2 MiB" in seen.shortages[0]


def test_where_a_stream_would_store_what_is_measured_with_nothing_is_sent(sample: Dataset, access: Access):
    async def main() -> None:
        async with publisher(access) as connection:
            await connection.api("STREAM.CREATE.all", {"name": "all", "subjects": ["_INBOX.>"], "storage": "memory"})

    asyncio.run(main())
    found = asyncio.run(examine(access, sample))
    assert (found.offer.link.rate, found.seconds) == (None, None)
    assert "stream `all` would store it" in found.offer.link.why


def test_a_user_with_few_rights_is_told_what_could_not_be_measured(sample: Dataset):
    rights = """
    accounts { team { jetstream: enabled, users: [
        {user: ana, password: secret, permissions: {
            publish: {deny: ["_INBOX.>", "$JS.API.STREAM.LIST"]}
        }}
    ] } }
    """
    with running(ServerSettings(extra=rights)) as server:
        found = asyncio.run(examine(_ana(server), sample))
    assert "may not publish it" in found.offer.link.why
    assert found.plan is not None
    assert found.plan.ok


async def _seen(access: Access) -> list[tuple[object, ...]]:
    """Everything that a load could change on a server: streams, their configurations and what they hold."""
    async with publisher(access) as connection:
        page = await connection.api("STREAM.LIST", {"offset": 0})
        account = await connection.api("INFO")
    streams = sorted((s["config"]["name"], s["config"], s["state"]) for s in page["streams"] or ())
    return [*streams, (account["storage"],)]


@pytest.mark.parametrize("before", ["nothing", "half", "all", "another"])
@pytest.mark.parametrize("options", [[], ["--recreate"], ["--mode", "nonblocking", "--tables", "fire_alerts"]])
def test_a_dry_run_changes_nothing_and_says_what_a_load_then_does(
    sample: Dataset, other: Dataset, broker: Server, access: Access, command, before: str, options: list[str]
):
    if before == "half":
        asyncio.run(_part(sample, access, 9_000))
    if before in {"all", "another"}:
        asyncio.run(load(sample if before == "all" else other, access, PUBLIC, PublishOptions()))
    words = ["load", str(sample.root), "--server", broker.url, *options, "--json"]
    at_first = asyncio.run(_seen(access))
    code, out, _ = command(*words, "--dry-run")
    assert asyncio.run(_seen(access)) == at_first
    would = json.loads(out)
    assert would["dry_run"] is True
    done, out, _ = command(*words)
    assert code == done
    assert would["ok"] == (code == 0) == (before != "another" or options == ["--recreate"])
    if code == 0:
        did = json.loads(out)["stations"]
        assert {name: s["sent"] for name, s in did.items()} == {
            name: s["sends"] for name, s in would["stations"].items() if name in did
        }
        assert all(s["mode"] == json.loads(out)["mode"] for s in would["stations"].values() if s["sends"])


def test_a_dry_run_says_for_each_station_what_would_be_done(sample: Dataset, broker: Server, access: Access, command):
    words = ["load", str(sample.root), "--server", broker.url, "--dry-run"]
    code, out, err = command(*words)
    assert code == 0
    assert out.count("create with 3.1 MiB") == 2
    assert re.search(r"time: about \d+ s for 19,220 messages, an estimate", out)
    assert "nothing was created" in err
    stored = asyncio.run(_part(sample, access, 9_000))
    _, out, _ = command(*words)
    assert out.count("nothing: all is there") == 2  # posts and predictions
    assert f"delete {stored - sample.manifest.tables['tweets'].rows:,} messages" in command(*words, "--recreate")[1]
    assert f"go on after {stored - sample.manifest.tables['tweets'].rows:,} messages" in out


def test_a_dry_run_that_starts_over_counts_the_partitions_that_go(sample: Dataset, command):
    with _limited("max_file: 1GB, max_streams: 7") as server:
        asyncio.run(load(sample, _ana(server), [ALERTS, TWEETS], PublishOptions(), partitions=3))
        found = asyncio.run(examine(_ana(server), sample, recreate=True))
        assert found.plan is not None
        gone = {name: o for name, o in found.plan.stations.items() if o.action is Action.DELETE}
        assert list(gone) == [f"{table.station}${n}" for table in (TWEETS, ALERTS) for n in (2, 3)]
        assert found.plan.ok  # 7 of 7 streams are there, 4 go and 1 comes
        at_first = asyncio.run(examine(_ana(server))).offer.account
        words = ["load", str(sample.root), "--server", server.url, "--user", "ana", "--password", "secret"]
        _, out, _ = command(*words, "--recreate", "--dry-run")
        assert out.count("messages and the stream") == 4
        asyncio.run(load(sample, _ana(server), PUBLIC, PublishOptions(), recreate=True))
        after = asyncio.run(examine(_ana(server))).offer.account
        assert at_first is not None
        assert after is not None
        assert found.plan.left == 2**30 - at_first.committed + sum(o.frees for o in found.plan.stations.values())
        assert after.committed == at_first.committed + found.plan.needs - (found.plan.left - at_first.left)


def _filled(name: str, messages: int):
    """Create a stream without a size that holds so many messages of 100,000 bytes."""

    async def main(access: Access) -> None:
        async with publisher(access) as connection:
            await connection.api(f"STREAM.CREATE.{name}", {"name": name, "subjects": [name], "storage": "file"})
            for _ in range(messages):
                await connection.jetstream().publish(name, bytes(100_000))

    return main


@pytest.mark.parametrize(
    ("limits", "others", "said"),
    [
        ("max_file: 3MB", 0, r"a load needs 7\.2 MiB and the account has 3\.0 MiB left"),
        ("max_file: 64MB, disk_max_stream_bytes: 2MB", 0, r"`zakar-tweets\$1` needs 3\.1 MiB and the account allows"),
        ("max_file: 64MB, max_streams: 2", 0, "streams: 3 are to be created, 1 deleted, and the account has 2 of 2"),
        ("max_file: 8MB", 70, r"the messages take \d\.\d MiB at least and other streams leave 1\.\d MiB"),
    ],
)
def test_a_load_that_starts_over_deletes_nothing_where_there_is_no_room(
    sample: Dataset, limits: str, others: int, said: str
):
    async def main(access: Access) -> None:
        async with publisher(access) as connection:
            for name in (station.stream_name(ALERTS.station, number) for number in (1, 2)):
                await station.create(connection, name, {}, 1_000_000)
                await connection.jetstream().publish(station.subject(name), b"kept")
        if others:
            await _filled("other", others)(access)
        before = await _seen(access)
        with pytest.raises(ServerError, match=f"nothing was deleted, since a load would not fit: .*{said}"):
            await load(sample, access, PUBLIC, PublishOptions(), recreate=True)
        assert await _seen(access) == before

    with _limited(limits) as server:
        asyncio.run(main(_ana(server)))


def test_what_a_server_gives_all_the_same_is_not_refused_to_a_load_that_starts_over(sample: Dataset):
    """Sizes are larger than what messages take, and what streams without a size hold keeps none from being created."""
    with _limited("max_file: 8MB") as server:
        asyncio.run(_filled("other", 20)(_ana(server)))
        for _ in range(2):
            report = asyncio.run(load(sample, _ana(server), PUBLIC, PublishOptions(), recreate=True))
            assert report.acknowledged == report.records


def test_a_dry_run_that_would_be_refused_says_why_and_exits_1(
    sample: Dataset, other: Dataset, broker: Server, access: Access, command
):
    asyncio.run(load(other, access, PUBLIC, PublishOptions()))
    code, out, err = command("load", str(sample.root), "--server", broker.url, "--dry-run")
    assert code == 1
    assert out.count("REFUSE: holds") == 3
    assert "start over with --recreate" in out
    assert len(err.splitlines()) == 1


def test_a_dry_run_knows_the_modes_that_a_server_has(sample: Dataset, broker: Server, monkeypatch, command):
    monkeypatch.setattr(station, "FAST_INGEST", 99)
    words = ["load", str(sample.root), "--server", broker.url, "--dry-run"]
    code, _, err = command(*words, "--mode", "batch")
    assert code == 3
    assert re.search(r"--mode batch: .* has no fast ingest, which came with 2.14; use --mode auto", err)
    code, out, _ = command(*words, "--json")
    assert code == 0
    assert {s["mode"] for s in json.loads(out)["stations"].values()} == {"nonblocking"}


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--with-alerts"], "--with-alerts"),
        (["--days", "5"], "--days"),
        (["--split", "holdout", "--with-alerts"], "--split holdout, --with-alerts"),
    ],
)
def test_options_of_a_dataset_are_refused_without_one(words: list[str], named: str, broker: Server):
    done = zakar("doctor", "--server", broker.url, *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"zakar: {named}: of a dataset; give DIR, the dataset that is to be loaded, too\n"
