"""A window over days: mean temperature and number of posts of the last seven days, by cell.

A day is over when a later one arrives, or nothing does for a while. Nothing is acknowledged: each run begins anew.
"""

import argparse
import asyncio
import itertools
import json
import os
import sys
import time
from collections import Counter, defaultdict, deque
from pathlib import Path

import nats

WINDOW_DAYS, QUIET_SECONDS = 7, 5
SAID_SECONDS = 5  # after so many it says how far it is
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
        tweets, tweeted, posts = days(client, "zakar-tweets", "tweet"), 0, []
        window = deque(maxlen=WINDOW_DAYS)
        async for day, readings in days(client, "zakar-temperature-readings", "temperature"):
            while tweeted < day:  # the stations keep step, and a day without a post is no message
                tweeted, posts = await anext(tweets, (sys.maxsize, []))
            window.append((readings, posts if tweeted == day else []))
            talk = Counter(cell for _, posts in window for cell, _ in posts)
            warmth = defaultdict(list)
            for cell, temperature in (reading for readings, _ in window for reading in readings):
                warmth[cell].append(temperature)
            mean, cell = max((sum(warmth[cell]) / len(warmth[cell]), cell) for cell in warmth)
            print(f"day {day}: warmest {cell}, {mean:.1f} F; most posts", *talk.most_common(1), flush=True)


def credentials(path):  # as nats-py wants them: line ends of Windows stop it, and it waits for ever for what is missing
    words = Path(path).read_text("utf-8-sig", "replace").split()
    jwt, seed = ([word for word in words if word.startswith(kind)] for kind in ("eyJ", "SU"))
    if not (jwt and seed):
        raise nats.errors.Error("--creds: the file lacks a JWT or its seed")
    return nats.aio.client.RawCredentials(f"BEGIN NATS USER JWT\n{jwt[0]}\nBEGIN USER NKEY SEED\n{seed[0]}\n")


async def days(client, station, value):
    """Yield (day, [(cell, value), ...]) for each day that is over, in every partition of a station."""
    pulls = [pull async for pull in opened(client, station)]
    reached, rows = dict.fromkeys(range(len(pulls)), 0), defaultdict(list)
    number, told = 0, time.monotonic()
    while reached:
        behind = min(reached, key=reached.get)
        pull, most = pulls[behind]
        try:
            for message in await pull.fetch(most, timeout=QUIET_SECONDS):
                row = json.loads(message.data)
                rows[row["day"]].append(((row["geospatial_x"], row["geospatial_y"]), row[value]))
                reached[behind], number = row["day"], number + 1
        except TimeoutError:
            del reached[behind]
        if time.monotonic() > told + SAID_SECONDS:
            print(f"{number:,} messages of {station} read", file=sys.stderr)
            told = time.monotonic()
        for day in sorted(day for day in rows if day < min(reached.values(), default=sys.maxsize)):
            yield day, rows.pop(day)


async def opened(client, station):
    """Yield a pull for each partition of a station, and the most messages that it may ask for."""
    for number in itertools.count(1):
        stream, config = f"{station}${number}", nats.js.api.ConsumerConfig(ack_policy="none", inactive_threshold=600)
        try:
            pull = await client.jetstream().pull_subscribe(f"{stream}.final", stream=stream, config=config)
        except nats.js.errors.NotFoundError:
            if number == 1:
                raise
            return
        name = (await pull.consumer_info()).name
        info = json.loads((await client.request(f"$JS.API.CONSUMER.INFO.{stream}.{name}")).data)
        yield pull, min(500, info["config"].get("max_batch") or 500)  # a server may set a limit to a pull


try:
    asyncio.run(main())
except (nats.errors.Error, OSError) as error:
    sys.exit(f"{str(error) or repr(error)}; `zakar doctor` says more")
