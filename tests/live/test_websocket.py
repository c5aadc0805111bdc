import asyncio
import contextlib
from pathlib import Path

import pytest
import trustme
from helpers import assert_whole, free_port, load, proxied, started, stored, until, zakar
from websockets.asyncio.server import ServerConnection, serve

from zakar.broker.access import Access
from zakar.broker.connection import connect, connected
from zakar.broker.server import Server, ServerSettings, running
from zakar.dataset.schema import ALERTS, PUBLIC, READINGS, TWEETS
from zakar.dataset.store import Dataset
from zakar.errors import ServerError
from zakar.loader.options import Mode, PublishOptions

MODES = [Mode.NONBLOCKING, Mode.BATCH]
WEBSOCKET = ServerSettings(websocket_port=0)


@pytest.mark.parametrize("mode", MODES)
def test_a_load_through_a_websocket_is_whole_and_compressed(sample: Dataset, mode: Mode):
    with running(WEBSOCKET) as server:
        access = Access(servers=(server.websocket_url,))
        bytes_a_message = {}
        for table in PUBLIC:
            report = asyncio.run(load(sample, access, [table], PublishOptions(), mode=mode))
            assert (report.acknowledged, report.retries, report.timeouts) == (report.records, 0, 0)
            assert report.transport == "websocket"
            bytes_a_message[table] = report.wire_bytes / report.records
        asyncio.run(assert_whole(sample, access))
    plain = 150 if mode is Mode.BATCH else 180
    assert bytes_a_message[READINGS] < plain / 6
    assert bytes_a_message[TWEETS] < plain / 1.5


def test_a_server_that_does_not_compress_is_used_as_it_is(sample: Dataset):
    extra = 'websocket { listen: "127.0.0.1:-1", no_tls: true }'
    with running(ServerSettings(extra=extra)) as server:

        async def main() -> bool:
            async with connected(access) as connection:
                return connection.compressed

        access = Access(servers=(server.websocket_url,))
        assert not asyncio.run(main())
        report = asyncio.run(load(sample, access, [ALERTS], PublishOptions()))
        assert report.wire_bytes > 100 * report.records
        asyncio.run(load(sample, access, PUBLIC, PublishOptions()))
        asyncio.run(assert_whole(sample, access))


def test_pieces_stay_under_the_servers_limit(sample: Dataset):
    limit = 4_096
    with running(ServerSettings(websocket_port=0, extra=f"max_payload: {limit}")) as server:
        access = Access(servers=(server.websocket_url,))
        report = asyncio.run(load(sample, access, PUBLIC, PublishOptions()))
        assert (report.reconnects, report.acknowledged) == (0, report.records)
        asyncio.run(assert_whole(sample, access))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.slow
def test_a_websocket_cut_in_the_middle_loses_and_doubles_nothing(large: Dataset, mode: Mode):
    async def main(url: str, direct: Access) -> None:
        async with proxied(url) as proxy, connected(direct) as looking:
            through = Access(servers=(proxy.url.replace("nats:", "ws:"),))
            loading = asyncio.create_task(load(large, through, PUBLIC, PublishOptions(2_000), mode=mode))

            async def half() -> bool:
                return await stored(looking) > large.manifest.records // 2

            await until(half)
            proxy.cut()
            report = await loading
            assert (report.reconnects, report.acknowledged) == (1, report.records)
            await assert_whole(large, direct)

    with running(WEBSOCKET) as server:
        asyncio.run(main(server.websocket_url, Access(servers=(server.url,))))


