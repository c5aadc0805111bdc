import asyncio
import contextlib
import datetime
import gc
import json
import re
import warnings
from collections.abc import Awaitable, Callable
from pathlib import Path

import nats.errors
import pytest
import trustme
from helpers import assert_whole, free_port, load, proxied, publisher, until, zakar
from nats.aio.msg import Msg
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from zakar.broker.access import Access, with_creds
from zakar.broker.connection import LOST, connect, connected, next_wait
from zakar.broker.server import Server, ServerSettings, running
from zakar.dataset.schema import PUBLIC
from zakar.dataset.store import Dataset
from zakar.errors import ConfigError, ServerError
from zakar.loader.options import PublishOptions


def _connect(access: Access) -> None:
    async def main() -> None:
        connection = await connect(access)
        await connection.close()

    asyncio.run(main())


def test_a_server_that_is_down_is_named_with_the_fix():
    port = free_port()
    with pytest.raises(ServerError, match=rf"nats://127.0.0.1:{port}: cannot be reached .*zakar broker"):
        _connect(Access(servers=(f"nats://127.0.0.1:{port}",)))


@pytest.mark.parametrize(
    "address", ["nats://", "http://127.0.0.1:4222", "nats://127.0.0.1:99999", "nats://h:x", "[::1"]
)
def test_what_is_no_address_is_bad_usage(address: str):
    with pytest.raises(ConfigError, match="not an address"):
        _connect(Access(servers=(address,)))


def test_a_password_in_an_address_is_never_shown():
    access = Access(servers=(f"nats://ana:s3cret@127.0.0.1:{free_port()}",))
    with pytest.raises(ServerError) as caught:
        _connect(access)
    assert "s3cret" not in str(caught.value)


def test_a_pinned_certificate_is_trusted_whatever_its_name_and_no_other_is(tmp_path: Path):
    authority = trustme.CA()
    paths: dict[str, Path] = {}
    for name in ("ours", "theirs"):
        issued = authority.issue_cert(f"{name}.example")
        paths[name] = tmp_path / f"{name}.pem"
        paths[name].write_bytes(issued.cert_chain_pems[0].bytes() + authority.cert_pem.bytes())
        (tmp_path / f"{name}.key").write_bytes(issued.private_key_pem.bytes())
    with running(ServerSettings(tls_cert=paths["ours"], tls_key=tmp_path / "ours.key")) as server:
        _connect(Access(servers=(server.url,), tls_pin=paths["ours"]))
        with pytest.raises(ServerError, match="TLS failed"):
            _connect(Access(servers=(server.url,), tls_pin=paths["theirs"]))
        with pytest.raises(ConfigError, match="no such file"):
            _connect(Access(servers=(server.url,), tls_pin=tmp_path / "missing"))


def test_after_a_flush_the_server_knows_of_every_subscription(access: Access):
    async def answer(message: Msg) -> None:
        await message.respond(b"heard")

    async def main() -> None:
        async with publisher(access) as asking, publisher(access) as answering:
            for number in range(50):
                await answering.subscribe(f"subject{number}", cb=answer)
                await answering.flush()
                assert (await asking.request(f"subject{number}", timeout=5)).data == b"heard"

    asyncio.run(main())


def test_a_request_whose_connection_is_lost_is_not_waited_for():
    async def main(server: Server) -> None:
        async with proxied(server.url) as proxy, publisher(Access(servers=(proxy.url,))) as connection:
            await connection.api("INFO")
            proxy.answering.clear()
            asking = asyncio.create_task(connection.api("INFO", patience=600))
            await asyncio.sleep(0.1)
            proxy.cut()
            proxy.answering.set()
            async with asyncio.timeout(60):
                with pytest.raises(LOST):
                    await asking

    with running(ServerSettings()) as server:
        asyncio.run(main(server))


def test_a_token_is_accepted_and_a_wrong_one_refused():
    with running(ServerSettings(token="right")) as server:
        _connect(Access(servers=(server.url,), token="right"))
        with pytest.raises(ServerError, match="refuses these credentials"):
            _connect(Access(servers=(server.url,), token="wrong"))
        with pytest.raises(ServerError, match="refuses these credentials"):
            _connect(Access(servers=(server.url,)))


def test_a_file_that_is_not_there_is_bad_usage(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"--creds: no such file"):
        with_creds(Access(), str(tmp_path / "nothing.creds"))


def test_a_load_over_tls_checks_the_certificate(sample: Dataset, tmp_path: Path):
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    expired = authority.issue_cert("127.0.0.1", not_after=datetime.datetime.now(datetime.UTC))
    ca = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(ca)
    for name, issued in (("good", certificate), ("expired", expired)):
        issued.private_key_pem.write_to_path(tmp_path / f"{name}.key")
        issued.cert_chain_pems[0].write_to_path(tmp_path / f"{name}.pem")

    def settings(name: str) -> ServerSettings:
        return ServerSettings(tls_cert=tmp_path / f"{name}.pem", tls_key=tmp_path / f"{name}.key")

    with running(settings("good")) as server:
        access = Access(servers=(server.url,), tls_ca=ca)
        asyncio.run(load(sample, access, PUBLIC, PublishOptions()))
        asyncio.run(assert_whole(sample, access))
        with pytest.raises(ServerError, match=r"TLS failed.*--tlsca"):
            _connect(Access(servers=(server.url,)))
    with running(settings("expired")) as server, pytest.raises(ServerError, match="TLS failed"):
        _connect(Access(servers=(server.url,), tls_ca=ca))


