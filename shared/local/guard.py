"""A supervisor process between the local stack and one of its programs: no program outlives the stack, however it ends.

Runs as a script of its own, with only the standard library: `guard.py PARENT_PID STOP_SIGNAL REPORT_FD UID GID
COMMAND...`. It starts the command, reports its pid (or why there is none) on REPORT_FD, and stops it when the parent is
gone: the parent cannot catch a SIGKILL, but its guard notices. The kernel's parent-death signal alone would not do: it
is bound to the parent's thread, and would end a server together with the thread that started it. -1 means "no report"
and "this user".
"""

import ctypes
import os
import signal
import subprocess
import sys
from contextlib import suppress

POLL_SECONDS = 0.2
STOP_SECONDS = 10.0
PR_SET_PDEATHSIG = 1


def guard(*, parent: int, stop_signal: int, report: int, uid: int, gid: int, command: list[str]) -> int:
    """Run `command` until it ends or the parent is gone, and return its exit code as a shell would."""
    try:
        program = start(command, uid=uid, gid=gid)
    except OSError as failure:
        tell(report, f"!{failure.strerror}")
        return 127
    tell(report, str(program.pid))
    while program.poll() is None and os.getppid() == parent:
        wait(program, POLL_SECONDS)
    if program.returncode is None:
        end(program, stop_signal)
    return program.returncode if program.returncode >= 0 else 128 - program.returncode


def start(command: list[str], *, uid: int, gid: int) -> subprocess.Popen[bytes]:
    """Start the command, as another user if one is given."""
    if uid < 0:
        return subprocess.Popen(command, preexec_fn=die_with_guard)  # noqa: S603, PLW1509  one thread only, our words
    return subprocess.Popen(  # noqa: S603  the words are our own
        command,
        user=uid,
        group=gid,
        extra_groups=[],
        umask=0o077,
        preexec_fn=die_with_guard,  # noqa: PLW1509  this process has one thread
    )


def die_with_guard() -> None:
    """Let the kernel end the program with its guard, where it supports that (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def tell(report: int, line: str) -> None:
    """Write one line to the parent and close the pipe."""
    if report >= 0:
        with suppress(BrokenPipeError):
            os.write(report, line.encode())
        os.close(report)


def wait(program: subprocess.Popen[bytes], timeout_seconds: float) -> None:
    """Wait for the program to end, up to the timeout."""
    with suppress(subprocess.TimeoutExpired):
        program.wait(timeout_seconds)


def end(program: subprocess.Popen[bytes], stop_signal: int) -> None:
    """Ask the program to stop, and kill it after the deadline."""
    program.send_signal(stop_signal)
    wait(program, STOP_SECONDS)
    if program.poll() is None:
        program.kill()
        program.wait()


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:6]]
    sys.exit(
        guard(
            parent=numbers[0],
            stop_signal=numbers[1],
            report=numbers[2],
            uid=numbers[3],
            gid=numbers[4],
            command=sys.argv[6:],
        )
    )
