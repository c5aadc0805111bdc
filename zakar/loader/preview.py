"""What a load would do with each station, and what it needs for that. Looks, and changes nothing."""

import enum
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from zakar.broker import station
from zakar.broker.account import Account
from zakar.broker.connection import Connection
from zakar.broker.link import Link
from zakar.broker.station import Stream
from zakar.dataset import store
from zakar.dataset.schema import PREDICTIONS, Table
from zakar.dataset.store import Dataset
from zakar.loader import need, plan
from zakar.loader.need import Days
from zakar.loader.opening import Mode, check_options, judged, targets_of
from zakar.loader.plan import Refusal, Target
from zakar.loader.producer import Pace


class Action(enum.StrEnum):
    """What a load does with a station."""

    CREATE = "create"
    RECREATE = "recreate"
    CONTINUE = "continue"
    NOTHING = "nothing"
    REFUSE = "refuse"


@dataclass(frozen=True)
class Outlook:
    """What a load would do with one station.

    ``max_bytes`` is the size that its stream is, or would be, created with, -1 for none; ``needs`` the bytes of the
    account's storage that it takes beyond what is committed; ``frees`` those that deleting it would give back;
    ``least`` those that its messages take in a stream at least. ``why`` says what a refusal is for.
    """

    stream: str
    action: Action
    records: int
    stored: int
    mode: str
    max_bytes: int
    needs: int
    frees: int = 0
    least: int = 0
    why: str = ""

    @property
    def sends(self) -> int:
        """Messages that it would be sent."""
        if self.action in {Action.NOTHING, Action.REFUSE}:
            return 0
        return self.records if self.action is Action.RECREATE else self.records - self.stored


@dataclass(frozen=True)
class Preview:
    """What a load would do with every station, or with each partition of one that has several.

    ``shortages`` say what lacks, each with the fix.
    """

    stations: dict[str, Outlook]
    needs: int
    left: int | None
    shortages: tuple[str, ...]

    def of(self, table: Table) -> list[Outlook]:
        """Return what it would do with the partitions of a table's station."""
        return [o for o in self.stations.values() if o.stream.rpartition("$")[0] == table.station]

    @property
    def refusals(self) -> dict[str, Outlook]:
        """The stations that would be refused."""
        return {name: outlook for name, outlook in self.stations.items() if outlook.action is Action.REFUSE}

    @property
    def ok(self) -> bool:
        """Whether a load would go through."""
        return not (self.refusals or self.shortages)


async def preview(
    connection: Connection,
    dataset: Dataset,
    tables: Sequence[Table],
    account: Account,
    *,
    mode: Mode = Mode.AUTO,
    partitions: int | None = None,
    recreate: bool = False,
    replicas: int = 1,
) -> Preview:
    """Return what a load of ``tables`` would do. Nothing is created, changed, deleted or sent to a station.

    Raises ServerError for a mode or replicas that the server does not have, ApiError, and what lost connections raise.
    """
    check_options(connection, mode, replicas)
    copies = 1 if account.tiered else replicas
    used = mode
    if mode is Mode.AUTO:
        used = Mode.BATCH if station.offers_fast_ingest(connection) else Mode.NONBLOCKING
    stations = {}
    for table in tables:
        there = {stream.name: stream for stream in await station.partitions(connection, table.station)}
        number = plan.partitions_to_be(list(there.values()), partitions, recreate=recreate)
        for target in await targets_of(dataset, table, number):
            found = there.get(target.stream)
            refusal = await judged(connection, dataset, target, found) if found is not None and not recreate else None
            name = table.station if number == 1 else target.stream
            stations[name] = outlook(target, found, refusal, used, copies, recreate=recreate)
    stream = station.stream_name(PREDICTIONS.station)
    predictions = await station.look(connection, stream)
    size = plan.predictions_bytes(account)
    stations[PREDICTIONS.station] = Outlook(
        stream,
        Action.CREATE if predictions is None else Action.NOTHING,
        records=0,
        stored=0,
        mode=str(used),
        max_bytes=size if predictions is None else predictions.max_bytes,
        needs=max(1, size) * copies if predictions is None else 0,  # servers take a stream without a size for one of 1
    )
    needs = sum(outlook.needs for outlook in stations.values())
    left = account.left
    if left is not None and recreate:
        left += sum(outlook.frees for outlook in stations.values())
    return Preview(stations, needs, left, tuple(shortages(stations.values(), account, left)))


