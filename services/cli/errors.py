"""What becomes of an error, from any library: one line on stderr and an exit code, never a traceback."""

import os
import sys
import tempfile
import traceback
from contextlib import suppress
from pathlib import Path

import asyncpg
import httpx
import typer
from aiokafka.errors import KafkaError

from services.cli.failures import CommandFailed, ExitCode, is_of_a_file
from services.cli.output import say
from shared.kafka.topics import WrongTopic
from shared.ledger.database import UNAVAILABLE
from shared.ledger.migrate import SchemaError
from shared.local.failures import LocalStackError
from shared.settings.secrets import WrongSetting

UNREACHABLE = (httpx.TransportError, KafkaError, *UNAVAILABLE)
REFUSED = (WrongTopic, SchemaError, WrongSetting, asyncpg.PostgresError)


def report(error: Exception, data: Path) -> typer.Exit:
    """Print an error to stderr and return the exit to raise. `data` keeps the traceback of an unexpected error."""
    if isinstance(error, BrokenPipeError):
        # nobody reads our output any more: the clients of services, ledgers and Kafka have errors of their own
        code = ExitCode.CLOSED_PIPE
    else:
        code, message = _ending(error) or (ExitCode.UNEXPECTED, _unexpected(error, data))
        with suppress(OSError):
            say(f"perennial: {message}")
    _drop_unwritten_output()
    return typer.Exit(code)


def _drop_unwritten_output() -> None:
    """Give up what could not be printed: Python would try again at the end, fail, and say so."""
    for stream in filter(None, (sys.stdout, sys.stderr)):  # one that the shell has closed is None
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _ending(error: Exception) -> tuple[ExitCode, str] | None:
    """Return how an expected error ends the program, or None for an unexpected one."""
    ending: tuple[ExitCode, str] | None = None
    match error:
        case CommandFailed():
            ending = error.code, error.message
        case LocalStackError():
            ending = ExitCode.NOT_STARTED, error.message
        case UnicodeEncodeError():
            # output is never refused, so this was to be sent: surrogates stand for bytes that are not UTF-8
            ending = ExitCode.USAGE, "not_text: an argument has characters that cannot be sent; use UTF-8"
        case httpx.InvalidURL():
            ending = ExitCode.USAGE, f"malformed_url: {error}"
        case OSError() if is_of_a_file(error):
            ending = ExitCode.REFUSED, f"file_error: {error.filename or 'the output'}: {error.strerror}"
        case _ if isinstance(error, UNREACHABLE):
            ending = ExitCode.UNREACHABLE, f"connection failed: {error or type(error).__name__}"
        case _ if isinstance(error, REFUSED):
            ending = ExitCode.REFUSED, str(error)
    return ending


def _unexpected(error: Exception, data: Path) -> str:
    return f"unexpected error ({type(error).__name__}): {_kept(error, data)}"


def _kept(error: Exception, data: Path) -> str:
    """Write the traceback to a file that only its owner can read, and say where it is."""
    # without variables, because they could reveal a code
    text = "".join(traceback.format_exception(error))
    for folder in (data, Path(tempfile.gettempdir())):
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(
                "w", dir=folder, prefix="error-", suffix=".txt", delete=False, errors="backslashreplace"
            ) as file:
                file.write(text)
            return f"its traceback is in {file.name}"
    return "its traceback could not be written"
