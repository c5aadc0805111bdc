"""Servers, accounts and streams with something odd about them, each three ways: what doctor and a dry run promise, what
a load does, and what verify and consume then read."""

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from helpers import publisher

from zakar.broker import link, station
from zakar.broker.access import Access
from zakar.broker.server import ServerSettings, running
from zakar.dataset.schema import TWEETS
from zakar.dataset.store import Dataset

Command = Callable[..., tuple[int, str, str]]

STREAM = station.stream_name(TWEETS.station)
SECOND = 10**9


@dataclass(frozen=True)
class Odd:
    """What is odd, and what comes of it.

    ``refused``: why a load is refused, as a pattern, and with which ``code``; empty if it goes through. ``unread``:
    likewise for reading; ``stuck``: for a second load. ``streams`` are made beforehand by another user, and
    ``consumers``, durables; ``denied``: what ours may not ask of JetStream, ``unsent`` and ``unheard``: other subjects
    that ours may not publish or subscribe to. ``words``: options of every command.
    """

    limits: str = "max_file: 1GB, max_mem: 64MB"
    server: str = ""
    jetstream: str = ""
    streams: tuple[dict[str, Any], ...] = ()
    denied: tuple[str, ...] = ()
    unsent: tuple[str, ...] = ()
    unheard: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    refused: str = ""
    code: int = 1
    unread: str = ""
    stuck: str = ""
    consumers: tuple[str, ...] = ()


def _ours(**config: Any) -> tuple[dict[str, Any], ...]:
    """A stream of our name that somebody else made."""
    return ({"name": STREAM, "subjects": [f"{STREAM}.>"], "storage": "file", **config},)


def _other(name: str, *subjects: str, **config: Any) -> dict[str, Any]:
    return {"name": name, "subjects": list(subjects), "storage": "file", **config}


