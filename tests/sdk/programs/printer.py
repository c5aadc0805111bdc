"""A reader in the manner of 2023, for memphis-py 1.0: prints what comes, ten at a time, until so many have come.

Its arguments are a host, a port, a user, a password, a station, a group, how many, and perhaps how it reads: "fetch",
"refetch", which goes on after a fetch that failed, or "consume". Each line is acknowledged.
"""

import asyncio
import json
import sys

from memphis import Memphis, MemphisConnectError, MemphisError


async def main(host, port, user, password, station, group, count, way="fetch"):
    memphis = Memphis()
    left = int(count)
    done = asyncio.Event()

    async def take(batch, _error=None, _context=None):
        nonlocal left
        for message in batch or ():
            print(json.dumps([message.get_headers(), json.loads(message.get_data())]), flush=True)
            await message.ack()
            left -= 1
        if left <= 0:
            done.set()

    try:
        await memphis.connect(host=host, port=int(port), username=user, password=password, account_id=1)
        consumer = await memphis.consumer(
            station_name=station, consumer_name=f"of-{group}", consumer_group=group, pull_interval_ms=20
        )
        if way == "consume":
            consumer.consume(take)
            await done.wait()
        while not done.is_set():
            try:
                await take(await consumer.fetch())
            except MemphisError as error:
                if way != "refetch":
                    raise
                print(error)
    except (MemphisError, MemphisConnectError) as error:
        print(error)
    finally:
        await memphis.close()


asyncio.run(main(*sys.argv[1:]))
