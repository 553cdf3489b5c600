"""`perennial ledger recover`: recovers the events that a ledger restored from a backup has lost, from its topic."""

import asyncio
from collections import defaultdict
from typing import Annotated

import typer

from services.activation.consumer import DEVICES_TOPIC, PURCHASES_TOPIC
from services.activation.decider import DECIDER as CODES
from services.activation.decider import Code
from services.activation.store import CodeStore
from services.cli.connections import Connections
from services.cli.examples import examples
from services.cli.failures import CommandFailed, ExitCode
from services.cli.ledgers import Ledger, open_ledger
from services.cli.names import ServiceName
from services.cli.output import AsJson, plural, say, show
from services.device.consumer import COMMANDS_TOPIC, VERDICTS_TOPIC
from services.device.decider import DECIDER as DEVICES
from services.device.store import DeviceStore
from shared.ledger.command_handler import CommandHandler
from shared.ledger.database import Connection
from shared.ledger.lease import LEASE_SECONDS
from shared.recovery.recover import NotThisHistory, Reads, States, recover

WORKERS = "select count(*) from worker where seen_at > now() - make_interval(secs => $1)"
HOLDERS = "select code_ref, device_id from seat where code_ref = any($1::text[])"


app = typer.Typer()


@app.command("recover", epilog=examples("perennial ledger recover --service device"))
def recover_ledger(
    ctx: typer.Context,
    service: Annotated[ServiceName, typer.Option(help="The service whose ledger to recover.")],
    as_json: AsJson = False,
) -> None:
    """Recover the events that a restored ledger has lost from its topic. Stop all workers of the service first.

    It is safe to run again. What is on no topic is lost: responses stored under idempotency keys, and the tokens of
    devices that enrolled since the backup.
    """
    connections: Connections = ctx.obj
    say(f"reading the topic of the {service} service from the beginning")
    try:
        recovered = asyncio.run(_recover(service, connections))
    except NotThisHistory as other:
        raise CommandFailed(ExitCode.REFUSED, str(other)) from None
    show({"service": service, "recovered_events": recovered}, as_json=as_json)


async def _recover(service: ServiceName, connections: Connections) -> int:
    async with open_ledger(service, connections.database_url(service)) as ledger:
        async with ledger.pool.acquire() as connection:
            if workers := await connection.fetchval(WORKERS, LEASE_SECONDS):
                running = plural(workers, f"{service} worker")
                raise CommandFailed(ExitCode.REFUSED, f"{running} still running: stop all workers first")
        return await _append_lost_events(service, ledger, connections.kafka)


async def _append_lost_events(service: ServiceName, ledger: Ledger, bootstrap_servers: str) -> int:
    match service:
        case "device":
            devices = CommandHandler(DEVICES, DeviceStore(), ledger.outbox)
            reads = Reads({"device.verdicts": VERDICTS_TOPIC}, [COMMANDS_TOPIC])
            return await recover(ledger.pool, bootstrap_servers, devices, reads=reads)
        case "activation":
            codes = CommandHandler(CODES, CodeStore(), ledger.outbox)
            reads = Reads({"activation.requests": DEVICES_TOPIC}, [PURCHASES_TOPIC])
            return await recover(ledger.pool, bootstrap_servers, codes, reads=reads, complete=_with_holders)


async def _with_holders(connection: Connection, states: States[Code]) -> States[Code]:
    """Add all holders of the codes, because the store only loads those that a command names and there is no command."""
    holders: dict[str, set[str]] = defaultdict(set)
    for row in await connection.fetch(HOLDERS, sorted(states)):
        holders[row["code_ref"]].add(row["device_id"])
    return {
        ref: stored._replace(state=stored.state.but(holders=frozenset(holders[ref]))) for ref, stored in states.items()
    }
