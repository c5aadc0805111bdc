"""Ctrl-C, which ends a command also where code that runs just then swallows it, as what is being imported may."""

import signal
from types import FrameType

_pressed = False


def remember() -> None:
    """Remember a Ctrl-C from now on, besides raising KeyboardInterrupt; one that is ignored stays so."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _raise)


def check() -> None:
    """Raise KeyboardInterrupt if there was a Ctrl-C, which nothing that goes on can have heard of."""
    if _pressed:
        raise KeyboardInterrupt


def _raise(_number: int, _frame: FrameType | None) -> None:
    global _pressed  # noqa: PLW0603 - a signal's handler has no other way
    _pressed = True
    raise KeyboardInterrupt
