"""What a load that starts over needs is tried before anything is deleted."""

import asyncio
import shutil
from pathlib import Path

import pytest
from helpers import load, publisher, served, zakar
from operators import Operator

from zakar.broker.access import Access, with_creds
from zakar.broker.server import Server
from zakar.dataset.schema import PUBLIC
from zakar.dataset.store import Dataset
from zakar.loader.options import PublishOptions


async def _seen(access: Access) -> list[tuple[object, ...]]:
    """The streams of an account, their configurations and what they hold."""
    async with publisher(access) as connection:
        page = await connection.api("STREAM.LIST", {"offset": 0})
    return sorted((s["config"]["name"], s["created"], s["config"], s["state"]) for s in page["streams"] or ())


@pytest.mark.slow
@pytest.mark.parametrize("limit", ["server", "account"])
def test_a_load_that_starts_over_deletes_nothing_where_its_connections_are_not_let_in(
    sample: Dataset, tmp_path: Path, limit: str
):
    operator, creds = Operator(), tmp_path / "ana.creds"
    operator.user(creds)
    config = {"server": "max_connections: 3", "account": operator.config(conn=3)}[limit]
    with served(config, tmp_path) as address:
        access = Access((address,)) if limit == "server" else with_creds(Access((address,)), str(creds))
        where = ["--server", address, *(["--creds", str(creds)] if limit == "account" else [])]
        asyncio.run(load(sample, access, PUBLIC, PublishOptions(), partitions=4))
        before = asyncio.run(_seen(access))
        many = [str(sample.root), *where, "--recreate", "--partitions", "4", "--connections", "4"]
        done = zakar("load", *many)
        assert done.returncode == 3
        assert "--connections 4: nothing was deleted: " in done.stderr
        assert "the server takes no more connections" in done.stderr
        assert asyncio.run(_seen(access)) == before
        said = zakar("load", *many, "--dry-run")
        assert said.returncode == 1
        assert "missing: --connections 4: a load stops half-way: " in said.stdout
        done = zakar("load", *many[:-1], "2")
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("table", ["tweets", "fire_alerts"])
def test_a_load_that_starts_over_deletes_nothing_where_a_file_of_the_dataset_is_damaged(
    sample: Dataset, tmp_path: Path, table: str, broker: Server, access: Access
):
    """Where its size and its footer are as they were, nothing of that is seen before the file is read."""
    asyncio.run(load(sample, access, PUBLIC, PublishOptions()))
    before = asyncio.run(_seen(access))
    shutil.copytree(sample.root, tmp_path / "damaged")
    (file,) = (tmp_path / "damaged" / "public" / table).glob("*.parquet")
    content = bytearray(file.read_bytes())
    content[40] ^= 255
    file.write_bytes(content)
    done = zakar("load", str(tmp_path / "damaged"), "--server", broker.url, "--recreate")
    assert done.returncode == 1
    assert f"{table}/{file.name}: not the bytes that the manifest lists" in done.stderr
    assert asyncio.run(_seen(access)) == before
