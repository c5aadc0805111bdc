"""What a load would do with each stream, what it needs for that, and what keeps it from being done. Pure."""

import enum
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from zakar.broker.account import Account
from zakar.broker.station import PARTITIONS, Stream, stream_name, subject
from zakar.dataset.manifest import Manifest
from zakar.dataset.schema import PREDICTIONS, Table
from zakar.loader.frames import stored_bytes
from zakar.loader.options import LoadOptions
from zakar.loader.partition import Share
from zakar.loader.window import IN_FLIGHT_MOST

TABLE, FINGERPRINT, SCENARIO = "zakar.table", "zakar.fingerprint", "zakar.scenario"
DAYS = "zakar.days"  # how many of the dataset's days, from the first on, a station was last asked to hold
PARTITIONS_MOST = 1_000
_SPARE = 1.05  # room over the computed size, for what the store adds
_AGE_LEAST = 86_400.0  # seconds that a message must live, for a load to be of use
_PREDICTIONS_BYTES = 256 << 20  # for an account that demands a size


@dataclass(frozen=True)
class Target:
    """One partition to be filled with ``records`` messages, whose payloads come to ``wire_bytes``.

    They are the first of as many as all days have, ``of_all_days``.
    """

    table: Table
    stream: str
    subject: str
    records: int
    max_bytes: int
    metadata: dict[str, str]
    wire_bytes: int = 0
    number: int = 1  # of the partition,
    of: int = 1  # of so many
    of_all_days: int = 0

    @property
    def most(self) -> int:
        """The messages that a stream may hold already: those of days beyond the ones asked for too."""
        return max(self.records, self.of_all_days)


@dataclass(frozen=True)
class Refusal:
    """Why a stream cannot be filled: what it holds instead, and what to do."""

    stream: str
    found: str
    fix: str = "load elsewhere, or delete what is there and start over with --recreate"


def target(
    manifest: Manifest, table: Table, share: Share | None = None, header_bytes: int = 0, of_all_days: int = 0
) -> Target:
    """Return the partition that carries a table, or a share of it; messages have ``header_bytes`` besides ours."""
    entry = manifest.tables[table.name]
    number, of, records, wire_bytes = share or Share(1, 1, entry.rows, entry.wire_bytes)
    stream = stream_name(table.station, number)
    return Target(
        table=table,
        stream=stream,
        subject=subject(stream),
        records=records,
        max_bytes=size(wire_bytes + records * header_bytes, records, stream),
        metadata={**metadata(table, manifest), PARTITIONS: str(of), DAYS: str(manifest.days)},
        wire_bytes=wire_bytes,
        number=number,
        of=of,
        of_all_days=of_all_days,
    )


def partitions(streams: Sequence[Stream]) -> int:
    """Return how many partitions a station has, given its streams; 1 if it is not there.

    One that zakar filled says it itself, of another all streams count.
    """
    counted = len(streams) if streams and unowned(streams[0]) else 1
    number = streams[0].metadata.get(PARTITIONS, str(counted)) if streams else "1"
    return int(number) if number.isascii() and number.isdigit() and 0 < int(number) <= PARTITIONS_MOST else 1


def partitions_to_be(streams: Sequence[Stream], asked: int | None, *, recreate: bool) -> int:
    """Return how many partitions a load gives a station: as many as asked for, else those it has, 1 if it is new."""
    return asked or (1 if recreate else partitions(streams))


def shared(weights: Sequence[int], workers: int) -> list[list[int]]:
    """Share work of given weights among at most so many workers, so that all end together.

    Returns for each the places of its pieces, the heaviest first; nobody is left without. The heaviest piece left
    goes to whoever has least (Graham, "Bounds on multiprocessing timing anomalies", SIAM J. Appl. Math. 17, 1969).
    """
    pieces = sorted(range(len(weights)), key=lambda place: -weights[place])
    shares: list[list[int]] = [[] for _ in range(max(1, min(workers, len(pieces))))]
    loads = [0] * len(shares)
    for piece in pieces:
        least = min(range(len(shares)), key=lambda worker: (loads[worker], len(shares[worker])))
        shares[least].append(piece)
        loads[least] += weights[piece]
    return shares


def size(wire_bytes: int, messages: int, stream: str) -> int:
    """Return the bytes that a stream is given for so many messages, whose payloads come to ``wire_bytes``."""
    return int(stored_bytes(wire_bytes, messages, subject(stream)) * _SPARE) + (1 << 20)


