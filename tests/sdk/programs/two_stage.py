"""A predictor in two stages: readings are gathered one by one, and a day is judged once a later one begins.

Its arguments are a host, a port, a user and a password.
"""

import asyncio
import json
import sys

from memphis import Memphis


async def main(host, port, user, password):
    memphis = Memphis()
    await memphis.connect(host=host, port=int(port), username=user, password=password)
    readings = await memphis.consumer(station_name="zakar-temperature-readings", consumer_name="two-stage")
    predictions = await memphis.producer(station_name="zakar-fire-predictions", producer_name="two-stage")
    today, day = [], 1
    while batch := await readings.fetch(batch_size=1):
        reading = json.loads(batch[0].get_data())
        await batch[0].ack()
        if reading["day"] < day:
            raise SystemExit(f"day {reading['day']} after day {day}")
        if reading["day"] > day:
            hottest = max(today, key=lambda reading: reading["temperature"])
            await predictions.produce(
                {"event_day": day, "geospatial_x": hottest["geospatial_x"], "geospatial_y": hottest["geospatial_y"]}
            )
            today, day = [], reading["day"]
        today.append(reading)
    await memphis.close()
    print(len(today))


asyncio.run(main(*sys.argv[1:]))
