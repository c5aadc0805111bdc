"""Stations that nobody named: what is sent to one reaches no other, by a leaf node, a mapping, an import or a copy."""

import asyncio
import contextlib
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pytest
from helpers import STREAMS, assert_whole, free_port, load, publisher, served, until, zakar
from islands import SAMPLE

from zakar.broker import station
from zakar.broker.access import Access
from zakar.broker.hearing import who_hears
from zakar.broker.memphis.responder import responding
from zakar.broker.server import Server, ServerSettings, running
from zakar.dataset.schema import READINGS, TWEETS
from zakar.dataset.store import Dataset
from zakar.errors import MismatchError, StoppedError
from zakar.loader.estimate import Estimate
from zakar.loader.load import Progress
from zakar.loader.options import Mode, PublishOptions
from zakar.loader.overheard import overheard
from zakar.loader.producer import Job, ProducerStats, produce

pytestmark = pytest.mark.slow

MODES = [Mode.NONBLOCKING, Mode.BATCH]
TWEETS_STREAM = station.stream_name(TWEETS.station)
READINGS_STREAM = station.stream_name(READINGS.station)
SUBJECT = station.subject(TWEETS_STREAM)


def _side(folder: Path, name: str, domain: str | None, extra: str) -> ServerSettings:
    """Settings of one of several servers that know each other."""
    store = folder / name
    said = f", domain: {domain}" if domain else ""
    jetstream = f'jetstream {{ store_dir: "{store.as_posix()}/js"{said} }}'
    return ServerSettings(store=store, extra=f"server_name: {name}\n{jetstream}\n{extra}")


@dataclass(frozen=True)
class Pair:
    """A hub and a leaf node of one account, JetStream on both; each can be started when it is needed."""

    folder: Path
    domains: bool = True
    denied: str = ""
    port: int = field(default_factory=free_port)

    def hub(self) -> AbstractContextManager[Server]:
        extra = f'leafnodes {{ listen: "127.0.0.1:{self.port}" }}'
        return running(_side(self.folder, "hub", "hub" if self.domains else None, extra))

    def leaf(self) -> AbstractContextManager[Server]:
        remote = f'{{ url: "nats://127.0.0.1:{self.port}", {self.denied} }}'
        extra = f"leafnodes {{ reconnect: 1, remotes: [{remote}] }}"
        return running(_side(self.folder, "leaf", "leaf" if self.domains else None, extra))

    @contextlib.contextmanager
    def both(self) -> Iterator[tuple[Server, Server]]:
        """Hub and leaf, linked."""
        with self.hub() as hub, self.leaf() as leaf:
            asyncio.run(linked(leaf, hub))
            yield hub, leaf


async def linked(one: Server, other: Server) -> None:
    """Wait until what is published at one server is heard at the other."""
    heard = asyncio.Event()
    async with publisher(access(one)) as here, publisher(access(other)) as there:
        subject = here.new_inbox()
        await there.tap(subject, lambda _: heard.set())
        await there.flush()

        async def arrives() -> bool:
            await here.publish(subject)
            await here.flush()
            return heard.is_set()

        await until(arrives, 60)


def access(server: Server) -> Access:
    return Access(servers=(server.url,))


def lengths(server: Server) -> list[int | None]:
    async def ask() -> list[int | None]:
        async with publisher(access(server)) as connection:
            found = [await station.look(connection, stream) for stream in STREAMS]
            return [stream and stream.last for stream in found]

    return asyncio.run(ask())


def filled(dataset: Dataset, server: Server, mode: Mode = Mode.AUTO, **options: Any) -> None:
    tables = options.pop("tables", dataset.tables)
    asyncio.run(load(dataset, access(server), tables, PublishOptions(), mode=mode, **options))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("at", ["leaf", "hub"])
