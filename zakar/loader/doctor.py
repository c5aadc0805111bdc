"""What a server offers, what a dataset needs of it, and what lacks."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from zakar.broker import account as accounts
from zakar.broker import control as controls
from zakar.broker import link as links
from zakar.broker import station
from zakar.broker.access import Access, is_websocket
from zakar.broker.account import Account, NoTierError
from zakar.broker.connection import LOST, ApiError, Connection, connected, lost
from zakar.broker.control import Control
from zakar.broker.link import Link
from zakar.broker.memphis import messages
from zakar.broker.station import NoJetStreamError
from zakar.dataset.schema import PREDICTIONS, PUBLIC
from zakar.dataset.store import Dataset
from zakar.errors import ServerError
from zakar.loader import obstacle, sizing, transport
from zakar.loader.load import LeftOut, choose, left_out, sample, stored
from zakar.loader.options import LoadOptions, Mode
from zakar.loader.plan import Action, LoadPlan
from zakar.loader.prepare import try_connections
from zakar.loader.survey import NO_HEADERS, survey

_READING = b'{"day":1234,"geospatial_x":12,"geospatial_y":17,"temperature":87}'


@dataclass(frozen=True)
class Offer:
    """What a server offers, and how it is reached: ``compressed``, through a ``websocket``, as a ``memphis`` broker.

    ``jetstream``: whether there is any, None where it could not be asked. ``header_bytes``: of header lines that each
    message carries for SDKs of Memphis, 0 where nobody serves them. ``slow`` says why there is no fast ingest,
    ``lacks`` why there is no ``account``, or why nothing can be loaded into it; empty where there is, and it can.
    """

    server: str
    version: str
    encrypted: bool
    max_payload: int
    slow: str
    link: Link
    account: Account | None
    lacks: str = ""
    jetstream: bool | None = True
    websocket: bool = False
    compressed: bool = False
    memphis: bool = False
    header_bytes: int = 0

    @property
    def fast_ingest(self) -> bool:
        """Whether there is fast ingest."""
        return not self.slow

    @property
    def dedupe_header(self) -> str | None:
        """The header by which a repeated message is known; None without JetStream, and through Memphis.

        A real Memphis broker reads ``msg-id``; stock NATS does not, also where it answers Memphis's SDKs.
        """
        return None if self.account is None or self.memphis else "Nats-Msg-Id"


@dataclass(frozen=True)
class Findings:
    """What was found: the server's offer, and, for a dataset, what a load would do and take.

    ``seconds`` is an estimate, None where there is none; ``days_that_fit`` is told where storage does not suffice,
    and whether a load of them ``starts_over``, since they do only once the stations are deleted. ``left_out`` are the
    tables of answers that a load leaves out, and what their stations hold. ``bare``: streams with messages
    that lack what SDKs of Memphis read in each, where these are served. ``unreadable``: without a dataset, what keeps
    the stations of datasets that are there from being read, each with the fix.
    """

    offer: Offer
    plan: LoadPlan | None = None
    seconds: float | None = None
    days_that_fit: int | None = None
    starts_over: bool = False
    left_out: LeftOut = field(default_factory=dict)
    bare: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()

    @property
    def batch(self) -> bool:
        """Whether messages go by fast ingest: as the load that is asked about would send them, else as it could."""
        if self.plan is None:
            return self.offer.fast_ingest and self.offer.account is not None
        return any(row.mode == Mode.BATCH for row in self.plan.stations.values())


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
