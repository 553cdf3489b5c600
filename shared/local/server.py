"""What PostgreSQL and Kafka have in common: how they are started, watched, stopped and killed."""

import os
import threading
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Self

from shared.local import folders, processes
from shared.local.failures import Failure, LocalStackError

START_SECONDS = 60.0
STOP_SECONDS = 20.0


class Server(ABC):
    """One server with its data in one folder.

    `start` continues where the last run ended, even after `kill` or a crash. Another thread may call `stop` while
    `start` runs; otherwise use it from one thread at a time.
    """

    name: str

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self._process: processes.Process | None = None
        self._lock: int | None = None
        self._cancelled = threading.Event()

    @abstractmethod
    def _prepare(self) -> processes.Command:
        """Prepare the folder and return the command to run."""

    @abstractmethod
    def _ready(self, pid: int) -> bool:
        """Tell whether the server with this `pid` accepts connections."""

    @property
    def running(self) -> bool:
        """Whether the server runs."""
        return self._process is not None and self._process.alive

    @property
    def pid(self) -> int:
        """The server's own process, for tests that kill it."""
        if self._process is None or not self._process.alive:
            raise LocalStackError(Failure.DID_NOT_START, f"{self.name} is not running: start it first")
        return self._process.pid

    def start(self) -> None:
        """Start the server and wait until it accepts connections. Does nothing if it is running."""
        if self.running:
            return
        self._release()
        self._cancelled.clear()
        self._lock = folders.claim(self.folder, name=self.name)
        try:
            self._launch(self._lock)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the server cleanly, with its data safe on disk. Does nothing if it is not running."""
        self._cancelled.set()
        if self._process is not None:
            self._process.stop(timeout_seconds=STOP_SECONDS)
        self._release()

    def kill(self) -> None:
        """End the server at once (SIGKILL), as a power cut would."""
        if self._process is not None:
            self._process.kill()
        self._release()

    def _launch(self, lock: int) -> None:
        with folders.writable(self.folder):
            command = self._prepare()
        if self._cancelled.is_set():
            raise LocalStackError(Failure.DID_NOT_START, f"{self.name} was stopped during its start")
        process = self._process = processes.start(command, keep_open=lock)
        process.wait_until(lambda: self._ready(process.pid), timeout_seconds=START_SECONDS)

    def _release(self) -> None:
        self._process = None
        lock, self._lock = self._lock, None
        if lock is not None:
            os.close(lock)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
