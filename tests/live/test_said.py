"""What a server says on a connection reaches the user: in its own words, the first cause first, at once."""

import asyncio
import contextlib
import datetime
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import nats
import pytest
import trustme
from helpers import STREAMS, examine, free_port, load, publisher, served, stored, until, zakar
from operators import Operator

from zakar.broker import reader
from zakar.broker.access import Access, with_creds
from zakar.broker.connection import ApiError
from zakar.broker.memphis.responder import responding
from zakar.broker.server import binary
from zakar.dataset.schema import PUBLIC
from zakar.dataset.store import Dataset
from zakar.errors import ServerError, StoppedError, ZakarError
from zakar.loader.load import Progress
from zakar.loader.options import Mode, PublishOptions
from zakar.loader.verify import verify

_MODES = [Mode.BATCH, pytest.param(Mode.NONBLOCKING, marks=pytest.mark.slow)]
_SLOWLY = PublishOptions(rate=1_000, give_up_after=600)  # what ends earlier ends for what the server says


def _team(password: str, permissions: str = "") -> str:
    user = f"{{ user: ana, password: {password}{', permissions: ' if permissions else ''}{permissions} }}"
    system = "SYS { users: [{ user: sys, password: sys }] }"
    return f"accounts {{ APP {{ jetstream: enabled, users: [{user}] }}, {system} }}\nsystem_account: SYS"


def _reload(address: str, folder: Path, config: str, system: Path | None = None) -> None:
    """Give a running server another configuration."""
    file = folder / "server.conf"
    file.write_text("\n".join([*file.read_text().splitlines()[:3], config, ""]))

    async def main() -> None:
        login = {"user_credentials": str(system)} if system else {"user": "sys", "password": "sys"}
        client = await nats.connect(f"nats://{address}", **login)
        answer = await client.request(f"$SYS.REQ.SERVER.{client._server_info['server_id']}.RELOAD", b"", timeout=60)
        assert "error" not in json.loads(answer.data), answer.data
        await client.close()

    asyncio.run(main())


def _ended(
    dataset: Dataset,
    access: Access,
    deed: Callable[[], object],
    after: int = 1_000,
    pace: PublishOptions = _SLOWLY,
    **options,
) -> ZakarError:
    """Load slowly, and do something once some messages are stored; return what ended the load."""

    async def main() -> ZakarError:
        loading = asyncio.create_task(load(dataset, access, PUBLIC, pace, **options))
        async with publisher(access) as connection:
            streams = [f"zakar-tweets${n}" for n in range(1, 5)] if options.get("partitions") else STREAMS

            async def far() -> bool:
                return await stored(connection, streams) >= after

            await until(far)
        await asyncio.to_thread(deed)
        async with asyncio.timeout(60):
            with pytest.raises(ZakarError) as caught:
                await loading
        return caught.value

    return asyncio.run(main())


@pytest.mark.slow
@pytest.mark.parametrize("mode", _MODES)
def test_credentials_that_expire_in_the_middle_end_a_load_with_the_servers_words_and_when(
    sample: Dataset, tmp_path: Path, mode: Mode
):
    """A connection of a user whose JWT has expired is closed, and none is let in again (nats.py#1019)."""
    operator = Operator()
    with served(operator.config(), tmp_path) as address:
        expires = int(time.time()) + 5
        operator.user(tmp_path / "ana.creds", expires)
        operator.user(tmp_path / "other.creds")
        access = with_creds(Access((address,)), str(tmp_path / "ana.creds"))
        with pytest.raises(ZakarError) as caught:
            asyncio.run(load(sample, access, PUBLIC, PublishOptions(rate=500, give_up_after=600), mode=mode))

        async def length() -> int:
            async with publisher(with_creds(Access((address,)), str(tmp_path / "other.creds"))) as connection:
                return await stored(connection)

        assert isinstance(caught.value, StoppedError if asyncio.run(length()) else ServerError)
        when = datetime.datetime.fromtimestamp(expires, datetime.UTC)
        assert "Authentication Expired" in str(caught.value) or "Authorization Violation" in str(caught.value)
        assert f"these credentials expired at {when:%Y-%m-%d %H:%M:%S} UTC" in str(caught.value)
        done = zakar("consume", "zakar-tweets", "--server", address, "--creds", str(tmp_path / "ana.creds"))
        assert (done.returncode, done.stderr.count("\n")) == (3, 1)
        # Within the second in which they expire a server lets them in, and then says so itself.
        assert f"expired at {when:%Y-%m-%d %H:%M:%S} UTC" in done.stderr
        assert "get new credentials" in done.stderr


