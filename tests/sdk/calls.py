"""What the tests and the benchmark have the Memphis SDK do, in a process of its own, with the SDK's Python.

    python tests/sdk/calls.py HOST PORT USER PASSWORD CALL ARGUMENTS [OPTIONS]

A user of "" makes the password a token. ARGUMENTS and OPTIONS, those of the connection, are JSON objects; what the call
returns is printed as JSON.
"""

import asyncio
import contextlib
import itertools
import json
import sys
import time
from collections import Counter
from pathlib import Path

from memphis import Headers, Memphis
from memphis.exceptions import MemphisConnectError, MemphisError

POLL = 0.01


async def connected(host, port, user, password, **options):
    memphis = Memphis()
    secret = {"username": user, "password": password} if user else {"username": "", "connection_token": password}
    await memphis.connect(host=host, port=int(port), **secret, **options)
    return memphis


async def station(memphis, name, **options):
    """Create a station; return its name and the one that its streams have."""
    made = await memphis.station(name=name, **options)
    return [made.name, made.internal_station_name]


async def misname(memphis, name):
    """Ask for a station, a producer and a consumer of that name; return what each raised."""
    asked = (
        memphis.station(name=name),
        memphis.producer(station_name="named", producer_name=name),
        memphis.consumer(station_name="named", consumer_name=name),
    )
    return [await complaint(work) for work in asked]


async def produce(memphis, station, messages):
    """Produce messages, each an object of the arguments of ``produce``; return what each raised, "" for nothing."""
    producer = await memphis.producer(station_name=station, producer_name="Producer.One")
    said = []
    for message in messages:
        if "headers" in message:
            headers = Headers()
            for name, value in message["headers"].items():
                headers.add(name, value)
            message["headers"] = headers
        said.append(await complaint(producer.produce(**message)))
    return said


async def publish(memphis, station, file, count=None, **options):
    """Produce lines of a file, all with the same options; return the seconds until the last was acknowledged."""
    producer = await memphis.producer(station_name=station, producer_name="publisher")
    lines = [bytearray(line) for line in Path(file).read_bytes().splitlines()[:count]]
    began = time.perf_counter()
    for line in lines:
        await producer.produce(line, **options)
    while producer.background_tasks:
        await asyncio.sleep(POLL)
    return time.perf_counter() - began


async def fetch(memphis, station, consumer, sizes, ack=True, destroy=False, partition=-1, key=None, **options):
    """Fetch batches of these sizes; return the messages of each."""
    source = await memphis.consumer(station_name=station, consumer_name=consumer, **options)
    batches = []
    for size in sizes:
        batches.append(
            await source.fetch(batch_size=size, consumer_partition_number=partition, consumer_partition_key=key)
        )
        if ack:
            await acknowledge(batches[-1])
    if destroy:
        await source.destroy()
    return [[shown(message) for message in batch] for batch in batches]


async def exhaust(memphis, station, consumer, size, ack=True, **options):
    """Fetch until nothing comes; return the messages of each batch, the seconds that the empty fetch took."""
    source = await memphis.consumer(station_name=station, consumer_name=consumer, **options)
    batches, began = [], time.perf_counter()
    while batch := await source.fetch(batch_size=size):
        batches.append([shown(message) for message in batch])
        if ack:
            await acknowledge(batch)
        began = time.perf_counter()
    return batches, time.perf_counter() - began


async def nack(memphis, station, consumer):
    """Refuse the first message and put off the second; return the numbers of what is fetched then, one by one."""
    source = await memphis.consumer(station_name=station, consumer_name=consumer)
    first, second = await source.fetch(batch_size=2)
    await first.nack()
    again = await source.fetch(batch_size=1)
    await second.delay(0.5)
    later = await source.fetch(batch_size=1)
    return [message.get_sequence_number() for message in (*again, *later)]


async def headers(memphis, station, consumer):
    """Read a station until it is dry; return the headers of each message, and what a delay and two acks raised."""
    source = await memphis.consumer(station_name=station, consumer_name=consumer, max_ack_time_ms=60_000)
    read, said = [], []
    while batch := await source.fetch(batch_size=5_000):
        read += [message.get_headers() for message in batch]
        if not said:
            said.append(await complaint(batch[0].delay(0.1)))
            said += [await complaint(batch[1].ack()) for _ in range(2)]
            batch = batch[2:]
        await acknowledge(batch)
    return [read, said]


async def parch(memphis, consumers):
    """Fetch from as many dry stations at once until a fetch raises; return what, and what its consumer gets then."""
    sources = {
        station: await memphis.consumer(station_name=station, consumer_name="parched")
        for station in (f"dry-{number}" for number in range(consumers))
    }

    async def waiting(station):
        with contextlib.suppress(asyncio.CancelledError):
            while True:
                try:
                    await sources[station].fetch()
                except MemphisError as error:
                    return station, str(error)

    tasks = [asyncio.create_task(waiting(station)) for station in sources]
    ended, others = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in others:
        task.cancel()
    station, said = ended.pop().result()
    producer = await memphis.producer(station_name=station, producer_name="late")
    await producer.produce("late")
    batch = []
    while not batch:
        try:
            batch = await sources[station].fetch()
        except MemphisError:
            batch = []
    return [said, [shown(message)["data"] for message in batch]]


