"""How much of a long link `zakar load` fills: messages a second, share of the link, time-outs.

    python benchmarks/wan.py

Readings and posts of `classic`, as many days of them as it takes, go to an embedded nats-server through a link of
`zakar.lab.link` in a process of its own, with the settings of `zakar load` at their defaults, for 30 s each. In one
run:

- 33 ms and 20 Mbit/s up, 150 ms and 1 Mbit/s, over TCP, and by a compressed WebSocket
- 250 ms and 100 Mbit/s over TCP, against the loopback of this very run
- 33 ms whose rate drops half-way from 20 to 2 Mbit/s, or which stalls half-way for 10 s
- for comparison at 33 ms: `zakar load --mode blocking`, and the recipe of 2023 (see load.py)

The link's share is the bits of what was acknowledged, as given to the socket, over what the link carries in the seconds
of the load; these begin with a ready connection and end with the last ack, so looking, creating the streams and
finding the link's rate are in them. Steady is the same from 5 s on, until no more is sent. A load is stopped after
its time as by Ctrl-C: what is in flight is drained and counted. What others did on the machine shows in how
busy it was.

`--only CASE` measures single cases again and puts them among the kept results.
"""

import asyncio
import contextlib
import json
import math
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import nats
from common import TASKS, classic, encoded, kept, machine, parser, positive, publish, recipe_of_2023, tell

from zakar.broker import station
from zakar.broker.access import Access
from zakar.broker.connection import connected
from zakar.broker.server import ServerSettings
from zakar.broker.server import running as serving
from zakar.dataset.schema import READINGS, TWEETS, Table
from zakar.dataset.store import Dataset
from zakar.lab import preset
from zakar.lab.link import Link, Settings, running
from zakar.loader.load import Progress, load
from zakar.loader.options import LoadOptions, Mode

DAYS_A_SECOND = 320  # of a run: no way is faster than this many days' readings
RECIPE_A_SECOND = 2_000
RAMP = 5.0  # seconds until a load counts as steady
STALL = 10.0
DROP = 10.0  # times slower
QUICK, LONG = 8, 30
PRESETS = {"home": "home", "far": "slow-dsl", "fat": "continent", "loopback": "same-machine"}
LINKS = {"home": "33 ms, 20 Mbit/s", "far": "150 ms, 1 Mbit/s", "fat": "250 ms, 100 Mbit/s", "loopback": "loopback"}
TABLES = {"readings": READINGS, "posts": TWEETS}


@dataclass(frozen=True)
class Case:
    """One run: what goes over which link, how, and what happens half-way."""

    link: str
    data: str
    transport: str = "tcp"
    way: str = "load"
    trouble: str = ""

    @property
    def key(self) -> str:
        """The name in the results and on the command line."""
        return "-".join(part for part in (self.link, self.data, self.transport, self.trouble, self.way) if part)

    @property
    def label(self) -> str:
        """The name in the table."""
        way = {"load": "", "blocking": ", blocking", "recipe": f", the recipe of 2023, {TASKS} tasks"}[self.way]
        trouble = {"": "", "drop": ", 2 Mbit/s half-way", "stall": f", {STALL:g} s of stall"}[self.trouble]
        return f"{LINKS[self.link]}{trouble}: {self.data}, {self.transport}{way}"

    @property
    def settings(self) -> Settings | None:
        """The link's, None for none."""
        return preset.read(PRESETS[self.link]).settings

    @property
    def table(self) -> Table:
        """What is sent."""
        return TABLES[self.data]


CASES = [
    *(Case(link, data) for link in ("home", "far", "fat", "loopback") for data in TABLES),
    *(Case(link, data, "websocket") for link in ("home", "far", "loopback") for data in TABLES),
    *(Case("home", "readings", way, trouble=trouble) for trouble in ("drop", "stall") for way in ("tcp", "websocket")),
    Case("home", "readings", way="blocking"),
    Case("home", "readings", way="recipe"),
]
KEYS = {case.key: case for case in CASES}


