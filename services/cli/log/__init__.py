"""`perennial log`: verify, sign, prove, republish and export a service's log."""

import typer

from services.cli import export
from services.cli.log import checkpoint, prove, republish, verify

app = typer.Typer(no_args_is_help=True, help="Work on a service's log.")

app.command(epilog=verify.EXAMPLES)(verify.verify)
app.command(name="checkpoint", epilog=checkpoint.EXAMPLES)(checkpoint.checkpoint)
app.command(name="keys", epilog=checkpoint.KEYS_EXAMPLES)(checkpoint.keys)
app.command(epilog=prove.EXAMPLES)(prove.prove)
app.command(name="check-proof", epilog=prove.CHECK_EXAMPLES)(prove.check_proof)
app.command(epilog=republish.EXAMPLES)(republish.republish)
app.command(epilog=export.EXAMPLES)(export.export)
