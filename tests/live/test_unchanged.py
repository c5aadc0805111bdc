"""What others rely on stays byte for byte: data, keys of files and answers, streams, messages, exit codes.

`golden/unchanged.json` has them as they are for those who use them now: a change of it breaks their datasets, stations
or scripts. Everything is asked from outside, by the command line and nats-py, whatever the modules are called.
"""

import asyncio
import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nats
import pytest
from helpers import free_port
from nats.js.api import AckPolicy, ConsumerConfig

from zakar.broker.server import Server

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "unchanged.json").read_text(encoding="utf-8"))
STREAMS = ["zakar-tweets$1", "zakar-temperature-readings$1", "zakar-fire-alerts$1"]
KEY = "5a" * 32

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def tiny(command: Command, tmp_path: Path) -> Path:
    assert command("simulate", "tiny", "--out", str(tmp_path / "tiny"))[0] == 0
    return tmp_path / "tiny"


@pytest.mark.parametrize("name", ["tiny", "classic", "island"])
@pytest.mark.slow
def test_the_data_of_the_shipped_scenarios_and_the_keys_of_their_files(command: Command, tmp_path: Path, name: str):
    out, key = tmp_path / name, tmp_path / "key"
    key.write_text(KEY, encoding="ascii")
    secret = ["--key", str(key)] if name == "island" else []
    assert command("simulate", name, "--out", str(out), *secret)[0] == 0
    assert command("check", str(out))[0] == 0
    assert data(out) == GOLDEN["data"][name]
    assert lost(GOLDEN["files"][name], kept_keys(out)) == {}
    assert check_ids(out) == GOLDEN["checks"][name]


def test_streams_and_the_messages_in_them(command: Command, broker: Server, tiny: Path):
    assert command("load", str(tiny), "--server", broker.url)[0] == 0
    configs, digests = asyncio.run(stored(broker.url))
    assert configs == GOLDEN["streams"]
    assert digests == GOLDEN["messages"]


def test_the_keys_of_answers_and_the_exit_codes_of_commands(command: Command, broker: Server, tiny: Path):
    answers, codes = answered(command, broker.url, tiny)
    assert codes == GOLDEN["exit codes"]
    assert lost(GOLDEN["answers"], answers) == {}


def data(root: Path) -> dict[str, str]:
    """The digests of a dataset's rows: of what is released, each private table's, the held-out days'."""
    released = json.loads((root / "manifest.json").read_text(encoding="utf-8"))
    private = json.loads((root / "private" / "manifest.json").read_text(encoding="utf-8"))
    groups = {"maps": released.get("maps", {})} | {
        name: private.get(name, {}) for name in ("truth", "holdout", "holdout_truth")
    }
    digests = {"fingerprint": released["fingerprint"], "private fingerprint": private["fingerprint"]}
    return digests | {
        f"{group}/{name}": table["sha256"] for group, tables in groups.items() for name, table in tables.items()
    }


def kept_keys(root: Path) -> dict[str, list[str]]:
    """The keys of the JSON files that a dataset has."""
    names = ("manifest.json", "private/manifest.json", "checks.json", "private/checks.json", "croissant.json")
    return {name: keys_of((root / name).read_text(encoding="utf-8")) for name in names if (root / name).exists()}


def check_ids(root: Path) -> list[str]:
    return [check["id"] for check in json.loads((root / "checks.json").read_text(encoding="utf-8"))["checks"]]


def lost(golden: dict[str, list[str]], now: dict[str, list[str]]) -> dict[str, set[str]]:
    """The keys that are no longer there. New ones do nobody harm."""
    gone = {name: set(keys) - set(now.get(name, ())) for name, keys in golden.items()}
    return {name: keys for name, keys in gone.items() if keys}


def keys_of(text: str) -> list[str]:
    return sorted(set(key_paths(json.loads(text))))


def key_paths(value: Any, path: str = "") -> Iterator[str]:
    """The names of all keys, those of nested objects behind a dot."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from key_paths(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and value:
        for inner in value:
            yield from key_paths(inner, f"{path}[]")
    else:
        yield path


async def stored(url: str) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """What each stream was asked to be, without the server's own metadata; the number of messages, their digest."""
    configs, digests = {}, {}
    client, unacknowledged = await nats.connect(url), ConsumerConfig(ack_policy=AckPolicy.NONE)
    try:
        for name in STREAMS:
            config = json.loads((await client.request(f"$JS.API.STREAM.INFO.{name}")).data)["config"]
            config["metadata"] = {k: v for k, v in config["metadata"].items() if not k.startswith("_nats.")}
            assert len(bytes.fromhex(config["metadata"].pop("zakar.loader"))) == 8  # drawn by each load
            configs[name] = config
            digest, number = hashlib.sha256(), 0
            durable = await client.jetstream().pull_subscribe(f"{name}.>", stream=name, config=unacknowledged)
            while pending := (await durable.consumer_info()).num_pending:
                for message in await durable.fetch(min(pending, 1_000)):
                    digest.update(len(message.data).to_bytes(4, "big") + message.data)
                    number += 1
            digests[name] = f"{number} {digest.hexdigest()}"
    finally:
        await client.close()
    return configs, digests


def answered(command: Command, url: str, tiny: Path) -> tuple[dict[str, list[str]], dict[str, int]]:
    """The keys of what commands answer with --json, and their exit codes, also where something is wrong."""
    out, at, away = tiny.parent, ("--server", url), f"nats://127.0.0.1:{free_port()}"
    commands = {
        "simulate": ("simulate", "tiny", "--out", str(out / "again")),
        "simulate where something is": ("simulate", "tiny", "--out", str(out / "again")),
        "simulate nothing known": ("simulate", "atlantis", "--out", str(out / "atlantis")),
        "schema": ("schema",),
        "check": ("check", str(tiny)),
        "check what is not there": ("check", str(out / "nowhere")),
        "report": ("report", str(tiny), "--out", str(out / "report.html")),
        "publish": ("publish", str(tiny), "--out", str(out / "public")),
        "dry run": ("load", str(tiny), *at, "--dry-run"),
        "verify before": ("verify", str(tiny), *at),
        "load": ("load", str(tiny), *at),
        "load again": ("load", str(tiny), *at),
        "load nowhere": ("load", str(tiny), "--server", away, "--give-up-after", "1"),
        "load another": ("load", str(out / "again"), *at, "--partitions", "2"),
        "load in no known mode": ("load", str(tiny), *at, "--mode", "never"),
        "verify": ("verify", str(tiny), *at),
        "doctor": ("doctor", str(tiny), *at),
        "doctor without a dataset": ("doctor", *at),
        "demo": ("demo", "tiny"),
    }
    answers, codes = {}, {}
    for name, words in commands.items():
        codes[name], said, _ = command(*words, "--json")
        if codes[name] in (0, 1) and said:
            answers[name] = keys_of(said)
    kept = out / "alerts.jsonl"
    codes["consume"] = command("consume", "zakar-fire-alerts", *at, "--limit", "3", "--out", str(kept))[0]
    answers["consume"] = kept.read_text(encoding="utf-8").splitlines()
    codes["consume nothing"] = command("consume", "zakar-nothing", *at)[0]
    return answers, codes