def test_a_load_that_a_station_beyond_a_leaf_node_would_hear_sends_nothing_and_names_both(
    sample: Dataset, other: Dataset, tmp_path: Path, mode: Mode, at: str
):
    with Pair(tmp_path).both() as (hub, leaf):
        near, far, theirs = (leaf, hub, "hub") if at == "leaf" else (hub, leaf, "leaf")
        filled(other, far)
        before = lengths(far)
        refused = zakar("load", str(SAMPLE), "--server", near.url, "--mode", str(mode))
        assert refused.returncode == 1, refused.stderr
        for stream in STREAMS:
            said = rf"sent to `{re.escape(stream)}` \(domain {at}\) would also reach stream `{re.escape(stream)}` "
            assert re.search(said + rf"\(domain {theirs}, server {theirs}\)", refused.stderr), refused.stderr
        assert (lengths(near), lengths(far)) == ([None] * 3, before)


@pytest.mark.parametrize("mode", MODES)
def test_a_load_that_was_interrupted_is_not_taken_up_once_a_station_beyond_a_leaf_node_would_hear_it(
    sample: Dataset, other: Dataset, tmp_path: Path, mode: Mode
):
    pair = Pair(tmp_path)
    with pair.hub() as hub:
        filled(other, hub)
    with pair.leaf() as leaf:
        interrupted_at(leaf, sample, mode, 3_000)
        with pair.hub() as hub:
            asyncio.run(linked(leaf, hub))
            before = lengths(leaf), lengths(hub)
            dry = zakar("load", str(SAMPLE), "--server", leaf.url, "--dry-run")
            for recreate in ([], ["--recreate"]):
                refused = zakar("load", str(SAMPLE), "--server", leaf.url, "--mode", str(mode), *recreate)
                assert refused.returncode == dry.returncode == 1, refused.stderr
                assert "(domain leaf) would also reach stream" in refused.stderr
                assert "(domain hub, server hub)" in refused.stderr
            assert re.search(r"missing: what is sent to .*\(domain leaf\).*\(domain hub, server hub\)", dry.stdout)
            assert (lengths(leaf), lengths(hub)) == before
        refused = zakar("load", str(SAMPLE), "--server", leaf.url, "--mode", str(mode))
        assert refused.returncode == 0, refused.stderr  # the hub is away
        asyncio.run(assert_whole(sample, access(leaf)))


def interrupted_at(server: Server, dataset: Dataset, mode: Mode, messages: int) -> None:
    """A load that is stopped once so many messages are stored."""
    stop = asyncio.Event()

    def progress(seen: Progress) -> None:
        if seen.stored >= messages:
            stop.set()

    asyncio.run(
        load(
            dataset,
            access(server),
            dataset.tables,
            PublishOptions(rate=20_000),
            mode=mode,
            stop=stop,
            progress=progress,
        )
    )


@pytest.mark.parametrize("mode", MODES)
def test_a_leaf_node_that_comes_up_in_the_middle_of_a_load_ends_it_before_the_other_station_takes_any(
    sample: Dataset, other: Dataset, tmp_path: Path, mode: Mode
):
    pair = Pair(tmp_path)
    with pair.hub() as hub:
        filled(other, hub)
        before = lengths(hub)

    async def loading(leaf: Server) -> None:
        under_way = asyncio.Event()

        def progress(seen: Progress) -> None:
            if seen.stored >= 500:
                under_way.set()

        task = asyncio.create_task(
            load(sample, access(leaf), sample.tables, PublishOptions(rate=1_000), mode=mode, progress=progress)
        )
        await asyncio.wait([task, asyncio.create_task(under_way.wait())], return_when=asyncio.FIRST_COMPLETED)
        with contextlib.ExitStack() as stack:
            hub = await asyncio.to_thread(stack.enter_context, pair.hub())
            with pytest.raises(StoppedError, match=r"domain leaf\) would also reach .*domain hub, server hub"):
                await task
            async with publisher(access(hub)) as connection:
                assert [(await station.look(connection, stream)).last for stream in STREAMS] == before

    with pair.leaf() as leaf:
        asyncio.run(loading(leaf))
        assert sum(length or 0 for length in lengths(leaf)) < sample.manifest.records
        filled(sample, leaf)  # the hub is away again
        asyncio.run(assert_whole(sample, access(leaf)))


