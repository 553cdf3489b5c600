"""The processes of the local stack: started behind a guard, watched until ready, and reliably ended."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from shared.local import guard
from shared.local.failures import Failure, LocalStackError

POLL_SECONDS = 0.02
KILL_SECONDS = 10.0
TAIL_LINES = 3
TAIL_CHARACTERS_MAX = 400


@dataclass(frozen=True)
class Account:
    """A user and group of this machine, by id."""

    uid: int
    gid: int


@dataclass(frozen=True, kw_only=True)
class Command:
    """What to run and how: `log` receives stdout and stderr, `stop_signal` requests a clean stop."""

    name: str
    words: tuple[str, ...]
    log: Path
    stop_signal: signal.Signals
    account: Account | None = None
    environment: dict[str, str] = field(default_factory=dict)


class Process:
    """A running program and the guard in front of it."""

    def __init__(self, command: Command, guard_process: subprocess.Popen[bytes], pid: int) -> None:
        self.pid = pid
        self._command = command
        self._guard = guard_process

    @property
    def alive(self) -> bool:
        """Whether the program still runs."""
        return self._guard.poll() is None

    def wait_until(self, ready: Callable[[], bool], *, timeout_seconds: float) -> None:
        """Return once `ready`. Raises `did-not-start` with the log's last lines if it ended or took too long."""
        deadline = time.monotonic() + timeout_seconds
        while not ready():
            if not self.alive:
                raise self._did_not_start("ended during its start")
            if time.monotonic() > deadline:
                raise self._did_not_start(f"was not ready after {timeout_seconds:.0f} s")
            time.sleep(POLL_SECONDS)

    def stop(self, *, timeout_seconds: float) -> None:
        """Request a clean stop; kill the program if that takes too long."""
        self._signal(self._command.stop_signal)
        try:
            self._guard.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End the program and all its children at once, as a power cut would."""
        family = _family(self.pid)
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._guard.wait(KILL_SECONDS)
        _wait_for_end(family)

    def _signal(self, number: signal.Signals) -> None:
        # a guard that still runs has not reaped its program, so the pid cannot be another's
        if self.alive:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def _did_not_start(self, what: str) -> LocalStackError:
        return LocalStackError(
            Failure.DID_NOT_START,
            f"{self._command.name} {what}: {last_lines(self._command.log)} (full log: {self._command.log})",
        )


def start(command: Command, *, keep_open: int) -> Process:
    """Start a program behind a guard, in a session of its own, so that Ctrl-C at the terminal reaches only us.

    The guard inherits the descriptor `keep_open`: a folder's lock lasts until the last process in it has ended.
    """
    keep_previous(command.log)
    report, report_in_guard = os.pipe()
    with command.log.open("wb") as log:
        guard_process = subprocess.Popen(  # noqa: S603  the words are our own
            guarded(command, report=report_in_guard),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=os.environ | command.environment,
            cwd=_working_folder(command),
            start_new_session=True,
            pass_fds=(report_in_guard, keep_open),
        )
    os.close(report_in_guard)
    with os.fdopen(report) as lines:
        answer = lines.read()
    if not answer.isdecimal():
        guard_process.wait(KILL_SECONDS)
        reason = answer.removeprefix("!") or last_lines(command.log)
        raise LocalStackError(Failure.DID_NOT_START, f"{command.name} cannot be run ({command.words[0]}): {reason}")
    return Process(command, guard_process, int(answer))


def guarded(command: Command, *, report: int = -1) -> tuple[str, ...]:
    """Return the command line with the guard in front."""
    account = command.account or Account(-1, -1)
    numbers = (os.getpid(), int(command.stop_signal), report, account.uid, account.gid)
    # -I -S: the guard needs no packages and must not be affected by the environment; it starts in 20 ms
    return (sys.executable, "-I", "-S", guard.__file__, *map(str, numbers), *command.words)


def run(command: Command, *, timeout_seconds: float, text: str = "") -> subprocess.CompletedProcess[str]:
    """Run a program to its end, also behind a guard, and return its output. Raises `tool-timed-out`."""
    try:
        return subprocess.run(  # noqa: S603  the words are our own
            guarded(command),
            input=text,
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
            env=os.environ | command.environment,
            cwd=_working_folder(command),
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        raise LocalStackError(
            Failure.TOOL_TIMED_OUT, f"{command.name} took longer than {timeout_seconds:.0f} s and was ended"
        ) from late


def last_lines(log: Path) -> str:
    """Return the last lines of a log as one line."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return " | ".join(lines[-TAIL_LINES:])[-TAIL_CHARACTERS_MAX:] or "its log is empty"


def keep_previous(log: Path) -> None:
    """Keep the previous log: the one people look for is that of the run that crashed."""
    if log.exists():
        log.replace(log.with_name(f"{log.name}.previous"))


def _working_folder(command: Command) -> Path:
    # another user may not have access to the folder of the log
    return command.log.parent if command.account is None else Path("/")


def _family(pid: int) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    return []


def _wait_for_end(family: list[psutil.Process]) -> None:
    """Wait until none of them runs. A zombie that waits for its new parent to reap it holds no resources any more."""
    deadline = time.monotonic() + KILL_SECONDS
    while any(_runs(process) for process in family) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
