"""A window over days: mean temperature and number of posts of the last seven days, by cell.

A day is over when a later one arrives, or nothing does for a while. Nothing is acknowledged: each run begins anew.
"""

import argparse
import asyncio
import json
import os
import sys
from collections import Counter, defaultdict, deque

import nats

WINDOW_DAYS, QUIET_SECONDS = 7, 5
parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("server", nargs="?", default=os.environ.get("NATS_URL", "nats://127.0.0.1:4222"))
parser.add_argument("--creds", default=os.environ.get("NATS_CREDS"), help="credentials file")
options = parser.parse_args()


async def main():
    async def fail(problem):  # nats-py would log it, and try again
        raise problem

    async with await nats.connect(options.server, user_credentials=options.creds, error_cb=fail) as client:
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
            print(f"day {day}: warmest {cell}, {mean:.1f} F; most posts", *talk.most_common(1))


async def days(client, station, value):
    """Yield (day, [(cell, value), ...]) for each day that is over, of a station of one partition."""
    stream, config = f"{station}$1", nats.js.api.ConsumerConfig(ack_policy="none", inactive_threshold=600)
    pull, rows = await client.jetstream().pull_subscribe(f"{stream}.final", stream=stream, config=config), {}
    try:
        while True:
            for message in await pull.fetch(500, timeout=QUIET_SECONDS):
                row = json.loads(message.data)
                if rows and row["day"] not in rows:
                    yield rows.popitem()
                rows.setdefault(row["day"], []).append(((row["geospatial_x"], row["geospatial_y"]), row[value]))
    except TimeoutError:
        for day in rows.items():
            yield day


try:
    asyncio.run(main())
except (nats.errors.Error, OSError) as error:
    sys.exit(f"{str(error) or repr(error)}; `zakar doctor` says more")
