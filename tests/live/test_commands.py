"""The commands that talk to a server, as a user types them."""

import asyncio
import dataclasses
import json
import os
import re
import signal
import struct
import subprocess
import sys
from pathlib import Path

import msgspec
import nats.errors
import pytest
from helpers import clean, free_port, started, until, zakar

from zakar.__main__ import main
from zakar.broker import reader, station
from zakar.broker.server import Server, ServerSettings, running
from zakar.dataset import store
from zakar.dataset.schema import PUBLIC
from zakar.dataset.store import Dataset
from zakar.errors import ServerError


def test_the_demo_proves_that_every_message_is_there(tmp_path: Path):
    done = zakar("demo", "tiny", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["ok"] is True
    assert report["records"] == 19_220
    assert set(report) >= {"simulate_seconds", "load_seconds", "verify_seconds", "messages_per_second"}


@pytest.mark.slow
def test_the_demo_can_be_run_again_and_says_what_to_try_next(tmp_path: Path):
    for _ in range(2):
        done = zakar("demo", "tiny", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    assert "every message is there once and in order" in done.stderr
    assert "Three things to try next" in done.stderr
    assert (tmp_path / "data" / "demo-tiny" / "manifest.json").is_file()


def test_load_and_verify_print_the_promised_keys_and_nothing_else(sample: Dataset, broker: Server):
    where = str(sample.root)
    loaded = json.loads(zakar("load", where, "--server", broker.url, "--json").stdout)
    assert set(loaded) >= {
        "records", "sent", "acknowledged", "already_stored", "seconds", "messages_per_second", "timeouts", "retries",
        "reconnects", "mode", "transport", "wire_bytes", "in_flight_limit", "stations",
    }  # fmt: skip
    assert set(loaded["stations"]) == {table.station for table in PUBLIC}
    assert all(set(report) >= {"records", "sent", "partitions"} for report in loaded["stations"].values())
    assert loaded["wire_bytes"] > sum(entry.wire_bytes for entry in sample.manifest.tables.values())
    verified = json.loads(zakar("verify", where, "--server", broker.url, "--json").stdout)
    assert verified["ok"] is True
    assert all(
        set(report) >= {"expected", "stored", "missing", "duplicates", "out_of_order", "different"}
        for report in verified["stations"].values()
    )


def test_loading_again_says_that_nothing_was_sent(sample: Dataset, broker: Server):
    zakar("load", str(sample.root), "--server", broker.url)
    again = zakar("load", str(sample.root), "--server", broker.url)
    assert again.returncode == 0
    assert "nothing was sent" in again.stderr


def test_verify_of_an_empty_broker_exits_1_with_what_to_do(sample: Dataset, broker: Server):
    done = zakar("verify", str(sample.root), "--server", broker.url)
    assert done.returncode == 1
    assert "load again" in done.stderr
    assert "Traceback" not in done.stderr


def test_load_refuses_another_dataset_with_exit_1(sample: Dataset, other: Dataset, broker: Server):
    zakar("load", str(other.root), "--server", broker.url)
    done = zakar("load", str(sample.root), "--server", broker.url)
    assert done.returncode == 1
    assert "--recreate" in done.stderr
    assert zakar("load", str(sample.root), "--server", broker.url, "--recreate").returncode == 0


def test_simulate_and_check_print_the_promised_keys(tmp_path: Path):
    out = tmp_path / "dataset"
    made = json.loads(zakar("simulate", "tiny", "--out", str(out), "--json").stdout)
    assert set(made) >= {"dataset", "scenario", "seed", "records", "tables", "holdout", "seconds", "fingerprint"}
    assert made["records"] == sum(table["rows"] for table in made["tables"].values())
    checked = json.loads(zakar("check", str(out), "--json").stdout)
    assert checked["ok"] is True
    assert all(set(c) >= {"id", "name", "value", "low", "high", "ok", "source"} for c in checked["checks"])


def test_a_dry_run_writes_nothing(tmp_path: Path):
    done = zakar("simulate", "classic", "--out", str(tmp_path / "x"), "--dry-run", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["days"] == 2_549
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_check_of_a_damaged_dataset_exits_1_and_names_the_file(tmp_path: Path):
    out = tmp_path / "dataset"
    zakar("simulate", "tiny", "--out", str(out))
    path = out / "public" / "tweets" / "part-00000.parquet"
    path.write_bytes(path.read_bytes()[:1_000])
    for command in ("check", "load", "verify"):
        done = zakar(command, str(out))
        assert done.returncode == 1
        assert "part-00000.parquet" in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["load", "verify"])
def test_a_server_that_is_down_exits_3(sample: Dataset, command: str):
    done = zakar(command, str(sample.root), "--server", f"nats://127.0.0.1:{free_port()}")
    assert done.returncode == 3
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    "words",
    [
        ["load", "nowhere"],
        ["load", "{sample}", "--tables", "tweet"],
        ["load", "{sample}", "--in-flight", "0"],
        ["load", "{sample}", "--mode", "fast"],
        ["verify", "{sample}", "--server", "ftp://x"],
        ["verify", "{sample}", "--server", "nats://[::1"],
        ["load", "{sample}", "--server", "nats://[::1"],
        ["load", "{sample}", "--server", "nats://127.0.0.1", "--server", "nats://[::1", "--transport", "websocket"],
        ["load", "{sample}", "--dry-run", "--server", "nats://[::1"],
        ["doctor", "--server", "nats://[::1"],
        ["consume", "zakar-tweets", "--limit", "0"],
        ["broker", "--user", "ana"],
        ["broker", "--listen", "0.0.0.0"],
        ["consume", "zakar fire"],
        ["consume", "a.b"],
        ["load", "{sample}", "--nkey", "{sample}/README.md"],
        ["load", "{sample}", "--creds", "{sample}/README.md"],
        ["simulate", "clasic", "--out", "x"],
        ["simulate", "tiny", "--out", "x", "--days", "0"],
        ["simulate", "tiny", "--out", "x", "--days", "many"],
        ["simulate", "tiny", "--out", "x", "--seed", "-1"],
        ["simulate", "tiny", "--out", "x", "--workers", "0"],
        ["simulate", "tiny", "--out", "{sample}"],
        ["simulate", "tiny"],
        ["check", "nowhere"],
        ["demo", "nowhere.toml"],
    ],
)
def test_bad_usage_exits_2_without_a_traceback(
    sample: Dataset,
    words: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
):
    monkeypatch.setattr("sys.argv", ["zakar", *(word.format(sample=sample.root) for word in words)])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as exit_:
        main()
    assert exit_.value.code == 2
    assert capsys.readouterr().err.strip()
    assert list(tmp_path.iterdir()) == []


def test_consume_writes_a_station_as_json_lines(sample: Dataset, broker: Server, tmp_path: Path):
    zakar("load", str(sample.root), "--server", broker.url)
    everything = tmp_path / "alerts.jsonl"
    assert zakar("consume", "zakar-fire-alerts", "--server", broker.url, "--out", str(everything)).returncode == 0
    rows = [json.loads(line) for line in everything.read_text(encoding="utf-8").splitlines()]
    assert len(rows) == sample.manifest.tables["fire_alerts"].rows
    assert list(rows[0]) == ["event_day", "notification_day", "geospatial_x", "geospatial_y"]
    few = zakar("consume", "zakar-fire-alerts", "--server", broker.url, "--limit", "5")
    assert [json.loads(line) for line in few.stdout.splitlines()] == rows[:5]


def test_an_empty_station_has_no_lines_and_an_unknown_one_exits_1(sample: Dataset, broker: Server):
    zakar("load", str(sample.root), "--server", broker.url)
    empty = zakar("consume", "zakar-fire-predictions", "--server", broker.url)
    assert (empty.returncode, empty.stdout) == (0, "")
    unknown = zakar("consume", "zakar-tweet", "--server", broker.url)
    assert unknown.returncode == 1
    assert "no station `zakar-tweet`" in unknown.stderr


@pytest.fixture
def loaded(sample: Dataset, broker: Server) -> Server:
    """A broker with the sample in it."""
    assert zakar("load", str(sample.root), "--server", broker.url).returncode == 0
    return broker


@pytest.mark.parametrize("station_name", ["zakar-none", "zakar-fire-alerts"])
def test_a_consume_that_fails_leaves_the_file_that_was_there_and_no_other(
    loaded: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, station_name: str
):
    async def read_station(*_: object):
        yield [b"{}"]
        raise ServerError("gone")

    monkeypatch.setattr(reader, "read_station", read_station)
    out = tmp_path / "alerts.jsonl"
    out.write_bytes(b"what was there")
    monkeypatch.setattr("sys.argv", ["zakar", "consume", station_name, "-s", loaded.url, "--out", str(out)])
    with pytest.raises(SystemExit) as exit_:
        main()
    assert exit_.value.code != 0
    assert out.read_bytes() == b"what was there"
    assert list(tmp_path.iterdir()) == [out]


def test_an_interrupted_consume_leaves_the_file_that_was_there_and_no_other(loaded: Server, tmp_path: Path):
    async def waits_for_ever(*_: object):
        yield [b"{}"]
        signal.raise_signal(signal.SIGINT)
        await asyncio.Event().wait()

    out = tmp_path / "alerts.jsonl"
    out.write_bytes(b"what was there")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader, "read_station", waits_for_ever)
        patch.setattr("sys.argv", ["zakar", "consume", "zakar-fire-alerts", "-s", loaded.url, "--out", str(out)])
        with pytest.raises(SystemExit) as exit_:
            main()
    assert exit_.value.code == 130
    assert out.read_bytes() == b"what was there"
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_consume_replaces_what_a_link_leads_to(loaded: Server, tmp_path: Path):
    (tmp_path / "real").write_bytes(b"what was there, and more of it than one alert")
    (tmp_path / "link").symlink_to("real")
    words = ("consume", "zakar-fire-alerts", "--server", loaded.url, "--limit", "1")
    assert zakar(*words, "--out", str(tmp_path / "link")).returncode == 0
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text(encoding="utf-8") == zakar(*words).stdout
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="no such files there")
@pytest.mark.slow
def test_consume_writes_into_devices_pipes_and_files_that_are_open_already(loaded: Server, tmp_path: Path):
    words = ("consume", "zakar-fire-alerts", "--server", loaded.url, "--limit", "1", "--out")
    said = zakar(*words, "/dev/stdout").stdout
    assert len(said.splitlines()) == 1
    assert (zakar(*words, "/dev/null").returncode, Path("/dev/null").is_char_device()) == (0, True)
    os.mkfifo(tmp_path / "fifo")
    process = started(*words, str(tmp_path / "fifo"))
    assert (tmp_path / "fifo").read_text(encoding="utf-8") == said
    assert process.communicate()[1] == b""
    assert (tmp_path / "fifo").is_fifo()
    with (tmp_path / "file").open("w+", encoding="utf-8") as file:
        subprocess.run([sys.executable, "-m", "zakar", *words, "/dev/stdout"], check=True, env=clean(), stdout=file)
        assert file.read() == said
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="no pipe of the shell there")
def test_a_consume_whose_reader_has_seen_enough_ends_well(loaded: Server):
    process = started("consume", "zakar-temperature-readings", "--server", loaded.url)
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr is not None
    with process.stderr:
        assert (process.wait(60), process.stderr.read()) == (0, b"")


