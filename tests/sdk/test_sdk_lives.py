"""Stations, producers and consumers of the Memphis SDK for Python come, go, and outlive servers and responders."""

import contextlib
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import stock
from clients import HERE, Broker, broking, called, run
from helpers import free_port, started

from zakar.broker.server import Server, ServerSettings, running, stop

pytestmark = pytest.mark.slow

NOBODY = "memphis: no responders available for request"


def _stop(server: Server) -> None:
    """Stop a server in order; to fetches that are under way it says that nobody answers."""
    stop(server.process)


def _kill(server: Server) -> None:
    """Kill a server without any warning."""
    for nats_server in psutil.Process(server.process.pid).children():
        nats_server.kill()


def test_a_consumer_that_is_destroyed_takes_its_durable_along_and_no_other(sdk, broker):
    sdk("destroy", station="left")
    assert list(stock.consumers(broker.access, "left$1")) == ["staying"]


def test_a_station_that_is_destroyed_is_gone_with_its_partitions_and_may_be_destroyed_again(sdk, broker):
    sdk("station", name="Razed.One", partitions_number=3)
    destroyed, fetched, again = sdk("raze", station="Razed.One")
    assert (destroyed, again) == ("", "")
    assert "ServiceUnavailableError" in fetched
    assert not [name for name in stock.streams(broker.access) if name.startswith("razed#one$")]


def test_a_bad_name_is_refused_in_the_words_of_memphis(sdk):
    rule = "memphis: Only alphanumeric and the '_', '-', '.' characters are allowed in "
    assert sdk("misname", name="bad name!") == [rule + what for what in ("Station", "Producer", "Consumer")]


def test_a_user_of_any_account_gets_in_and_nobody_with_another_password(python, broker):
    for account in (1, 7):
        assert called(_station(python, broker.words), {"name": f"of-{account}"}, account_id=account)
    done = run([*_station(python, replace(broker, password="wrong").words), "{}"])
    assert done.returncode == 1
    assert "'Authorization Violation'" in done.stderr


def test_a_token_gets_in(python):
    with broking("--token", "s3cret") as where:
        assert called(_station(python, replace(where, user="", password="s3cret").words), {"name": "a"}) == ["a", "a"]


def test_200_programs_at_once_are_served(sdk):
    seconds = sdk("crowd", clients=200, stations=20)
    assert len(seconds) == 200


@pytest.mark.parametrize(("end", "way"), [(_stop, "fetch"), (_kill, "fetch"), (_kill, "consume")])
def test_a_server_that_goes_and_returns_loses_nothing_that_was_acknowledged(enduring, tmp_path, end, way):
    where = Broker("127.0.0.1", free_port())
    with contextlib.ExitStack() as stack:
        with serving(where, tmp_path) as server:
            stack.enter_context(responding(where))
            tell = enduring(where, "kept", way)
            assert tell("ask") == ["", ""]
            time.sleep(1)
            end(server)
        time.sleep(1)
        stack.enter_context(serving(where, tmp_path))
        while tell("ask") != ["", ""]:
            time.sleep(0.2)
        time.sleep(1)
        result = tell("end")
        stored = {int(message.payload) for message in stock.read(where.access, "kept$1")}
    assert result["left"] == ""
    assert stored.issuperset(result["acknowledged"])
    assert set(result["received"]).issuperset(result["acknowledged"])


def test_without_a_responder_programs_go_on_and_new_ones_are_told_at_once(enduring, tmp_path):
    where = Broker("127.0.0.1", free_port())
    with serving(where, tmp_path):
        with responding(where):
            tell = enduring(where, "on", "consume")
            assert tell("ask") == ["", ""]
        before = len(stock.read(where.access, "on$1"))
        assert tell("ask") == [NOBODY, NOBODY]
        while len(stock.read(where.access, "on$1")) < before + 20:
            time.sleep(0.1)
        with responding(where):
            assert tell("ask") == ["", ""]
            result = tell("end")
        assert "enduring" not in stock.consumers(where.access, "on$1")
    assert result["refused"] == {}
    assert set(result["received"]) == set(result["acknowledged"])
    assert result["left"] == ""


def _station(python: str, words: list[str]) -> list[str]:
    return [python, str(HERE / "calls.py"), *words, "station"]


def serving(where: Broker, store: Path) -> contextlib.AbstractContextManager[Server]:
    return running(ServerSettings(port=where.port, store=store, user=where.user, password=where.password))


@contextlib.contextmanager
def responding(where: Broker) -> Iterator[None]:
    """A responder beside a server, as a user starts it."""
    process = started("broker", "--memphis", "--server", where.url, "--user", where.user, "--password", where.password)
    try:
        assert process.stderr is not None
        line = process.stderr.readline()
        assert b"answering" in line, line
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate()