@pytest.mark.parametrize("deed", ["revoked", pytest.param("account", marks=pytest.mark.slow)])
def test_a_user_who_is_revoked_and_an_account_that_expires_end_a_load_with_the_servers_words(
    sample: Dataset, tmp_path: Path, deed: str
):
    operator = Operator()
    ana, system = tmp_path / "ana.creds", tmp_path / "system.creds"
    public = operator.user(ana)
    operator.user(system, system=True)
    with served(operator.config(), tmp_path) as address:

        def change() -> None:
            revoked = {"revocations": {public: int(time.time())}}
            config = operator.config(claims=revoked) if deed == "revoked" else operator.config(time.time() + 2)
            _reload(address, tmp_path, config, system)

        error = _ended(sample, with_creds(Access((address,)), str(ana)), change)
    assert isinstance(error, StoppedError)
    words = "User Authentication Revoked" if deed == "revoked" else "Account Authentication Expired"
    assert re.search(f"the server says: {words}|refuses these credentials .Authorization Violation", str(error)), error
    assert "expired at" not in str(error)  # these credentials did not


@pytest.mark.slow
@pytest.mark.parametrize("mode", _MODES)
@pytest.mark.parametrize(
    ("config", "said"),
    [
        (_team("two"), r"refuses these credentials \(Authorization Violation\); check --user"),
        (f"max_payload: 64\n{_team('one')}", "Maximum Payload Violation; raise its max_payload"),
        (
            _team("one", '{ publish: { deny: "zakar-temperature-readings$1.>" } }'),
            r'Permissions Violation for Publish to "zakar-temperature-readings\$1.final"',
        ),
    ],
    ids=["password", "max_payload", "permissions"],
)
def test_what_a_reload_changes_in_the_middle_of_a_load_is_told_in_the_servers_words(
    sample: Dataset, tmp_path: Path, mode: Mode, config: str, said: str
):
    """nats-server#483: the server says why it hangs up."""
    with served(_team("one"), tmp_path) as address:
        access = Access((address,), user="ana", password="one")
        error = _ended(sample, access, lambda: _reload(address, tmp_path, config), mode=mode)
    assert isinstance(error, StoppedError)
    assert re.search(said, str(error)), error
    assert "does not answer" not in str(error)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (_team("two"), "Authorization Violation"),
        (f"max_payload: 64\n{_team('one')}", "Maximum Payload Violation"),
    ],
    ids=["password", "max_payload"],
)
@pytest.mark.slow
def test_the_words_come_from_worker_processes_too(sample: Dataset, tmp_path: Path, config: str, said: str):
    with served(_team("one"), tmp_path) as address:
        access = Access((address,), user="ana", password="one")
        options = {"partitions": 4, "connections": 2}
        error = _ended(sample, access, lambda: _reload(address, tmp_path, config), 300, **options)
    assert isinstance(error, StoppedError)
    assert said in str(error)


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ("server", "maximum connections exceeded"),
        pytest.param("account", "maximum account active connections exceeded", marks=pytest.mark.slow),
    ],
)
def test_more_connections_than_are_allowed_are_told_by_the_name_of_the_limit(
    sample: Dataset, tmp_path: Path, limits: str, said: str
):
    """The loader has one to look with, and one of its four workers gets in (nats.go#921)."""
    operator, options = Operator(), []
    config = "max_connections: 2"
    if limits == "account":
        config = operator.config(conn=2)
        operator.user(tmp_path / "ana.creds")
        options = ["--creds", str(tmp_path / "ana.creds")]
    with served(config, tmp_path) as address:
        many = ["--partitions", "4", "--connections", "4"]
        done = zakar("load", str(sample.root), "--server", address, *many, *options)
    assert done.returncode in {3, 4}
    assert f"the server takes no more connections ({said}); give fewer --connections" in done.stderr
    assert "zakar broker" not in done.stderr


