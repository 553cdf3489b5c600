"""Which failures are expected of a command, whatever library tells of them: one line and an exit code."""

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
    """Say an expected failure on stderr and return how the command ends; None if nobody expected it."""
    match error:
        case CommandFailed():
            return _ended(error.message, error.code)
        case LocalStackError():
            return _ended(error.message, ExitCode.NOT_STARTED)
        case _ if isinstance(error, UNREACHABLE):
            return _ended(f"cannot be reached: {error or type(error).__name__}", ExitCode.UNREACHABLE)
        case _ if isinstance(error, REFUSED):
            return _ended(str(error), ExitCode.REFUSED)
        case _:
            return None


def _ended(message: str, code: ExitCode) -> typer.Exit:
    typer.echo(f"perennial: {message}", err=True)
    return typer.Exit(code)
