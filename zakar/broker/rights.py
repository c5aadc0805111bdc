"""What a user may ask of JetStream: tried with requests that are none, so that nothing is made, changed or told."""

from collections.abc import Iterable

from zakar.broker.connection import Connection

_NO_REQUEST = b"?"  # no JSON, and not empty: JetStream refuses it at every subject of its API


async def refused(connection: Connection, subjects: Iterable[str]) -> dict[str, str]:
    """Return which subjects of JetStream's API this user may not publish to, and what the server says to each.

    Takes a round trip, however many there are. Raises what lost connections raise.
    """
    subjects = list(dict.fromkeys(subjects))
    frames = (f"PUB {subject} {len(_NO_REQUEST)}\r\n".encode() + _NO_REQUEST + b"\r\n" for subject in subjects)
    await connection.send(memoryview(b"".join(frames)))
    await connection.flush()
    denials = {subject: connection.denial(subject) for subject in subjects}
    return {subject: text for subject, text in denials.items() if text}
