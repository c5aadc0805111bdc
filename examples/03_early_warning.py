"""A first early-warning system: learned from two thirds of the days, held against the alerts of the others."""

import argparse
import asyncio
import json
import os
import re
from collections import Counter

from zakar.broker.access import Access, with_creds
from zakar.broker.connection import connected
from zakar.broker.reader import read_station
from zakar.errors import ZakarError

MINE, WORDS = "zakar-fire-predictions", re.compile(r"[a-z']{4,}|$")  # every post has the word ""
parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("server", nargs="?", default=os.environ.get("NATS_URL", "nats://127.0.0.1:4222"))
parser.add_argument("--creds", default=os.environ.get("NATS_CREDS"), help="credentials file")
options = parser.parse_args()


async def rows(broker, station, day="day", value="geospatial_x"):
    async for messages in read_station(broker, station):  # many times as fast as a plain client
        for row in map(json.loads, messages):
            yield (row[day], row["geospatial_x"], row["geospatial_y"]), row[value]


async def main():
    async with connected(with_creds(Access((options.server,)), options.creds)) as broker:
        alerts = {at async for at, _ in rows(broker, "zakar-fire-alerts", "event_day")}
        heat = {at: degrees async for at, degrees in rows(broker, "zakar-temperature-readings", value="temperature")}
        split = max(heat or parser.error("there are no readings: `zakar load` fills the stations"))[0] * 2 // 3
        near, far, talk = Counter(), Counter(), Counter()
        close = {(day, x + i, y + j) for day, x, y in alerts for i in (-1, 0, 1) for j in (-1, 0, 1)}
        async for at, post in rows(broker, "zakar-tweets", value="tweet"):
            if at[0] <= split:
                (near if at in close else far).update(set(WORDS.findall(post.lower())))
        telling = {word for word in near if near[word] > 4 and near[word] / near[""] > 4 * (far[word] + 1) / far[""]}
        async for at, post in rows(broker, "zakar-tweets", value="tweet"):
            talk[at] += len(telling.intersection(WORDS.findall(post.lower())))
        # A fire is likelier the more words tell of it, and the warmer (f) the cell is than the day before.
        score = {at: talk[at] * max(1, 10 + f - heat.get((at[0] - 1, *at[1:]), f)) for at, f in heat.items()}
        later = {at for at in alerts if at[0] > split}
        least = sorted(score[at] for at in score if at[0] <= split)[-len(alerts - later)] or 1
        warnings = {at for at in score if at[0] > split and score[at] >= least}  # as often as there were alerts
        heard = {(day, x + i, y + j) for day, x, y in warnings for i in (-1, 0, 1) for j in (-1, 0, 1)}
        chance = [at in close for at in heat if at[0] > split]
        print(f"{len(warnings)} warnings for the days after {split}, and {len(later)} alerts, to match within a cell:")
        print(f"precision {len(warnings & close) / len(warnings):.1%}, by chance {sum(chance) / len(chance):.1%}")
        print(f"recall {len(later & heard) / len(later):.1%}")
        for day, x, y in sorted(warnings - {at async for at, _ in rows(broker, MINE, "event_day")}):
            row = json.dumps({"event_day": day, "geospatial_x": x, "geospatial_y": y})
            await broker.jetstream().publish(f"{MINE}$1.final", row.encode(), headers={"Nats-Msg-Id": row})


try:
    asyncio.run(main())
except ZakarError as error:
    raise SystemExit(str(error)) from None