def test_a_user_with_one_subscription_is_told_so_by_whatever_needs_two(sample: Dataset, tmp_path: Path):
    """The server goes on without the second one, and nothing is heard there (nats.go#921)."""
    operator = Operator()
    operator.user(tmp_path / "ana.creds", subs=1)
    operator.user(tmp_path / "bo.creds")
    with served(operator.config(), tmp_path) as address:
        ana, bo = (with_creds(Access((address,)), str(tmp_path / f"{name}.creds")) for name in ("ana", "bo"))
        for filled in (False, True):
            reading = [partial(examine, ana, sample), partial(verify, sample, ana, PUBLIC)]
            for command in reading if filled else [partial(load, sample, ana, PUBLIC, PublishOptions())]:
                with pytest.raises(ServerError, match="says: maximum subscriptions exceeded; raise the limit"):
                    asyncio.run(command())
            asyncio.run(load(sample, bo, PUBLIC, PublishOptions()))


def test_a_payload_that_is_limited_for_one_user_alone_is_seen_before_it_ends_the_connection(
    sample: Dataset, tmp_path: Path
):
    """The server's greeting has its own limit; the user's comes after it (nats-server#6099)."""
    operator = Operator()
    operator.user(tmp_path / "ana.creds", payload=150)
    with served(operator.config(), tmp_path) as address:
        options = ["--server", address, "--creds", str(tmp_path / "ana.creds")]
        found = zakar("doctor", str(sample.root), *options, "--json")
        assert json.loads(found.stdout)["max_payload"] == 150
        assert "too long for a max_payload of 150" in found.stdout
        done = zakar("load", str(sample.root), *options)
        assert (done.returncode, "the server's max_payload is 150" in done.stderr) == (1, True)


def test_a_payload_that_the_server_refuses_ends_a_connection_with_its_words(tmp_path: Path):
    with served("max_payload: 64", tmp_path) as address:

        async def main() -> None:
            async with publisher(Access((address,))) as connection:
                block = memoryview(b"PUB a 100\r\n%s\r\n" % (b"x" * 100) * 100_000)

                async def flood() -> None:
                    for _ in range(10):
                        await connection.send(block)
                    await connection.flush()

                with pytest.raises(ServerError, match="the server says: Maximum Payload Violation"):
                    await flood()
                for again in (connection.flush(), connection.api("INFO"), connection.publish("a", b"")):
                    with pytest.raises(ServerError, match="the server says: Maximum Payload Violation"):
                        await again

        asyncio.run(main())


def test_what_the_server_says_keeps_its_order_and_its_letters(tmp_path: Path):
    with served(
        'authorization { users: [{ user: ana, password: pw, permissions: { publish: "ok.>" } }] }', tmp_path
    ) as a:

        async def main() -> None:
            async with publisher(Access((a,), user="ana", password="pw")) as connection:
                for subject in ("Second.Try", "First.Try"):
                    await connection.publish(subject, b"")
                await connection.flush()
                denied = "Permissions Violation for Publish to"
                assert connection.said() == f'the server says: {denied} "Second.Try", then: {denied} "First.Try"'
                assert connection.is_connected

        asyncio.run(main())


def test_each_of_several_requests_that_a_user_may_not_make_is_denied_and_nothing_is_left_of_it(tmp_path: Path):
    with served(
        'authorization { users: [{ user: ana, password: pw, permissions: { publish: { deny: "$JS.API.INFO" } } }] }',
        tmp_path,
    ) as a:

        async def main() -> None:
            async with publisher(Access((a,), user="ana", password="pw")) as connection:
                asked = [connection.api(subject) for subject in ("INFO", "INFO", "STREAM.NAMES", "INFO")]
                answers = await asyncio.gather(*asked, return_exceptions=True)
                assert [isinstance(answer, ApiError) and answer.code for answer in answers] == [403, 403, False, 403]
                assert connection.denied == {}

        asyncio.run(main())


