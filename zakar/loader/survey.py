"""What a load would do with each station, and what it needs for that. Looks, and changes nothing."""

from dataclasses import dataclass, replace

from zakar.broker import station
from zakar.broker.account import Account
from zakar.broker.connection import ApiError, Connection
from zakar.broker.control import Control
from zakar.broker.link import Link
from zakar.broker.station import Stream
from zakar.dataset.schema import PREDICTIONS, Table
from zakar.dataset.store import Dataset
from zakar.loader import obstacle, partition, plan, sizing
from zakar.loader import outlook as outlooks
from zakar.loader.options import LoadOptions, Mode
from zakar.loader.outlook import Action, Outlook, shortages
from zakar.loader.overheard import overheard, unreached
from zakar.loader.prepare import check_options, judged, targets_of
from zakar.loader.sizing import Days


@dataclass(frozen=True)
class Preview:
    """What a load would do with every station, or with each partition of one that has several.

    ``shortages`` say what lacks, each with the fix, and ``afterwards`` what lacks for readers, or for a load that goes
    on after an interruption; ``overheard`` what else would get the messages.
    """

    stations: dict[str, Outlook]
    needs: int
    left: int | None
    shortages: tuple[str, ...]
    afterwards: tuple[str, ...] = ()
    overheard: tuple[str, ...] = ()

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
        return not (self.refusals or self.shortages or self.overheard)


async def preview(
    connection: Connection,
    control: Control,
    dataset: Dataset,
    account: Account,
    options: LoadOptions,
) -> Preview:
    """Return what a load would do. Nothing is created, changed, deleted or stored.

    Raises ServerError for a mode or replicas that the server does not have, ApiError, and what lost connections raise.
    """
    check_options(connection, control, options)
    tables, mode, recreate = options.tables, options.mode, options.recreate
    used = mode
    if mode is Mode.AUTO:
        used = Mode.NONBLOCKING if control.slow(connection) else Mode.BATCH
    stations: dict[str, Outlook] = {}
    streams: list[Stream] = []
    asked: dict[str, Stream | None] = {}
    *looked, predictions = await station.partitions_of(connection, [table.station for table in (*tables, PREDICTIONS)])
    for table, partitions_there in zip(tables, looked, strict=True):
        there = {stream.name: stream for stream in partitions_there}
        streams += there.values()
        number = plan.partitions_to_be(list(there.values()), options.partitions, recreate=recreate)
        targets = await targets_of(dataset, table, number, control.header_bytes)
        for target in targets:
            existing = asked[target.stream] = there.get(target.stream)
            judging = judged(connection, control, dataset, target, [] if recreate else list(there.values()))
            outlook = outlooks.outlook(target, existing, await judging, used, account, recreate=recreate)
            if control.theirs and outlook.action in {Action.CREATE, Action.RECREATE}:
                outlook = replace(outlook, max_bytes=-1)
            name = table.station if number == 1 else target.stream
            stations[name] = outlook
        left_over = outlooks.left_over(targets, list(there.values()), account, used, recreate=recreate)
        stations |= {o.stream: o for o in left_over}
    stations[PREDICTIONS.station] = outlooks.predictions(predictions[0] if predictions else None, account, used)
    new = {o.stream: name for name, o in stations.items() if o.action in {Action.CREATE, Action.RECREATE}}
    for refusal in await obstacle.overlapping(connection, new, [s.name for s in streams] if recreate else []):
        name = new[refusal.stream]
        stations[name] = outlooks.refused(stations[name], refusal)
    rights, afterwards, unmarked = await obstacle.without_rights(
        connection, control, stations.values(), () if recreate else plan.unmarked_of(streams)
    )
    if mode is Mode.BATCH:
        old = {stream.name for stream in streams if not (stream.may_batch or recreate)}
        rights += [
            f"fast ingest: {obstacle.unbatched(o.stream)}; use --mode auto"
            for o in stations.values()
            if o.action is Action.CONTINUE and o.stream in old
        ]
    for name, o in stations.items():
        if o.stream in unmarked and o.mode == Mode.BATCH:
            stations[name] = replace(o, mode=Mode.NONBLOCKING)
        if o.stream in unmarked and mode is Mode.BATCH and o.records:
            rights.append(f"rights: --mode batch updates `{o.stream}`, which this user may not; use --mode auto")
    needs = sum(outlook.needs for outlook in stations.values())
    left = account.left
    if account.max_bytes is not None and recreate:
        left = max(0, account.max_bytes - account.committed + sum(outlook.frees for outlook in stations.values()))
    lacks = list(shortages(stations.values(), account, left))
    lacks = [*lacks, *rights] or await obstacle.ungiven(connection, control, stations.values(), account)
    afterwards += obstacle.unreadable([] if recreate else streams, account)
    refused = {o.stream for o in stations.values() if o.action is Action.REFUSE}
    try:
        asked = {name: stream for name, stream in asked.items() if name not in refused}
        others = await overheard(connection, asked, account.domain)
        others += await unreached(connection, asked)
    except ApiError as error:
        others = [] if rights else [f"the server denies this user: {error.description}; give it the right"]
    return Preview(stations, needs, left, tuple(lacks), tuple(afterwards), tuple(others))


def days_that_fit(
    dataset: Dataset, shown: Preview, account: Account, options: LoadOptions, header_bytes: int = 0
) -> tuple[int, bool]:
    """Return how many days of the dataset the account has room for, and whether only once the stations are deleted.

    Each message has so many bytes of headers besides ours. Reads all of the tables.
    """
    tables, partitions = options.tables, options.partitions or 1
    deleted = {Action.RECREATE, Action.DELETE}  # what these free is in what is left already
    there = {o.stream: o for table in tables for o in shown.of(table) if o.action not in deleted}
    days = [
        Days(station.stream_name(table.station, number), messages, sizes + messages * header_bytes)
        for table in tables
        for number, (messages, sizes) in enumerate(partition.by_day(dataset, table, partitions), 1)
    ]
    kept = [replace(d, has=there[d.stream].has if d.stream in there else 0) for d in days]
    besides, largest = shown.stations[PREDICTIONS.station].needs, account.max_stream_bytes
    if fit := sizing.whole_days(kept, shown.left, largest, besides, account.copies):
        return fit, False
    room = None if shown.left is None else shown.left + sum(o.frees for o in there.values())
    return sizing.whole_days(days, room, largest, besides, account.copies), bool(there)


def predicted(
    dataset: Dataset, shown: Preview, link: Link, options: LoadOptions, header_bytes: int = 0
) -> float | None:
    """Return an estimate of the seconds that a load takes; None where the link's rate is not known.

    Each message has so many bytes of headers besides ours.
    """
    if link.rate is None:
        return None
    total = 0.0
    for table in options.tables:
        for o in shown.of(table):
            frame = sizing.frame_bytes(plan.target(dataset.manifest, table), o.mode, header_bytes)
            total += sizing.seconds(o.sends, o.sends * frame, o.mode, link.round_trip, link.rate, options.publish)
    return total
