"""How `up` and `demo` are stopped: by Ctrl-C or a signal, also when make runs them.

Ctrl-C reaches every process in the terminal's foreground group. If make is in it, make fails even if its program
exits with 0. So under make the program takes the foreground for itself. When only make gets a signal, make does not
pass it on but waits for the program to exit; so the program watches make.
"""

import asyncio
import os
import signal
import sys
import termios
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import sleep
from typing import Any

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
POLL_SECONDS = 0.2


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise KeyboardInterrupt at the first stop signal, and ignore later ones."""
    with _at_first_signal(_interrupt), _own_foreground():
        _watch_make()
        yield


def run[Answer](work: Coroutine[Any, Any, Answer]) -> Answer:
    """Run `work` in an event loop; the first stop signal cancels it as a whole, then raises KeyboardInterrupt.

    Raised where the signal arrives, KeyboardInterrupt would end whichever task of the loop happens to run. An error of
    the work itself is raised as it is, also after a signal.
    """
    stopped = False

    async def cancellable() -> Answer:
        loop, task = asyncio.get_running_loop(), asyncio.create_task(work)

        def stop() -> None:
            nonlocal stopped
            stopped = True
            loop.call_soon_threadsafe(task.cancel)

        with _at_first_signal(stop):
            return await task

    try:
        answer = asyncio.run(cancellable())
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    if stopped:  # the work was done already, or a library did not heed the cancellation
        raise KeyboardInterrupt
    return answer


@contextmanager
def _at_first_signal(act: Callable[[], object]) -> Iterator[None]:
    def handle(*_: object) -> None:
        ignore_signals()
        act()

    before = {number: signal.signal(number, handle) for number in STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            if signal.getsignal(number) is handle:  # else one has come, and the others stay ignored
                signal.signal(number, handler)


def _interrupt() -> None:
    raise KeyboardInterrupt


def ignore_signals() -> None:
    """Ignore all stop signals, so that a shutdown always completes."""
    for number in STOP_SIGNALS:
        signal.signal(number, _ignore)


def _ignore(*_: object) -> None:
    """Do nothing. Unlike SIG_IGN, child processes do not inherit this."""


@contextmanager
def _own_foreground() -> Iterator[None]:
    """Take the terminal from make's process group, and give it back at the end."""
    group = os.getpgrp()
    if not (_under_make() and sys.stdin.isatty() and _foreground_group() == group):
        yield
        return
    # a background process that changes the foreground group is stopped, unless it ignores these signals
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGTTOU, signal.SIGTSTP)}
    os.setpgid(0, 0)
    os.tcsetpgrp(sys.stdin.fileno(), os.getpgrp())
    try:
        yield
    finally:
        with suppress(OSError, termios.error):  # the terminal may be gone
            os.tcsetpgrp(sys.stdin.fileno(), group)
        signal.signal(signal.SIGTSTP, before[signal.SIGTSTP])


def _foreground_group() -> int:
    try:
        return os.tcgetpgrp(sys.stdin.fileno())
    except OSError:
        return -1


def _watch_make() -> None:
    if _under_make():
        threading.Thread(target=_stop_with_make, args=(os.getppid(),), daemon=True).start()


def _stop_with_make(make: int) -> None:
    """Interrupt this process, as Ctrl-C does, when make has exited or was interrupted and is waiting."""
    catches = _catches_interrupts(make)
    while os.getppid() == make and _catches_interrupts(make) == catches:
        sleep(POLL_SECONDS)
    os.kill(os.getpid(), signal.SIGINT)


def _under_make() -> bool:
    try:
        return Path(f"/proc/{os.getppid()}/comm").read_text().strip() in {"make", "gmake"}
    except OSError:
        return False


def _catches_interrupts(process: int) -> bool:
    """Whether the process has a handler for SIGINT. make removes its own when it is interrupted."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return False
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) >> (signal.SIGINT - 1) & 1)