@dataclass(frozen=True)
class Figures:
    """What a run gave. ``filled`` and ``steady`` are shares of the link, None where there is none to fill."""

    label: str
    messages: int
    seconds: float
    per_second: float
    machine_busy: float | None
    filled: float | None = None
    steady: float | None = None
    bytes_a_message: float | None = None
    in_flight: int = 0
    timeouts: int = 0
    retries: int = 0
    reconnects: int = 0


@dataclass(frozen=True)
class Target:
    """What was wanted, what came, and whether that will do."""

    label: str
    wanted: str
    value: str
    ok: bool


@dataclass
class Watch:
    """Follows a load: stops it after its time, makes trouble half-way, remembers how far it was when."""

    seconds: float
    stop: asyncio.Event
    trouble: Callable[[], None]
    samples: list[tuple[float, int]] = field(default_factory=list)

    def hear(self, progress: Progress) -> None:
        """Take a load's progress; the first begins the time."""
        loop = asyncio.get_running_loop()
        if not self.samples:
            loop.call_later(self.seconds, self.stop.set)
            loop.call_later(self.seconds / 2, self.trouble)
        if not self.stop.is_set():
            self.samples.append((loop.time(), progress.stored))

    @property
    def steady(self) -> float | None:
        """Messages a second once the load is past its beginning, None if it never came so far."""
        late = [sample for sample in self.samples if sample[0] >= self.samples[0][0] + RAMP]
        if len(late) < 2:
            return None
        (began, before), (ended, after) = late[0], late[-1]
        return (after - before) / (ended - began)


def main() -> None:
    """Measure and report."""
    options = parser(__doc__, rounds=False)
    options.add_argument("--seconds", type=positive, default=LONG, metavar="N", help=f"of each run (default {LONG})")
    options.add_argument("--quick", action="store_true", help=f"runs of {QUICK} s, for a first look")
    options.add_argument("--only", action="append", choices=KEYS, metavar="CASE", help=f"one of {', '.join(KEYS)}")
    options.add_argument("--note", default="", metavar="TEXT", help="what to remember about this run")
    given = options.parse_args()
    seconds = QUICK if given.quick else given.seconds
    runs: dict[str, Figures] = {}
    notes: list[str] = []
    if given.only:
        before = json.loads(kept("wan").read_text(encoding="utf-8"))
        if before["seconds_a_run"] != seconds:
            raise SystemExit(f"the kept results are of {before['seconds_a_run']} s a run: give --seconds")
        runs = {key: Figures(**figures) for key, figures in before["runs"].items()}
        notes = before["notes"]
    notes += [given.note] if given.note else []
    with tempfile.TemporaryDirectory(prefix="zakar-bench-") as name:
        tell("simulating")
        dataset = classic(Path(name) / "classic", seconds * DAYS_A_SECOND)
        for key in given.only or KEYS:
            runs[key] = _run(KEYS[key], dataset, seconds)
            tell(_row(runs[key]))
    targets = _targets(runs)
    result = {
        "seconds_a_run": seconds,
        "runs": {key: asdict(runs[key]) for key in KEYS if key in runs},
        "targets": [asdict(target) for target in targets],
        "notes": notes,
    }
    publish("wan", result, _table([runs[key] for key in KEYS if key in runs], targets, seconds, notes), given)


def _run(case: Case, dataset: Dataset, seconds: float) -> Figures:
    """Measure a case on a server of its own."""
    with serving(ServerSettings(websocket_port=0)) as server, _linked(case, server.url, server.websocket_url) as opened:
        url, link = opened
        busy = _cpu()
        if case.way == "recipe":
            figures = asyncio.run(_recipe(case, dataset, server.url, url, seconds))
        else:
            figures = asyncio.run(_load(case, dataset, url, link, seconds))
        return replace(figures, machine_busy=_busy(busy, _cpu()))


