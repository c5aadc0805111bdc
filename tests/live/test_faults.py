"""Loads that are killed, cut, stalled and doubled; each ends with every message there once and in order."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
from pathlib import Path

import psutil
import pytest
from helpers import assert_whole, free_port, load, proxied, publisher, started, stored, until, zakar

import zakar as zakar_package
from zakar.broker.access import Access
from zakar.broker.server import ServerSettings, running
from zakar.dataset.schema import PUBLIC, TWEETS
from zakar.dataset.store import Dataset
from zakar.errors import ServerError, StoppedError
from zakar.loader.load import Progress
from zakar.loader.options import Mode, PublishOptions

pytestmark = pytest.mark.filterwarnings("ignore:unclosed transport:ResourceWarning")


# The mode that `auto` picks in every run, the other among the slow tests.
MOSTLY = [pytest.param(Mode.NONBLOCKING, marks=pytest.mark.slow), Mode.BATCH]


def _root(dataset: Dataset) -> str:
    return str(dataset.root)


async def _reached(access: Access, messages: int) -> None:
    async with publisher(access) as connection:

        async def far() -> bool:
            return await stored(connection) >= messages

        await until(far)


@pytest.mark.parametrize("mode", MOSTLY)
def test_a_loader_killed_half_way_and_started_again_at_once_doubles_nothing(large: Dataset, access: Access, mode: Mode):
    half = large.manifest.records // 2
    process = started("load", _root(large), "--server", access.servers[0], "--mode", mode)
    asyncio.run(_reached(access, half))
    process.kill()
    again = zakar("load", _root(large), "--server", access.servers[0], "--json")
    process.communicate()
    assert process.returncode == -signal.SIGKILL if sys.platform != "win32" else process.returncode
    assert again.returncode == 0, again.stderr
    asyncio.run(assert_whole(large, access))


@pytest.mark.slow
def test_interrupting_a_load_drains_it_and_says_how_to_go_on(large: Dataset, access: Access):
    process = started("load", _root(large), "--server", access.servers[0], "--json")
    asyncio.run(_reached(access, 20_000))
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert b"run the same command again" in errors
    assert b"Traceback" not in errors
    again = zakar("load", _root(large), "--server", access.servers[0])
    assert again.returncode == 0, again.stderr
    asyncio.run(assert_whole(large, access))


@pytest.mark.parametrize("mode", MOSTLY)
@pytest.mark.slow
def test_a_server_killed_and_started_again_is_filled_on(large: Dataset, tmp_path: Path, mode: Mode):
    async def main() -> None:
        settings = ServerSettings(port=free_port(), store=tmp_path / "store")
        with contextlib.ExitStack() as first:
            server = first.enter_context(running(settings))
            access = Access(servers=(server.url,))
            loading = asyncio.create_task(load(large, access, PUBLIC, PublishOptions(2_000), mode=mode))
            await _reached(access, large.manifest.records // 4)
            await asyncio.to_thread(first.close)
        assert not loading.done()
        with contextlib.ExitStack() as second:
            await asyncio.to_thread(second.enter_context, running(settings))
            report = await loading
            assert report.reconnects >= 1
            await assert_whole(large, access)

    asyncio.run(main())


@pytest.mark.parametrize("mode", MOSTLY)
@pytest.mark.parametrize("cuts", [1, pytest.param(5, marks=pytest.mark.slow)])
def test_a_connection_cut_mid_frame_loses_and_doubles_nothing(large: Dataset, access: Access, cuts: int, mode: Mode):
    async def main() -> None:
        async with proxied(access.servers[0]) as proxy:
            through = Access(servers=(proxy.url,))
            loading = asyncio.create_task(load(large, through, PUBLIC, PublishOptions(1_000), mode=mode))
            for cut in range(cuts):
                await _reached(access, int(large.manifest.records * (cut + 1) / (cuts + 1) * 0.9))
                proxy.cut()
            report = await loading
            assert report.reconnects == cuts
            assert report.acknowledged == report.records
            await assert_whole(large, access)

    asyncio.run(main())


@pytest.mark.parametrize("mode", MOSTLY)
def test_acks_that_are_lost_with_their_connection_send_nothing_twice(sample: Dataset, access: Access, mode: Mode):
    async def main() -> None:
        async with proxied(access.servers[0]) as proxy:
            held = asyncio.Event()

            def progress(p: Progress) -> None:
                if p.stored > 2_000 and not held.is_set():
                    held.set()
                    proxy.answering.clear()

            through = Access(servers=(proxy.url,))
            loading = asyncio.create_task(
                load(sample, through, PUBLIC, PublishOptions(500), mode=mode, progress=progress)
            )
            await held.wait()
            await asyncio.sleep(0.2)  # more is stored, while the acks are held back
            proxy.cut()
            proxy.answering.set()
            report = await loading
            assert report.reconnects == 1
            await assert_whole(sample, access)

    asyncio.run(main())


@pytest.mark.parametrize("mode", MOSTLY)
@pytest.mark.slow
def test_a_link_that_stalls_past_the_ack_deadline_is_counted_and_survived(sample: Dataset, access: Access, mode: Mode):
    async def main() -> None:
        async with proxied(access.servers[0]) as proxy:
            through = Access(servers=(proxy.url,))
            stalled = asyncio.Event()

            def progress(p: Progress) -> None:
                if p.stored > 2_000 and not stalled.is_set():
                    stalled.set()
                    proxy.answering.clear()

            pace = PublishOptions(500, ack_timeout=0.5)
            loading = asyncio.create_task(load(sample, through, PUBLIC, pace, mode=mode, progress=progress))
            await stalled.wait()
            await asyncio.sleep(2)
            proxy.answering.set()
            report = await loading
            assert report.timeouts > 0
            assert report.acknowledged == report.records
            await assert_whole(sample, access)

    asyncio.run(main())


@pytest.mark.slow
@pytest.mark.parametrize("mode", [Mode.NONBLOCKING, Mode.BATCH])
def test_a_load_without_a_single_ack_ends_as_one_that_may_have_stored_something(
    sample: Dataset, access: Access, mode: Mode
):
    async def main() -> None:
        async with proxied(access.servers[0]) as proxy:

            def progress(p: Progress) -> None:
                if p.sent:
                    proxy.answering.clear()  # before the proxy has passed the first message on

            pace = PublishOptions(500, ack_timeout=0.5, give_up_after=1)
            with pytest.raises(StoppedError, match="no progress for too long"):
                await load(sample, Access(servers=(proxy.url,)), [TWEETS], pace, mode=mode, progress=progress)

    asyncio.run(main())


@pytest.mark.slow
def test_two_loaders_at_once_double_nothing_and_the_station_ends_whole(large: Dataset, access: Access):
    first = started("load", _root(large), "--server", access.servers[0], "--json")
    second = started("load", _root(large), "--server", access.servers[0], "--json")
    errors = [process.communicate(timeout=120)[1].decode() for process in (first, second)]
    assert all("Traceback" not in text for text in errors), errors
    assert {first.returncode, second.returncode} <= {0, 3, 4}, errors
    assert zakar("load", _root(large), "--server", access.servers[0]).returncode == 0
    asyncio.run(assert_whole(large, access))


def test_a_server_that_never_comes_back_ends_the_load_with_what_to_do(large: Dataset, tmp_path: Path):
    async def main() -> None:
        with contextlib.ExitStack() as stack:
            server = stack.enter_context(running(ServerSettings(store=tmp_path / "store")))
            access = Access(servers=(server.url,))
            pace = PublishOptions(1_000, ack_timeout=1, give_up_after=2)
            loading = asyncio.create_task(load(large, access, PUBLIC, pace))
            await _reached(access, 10_000)
            await asyncio.to_thread(stack.close)
        with pytest.raises(StoppedError, match=r"no progress for too long.*run this again"):
            await loading

    asyncio.run(main())


def _stalled(large: Dataset, mode: Mode, presses: int) -> tuple[int, str]:
    """Load into a server that stops taking anything; return the loader's exit code and what it says."""
    with running(ServerSettings()) as server:
        access = Access(servers=(server.url,))
        nats_server = psutil.Process(server.process.pid).children()[0]
        process = started(
            "load", _root(large), "--server", server.url, "--mode", mode, "--in-flight", "100000",
            "--give-up-after", "3", "--ack-timeout", "2",
        )  # fmt: skip
        try:
            asyncio.run(_reached(access, 20_000))
            nats_server.suspend()
            for _ in range(presses):
                time.sleep(1)
                process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=60)
        finally:
            process.kill()
            nats_server.resume()
        return process.returncode, errors.decode()


