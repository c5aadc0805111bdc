"""What becomes of a station in a load, and what lacks for that. Pure."""

import enum
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from zakar.broker import station
from zakar.broker.account import Account
from zakar.broker.station import Stream
from zakar.dataset.schema import PREDICTIONS
from zakar.loader import plan
from zakar.loader.plan import Refusal, Target


class Action(enum.StrEnum):
    """What a load does with a station."""

    CREATE = "create"
    RECREATE = "recreate"
    CONTINUE = "continue"
    NOTHING = "nothing"
    REFUSE = "refuse"
    DELETE = "delete"


@dataclass(frozen=True)
class Outlook:
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


def outlook(
    target: Target,
    existing: Stream | None,
    refusal: Refusal | None,
    mode: str,
    account: Account,
    *,
    recreate: bool = False,
) -> Outlook:
    """Return what a load would do with a table's station, as the server has it."""
    size = target.max_bytes
    least = plan.least_bytes(target.wire_bytes, target.records, target.stream)
    new = Outlook(target.stream, Action.CREATE, target.records, 0, mode, size, size * account.copies, least=least)
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
    enlarged = plan.enlarged(target, existing)
    if enlarged is not None:
        there = replace(there, max_bytes=enlarged, enlarged=True)
    beyond = there.max_bytes - existing.max_bytes if existing.max_bytes > 0 else max(0, size - existing.bytes)
    needs = beyond * account.counts(existing)
    if mode == "batch" and (plan.late_until(existing.last) >= target.records or not existing.may_batch):
        mode = "nonblocking"
    return replace(there, action=Action.CONTINUE, needs=needs, mode=mode)


def refused(fate: Outlook, refusal: Refusal) -> Outlook:
    """Return what becomes of a station that is refused."""
    return replace(fate, action=Action.REFUSE, needs=0, why=refusal.found, fix=refusal.fix)


def predictions(existing: Stream | None, account: Account, mode: str) -> Outlook:
    """Return what a load would do with the predictions' station, as the server has it."""
    stream, size = station.stream_name(PREDICTIONS.station), plan.predictions_bytes(account)
    if existing is not None:
        return Outlook(stream, Action.NOTHING, 0, 0, mode, existing.max_bytes, needs=0)
    # Servers take a stream without a size for one of 1.
    return Outlook(stream, Action.CREATE, 0, 0, mode, size, needs=max(1, size) * account.copies)


def left_over(
    targets: Sequence[Target], streams: Sequence[Stream], account: Account, mode: str, *, recreate: bool
) -> list[Outlook]:
    """Return what becomes of a station's streams that are no target: deleted where a load starts over, else refused."""
    refusals = {refusal.stream: refusal for refusal in plan.stray(targets, streams)}
    action = Action.DELETE if recreate else Action.REFUSE
    return [
        Outlook(
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


def shortages(stations: Iterable[Outlook], account: Account, left: int | None) -> Iterator[str]:
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


def surely_short(stations: Iterable[Outlook], account: Account, deleted: Iterable[Stream]) -> list[str]:
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