@contextlib.contextmanager
def _linked(case: Case, tcp: str, websocket: str) -> Iterator[tuple[str, Link | None]]:
    """Open the case's link, if any, to the server's address for its transport; yield where to connect to."""
    target = websocket if case.transport == "websocket" else tcp
    if case.settings is None:
        yield target, None
        return
    with running(target, case.settings) as link:
        yield link.url("ws" if case.transport == "websocket" else "nats"), link


async def _load(case: Case, dataset: Dataset, url: str, link: Link | None, seconds: float) -> Figures:
    """Load for so many seconds, or to the end of the data."""

    def trouble() -> None:
        if link is not None and case.trouble == "drop":
            link.up = replace(link.up, rate=link.up.rate / DROP)
        elif link is not None and case.trouble == "stall":
            link.stall(STALL)

    stop = asyncio.Event()
    watch = Watch(seconds, stop, trouble)
    options = LoadOptions((case.table,), mode=Mode.BLOCKING if case.way == "blocking" else Mode.AUTO)
    report = await load(dataset, Access(servers=(url,)), options, stop=stop, progress=watch.hear)
    if report.transport != case.transport:
        raise SystemExit(f"{case.key} went over {report.transport}")
    size = report.wire_bytes / max(1, report.sent)
    rate = case.settings.up.rate if case.settings else math.inf
    bits = report.acknowledged * size * 8
    known, steady = case.settings is not None, watch.steady
    return Figures(
        label=case.label,
        messages=report.acknowledged,
        seconds=round(report.seconds, 2),
        per_second=round(report.acknowledged / report.seconds, 1),
        machine_busy=None,
        filled=round(bits / _carried(case, rate, report.seconds, seconds), 3) if known else None,
        steady=round(steady * size * 8 / rate, 3) if known and steady and not case.trouble else None,
        bytes_a_message=round(size, 1),
        in_flight=report.in_flight_limit,
        timeouts=report.timeouts,
        retries=report.retries,
        reconnects=report.reconnects,
    )


def _carried(case: Case, rate: float, taken: float, seconds: float) -> float:
    """Return the bits that a case's link can carry in the ``taken`` seconds of a run of ``seconds``."""
    if case.trouble == "drop":
        return rate * (seconds / 2 + (taken - seconds / 2) / DROP)
    return rate * (taken - STALL if case.trouble == "stall" else taken)


async def _recipe(case: Case, dataset: Dataset, direct: str, url: str, seconds: float) -> Figures:
    """Publish a few messages as the participants of 2023 did."""
    payloads = encoded(dataset, case.table, int(RECIPE_A_SECOND * seconds))
    stream = station.stream_name("bench-recipe")
    async with connected(Access(servers=(direct,)), "zakar bench") as admin:
        await station.create(admin, stream, {}, max_bytes=-1)
        client = await nats.connect(url)
        began = time.perf_counter()
        await recipe_of_2023(client.jetstream(), station.subject(stream), payloads)
        taken = time.perf_counter() - began
        await client.close()
        found = await station.look(admin, stream)
    if found is None or found.messages != len(payloads):
        raise SystemExit(f"`{stream}` should hold {len(payloads):,} messages: {found}")
    return Figures(case.label, len(payloads), round(taken, 2), round(len(payloads) / taken, 1), None, in_flight=TASKS)


def _cpu() -> list[int]:
    """Return what the machine's cores did so far, as Linux counts it; nothing elsewhere."""
    with contextlib.suppress(OSError):
        return [int(word) for word in Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()[1:9]]
    return []


def _busy(before: list[int], after: list[int]) -> float | None:
    """Return the share of the machine's time that was not idle, None where it is not known."""
    spent = [late - early for early, late in zip(before, after, strict=True)]
    return round(1 - (spent[3] + spent[4]) / sum(spent), 2) if sum(spent) else None


