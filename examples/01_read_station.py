"""Read a station with a pull consumer, and acknowledge what has been dealt with.

The consumer is durable: the broker keeps the reader's place under its name. Run this again, and it goes on where it
stopped; what was read and not acknowledged within 30 seconds comes again. Another name starts at the beginning.
"""

import argparse
import asyncio
import itertools
import json
import os
import sys
from pathlib import Path

import nats

STATION, READER = "zakar-fire-alerts", "first-reader"
parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("server", nargs="?", default=os.environ.get("NATS_URL", "nats://127.0.0.1:4222"))
parser.add_argument("--creds", default=os.environ.get("NATS_CREDS"), help="credentials file")
options = parser.parse_args()


async def main():
    async def fail(problem):  # nats-py would log it, and try again
        raise problem

    async with await nats.connect(
        options.server, user_credentials=options.creds and credentials(options.creds), error_cb=fail
    ) as client:
        number = 0
        async for stream in partitions(client.jetstream()):
            pull = await client.jetstream().pull_subscribe(f"{stream}.final", durable=READER, stream=stream)
            info = json.loads((await client.request(f"$JS.API.CONSUMER.INFO.{stream}.{READER}")).data)
            most, left = min(500, info["config"].get("max_batch") or 500), 1  # a server may set a limit to a pull
            while left:
                try:
                    messages = await pull.fetch(most, timeout=1)
                except TimeoutError:
                    break  # nothing new for a second
                for message in messages:
                    row = json.loads(message.data)
                    if number < 5:
                        print(row)
                    await message.ack()  # only now: if anything fails before this, the message comes again
                    number, left = number + 1, message.metadata.num_pending
                    if number % 20_000 == 0:
                        print(f"{number:,} messages read, {left:,} to come", file=sys.stderr)
        await client.flush()  # acks wait for nobody, so see that the broker has them all
        print(f"{number:,} new messages of {STATION} read and acknowledged")


def credentials(path):  # as nats-py wants them: line ends of Windows stop it, and it waits for ever for what is missing
    words = Path(path).read_text("utf-8-sig", "replace").split()
    jwt, seed = ([word for word in words if word.startswith(kind)] for kind in ("eyJ", "SU"))
    if not (jwt and seed):
        raise nats.errors.Error("--creds: the file lacks a JWT or its seed")
    return nats.aio.client.RawCredentials(f"BEGIN NATS USER JWT\n{jwt[0]}\nBEGIN USER NKEY SEED\n{seed[0]}\n")


async def partitions(jetstream):
    """Yield the station's streams: one, unless it was loaded with --partitions."""
    for number in itertools.count(1):
        try:
            await jetstream.stream_info(f"{STATION}${number}")
        except nats.js.errors.NotFoundError:
            if number == 1:
                raise
            return
        yield f"{STATION}${number}"


try:
    asyncio.run(main())
except (nats.errors.Error, OSError) as error:
    sys.exit(f"{str(error) or repr(error)}; `zakar doctor` says more")
