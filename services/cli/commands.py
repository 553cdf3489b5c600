"""The root of `perennial`: which commands there are, where they find the system, and how they fail."""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, override

import typer
import typer.main
from typer.core import TyperGroup

from services.cli.connections import Connections
from services.cli.examples import PARAGRAPH, examples
from services.cli.failures import EXIT_CODES

COMMAND_MODULES: Mapping[str, str] = {
    "demo": "demo",
    "up": "demo",
    "code": "codes",
    "device": "devices",
    "consumer": "consumers",
    "parked": "parked",
    "log": "log",
    "projection": "projections",
    "reason": "reasons",
    "topics": "topics",
    "secrets": "secrets",
    "what-if": "what_if",
    "forecast": "forecast",
    "migrate": "schema",
    "recover": "recover",
    "doctor": "doctor",
}
"""Which module has a command, or a group of commands under that name. It is loaded when it is called for."""


class CommandLine(TyperGroup):
    """Loads what is called for alone, and turns every expected failure into one line on stderr and an exit code."""

    @override
    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of all commands, in the order of the help."""
        return [*COMMAND_MODULES]

    @override
    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command or a group; None if there is none of that name."""
        if cmd_name not in COMMAND_MODULES:
            return None
        home: typer.Typer = import_module(f"services.cli.{COMMAND_MODULES[cmd_name]}").app
        found = typer.main.get_group(home)
        if cmd_name in found.commands:
            return found.commands[cmd_name]
        found.name = cmd_name
        return found

    @override
    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except Exception as error:
            # knows the errors of all libraries, whose loading most commands do without
            exit_ = import_module("services.cli.expected_errors").report(error)
            if exit_ is None:
                raise
            raise exit_ from None


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
    ctx.obj = Connections.resolve(data=data, device_url=device_url, activation_url=activation_url, kafka=kafka)
