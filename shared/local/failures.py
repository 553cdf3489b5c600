"""What can go wrong with the local stack: each failure has a stable code and one line that says what to do."""

from enum import StrEnum


class Failure(StrEnum):
    """The stable codes of `LocalStackError`."""

    PORT_TAKEN = "port-taken"
    OTHER_VERSION = "other-version"
    FOLDER_IN_USE = "folder-in-use"
    FOLDER_NOT_WRITABLE = "folder-not-writable"
    JAVA_MISSING = "java-missing"
    POSTGRES_MISSING = "postgres-missing"
    DOWNLOAD_FAILED = "download-failed"
    DID_NOT_START = "did-not-start"
    TOOL_TIMED_OUT = "tool-timed-out"


class LocalStackError(Exception):
    """The local stack cannot do what was requested.

    `code` is for programs and stable; `message` is one line for the person at the terminal.
    """

    def __init__(self, code: Failure, message: str) -> None:
        super().__init__(f"{message} [{code}]")
        self.code = code
        self.message = message
