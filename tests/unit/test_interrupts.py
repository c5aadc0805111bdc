"""A Ctrl-C that code of somebody else's swallows ends the command all the same, at its next sign of progress."""

import contextlib
import signal
from collections.abc import Iterator

import pytest

from zakar.cli import interrupts
from zakar.cli.common import meter, run


@pytest.fixture(autouse=True)
def remembering(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(interrupts, "_pressed", False)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    interrupts.remember()
    yield
    signal.signal(signal.SIGINT, before)


def _swallowed() -> None:
    with contextlib.suppress(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_progress_tells_of_an_interrupt_that_was_swallowed() -> None:
    with meter("simulating days") as show:
        show(1, 10, "")
        _swallowed()
        with pytest.raises(KeyboardInterrupt):
            show(2, 10, "")


def test_what_asyncio_runs_does_not_begin_after_an_interrupt_that_was_swallowed() -> None:
    _swallowed()
    with pytest.raises(KeyboardInterrupt):
        run(lambda _stop: pytest.fail("it began"))


def test_an_interrupt_is_raised_where_nothing_swallows_it() -> None:
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_an_interrupt_that_is_ignored_stays_so() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    interrupts.remember()
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