def outlook(
    target: Target, found: Stream | None, refusal: Refusal | None, mode: Mode, copies: int, *, recreate: bool = False
) -> Outlook:
    """Return what a load would do with a table's station, as the server has it.

    ``copies`` is how often a message counts against the account's storage.
    """
    size = target.max_bytes
    least = plan.least_bytes(target.wire_bytes, target.records, target.stream)
    new = Outlook(target.stream, Action.CREATE, target.records, 0, str(mode), size, size * copies, least=least)
    if found is None:
        return new
    frees = max(found.max_bytes, found.bytes) * copies
    if recreate:
        return replace(new, action=Action.RECREATE, stored=found.messages, frees=frees)
    there = replace(new, stored=found.messages, max_bytes=found.max_bytes, needs=0, frees=frees)
    if refusal is not None:
        return replace(there, action=Action.REFUSE, why=refusal.found)
    if found.last == target.records:
        return replace(there, action=Action.NOTHING)
    # A stream with a size has been given it already.
    needs = 0 if found.max_bytes > 0 else max(0, size - found.bytes) * copies
    return replace(there, action=Action.CONTINUE, needs=needs)


def shortages(stations: Iterable[Outlook], account: Account, left: int | None) -> Iterator[str]:
    """Yield what lacks for a load, each with the fix; nothing if all is there."""
    stations = list(stations)
    needs = sum(o.needs for o in stations)
    if left is not None and needs > left:
        yield (
            f"storage: a load needs {mib(needs)} and the account has {mib(left)} left; raise the account's limit, "
            "delete what is not needed, or load fewer days"
        )
    creates = [o for o in stations if o.action in {Action.CREATE, Action.RECREATE}]
    largest = account.max_stream_bytes
    for o in creates:
        if largest is not None and o.max_bytes > largest:
            yield (
                f"storage: `{o.stream}` needs {mib(o.max_bytes)} and the account allows a stream {mib(largest)}; "
                "raise the account's limit for a stream, or load fewer days"
            )
    new = sum(o.action is Action.CREATE for o in creates)
    if new and account.max_streams is not None and account.streams + new > account.max_streams:
        yield (
            f"streams: {new} are to be created and the account has {account.streams} of {account.max_streams}; "
            "raise the account's limit, or delete some"
        )
    for o in stations:
        if o.action is Action.CONTINUE and 0 < o.max_bytes < o.least:
            yield (
                f"storage: `{o.stream}` will be full before the end: its max_bytes is {mib(o.max_bytes)}, the table "
                f"takes {mib(o.least)}; raise it, or start over with --recreate"
            )


def days_that_fit(dataset: Dataset, tables: Sequence[Table], seen: Preview, account: Account) -> int:
    """Return how many days of the dataset the account has room for, streams of the same tables deleted before.

    Reads all of the tables.
    """
    ours = [outlook for table in tables for outlook in seen.of(table)]
    room = None if seen.left is None else seen.left + sum(o.frees for o in ours if o.action is not Action.RECREATE)
    days = [Days(station.stream_name(table.station), *store.by_day(dataset, table)) for table in tables]
    return need.whole_days(days, room, account.max_stream_bytes, seen.stations[PREDICTIONS.station].needs)


def predicted(dataset: Dataset, tables: Sequence[Table], seen: Preview, link: Link, pace: Pace) -> float | None:
    """Return an estimate of the seconds that a load takes; None where the link's rate is not known."""
    if link.rate is None:
        return None
    total = 0.0
    for table in tables:
        for o in seen.of(table):
            frame = need.frame_bytes(plan.target(dataset.manifest, table), o.mode)
            total += need.seconds(o.sends, o.sends * frame, o.mode, link.round_trip, link.rate, pace)
    return total


def mib(size: int) -> str:
    """Return bytes for a person."""
    return f"{size / 2**20:,.1f} MiB"
