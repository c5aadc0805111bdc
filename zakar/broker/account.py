"""An account: how much it may store, on disk or in memory, and how much of that is reserved."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from zakar.broker import station
from zakar.broker.connection import LOST, ApiError, Connection
from zakar.broker.station import Stream
from zakar.errors import ServerError


class NoTierError(ServerError):
    """The account has JetStream, and no room for streams with so many replicas."""


@dataclass(frozen=True)
class Account:
    """JetStream's limits for an account, and what is used of them; bytes are those of one ``storage``, file or memory.

    ``reserved``: the sizes of streams that have one, as the server tells them. ``committed``: bytes that nobody else
    can have: those sizes, and what the others hold.
    ``left_elsewhere``: bytes left of the other storage at most. None stands for no limit. Where streams are counted by
    their number of replicas (``tiered``), all is of that number alone: ``replicas``. ``max_consumers`` is of a stream.
    ``silent``: streams that no server of a cluster answers for.
    """

    domain: str
    used: int
    reserved: int
    committed: int
    max_bytes: int | None
    max_stream_bytes: int | None
    streams: int
    max_streams: int | None
    size_required: bool
    tiered: bool = False
    replicas: int = 1
    storage: str = "file"
    left_elsewhere: int | None = None
    max_consumers: int | None = None
    silent: tuple[str, ...] = ()

    @property
    def left(self) -> int | None:
        """Bytes that can still be given to streams; None if there is no limit."""
        return None if self.max_bytes is None else max(0, self.max_bytes - self.committed)

    @property
    def copies(self) -> int:
        """How often the bytes of a new stream count."""
        return 1 if self.tiered else self.replicas

    def counts(self, stream: Stream) -> int:
        """Return how often the bytes of a stream count: not at all elsewhere, or among other numbers of replicas."""
        if stream.storage != self.storage or (self.tiered and stream.replicas != self.replicas):
            return 0
        return 1 if self.tiered else stream.replicas


async def read(connection: Connection, replicas: int = 1, storage: str = "file") -> Account:
    """Return the account, for streams with so many replicas in a storage. Raises as ``info`` and ``parse`` do."""
    answer = await station.info(connection)
    try:
        streams, silent = await station.every_one(connection)
        account = parse(answer, None if silent else streams, replicas, storage)
        return replace(account, silent=tuple(silent))
    except (ApiError, *LOST):  # who may not list streams may still be able to fill them
        return parse(answer, None, replicas, storage)


def parse(
    answer: dict[str, Any], streams: Sequence[Stream] | None, replicas: int = 1, storage: str = "file"
) -> Account:
    """Read JetStream's account information. Raises NoTierError if there is no room for so many replicas.

    ``streams`` are those of the account, None where they may not be listed; ``committed`` is then the most that it
    can be.
    """
    domain, tiers = answer.get("domain", ""), answer.get("tiers") or {}
    if tiers:
        if f"R{replicas}" not in tiers:
            raise NoTierError(
                f"this account may not have streams with {replicas} replicas, only {', '.join(sorted(tiers))}; "
                "give --replicas one of those"
            )
        answer = tiers[f"R{replicas}"]
    limits = answer["limits"]
    here, elsewhere = ("memory", "storage") if storage == "memory" else ("storage", "memory")
    used, reserved = answer.get(here, 0), _reserved(answer, here)
    most_elsewhere = _limit(limits.get(f"max_{elsewhere}", -1))
    taken_elsewhere = answer.get(elsewhere, 0) + _reserved(answer, elsewhere)
    account = Account(
        domain=domain,
        used=used,
        reserved=reserved,
        committed=reserved + used,
        max_bytes=_limit(limits.get(f"max_{here}", -1)),
        max_stream_bytes=_limit(limits.get(f"{here}_max_stream_bytes", -1)) or None,  # 0 is no limit either
        streams=answer.get("streams", 0),
        max_streams=_limit(limits.get("max_streams", -1)),
        size_required=limits.get("max_bytes_required", False),
        tiered=bool(tiers),
        replicas=replicas,
        storage=storage,
        left_elsewhere=None if most_elsewhere is None else max(0, most_elsewhere - taken_elsewhere),
        max_consumers=_limit(limits.get("max_consumers", -1)) or None,
    )
    if streams is None:
        return account
    return replace(account, committed=reserved + sum(_unreserved(s, account.counts(s)) for s in streams))


def _unreserved(stream: Stream, times: int) -> int:
    """Return the bytes of a stream, counted so many times, that are not among the reserved: those are sizes, once."""
    return stream.bytes * times if stream.max_bytes <= 0 else stream.max_bytes * max(0, times - 1)


def _reserved(answer: dict[str, Any], storage: str) -> int:
    """Return the bytes that are reserved; nats-server 2.11.0 takes one off for each stream without a size."""
    reserved = int(answer.get(f"reserved_{storage}", 0))
    return reserved if reserved < 2**63 else 0


def _limit(value: int) -> int | None:
    return None if value < 0 else value
