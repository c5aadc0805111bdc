"""A soak: loads whose loaders, servers and connections are killed at random, and what their stations hold at the end.

    python benchmarks/chaos.py --minutes 10

Again and again, until the time is up, an embedded nats-server with a store of its own is filled with 400 days of
`classic` by `zakar load` as a process, through a link of `zakar.lab.link`, by TCP or by a WebSocket, in a random mode,
with random limits. At random moments, several times a round:

- the loader is killed (kill -9) and another, with other settings, started at once
- the server is killed, or its guard, and started again soon on the same store and port
- every connection is cut
- the link stalls for 1 to 20 s
- the link's rate changes

A loader that ends by itself is started again. A round ends when one says that it is done; then `zakar verify` compares
every message. A violation is a message that is missing, doubled, out of order or different, a loader that says so
of a station that only loaders of this dataset write, one that ends in a way that it should not, or a hang: 90 s without
progress and without trouble. The first violation ends the soak, and says in which round and after which events; the
seed repeats the choices, though not the moment in which each meets the loader.
"""

import contextlib
import json
import math
import os
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from common import classic, machine, parser, positive, publish, tell

from zakar.broker.server import Server, ServerSettings, running
from zakar.lab.link import Direction, Link, Settings
from zakar.lab.link import running as linked

HANG = 90.0  # seconds
GAP = 3.0  # mean seconds between two troubles
TROUBLES = {"loaders_killed": 4, "servers_killed": 3, "cuts": 3, "stalls": 1, "rate_changes": 2}  # weights
COUNTED = (*TROUBLES, "guards_killed", "seconds_stalled", "loaders_started", "loaders_ended_by_themselves")
REPORTED = ("timeouts", "retries", "reconnects")  # of the loaders that came to their end
SLOW = 2_000  # messages in flight; fewer take too long to finish a round with
FINISHING = 20e6  # bits a second, at least, once the troubles are over
GOES_ON = {3, 4}  # exit codes after which the same command goes on: not reached, stopped after something was stored
WRONG = re.compile(r"not the table's|has lost messages|should hold|is gone|another loader|holds")
FAULTS = ("missing", "duplicates", "out_of_order", "different")


class ViolationError(Exception):
    """What must never happen."""


@dataclass
class Soak:
    """What happened so far, in all rounds together."""

    rounds: int = 0
    messages: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    loads: Counter[str] = field(default_factory=Counter)  # loaders started, by mode and transport
    endings: Counter[str] = field(default_factory=Counter)  # what loaders said that ended by themselves
    violations: list[str] = field(default_factory=list)


class Station:
    """A server with a store and ports that outlive it, and can be killed."""

    def __init__(self, folder: Path) -> None:
        self._settings = ServerSettings(port=_free_port(), websocket_port=_free_port(), store=folder / "store")
        self._stack = contextlib.ExitStack()
        self.server: Server = self._stack.enter_context(running(self._settings))

    def kill(self, *, guard: bool) -> None:
        """Kill the server with no time to write anything, or its guard, after which the server ends in order."""
        if guard:
            self.server.process.kill()
        else:
            name = next(self.server.folder.glob("*.ports")).stem  # nats-server_PID
            os.kill(int(name.rpartition("_")[2]), getattr(signal, "SIGKILL", signal.SIGTERM))
        self._stack.close()
        while _answers(self._settings.port):
            time.sleep(0.02)

    def start(self) -> None:
        """Start the server again."""
        self.server = self._stack.enter_context(running(self._settings))

    def close(self) -> None:
        """Stop the server."""
        self._stack.close()


@dataclass
class Loader:
    """A `zakar load` under way; it writes what it has to say into files."""

    words: list[str]
    process: "subprocess.Popen[bytes]"
    said: Path
    slow: bool

    @property
    def errors(self) -> str:
        """What it printed for people."""
        return self.said.with_suffix(".err").read_text(encoding="utf-8", errors="replace")


