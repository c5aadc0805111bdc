"""An account: how much it may store, and how much of that is spoken for."""

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
    """JetStream's limits for an account, and what is used of them; bytes are those of file storage.

    ``reserved``: the sizes of streams that have one, as the server tells them. ``committed``: bytes that nobody else
    can have: those sizes, and what the others hold.
    None stands for no limit. Where streams are counted by their number of replicas (``tiered``), all is of that
    number alone: ``replicas``.
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

    @property
    def left(self) -> int | None:
        """Bytes that can still be given to streams; None if there is no limit."""
        return None if self.max_bytes is None else max(0, self.max_bytes - self.committed)

    @property
    def copies(self) -> int:
        """How often the bytes of a new stream count."""
        return 1 if self.tiered else self.replicas

    def counts(self, stream: Stream) -> int:
        """Return how often the bytes of a stream count: not at all in memory, or among other numbers of replicas."""
        if stream.storage != "file" or (self.tiered and stream.replicas != self.replicas):
            return 0
        return 1 if self.tiered else stream.replicas


async def read(connection: Connection, replicas: int = 1) -> Account:
    """Return the account, for streams with so many replicas. Raises as ``station.info`` and ``parse`` do."""
    answer = await station.info(connection)
    try:
        return parse(answer, await station.every(connection), replicas)
    except (ApiError, *LOST):  # who may not list streams may still be able to fill them
        return parse(answer, None, replicas)


def parse(answer: dict[str, Any], streams: Sequence[Stream] | None, replicas: int = 1) -> Account:
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
    limits, used, reserved = answer["limits"], answer.get("storage", 0), answer.get("reserved_storage", 0)
    account = Account(
        domain=domain,
        used=used,
        reserved=reserved,
        committed=reserved + used,
        max_bytes=_limit(limits.get("max_storage", -1)),
        max_stream_bytes=_limit(limits.get("storage_max_stream_bytes", -1)) or None,  # 0 is no limit either
        streams=answer.get("streams", 0),
        max_streams=_limit(limits.get("max_streams", -1)),
        size_required=limits.get("max_bytes_required", False),
        tiered=bool(tiers),
        replicas=replicas,
    )
    if streams is None:
        return account
    return replace(account, committed=reserved + sum(_unreserved(s, account.counts(s)) for s in streams))


def _unreserved(stream: Stream, times: int) -> int:
    """Return the bytes of a stream, counted so many times, that are not among the reserved: those are sizes, once."""
    return stream.bytes * times if stream.max_bytes <= 0 else stream.max_bytes * max(0, times - 1)


def _limit(value: int) -> int | None:
    return None if value < 0 else value
