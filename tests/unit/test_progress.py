"""Whoever waits sees how far the work is, on standard error alone."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from making import ROOT, edit_manifest, simulated, small_island
from terminals import TERMINALS, at_a_terminal, last_drawn, zakar

from zakar.__main__ import main
from zakar.cli import common
from zakar.dataset import store
from zakar.dataset.days import first
from zakar.loader import partition
from zakar.progress import counted

SAMPLE = str(ROOT / "data" / "sample")
READ = r"\d{1,3},\d{3}"  # rows, of which nobody knows how many there will be

# What waits without a broker, in a folder with two datasets; and each of its meters: what it says first, and how it
# ends.
COMMANDS = {
    "simulate tiny --days 20 --out made": {"simulating days": "100 %"},
    f"report {SAMPLE} --with-truth --out page.html": {"reading rows": READ},
    f"publish {SAMPLE} --out made": {"copying rows, then comparing them": "100 %"},
    "check sample": {"comparing rows": "100 %"},
    "check sample --json": {"comparing rows": "100 %"},
    "check judged": {"comparing rows": "100 %", "measuring, steps": "100 %"},
    "check island": {"comparing rows": "100 %", "measuring, steps": "100 %"},
    "check unchecked": {"comparing rows": "100 %", "measuring, steps": "100 %"},  # which measures the baselines
    "report island --out page.html": {"reading rows": READ},
    "publish island --split holdout --out made": {"copying rows, then comparing them": "100 %"},
}


@pytest.fixture(scope="module")
def island(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("progress") / "island"
    simulated(out, small_island())
    return out


@pytest.fixture
def folder(island: Path, tmp_path: Path) -> Path:
    """A folder with the sample and an island's dataset, and copies that ask for the checks of 2023, and for none."""
    for name in ("sample", "judged"):
        shutil.copytree(SAMPLE, tmp_path / name)
    edit_manifest(tmp_path / "judged", lambda values: values["scenario"].update(checks="classic"))
    shutil.copytree(island, tmp_path / "island")
    shutil.copytree(island, tmp_path / "unchecked")
    edit_manifest(tmp_path / "unchecked", lambda values: values["scenario"].update(checks="none"))
    return tmp_path


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a line be told each time that something is done, and not every few seconds alone."""
    monkeypatch.setattr(common, "_PLAIN_SECONDS", 0.0)


@pytest.mark.slow
@pytest.mark.parametrize("words", COMMANDS if TERMINALS else [])
def test_a_command_that_waits_draws_a_meter_on_a_terminal_and_says_nothing_else_on_standard_output(
    words: str, folder: Path
):
    command = zakar(*words.split())
    code, output, shown = at_a_terminal(command, folder)
    for label, ending in COMMANDS[words].items():
        assert re.search(ending, last_drawn(shown, label)), shown
    shutil.rmtree(folder / "made", ignore_errors=True)
    piped = subprocess.run(command, capture_output=True, check=False, cwd=folder)
    assert (code, output) == (piped.returncode, piped.stdout)
    assert b"\x1b" not in piped.stderr


@pytest.mark.parametrize("words", COMMANDS)
def test_where_there_is_no_terminal_a_line_says_how_far_it_is(
    words: str, folder: Path, often: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(folder)
    monkeypatch.setattr("sys.argv", ["zakar", *words.split()])
    with pytest.raises(SystemExit):
        main()
    said = capsys.readouterr()
    for label, ending in COMMANDS[words].items():
        lines = [line for line in said.err.splitlines() if line.startswith(f"{label}: ")]
        shown = [[int(n.replace(",", "")) for n in re.findall(r"[\d,]*\d", line)[:2]] for line in lines]
        assert len(shown) > 1
        assert shown == sorted(shown)  # it only grows,
        assert ending == READ or shown[-1][0] == shown[-1][1]  # and ends where it said
        assert label not in said.out


def test_what_is_soon_done_says_nothing_where_there_is_no_terminal(folder: Path):
    done = subprocess.run(zakar("publish", "sample", "--out", "made"), capture_output=True, check=True, cwd=folder)
    assert b" of " not in done.stderr.partition(b"records of")[0]


@pytest.mark.parametrize("words", ["report sample --out page.html"] if TERMINALS else [])
def test_a_terminal_that_cannot_draw_anew_gets_lines(words: str, folder: Path):
    _, _, shown = at_a_terminal(zakar(*words.split()), folder, TERM="dumb")
    assert "\x1b" not in shown
    assert "reading rows" not in shown  # of which none is due yet


# What is told, of what is read.


def test_each_row_that_is_read_is_told_once_of_a_table_in_parts_of_several_days():
    told: list[tuple[int, int | None, str]] = []
    dataset = store.open_dataset(SAMPLE)
    watched = store.watched(dataset, counted(lambda *values: told.append(values), None))
    for table in dataset.tables:
        partition.shares(watched, table, 3)
    assert told[-1][:2] == (dataset.manifest.records, None)


def test_the_first_days_tell_what_they_read_and_keep_nothing_of_whom_they_told():
    told: list[tuple[str, int]] = []
    dataset = store.open_dataset(SAMPLE)
    shorter = first(dataset, 30, lambda *values: told.append(values))
    assert sum(rows for _, rows in told) == shorter.manifest.records
    assert (shorter.progress, shorter.whole.progress) == (dataset.progress, dataset.progress)


def test_a_dataset_of_its_first_days_is_watched_whole():
    told: list[tuple[str, int]] = []
    shorter = store.watched(first(store.open_dataset(SAMPLE), 30), lambda *values: told.append(values))
    partition.shares(shorter.whole, shorter.tables[0], 2)
    assert told == [(shorter.tables[0].name, shorter.whole.manifest.tables[shorter.tables[0].name].rows)]