def test_a_name_that_does_not_exist_elsewhere_is_no_broker_to_start_here():
    with pytest.raises(ServerError, match=r"cannot be reached .*check the name, the port and the network"):
        _connect(Access(("tls://no-such-host.invalid:4222",)))


def test_a_refused_command_over_tls_says_one_line_and_nothing_of_pythons_own(tmp_path: Path):
    authority = trustme.CA()
    certificate, ca, pem = authority.issue_cert("127.0.0.1"), tmp_path / "ca.pem", tmp_path / "server.pem"
    authority.cert_pem.write_to_path(ca)
    certificate.private_key_and_cert_chain_pem.write_to_path(pem)
    settings = ServerSettings(tls_cert=pem, tls_key=pem, user="ana", password="right")
    with running(settings) as server:
        done = zakar("doctor", "--server", server.url, "--tlsca", str(ca), "--user", "ana", "--password", "wrong")
    assert done.returncode == 3
    assert done.stderr.count("\n") == 1
    assert "the server refuses these credentials" in done.stderr


def test_a_tls_connection_whose_socket_was_closed_twice_is_dropped_all_the_same(tmp_path: Path):
    authority = trustme.CA()
    certificate, ca, pem = authority.issue_cert("127.0.0.1"), tmp_path / "ca.pem", tmp_path / "server.pem"
    authority.cert_pem.write_to_path(ca)
    certificate.private_key_and_cert_chain_pem.write_to_path(pem)

    async def main(url: str) -> None:
        async with connected(Access((url,), tls_ca=ca)) as connection:
            writer = connection._transport._io_writer
            writer.close()
            writer.close()
            connection._abort()

            async def back() -> bool:
                return connection.losses > 0 and connection.is_connected

            await until(back)

    with running(ServerSettings(tls_cert=pem, tls_key=pem)) as server:
        asyncio.run(main(server.url))


@pytest.mark.parametrize("by", ["scheme", "authority"])
def test_where_tls_is_wanted_no_password_goes_to_a_server_without_it(tmp_path: Path, by: str):
    ca = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(ca)
    heard: list[bytes] = []

    async def main() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b'INFO {"server_id":"X","version":"2.15.1","headers":true,"max_payload":1048576}\r\n')
            while data := await reader.read(4_096):
                heard.append(data)
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        access = Access(
            servers=(f"{'tls' if by == 'scheme' else 'nats'}://127.0.0.1:{port}",),
            user="ana",
            password="s3cret",
            tls_ca=ca if by == "authority" else None,
        )
        with pytest.raises(ServerError, match="does not offer TLS"):
            await connect(access)
        await asyncio.sleep(0.1)
        server.close()

    asyncio.run(main())
    assert b"".join(heard) == b""


def test_a_chunk_of_tapped_messages_comes_whole_wherever_the_bytes_are_cut(access: Access):
    async def main() -> None:
        async with publisher(access) as connection:
            got: list[bytes] = []
            plain = await connection.subscribe("plain")
            await connection.tap("tapped.*", lambda chunk: got.extend(d.payload for d in chunk))
            payloads = [b"x" * size for size in (0, 1, 5, 40_000, 3, 200_000, 2)]
            for payload in payloads:
                await connection.publish("tapped.a", payload, reply="r", headers={"a": "b"} if payload else None)
                await connection.publish("plain", payload)
            await connection.flush()
            others = [(await plain.next_msg(timeout=5)).data for _ in payloads]
            assert got == payloads == others

    asyncio.run(main())


def test_connection_settings_come_from_the_environment_too(sample: Dataset):
    with running(ServerSettings(user="ana", password="pw")) as server:
        refused = zakar("load", str(sample.root), "--server", server.url)
        assert refused.returncode == 3
        assert "refuses these credentials" in refused.stderr
        done = zakar("load", str(sample.root), NATS_URL=server.url, NATS_USER="ana", NATS_PASSWORD="pw")
        assert done.returncode == 0, done.stderr
        assert "pw" not in done.stderr


def _context(home: Path, name: str, **values: object) -> None:
    folder = home / "nats" / "context"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps({"description": "a test", **values}), encoding="utf-8")


