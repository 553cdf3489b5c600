"""How a command fails: a stable exit code and one line for the person at the terminal."""

import errno
from collections.abc import Mapping
from enum import IntEnum
from typing import Any

from services.cli.field_forms import forms_of


class ExitCode(IntEnum):
    """The exit codes of every command. `up` and `demo` also exit with 0 after Ctrl-C."""

    DONE = 0
    REFUSED = 1
    USAGE = 2
    UNREACHABLE = 3
    NOT_STARTED = 4
    UNEXPECTED = 5
    CLOSED_PIPE = 141


EXIT_CODES = (
    "Exit codes: 0 success, 1 refused or problems found (see stderr), 2 usage error, "
    "3 a service, ledger or Kafka is unreachable, 4 the local system did not start or a part of it stopped, "
    "5 an unexpected error (stderr names the file with its traceback), 141 the output was closed, as by head."
)


OF_FILES = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO, errno.EBADF, errno.EMFILE}


def is_of_a_file(error: OSError) -> bool:
    """Whether the error is one of a file or disk of this machine, and not of a connection."""
    return error.filename is not None or error.errno in OF_FILES


class CommandFailed(Exception):
    """A command failed; `message` says in one line why, and what to do."""

    def __init__(self, code: ExitCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class RefusedByService(CommandFailed):
    """A service returned an error response (problem details, RFC 9457). A field of a wrong form is wrong usage."""

    def __init__(self, problem: Mapping[str, Any]) -> None:
        forms = forms_of(problem)
        detail = "; ".join(forms) or problem.get("detail", "")
        super().__init__(
            ExitCode.USAGE if forms else ExitCode.REFUSED, f"{problem.get('code', 'http_error')}: {detail}"
        )
        self.problem = problem