def test_without_domains_two_stations_of_a_name_are_told_apart_by_their_servers(
    sample: Dataset, other: Dataset, tmp_path: Path
):
    with Pair(tmp_path, domains=False).both() as (hub, leaf):
        filled(other, hub)
        before = lengths(hub)
        with pytest.raises(MismatchError, match=r"zakar-tweets\$1` would also reach stream .*\(server hub\)"):
            filled(sample, leaf)
        assert lengths(hub) == before


def test_a_leaf_node_that_denies_the_subjects_is_no_hindrance(sample: Dataset, other: Dataset, tmp_path: Path):
    subjects = ", ".join(f'"{stream}.>"' for stream in [*STREAMS, "zakar-fire-predictions$1"])
    with Pair(tmp_path, denied=f"deny_imports: [{subjects}], deny_exports: [{subjects}]").both() as (hub, leaf):
        filled(other, hub)
        filled(sample, leaf)
        asyncio.run(assert_whole(other, access(hub)))
        asyncio.run(assert_whole(sample, access(leaf)))


@pytest.mark.parametrize("connections", [1, 3])
def test_stations_at_a_hub_are_filled_through_a_leaf_node_without_any(
    sample: Dataset, tmp_path: Path, connections: int
):
    port = free_port()
    with running(_side(tmp_path, "hub", "hub", f'leafnodes {{ listen: "127.0.0.1:{port}" }}')) as hub:
        extra = f"""server_name: edge
            jetstream: disabled
            default_js_domain: {{ "$G": hub }}
            leafnodes {{ remotes: [{{ url: "nats://127.0.0.1:{port}" }}] }}"""
        with running(ServerSettings(extra=extra)) as leaf:
            asyncio.run(linked(leaf, hub))
            filled(sample, leaf, connections=connections)
            asyncio.run(assert_whole(sample, access(hub)))


def accounts(ours: str = "", theirs: str = "") -> ServerSettings:
    """Settings of a server with two accounts: whoever says no name is in ours; ana is in theirs."""
    return ServerSettings(
        extra=f"""accounts {{
            OURS {{ jetstream: enabled, users: [{{ user: us, password: us }}]
                {ours}
            }}
            THEIRS {{ jetstream: enabled, users: [{{ user: ana, password: ana }}]
                {theirs}
            }}
        }}
        no_auth_user: us"""
    )


def made(server: Server, stream: str, subject: str, user: str | None = None, **config: Any) -> None:
    """A stream, of theirs with a user's name."""

    async def make() -> None:
        async with publisher(Access(servers=(server.url,), user=user, password=user)) as connection:
            await station.make(connection, {"name": stream, "subjects": [subject], "storage": "file", **config})

    asyncio.run(make())


def length(server: Server, stream: str, user: str | None = None) -> int:
    async def ask() -> int:
        async with publisher(Access(servers=(server.url,), user=user, password=user)) as connection:
            found = await station.look(connection, stream)
            assert found is not None
            return found.last

    return asyncio.run(ask())


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("weight", [100, 50, 3])
def test_a_mapping_into_another_stream_is_found_before_anything_is_sent_however_little_it_takes(
    sample: Dataset, mode: Mode, weight: int
):
    mapping = f'mappings {{ "{SUBJECT}": [{{ destination: "archive.tweets", weight: "{weight}%" }}] }}'
    with running(accounts(mapping)) as server:
        made(server, "ARCHIVE", "archive.>")
        for _ in range(2):  # a new station, and one that is there
            with pytest.raises(MismatchError, match=rf"`{re.escape(TWEETS_STREAM)}` would .*stream `ARCHIVE`.*mapping"):
                filled(sample, server, mode)
            assert length(server, "ARCHIVE") == 0
            if length_or_none(server, TWEETS_STREAM) is None:
                made(server, TWEETS_STREAM, f"{TWEETS_STREAM}.>", allow_batched=True)
        assert lengths(server) == [0 if stream == TWEETS_STREAM else None for stream in STREAMS]


