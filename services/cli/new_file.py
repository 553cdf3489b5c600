"""A new file for what is shown only once: only its owner can read it, and it never replaces another file."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from io import FileIO
from pathlib import Path
from typing import Any

from services.cli.failures import CommandFailed, ExitCode


@contextmanager
def new_file(path: Path | None) -> Iterator[FileIO | None]:
    """Yield a new file, or None without a path; an error removes it.

    Raises `CommandFailed` (`file_exists`, `not_written`).
    """
    if path is None:
        yield None
        return
    with ExitStack() as undoing, _created(path) as file:
        undoing.callback(path.unlink, missing_ok=True)
        yield file
        undoing.pop_all()


def _created(path: Path) -> FileIO:
    try:
        return FileIO(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
    except FileExistsError:
        raise CommandFailed(ExitCode.REFUSED, f"file_exists: {path} exists; name a new file") from None
    except OSError as error:
        raise CommandFailed(ExitCode.REFUSED, f"not_written: {path}: {error.strerror}") from None


def write_rows(file: FileIO | None, rows: Iterable[Mapping[str, Any]]) -> str | None:
    """Write rows as JSON lines to the disk. Return why that failed, if it did, because they can still be printed."""
    if file is None:
        return None
    unwritten = "".join(f"{json.dumps(row)}\n" for row in rows).encode()
    try:
        while unwritten:
            unwritten = unwritten[file.write(unwritten) :]
        os.fsync(file.fileno())
    except OSError as error:
        return error.strerror or str(error)
    return None
