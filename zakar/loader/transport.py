"""Which way to a broker is taken, of those that were given."""

from collections.abc import Callable
from dataclasses import replace

from zakar.broker import link
from zakar.broker.access import Access, is_websocket
from zakar.broker.connection import LOST, connected
from zakar.errors import ConfigError, ServerError
from zakar.loader.options import Transport


async def choose(access: Access, transport: Transport, payloads: Callable[[], list[bytes]]) -> Access:
    """Return access by one kind of server alone: the kind asked for, or the one over which more messages go.

    ``payloads`` gives messages to measure with; that takes about a second each, and nothing is stored. Raises
    ConfigError if no server is of the kind asked for, ServerError if none can be reached.
    """
    try:
        ways = {
            Transport.TCP: replace(access, servers=tuple(s for s in access.servers if not is_websocket(s))),
            Transport.WEBSOCKET: replace(access, servers=tuple(s for s in access.servers if is_websocket(s))),
        }
    except ValueError:  # one is no address: whoever connects says so
        return access
    given = {kind: way for kind, way in ways.items() if way.servers and transport in {Transport.AUTO, kind}}
    if not given:
        schemes = "ws:// or wss://" if transport is Transport.WEBSOCKET else "nats:// or tls://"
        raise ConfigError(f"--transport {transport}: no server is given by a {schemes} address; give --server one")
    if len(given) == 1:
        return next(iter(given.values()))
    rates: list[tuple[float, Access]] = []
    problem = ServerError(f"{access.shown}: could not measure any of the given servers")
    for way in given.values():
        try:
            async with connected(way, "zakar load") as connection:
                rates.append(((await link.measure(connection, payloads())).messages or 0.0, way))
        except ServerError as error:
            problem = error
        except LOST as error:
            problem = ServerError(f"{way.shown}: connection lost while it was measured: {error}")
    if not rates:
        raise problem
    return max(rates, key=lambda rated: rated[0])[1]