def least_bytes(wire_bytes: int, messages: int, stream: str) -> int:
    """Return the bytes that so many messages take in a stream at least: without any header."""
    return stored_bytes(wire_bytes, 0, "") + messages * (30 + len(subject(stream)))


def metadata(table: Table, manifest: Manifest) -> dict[str, str]:
    """Return what a station says about itself."""
    return {TABLE: table.name, FINGERPRINT: manifest.fingerprint, SCENARIO: manifest.name}


def predictions_bytes(account: Account) -> int:
    """Return the size to ask for the predictions' station: none, unless the account demands one."""
    most = account.max_stream_bytes
    size = _PREDICTIONS_BYTES if most is None else min(_PREDICTIONS_BYTES, most)
    return size if account.size_required else -1


def judge(target: Target, stream: Stream, last_row: bytes | None, last_stored: bytes | None) -> Refusal | None:
    """Return why an existing stream cannot be filled, None if it can.

    ``last_row`` is the wire object that belongs at the stream's last sequence, ``last_stored`` what is there;
    both None where the stream is empty or too long. A stream can be filled if it is empty and nobody's, or
    holds the first messages of this very table and nothing else.
    """

    def refuse(what: str) -> Refusal:
        return Refusal(stream.name, what)

    fingerprint = stream.metadata.get(FINGERPRINT)
    forgets = _forgets(target, stream)
    if forgets:
        return refuse(f"would not keep every message: {forgets}")
    rejects = _rejects(target, stream)
    if rejects:
        return refuse(f"cannot be filled: {rejects}")
    if f"{stream.name}.>" not in stream.subjects:
        return refuse(f"is another's: its subjects are {', '.join(stream.subjects) or 'none'}")
    if fingerprint is None:
        if stream.last == 0:
            return None
        return refuse(f"holds {stream.messages:,} messages that zakar did not load")
    if fingerprint != target.metadata[FINGERPRINT]:
        scenario = stream.metadata.get(SCENARIO, "another scenario")
        return refuse(
            f"holds {stream.messages:,} messages of another dataset "
            f"(scenario {scenario}, fingerprint {fingerprint[:12]})"
        )
    if stream.metadata.get(TABLE) != target.table.name:
        return refuse(f"holds table {stream.metadata.get(TABLE)}, not {target.table.name}")
    if stream.metadata.get(PARTITIONS, "1") != str(target.of):
        has = stream.metadata.get(PARTITIONS, "1")
        return refuse(_one_of(has, target))
    if not stream.unbroken:
        return refuse(f"has lost messages: {stream.messages:,} are left of {stream.last:,}")
    if stream.last > target.most:
        return refuse(f"holds {stream.last:,} messages, the table only {target.most:,}")
    if last_row != last_stored:
        return refuse(f"differs from the dataset at message {stream.last:,}")
    return None


def _one_of(has: str, target: Target) -> str:
    return f"is one of {has} partitions, not of {target.of}; give --partitions {has}"


def days(stream: Stream) -> int | None:
    """Return how many days a stream was last asked to hold; None if it does not say so."""
    text = stream.metadata.get(DAYS, "")
    return int(text) if text.isascii() and text.isdigit() else None


def enlarged(target: Target, stream: Stream) -> int | None:
    """Return the size that a stream must be given, since it was made for fewer days; None if it need not."""
    made_for = days(stream)
    if made_for is None or made_for >= int(target.metadata[DAYS]) or stream.last >= target.records:
        return None
    return target.max_bytes if 0 < stream.max_bytes < target.max_bytes else None


def unowned(stream: Stream) -> bool:
    """Whether a stream does not say whose messages it is for."""
    return FINGERPRINT not in stream.metadata


def unowned_names(streams: Iterable[Stream]) -> set[str]:
    """Return the names of the streams that do not say whose messages they are for."""
    return {stream.name for stream in streams if unowned(stream)}


def ungrown(target: Target, streams: Sequence[Stream]) -> Refusal | None:
    """Return why a partition cannot be added to the streams of a station that never gets more; None to a new one."""
    if not streams:
        return None
    return Refusal(streams[0].name, _one_of(str(len(streams)), target))


def late_until(stored: int) -> int:
    """Return up to which message a killed loader's may still come into a stream that holds ``stored``."""
    return stored + IN_FLIGHT_MOST