def _targets(runs: dict[str, Figures]) -> list[Target]:
    """Hold the runs against what is wanted of them, as far as they were made."""
    found: list[Target] = []

    def have(*cases: Case) -> bool:
        return all(case.key in runs for case in cases)

    for link in ("home", "far"):
        for data in TABLES:
            tcp, websocket = Case(link, data), Case(link, data, "websocket")
            if have(tcp):
                filled = runs[tcp.key].filled or 0.0
                found.append(
                    Target(f"{LINKS[link]}: {data}, tcp, of the link", "95 %", f"{filled:.1%}", filled >= 0.95)
                )
            if have(tcp, websocket):
                times, least = runs[websocket.key].per_second / runs[tcp.key].per_second, {"readings": 8, "posts": 3}
                label = f"{LINKS[link]}: {data}, websocket / tcp"
                found.append(Target(label, f"{least[data]}x", f"{times:.1f}x", times >= least[data]))
    for data in TABLES:
        fat, loopback = Case("fat", data), Case("loopback", data)
        if have(fat, loopback) and fat.settings is not None:
            most = fat.settings.up.rate / 8 / (runs[fat.key].bytes_a_message or math.inf)
            which = "link" if most < runs[loopback.key].per_second else "loopback"
            share = runs[fat.key].per_second / min(most, runs[loopback.key].per_second)
            found.append(Target(f"{LINKS['fat']}: {data}, tcp, of the {which}", "80 %", f"{share:.1%}", share >= 0.8))
    for label, troubles in (("without trouble", [""]), ("rate drops tenfold", ["drop"]), ("10 s of stall", ["stall"])):
        late = [
            runs[case.key].timeouts for case in CASES if have(case) and case.way == "load" and case.trouble in troubles
        ]
        if late:
            found.append(Target(f"time-outs, {label}, {len(late)} runs", "0", f"{sum(late):,}", not sum(late)))
    return found


def _table(runs: list[Figures], targets: list[Target], seconds: float, notes: list[str]) -> str:
    """Return the results in Markdown, to be read on a terminal as well."""
    wide = max(len(figures.label) for figures in runs)
    columns = "a second | of link | steady | B/message | in flight | time-outs | retries | busy |"
    head = f"| {'link: data, way':{wide}} | {columns}"
    goals = max([len(target.label) for target in targets] or [1])
    return "\n".join(
        [
            f"{machine()}; {seconds:g} s a run.",
            "",
            head,
            "|"
            + "|".join(
                "-" * (len(cell) - (number > 0)) + ":" * (number > 0) for number, cell in enumerate(_cells(head))
            )
            + "|",
            *(_row(figures, wide) for figures in runs),
            "",
            f"| {'target':{goals}} | wanted | {'came':>7} |        |",
            f"|{'-' * (goals + 2)}|-------:|--------:|--------|",
            *(
                f"| {target.label:{goals}} | {target.wanted:>6} | {target.value:>7} "
                f"| {'met' if target.ok else 'MISSED':6} |"
                for target in targets
            ),
            *(["", *(f"- {note}" for note in notes)] if notes else []),
        ]
    )


def _cells(row: str) -> list[str]:
    return row.strip("|").split("|")


def _row(figures: Figures, wide: int = 0) -> str:
    """Return a run's line of the table."""

    def share(value: float | None) -> str:
        return "" if value is None else f"{value:.1%}"

    size = "" if figures.bytes_a_message is None else f"{figures.bytes_a_message:,.1f}"
    busy = "" if figures.machine_busy is None else f"{figures.machine_busy:.0%}"
    return (
        f"| {figures.label:{wide}} | {figures.per_second:>8,.0f} | {share(figures.filled):>7} "
        f"| {share(figures.steady):>6} | {size:>9} | {figures.in_flight:>9,} | {figures.timeouts:>9,} "
        f"| {figures.retries:>7,} | {busy:>4} |"
    )


if __name__ == "__main__":
    main()
