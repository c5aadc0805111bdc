"""What is to be predicted is not handed out: held-out days are loaded, verified and looked at without their alerts."""

import asyncio
import json
import re
import shlex
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from helpers import publisher, zakar
from making import small_island

from zakar.broker import station
from zakar.broker.access import Access
from zakar.broker.server import Server
from zakar.dataset import store
from zakar.dataset.layout import Split
from zakar.models import scenario_files
from zakar.simulation.run import simulate

OPEN = {"zakar-tweets", "zakar-temperature-readings"}


@pytest.fixture(scope="module")
def island(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some days of a small island, and some more held out, alerts among them."""
    out = tmp_path_factory.mktemp("island") / "dataset"
    with ThreadPoolExecutor(1) as executor:
        simulate(small_island(), scenario_files.find("island"), out, executor, key=b"0123456789abcdef" * 2)
    assert store.open_dataset(str(out), Split.HOLDOUT).manifest.tables["fire_alerts"].rows > 0
    return out


def command(broker: Server, name: str, *words: str) -> "tuple[int, dict[str, object], str]":
    done = zakar(name, *words, "--server", broker.url, "--json")
    assert "Traceback" not in done.stderr
    return done.returncode, json.loads(done.stdout or "{}"), done.stderr


def test_a_load_of_held_out_days_leaves_no_alert_anywhere_on_the_broker(island: Path, broker: Server) -> None:
    code, report, _ = command(broker, "load", str(island), "--split", "holdout")
    assert code == 0
    assert report["left_out"] == {"fire_alerts": 0}
    assert set(report["stations"]) == OPEN
    _, found, _ = command(broker, "doctor")
    assert found["account"]["streams"] == 3  # posts, readings, and an empty one for predictions
    consumed = zakar("consume", "zakar-fire-alerts", "--server", broker.url)
    assert (consumed.returncode, consumed.stdout) == (1, "")
    for name in OPEN:
        lines = zakar("consume", name, "--server", broker.url).stdout.splitlines()
        assert len(lines) == report["stations"][name]["records"] > 0
        assert "notification_day" not in lines[0]


@pytest.mark.slow
def test_load_says_in_a_line_what_it_left_out_and_so_do_dry_run_doctor_and_verify(island: Path, broker: Server) -> None:
    held = ("--split", "holdout", "--server", broker.url)
    said = "left out: fire_alerts, which is to be predicted; --with-alerts is for those too"
    for words in (("load", "--dry-run"), ("doctor",), ("load",), ("verify",)):
        done = zakar(words[0], str(island), *words[1:], *held)
        assert done.returncode == 0, done.stderr
        assert said in (done.stdout + done.stderr).splitlines(), words
        assert "fire-alerts  " not in done.stdout, words


@pytest.mark.slow
def test_dry_run_and_doctor_plan_what_the_load_does(island: Path, broker: Server) -> None:
    held = (str(island), "--split", "holdout")
    _, rehearsed, _ = command(broker, "load", *held, "--dry-run")
    _, looked, _ = command(broker, "doctor", *held)
    _, loaded, _ = command(broker, "load", *held)
    for plan in (rehearsed, looked):
        assert {name: o["sends"] for name, o in plan["stations"].items()} == {
            **{name: o["sent"] for name, o in loaded["stations"].items()},
            "zakar-fire-predictions": 0,
        }
        assert plan["left_out"] == {"fire_alerts": 0}


def test_alerts_are_loaded_by_an_option_that_says_so_later_too(island: Path, broker: Server) -> None:
    held = (str(island), "--split", "holdout")
    assert command(broker, "load", *held)[0] == 0
    code, verified, _ = command(broker, "verify", *held, "--with-alerts")
    assert code == 1  # they are not there yet
    assert verified["stations"]["zakar-fire-alerts"]["stored"] == 0
    code, report, _ = command(broker, "load", *held, "--with-alerts")
    rows = store.open_dataset(str(island), Split.HOLDOUT).manifest.tables["fire_alerts"].rows
    assert (code, report["sent"], report["left_out"]) == (0, rows, {})
    assert command(broker, "verify", *held, "--with-alerts")[0] == 0


@pytest.mark.slow
def test_verify_compares_answers_that_were_loaded_and_warns_of_them(island: Path, broker: Server) -> None:
    held = (str(island), "--split", "holdout")
    assert command(broker, "load", *held, "--with-alerts")[0] == 0
    rows = store.open_dataset(str(island), Split.HOLDOUT).manifest.tables["fire_alerts"].rows
    code, verified, _ = command(broker, "verify", *held)
    assert (code, verified["left_out"]) == (0, {"fire_alerts": rows})
    assert verified["stations"]["zakar-fire-alerts"]["stored"] == rows
    for name in ("load", "verify", "doctor"):
        done = zakar(name, *held, "--server", broker.url)
        assert done.returncode == 0
        assert f"`zakar-fire-alerts` holds {rows:,} messages" in done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("partitions", [1, 3])
def test_the_command_that_is_said_deletes_a_station_left_over_whole(
    island: Path, broker: Server, partitions: int
) -> None:
    held = (str(island), "--split", "holdout")
    assert command(broker, "load", *held, "--with-alerts", "--partitions", str(partitions))[0] == 0
    whole = [f"zakar-fire-alerts${number}" for number in range(1, partitions + 1)]
    for name in ("load", "verify", "doctor"):
        done = zakar(name, *held, "--server", broker.url)
        (said,) = re.findall("answers: `(.*)` deletes it", done.stdout + done.stderr)
        assert said == " && ".join(f"nats stream rm '{stream}'" for stream in whole)
    asyncio.run(_deleted(broker, shlex.split(said)[3::5]))
    assert zakar("consume", "zakar-fire-alerts", "--server", broker.url).returncode == 1
    assert command(broker, "verify", *held)[1]["left_out"] == {"fire_alerts": 0}


async def _deleted(broker: Server, streams: list[str]) -> None:
    async with publisher(Access((broker.url,))) as connection:
        for stream in streams:
            await station.delete(connection, stream)


def test_verify_tells_answers_that_are_others(island: Path, broker: Server) -> None:
    assert command(broker, "load", str(island), "--tables", "fire_alerts")[0] == 0  # those of the released days
    assert command(broker, "load", str(island), "--split", "holdout")[0] == 0
    code, verified, said = command(broker, "verify", str(island), "--split", "holdout")
    assert (code, verified["stations"]["zakar-fire-alerts"]["different"] > 0) == (1, True)
    assert "zakar-fire-alerts" in said


@pytest.mark.slow
@pytest.mark.parametrize("name", ["load", "verify"])
@pytest.mark.parametrize("tables", ["fire_alerts", "tweets,fire_alerts"])
def test_answers_named_as_tables_need_the_option_too(island: Path, broker: Server, name: str, tables: str) -> None:
    done = zakar(name, str(island), "--split", "holdout", "--tables", tables, "--server", broker.url)
    assert done.returncode == 2
    assert "--with-alerts" in done.stderr
    assert command(broker, "doctor")[1]["account"]["streams"] == 0
    tables = ("--tables", tables, "--with-alerts")
    assert command(broker, "load", str(island), "--split", "holdout", *tables)[0] == 0


@pytest.mark.parametrize("name", ["load", "verify", "doctor"])
def test_the_option_is_of_no_use_for_released_days_and_says_so(island: Path, broker: Server, name: str) -> None:
    done = zakar(name, str(island), "--with-alerts", "--server", broker.url)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "released ones have their alerts" in done.stderr


def test_a_station_does_not_tell_who_guesses_the_answers_that_he_is_right(island: Path, tmp_path: Path) -> None:
    """The mark on a station is the same whatever the alerts are."""
    other = Path(shutil.copytree(island, tmp_path / "other"))
    path = other / "private" / "manifest.json"
    values = json.loads(path.read_bytes())
    values["holdout"]["fire_alerts"]["sha256"] = "0" * 64
    path.write_text(json.dumps(values), encoding="utf-8")
    one, two = (store.open_dataset(str(folder), Split.HOLDOUT).manifest.fingerprint for folder in (island, other))
    assert one == two != values["holdout_fingerprint"]


@pytest.fixture(scope="module")
def handed_out(island: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("handed-out") / "dataset"
    done = zakar("publish", str(island), "--split", "holdout", "--out", str(out))
    assert done.returncode == 0, done.stderr
    return out


@pytest.mark.slow
def test_what_is_handed_out_is_loaded_and_verified_without_the_rest(
    handed_out: Path, island: Path, broker: Server
) -> None:
    code, report, _ = command(broker, "load", str(handed_out))
    assert (code, set(report["stations"]), report["left_out"]) == (0, OPEN, {"fire_alerts": 0})
    assert command(broker, "verify", str(handed_out))[0] == 0
    assert command(broker, "verify", str(handed_out), "--split", "holdout")[0] == 0
    said = zakar("load", str(handed_out), "--server", broker.url).stderr
    assert "left out: fire_alerts, which is to be predicted; it was not handed out" in said
    for words in (["--with-alerts"], ["--tables", "fire_alerts"]):
        done = zakar("load", str(handed_out), "--server", broker.url, *words)
        assert (done.returncode, "handed out" in done.stderr) == (2, True)
    assert command(broker, "verify", str(island))[0] == 1  # of the released days


@pytest.mark.slow
def test_either_may_go_on_with_what_the_other_has_loaded(handed_out: Path, island: Path, broker: Server) -> None:
    one, two = (str(handed_out),), (str(island), "--split", "holdout")
    assert command(broker, "load", *one, "--tables", "tweets")[0] == 0
    code, report, _ = command(broker, "load", *two)
    tweets = store.open_dataset(str(handed_out)).manifest.tables["tweets"].rows
    assert (code, report["already_stored"]) == (0, tweets)
    code, report, _ = command(broker, "load", *one)
    assert (code, report["sent"]) == (0, 0)
    for words in (one, two):
        assert command(broker, "verify", *words)[0] == 0
    assert command(broker, "load", *two, "--with-alerts")[0] == 0
    assert command(broker, "verify", *one)[0] == 0  # of alerts it knows nothing, and says so
    assert "`zakar-fire-alerts` holds" in zakar("verify", *one, "--server", broker.url).stderr
