"""`perennial log checkpoint` and `log keys`: sign the log as it is now, and print the keys that verify it."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from services.cli.examples import examples
from services.cli.failures import CommandFailed, ExitCode
from services.cli.ledgers import open_ledger
from services.cli.log.trust import KeysOption, SigningKeyOption, signing_keys, trusted_keys
from services.cli.names import ServiceName
from services.cli.output import AsJson, show, show_document
from shared.calendar import instant
from shared.keys.signing import KeyRing
from shared.proof.checkpoint_exporter import new_checkpoint
from shared.proof.signed_checkpoint import SignedCheckpoint, write_checkpoint
from shared.proof.slice_trees import HistoryBroken

EXAMPLES = examples("perennial log checkpoint --service device --to /mnt/elsewhere")
KEYS_EXAMPLES = examples("perennial log keys --service device > device.jwks.json")


def checkpoint(
    ctx: typer.Context,
    service: Annotated[ServiceName, typer.Option(help="Whose log.")],
    to: Annotated[Path | None, typer.Option(help="The folder.", show_default="the local system's")] = None,
    signing_key: SigningKeyOption = None,
    as_json: AsJson = False,
) -> None:
    """Write a signed checkpoint of a log to a folder; kept out of the database's reach it shows any rewriting."""
    keys = signing_keys(ctx.obj, service, signing_key)
    made = asyncio.run(_new_checkpoint(service, ctx.obj.database_url(service), keys))
    try:
        file = write_checkpoint(made, to or ctx.obj.checkpoint_folder())
    except OSError as error:
        raise CommandFailed(ExitCode.REFUSED, f"not_written: {error.filename or to}: {error.strerror}") from None
    show(
        {
            "ledger": made.ledger,
            "made_at": instant(made.made_at),
            "events": made.event_count,
            "key_id": keys.key_id,
            "file": str(file),
        },
        as_json=as_json,
    )


async def _new_checkpoint(service: ServiceName, url: str, keys: KeyRing) -> SignedCheckpoint:
    async with open_ledger(service, url) as ledger:
        try:
            return await new_checkpoint(ledger.pool, ledger=ledger.outbox.source, keys=keys)
        except HistoryBroken as broken:
            raise CommandFailed(ExitCode.REFUSED, f"history_broken: {broken}") from None


def keys(
    ctx: typer.Context,
    service: Annotated[ServiceName, typer.Option(help="Whose keys.")],
    file: KeysOption = None,
) -> None:
    """Print a service's public keys as a JWKS. They verify checkpoints, proofs and license documents."""
    show_document(trusted_keys(ctx.obj, service, file).jwks())