def test_tls_and_passwords_are_checked_through_a_websocket_too(sample: Dataset, tmp_path: Path):
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    ca, cert, key = tmp_path / "ca.pem", tmp_path / "cert.pem", tmp_path / "key.pem"
    authority.cert_pem.write_to_path(ca)
    certificate.private_key_pem.write_to_path(key)
    certificate.cert_chain_pems[0].write_to_path(cert)
    settings = ServerSettings(websocket_port=0, tls_cert=cert, tls_key=key, user="ana", password="pw")

    async def refused(access: Access, why: str) -> None:
        with pytest.raises(ServerError, match=why):
            await connect(access)

    with running(settings) as server:
        assert server.websocket_url.startswith("wss://")
        access = Access(servers=(server.websocket_url,), user="ana", password="pw", tls_ca=ca)
        asyncio.run(load(sample, access, PUBLIC, PublishOptions()))
        asyncio.run(assert_whole(sample, access))
        asyncio.run(refused(Access(access.servers, user="ana", password="pw"), r"TLS failed.*--tlsca"))
        asyncio.run(refused(Access(access.servers, user="ana", password="no", tls_ca=ca), "refuses these credentials"))
        plain = server.websocket_url.replace("wss:", "ws:")
        asyncio.run(refused(Access((plain,), user="ana", password="pw"), "cannot be reached"))


@pytest.mark.parametrize("secured", [False, True])
def test_a_server_that_a_cluster_told_of_is_reached_through_a_websocket_too(tmp_path: Path, secured: bool):
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    ca, cert, key = tmp_path / "ca.pem", tmp_path / "cert.pem", tmp_path / "key.pem"
    authority.cert_pem.write_to_path(ca)
    certificate.private_key_pem.write_to_path(key)
    certificate.cert_chain_pems[0].write_to_path(cert)
    routes = [free_port(), free_port()]
    addresses = ", ".join(f'"nats://127.0.0.1:{port}"' for port in routes)

    def settings(number: int) -> ServerSettings:
        cluster = f'cluster {{ name: zakar, listen: "127.0.0.1:{routes[number]}", routes: [{addresses}] }}'
        extra = f"server_name: node{number}\n{cluster}"
        if secured:
            return ServerSettings(websocket_port=0, extra=extra, tls_cert=cert, tls_key=key)
        return ServerSettings(websocket_port=0, extra=extra)

    async def main(first: contextlib.ExitStack, one: Server, other: Server) -> None:
        access = Access((one.websocket_url,), tls_ca=ca if secured else None)
        async with connected(access) as connection:

            async def heard() -> bool:
                return any(other.websocket_url.endswith(server.netloc) for server in connection.discovered_servers)

            await until(heard)
            await asyncio.to_thread(first.close)

            async def moved() -> bool:
                url = connection.connected_url
                return connection.is_connected and url is not None and other.websocket_url.endswith(url.netloc)

            await until(moved)
            await connection.flush()
            assert connection.encrypted is secured
            assert connection.compressed

    with contextlib.ExitStack() as first, running(settings(1)) as other:
        asyncio.run(main(first, first.enter_context(running(settings(0))), other))


def test_an_address_that_is_no_websocket_is_told():
    with running(ServerSettings()) as server:
        access = Access(servers=(server.url.replace("nats:", "ws:"),))
        with pytest.raises(ServerError, match="no WebSocket here"):
            asyncio.run(connect(access))


def test_the_broker_command_prints_both_addresses_and_both_can_be_used(sample: Dataset):
    process = started("broker", "--port", "0")
    try:
        assert process.stdout is not None
        tcp, websocket = (process.stdout.readline().decode().strip() for _ in range(2))
        assert (tcp[:7], websocket[:5]) == ("nats://", "ws://")
        assert zakar("load", str(sample.root), "--server", websocket).returncode == 0
        assert zakar("verify", str(sample.root), "--server", tcp).returncode == 0
    finally:
        process.terminate()
        process.communicate()


def test_a_server_that_only_claims_tls_over_a_websocket_gets_no_password(tmp_path: Path):
    heard: list[str | bytes] = []

    async def pretend(link: ServerConnection) -> None:
        await link.send(b'INFO {"server_id":"x","version":"2.15.1","max_payload":1048576,"tls_required":true}\r\n')
        heard.extend([message async for message in link])

    async def main() -> None:
        authority = tmp_path / "ca.pem"
        trustme.CA().cert_pem.write_to_path(str(authority))
        async with serve(pretend, "127.0.0.1", 0) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            url = f"ws://127.0.0.1:{port}"
            with pytest.raises(ServerError, match="does not offer TLS"):
                await connect(Access((url,), user="ana", password="secret", tls_ca=authority))
        assert not heard

    asyncio.run(main())