@pytest.mark.parametrize("mode", MOSTLY)
@pytest.mark.parametrize("deed", ["publish", "purge", "delete"])
def test_what_others_do_to_a_stream_during_a_load_is_never_called_done(
    large: Dataset, access: Access, mode: Mode, deed: str
):
    async def main() -> None:
        async with publisher(access) as connection:
            jetstream = connection.jetstream()
            loading = asyncio.create_task(load(large, access, [TWEETS], PublishOptions(2_000), mode=mode))
            await _reached(access, 20_000)
            if deed == "publish":
                await jetstream.publish("zakar-tweets$1.final", b"a test message")
            elif deed == "purge":
                await jetstream.purge_stream("zakar-tweets$1", seq=10_000)
            else:
                await jetstream.delete_msg("zakar-tweets$1", 10_000)
            with pytest.raises(StoppedError, match=r"zakar-tweets\$1.*--recreate"):
                await loading

    asyncio.run(main())


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot send one process a Ctrl-C")
@pytest.mark.parametrize("mode", [Mode.NONBLOCKING, Mode.BATCH])
@pytest.mark.parametrize(
    ("presses", "code"),
    [(0, 4), (1, 130), (2, 130)],
)
def test_a_server_that_stops_taking_anything_holds_nobody(large: Dataset, mode: Mode, presses: int, code: int):
    found, errors = _stalled(large, mode, presses)
    assert found == code, errors
    assert "Traceback" not in errors


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot send one process a Ctrl-C")
def test_one_ctrl_c_ends_a_load_that_has_no_answer_yet(sample: Dataset):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"nats://127.0.0.1:{silent.getsockname()[1]}"
        process = started("load", str(sample.root), "--server", url)
        connection, _ = silent.accept()
        with connection:
            time.sleep(0.3)
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=60)
    assert (process.returncode, b"Traceback" in errors) == (130, False)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot send one process a Ctrl-C")