class Round:
    """One server filled once, whatever happens."""

    def __init__(self, soak: Soak, chance: random.Random, data: Path, folder: Path) -> None:
        self.soak, self.chance, self.data, self.folder = soak, chance, data, folder
        self.began = time.monotonic()
        self.events: list[str] = []
        self.quiet_since = self.began  # no trouble and no progress since then
        self._size = 0
        self._loaders = 0

    def run(self) -> None:
        """Fill, with troubles, and compare. Raises ViolationError."""
        with contextlib.ExitStack() as stack:
            self.station = Station(self.folder)
            stack.callback(self.station.close)
            self.scheme = self.chance.choice(["nats", "nats", "ws"])
            server = self.station.server
            target = server.url if self.scheme == "nats" else server.websocket_url
            delay = self.chance.uniform(0, 0.05)
            jitter = self.chance.choice([0.0, 0.0, delay / 2])
            settings = Settings(Direction(delay, jitter, self._rate()), Direction(delay, jitter, 100e6))
            self.link: Link = stack.enter_context(linked(target, settings))
            self._note(f"{self.scheme}, {2e3 * delay:.0f} ms, {settings.up.rate / 1e6:.1f} Mbit/s")
            self.loader = self._load()
            stack.callback(self._end_loader)
            troubles = self.chance.randint(4, 14)
            due = time.monotonic() + self.chance.expovariate(1 / GAP)
            while not self._done():
                if troubles and time.monotonic() >= due:
                    self._trouble()
                    troubles -= 1
                    due = time.monotonic() + self.chance.expovariate(1 / GAP)
                    if not troubles:
                        self._calm()
                time.sleep(0.02)
            self._verify()

    def _rate(self) -> float:
        """Draw bits a second."""
        return math.exp(self.chance.uniform(math.log(2e6), math.log(200e6)))

    def _note(self, event: str) -> None:
        self.events.append(f"{time.monotonic() - self.began:.1f} s: {event}")
        self.quiet_since = time.monotonic()

    def _load(self, *, plain: bool = False) -> Loader:
        """Start a loader with random settings, or with none."""
        mode = self.chance.choice(["auto", "auto", "batch", "nonblocking", "nonblocking", "blocking"])
        in_flight = self.chance.choice(["auto", "auto", str(int(500 * 100 ** self.chance.random()))])
        rate = self.chance.choice([None, None, 5_000 * 10 ** self.chance.random()])
        words = ["--mode", mode, "--in-flight", in_flight, *(["--rate", f"{rate:.0f}"] if rate else [])]
        if plain:
            mode, words = "auto", []
        self._loaders += 1
        said = self.folder / f"loader-{self._loaders}.json"
        with said.open("wb") as out, said.with_suffix(".err").open("wb") as errors:
            process = subprocess.Popen(
                [*_zakar("load"), str(self.data), "--server", self.link.url(self.scheme), "--json", *words],
                stdout=out,
                stderr=errors,
                env=_environment(),
            )
        self._note(f"load {' '.join(words)}")
        self.soak.counts["loaders_started"] += 1
        self.soak.loads[f"{mode} {self.scheme}"] += 1
        self._size = 0
        return Loader(words, process, said, mode == "blocking" or (in_flight != "auto" and int(in_flight) < SLOW))

    def _kill_loader(self, *, plain: bool = False) -> None:
        dead = self.loader.process
        dead.kill()
        self.loader = self._load(plain=plain)
        dead.wait()

    def _end_loader(self) -> None:
        self.loader.process.kill()
        self.loader.process.wait()

    def _trouble(self) -> None:
        """Make one of the troubles."""
        kind = self.chance.choices(list(TROUBLES), list(TROUBLES.values()))[0]
        self.soak.counts[kind] += 1
        self._note(kind)
        match kind:
            case "loaders_killed":
                self._kill_loader()
            case "servers_killed":
                guard = sys.platform == "linux" and self.chance.random() < 0.3  # elsewhere its server would stay
                self.soak.counts["guards_killed"] += guard
                self.station.kill(guard=guard)
                time.sleep(self.chance.choice([0.0, self.chance.uniform(0, 5)]))
                self.station.start()
                self._note(f"{'guard' if guard else 'server'} killed, started again")
            case "cuts":
                self.link.cut()
            case "stalls":
                seconds = self.chance.uniform(1, 20)
                self.soak.counts["seconds_stalled"] += round(seconds)
                self.link.stall(seconds)
                self._note(f"stall of {seconds:.1f} s")
                self.quiet_since += seconds
            case "rate_changes":
                self.link.up = replace(self.link.up, rate=self._rate())
                self._note(f"{self.link.up.rate / 1e6:.1f} Mbit/s")

    def _calm(self) -> None:
        """Make sure that the round comes to an end: a link that is not too slow, and a loader that is not."""
        self.link.up = replace(self.link.up, rate=max(FINISHING, self.link.up.rate))
        if self.loader.slow:
            self.soak.counts["loaders_killed"] += 1
            self._note("the last: loaders_killed")
            self._kill_loader(plain=True)

    def _done(self) -> bool:
        """Whether the loader has done its work; start another if it ended before. Raises ViolationError."""
        code = self.loader.process.poll()
        if code == 0:
            report = json.loads(self.loader.said.read_text(encoding="utf-8"))
            for name in REPORTED:
                self.soak.counts[name] += report[name]
            self._note("loaded")
            return True
        if code is not None:
            self._ended(code)
        size = self.loader.said.with_suffix(".err").stat().st_size
        if size > self._size:  # a line every few seconds, while there is progress
            self._size, self.quiet_since = size, max(self.quiet_since, time.monotonic())
        if time.monotonic() - self.quiet_since > HANG:
            self.loader.process.send_signal(signal.SIGABRT)  # faulthandler prints where it is
            self.loader.process.wait()
            raise ViolationError(f"no progress for {HANG:g} s:\n{self.loader.errors}")
        return False

    def _ended(self, code: int) -> None:
        """Start another loader after one that ended early. Raises ViolationError if it had no right to."""
        errors = self.loader.errors
        last = (errors.strip().splitlines() or [""])[-1]
        if code not in GOES_ON or "Traceback" in errors or WRONG.search(last):
            raise ViolationError(f"the loader ended with code {code}:\n{errors}")
        self.soak.counts["loaders_ended_by_themselves"] += 1
        self.soak.endings[re.sub(r"\S+://\S+|\d[\d,]*", "N", last)] += 1
        self._note(f"ended with code {code}: {last}")
        self.loader = self._load()

    def _verify(self) -> None:
        """Compare every message. Raises ViolationError."""
        command = [*_zakar("verify"), str(self.data), "--server", self.station.server.url, "--json"]
        try:
            done = subprocess.run(
                command, capture_output=True, encoding="utf-8", check=False, env=_environment(), timeout=HANG
            )
        except subprocess.TimeoutExpired as error:
            raise ViolationError(f"verify: no end within {HANG:g} s: {error.stderr!r}") from error
        stations = json.loads(done.stdout)["stations"].values() if done.stdout else []
        faults = {name: sum(station[name] for station in stations) for name in FAULTS}
        if done.returncode or any(faults.values()):
            raise ViolationError(f"verify: {faults}, code {done.returncode}:\n{done.stderr}")
        self.soak.messages += sum(station["stored"] for station in stations)