def _tls(folder: Path, *more: str) -> str:
    """TLS for 127.0.0.1, with clients' certificates of the same authority: ca.pem and ana.pem in the folder."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    for name in ("127.0.0.1", "ana"):
        authority.issue_cert(name).private_key_and_cert_chain_pem.write_to_path(folder / f"{name}.pem")
    trustme.CA().issue_cert("bo").private_key_and_cert_chain_pem.write_to_path(folder / "bo.pem")
    pem, ca = (json.dumps(str(folder / name)) for name in ("127.0.0.1.pem", "ca.pem"))
    return f"tls {{ cert_file: {pem}, key_file: {pem}, ca_file: {ca}, {', '.join(more)} }}"


@pytest.mark.parametrize(
    ("server", "client", "said"),
    [
        (["handshake_first: true"], {}, "give --tls-first"),
        (["verify: true"], {}, "the server wants a client certificate: give --tlscert and --tlskey"),
        (["verify: true", "handshake_first: true"], {"tls_first": True}, "wants a client certificate.*give --tlscert"),
        (["verify: true"], {"tls_cert": "bo.pem"}, "take the certificate of --tlscert"),
        ([], {"tls_first": True}, "the server does not begin with TLS: leave --tls-first out"),
        (["verify: true"], {"tls_cert": "ana.pem"}, ""),
    ],
    ids=["first", "certificate", "certificate first", "other certificate", "not first", "right"],
)
def test_what_a_servers_tls_wants_is_said(tmp_path: Path, server: list[str], client: dict[str, object], said: str):
    """nats.py#511: nats-py has the means, if one is told to use them."""
    with served(_tls(tmp_path, *server), tmp_path) as address:
        options = {key: tmp_path / value if isinstance(value, str) else value for key, value in client.items()}
        access = Access((address,), tls_ca=tmp_path / "ca.pem", **options)

        async def main() -> None:
            async with publisher(access) as connection:
                await connection.api("INFO")

        if said:
            with pytest.raises(ServerError, match=said):
                asyncio.run(main())
        else:
            asyncio.run(main())


@pytest.mark.parametrize(
    ("permissions", "said"),
    [
        ('{ subscribe: "_INBOX_ana.>" }', "give --inbox-prefix"),
        pytest.param(
            '{ publish: { deny: "$JS.API.>" } }',
            'Permissions Violation for Publish to "$JS.API.INFO"',
            marks=pytest.mark.slow,
        ),
    ],
    ids=["inbox", "api"],
)
def test_what_could_not_be_asked_is_unknown_and_not_no(sample: Dataset, tmp_path: Path, permissions: str, said: str):
    """nats.go#1307: who may hear answers at a place of one's own only hears none elsewhere."""
    with served(_team("one", permissions), tmp_path) as address:
        options = ["--server", address, "--user", "ana", "--password", "one"]
        found = zakar("doctor", str(sample.root), *options)
        assert found.returncode == 3
        assert re.search("JetStream +unknown: it could not be asked", found.stdout)
        assert re.search("batch +unknown", found.stdout)
        assert said in found.stdout
        assert json.loads(zakar("doctor", *options, "--json").stdout)["jetstream"] is None
        for command in (["load", str(sample.root)], ["verify", str(sample.root)], ["consume", "zakar-tweets"]):
            done = zakar(*command, *options)
            assert (done.returncode, said in done.stderr) == (3, True), done.stderr


def test_an_account_without_jetstream_says_no(tmp_path: Path):
    with served("accounts: { APP: { users: [{ user: ana, password: pw }] } }", tmp_path) as address:
        options = ["--server", address, "--user", "ana", "--password", "pw", "--json"]
        assert json.loads(zakar("doctor", *options).stdout)["jetstream"] is False