@pytest.mark.skipif(sys.platform == "win32", reason="no Ctrl-C for one process alone there")
@pytest.mark.parametrize("presses", [1, 2])
def test_a_consume_whose_reader_pauses_can_be_interrupted(loaded: Server, presses: int):
    import fcntl
    import termios

    process = started("consume", "zakar-temperature-readings", "--server", loaded.url)
    assert process.stdout is not None
    waiting = 0

    async def full() -> bool:
        nonlocal waiting
        before, (waiting,) = waiting, struct.unpack("i", fcntl.ioctl(process.stdout, termios.FIONREAD, b"    "))
        await asyncio.sleep(0.2)
        return waiting == before > 0

    try:
        asyncio.run(until(full))
        for _ in range(presses):
            process.send_signal(signal.SIGINT)
        process.wait(60)
        _, errors = process.communicate()
        assert process.returncode == 130
        assert b"Traceback" not in errors
        assert b"Fatal" not in errors
    finally:
        process.kill()


@pytest.mark.parametrize("problem", [BrokenPipeError("the connection was lost"), nats.errors.TimeoutError()])
@pytest.mark.parametrize(
    "words",
    [
        ["verify", "{sample}"],
        ["consume", "zakar-tweets"],
        ["consume", "zakar-tweets", "--out", "x"],
        ["consume", "zakar-tweets", "--out", "x", "--format", "parquet"],
    ],
)
def test_a_connection_that_is_lost_while_looking_exits_3_and_names_the_server(
    sample: Dataset,
    broker: Server,
    words: list[str],
    problem: Exception,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
):
    async def partitions(*_: object) -> None:
        raise problem

    monkeypatch.setattr(station, "partitions", partitions)
    monkeypatch.setattr("sys.argv", ["zakar", *(w.format(sample=sample.root) for w in words), "-s", broker.url])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as exit_:
        main()
    assert exit_.value.code == 3
    assert f"{broker.url}: reading `zakar-tweets` failed: {problem}" in " ".join(capfd.readouterr().err.split())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is always full is Linux's")