QUICK = {
    "nothing": Odd(),
    "no headers": Odd(server="no_header_support: true", refused="takes no headers.*no_header_support", code=3),
    "a stream of another takes our subjects": Odd(
        streams=(_other("ARCHIVE", f"{STREAM}.>"),), refused=rf"stream `ARCHIVE` \({re.escape(STREAM)}\.>\)"
    ),
    "one consumer a stream": Odd(limits="max_file: 1GB, max_mem: 64MB, max_consumers: 1"),
    "consumers are soon forgotten": Odd(streams=_ours(consumer_limits={"inactive_threshold": 5 * SECOND})),
    "pulls of few messages": Odd(jetstream="limits { max_request_batch: 250 }"),
    "memory alone": Odd(
        limits="max_file: 0, max_mem: 64MB",
        refused="no file storage at all.*64.0 MiB left: give --storage memory",
        code=3,
    ),
    "memory alone, and asked for": Odd(limits="max_file: 0, max_mem: 64MB", options=("--storage", "memory")),
    "our subject may not be published to": Odd(
        unsent=(station.subject(STREAM),), refused=re.escape(f'Publish to "{station.subject(STREAM)}"'), code=3
    ),
    "no answers may be heard": Odd(
        unheard=("_INBOX.>",), refused=r'Subscription to "_INBOX\..*--inbox-prefix', code=3, unread="--inbox-prefix"
    ),
    "answers of our own may be heard": Odd(unheard=("_INBOX.>",), words=("--inbox-prefix", "_INBOX_ana")),
    "by its domain, and no stream may be made": Odd(
        jetstream="domain: hub",
        words=("--js-domain", "hub"),
        denied=("STREAM.CREATE.>",),
        refused=r"(?i)\$JS\.API\.STREAM\.CREATE",
        code=3,
    ),
    "no consumer may be made": Odd(denied=("CONSUMER.CREATE.>",), unread=r"(?i)\$JS\.API\.CONSUMER\.CREATE"),
}
MORE = {
    "a stream of another takes a subject that we do not use": Odd(
        streams=(_other("ARCHIVE", "zakar-temperature-readings$1.raw", "x.y"),), refused="stream `ARCHIVE` .*raw"
    ),
    "a stream of another takes the predictions": Odd(
        streams=(_other("ALL", "zakar-fire-predictions$1.*"),), refused="stream `ALL`"
    ),
    "starting over does not help against another's stream": Odd(
        streams=(*_ours(), _other("ALL", "zakar-fire-alerts$1.*")), options=("--recreate",), refused="stream `ALL`"
    ),
    "one consumer a stream, and another has it": Odd(
        streams=_ours(max_consumers=1), consumers=("team",), unread="maximum consumers|1 consumers and has 1"
    ),
    "consumers are forgotten at once": Odd(streams=_ours(consumer_limits={"inactive_threshold": SECOND // 10})),
    "few acks may be pending": Odd(streams=_ours(consumer_limits={"max_ack_pending": 1})),
    "pulls of one message": Odd(jetstream="limits { max_request_batch: 1 }"),
    "a server of memory alone": Odd(
        limits="max_file: -1, max_mem: -1",
        jetstream="max_file_store: 0",
        refused="the server refuses .* of file storage .*--storage memory",
        code=3,
    ),
    "a server of memory alone, and asked for": Odd(
        limits="max_file: -1, max_mem: -1", jetstream="max_file_store: 0", options=("--storage", "memory")
    ),
    "a server of little storage": Odd(
        limits="max_file: -1, max_mem: -1", jetstream="max_file_store: 5MB", refused="the server refuses", code=3
    ),
    "a server of little memory": Odd(
        limits="max_file: -1, max_mem: -1",
        jetstream="max_mem_store: 5MB",
        options=("--storage", "memory"),
        refused="the server refuses .* of memory .*leave --storage out",
        code=3,
    ),
    "no memory": Odd(limits="max_file: 1GB, max_mem: 0"),
    "no memory, and asked for": Odd(
        limits="max_file: 1GB, max_mem: 0",
        options=("--storage", "memory"),
        refused="no memory at all.*leave --storage",
        code=3,
    ),
    "neither": Odd(limits="max_file: 0, max_mem: 0", refused="no file storage at all.*raise one of the two", code=3),
    "little memory, and asked for": Odd(
        limits="max_file: 1GB, max_mem: 2MB",
        options=("--storage", "memory"),
        refused="the account has 2.0 MiB left",
        code=3,
    ),
    "small streams in memory": Odd(
        limits="max_file: 1GB, max_mem: 64MB, memory_max_stream_bytes: 2MB",
        options=("--storage", "memory"),
        refused="allows a stream 2.0 MiB",
        code=3,
    ),
    "three streams": Odd(limits="max_file: 1GB, max_mem: 1MB, max_streams: 3", refused="4 are to be created", code=3),
    "four streams": Odd(limits="max_file: 1GB, max_mem: 1MB, max_streams: 4"),
    "streams must have a size": Odd(limits="max_file: 1GB, max_mem: 1MB, max_bytes_required: true"),
    "streams must have a size, and there is little": Odd(
        limits="max_file: 10MB, max_mem: 1MB, max_bytes_required: true", refused="the account has 10.0 MiB left", code=3
    ),
    "small streams": Odd(
        limits="max_file: 1GB, max_mem: 1MB, disk_max_stream_bytes: 2MB", refused="allows a stream 2.0 MiB", code=3
    ),
    "sealed": Odd(streams=_ours(sealed=True), refused="it is sealed"),
    "the predictions' stream has another's subjects": Odd(streams=(_other("zakar-fire-predictions$1", "guesses"),)),
    "nothing may be deleted": Odd(streams=_ours(deny_delete=True, deny_purge=True)),
    "old messages go": Odd(streams=_ours(discard="old", max_bytes=100_000), refused="discards old"),
    "old messages would go, and there is room": Odd(streams=_ours(discard="old")),
    "few messages": Odd(streams=_ours(max_msgs=100), refused="max_msgs is 100"),
    "few messages a subject": Odd(streams=_ours(max_msgs_per_subject=100), refused="max_msgs_per_subject is 100"),
    "an hour": Odd(streams=_ours(max_age=3_600 * SECOND), refused="max_age is 3,600 s"),
    "three days": Odd(streams=_ours(max_age=3 * 86_400 * SECOND)),
    "small messages": Odd(streams=_ours(max_msg_size=100), refused="max_msg_size is 100"),
    "messages of the mean size": Odd(streams=_ours(max_msg_size=250), refused="max_msg_size is 250.*have up to"),
    "no acks": Odd(streams=_ours(no_ack=True), refused="no_ack is true"),
    "a second to know repeats by": Odd(streams=_ours(duplicate_window=SECOND)),
    "a second to know repeats by, at most": Odd(jetstream="limits { duplicate_window: 1s }"),
    "one ack pending, at most": Odd(jetstream="limits { max_ack_pending: 1 }"),
    "one stream of several replicas": Odd(jetstream="limits { max_ha_assets: 1 }"),
    "few batches": Odd(
        jetstream="limits { batch { max_inflight_per_stream: 1, max_inflight_total: 1, max_msgs: 10 } }"
    ),
    "compressed": Odd(streams=_ours(compression="s2")),
    "encrypted": Odd(jetstream='cipher: chacha, key: "a key of the tests"'),
    "in memory": Odd(streams=_ours(storage="memory")),
    "for who is interested": Odd(streams=_ours(retention="interest"), refused="retention is interest"),
    "a queue of work": Odd(streams=_ours(retention="workqueue"), refused="retention is workqueue"),
    "counters": Odd(streams=_ours(allow_msg_counter=True, allow_direct=True), refused="allow_msg_counter"),
    "messages that expire": Odd(streams=_ours(allow_msg_ttl=True)),
    "schedules": Odd(streams=_ours(allow_msg_schedules=True)),
    "atomic batches": Odd(streams=_ours(allow_atomic=True)),
    "it begins at 100": Odd(streams=_ours(first_seq=100), refused="."),
    "written later": Odd(streams=_ours(persist_mode="async")),
    "no direct gets": Odd(streams=_ours(allow_direct=False)),
    "a mirror": Odd(
        streams=(_other("orig", "orig"), {"name": STREAM, "storage": "file", "mirror": {"name": "orig"}}),
        refused="copies other streams",
    ),
    "it copies another": Odd(
        streams=(_other("orig", "orig"), *_ours(sources=[{"name": "orig"}])), refused="copies other streams"
    ),
    "messages of 200 bytes": Odd(server="max_payload: 200", refused="max_payload"),
    "messages of 300 bytes": Odd(server="max_payload: 300", refused="max_payload"),
    "messages of 1,000 bytes": Odd(server="max_payload: 1000"),
    "a domain": Odd(jetstream="domain: hub"),
    "by its domain": Odd(jetstream="domain: hub", words=("--js-domain", "hub")),
    "by its domain, and no consumer may be made": Odd(
        jetstream="domain: hub",
        words=("--js-domain", "hub"),
        denied=("CONSUMER.CREATE.>",),
        unread=r"(?i)\$JS\.API\.CONSUMER\.CREATE",
    ),
    "by its domain, and a stream may not be changed": Odd(
        jetstream="domain: hub",
        words=("--js-domain", "hub"),
        streams=_ours(),
        denied=("STREAM.UPDATE.>",),
        refused=r"(?i)\$JS\.API\.STREAM\.UPDATE",
        code=3,
    ),
    "predictions may not be published": Odd(unsent=("zakar-fire-predictions$1.>",)),
    "no trace may be asked for": Odd(unsent=("_INBOX.>",)),
    "nothing but our subjects may be published to": Odd(
        unsent=("$SYS.>", "_INBOX.>", "$memphis_producer_destructions")
    ),
    "no information": Odd(denied=("INFO",), refused=r"(?i)\$JS\.API\.INFO", code=3, unread="(?i)info"),
    "no names": Odd(denied=("STREAM.NAMES",)),
    "no list": Odd(denied=("STREAM.LIST",)),
    "no look": Odd(denied=("STREAM.INFO.>",), refused=r"(?i)\$JS\.API\.STREAM\.INFO", code=3),
    "no streams may be made": Odd(denied=("STREAM.CREATE.>",), refused=r"(?i)\$JS\.API\.STREAM\.CREATE", code=3),
    "one stream may not be made": Odd(
        denied=(f"STREAM.CREATE.{STREAM}",), refused=r"(?i)\$JS\.API\.STREAM\.CREATE", code=3
    ),
    "no streams may be deleted": Odd(
        streams=_ours(),
        denied=("STREAM.DELETE.>",),
        options=("--recreate",),
        refused=r"(?i)\$JS\.API\.STREAM\.DELETE",
        code=3,
    ),
    "a stream that is there may not be changed": Odd(
        streams=_ours(), denied=("STREAM.UPDATE.>",), refused=r"(?i)\$JS\.API\.STREAM\.UPDATE", code=3
    ),
    "no streams may be changed": Odd(denied=("STREAM.UPDATE.>",)),
    "no streams may be changed, and mode batch": Odd(
        streams=_ours(), denied=("STREAM.UPDATE.>",), options=("--mode", "batch"), refused=r"(?i)STREAM\.UPDATE", code=3
    ),
    "no consumer may be deleted": Odd(denied=("CONSUMER.DELETE.>",)),
    "no message may be looked at": Odd(denied=("STREAM.MSG.GET.>",), stuck=r"(?i)\$JS\.API\.STREAM\.MSG\.GET"),
    "no consumer may be looked at": Odd(denied=("CONSUMER.INFO.>",)),
    "no messages may be asked for": Odd(denied=("CONSUMER.MSG.NEXT.>",), unread=r"(?i)\$JS\.API\.CONSUMER\.MSG\.NEXT"),
    "no consumer with a name may be made": Odd(denied=("CONSUMER.CREATE.*.>",)),
    "no consumer without a name may be made": Odd(denied=("CONSUMER.CREATE.*",)),
}


def _configuration(odd: Odd, store: Path) -> str:
    publish, subscribe = (
        json.dumps([f"$JS.API.{subject}" for subject in odd.denied] + [*odd.unsent]),
        json.dumps(odd.unheard),
    )
    rights = f", permissions: {{ publish: {{ deny: {publish} }}, subscribe: {{ deny: {subscribe} }} }}"
    return f"""
    jetstream {{ store_dir: "{store.as_posix()}", {odd.jetstream} }}
    accounts {{ team {{
        jetstream {{ {odd.limits} }}
        users: [ {{user: boss, password: secret}}, {{user: ana, password: secret{rights} }} ]
    }} }}
    {odd.server}
    """


async def _set_up(access: Access, odd: Odd) -> None:
    async with publisher(access) as connection:
        for config in odd.streams:
            made = await connection.api(f"STREAM.CREATE.{config['name']}", {**config, "sealed": False})
            if config.get("sealed"):
                await connection.api(f"STREAM.UPDATE.{config['name']}", {**made["config"], "sealed": True})
        for name in odd.consumers:
            config = {"durable_name": name, "ack_policy": "explicit"}
            request = {"stream_name": STREAM, "config": config}
            await connection.api(f"CONSUMER.DURABLE.CREATE.{STREAM}.{name}", request)


async def _state(access: Access) -> dict[str, tuple[Any, ...]]:
    """All streams, with what they hold and their consumers."""
    async with publisher(access) as connection:
        page = await connection.api("STREAM.LIST", {"offset": 0})
        return {s["config"]["name"]: (s["config"], s["state"]) for s in page["streams"] or ()}


def _held_against(odd: Odd, sample: Dataset, store: Path, command: Command) -> None:
    with running(ServerSettings(extra=_configuration(odd, store))) as server:
        boss = Access(servers=(server.url,), user="boss", password="secret")
        asyncio.run(_set_up(boss, odd))
        before = asyncio.run(_state(boss))
        words = [str(sample.root), "--server", server.url, "--user", "ana", "--password", "secret", *odd.words]
        at = [*words[1:]]

        # Promised.
        code, out, err = command("load", *words, *odd.options, "--dry-run", "--json")
        promise = json.loads(out) if out else {"ok": False, "missing": [err]}
        said = "\n".join([*promise["missing"], err])
        assert promise["ok"] == (code == 0) == (not odd.refused), said
        assert re.search(odd.refused, said), said
        told = said
        if not odd.options:
            code, out, err = command("doctor", *words, "--json")
            found = json.loads(out) if out else {"ok": False, "missing": [err]}
            told = "\n".join([*found["missing"], err])
            assert found["ok"] == (code == 0) == (not (odd.refused or odd.unread or odd.stuck)), told
            assert re.search(odd.refused, told), told
        assert asyncio.run(_state(boss)) == before

        # Done.
        code, out, err = command("load", *words, *odd.options, "--give-up-after", "10", "--json")
        assert code == (odd.code if odd.refused else 0), err
        assert re.search(odd.refused, err), err
        if odd.refused:
            after = asyncio.run(_state(boss))
            assert after.keys() == before.keys()  # nothing is left behind
            if not odd.streams:
                return
        else:
            did = json.loads(out)["stations"]
            assert {name: s["sends"] for name, s in promise["stations"].items() if name in did} == {
                name: s["sent"] for name, s in did.items()
            }
            modes = {s["mode"] for s in promise["stations"].values() if s["sends"]}
            assert json.loads(out)["mode"] in modes, modes

        # Read back.
        code, _, err = command("verify", *words, "--json")
        if odd.unread:
            assert code == 3, err
            assert re.search(odd.unread, err), err
            assert re.search(odd.unread, told), told
        elif not odd.refused:
            assert code == 0, err
            for _ in range(2):
                code, _, err = command(
                    "consume", TWEETS.station, *at, "--limit", "3", "--out", str(store / "out.jsonl")
                )
                assert code == 0, err
                assert len((store / "out.jsonl").read_text().splitlines()) == 3
        if not odd.refused:
            code, out, err = command("load", *words, *(o for o in odd.options if o != "--recreate"), "--json")
            assert code == (3 if odd.stuck else 0), err
            assert re.search(odd.stuck, told), told
            assert re.search(odd.stuck, err), err
            assert odd.stuck or json.loads(out)["sent"] == 0
        consumers = {name: state["consumer_count"] for name, (_, state) in asyncio.run(_state(boss)).items()}
        assert "CONSUMER.DELETE.>" in odd.denied or sum(consumers.values()) == len(odd.consumers), consumers


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(link, "_LEAST", 0.01)


@pytest.mark.parametrize("name", QUICK)
def test_what_is_promised_is_done_and_read_back(name: str, sample: Dataset, tmp_path: Path, command: Command):
    _held_against(QUICK[name], sample, tmp_path, command)


@pytest.mark.slow
@pytest.mark.parametrize("name", MORE)
def test_what_is_promised_is_done_and_read_back_also_where_it_is_odder(
    name: str, sample: Dataset, tmp_path: Path, command: Command
):
    _held_against(MORE[name], sample, tmp_path, command)


@pytest.mark.slow
@pytest.mark.parametrize("version", ["2.10.26", "2.11.0", "2.14.0"], indirect=True)
@pytest.mark.parametrize(
    "name",
    [
        *QUICK,
        "a server of little storage",
        "pulls of one message",
        "no streams may be deleted",
        "one consumer a stream",
    ],
)
def test_what_is_promised_by_an_older_server_is_done_and_read_back(
    name: str, version: str, sample: Dataset, tmp_path: Path, command: Command
):
    _held_against((QUICK | MORE)[name], sample, tmp_path, command)


@pytest.mark.parametrize(
    ("permissions", "said"),
    [
        ("", ""),
        (
            'publish: { deny: "$JS.API.CONSUMER.CREATE.>" }',
            r"reading publishes to \$JS\.API\.CONSUMER\.CREATE, .*zakar-",
        ),
        ('publish: { deny: "$JS.API.CONSUMER.MSG.NEXT.>" }', r"reading publishes to \$JS\.API\.CONSUMER\.MSG\.NEXT"),
        ('publish: { deny: "$JS.API.STREAM.INFO.>" }', r'which stations there are: .*"\$JS\.API\.STREAM\.INFO'),
        ('publish: { deny: "$JS.API.CONSUMER.CREATE.zakar-fire-alerts$1.>" }', ""),  # there is the other request
    ],
)
def test_doctor_without_a_dataset_says_whether_the_stations_that_are_there_can_be_read(
    permissions: str, said: str, sample: Dataset, tmp_path: Path, command: Command
):
    extra = f"""
    jetstream {{ store_dir: "{tmp_path.as_posix()}" }}
    authorization {{ users: [
        {{ user: boss, password: pw }}, {{ user: ana, password: pw, permissions: {{ {permissions} }} }}
    ] }}
    """
    with running(ServerSettings(extra=extra)) as server:
        for there in (False, True):
            code, out, _ = command("doctor", "--server", server.url, "--user", "ana", "--password", "pw", "--json")
            missing = "\n".join(json.loads(out)["missing"])
            lacks = bool(said) and there
            assert (code, json.loads(out)["ok"]) == ((1, False) if lacks else (0, True)), missing
            assert not lacks or re.search(said, missing), missing
            words = ["--server", server.url, "--user", "boss", "--password", "pw", "--tables", "fire_alerts"]
            assert command("load", str(sample.root), *words)[0] == 0
        code, _, err = command(
            "consume", "zakar-fire-alerts", "--server", server.url, "--user", "ana", "--password", "pw",
            "--out", str(tmp_path / "out.jsonl"),
        )  # fmt: skip
        assert (code == 0) == (not said), err