@pytest.mark.parametrize("after", [0.05, 0.15, 0.4, 0.7, 1.0])
def test_ctrl_c_while_a_command_starts_prints_no_traceback(tmp_path: Path, after: float):
    process = started("simulate", "classic", "--out", str(tmp_path / "dataset"))
    time.sleep(after)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    # Before Python itself is up it ends by the signal, or with an error of its own start, which has no line of ours.
    ours = os.fsencode(Path(zakar_package.__file__).parent)
    early = process.returncode == 1 and b"KeyboardInterrupt" in errors and ours not in errors
    assert process.returncode in {130, -signal.SIGINT} or early, errors
    assert b"zakar/cli/" not in errors  # a traceback through our own code
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_patience_counts_from_the_last_progress(large: Dataset, access: Access):
    async def main() -> None:
        async with proxied(access.servers[0]) as proxy:
            pace = PublishOptions(100, give_up_after=1)
            through = Access(servers=(proxy.url,))
            began, cut = time.monotonic(), asyncio.Event()

            def progress(_: Progress) -> None:
                if time.monotonic() - began > 1.5 and not cut.is_set():
                    cut.set()
                    proxy.cut()

            report = await load(large, through, PUBLIC, pace, mode=Mode.NONBLOCKING, progress=progress)
            assert cut.is_set()
            assert report.acknowledged == report.records

    asyncio.run(main())


def test_a_server_that_is_gone_before_anything_was_sent_is_an_error_of_the_server(sample: Dataset):
    access = Access(servers=(f"nats://127.0.0.1:{free_port()}",))
    with pytest.raises(ServerError, match=r"cannot be reached.*zakar broker"):
        asyncio.run(load(sample, access, [TWEETS], PublishOptions()))
