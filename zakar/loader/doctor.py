"""What a server offers, what a dataset needs of it, and what lacks."""

from collections.abc import Sequence
from dataclasses import replace

from zakar.broker import account as accounts
from zakar.broker import control as controls
from zakar.broker import link as links
from zakar.broker import station
from zakar.broker.access import Access, is_websocket
from zakar.broker.account import Account, NoTierError
from zakar.broker.connection import LOST, ApiError, Connection, connected, lost
from zakar.broker.control import Control
from zakar.broker.memphis import messages
from zakar.broker.station import NoJetStreamError
from zakar.dataset.schema import PREDICTIONS, PUBLIC
from zakar.dataset.store import Dataset
from zakar.errors import ServerError
from zakar.loader import obstacle, sizing, transport
from zakar.loader.findings import Findings, Offer
from zakar.loader.load import choose, left_out, sample, stored
from zakar.loader.options import LoadOptions
from zakar.loader.plan import Action, LoadPlan
from zakar.loader.prepare import try_connections
from zakar.loader.survey import NO_HEADERS, survey

_READING = b'{"day":1234,"geospatial_x":12,"geospatial_y":17,"temperature":87}'


async def examine(
    access: Access, dataset: Dataset | None = None, options: LoadOptions | None = None, name: str = "zakar doctor"
) -> Findings:
    """Look at a server, and at what a load of a dataset would do, by default of what ``choose`` says.

    Nothing is changed. The link is measured with messages that go to no station. Raises ServerError if the server
    cannot be reached or is lost, or does not have the options' mode or replicas; that it lacks JetStream is a finding.
    MismatchError for a damaged dataset.
    """
    options = options or LoadOptions(choose(dataset, None) if dataset is not None else ())
    tables = options.tables
    payloads = (sample(dataset, tables) if dataset is not None else []) or [_READING]
    access = await transport.choose(access, options.transport, lambda: payloads)
    async with connected(access, name) as connection:
        control = await controls.of(access, connection)
        try:
            offer = await _offer(connection, control, payloads, options)
            if access.memphis:
                offer = replace(offer, server=offer.server.replace("nats", "memphis", 1), memphis=True)
            findings = Findings(offer)
            if offer.account is None or offer.lacks:
                return findings
            _refuse_silent(access, offer.account)
            if dataset is None:
                return replace(findings, unreadable=await _unreadable(connection, offer.account))
            load_plan = replace(await survey(connection, control, dataset, options), account=offer.account)
            load_plan = replace(load_plan, connections=await _connections(access, load_plan))
            findings = replace(findings, left_out=await stored(connection, left_out(dataset, tables)))
            findings = replace(findings, bare=await _bare(connection, load_plan) if offer.header_bytes else ())
        except ApiError as error:
            raise ServerError(f"{access.shown}: the server does not say what the stations hold: {error}") from error
        except LOST as error:
            raise ServerError(f"{access.shown}: while looking: {lost(error)}") from error
    seconds = sizing.predicted(dataset, load_plan, offer.link, control.header_bytes)
    findings = replace(findings, plan=load_plan, seconds=seconds)
    if not load_plan.shortages or load_plan.refusals or offer.account.max_bytes == 0:
        return findings
    days, starts_over = sizing.days_that_fit(dataset, load_plan, control.header_bytes)
    return replace(findings, days_that_fit=days if days < dataset.manifest.days else None, starts_over=starts_over)


def _refuse_silent(access: Access, account: Account) -> None:
    """Raise ServerError naming the station streams that no server answers for: each would be waited for in vain."""
    stations = {table.station for table in (*PUBLIC, PREDICTIONS)}
    if silent := [name for name in account.silent if name.rpartition("$")[0] in stations]:
        named = f"{'stream' if len(silent) == 1 else 'streams'} {', '.join(f'`{name}`' for name in silent)}"
        raise ServerError(
            f"{access.shown}: no server of the cluster answers for station {named}; what keeps them may be down"
        )


async def _connections(access: Access, load_plan: LoadPlan) -> tuple[str, ...]:
    """Return that the server does not let in the processes of a load, if it has several."""
    partitions = [row for row in load_plan.stations.values() if row.records]
    try:
        await try_connections(access, min(load_plan.options.connections, len(partitions)), "a load stops half-way")
    except ServerError as error:
        return (str(error),)
    return ()


async def _unreadable(connection: Connection, account: Account) -> tuple[str, ...]:
    """Return what keeps the stations of datasets that are there from being read."""
    try:
        looked = await station.partitions_of(connection, [table.station for table in (*PUBLIC, PREDICTIONS)])
    except ApiError as error:
        return (f"reading: the server does not say which stations there are: {error}; give this user the right",)
    streams = [stream for partitions in looked for stream in partitions]
    unheard = await obstacle.without_right_to_read(connection, [stream.name for stream in streams])
    return (*unheard, *obstacle.unreadable(streams, account))


async def _bare(connection: Connection, load_plan: LoadPlan) -> tuple[str, ...]:
    """Return the streams that keep messages without the headers that SDKs of Memphis read. Raises ApiError."""
    kept = [o.stream for o in load_plan.stations.values() if o.action in {Action.CONTINUE, Action.NOTHING} and o.stored]
    return tuple([stream for stream in kept if await messages.bare(connection, stream)])


async def _offer(connection: Connection, control: Control, payloads: Sequence[bytes], options: LoadOptions) -> Offer:
    account, lacks = None, "" if connection.takes_headers else NO_HEADERS
    jetstream: bool | None = True
    try:
        await control.check(connection)
        account = await accounts.read(connection, options.replicas, options.storage)
    except NoTierError as error:
        lacks = str(error)
    except NoJetStreamError as error:
        lacks, jetstream = str(error), False
    except ServerError as error:
        lacks, jetstream = str(error), None
    url = connection.connected_url
    return Offer(
        server=Access((url.geturl(),)).shown if url else "",
        version=connection.version,
        encrypted=connection.encrypted,
        max_payload=connection.max_payload,
        slow=control.slow(connection),
        link=await links.measure(connection, payloads),
        account=account,
        lacks=lacks,
        jetstream=jetstream,
        websocket=url is not None and is_websocket(url.geturl()),
        compressed=connection.compressed,
        header_bytes=control.header_bytes,
    )