@pytest.mark.parametrize("version", ["2.10.26", "2.14.0"], indirect=True)
def test_a_mapping_that_takes_half_is_heard_each_time_also_where_nothing_is_there_yet_or_nothing_traces(version: str):
    """The answer that nobody hears may come before the trace that shows the mapping."""
    mapping = f'mappings {{ "{SUBJECT}": [{{ destination: "archive.tweets", weight: "50%" }}] }}'
    with running(accounts(mapping)) as server:
        made(server, "ARCHIVE", "archive.>")

        async def ask() -> list[set[str]]:
            async with publisher(access(server)) as connection:
                assert connection.version == version
                return [{h.stream for h in (await who_hears(connection, [SUBJECT]))[0]} for _ in range(20)]

        assert asyncio.run(ask()) == [{"ARCHIVE"}] * 20


def test_a_partition_that_another_load_made_meanwhile_is_no_stranger():
    with running(accounts()) as server:
        made(server, TWEETS_STREAM, f"{TWEETS_STREAM}.>")

        async def ask(*subjects: str) -> dict[str, str]:
            async with publisher(access(server)) as connection:
                return await overheard(connection, dict.fromkeys(subjects), "")

        assert asyncio.run(ask(TWEETS_STREAM)) == {}


def length_or_none(server: Server, stream: str) -> int | None:
    return lengths(server)[STREAMS.index(stream)]


def test_a_mapping_of_a_subject_to_itself_is_no_hindrance(sample: Dataset):
    with running(accounts(f'mappings {{ "{SUBJECT}": "{SUBJECT}" }}')) as server:
        filled(sample, server)
        asyncio.run(assert_whole(sample, access(server)))


INTO_NOTHING = {
    '"nowhere.x"': "go to `nowhere.x`, where no stream listens: take the mapping away",
    f'[{{ destination: "{SUBJECT}", weight: "90%" }}, {{ destination: "gone", weight: "10%" }}]': "go to `gone`, where",
    f'[{{ destination: "{SUBJECT}", weight: "90%" }}]': "go to nowhere: .* let its weights make 100 %",
}


@pytest.mark.parametrize("mapping", INTO_NOTHING)
def test_a_mapping_to_where_nobody_listens_is_told_before_anything_is_made_or_sent(sample: Dataset, mapping: str):
    with running(accounts(f'mappings {{ "{SUBJECT}": {mapping} }}')) as server:
        for stations in (0, 1):
            for words in (["load"], ["load", "--dry-run"], ["doctor"]):
                done = zakar(words[0], sample.root, *words[1:], "--server", server.url)
                assert done.returncode == 1
                assert re.search(
                    f"`{re.escape(TWEETS_STREAM)}` would {INTO_NOTHING[mapping]}", done.stdout + done.stderr
                )
            assert lengths(server) == [0 if stations and stream == TWEETS_STREAM else None for stream in STREAMS]
            if not stations:
                made(server, TWEETS_STREAM, f"{TWEETS_STREAM}.>", allow_batched=True)


@pytest.mark.parametrize(("config", "why"), [({"max_msgs": 5}, "its max_msgs is 5"), ({"no_ack": True}, "its no_ack")])
def test_a_load_says_first_who_else_would_hear_a_stream_that_cannot_be_filled_and_doctor_says_why(
    sample: Dataset, config: dict[str, Any], why: str
):
    with running(accounts(f'mappings {{ "{SUBJECT}": "archive.tweets" }}')) as server:
        made(server, "ARCHIVE", "archive.>")
        made(server, TWEETS_STREAM, f"{TWEETS_STREAM}.>", **config)
        for words, said, left_out in (
            (["load"], "stream `ARCHIVE`", why),
            (["load", "--recreate"], "stream `ARCHIVE`", why),
            (["load", "--dry-run"], why, "ARCHIVE"),
            (["doctor"], why, "ARCHIVE"),
            (["load", "--recreate", "--dry-run"], "stream `ARCHIVE`", why),
        ):
            done = zakar(words[0], sample.root, *words[1:], "--server", server.url)
            assert done.returncode == 1
            assert said in done.stdout + done.stderr
            assert left_out not in done.stdout + done.stderr
        assert lengths(server) == [0 if stream == TWEETS_STREAM else None for stream in STREAMS]


