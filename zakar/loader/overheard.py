"""Whether what is sent to a station would reach anything besides it: asked before that is done, said in a sentence."""

import asyncio
import contextlib
from collections.abc import Iterable, Mapping, Sequence

from zakar.broker import hearing, station
from zakar.broker.connection import ApiError, Connection
from zakar.broker.hearing import Hearer
from zakar.broker.station import Stream

_JOINING = 2.0  # seconds in which the servers of a cluster hear of a stream that is new, or led by another one
_AGAIN = 0.1


async def overheard(connection: Connection, streams: Mapping[str, Stream | None], domain: str) -> dict[str, str]:
    """Return a sentence for each partition whose messages would reach anything else, by its name.

    ``streams`` are the partitions by name, None where one is still to be made; ``domain`` is JetStream's here, empty
    where it has none. Stores nothing. Raises ApiError if this user may not publish to one of them, and what lost
    connections raise.
    """
    if not streams:
        return {}
    heard = await hearing.who_hears(connection, [station.subject(name) for name in streams])
    sentences = {}
    for (name, before), hearers in zip(streams.items(), heard, strict=True):
        there = before
        if there is None and name in {hearer.stream for hearer in hearers}:
            there = await station.look(connection, name)  # another load may have made it meanwhile
        others = hearing.strangers(hearers, name, domain, there=there is not None)
        if there and there.republish:
            others += await _republished(connection, name, *there.republish, others=streams)
        if others:
            sentences[name] = sentence(name, domain, others)
    return sentences


async def unreached(connection: Connection, streams: Mapping[str, Stream | None]) -> dict[str, str]:
    """Return a sentence for each partition that is there, and that nothing sent from here reaches, by its name.

    An account may have another's JetStream by an import without having the subjects of its streams. One that has other
    subjects than it should is none of those. Stores nothing. Raises what lost connections raise.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + _JOINING
    left = [name for name, there in streams.items() if there is not None and f"{name}.>" in there.subjects]
    while True:
        silent = await asyncio.gather(*(hearing.unheard(connection, station.subject(name)) for name in left))
        left = [name for name, unheard in zip(left, silent, strict=True) if unheard]
        if not left or loop.time() > until:
            break
        await asyncio.sleep(_AGAIN)
    return {
        name: f"JetStream at {connection.api_prefix} has `{name}`, but nothing here hears its subjects: "
        f"import `{name}.>` too, as a service from the account that has the stream"
        for name in left
    }


async def _republished(
    connection: Connection, name: str, source: str, destination: str, others: Iterable[str]
) -> list[Hearer]:
    """Return the streams that hear what a partition publishes again, as far as this user may ask.

    ``others`` are partitions that may still be made.
    """
    again = hearing.republished(station.subject(name), source, destination)
    if again is None:
        return []
    with contextlib.suppress(ApiError):
        if streams := [hearer for hearer in (await hearing.who_hears(connection, [again]))[0] if hearer.stream]:
            return streams
    return [Hearer(other) for other in others if again.startswith(f"{other}.")]


def sentence(stream: str, domain: str, others: Sequence[Hearer]) -> str:
    """Say who else would get what is sent to a partition, and what to do about it."""
    at = f" (domain {domain})" if domain else ""
    fixes = dict.fromkeys(fix(stream, hearer) for hearer in others)
    reach = "also reach" if any(hearer.nowhere is None for hearer in others) else "go to"
    return f"what is sent to `{stream}`{at} would {reach} {' and '.join(map(str, others))}: {'; '.join(fixes)}"


def fix(stream: str, hearer: Hearer) -> str:
    """Return what to do about somebody else who hears what is sent to a partition."""
    if hearer.nowhere is not None:
        return "take the mapping away" if hearer.nowhere else "take the mapping away, or let its weights make 100 %"
    if hearer.answer:
        return "stop that program"
    if hearer.account:
        return "take the import away, or give it allow_trace: true, which shows that no stream is behind it"
    if hearer.stream == stream:
        return (
            f"delete that one, or keep the two apart: `{stream}.>` among the leaf node's deny_imports and deny_exports"
        )
    return "take away the mapping, import or republish that leads there, or that subject of the other stream"
