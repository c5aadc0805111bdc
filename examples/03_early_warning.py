"""A first early-warning system: learned from two thirds of the days, held against the alerts of the others.

An alert comes days after its fire. What is learned from may be used from its notification on and no earlier: whoever
learns from an alert that has not come yet has figures that no day to come will repeat.
"""

import argparse
import asyncio
import getpass
import json
import os
import re
import sys
from collections import Counter

from zakar.broker.access import Access, with_creds
from zakar.broker.connection import connected
from zakar.broker.reader import read_station
from zakar.errors import ZakarError

MINE, WORDS = "zakar-fire-predictions", re.compile(r"[a-z']{4,}|$")  # every post has the word ""
parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("server", nargs="?", default=os.environ.get("NATS_URL", "nats://127.0.0.1:4222"))
parser.add_argument("--creds", default=os.environ.get("NATS_CREDS"), help="credentials file")
parser.add_argument("--team", default=os.environ.get("ZAKAR_TEAM") or getpass.getuser(), help="whose predictions")
options = parser.parse_args()


async def rows(broker, station, day="day"):
    number = 0
    async for messages in read_station(broker, station):  # many times as fast as a plain client
        for row in map(json.loads, messages):
            yield (row[day], row["geospatial_x"], row["geospatial_y"]), row
        number += len(messages)
        if number // 500_000 > (number - len(messages)) // 500_000:
            print(f"{number:,} messages of {station} read", file=sys.stderr)


def around(place):
    day, x, y = place
    return {(day, x + i, y + j) for i in (-1, 0, 1) for j in (-1, 0, 1)}


async def main():
    async with connected(with_creds(Access((options.server,)), options.creds)) as broker:
        told = {at: row["notification_day"] async for at, row in rows(broker, "zakar-fire-alerts", "event_day")}
        heat = {at: row["temperature"] async for at, row in rows(broker, "zakar-temperature-readings")}
        split = max(heat or parser.error("there are no readings: `zakar load` fills the stations"))[0] * 2 // 3
        known = {at for at, notified in told.items() if notified <= split}  # as much as there was to learn from then
        if not known:
            parser.error(f"no alert came by day {split}, so there is nothing to learn from: 09 learns from other days")
        near, far, talk, close = Counter(), Counter(), Counter(), set().union(*map(around, known))
        async for at, row in rows(broker, "zakar-tweets"):
            if at[0] <= split and (at in close or at[0] % 4 == 0):  # of the others a quarter is enough
                (near if at in close else far).update(set(WORDS.findall(row["tweet"].lower())))
        telling = {word for word in near if near[word] > 4 and near[word] / near[""] > 4 * (far[word] + 1) / far[""]}
        async for at, row in rows(broker, "zakar-tweets"):
            if number := len(telling.intersection(WORDS.findall(row["tweet"].lower()))):
                for place in around(at):  # a post is from somewhere near
                    talk[place] += number * (2 if place == at else 1)
        # A fire is likelier the more words tell of it, and the warmer (f) the cell is than the day before.
        score = {at: talk[at] * max(1, 10 + f - heat.get((at[0] - 1, *at[1:]), f)) for at, f in heat.items()}
        peaks = {at for at, s in score.items() if s and s >= max(score.get(place, 0) for place in around(at))}
        past = sorted(score[at] for at in peaks if at[0] <= split)
        least = past[-min(len(known), len(past))] if past else 1  # as often as there were alerts
        warnings = {at for at in peaks if at[0] > split and score[at] >= least}
        later = {at for at in told if at[0] > split}
        fires, heard = set().union(*map(around, later)), set().union(*map(around, warnings))
        chance = [at in fires for at in heat if at[0] > split]
        print(f"{len(warnings)} warnings for the days after {split}, and {len(later)} alerts, to match within a cell:")
        print(
            f"precision {len(warnings & fires) / max(1, len(warnings)):.1%}, by chance {sum(chance) / len(chance):.1%}"
        )
        print(f"recall {len(later & heard) / max(1, len(later)):.1%}")
        stored = {message async for messages in read_station(broker, MINE) for message in messages}
        jetstream = broker.jetstream()
        domain = (await jetstream.account_info()).domain
        for day, x, y in sorted(warnings):  # with the team in it, no other team's is the same
            row = json.dumps({"event_day": day, "geospatial_x": x, "geospatial_y": y, "team": options.team})
            if row.encode() not in stored:
                ack = await jetstream.publish(f"{MINE}$1.final", row.encode(), headers={"Nats-Msg-Id": row})
                if (ack.stream, ack.domain) != (f"{MINE}$1", domain):
                    raise ZakarError(f"{ack.stream} has stored what is for {MINE}; nothing more was sent")


try:
    asyncio.run(main())
except ZakarError as error:
    raise SystemExit(str(error)) from None
