"""The root of `perennial`: which commands there are, where they find the system, and how they fail."""

from pathlib import Path
from typing import Annotated, Any, override

import asyncpg
import httpx
import typer
from aiokafka.errors import KafkaError
from typer.core import TyperGroup

from services.cli import codes, consumers, devices, doctor, log, parked, projections, reasons, schema, secrets, topics
from services.cli.connections import Connections
from services.cli.demo import PORTS, demo, up
from services.cli.examples import PARAGRAPH, examples
from services.cli.failures import EXIT_CODES, CommandFailed, ExitCode
from services.cli.forecast import forecast
from services.cli.recover import recover_ledger
from services.cli.what_if import what_if
from shared.database import AWAY
from shared.local.failures import LocalStackError
from shared.migrate import SchemaError
from shared.settings import WrongSetting
from shared.topics import WrongTopic

UNREACHABLE = (httpx.TransportError, KafkaError, *AWAY)
REFUSED = (WrongTopic, SchemaError, WrongSetting, asyncpg.PostgresError)


class CommandLine(TyperGroup):
    """Turns every expected failure into one line on stderr and an exit code."""

    @override
    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except CommandFailed as failed:
            raise _failed(failed.message, failed.code) from None
        except LocalStackError as failed:
            raise _failed(failed.message, ExitCode.NOT_STARTED) from None
        except UNREACHABLE as away:
            raise _failed(f"cannot be reached: {away or type(away).__name__}", ExitCode.UNREACHABLE) from None
        except REFUSED as refused:
            raise _failed(str(refused), ExitCode.REFUSED) from None


def _failed(message: str, code: ExitCode) -> typer.Exit:
    typer.echo(f"perennial: {message}", err=True)
    return typer.Exit(code)


app = typer.Typer(
    cls=CommandLine,
    # a traceback that shows variables could show a code
    pretty_exceptions_show_locals=False,
    no_args_is_help=True,
    help="Activate and renew software licenses: the system on this machine, and an operator's daily work.",
    epilog=PARAGRAPH.join((EXIT_CODES, examples("perennial demo --once", "perennial code issue --help"))),
)


@app.callback()
def facts(
    ctx: typer.Context,
    data: Annotated[
        Path, typer.Option(envvar="PERENNIAL_DATA", help="The local system's folder; its credentials are the defaults.")
    ] = Path(".data"),
    device_url: Annotated[str | None, typer.Option(envvar="PERENNIAL_DEVICE_URL", show_default="local")] = None,
    activation_url: Annotated[str | None, typer.Option(envvar="PERENNIAL_ACTIVATION_URL", show_default="local")] = None,
    kafka: Annotated[str | None, typer.Option(envvar="PERENNIAL_KAFKA_BOOTSTRAP_SERVERS", show_default="local")] = None,
) -> None:
    """Note where the system is. Secrets come from the environment alone, because everybody reads a command line."""
    ctx.obj = Connections.found(data=data, device_url=device_url, activation_url=activation_url, kafka=kafka)


app.command(epilog=PARAGRAPH.join((PORTS, examples("perennial demo", "perennial demo --once --json"))))(demo)
app.command(epilog=PARAGRAPH.join((PORTS, examples("perennial up"))))(up)
app.add_typer(codes.app, name="code")
app.add_typer(devices.app, name="device")
app.add_typer(consumers.app, name="consumer")
app.add_typer(parked.app, name="parked")
app.add_typer(log.app, name="log")
app.add_typer(projections.app, name="projection")
app.add_typer(reasons.app, name="reason")
app.add_typer(topics.app, name="topics")
app.add_typer(secrets.app, name="secrets")
app.command("what-if", epilog=examples("perennial what-if --policy stricter.json --since 2027-01-01"))(what_if)
app.command(epilog=examples("perennial forecast --until 2027-06-30 --failing"))(forecast)
app.command(epilog=examples("perennial migrate --service device"))(schema.migrate)
app.command("recover", epilog=examples("perennial recover --service device"))(recover_ledger)
app.command(epilog=doctor.EXAMPLES)(doctor.doctor)