async def share(memphis, station):
    """Return what two members of a group fetch in turn, and what the second one fetches once the first has left."""
    one, other = [
        await memphis.consumer(station_name=station, consumer_name=name, consumer_group="Group.A")
        for name in ("one", "other")
    ]
    batches = [await source.fetch(batch_size=30) for source in (one, other, one)]
    await one.destroy()
    batches.append(await other.fetch(batch_size=30))
    for batch in batches:
        await acknowledge(batch)
    return [[shown(message)["sequence"] for message in batch] for batch in batches]


async def destroy(memphis, station):
    """Destroy a producer and one of two consumers."""
    producer = await memphis.producer(station_name=station, producer_name="going")
    consumer = await memphis.consumer(station_name=station, consumer_name="going")
    await memphis.consumer(station_name=station, consumer_name="staying")
    await producer.destroy()
    await consumer.destroy()


async def raze(memphis, station):
    """Destroy a station under its consumer, twice; return what that and a fetch raised, "" for nothing."""
    place = await memphis.station(name=station)
    consumer = await memphis.consumer(station_name=station, consumer_name="orphan")
    return [await complaint(work) for work in (place.destroy(), consumer.fetch(batch_size=10), place.destroy())]


async def endure(memphis, station, way):
    """Produce and consume until told to end; ``ask`` on standard input asks for a new producer and a new consumer.

    ``way`` is "fetch", consuming in a loop that minds no error, or "consume", the SDK's own loop.
    """
    producer = await memphis.producer(station_name=station, producer_name="enduring")
    consumer = await memphis.consumer(
        station_name=station, consumer_name="enduring", pull_interval_ms=20, max_ack_time_ms=2_000
    )
    acknowledged, received, refused = [], set(), Counter()

    async def receive(messages, _error, _context):
        for message in messages:
            received.add(int(message.get_data()))
            await message.ack()

    async def fetching():
        while True:
            with contextlib.suppress(MemphisError, MemphisConnectError):
                await receive(await consumer.fetch(batch_size=10), None, {})
            await asyncio.sleep(0.02)

    async def hear():
        for number in itertools.count():
            if (await asyncio.to_thread(sys.stdin.readline)).strip() != "ask":
                return
            name = f"new-{number}"
            new_producer = memphis.producer(station_name=station, producer_name=name)
            new_consumer = memphis.consumer(station_name=station, consumer_name=name)
            print(json.dumps([await complaint(new_producer), await complaint(new_consumer)]), flush=True)

    if way == "consume":
        consumer.consume(receive)
    else:
        consuming = asyncio.create_task(fetching())
    hearing = asyncio.create_task(hear())
    number = 0
    while not hearing.done():
        said = await complaint(producer.produce(str(number), ack_wait_sec=2))
        if said:
            refused[said] += 1
        else:
            acknowledged.append(number)
        number += 1
        await asyncio.sleep(0.02)
    for _ in range(2_000):
        if received.issuperset(acknowledged):
            break
        await asyncio.sleep(POLL)
    if way == "fetch":
        consuming.cancel()
    left = await complaint(consumer.destroy())
    return {"acknowledged": acknowledged, "received": sorted(received), "refused": refused, "left": left}


async def crowd(memphis, clients, stations):
    """Have clients of their own connections produce a message and fetch one, all at once; return the seconds it took.

    Their stations, shared, are made by whoever comes first.
    """
    del memphis

    async def one(number, host, port, user, password):
        client = await connected(host, port, user, password)
        began = time.perf_counter()
        place = f"crowd-{number % stations}"
        producer = await client.producer(station_name=place, producer_name=f"producer-{number}")
        consumer = await client.consumer(station_name=place, consumer_name=f"consumer-{number}")
        asked = time.perf_counter() - began
        await producer.produce(str(number))
        [message] = await consumer.fetch(batch_size=1)
        await message.ack()
        await consumer.destroy()
        await producer.destroy()
        await client.close()
        return asked

    asked = await asyncio.gather(*(one(number, *sys.argv[1:5]) for number in range(clients)))
    return sorted(asked)


async def complaint(work):
    """Return what an awaitable raised, "" for nothing."""
    try:
        await work
    except (MemphisError, MemphisConnectError) as error:
        return str(error)
    return ""


async def acknowledge(messages):
    for message in messages:
        await message.ack()


def shown(message):
    return {
        "data": message.get_data().decode("utf-8"),
        "headers": message.get_headers(),
        "sequence": message.get_sequence_number(),
        "partition": message.partition,
    }


async def main(host, port, user, password, call, arguments, options="{}"):
    memphis = await connected(host, port, user, password, **json.loads(options))
    result = await CALLS[call](memphis, **json.loads(arguments))
    print(json.dumps(result), flush=True)
    await memphis.close()


CALLS = {
    call.__name__: call
    for call in (
        station,
        misname,
        produce,
        publish,
        fetch,
        exhaust,
        nack,
        headers,
        parch,
        share,
        destroy,
        raze,
        endure,
        crowd,
    )
}

if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(*sys.argv[1:]))
