"""`perennial log republish`: send the ledger's events to Kafka again: one slice, a lost topic, or a new topic."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from time import monotonic
from typing import Annotated, Any

import typer
from aiokafka.errors import KafkaError

from services.cli.bar import Bar
from services.cli.connections import Connections
from services.cli.examples import examples
from services.cli.failures import CommandFailed, ExitCode
from services.cli.ledgers import Ledger, open_ledger
from services.cli.names import SERVICES, ServiceName
from services.cli.output import AsJson, say, show
from shared.kafka.relay import SEND_SECONDS_MAX, STOP_SECONDS_MAX, Relay
from shared.kafka.topics import COMMAND_TOPICS, EVENT_TOPICS, Layout, create_topic, layout_of, record_count
from shared.ledger.database import UNAVAILABLE, Connection
from shared.ledger.lease import Leases
from shared.ledger.slices import SLICE_COUNT, check_partition_count
from shared.recovery.republish import (
    CopyRunning,
    copy_to_topic,
    relay_is_running,
    relay_progress,
    reset_copy,
    rewind_consumers,
    rewind_relay,
    switch_relay,
)

EXAMPLES = examples(
    "perennial log republish --service device",
    "perennial log republish --service device --slice 17 --from-position 4711",
    "perennial log republish --service device --to-topic device.events.v2 --partitions 64",
)
POLL_SECONDS = 0.3
POSITION_MAX = 2**63 - 1
"""What PostgreSQL's bigint holds."""
SILENCE_SECONDS_MAX = 60.0
TRIES_MAX = 5
IN_FLIGHT_SECONDS_MAX = SEND_SECONDS_MAX + STOP_SECONDS_MAX + 2.0

BACK = """
update slice_published p set position = $2 - 1 from slice_head h
where p.slice = $1 and h.slice = $1 and $2 between 1 and p.position
returning h.position
"""


