"""What a load needs: bytes of storage, whole days where they do not suffice, and time. Pure."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from zakar.broker.link import Link
from zakar.broker.station import stream_name
from zakar.dataset.schema import PREDICTIONS
from zakar.dataset.store import Dataset
from zakar.loader import partition, plan
from zakar.loader.dialect import AckEach, FastBatch
from zakar.loader.options import PublishOptions
from zakar.loader.plan import Action, LoadPlan, Target

# Messages a second that a server was seen to store over a loopback, with the loader on the same two cores; see
# benchmarks/README.md. A server that does more makes a load quicker than predicted.
STORES = {"batch": 200_000, "nonblocking": 130_000}
_FLOW = 500  # messages between two acks of a batch
_ALONE = 1e-4  # seconds that storing a message alone takes beyond the round trip, seen likewise
_INBOX = "_INBOX." + 8 * "x"  # as long as a connection's short inbox


@dataclass(frozen=True)
class Days:
    """A stream's messages by day: ``messages`` and the bytes of their payloads, each of shape (days,).

    ``has`` are the bytes that it has been given already.
    """

    stream: str
    messages: np.ndarray
    wire_bytes: np.ndarray
    has: int = 0


def whole_days(
    tables: Sequence[Days], room: int | None, largest: int | None = None, besides: int = 0, copies: int = 1
) -> int:
    """Return how many days, from the first on, can be loaded into ``room`` bytes of storage, at most all there are.

    Every stream is counted ``copies`` times with the size that it would be given, which may not exceed ``largest``,
    less what it has; ``besides`` are bytes that are needed anyway. None stands for no limit.
    """
    messages = [np.cumsum(table.messages) for table in tables]
    wire_bytes = [np.cumsum(table.wire_bytes) for table in tables]

    def too_large(days: int) -> bool:
        last = days - 1
        sizes = [
            plan.size(int(size[last]), int(number[last]), table.stream)
            for table, number, size in zip(tables, messages, wire_bytes, strict=True)
        ]
        needs = sum(max(0, size - table.has) for table, size in zip(tables, sizes, strict=True)) * copies + besides
        return (room is not None and needs > room) or (largest is not None and max(sizes) > largest)

    days = min((len(table.messages) for table in tables), default=0)
    return bisect_right(range(1, days + 1), False, key=too_large)


def seconds(messages: int, sent_bytes: float, mode: str, round_trip: float, rate: float, pace: PublishOptions) -> float:
    """Return an estimate of how long so many messages take, ``sent_bytes`` of frames together.

    The slowest decides: the link's ``rate`` in bytes a second; as many messages as may be in flight each
    ``round_trip`` seconds; what the pace allows; and what a server stores.
    """
    if mode == "blocking":
        return messages * (round_trip + _ALONE)
    limits = [sent_bytes / rate, messages / STORES[mode]]
    if pace.in_flight is not None:
        limits.append(messages * round_trip / pace.in_flight)
    if pace.rate is not None:
        limits.append(messages / pace.rate)
    return max(limits)


def frame_bytes(target: Target, mode: str, header_bytes: int = 0) -> float:
    """Return the mean number of bytes that a message of a table is sent as, its payload included.

    Each has header lines of so many bytes besides ours.
    """
    if target.records == 0:
        return 0.0
    payload, extra_headers = pa.array([b""], pa.binary()), " " * header_bytes
    dialect = (
        FastBatch(target.subject, _INBOX, range(target.records + 1), _FLOW, extra_headers)
        if mode == "batch"
        else AckEach(target.subject, _INBOX, extra_headers)
    )
    digits = 2  # of the payload's length, where the empty one of the frame has one
    return len(dialect.build(payload, target.records - 1).data) + digits + target.wire_bytes / target.records


def days_that_fit(dataset: Dataset, load_plan: LoadPlan, header_bytes: int = 0) -> tuple[int, bool]:
    """Return how many days of the dataset the account has room for, and whether only once the stations are deleted.

    Each message has so many bytes of headers besides ours. Reads all of the tables.
    """
    account, tables, partitions = load_plan.account, load_plan.options.tables, load_plan.options.partitions or 1
    deleted = {Action.RECREATE, Action.DELETE}  # what these free is in what is left already
    there = {o.stream: o for table in tables for o in load_plan.of(table) if o.action not in deleted}
    days = [
        Days(stream_name(table.station, number), messages, sizes + messages * header_bytes)
        for table in tables
        for number, (messages, sizes) in enumerate(partition.by_day(dataset, table, partitions), 1)
    ]
    kept = [replace(d, has=there[d.stream].has if d.stream in there else 0) for d in days]
    besides, largest = load_plan.stations[PREDICTIONS.station].needs, account.max_stream_bytes
    if fit := whole_days(kept, load_plan.left, largest, besides, account.copies):
        return fit, False
    room = None if load_plan.left is None else load_plan.left + sum(o.frees for o in there.values())
    return whole_days(days, room, largest, besides, account.copies), bool(there)


def predicted(dataset: Dataset, load_plan: LoadPlan, link: Link, header_bytes: int = 0) -> float | None:
    """Return an estimate of the seconds that a load takes; None where the link's rate is not known.

    Each message has so many bytes of headers besides ours.
    """
    if link.rate is None:
        return None
    total = 0.0
    for table in load_plan.options.tables:
        for o in load_plan.of(table):
            frame = frame_bytes(plan.target(dataset.manifest, table), o.mode, header_bytes)
            total += seconds(o.sends, o.sends * frame, o.mode, link.round_trip, link.rate, load_plan.options.publish)
    return total
