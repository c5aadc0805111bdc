"""What programs and notebooks call: simulate, open, load, verify, read a station, follow one.

What is public is in ``zakar`` itself, by ``zakar.__all__``: the rest of the package may change with any version.
Each function returns once its work is done, inside a running event loop too, as a notebook has one. What a user can
mend is raised as a ``ZakarError``, with a message that says how.
"""

import asyncio
import contextlib
import queue
import threading
import warnings
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator, Sequence
from concurrent import futures
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa

from zakar import processes
from zakar.broker import reader
from zakar.broker.access import Access, with_creds
from zakar.broker.connection import Connection, connected
from zakar.broker.server import ServerSettings, running
from zakar.dataset import days as first_days
from zakar.dataset import store, wire
from zakar.dataset.layout import Split
from zakar.dataset.schema import MAPS, PUBLIC, carried_by
from zakar.dataset.store import Dataset
from zakar.errors import ConfigError, MismatchError, ServerError, StoppedError, ZakarError
from zakar.loader import load as loading
from zakar.loader import unload
from zakar.loader import verify as verifying
from zakar.loader.load import LoadReport, Progress
from zakar.loader.options import LoadOptions, Mode
from zakar.loader.verify import Comparison
from zakar.models import registry, scenario_files
from zakar.simulation import run
from zakar.simulation.keys import read_key

__all__ = [
    "Access",
    "Batch",
    "Comparison",
    "ConfigError",
    "Dataset",
    "LoadReport",
    "MismatchError",
    "ServerError",
    "StoppedError",
    "ZakarError",
    "access",
    "follow",
    "load",
    "local_broker",
    "open_dataset",
    "read_station",
    "read_table",
    "simulate",
    "verify",
]

_T = TypeVar("_T")
_LOCAL = "nats://127.0.0.1:4222"
_LOOKED = 0.2  # seconds between two looks whether there is more to come
_SHOWN = 3  # messages that are no rows, which a warning lists


@dataclass(frozen=True)
class Batch:
    """Messages of a station, as ``follow`` gives them.

    ``stream``: the partition. ``rows``: a row a message. ``sequences``: the messages' numbers in the stream, uint64.
    ``stored_at``: when the broker stored each, timestamp[us, UTC].
    """

    stream: str
    rows: pa.Table
    sequences: pa.Array
    stored_at: pa.Array


