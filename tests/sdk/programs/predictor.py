"""A predictor: one fetch of 900 readings is one day of the whole island.

Its arguments are a host, a port, a user and a password.
"""

import asyncio
import json
import sys

from memphis import Memphis

SIDE, HOT = 30, 95


async def main(host, port, user, password):
    memphis = Memphis()
    await memphis.connect(host=host, port=int(port), username=user, password=password)
    readings = await memphis.consumer(
        station_name="zakar-temperature-readings", consumer_name="predictor", consumer_group="predictor"
    )
    predictions = await memphis.producer(station_name="zakar-fire-predictions", producer_name="predictor")
    days = 0
    while batch := await readings.fetch(batch_size=SIDE * SIDE):
        grid = [[None] * SIDE for _ in range(SIDE)]
        for message in batch:
            reading = json.loads(message.get_data())
            grid[reading["geospatial_x"]][reading["geospatial_y"]] = int(reading["temperature"])
            await message.ack()
        for x, row in enumerate(grid):
            for y, temperature in enumerate(row):
                if temperature >= HOT:
                    prediction = {"event_day": reading["day"], "geospatial_x": x, "geospatial_y": y}
                    await predictions.produce(bytearray(json.dumps(prediction).encode("utf-8")))
        days += 1
    await memphis.close()
    print(days)


asyncio.run(main(*sys.argv[1:]))