def republish(
    ctx: typer.Context,
    service: Annotated[ServiceName, typer.Option(help="Whose log.")],
    slice_number: Annotated[
        int | None, typer.Option("--slice", min=0, max=SLICE_COUNT - 1, help="One slice only; with --from-position.")
    ] = None,
    from_position: Annotated[
        int | None, typer.Option(min=1, max=POSITION_MAX, help="The first event to send again.")
    ] = None,
    to_topic: Annotated[
        str | None, typer.Option(help="Fill this topic instead; it is created if it is missing.")
    ] = None,
    partitions: Annotated[
        int | None, typer.Option(help="Of a topic that is created.", show_default="as the service's own")
    ] = None,
    replicas: Annotated[int | None, typer.Option(min=1, help="Of a topic that is created.")] = None,
    switch_over: Annotated[
        bool,
        typer.Option(
            "--switch", help="With --to-topic, while the services are stopped: continue on it at the next start."
        ),
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Send everything again to a topic that already has it.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Send the log to Kafka again, even under traffic; consumers drop what they have.

    With --slice, one slice from a position. With --to-topic, everything that topic does not have. With neither, the
    service's own topic is filled again from the first event; it is created first if it is gone.
    """
    _check_options(slice_number, from_position, to_topic, switch_over=switch_over)
    made = {"partitions": partitions, "replicas": replicas}
    if slice_number is not None and from_position is not None:
        answer = asyncio.run(_slice(ctx.obj, service, slice_number, from_position))
        say("the service's relay sends them as soon as it runs")
    elif to_topic:
        answer = asyncio.run(_to_topic(ctx.obj, service, to_topic, made, switch_over=switch_over))
    else:
        answer = asyncio.run(_own_topic(ctx.obj, service, made, force=force))
    show(answer, as_json=as_json)


def _check_options(
    slice_number: int | None, from_position: int | None, to_topic: str | None, *, switch_over: bool
) -> None:
    if (slice_number is None) != (from_position is None):
        raise typer.BadParameter("--slice and --from-position go together")
    if to_topic and slice_number is not None:
        raise typer.BadParameter("--to-topic takes all slices")
    if switch_over and not to_topic:
        raise typer.BadParameter("--switch needs --to-topic")


# --- one slice ---------------------------------------------------------------------------


async def _slice(connections: Connections, service: ServiceName, number: int, first: int) -> dict[str, Any]:
    async with open_ledger(service, connections.database_url(service)) as ledger:
        last = await send_again(ledger, number, from_position=first)
    return {"service": service, "slice": number, "from_position": first, "to_position": last}


async def send_again(ledger: Ledger, slice_number: int, *, from_position: int) -> int:
    """Rewind a slice's published position and return the slice's last position. Raises `CommandFailed`.

    A relay that is sending meanwhile notes its own progress by compare-and-set, so it cannot undo this.
    """
    last: int | None = await ledger.pool.fetchval(BACK, slice_number, from_position)
    if last is None:
        message = f"position {from_position} of slice {slice_number} was not published yet: the relay will send it"
        raise CommandFailed(ExitCode.REFUSED, message)
    return last


# --- the service's own topic ------------------------------------------------------------------


async def _own_topic(
    connections: Connections, service: ServiceName, made: dict[str, int | None], *, force: bool
) -> dict[str, Any]:
    """Rewind the relay and the consumers, create the topic if it is gone, and watch the relay.

    In this order: a topic that is filled before its readers know would be read from the middle, and what the relay
    had begun to send when the topic was lost would come before all that is older.
    """
    async with _all_opened(connections) as ledgers:
        topic, connection = ledgers[service].outbox.topic, await ledgers[service].pool.acquire()
        layout = await _layout(connections, topic, made)
        if not force:
            await _refuse_full(connections, topic, await relay_progress(connection))
        await rewind_relay(connection)
        readers = [*await rewind_consumers(connection)]
        for other in SERVICES:
            if other != service:
                readers += await rewind_consumers(await ledgers[other].pool.acquire())
        if await layout_of(connections.kafka, topic) is None and await relay_is_running(connection):
            say(f"waiting {IN_FLIGHT_SECONDS_MAX:.0f} seconds until what the relay had begun to send is given up")
            await asyncio.sleep(IN_FLIGHT_SECONDS_MAX)
        was_missing = await create_topic(connections.kafka, topic, layout)
        events = await _watched(connection)
    return {"service": service, "topic": topic, "made": was_missing, "events": events, "rewound": sorted(readers)}


async def _refuse_full(connections: Connections, topic: str, so_far: Any) -> None:
    records = await record_count(connections.kafka, topic)
    if records and records >= so_far.events:
        message = (
            f"topic_is_full: {topic} has {records:,} records for {so_far.events:,} events; --force sends all again"
        )
        raise CommandFailed(ExitCode.REFUSED, message)


async def _watched(connection: Connection) -> int:
    """Show the relay's progress up to the present end of the log; return how many events that is."""
    target = (await relay_progress(connection)).total
    moved_at, before = monotonic(), -1
    with Bar("events") as bar:
        while (done := (await relay_progress(connection)).events) < target:
            bar.update(done, target)
            if done != before:
                moved_at, before = monotonic(), done
            if not await relay_is_running(connection):
                say(f"{target:,} events will be sent as soon as the service runs")
                return target
            if monotonic() - moved_at > SILENCE_SECONDS_MAX:
                message = f"the service's relay sends nothing since {SILENCE_SECONDS_MAX:.0f} seconds: see its log"
                raise CommandFailed(ExitCode.UNREACHABLE, message)
            await asyncio.sleep(POLL_SECONDS)
    return target


# --- another topic ----------------------------------------------------------------------------


async def _to_topic(
    connections: Connections, service: ServiceName, topic: str, made: dict[str, int | None], *, switch_over: bool
) -> dict[str, Any]:
    async with _all_opened(connections) as ledgers:
        ledger = ledgers[service]
        if topic == ledger.outbox.topic:
            raise CommandFailed(ExitCode.REFUSED, f"own_topic: {topic} is the relay's own; leave --to-topic out")
        on_all = {name: await other.pool.acquire() for name, other in ledgers.items()}
        connection = on_all[service]
        if switch_over:
            await _refuse_running(on_all)
        layout = await _layout(connections, topic, made, like=ledger.outbox.topic)
        if was_missing := await create_topic(connections.kafka, topic, layout):
            await reset_copy(connection, topic)
        events = await _copied(connections, ledger, connection, topic)
        answer = {"service": service, "topic": topic, "made": was_missing, "events": events, "switched": switch_over}
        if switch_over:
            await switch_relay(connection, topic)
            answer["rewound"] = sorted([name for each in on_all.values() for name in await rewind_consumers(each)])
        elif await relay_is_running(connection):
            say(f"{service} runs: what comes from now on is not in {topic}; run this again to add it")
    return answer


async def _refuse_running(on_all: Mapping[ServiceName, Connection]) -> None:
    for service, connection in on_all.items():
        if await relay_is_running(connection):
            raise CommandFailed(ExitCode.REFUSED, f"still_running: stop all workers of {service} before --switch")


async def _copied(connections: Connections, ledger: Ledger, connection: Connection, topic: str) -> int:
    """Copy, and retry while Kafka is briefly unavailable; return how many events were sent."""
    relay = Relay(
        pool=ledger.pool,
        leases=Leases("operator", pool=ledger.pool, on_change=lambda: None),
        outbox=replace(ledger.outbox, topic=topic),
        bootstrap_servers=connections.kafka,
    )
    events = 0
    try:
        with Bar("events") as bar:
            for attempt in range(1, TRIES_MAX + 1):
                try:
                    return events + await copy_to_topic(connection, relay, topic, on_progress=bar.update)
                except CopyRunning:
                    raise CommandFailed(ExitCode.REFUSED, "busy: somebody else fills a topic from this log") from None
                except (KafkaError, *UNAVAILABLE) as error:
                    if attempt == TRIES_MAX:
                        raise
                    say(f"trying again: {error!r}")
                    await relay.close()
    finally:
        await relay.close()
    return events


# --- both ----------------------------------------------------------------------------------------


@asynccontextmanager
async def _all_opened(connections: Connections) -> AsyncIterator[dict[ServiceName, Ledger]]:
    """Open both ledgers: a service's topic has consumers in both. Nothing is changed if one cannot be reached."""
    async with AsyncExitStack() as stack:
        yield {
            name: await stack.enter_async_context(open_ledger(name, connections.database_url(name)))
            for name in SERVICES
        }


async def _layout(
    connections: Connections, topic: str, made: dict[str, int | None], *, like: str | None = None
) -> Layout:
    """Return the layout for a missing topic: as ordered, else that of `like`, else that of any topic of ours."""
    known = [
        await layout_of(connections.kafka, name) for name in (topic, like or topic, *EVENT_TOPICS, *COMMAND_TOPICS)
    ]
    layout = next(filter(None, known), None)
    partitions = made["partitions"] or (layout and layout.partitions)
    replicas = made["replicas"] or (layout and layout.replicas)
    if not partitions or not replicas:
        raise CommandFailed(ExitCode.REFUSED, f"no_layout: say how {topic} is made: --partitions and --replicas")
    try:
        check_partition_count(partitions)
    except ValueError as wrong:
        raise CommandFailed(ExitCode.REFUSED, f"wrong_partitions: {wrong}") from None
    return Layout(partitions, replicas)