def stray(targets: Sequence[Target], streams: Sequence[Stream]) -> list[Refusal]:
    """Return why a table's station cannot be filled for those of its streams that are none of its partitions to be."""
    names = {target.stream for target in targets}
    return [
        Refusal(s.name, f"is a partition too many: its station is to have {len(targets)}; delete it if it is of no use")
        for s in streams
        if s.name not in names
    ]


def _forgets(target: Target, stream: Stream) -> str:
    """Return the setting by which a stream would lose some of a table's messages; empty if there is none."""
    if stream.sealed:
        return "it is sealed"
    if stream.retention != "limits":
        return f"its retention is {stream.retention}"
    if 0 < stream.max_messages < target.records:
        return f"its max_msgs is {stream.max_messages:,}"
    if 0 < stream.max_messages_a_subject < target.records:
        return f"its max_msgs_per_subject is {stream.max_messages_a_subject:,}"
    if 0 < stream.max_age < _AGE_LEAST:
        return f"its max_age is {stream.max_age:,.0f} s"
    if stream.discard == "old" and 0 < stream.max_bytes < target.max_bytes:
        return f"its max_bytes is {stream.max_bytes:,}, and it discards old messages"
    return ""


def _rejects(target: Target, stream: Stream) -> str:
    """Return the setting by which a stream would not take a table's messages, or not say so; empty if there is none."""
    if not stream.acknowledges:
        return "its no_ack is true, so it never says what is stored"
    if stream.copies:
        return "it copies other streams, whose messages would be among these"
    if stream.counts:
        return "its allow_msg_counter is true, so it takes counters alone"
    if 0 < stream.max_message * target.records < target.wire_bytes:  # the largest is no smaller than the mean
        mean = target.wire_bytes / target.records
        return f"its max_msg_size is {stream.max_message:,}, and the messages have {mean:,.0f} bytes on average"
    return ""


class Action(enum.StrEnum):
    """What a load does with a station."""

    CREATE = "create"
    RECREATE = "recreate"
    CONTINUE = "continue"
    NOTHING = "nothing"
    REFUSE = "refuse"
    DELETE = "delete"


@dataclass(frozen=True)
class StreamPlan:
    """What a load would do with one station.

    ``max_bytes`` is the size that its stream is, or would be, created with, -1 for none; ``needs`` the bytes of the
    account's storage that it takes beyond what is committed; ``frees`` those that deleting it would give back;
    ``least`` those that its messages take in a stream at least. ``why`` says what a refusal is for, ``fix`` what to do;
    ``enlarged`` whether a stream that is gone on with is first given its ``max_bytes``, and ``has`` what it has now.
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
    enlarged: bool = False
    has: int = 0
    fix: str = ""

    @property
    def sends(self) -> int:
        """Messages that it would be sent."""
        if self.action in {Action.NOTHING, Action.REFUSE, Action.DELETE}:
            return 0
        return self.records if self.action is Action.RECREATE else self.records - self.stored


@dataclass(frozen=True)
class LoadPlan:
    """What a load does with every station, or with each partition of one that has several, and all that is in its way.

    ``stations`` by the name that they go by. ``targets`` are what is filled, ``existing`` the streams of each table's
    station, ``predictions`` that of theirs. ``overlapping`` and ``misfits`` say why
    streams cannot be made or filled; ``overheard`` and ``unreached`` what is wrong with the way to a stream, by its
    name, and ``denied`` why that could not be asked. ``rights`` lack for any load, ``mode_rights`` for one in this
    mode, ``ungiven`` is storage that the server itself lacks, and ``afterwards`` what lacks for readers, or for a load
    that goes on after an interruption. ``connections`` says that the server lets in no more of them.
    """

    options: LoadOptions
    account: Account
    stations: dict[str, StreamPlan] = field(default_factory=dict)
    targets: tuple[Target, ...] = ()
    existing: dict[Table, list[Stream]] = field(default_factory=dict)
    predictions: Stream | None = None
    overlapping: tuple[Refusal, ...] = ()
    misfits: tuple[Refusal, ...] = ()
    denied: str = ""
    overheard: dict[str, str] = field(default_factory=dict)
    unreached: dict[str, str] = field(default_factory=dict)
    rights: tuple[str, ...] = ()
    mode_rights: tuple[str, ...] = ()
    ungiven: tuple[str, ...] = ()
    afterwards: tuple[str, ...] = ()
    connections: tuple[str, ...] = ()

    def of(self, table: Table) -> list[StreamPlan]:
        """Return what is done with the partitions of a table's station."""
        return [row for row in self.stations.values() if row.stream.rpartition("$")[0] == table.station]

    @property
    def streams(self) -> dict[str, Stream]:
        """The streams of the tables' stations that are there, by name."""
        return {stream.name: stream for streams in self.existing.values() for stream in streams}

    @property
    def refusals(self) -> dict[str, StreamPlan]:
        """The stations that are refused."""
        return {name: row for name, row in self.stations.items() if row.action is Action.REFUSE}

    @property
    def elsewhere(self) -> list[str]:
        """What else would get the messages of streams that are not refused, and which of them nothing reaches."""
        if self.denied:
            return [] if self.rights or self.mode_rights else [self.denied]
        refused_streams = {row.stream for row in self.refusals.values()}
        sentences = (*self.overheard.items(), *self.unreached.items())
        return [sentence for stream, sentence in sentences if stream not in refused_streams]

    @property
    def needs(self) -> int:
        """Bytes of the account's storage that all stations take beyond what is committed."""
        return sum(row.needs for row in self.stations.values())

    @property
    def sends(self) -> int:
        """Messages that are sent to all stations."""
        return sum(row.sends for row in self.stations.values())

    @property
    def left(self) -> int | None:
        """Bytes that the account has left, once what is to be deleted is; None if there is no limit."""
        if self.account.max_bytes is None or not self.options.recreate:
            return self.account.left
        freed = sum(row.frees for row in self.stations.values())
        return max(0, self.account.max_bytes - self.account.committed + freed)

    @property
    def shortages(self) -> tuple[str, ...]:
        """What lacks, each with the fix."""
        lacks = shortages(self.stations.values(), self.account, self.left)
        return (*((*lacks, *self.rights, *self.mode_rights) or self.ungiven), *self.connections)

    @property
    def ok(self) -> bool:
        """Whether the load would go through."""
        return not (self.refusals or self.shortages or self.elsewhere)


