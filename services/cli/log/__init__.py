"""`perennial log`: a service's own log, checked, proved, sent again, and taken away."""

import typer

from services.cli import export
from services.cli.log import checkpoint, prove, republish, verify

app = typer.Typer(no_args_is_help=True, help="Work on a service's log.")

app.command(epilog=verify.EXAMPLE)(verify.verify)
app.command(name="checkpoint", epilog=checkpoint.EXAMPLE)(checkpoint.checkpoint)
app.command(name="keys")(checkpoint.keys)
app.command(epilog=prove.EXAMPLE)(prove.prove)
app.command(name="check-proof")(prove.check_proof)
app.command(epilog=republish.EXAMPLE)(republish.republish)
app.command(epilog=export.EXAMPLE)(export.export)
