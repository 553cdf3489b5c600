"""`perennial topics`: the Kafka topics."""

import asyncio
from typing import Annotated

import typer

from services.cli.examples import examples
from services.cli.failures import CommandFailed, ExitCode
from services.cli.output import AsJson, show
from shared.kafka.topics import COMMAND_TOPICS, EVENT_TOPICS, Layout, ensure_topics

app = typer.Typer(no_args_is_help=True, help="Create and check the Kafka topics.")


@app.command(epilog=examples("perennial --kafka broker-1:9092 topics ensure --partitions 64 --replicas 3"))
def ensure(
    ctx: typer.Context,
    partitions: Annotated[
        int, typer.Option(help="Partitions per topic: a power of two, at most 256. Cannot be changed later.")
    ] = 64,
    replicas: Annotated[int, typer.Option(min=1, help="Replicas per partition.")] = 3,
    as_json: AsJson = False,
) -> None:
    """Create the topics that are missing, and reject any topic that could lose history."""
    try:
        made = asyncio.run(ensure_topics(ctx.obj.kafka, Layout(partitions, replicas)))
    except ValueError as wrong:
        raise CommandFailed(ExitCode.REFUSED, str(wrong)) from None
    show({"made": made, "checked": [*EVENT_TOPICS, *COMMAND_TOPICS]}, as_json=as_json)
