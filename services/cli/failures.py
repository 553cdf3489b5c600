"""How a command fails: an exit code that stays, and one line for the person at the terminal."""

from collections.abc import Mapping
from enum import IntEnum
from typing import Any


class ExitCode(IntEnum):
    """The exit codes of every command. 0 is also that of `up` and `demo` when Ctrl-C ended them."""

    DONE = 0
    REFUSED = 1
    USAGE = 2
    UNREACHABLE = 3
    NOT_STARTED = 4


EXIT_CODES = (
    "Exit codes: 0 done, 1 refused, different or wrong (stderr says what), 2 wrong usage, "
    "3 a service, ledger or Kafka cannot be reached, 4 the local system did not start or lost a part."
)


class CommandFailed(Exception):
    """A command came to nothing; `message` is one line that says why and what to do."""

    def __init__(self, code: ExitCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class RefusedByService(CommandFailed):
    """A service answered with a problem (RFC 9457)."""

    def __init__(self, problem: Mapping[str, Any]) -> None:
        super().__init__(ExitCode.REFUSED, f"{problem.get('code', 'http_error')}: {problem.get('detail', '')}")
        self.problem = problem
