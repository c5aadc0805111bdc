"""What to do with each station, given what it holds: pure decisions, made before anything is sent."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from zakar.broker.account import Account
from zakar.broker.station import PARTITIONS, Stream, stream_name, subject
from zakar.dataset.manifest import Manifest
from zakar.dataset.schema import Table
from zakar.loader.frames import stored_bytes
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
    counted = len(streams) if streams and unmarked(streams[0]) else 1
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


def unmarked(stream: Stream) -> bool:
    """Whether a stream does not say whose messages it is for."""
    return FINGERPRINT not in stream.metadata


def unmarked_of(streams: Iterable[Stream]) -> set[str]:
    """Return the names of the streams that do not say whose messages they are for."""
    return {stream.name for stream in streams if unmarked(stream)}


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