def simulate(
    scenario: str | Path,
    out: str | Path,
    *,
    days: int | None = None,
    seed: int | None = None,
    key: str | Path | None = None,
    overwrite: bool = False,
    workers: int = 1,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> Dataset:
    """Simulate a scenario into a folder, and return the dataset.

    Args:
        scenario: a name, such as ``island``, ``classic`` or ``tiny``, or a TOML file.
        out: the folder, which gets its name once it is whole.
        days: how many days, in place of the scenario's.
        seed: in place of the scenario's. The same scenario and seed make the same content.
        key: a file with the key behind held-out days. Without it, the key of the dataset that is overwritten, or a
            new one.
        overwrite: whether a dataset that is there may be replaced.
        workers: processes that compose observations. A script that asks for several calls this below
            ``if __name__ == "__main__":``, as Python's own pools want it.
        progress: called with the days that are done, and all.

    Raises:
        ConfigError: a scenario, key or folder that cannot be used.

    """
    source = scenario_files.find(str(scenario))
    settings = registry.read(source)
    if seed is not None:
        settings = registry.with_seed(settings, seed)
    if days is not None:
        settings = registry.with_days(settings, days)
    whole, done = settings.calendar.days + registry.held_out_days(settings), 0

    def more(number: int) -> None:
        nonlocal done
        done += number
        progress(done, whole)

    with ThreadPoolExecutor(1) if workers == 1 else processes.pool(workers) as executor:
        run.simulate(
            settings,
            source,
            Path(out),
            executor,
            key=read_key(Path(key)) if key is not None else None,
            overwrite=overwrite,
            progress=more,
        )
    return open_dataset(out)


def open_dataset(where: str | Path, *, split: str = "train", days: int | None = None) -> Dataset:
    """Open a dataset in a folder or at an object-store URL, and hold its files against its manifest.

    Args:
        where: the folder, or an address such as ``s3://bucket/island``.
        split: ``train``, the released days, or ``holdout``, those that the private part holds.
        days: the first days alone.

    Raises:
        ConfigError: there is no dataset, or no such part of it.
        MismatchError: a file is missing, truncated or foreign.

    """
    if split not in [*Split]:
        raise ConfigError(f"split {split!r}: must be one of {', '.join(Split)}")
    return first_days.first(store.open_dataset(str(where), Split(split)), days)


def read_table(dataset: Dataset, name: str) -> pa.Table:
    """Return a whole table of a dataset: ``tweets``, ``fire_alerts``, a map and so on.

    The private part has tables of the truth too, under the names that ``zakar schema`` prints.

    Raises:
        ConfigError: there is no such table here.
        MismatchError: a file is missing or damaged.

    """
    model = registry.described(dataset.manifest)
    known = {table.name: table for table in (*PUBLIC, *MAPS, *(model.truth if model else ()))}
    here = dataset.manifest.tables | dataset.manifest.maps
    if name not in known or (name not in here and name in {table.name for table in (*PUBLIC, *MAPS)}):
        raise ConfigError(f"no table `{name}` in this dataset; it has {', '.join(here)}")
    if name in dataset.manifest.tables:
        return store.read(dataset, next(table for table in dataset.tables if table.name == name))
    table = known[name]
    return store.columns(dataset, table, [column.name for column in table.columns])


def access(server: str = _LOCAL, *further: str, creds: str | Path | None = None, **who: str | Path | None) -> Access:
    """Return how to reach a broker and who is asking, for the other functions' ``server``.

    Args:
        server: address, such as ``nats://host:4222``, ``tls://...``, ``wss://...`` or ``memphis://...``.
        further: other addresses of the same broker.
        creds: a credentials file.
        who: ``user`` and ``password``, or ``token``; ``tls_ca``, ``tls_cert`` and ``tls_key`` are PEM files.

    Raises:
        ConfigError: an address or a file that cannot be used.

    """
    names = {"user", "password", "token", "tls_ca", "tls_cert", "tls_key"}
    if unknown := who.keys() - names:
        raise ConfigError(f"`{min(unknown)}`: must be one of creds, {', '.join(sorted(names))}")
    values = {name: Path(value) if name.startswith("tls") and value else value for name, value in who.items()}
    plain = Access((server, *further), **values)  # type: ignore[arg-type]  # of the kinds that their names say
    return with_creds(plain, str(creds)) if creds is not None else plain


@contextlib.contextmanager
def local_broker(*, store: str | Path | None = None, websocket: bool = False) -> Iterator[str]:
    """Run a NATS server with JetStream on this machine for the length of a block, and yield its address.

    Args:
        store: the folder of its streams; by default they go with it.
        websocket: whether the address is that of a WebSocket.

    Raises:
        ConfigError: another server runs in that folder.
        ServerError: it does not start.

    """
    settings = ServerSettings(store=Path(store) if store is not None else None, websocket_port=0 if websocket else None)
    with running(settings) as server:
        yield server.websocket_url if websocket else server.url


def load(
    dataset: Dataset,
    server: str | Access = _LOCAL,
    *,
    tables: Sequence[str] | None = None,
    with_alerts: bool = False,
    mode: str = "auto",
    connections: int = 1,
    recreate: bool = False,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> LoadReport:
    """Fill stations with a dataset, each message once and in order. Goes on from what is there.

    Args:
        dataset: what ``open_dataset`` or ``simulate`` returned.
        server: its address, or what ``access`` returns.
        tables: names, such as ``tweets``; by default all, but of held-out days no answers.
        with_alerts: whether held-out alerts are loaded too, which are the answers.
        mode: ``auto``, ``batch``, ``nonblocking`` or ``blocking``.
        connections: in processes of their own if more than one.
        recreate: whether the stations are deleted first.
        progress: called with the messages that are stored, and all.

    Raises:
        ConfigError: an option that cannot be.
        MismatchError: a station holds something else.
        ServerError: nothing was stored.
        StoppedError: something was; the same call goes on from there.

    """
    if mode not in [*Mode]:
        raise ConfigError(f"mode {mode!r}: must be one of {', '.join(Mode)}")

    def told(now: Progress) -> None:
        progress(now.stored, now.records)

    chosen = loading.choose(dataset, tables, answers=with_alerts)
    options = LoadOptions(chosen, mode=Mode(mode), connections=connections, recreate=recreate)
    return _wait(lambda: loading.load(dataset, _access(server), options, progress=told))


def verify(
    dataset: Dataset,
    server: str | Access = _LOCAL,
    *,
    tables: Sequence[str] | None = None,
    with_alerts: bool = False,
) -> dict[str, Comparison]:
    """Read stations back and compare them with a dataset, message by message; return a ``Comparison`` a station.

    ``all(comparison.ok for comparison in ...)`` says whether each holds every message once, in order, and nothing else.

    Raises:
        ConfigError: a table that is not there.
        ServerError: the server cannot be reached, or stops answering.

    """
    chosen = loading.choose(dataset, tables, answers=with_alerts)
    return _wait(lambda: verifying.verify(dataset, _access(server), chosen))


def read_station(station: str, server: str | Access = _LOCAL, *, limit: int | None = None) -> pa.Table:
    """Return what a station holds now, a row a message, partition after partition; at most ``limit`` messages.

    The columns are those of the table that the station carries; of another station, those of its first messages.
    Messages that are no rows are left out, with a warning.

    Raises:
        MismatchError: nothing says what the columns are.
        ServerError: the server cannot be reached, stops answering, or has no such station.

    """

    async def main() -> tuple[list[pa.Table], unload.Unloaded]:
        parts: list[pa.Table] = []
        async with connected(_access(server), "zakar read") as connection:
            return parts, await unload.decoded(connection, station, parts.append, limit)

    parts, unloaded = _wait(main)
    if unloaded.bad:
        some = ", ".join(f"{bad.stream} {bad.sequence:,} ({bad.why})" for bad in unloaded.listed[:_SHOWN])
        warnings.warn(f"{unloaded.bad:,} messages are no rows and were left out: {some}", stacklevel=2)
    return pa.concat_tables(parts)


def follow(station: str, server: str | Access = _LOCAL) -> Iterator[Batch]:
    """Yield what a station holds and then what comes, without end, partitions mixed as they arrive.

    ``rows`` has the columns of the table that the station carries, and of another station one column, ``message``, of
    bytes. Messages that are no rows are left out. Whoever has enough breaks out of the loop, or closes the generator.

    Raises:
        ServerError: the server cannot be reached, stops answering, or has no such station.

    """
    arrived: queue.Queue[Batch] = queue.Queue(1)

    async def main() -> None:
        async with (
            connected(_access(server), "zakar follow") as connection,
            aclosing(_batches(connection, station)) as batches,
        ):
            async for batch in batches:
                await asyncio.to_thread(arrived.put, batch)

    work, cancel = _started(main)
    try:
        while not (work.done() and arrived.empty()):
            with contextlib.suppress(queue.Empty):
                yield arrived.get(timeout=_LOOKED)
        work.result()
    finally:
        cancel()
        while not work.done():
            with contextlib.suppress(queue.Empty):
                arrived.get(timeout=_LOOKED)


async def _batches(connection: Connection, station: str) -> AsyncGenerator[Batch, None]:
    table = carried_by(station)
    async with aclosing(reader.follow_station(connection, station)) as chunks:
        async for stream, messages in chunks:
            payloads = [message.payload for message in messages]
            if table is None:
                rows, bad = pa.table({"message": pa.array(payloads, pa.binary())}), set()
            else:
                decoded = wire.decode(payloads, table.schema)
                rows, bad = decoded.table, {index for index, _ in decoded.bad}
            good = [message for index, message in enumerate(messages) if index not in bad]
            yield Batch(
                stream,
                rows,
                pa.array([reader.sequence(message) for message in good], pa.uint64()),
                pa.array([reader.stored_at(message) // 1_000 for message in good], pa.timestamp("us", "UTC")),
            )


def _access(server: str | Access) -> Access:
    return server if isinstance(server, Access) else Access((server,))


def _wait(main: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
    """Run to its end what asyncio runs. Whoever interrupts that cancels it."""
    work, cancel = _started(main)
    try:
        return work.result()
    except BaseException:
        cancel()
        futures.wait([work])
        raise


def _started(main: Callable[[], Coroutine[Any, Any, _T]]) -> tuple[Future[_T], Callable[[], None]]:
    """Begin what asyncio runs, in a thread with a loop of its own; return what comes of it, and what cancels it."""
    begun: Future[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]]] = Future()

    async def whole() -> _T:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - asyncio.run makes one
        begun.set_result((asyncio.get_running_loop(), task))
        return await main()

    work: Future[_T] = Future()

    def run_it() -> None:
        try:
            work.set_result(asyncio.run(whole()))
        except BaseException as error:
            work.set_exception(error)

    threading.Thread(target=run_it, daemon=True, name="zakar").start()
    loop, task = begun.result()

    def cancel() -> None:
        with contextlib.suppress(RuntimeError):  # the loop is over
            loop.call_soon_threadsafe(task.cancel)

    return work, cancel
