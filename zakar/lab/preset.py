"""Presets: links that people have, as files in configs/links/, and the way across one."""

import contextlib
import itertools
import math
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from msgspec import Meta, Struct

from zakar import config
from zakar.lab.link import Direction, Link, Settings, running

_Milliseconds = Annotated[float, Meta(ge=0, le=60_000)]
_Rate = Annotated[float, Meta(ge=0.001, le=1_000_000)]  # Mbit/s; below it a piece would take longer than anybody waits


@dataclass(frozen=True)
class Change:
    """New rates, in bits per second, ``after`` seconds on a link; None leaves a direction as it is."""

    after: float
    up: float | None
    down: float | None


@dataclass(frozen=True)
class Preset:
    """A link by name; ``settings`` are None where clients connect to the server itself. ``changes`` are in order."""

    name: str
    description: str
    settings: Settings | None
    changes: tuple[Change, ...] = ()


class _Section(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of what stands in a file; configs/links/home.toml says what the keys mean."""


class _Way(_Section, frozen=True):
    delay_ms: _Milliseconds
    jitter_ms: _Milliseconds = 0.0
    rate_mbit: _Rate = math.inf
    queue_kib: Annotated[int, Meta(ge=2, le=1_048_576)] = 256

    def direction(self) -> Direction:
        return Direction(self.delay_ms / 1e3, self.jitter_ms / 1e3, self.rate_mbit * 1e6, self.queue_kib * 1024)


class _Step(_Section, frozen=True):
    after_seconds: Annotated[float, Meta(ge=0, le=86_400)]
    up_mbit: _Rate | None = None
    down_mbit: _Rate | None = None

    def __post_init__(self) -> None:
        if self.up_mbit is None and self.down_mbit is None:
            raise ValueError("it changes nothing; give `up_mbit` or `down_mbit`, or both")

    def change(self) -> Change:
        up, down = (None if rate is None else rate * 1e6 for rate in (self.up_mbit, self.down_mbit))
        return Change(self.after_seconds, up, down)


class _File(_Section, frozen=True):
    description: str
    up: _Way | None = None
    down: _Way | None = None
    change: tuple[_Step, ...] = ()

    def __post_init__(self) -> None:
        if (self.up is None) != (self.down is None):
            raise ValueError(f"`{'up' if self.up is None else 'down'}` is missing; a link has both ways, or neither")
        if self.change and self.up is None:
            raise ValueError("`change`: without a link nothing changes; add `up` and `down`, or remove it")
        times = [step.after_seconds for step in self.change]
        if any(late <= early for early, late in itertools.pairwise(times)):
            raise ValueError("`change`: each `after_seconds` must be above the one before it")


def names() -> list[str]:
    """Return the names of the presets that come with zakar."""
    return config.names(_folder())


def read(name_or_file: str) -> Preset:
    """Read and validate a preset, given its name or the path of a TOML file.

    Raises ConfigError naming the file, the key and what is wrong with it, or the presets that there are.
    """
    path = config.find(name_or_file, _folder(), "link preset")
    file = config.convert(config.read_toml(path), _File, str(path))
    settings = Settings(file.up.direction(), file.down.direction()) if file.up and file.down else None
    return Preset(path.stem, file.description, settings, tuple(step.change() for step in file.change))


@contextlib.contextmanager
def crossing(url: str, preset: Preset) -> Iterator[str]:
    """Put a server at the other end of a preset's link for the length of a block; yield the URL to connect to.

    The link runs in a process of its own, and ends with the block, or with this process. Its changes are timed
    from the block's beginning. Scheme, credentials, path and query of ``url`` stay; its host becomes 127.0.0.1. Without
    a link it is yielded as it is.

    Raises ConfigError if the URL is no address, ServerError if the link's process does not start.
    """
    if preset.settings is None:
        yield url
        return
    with running(url, preset.settings) as link, _changing(link, preset.changes):
        yield _elsewhere(url, link.address)


@contextlib.contextmanager
def _changing(link: Link, changes: tuple[Change, ...]) -> Iterator[None]:
    """Make changes at their times, counted from now, for the length of a block."""
    over, begun = threading.Event(), time.monotonic()

    def change_all() -> None:
        with contextlib.suppress(OSError):  # whoever uses a link whose process has died sees it for themselves
            for change in changes:
                if over.wait(begun + change.after - time.monotonic()):
                    return
                link.up = replace(link.up, rate=change.up or link.up.rate)
                link.down = replace(link.down, rate=change.down or link.down.rate)

    thread = threading.Thread(target=change_all)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _elsewhere(url: str, address: str) -> str:
    """Return a URL with another host and port, or the address alone where it is no URL."""
    if "//" not in url:
        return address
    parts = urlsplit(url)
    credentials, at, _ = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{credentials}{at}{address}").geturl()


def _folder() -> Path:
    return config.folder() / "links"
