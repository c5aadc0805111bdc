"""How far work is, as it is told by whoever does it."""

from collections.abc import Callable

Show = Callable[[int, int | None, str], None]
"""Is told how much is done, of how much, None where nobody knows, and of what."""

Count = Callable[[str, int], None]
"""Is told of what, and how much more is done."""


def unseen(*_: object) -> None:
    """Show nothing."""


def counted(show: Show, total: int | None) -> Count:
    """Return a function that is told how much more is done, and shows how much is done of ``total``."""
    done = 0
    if total is not None:
        show(done, total, "")

    def add(what: str, more: int) -> None:
        nonlocal done
        done += more
        show(done, total, what)

    return add