def test_a_context_of_the_nats_tool_says_where_and_who(sample: Dataset, tmp_path: Path):
    with running(ServerSettings(user="ana", password="pw")) as server:
        _context(tmp_path, "mine", url=server.url, user="ana", password="pw")
        _context(tmp_path, "wrong", url=server.url, user="ana", password="no")
        where, home = str(sample.root), str(tmp_path)
        assert zakar("load", where, "--context", "mine", XDG_CONFIG_HOME=home).returncode == 0
        refused = zakar("verify", where, "--context", "wrong", XDG_CONFIG_HOME=home)
        assert refused.returncode == 3
        assert zakar("verify", where, "--context", "wrong", "--password", "pw", XDG_CONFIG_HOME=home).returncode == 0
        (tmp_path / "nats" / "context.txt").write_text("mine", encoding="utf-8")
        assert zakar("verify", where, XDG_CONFIG_HOME=home).returncode == 0
        assert zakar("verify", where, XDG_CONFIG_HOME=home, NATS_CONTEXT="wrong").returncode == 3


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("none", None, "no such context.*known: other"),
        ("a/b", None, "not the name of a context"),
        ("bad", "{", "not a context file"),
        ("typed", '{"url": 4222}', "not a context file"),
        ("nsc", '{"nsc": "nsc://O/A/U"}', "`nsc` is not supported"),
        ("socks", '{"socks_proxy": "S3CRET"}', "`socks_proxy` is not supported"),
        ("windows", '{"windows_cert_store": "S3CRET"}', "`windows_cert_store` is not supported"),
        ("domain", '{"jetstream_domain": "S3CRET "}', "`jetstream_domain`: not a part of a subject"),
        ("prefix", '{"jetstream_api_prefix": "S3CRET.*"}', "`jetstream_api_prefix`: not a part of a subject"),
    ],
)
def test_a_context_that_cannot_be_used_is_bad_usage(sample: Dataset, tmp_path: Path, name: str, content, said: str):
    _context(tmp_path, "other")
    if content is not None:
        (tmp_path / "nats" / "context" / f"{name}.json").write_text(content, encoding="utf-8")
    done = zakar("load", str(sample.root), "--context", name, XDG_CONFIG_HOME=str(tmp_path))
    assert done.returncode == 2
    assert re.search(said, done.stderr), done.stderr
    assert "S3CRET" not in done.stderr


def test_attempts_to_reconnect_grow_apart_up_to_a_limit():
    waits = [0.25]
    for _ in range(20):
        waits.append(next_wait(waits[-1], 1.0))
    assert waits == sorted(waits)
    assert waits[-1] == 5.0
    assert next_wait(1.0, 0.75) > 1.0


@pytest.mark.slow
def test_a_server_that_is_away_is_asked_ever_less_often_and_then_found_again(tmp_path: Path):
    async def main() -> None:
        settings = ServerSettings(store=tmp_path / "store")
        with running(settings) as server:
            connection = await connect(Access(servers=(server.url,)))
            port = int(server.url.rpartition(":")[2])
        await asyncio.sleep(3)
        assert connection.options["reconnect_time_wait"] > 0.5
        with running(ServerSettings(store=tmp_path / "store", port=port)):

            async def back() -> bool:
                return connection.is_connected

            await until(back)
            await connection.flush()
            assert connection.options["reconnect_time_wait"] == 0.25
            await connection.close()

    asyncio.run(main())


def test_a_flush_that_was_given_up_leaves_the_connection_alive(access: Access):
    async def main() -> None:
        async with proxied(access.servers[0]) as proxy, publisher(Access((proxy.url,))) as connection:
            proxy.answering.clear()
            with pytest.raises(nats.errors.TimeoutError):
                await connection.flush(0.1)
            proxy.answering.set()
            await connection.flush()
            assert (await connection.api("INFO"))["streams"] == 0
            assert connection.losses == 0

    asyncio.run(main())


@pytest.mark.parametrize("scheme", ["nats", "ws"])
def test_a_server_that_hangs_up_on_each_return_leaves_no_socket_open(scheme: str):
    """The first conversation and the fourth go well; in those between, the server goes away after its INFO."""
    good, served = {1, 4}, 0
    hello = b'INFO {"server_id":"x","version":"2.15.1","max_payload":1048576,"headers":true}\r\n'

    async def talk(hear: Callable[[], Awaitable[bytes]], say: Callable[[bytes], Awaitable[None]]) -> None:
        nonlocal served
        served += 1
        await say(hello)
        heard = b""
        while served in good and (data := await hear()):
            heard += data
            if b"PING\r\n" in heard:
                heard = b""
                await say(b"PONG\r\n")
            if b"PUB leave" in heard:
                return

    async def over_tcp(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def say(data: bytes) -> None:
            writer.write(data)

        with contextlib.closing(writer):
            await talk(lambda: reader.read(4096), say)

    async def over_websocket(link: ServerConnection) -> None:
        async def hear() -> bytes:
            with contextlib.suppress(ConnectionClosed):
                return bytes(await link.recv(decode=False))
            return b""

        await talk(hear, link.send)

    async def main() -> None:
        kind = asyncio.start_server(over_tcp, "127.0.0.1", 0) if scheme == "nats" else None
        async with await kind if kind else serve(over_websocket, "127.0.0.1", 0) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            async with connected(Access((f"{scheme}://127.0.0.1:{port}",))) as connection:
                await connection.send(memoryview(b"PUB leave 0\r\n\r\n"))

                async def back() -> bool:
                    return served == 4 and connection.is_connected

                await until(back)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ResourceWarning)
        asyncio.run(main())
        gc.collect()
    assert not [each.message for each in caught if each.category is ResourceWarning]