def test_a_sink_that_takes_nothing_exits_2_and_is_named(sample: Dataset, broker: Server):
    zakar("load", str(sample.root), "--server", broker.url)
    done = zakar("consume", "zakar-fire-alerts", "--server", broker.url, "--out", "/dev/full")
    assert done.returncode == 2
    assert "/dev/full: cannot be written: No space left" in done.stderr


@pytest.mark.parametrize("command", ["check", "load", "verify", "doctor"])
def test_the_secrets_of_a_datasets_url_are_never_printed(
    sample: Dataset,
    command: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
):
    manifest = msgspec.structs.replace(sample.manifest, scenario={"checks": "foreign"})
    monkeypatch.setattr(store, "open_dataset", lambda *_: dataclasses.replace(sample, manifest=manifest))
    team = "users: [{user: ana, password: pw}], jetstream { max_mem: 1MB, max_file: 5MB }"
    with running(ServerSettings(extra=f"accounts {{ team {{ {team} }} }}")) as server:
        words = [command, "s3://KEY:SECRET@bucket/x?region=HIDDEN"]
        words += [] if command == "check" else ["-s", server.url, "--user", "ana", "--password", "pw"]
        words += ["--dry-run"] if command == "load" else []
        monkeypatch.setattr("sys.argv", ["zakar", *words])
        with pytest.raises(SystemExit) as exit_:
            main()
    said = "".join(capfd.readouterr())
    assert exit_.value.code == 1, said
    assert "s3://bucket/x: " in said
    assert not re.search("KEY|SECRET|HIDDEN", said)


@pytest.mark.parametrize("option", ["--rate", "--ack-timeout", "--give-up-after"])
def test_a_number_without_end_is_refused_before_anything_is_done(sample: Dataset, option: str):
    done = zakar("load", str(sample.root), "--server", "nats://127.0.0.1:1", "--recreate", option, "inf")
    assert (done.returncode, "Traceback" in done.stderr) == (2, False), done.stderr
    assert f"{option} inf: give a number" in done.stderr
