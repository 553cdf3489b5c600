"""The data folder of a local server: used by one server at a time, and always by the same version."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from shared.local.failures import Failure, LocalStackError

POLL_SECONDS = 0.05
# longer than a guard needs to stop a server whose stack was killed
RELEASE_SECONDS = 15.0


def claim(folder: Path, *, name: str) -> int:
    """Create the folder, lock it, and return the lock's descriptor. Close it when the server has stopped."""
    with writable(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _wait_for(lock, folder, name)
    except BaseException:
        os.close(lock)
        raise
    os.truncate(lock, 0)
    os.pwrite(lock, str(os.getpid()).encode(), 0)
    return lock


@contextmanager
def writable(folder: Path) -> Iterator[None]:
    """Report an error of the file system as `folder-not-writable`."""
    try:
        yield
    except OSError as refusal:
        raise LocalStackError(
            Failure.FOLDER_NOT_WRITABLE,
            f"{refusal.filename or folder} cannot be used ({refusal.strerror or refusal}): "
            "make it writable or choose another data folder",
        ) from refusal


def require_version(found: str, *, wanted: str, name: str, folder: Path) -> None:
    """Raise `other-version` unless the data in the folder was written by the installed version."""
    if found != wanted:
        raise LocalStackError(
            Failure.OTHER_VERSION,
            f"{folder} holds data of {name} {found}, but {name} {wanted} is installed: "
            f"remove the folder to start empty, or choose another data folder",
        )


def _wait_for(lock: int, folder: Path, name: str) -> None:
    deadline = time.monotonic() + RELEASE_SECONDS
    while not _taken(lock):
        owner = int(os.pread(lock, 20, 0) or b"0")
        # an owner that is gone leaves a guard behind, which is about to stop the server
        if psutil.pid_exists(owner) or time.monotonic() > deadline:
            raise LocalStackError(
                Failure.FOLDER_IN_USE,
                f"{folder} is in use by another local stack (pid {owner}): stop it or choose another data folder "
                f"for {name}",
            )
        time.sleep(POLL_SECONDS)


def _taken(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