@contextlib.contextmanager
def _small_files(folder: Path, most: int) -> Iterator[str]:
    """A server that can write no file beyond so many bytes: to it, a disk that is full."""
    resource = pytest.importorskip("resource")
    (folder / "ports").mkdir()
    (folder / "server.conf").write_text(
        f'listen: "127.0.0.1:-1"\nports_file_dir: "{folder}/ports"\njetstream {{ store_dir: "{folder}/store" }}\n'
    )
    process = subprocess.Popen(
        [str(binary()), "-c", str(folder / "server.conf"), "-l", str(folder / "log")],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most)),
    )
    try:
        while not (ports := [p.read_text() for p in (folder / "ports").glob("*.ports")]) or not ports[0].endswith("}"):
            assert process.poll() is None
            time.sleep(0.01)
        yield json.loads(ports[0])["nats"][0].rpartition("/")[2]
    finally:
        process.terminate()
        process.wait()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows limits no process's files")
@pytest.mark.parametrize(
    "mode", [Mode.NONBLOCKING, *(pytest.param(mode, marks=pytest.mark.slow) for mode in (Mode.BATCH, Mode.BLOCKING))]
)
def test_a_disk_that_is_full_is_told_and_not_what_follows_from_it(sample: Dataset, tmp_path: Path, mode: Mode):
    """A server does not answer a message that it could not write, and refuses those behind it for their order."""
    with _small_files(tmp_path, 500_000) as address:
        pace = PublishOptions(ack_timeout=1, give_up_after=3)
        for _ in range(2):  # the second try is told the same
            with pytest.raises(StoppedError) as caught:
                asyncio.run(load(sample, Access((address,)), PUBLIC, pace, mode=mode))
            assert re.search(
                "answers, but neither stores nor refuses message [0-9,]+: see its log and its disk", str(caught.value)
            )
            assert "another loader" not in str(caught.value)
            assert "wrong last sequence" not in str(caught.value)


@pytest.mark.parametrize("mode", [Mode.BATCH, Mode.NONBLOCKING])
@pytest.mark.skipif(sys.platform == "win32", reason="Windows deletes no file that is open")
def test_a_store_that_is_gone_is_told_at_the_second_try_and_not_as_another_loader(
    sample: Dataset, tmp_path: Path, mode: Mode
):
    """A server that cannot write what a stream says of itself refuses that, and shows it all the same from then on."""
    with served("", tmp_path) as address:
        access = Access((address,))

        async def begin() -> None:
            stop = asyncio.Event()

            def progress(p: Progress) -> None:
                if p.stored > 500:
                    stop.set()

            report = await load(sample, access, PUBLIC, _SLOWLY, mode=mode, stop=stop, progress=progress)
            assert report.interrupted

        asyncio.run(begin())
        shutil.rmtree(next(tmp_path.glob("store/**/streams/zakar-tweets$1")))
        for _ in range(2):
            with pytest.raises(ServerError, match="the server cannot store any more .*no such file.* see to its disk"):
                asyncio.run(load(sample, access, PUBLIC, PublishOptions(), mode=mode))


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (_team("two"), r"refuses these credentials \(Authorization Violation\)"),
        pytest.param(f"max_payload: 64\n{_team('one')}", "max_payload is 64 bytes", marks=pytest.mark.slow),
    ],
    ids=["password", "max_payload"],
)
def test_over_a_websocket_the_first_cause_is_told_too(sample: Dataset, tmp_path: Path, config: str, said: str):
    port = free_port()
    websocket = f'websocket {{ listen: "127.0.0.1:{port}", no_tls: true, compression: true }}'
    with served(f"{websocket}\n{_team('one')}", tmp_path) as address:
        access = Access((f"ws://127.0.0.1:{port}",), user="ana", password="one")
        error = _ended(sample, access, lambda: _reload(address, tmp_path, f"{websocket}\n{config}"))
    assert isinstance(error, StoppedError)
    assert re.search(said, str(error)), error


