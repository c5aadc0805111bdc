"""Which connections are open, so that a group does not wait for members that vanished without a word."""

import asyncio
from typing import Any

import msgspec

from zakar.broker.connection import LOST, Connection
from zakar.broker.memphis.members import cut

_PATIENCE = 1.0  # seconds
_MOST = 100_000  # connections


async def gone(connection: Connection, asking: str, ids: set[str]) -> set[str]:
    """Return those of the connection ids that surely belong to no open connection.

    SDKs begin a connection's name with its id. None are gone for sure where the server does not tell, is in a
    cluster, has leaf nodes, or does not know the connection ``asking`` either.
    """
    if connection.clustered or not asking:
        return set()
    connections, account = await asyncio.gather(
        _ask(connection, "CONNZ", {"limit": _MOST}), _ask(connection, "STATZ", {})
    )
    counts = account.get("account_statz") or [{}]
    if connections.get("total") != connections.get("num_connections") or any(c.get("leafnodes") != 0 for c in counts):
        return set()
    open_ids = {cut(str(c.get("name", "")).partition("::")[0]) for c in connections.get("connections") or ()}
    return ids - open_ids if asking in open_ids else set()


async def _ask(connection: Connection, what: str, request: dict[str, Any]) -> dict[str, Any]:
    """Return what the server says of this account, nothing where it does not."""
    subject = f"$SYS.REQ.ACCOUNT.PING.{what}"
    if subject.lower() in connection.denied:
        return {}
    try:
        message = await connection.request(subject, msgspec.json.encode(request), timeout=_PATIENCE)
        answer = msgspec.json.decode(message.data)
    except (*LOST, msgspec.DecodeError):
        return {}
    return answer.get("data") or {} if isinstance(answer, dict) else {}
