"""Programs of Memphis's SDKs as processes, and a broker for them."""

import contextlib
import json
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers import clean, started

from zakar.broker.access import Access

HERE = Path(__file__).parent

Call = Callable[..., Any]
Talk = Callable[[str], Any]


@dataclass(frozen=True)
class Broker:
    """All that a program is told."""

    host: str
    port: int
    user: str = "root"
    password: str = "memphis"  # noqa: S105

    @property
    def url(self) -> str:
        return f"nats://{self.host}:{self.port}"

    @property
    def access(self) -> Access:
        return Access((self.url,), self.user, self.password)

    @property
    def words(self) -> list[str]:
        return [self.host, str(self.port), self.user, self.password]


@contextlib.contextmanager
def broking(*words: str) -> Iterator[Broker]:
    """Run a broker for Memphis's SDKs as a user starts it, with these words besides."""
    process = started("broker", "--memphis", "--port", "0", *words)
    try:
        host, _, port = read_line(process).removeprefix("nats://").rpartition(":")
        yield Broker(host, int(port))
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate()


def called(command: list[str], arguments: dict[str, Any], **options: Any) -> Any:
    """Return what a call prints, which is to go without a complaint; ``options`` are those of the connection."""
    done = run([*command, json.dumps(arguments), *([json.dumps(options)] if options else [])])
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return json.loads(done.stdout)


def run(command: list[str], cwd: Path | None = None) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, capture_output=True, encoding="utf-8", check=False, cwd=cwd, env=clean())


def talk(process: "subprocess.Popen[str]", word: str) -> Any:
    """Say a word to a process and return what it answers."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{word}\n")
    process.stdin.flush()
    answer = process.stdout.readline()
    assert answer, process.communicate()[1]
    return json.loads(answer)


def read_line(process: "subprocess.Popen[bytes]") -> str:
    assert process.stdout is not None
    line = process.stdout.readline().decode().strip()
    assert line, process.communicate()[1].decode()
    return line
