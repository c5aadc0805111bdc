"""A saver: what comes is appended to alerts.jsonl, as long as anything comes.

Its arguments are a host, a port, a user and a password.
"""

import asyncio
import sys

from memphis import Memphis


async def main(host, port, user, password):
    memphis = Memphis()
    await memphis.connect(host=host, port=int(port), username=user, password=password)
    consumer = await memphis.consumer(
        station_name="zakar-fire-alerts",
        consumer_name="saver",
        consumer_group="savers",
        pull_interval_ms=100,
        batch_size=10,
    )
    quiet = asyncio.Event()

    async def save(messages, error, _context):
        if error:
            quiet.set()
        with open("alerts.jsonl", "a", encoding="utf-8") as file:
            for message in messages:
                file.write(message.get_data().decode("utf-8") + "\n")
                await message.ack()

    consumer.consume(save)
    await quiet.wait()
    await consumer.destroy()
    await memphis.close()


asyncio.run(main(*sys.argv[1:]))
