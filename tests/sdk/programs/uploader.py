"""An upload in the manner of 2023, for memphis-py 1.0: stations, then every line, at once or with so many under way.

Its arguments are a host, a port, a user, a password, a zip file of JSON lines by station, and perhaps "limited".
"""

import asyncio
import sys
import zipfile
from io import TextIOWrapper

from memphis import Headers, Memphis, MemphisConnectError, MemphisError, MemphisHeaderError, MemphisSchemaError  # noqa: F401
from tqdm import tqdm

WEEKS = 14 * 24 * 60 * 60


async def main(host, port, user, password, file, limited=""):
    memphis = Memphis()
    try:
        await memphis.connect(host=host, port=int(port), username=user, password=password, account_id=1)
        with zipfile.ZipFile(file) as archive:
            for station in archive.namelist():
                await memphis.station(station, retention_value=WEEKS)
                with TextIOWrapper(archive.open(station), encoding="utf-8") as text:
                    lines = [line.strip() for line in text]
                producer = await memphis.producer(station_name=station, producer_name="uploader")
                tasks = set()
                for line in tqdm(lines, file=sys.stdout):
                    if not limited:
                        await producer.produce(bytearray(line, "utf-8"), async_produce=True)
                        continue
                    task = asyncio.create_task(producer.produce(bytearray(line, "utf-8")))
                    tasks.add(task)
                    task.add_done_callback(tasks.discard)
                    if len(tasks) >= 1_000:
                        while len(tasks) >= 500:
                            await asyncio.sleep(0.1)
        await producer.destroy()
    except (MemphisError, MemphisConnectError, MemphisHeaderError, MemphisSchemaError) as error:
        print(error)
    finally:
        await memphis.close()


asyncio.run(main(*sys.argv[1:]))
