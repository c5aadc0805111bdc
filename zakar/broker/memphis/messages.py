"""Messages as Memphis's producers publish them: with two header lines, which its SDKs read without asking for them."""

import base64

from zakar.broker import codes, station
from zakar.broker.connection import ApiError, Connection
from zakar.broker.memphis.protocol import PRODUCED_BY

WITHOUT = (
    "lack the headers of Memphis's, since nobody answered its SDKs here when they were loaded: getHeaders() of Node, "
    "delay() and a second ack() of Python fail on them; load them again with --recreate"
)


async def bare(connection: Connection, stream: str) -> bool:
    """Whether a partition's first message or its last lacks them, not if it is empty or gone. Raises ApiError."""
    there = await station.look(connection, stream)
    if there is None or there.messages == 0:
        return False
    return not all([await _named(connection, stream, sequence) for sequence in {there.first, there.last}])


async def _named(connection: Connection, stream: str, sequence: int) -> bool:
    try:
        answer = await connection.api(f"STREAM.MSG.GET.{stream}", {"seq": sequence})
    except ApiError as error:
        if error.code == codes.MESSAGE_NOT_FOUND:
            return True
        raise
    return PRODUCED_BY.encode() in base64.b64decode(answer["message"].get("hdrs", ""))
