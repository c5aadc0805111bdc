"""Names as Memphis takes them, and what they are called in JetStream. Pure."""

import re

STATION, PRODUCER, CONSUMER = "Station", "Producer", "Consumer"
_MOST_BYTES = 128
_ALLOWED = re.compile(r"[a-z0-9_.-]*")
_INTERNAL = re.compile(r"[a-z0-9][a-z0-9_#-]*")
_EDGE = "_.-"


class RefusedError(Exception):
    """A request that is not carried out; its text is the answer, and often what the Memphis broker answered."""


def checked(kind: str, name: str) -> str:
    """Return a name in lower case, as it is shown. Raises RefusedError if it is none; ``kind`` says of what."""
    lowered = name.lower()
    if not lowered:
        raise RefusedError(f"{kind} name can not be empty")
    if len(lowered.encode(errors="surrogatepass")) > _MOST_BYTES:
        raise RefusedError(f"{kind} should be under {_MOST_BYTES} characters")
    if not _ALLOWED.fullmatch(lowered):
        raise RefusedError(f"Only alphanumeric and the '_', '-', '.' characters are allowed in {kind}")
    if lowered[0] in _EDGE or lowered[-1] in _EDGE:
        raise RefusedError(f"{kind} name can not start or end with non alphanumeric character")
    return lowered


def internal(shown: str) -> str:
    """Return what JetStream knows a checked name by: dots would part its subjects."""
    return shown.replace(".", "#")


def shown(internal: str) -> str:
    """Return how an internal name was typed, but for its case."""
    return internal.replace("#", ".")


def is_internal(name: str) -> bool:
    """Whether a name can be that of a station or a durable."""
    return len(name) <= _MOST_BYTES and _INTERNAL.fullmatch(name) is not None