def test_a_mapping_within_a_station_is_no_hindrance(sample: Dataset):
    with running(accounts(f'mappings {{ "{SUBJECT}": "{TWEETS_STREAM}.raw.final" }}')) as server:
        filled(sample, server)
        asyncio.run(assert_whole(sample, access(server)))


@pytest.mark.parametrize("there", [False, True])
def test_a_stream_that_takes_the_subject_already_is_named(sample: Dataset, there: bool):
    with running(accounts()) as server:
        made(server, "ARCHIVE", f"{TWEETS_STREAM}.>", no_ack=there)  # it does not answer, but a trace shows it
        with pytest.raises(MismatchError, match=r"zakar-tweets\$1`.* stream `ARCHIVE`"):
            filled(sample, server)
        assert length(server, "ARCHIVE") == 0


@pytest.mark.parametrize("mode", MODES)
def test_an_account_that_imports_the_subject_into_a_stream_is_named(sample: Dataset, mode: Mode):
    """By a stream's import no ack ever comes back: only a trace shows it, and whether a stream is behind it or not."""
    theirs = f'imports: [{{ stream: {{ account: OURS, subject: "{TWEETS_STREAM}.>" }} TRACE }}]'
    for trace, said in (("", "account THEIRS, which imports it"), (", allow_trace: true", f"stream `{TWEETS_STREAM}`")):
        settings = accounts(f'exports: [{{ stream: "{TWEETS_STREAM}.>" }}]', theirs.replace("TRACE", trace))
        with running(settings) as server:
            made(server, TWEETS_STREAM, f"{TWEETS_STREAM}.>", "ana")
            with pytest.raises(MismatchError, match=rf"zakar-tweets\$1` would also reach {re.escape(said)}"):
                filled(sample, server, mode)
            assert length(server, TWEETS_STREAM, "ana") == 0


def test_an_account_whose_programs_alone_import_the_subject_is_no_hindrance_if_that_can_be_traced(sample: Dataset):
    theirs = f'imports: [{{ stream: {{ account: OURS, subject: "{TWEETS_STREAM}.>" }}, allow_trace: true }}]'
    settings = accounts(f'exports: [{{ stream: "{TWEETS_STREAM}.>" }}]', theirs)

    async def scenario(server: Server) -> None:
        heard: list[Any] = []
        ana = Access(servers=(server.url,), user="ana", password="ana")
        async with publisher(ana) as reader:
            await reader.tap(SUBJECT, heard.extend)
            await reader.flush()
            await load(sample, access(server), [TWEETS], PublishOptions(), mode=Mode.NONBLOCKING)
            await reader.flush()
            tweets = sample.manifest.tables["tweets"].rows
            assert len([delivery for delivery in heard if delivery.payload]) == tweets

    with running(settings) as server:
        asyncio.run(scenario(server))


@pytest.mark.parametrize("mode", MODES)
def test_a_service_of_another_account_that_is_a_stream_is_named(sample: Dataset, mode: Mode):
    with running(
        accounts(
            f'imports: [{{ service: {{ account: THEIRS, subject: "inbox.tweets" }}, to: "{SUBJECT}" }}]',
            'exports: [{ service: "inbox.tweets" }]',
        )
    ) as server:
        made(server, "INBOX", "inbox.>", "ana")
        with pytest.raises(MismatchError, match=r"zakar-tweets\$1` would also reach stream `INBOX`"):
            filled(sample, server, mode)
        assert length(server, "INBOX", "ana") == 0