def stream_plan(
    target: Target,
    existing: Stream | None,
    refusal: Refusal | None,
    mode: str,
    account: Account,
    *,
    recreate: bool = False,
) -> StreamPlan:
    """Return what a load would do with a table's station, as the server has it."""
    size = target.max_bytes
    least = least_bytes(target.wire_bytes, target.records, target.stream)
    new = StreamPlan(target.stream, Action.CREATE, target.records, 0, mode, size, size * account.copies, least=least)
    if existing is None:
        return new if refusal is None else refused(new, refusal)
    frees = _frees(existing, account)
    if recreate:
        return replace(new, action=Action.RECREATE, stored=existing.messages, frees=frees)
    has = max(existing.max_bytes, existing.bytes)
    there = replace(new, stored=existing.messages, max_bytes=existing.max_bytes, needs=0, frees=frees, has=has)
    if refusal is not None:
        return refused(there, refusal)
    if existing.last >= target.records:
        return replace(there, action=Action.NOTHING)
    # A stream with a size has been given it already, and is given a larger one if it was made for fewer days.
    larger = enlarged(target, existing)
    if larger is not None:
        there = replace(there, max_bytes=larger, enlarged=True)
    beyond = there.max_bytes - existing.max_bytes if existing.max_bytes > 0 else max(0, size - existing.bytes)
    needs = beyond * account.counts(existing)
    if mode == "batch" and (late_until(existing.last) >= target.records or not existing.may_batch):
        mode = "nonblocking"
    return replace(there, action=Action.CONTINUE, needs=needs, mode=mode)


def refused(row: StreamPlan, refusal: Refusal) -> StreamPlan:
    """Return what becomes of a station that is refused."""
    return replace(row, action=Action.REFUSE, needs=0, why=refusal.found, fix=refusal.fix)


def predictions(existing: Stream | None, account: Account, mode: str) -> StreamPlan:
    """Return what a load would do with the predictions' station, as the server has it."""
    stream, size = stream_name(PREDICTIONS.station), predictions_bytes(account)
    if existing is not None:
        return StreamPlan(stream, Action.NOTHING, 0, 0, mode, existing.max_bytes, needs=0)
    # Servers take a stream without a size for one of 1.
    return StreamPlan(stream, Action.CREATE, 0, 0, mode, size, needs=max(1, size) * account.copies)