def main() -> None:
    """Soak and report."""
    options = parser(__doc__, rounds=False)
    options.add_argument("--minutes", type=positive, default=10, metavar="M", help="how long (default 10)")
    options.add_argument("--seed", type=int, default=2023, metavar="N", help="of the choices (default 2023)")
    options.add_argument("--days", type=positive, default=400, metavar="N", help="days of the dataset (default 400)")
    given = options.parse_args()
    soak, chance = Soak(), random.Random(given.seed)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="zakar-chaos-") as name:
        tell("simulating")
        data = Path(name) / "classic"
        classic(data, given.days)
        while time.monotonic() - began < given.minutes * 60 and not soak.violations:
            with _folder(soak, Path(name)) as folder:
                this = Round(soak, chance, data, folder)
                try:
                    this.run()
                except ViolationError as violation:
                    story = "\n".join(this.events)
                    soak.violations.append(f"seed {given.seed}, round {soak.rounds + 1}: {violation}\n{story}")
                    tell(soak.violations[-1])
            soak.rounds += 1
            tell(f"round {soak.rounds}, {time.monotonic() - began:.0f} s: {this.events[0]}, {len(this.events)} events")
    result: dict[str, object] = {
        "seed": given.seed,
        "minutes": round((time.monotonic() - began) / 60, 1),
        "days": given.days,
        "rounds": soak.rounds,
        "messages_verified": soak.messages,
        **{name: soak.counts[name] for name in (*COUNTED, *REPORTED)},
        "violations": len(soak.violations),
        "loaders": dict(sorted(soak.loads.items())),
        "endings": dict(soak.endings.most_common()),
        "violations_told": soak.violations,
    }
    publish("chaos", result, _table(result), given)
    if soak.violations:
        raise SystemExit(1)


@contextlib.contextmanager
def _folder(soak: Soak, parent: Path) -> Iterator[Path]:
    """Make a round's folder; it goes with the round."""
    with tempfile.TemporaryDirectory(prefix=f"round-{soak.rounds + 1}-", dir=parent) as name:
        yield Path(name)


def _zakar(command: str) -> list[str]:
    return [sys.executable, "-X", "faulthandler", "-m", "zakar", command]


def _environment() -> dict[str, str]:
    """Return the environment without connection settings that somebody may have in it."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("NATS_")}
    return kept | {"COLUMNS": "200", "XDG_CONFIG_HOME": os.devnull}


def _free_port() -> int:
    """Return a port below those that systems give to outgoing connections, which could take it meanwhile."""
    while True:
        port = random.randint(10_000, 30_000)  # not of the seed: another run may have the same
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def _answers(port: int) -> bool:
    """Whether anybody listens."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _table(result: dict[str, object]) -> str:
    """Return the results in Markdown, to be read on a terminal as well."""
    rows = {name: value for name, value in result.items() if isinstance(value, int | float)}
    met = "met" if result["violations"] == 0 else "MISSED"
    endings = result["endings"]
    assert isinstance(endings, dict)
    return "\n".join(
        [
            f"{machine()}.",
            "",
            f"| {'what':34} | {'number':>12} |",
            f"|{'-' * 36}|{'-' * 13}:|",
            *(f"| {name.replace('_', ' '):34} | {_number(name, value):>12} |" for name, value in rows.items()),
            "",
            f"Target: 0 violations: {met}.",
            *(["", "What loaders said that ended by themselves, and were started again:", ""] if endings else []),
            *(f"- {times:,} times: {said}" for said, times in endings.items()),
        ]
    )


def _number(name: str, value: float) -> str:
    return str(value) if name == "seed" else f"{value:,}"


if __name__ == "__main__":
    main()