@pytest.mark.parametrize("mode", MODES)
def test_a_station_that_publishes_again_into_a_stream_is_not_filled(sample: Dataset, mode: Mode):
    def again(server: Server, destination: str) -> None:
        republish = {"src": f"{TWEETS_STREAM}.>", "dest": destination}
        made(server, TWEETS_STREAM, f"{TWEETS_STREAM}.>", republish=republish, allow_batched=True, discard="new")

    with running(accounts()) as server:
        again(server, "live.>")
        filled(sample, server, mode)  # only readers hear it
        asyncio.run(assert_whole(sample, access(server)))
    for there in (True, False):  # or made by this very load
        with running(accounts()) as server:
            again(server, f"{READINGS_STREAM}.>")
            if there:
                made(server, READINGS_STREAM, f"{READINGS_STREAM}.>", discard="new")
            with pytest.raises(
                MismatchError, match=r"tweets\$1` would also reach stream `zakar-temperature-readings\$1`"
            ):
                filled(sample, server, mode)
            assert lengths(server)[STREAMS.index(TWEETS_STREAM)] == 0


@pytest.mark.parametrize("says", [b"ok", b'{"stream":"zakar-tweets$1","seq":1}', b"[]"])
def test_a_program_that_answers_like_a_stream_is_found(sample: Dataset, says: bytes):
    async def scenario(server: Server) -> None:
        async with publisher(access(server)) as program:

            async def answer(message: Any) -> None:
                await message.respond(says)

            await program.subscribe("zakar-tweets$1.*", cb=answer)
            await program.flush()
            with pytest.raises(MismatchError, match="a program that is no stream and answers.*stop that program"):
                await load(sample, access(server), sample.tables, PublishOptions())

    with running(accounts()) as server:
        asyncio.run(scenario(server))
        assert lengths(server) == [None] * 3


@pytest.mark.parametrize("mode", MODES)
def test_a_reader_that_waits_for_a_new_station_is_no_hindrance(sample: Dataset, mode: Mode):
    async def scenario(server: Server) -> None:
        async with publisher(access(server)) as reader:
            await reader.subscribe("zakar-tweets$1.>")
            await reader.flush()
            await load(sample, access(server), sample.tables, PublishOptions(), mode=mode)

    with running(accounts()) as server:
        asyncio.run(scenario(server))
        asyncio.run(assert_whole(sample, access(server)))


@pytest.mark.parametrize("mode", MODES)
def test_a_user_who_may_not_have_traces_sent_is_told_by_the_answers(sample: Dataset, mode: Mode):
    with running(
        ServerSettings(
            extra=f"""
            mappings {{ "{SUBJECT}": "archive.tweets" }}
            authorization {{ users: [
                {{ user: us, password: us, permissions: {{ publish: {{ deny: "_INBOX.>" }} }} }}
            ] }}
            no_auth_user: us"""
        )
    ) as server:
        filled(sample, server, mode, tables=[t for t in sample.tables if t.name != TWEETS.name])
        made(server, "ARCHIVE", "archive.>")
        with pytest.raises(MismatchError, match=r"would also reach stream `ARCHIVE`"):
            filled(sample, server, mode)
        assert length(server, "ARCHIVE") == 0


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot tell a server to read its settings again")
@pytest.mark.parametrize("mode", MODES)
def test_a_mapping_that_comes_in_the_middle_of_a_load_ends_it_at_once_and_the_other_stream_is_named(
    sample: Dataset, mode: Mode
):
    async def scenario(server: Server) -> None:
        config, mapped = server.folder / "server.conf", []
        mapping = f'mappings {{ "{SUBJECT}": [{{ destination: "archive.tweets", weight: "50%" }}] }}'

        def progress(seen: Progress) -> None:
            if seen.stored >= 1_000 and not mapped:
                mapped.append(seen.stored)
                config.write_text(config.read_text("utf-8").replace("# later", mapping), "utf-8")
                for nats_server in psutil.Process(server.process.pid).children():
                    nats_server.send_signal(signal.SIGHUP)

        tweets = [table for table in sample.tables if table.name == TWEETS.name]
        with pytest.raises(StoppedError, match="ARCHIVE.*take away the mapping"):
            await load(sample, access(server), tweets, PublishOptions(rate=1_000), mode=mode, progress=progress)

    with running(accounts("# later")) as server:
        made(server, "ARCHIVE", "archive.>")
        asyncio.run(scenario(server))
        assert length(server, "ARCHIVE") == 0