def left_over(
    targets: Sequence[Target], streams: Sequence[Stream], account: Account, mode: str, *, recreate: bool
) -> list[StreamPlan]:
    """Return what becomes of a station's streams that are no target: deleted where a load starts over, else refused."""
    refusals = {refusal.stream: refusal for refusal in stray(targets, streams)}
    action = Action.DELETE if recreate else Action.REFUSE
    return [
        StreamPlan(
            stream.name,
            action,
            0,
            stream.messages,
            mode,
            stream.max_bytes,
            needs=0,
            frees=_frees(stream, account),
            why="" if recreate else refusals[stream.name].found,
            fix="" if recreate else refusals[stream.name].fix,
        )
        for stream in streams
        if stream.name in refusals
    ]


def _frees(stream: Stream, account: Account) -> int:
    return max(stream.max_bytes, stream.bytes) * account.counts(stream)


def shortages(stations: Iterable[StreamPlan], account: Account, left: int | None) -> Iterator[str]:
    """Yield what lacks for a load, each with the fix; nothing if all is there."""
    stations = list(stations)
    needs = sum(o.needs for o in stations)
    if account.max_bytes == 0 and needs:
        yield no_storage(account, needs)
    elif left is not None and needs > left:
        yield (
            f"storage: a load needs {mib(needs)} and the account has {mib(left)} left; raise the account's limit, "
            "delete what is not needed, or load fewer days"
        )
    largest = account.max_stream_bytes
    for o in stations:
        if o.action not in {Action.CREATE, Action.RECREATE} and not (o.action is Action.CONTINUE and o.enlarged):
            continue
        if largest is not None and o.max_bytes > largest:
            yield (
                f"storage: `{o.stream}` needs {mib(o.max_bytes)} and the account allows a stream {mib(largest)}; "
                "raise the account's limit for a stream, or load fewer days"
            )
    new, gone = (sum(o.action is action for o in stations) for action in (Action.CREATE, Action.DELETE))
    if new > gone and account.max_streams is not None and account.streams + new - gone > account.max_streams:
        yield (
            f"streams: {new} are to be created{f', {gone} deleted,' if gone else ''} and the account has "
            f"{account.streams} of {account.max_streams}; raise the account's limit, or delete some"
        )
    for o in stations:
        if o.action is Action.CONTINUE and 0 < o.max_bytes < o.least:
            yield (
                f"storage: `{o.stream}` will be full before the end: its max_bytes is {mib(o.max_bytes)}, the table "
                f"takes {mib(o.least)}; raise it, or start over with --recreate"
            )


def no_storage(account: Account, needs: int = 0) -> str:
    """Say that there is none of an account's storage, and whether the other one would do."""
    here, there, fix = "file storage", "memory", "give --storage memory, which keeps messages until the server ends"
    if account.storage == "memory":
        here, there, fix = "memory", "file storage", "leave --storage memory out"
    left = "no limit" if account.left_elsewhere is None else f"{mib(account.left_elsewhere)} left"
    if account.left_elsewhere is not None and account.left_elsewhere < max(1, needs):
        fix = "raise one of the two limits"
    wants = f", and a load needs {mib(needs)}" if needs else ""
    return f"storage: the account has no {here} at all{wants}; of {there} it has {left}: {fix}"


def surely_short(stations: Iterable[StreamPlan], account: Account, deleted: Iterable[Stream]) -> list[str]:
    """Return what will lack for certain in a load that deletes streams first, each with the fix.

    What other streams without a size hold keeps no stream from being created, so it counts only against what the
    messages themselves take at least.
    """
    stations, ours = list(stations), [stream for stream in deleted if account.counts(stream)]
    if account.max_bytes is None:
        return list(shortages(stations, account, None))
    others = account.reserved - sum(max(0, stream.max_bytes) for stream in ours)
    lacks = list(shortages(stations, account, max(0, account.max_bytes - max(0, others))))
    # Each replica counts as used, and where replicas are counted apart, the limit is of one.
    kept = max(0, account.used - sum(stream.bytes * stream.replicas for stream in ours))
    room = max(0, account.max_bytes * (account.replicas if account.tiered else 1) - kept)
    takes = sum(o.least for o in stations if o.action is not Action.CONTINUE) * account.replicas
    if not lacks and takes > room:
        lacks.append(
            f"storage: the messages take {mib(takes)} at least and other streams leave {mib(room)}; "
            "raise the account's limit, delete what is not needed, or load fewer days"
        )
    return lacks


def mib(size: int) -> str:
    """Return bytes for a person."""
    return f"{size / 2**20:,.1f} MiB"
