"""The upload script of 2023 in ten lines: a table's rows, as JSON, to its station, with at most 500 acks to wait for.

That script learned to limit what is in flight; but it never looked at failures, and run twice it stored all twice. Here
each message says which number it is to have, so that a repeat is refused: run it again, and it goes on from what is
stored. `zakar load` does so many times as fast, and finds the limit by itself.
"""

import argparse
import asyncio
import collections
import itertools
import json
import os
import sys

import nats
import pyarrow.dataset

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("server", nargs="?", default=os.environ.get("NATS_URL", "nats://127.0.0.1:4222"))
parser.add_argument("--creds", default=os.environ.get("NATS_CREDS"), help="credentials file")
parser.add_argument("--dataset", default="data/sample")
options = parser.parse_args()


async def upload(jetstream, stream, rows):
    stored = (await jetstream.stream_info(stream)).state.last_seq
    acks, number = collections.deque(), stored
    for number, row in enumerate(itertools.islice(rows, stored, None), stored + 1):
        message = json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode()
        after = {"Nats-Expected-Last-Sequence": str(number - 1)}
        acks.append(asyncio.create_task(jetstream.publish(f"{stream}.final", message, headers=after)))
        if len(acks) == 500:
            await acks.popleft()  # fails if the message was refused
    await asyncio.gather(*acks)
    print(f"{stream}: {number - stored:,} messages sent, {number:,} stored")


async def main():
    async def fail(problem):  # nats-py would log it, and try again
        raise problem

    async with await nats.connect(options.server, user_credentials=options.creds, error_cb=fail) as client:
        for table in ("tweets", "temperature_readings", "fire_alerts"):
            stream = f"zakar-{table.replace('_', '-')}$1"
            if stream not in [found.config.name for found in await client.jetstream().streams_info()]:
                await client.jetstream().add_stream(name=stream, subjects=[f"{stream}.>"])
            batches = pyarrow.dataset.dataset(f"{options.dataset}/public/{table}").to_batches()
            await upload(client.jetstream(), stream, (row for batch in batches for row in batch.to_pylist()))


try:
    asyncio.run(main())
except (nats.errors.Error, OSError) as error:
    sys.exit(f"{str(error) or repr(error)}; `zakar doctor` says more")
