"""`perennial log`: a service's own log."""

import asyncio
from typing import Annotated

import typer

from services.cli.failures import CommandFailed, ExitCode
from services.cli.ledgers import Ledger, opened
from services.cli.output import AsJson, say, show
from services.cli.system import ServiceName
from shared.slices import SLICE_COUNT

app = typer.Typer(no_args_is_help=True, help="Work on a service's log.")

BACK = """
update slice_published p set position = $2 - 1 from slice_head h
where p.slice = $1 and h.slice = $1 and $2 between 1 and p.position
returning h.position
"""


@app.command(epilog="Example: perennial log republish --service device --slice 17 --from-position 4")
def republish(
    ctx: typer.Context,
    service: Annotated[ServiceName, typer.Option(help="Whose log.")],
    slice_number: Annotated[int, typer.Option("--slice", min=0, max=SLICE_COUNT - 1, help="Which slice.")],
    from_position: Annotated[int, typer.Option(min=1, help="The first event to send again.")],
    as_json: AsJson = False,
) -> None:
    """Let the relay send a slice again from a position; consumers drop what they have."""

    async def order() -> int:
        async with opened(service, ctx.obj.database_url(service)) as ledger:
            return await send_again(ledger, slice_number, from_position=from_position)

    last = asyncio.run(order())
    show(
        {"service": service, "slice": slice_number, "from_position": from_position, "to_position": last},
        as_json=as_json,
    )
    say("the service's relay sends them as soon as it runs")


async def send_again(ledger: Ledger, slice_number: int, *, from_position: int) -> int:
    """Move what counts as published back and return the slice's last position. Raises `CommandFailed`.

    A relay that is sending meanwhile notes its own progress by compare-and-set, so it cannot undo this.
    """
    last: int | None = await ledger.pool.fetchval(BACK, slice_number, from_position)
    if last is None:
        message = f"position {from_position} of slice {slice_number} was not published yet: the relay will send it"
        raise CommandFailed(ExitCode.REFUSED, message)
    return last