def test_a_reader_that_the_server_turns_away_ends_with_its_words(sample: Dataset, tmp_path: Path):
    with served(_team("one"), tmp_path) as address:
        access = Access((address,), user="ana", password="one")

        async def main() -> None:
            await load(sample, access, PUBLIC, PublishOptions())
            async with publisher(access) as connection:
                reading = reader.read(connection, "zakar-temperature-readings$1")
                await anext(reading)
                await asyncio.to_thread(_reload, address, tmp_path, _team("two"))
                await connection.ended()

                async def rest() -> list[list[bytes]]:
                    return [chunk async for chunk in reading]

                with pytest.raises(ServerError, match=r"refuses these credentials \(Authorization Violation\)"):
                    await rest()

        asyncio.run(main())


def test_a_responder_that_the_server_turns_away_ends_with_its_words(tmp_path: Path):
    """It would be deaf: nobody would answer the programs, and nobody would know."""
    with served(_team("one"), tmp_path) as address:

        async def main() -> None:
            async with responding(Access((address,), user="ana", password="one")):
                await asyncio.to_thread(_reload, address, tmp_path, _team("two"))
                await asyncio.Event().wait()

        with pytest.raises(ServerError, match=r"refuses these credentials \(Authorization Violation\)"):
            asyncio.run(main())


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows servers take no such signal")
def test_a_server_that_is_taken_out_of_service_is_told_before_that_it_cannot_be_reached(
    sample: Dataset, tmp_path: Path
):
    config = f"lame_duck_duration: 30s\nlame_duck_grace_period: 1s\npid_file: {json.dumps(str(tmp_path / 'pid'))}"
    with served(config, tmp_path) as address:
        pace, deed = PublishOptions(rate=1_000, give_up_after=3), ["--signal", f"ldm={tmp_path / 'pid'}"]
        leave = partial(subprocess.run, [str(binary()), *deed], check=True)
        error = _ended(sample, Access((address,)), leave, pace=pace)
    assert re.search("no progress.*the server says: it is shutting down .lame duck mode", str(error))


@pytest.mark.parametrize(
    ("port", "said"),
    [("leafnodes", "the server says: attempted to connect to leaf node port"), ("http", "sends no greeting")],
)
def test_another_port_of_the_server_is_known_by_what_it_says(tmp_path: Path, port: str, said: str):
    number = free_port()
    where = f'"127.0.0.1:{number}"'
    with served(f"{port}: {where if port == 'http' else '{ listen: ' + where + ' }'}", tmp_path):

        async def main() -> None:
            async with publisher(Access((f"nats://127.0.0.1:{number}",))):
                pass

        with pytest.raises(ServerError, match=said):
            asyncio.run(main())


async def _to_the_client_alone(address: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carry what a server says, and nothing that the client says."""
    host, _, port = address.rpartition("//")[2].rpartition(":")
    answers, upward = await asyncio.open_connection(host, int(port))
    try:
        while data := await answers.read(65_536):
            writer.write(data)
    finally:
        upward.close()
        writer.close()


def test_a_server_that_waits_too_long_for_who_is_asking_is_told(tmp_path: Path):
    with served("authorization { user: ana, password: pw, timeout: 0.5 }", tmp_path) as address:

        async def main() -> None:
            relay = await asyncio.start_server(partial(_to_the_client_alone, address), "127.0.0.1", 0)
            port = relay.sockets[0].getsockname()[1]
            async with relay, publisher(Access((f"nats://127.0.0.1:{port}",), user="ana", password="pw")):
                pass

        with pytest.raises(ServerError, match="the server says: Authentication Timeout"):
            asyncio.run(main())


def test_a_server_that_takes_no_words_of_that_length_is_told(tmp_path: Path):
    with served("max_control_line: 64", tmp_path) as address:

        async def main() -> None:
            async with publisher(Access((address,), user="ana", password="pw")):
                pass

        with pytest.raises(ServerError, match="the server says: maximum control line exceeded"):
            asyncio.run(main())
