"""A feeder of a dashboard: it shows what it is sent and acknowledges nothing.

Its arguments are a host, a port, a user and a password.
"""

import asyncio
import json
import sys
from collections import Counter

from memphis import Memphis


async def main(host, port, user, password):
    memphis = Memphis()
    await memphis.connect(host=host, port=int(port), username=user, password=password)
    consumer = await memphis.consumer(station_name="zakar-fire-alerts", consumer_name="dashboard", max_ack_time_ms=3000)
    shown = Counter()
    while batch := await consumer.fetch(batch_size=10):
        shown.update(message.get_data().decode("utf-8") for message in batch)
    await memphis.close()
    print(json.dumps(shown))


asyncio.run(main(*sys.argv[1:]))
