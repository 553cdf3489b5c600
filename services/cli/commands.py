"""The root of `perennial`: its commands, how they find the system, and how they fail."""

import io
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, override

import typer
import typer.main
from typer.core import TyperGroup

from services.cli.connections import Connections
from services.cli.examples import PARAGRAPH, examples
from services.cli.failures import EXIT_CODES, ExitCode

DATA = Path(".data")

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
}
"""The module of each command or group of commands. It is imported when it is needed."""

NOUNS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "license": ("Foresee what becomes of licenses.", {"forecast": "forecast"}),
    "policy": ("Try another policy on the recorded history.", {"what-if": "what_if"}),
    "ledger": ("Prepare the ledger of a service, or recover it.", {"migrate": "schema", "recover": "recover"}),
    "system": ("Check the whole system.", {"doctor": "doctor"}),
}
"""The groups whose commands have modules of their own: the help of each, and the module of each command."""

SHORT_NAMES = {verb: noun for noun, (_, modules) in NOUNS.items() for verb in modules}
"""Each command of `NOUNS` may be called without its noun."""

WITHOUT_NOUN = f"Without their noun work: {', '.join(sorted(SHORT_NAMES))}."


class CommandLine(TyperGroup):
    """Imports only the command that runs, and turns every error into one line on stderr and an exit code."""

    @override
    def main(self, *args: Any, **options: Any) -> Any:
        """Run the program. Characters that the terminal's encoding does not have are printed as escapes."""
        if sys.stdout is None:  # closed by the shell: the next file that is opened would take its place
            sys.exit(ExitCode.CLOSED_PIPE)
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        return super().main(*args, **options)

    @override
    def make_context(self, *args: Any, **options: Any) -> Any:
        """Parse the options of the program, or print its help."""
        with _errors_reported(DATA):
            return super().make_context(*args, **options)

    @override
    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of all commands, in help order."""
        return [*COMMAND_MODULES, *NOUNS]

    @override
    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return the command or group of this name, or None."""
        if cmd_name in NOUNS:
            return _noun(cmd_name)
        if cmd_name in SHORT_NAMES:
            return _noun(SHORT_NAMES[cmd_name]).commands[cmd_name]
        if cmd_name not in COMMAND_MODULES:
            return None
        group = _loaded(COMMAND_MODULES[cmd_name])
        if cmd_name in group.commands:
            return group.commands[cmd_name]
        group.name = cmd_name
        return group

    @override
    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        with _errors_reported(ctx.params.get("data", DATA)):
            return super().invoke(ctx)


def _loaded(module: str) -> TyperGroup:
    module_app: typer.Typer = import_module(f"services.cli.{module}").app
    return typer.main.get_group(module_app)


def _noun(name: str) -> TyperGroup:
    help_text, modules = NOUNS[name]
    group = typer.main.get_group(typer.Typer(name=name, help=help_text, no_args_is_help=True))
    group.commands.update({verb: _loaded(module).commands[verb] for verb, module in modules.items()})
    return group


@contextmanager
def _errors_reported(data: Path) -> Iterator[None]:
    """Print any error as one line and raise the exit; the traceback of an unexpected one goes to folder `data`."""
    try:
        yield
    except (typer.TyperException, typer.Exit, typer.Abort):
        raise
    except SystemExit as ended:
        # rich ends the program itself when nobody reads what it prints
        if isinstance(ended.__context__, BrokenPipeError):
            raise typer.Exit(ExitCode.CLOSED_PIPE) from None
        raise
    except Exception as error:  # noqa: BLE001 - no command ends in a traceback; the error is kept in a file
        # this module imports every library whose errors it knows; most commands need few of them
        raise import_module("services.cli.errors").report(error, data) from None


app = typer.Typer(
    cls=CommandLine,
    # a traceback with variables could reveal a code
    pretty_exceptions_show_locals=False,
    no_args_is_help=True,
    help="Activate and renew software licenses: run Perennial on this machine, or operate a deployment.",
    epilog=PARAGRAPH.join((WITHOUT_NOUN, EXIT_CODES, examples("perennial demo --once", "perennial code issue --help"))),
)


@app.callback()
def configure(
    ctx: typer.Context,
    data: Annotated[
        Path,
        typer.Option(
            envvar="PERENNIAL_DATA", help="The data folder of the local system. Its credentials are the defaults."
        ),
    ] = DATA,
    device_url: Annotated[
        str | None,
        typer.Option(envvar="PERENNIAL_DEVICE_URL", help="The URL of the device service.", show_default="local"),
    ] = None,
    activation_url: Annotated[
        str | None,
        typer.Option(
            envvar="PERENNIAL_ACTIVATION_URL", help="The URL of the activation service.", show_default="local"
        ),
    ] = None,
    kafka: Annotated[
        str | None,
        typer.Option(
            envvar="PERENNIAL_KAFKA_BOOTSTRAP_SERVERS", help="The Kafka bootstrap servers.", show_default="local"
        ),
    ] = None,
) -> None:
    """Find the system. Secrets come only from the environment, because any user can see a command line."""
    ctx.obj = Connections.resolve(data=data, device_url=device_url, activation_url=activation_url, kafka=kafka)
