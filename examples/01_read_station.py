"""Read a station with a pull consumer, and acknowledge what has been dealt with.

The consumer is durable: the broker keeps the reader's place under its name. Run this again, and it goes on where it
stopped; what was read and not acknowledged within 30 seconds comes again. Another name starts at the beginning.
"""

import argparse
import asyncio
import json
import os
import sys

import nats

STATION, READER = "zakar-fire-alerts", "first-reader"
parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("server", nargs="?", default=os.environ.get("NATS_URL", "nats://127.0.0.1:4222"))
parser.add_argument("--creds", default=os.environ.get("NATS_CREDS"), help="credentials file")
options = parser.parse_args()


async def main():
    async def fail(problem):  # nats-py would log it, and try again
        raise problem

    async with await nats.connect(options.server, user_credentials=options.creds, error_cb=fail) as client:
        stream = f"{STATION}$1"  # its first partition, and its only one unless it was loaded with --partitions
        pull = await client.jetstream().pull_subscribe(f"{stream}.final", durable=READER, stream=stream)
        number, left = 0, 1
        while left:
            try:
                messages = await pull.fetch(500, timeout=1)
            except TimeoutError:
                break  # nothing new for a second
            for message in messages:
                row = json.loads(message.data)
                if number < 5:
                    print(row)
                await message.ack()  # only now: if anything fails before this, the message comes again
                number, left = number + 1, message.metadata.num_pending
        await client.flush()  # acks wait for nobody, so see that the broker has them all
        print(f"{number:,} new messages of {STATION} read and acknowledged")


try:
    asyncio.run(main())
except (nats.errors.Error, OSError) as error:
    sys.exit(f"{str(error) or repr(error)}; `zakar doctor` says more")
