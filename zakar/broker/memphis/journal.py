"""Lines for whoever runs the responder: readable whatever a client sent, and not more than can be read."""

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field

_LINES, _SECONDS = 30, 10.0
_LONGEST = 400


@dataclass
class Journal:
    """Passes on so many lines in so many seconds, then says how many it kept to itself."""

    log: Callable[[str], None]
    clock: Callable[[], float] = time.monotonic
    _until: float = float("-inf")
    _lines: int = 0
    _once: set[str] = field(default_factory=set)

    def tell(self, text: str) -> None:
        """Pass on a line, if it is not one too many."""
        if (now := self.clock()) >= self._until:
            if self._lines > _LINES:
                self._pass(f"... and {self._lines - _LINES:,} more lines")
            self._until, self._lines = now + _SECONDS, 0
        self._lines += 1
        if self._lines <= _LINES:
            self._pass("".join(c if c.isprintable() else "?" for c in text[:_LONGEST]))

    def once(self, about: str, text: str) -> None:
        """Pass on the first line about something; ``about`` is one of a few."""
        if about not in self._once:
            self._once.add(about)
            self.tell(text)

    def _pass(self, text: str) -> None:
        with contextlib.suppress(OSError):  # nobody reads it any more, which is no reason to stop answering
            self.log(text)
