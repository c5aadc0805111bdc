"""An ingester: every station into a table of zakar.db, until a fetch brings nothing.

Its arguments are a host, a port, a user and a password.
"""

import asyncio
import json
import sqlite3
import sys

from memphis import Memphis

TABLES = {
    "zakar-temperature-readings": ("day", "geospatial_x", "geospatial_y", "temperature"),
    "zakar-tweets": ("day", "geospatial_x", "geospatial_y", "tweet"),
    "zakar-fire-alerts": ("event_day", "notification_day", "geospatial_x", "geospatial_y"),
}


async def main(host, port, user, password):
    memphis = Memphis()
    await memphis.connect(host=host, port=int(port), username=user, password=password)
    database = sqlite3.connect("zakar.db")
    for station, keys in TABLES.items():
        columns = ", ".join(f"{key} {'text' if key == 'tweet' else 'integer'} not null" for key in keys)
        database.execute(f'create table "{station}" ({columns}) strict')
        consumer = await memphis.consumer(station_name=station, consumer_name="ingester")
        while batch := await consumer.fetch(batch_size=5000):
            rows = [json.loads(message.get_data()) for message in batch]
            places = ", ".join(f":{key}" for key in keys)
            database.executemany(f'insert into "{station}" values ({places})', rows)
            for message in batch:
                await message.ack()
        database.commit()
    database.close()
    await memphis.close()


asyncio.run(main(*sys.argv[1:]))
