"""`perennial log prove` and `log check-proof`: a proof of one event that anybody can check offline."""

import asyncio
import json
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer

from services.cli.connections import Connections
from services.cli.examples import examples
from services.cli.failures import CommandFailed, ExitCode
from services.cli.ledgers import open_ledger
from services.cli.log.trust import KeysOption, trusted_keys
from services.cli.names import SERVICES, ServiceName
from services.cli.output import AsJson, say, show, show_document
from shared.calendar import instant
from shared.keys.signing import PublicKeys
from shared.proof.inclusion import NotProved, load_event, make_proof
from shared.proof.inclusion import check_proof as check
from shared.proof.signed_checkpoint import CheckpointRefused, SignedCheckpoint, checkpoint_files, read_checkpoint

EXAMPLES = examples("perennial log prove 0198f2c1-7d2a-7c41-9b1e-3f5a6c7d8e9f > proof.json")
CHECK_EXAMPLES = examples("perennial log check-proof proof.json --keys device.jwks.json")


def prove(
    ctx: typer.Context,
    event_id: Annotated[UUID, typer.Argument(help="The event's id, as `ce_id` and every history show it.")],
    checkpoints: Annotated[
        Path | None, typer.Option(help="A folder with signed checkpoints.", show_default="the local system's")
    ] = None,
    keys: KeysOption = None,
) -> None:
    """Print a proof that an event is part of a signed history; docs/verify_event.py checks it without us."""
    folder = checkpoints or ctx.obj.checkpoint_folder()
    try:
        proof = asyncio.run(_proved(ctx.obj, event_id, folder, keys))
    except NotProved as error:
        raise CommandFailed(ExitCode.REFUSED, f"{error.code}: {error.detail}") from None
    show_document(proof)
    say(f"check it with docs/verify_event.py and the keys of `perennial log keys`: {len(json.dumps(proof)):,} bytes")


def check_proof(
    ctx: typer.Context,
    proof: Annotated[Path, typer.Argument(help="What `perennial log prove` printed.")],
    service: Annotated[ServiceName, typer.Option(help="Whose keys count, without --keys.")] = "device",
    keys: KeysOption = None,
    as_json: AsJson = False,
) -> None:
    """Check a proof, offline, as docs/verify_event.py does. Exit code 1 when it proves nothing."""
    try:
        included = check(json.loads(proof.read_bytes()), trusted_keys(ctx.obj, service, keys))
    except NotProved as error:
        raise CommandFailed(ExitCode.REFUSED, f"{error.code}: {error.detail}") from None
    except CheckpointRefused as error:
        raise CommandFailed(ExitCode.REFUSED, f"checkpoint_{error.code}: {error.detail}") from None
    except (OSError, ValueError) as error:
        raise CommandFailed(ExitCode.REFUSED, f"unreadable_proof: {proof}: {error}") from None
    show(
        {
            "proved": True,
            "ledger": included.ledger,
            "slice": included.slice_number,
            "position": included.position,
            "checkpointed_at": instant(included.checkpointed_at),
            "event": included.event,
        },
        as_json=as_json,
    )


async def _proved(connections: Connections, event_id: UUID, folder: Path, keys: Path | None) -> dict[str, Any]:
    """Return the proof from the ledger that has the event."""
    for service in SERVICES:
        async with (
            open_ledger(service, connections.database_url(service)) as ledger,
            ledger.pool.acquire() as connection,
        ):
            try:
                entry = await load_event(connection, event_id)
            except NotProved:
                continue
            trusted = trusted_keys(connections, service, keys)
            checkpoint = _newest(folder, ledger.outbox.source, trusted, service)
            return await make_proof(connection, entry, checkpoint)
    raise NotProved("unknown_event", f"no ledger has an event {event_id}")


def _newest(folder: Path, source: str, keys: PublicKeys, service: ServiceName) -> SignedCheckpoint:
    """Return the newest valid checkpoint of a ledger. Raises `NotProved`."""
    refusal: CheckpointRefused | None = None
    for file in reversed(list(checkpoint_files(folder, ledger=source))):
        try:
            checkpoint = read_checkpoint(file, keys)
        except CheckpointRefused as refused:
            refusal = refused
            continue
        if checkpoint.ledger == source:
            return checkpoint
    if refusal:
        raise NotProved(f"checkpoint_{refusal.code}", refusal.detail)
    advice = f"perennial log checkpoint --service {service}"
    raise NotProved("not_checkpointed_yet", f"{folder} has no checkpoint of {source}; `{advice}` makes one")
