"""The upload script of 2023, mended: a table's rows, as JSON, to its station, with at most 500 acks to wait for.

That script learned to limit what is in flight; but it never looked at failures, and run twice it stored all twice. Here
each message says which number it is to have, so that a repeat is refused: run it again, and it goes on from what is
stored. A number alone does not say whose the messages before it are, nor who else hears what is sent, so both are asked
first. `zakar load` does so many times as fast, and finds the limit by itself.
"""

import argparse
import asyncio
import collections
import json
import os
import sys
from pathlib import Path

import nats
import nats.js.errors
import pyarrow.dataset

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("server", nargs="?", default=os.environ.get("NATS_URL", "nats://127.0.0.1:4222"))
parser.add_argument("--creds", default=os.environ.get("NATS_CREDS"), help="credentials file")
parser.add_argument("--dataset", default="data/sample")
options = parser.parse_args()


def encoded(row):
    return json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode()


def insist(holds, problem):
    if not holds:
        raise nats.errors.Error(f"{problem}; nothing more was sent")


async def info(jetstream, stream):
    try:
        return await jetstream.stream_info(stream)
    except nats.js.errors.NotFoundError:
        return None


async def hearers(client, subject):
    """Return the streams, near and far, that hear a subject: each refuses this number, and says its name."""
    inbox, found = client.new_inbox(), []
    answers = await client.subscribe(inbox)
    await client.publish(subject, reply=inbox, headers={"Nats-Expected-Last-Sequence": str(2**63 - 1)})
    try:
        while answer := await answers.next_msg(timeout=1):
            found.append(json.loads(answer.data or b"{}").get("stream", "nobody"))
    except nats.errors.TimeoutError:
        return sorted(found)


async def first_of(jetstream, stream, rows):
    """Return how many messages are stored, which must be the first of rows; those are taken from it."""
    state, number = (await jetstream.stream_info(stream)).state, 0
    insist(state.messages == state.last_seq, f"{stream} has lost messages")
    if state.messages:
        reading = await jetstream.subscribe(f"{stream}.>", stream=stream, ordered_consumer=True)
        for number, row in zip(range(1, state.messages + 1), rows, strict=False):
            insist(
                (await reading.next_msg(timeout=10)).data == encoded(row), f"{stream} holds another's message {number}"
            )
    insist(number == state.messages, f"{stream} holds more than the table has")
    return number


async def publish(jetstream, stream, domain, message, number):
    after = {"Nats-Expected-Last-Sequence": str(number - 1)}
    ack = await jetstream.publish(f"{stream}.final", message, headers=after)
    insist(
        (ack.stream, ack.domain, ack.seq) == (stream, domain, number), f"{ack} answers for message {number} of {stream}"
    )


async def upload(client, station, rows):
    jetstream, stream = client.jetstream(), f"{station}$1"
    insist(await info(jetstream, f"{station}$2") is None, f"{station} has partitions, which `zakar load` can fill")
    if await info(jetstream, stream) is None:
        await jetstream.add_stream(name=stream, subjects=[f"{stream}.>"])
    heard = await hearers(client, f"{stream}.final")
    insist(heard == [stream], f"not {stream} alone hears what is sent to it, but {' and '.join(heard) or 'nobody'}")
    stored, domain = await first_of(jetstream, stream, rows), (await jetstream.account_info()).domain
    acks, number = collections.deque(), stored
    for number, row in enumerate(rows, stored + 1):
        acks.append(asyncio.create_task(publish(jetstream, stream, domain, encoded(row), number)))
        if len(acks) == 500:
            await acks.popleft()  # fails if the message was refused
        if number % 50_000 == 0:
            print(f"{stream}: {number:,} messages sent", file=sys.stderr)
    await asyncio.gather(*acks)
    print(f"{stream}: {number - stored:,} messages sent, {number:,} stored")


def credentials(path):  # as nats-py wants them: line ends of Windows stop it, and it waits for ever for what is missing
    words = Path(path).read_text("utf-8-sig", "replace").split()
    jwt, seed = ([word for word in words if word.startswith(kind)] for kind in ("eyJ", "SU"))
    if not (jwt and seed):
        raise nats.errors.Error("--creds: the file lacks a JWT or its seed")
    return nats.aio.client.RawCredentials(f"BEGIN NATS USER JWT\n{jwt[0]}\nBEGIN USER NKEY SEED\n{seed[0]}\n")


async def main():
    async def fail(problem):  # nats-py would log it, and try again
        raise problem

    async with await nats.connect(
        options.server, user_credentials=options.creds and credentials(options.creds), error_cb=fail
    ) as client:
        for table in ("tweets", "temperature_readings", "fire_alerts"):
            batches = pyarrow.dataset.dataset(f"{options.dataset}/public/{table}").to_batches()
            rows = (row for batch in batches for row in batch.to_pylist())
            await upload(client, f"zakar-{table.replace('_', '-')}", rows)


try:
    asyncio.run(main())
except (nats.errors.Error, OSError) as error:
    sys.exit(f"{str(error) or repr(error)}; `zakar doctor` says more")