@pytest.mark.parametrize("batch", [False, True])
def test_the_first_ack_of_another_stream_ends_what_nobody_was_asked_about(batch: bool):
    """As where a question beforehand could not be answered: the acks alone tell."""

    async def scenario(server: Server) -> None:
        payloads = pa.array([b"%d" % number for number in range(20_000)], pa.binary())
        async with publisher(access(server)) as connection:
            job = Job(
                connection,
                TWEETS_STREAM,
                lambda start: iter([payloads[start:]]),
                len(payloads),
                PublishOptions(),
                Estimate(15.0),
                None,
                asyncio.Event(),
                batch=batch,
                domain="",
            )
            said = r"answered by stream `ARCHIVE`, which stored [0-9,]+ messages or more.*nats stream rmm ARCHIVE"
            with pytest.raises(StoppedError, match=said):
                await produce(job, ProducerStats(0), lambda: None)

    with running(accounts(f'mappings {{ "{SUBJECT}": "archive.tweets" }}')) as server:
        made(server, TWEETS_STREAM, f"{TWEETS_STREAM}.>", allow_batched=True)
        made(server, "ARCHIVE", "archive.>", allow_batched=True)
        asyncio.run(scenario(server))
        assert lengths(server)[STREAMS.index(TWEETS_STREAM)] == 0
        assert batch or length(server, "ARCHIVE") < 20_000


def test_a_memphis_target_is_asked_too(sample: Dataset):
    """Over memphis:// as over nats://: what somebody else's stream would hear is not sent."""
    settings = ServerSettings(
        extra=f'mappings {{ "{SUBJECT}": "archive.tweets" }}', user="root", password="memphis", account=1
    )
    with running(settings) as server:
        root = Access(servers=(server.url,), user="root", password="memphis")

        async def scenario() -> None:
            async with publisher(root) as connection, responding(root):
                await station.make(connection, {"name": "ARCHIVE", "subjects": ["archive.>"]})
                address = server.url.replace("nats://", "memphis://root:memphis@")
                with pytest.raises(MismatchError, match="would also reach stream `ARCHIVE`"):
                    await load(sample, Access(servers=(address,)), sample.tables, PublishOptions())
                archive = await station.look(connection, "ARCHIVE")
                assert archive is not None
                assert archive.last == 0

        asyncio.run(scenario())


# JetStream of another account by an import, without its streams' subjects.
_IMPORTED = """accounts {
  HUB {
    jetstream: enabled, users: [ { user: hub, password: b } ], exports: [ { service: "$JS.API.>" } ]
  }
  TEAM {
    users: [ { user: ana, password: b } ]
    imports: [ { service: { account: HUB, subject: "$JS.API.>" }, to: "%s.>" } ]
  }
}
"""


@pytest.mark.parametrize("prefix", ["JS.HUB", "$JS.API"])
def test_streams_whose_subjects_are_not_imported_end_a_load_at_once(sample: Dataset, tmp_path: Path, prefix: str):
    with served(_IMPORTED % prefix, tmp_path) as address:
        where = ["--server", f"nats://ana:b@{address}", "--js-api-prefix", prefix]
        for words in ([], ["--recreate"], ["--mode", "nonblocking"]):
            done = zakar("load", str(sample.root), *where, *words)
            assert done.returncode == 3, done.stderr
            said = (
                f"nothing was sent: JetStream at {prefix} has `zakar-tweets$1`, but nothing here hears its subjects: "
            )
            assert said + "import `zakar-tweets$1.>` too" in done.stderr
            assert "retries" not in done.stderr
        for words in (["doctor", str(sample.root)], ["load", str(sample.root), "--dry-run"]):  # the stations are there
            done = zakar(*words, *where)
            assert done.returncode == 1
            assert "missing: JetStream at" in done.stdout
        kept = zakar("consume", "zakar-tweets", "--server", f"nats://hub:b@{address}")
        assert (kept.returncode, kept.stdout) == (0, "")
