"""The errors that a command expects, from any library: each becomes one line on stderr and an exit code."""

import asyncpg
import httpx
import typer
from aiokafka.errors import KafkaError

from services.cli.failures import CommandFailed, ExitCode
from shared.kafka.topics import WrongTopic
from shared.ledger.database import UNAVAILABLE
from shared.ledger.migrate import SchemaError
from shared.local.failures import LocalStackError
from shared.settings.secrets import WrongSetting

UNREACHABLE = (httpx.TransportError, KafkaError, *UNAVAILABLE)
REFUSED = (WrongTopic, SchemaError, WrongSetting, asyncpg.PostgresError)


def report(error: Exception) -> typer.Exit | None:
    """Print an expected error to stderr and return the exit to raise; return None for an unexpected error."""
    match error:
        case CommandFailed():
            return _exit(error.message, error.code)
        case LocalStackError():
            return _exit(error.message, ExitCode.NOT_STARTED)
        case _ if isinstance(error, UNREACHABLE):
            return _exit(f"connection failed: {error or type(error).__name__}", ExitCode.UNREACHABLE)
        case _ if isinstance(error, REFUSED):
            return _exit(str(error), ExitCode.REFUSED)
        case _:
            return None


def _exit(message: str, code: ExitCode) -> typer.Exit:
    typer.echo(f"perennial: {message}", err=True)
    return typer.Exit(code)
