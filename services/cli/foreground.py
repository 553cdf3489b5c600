"""Who tells `up` and `demo` to stop, and how they hear of it.

Ctrl-C reaches every process of the terminal's foreground group, and make, when it is in it, answers with a failure
of its own even if its program ended well. So under make the program takes the foreground for itself. A signal that
only make gets is not handed on by it: it waits for its program to end, and the program looks for that.
"""

import os
import signal
import sys
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import sleep

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
POLL_SECONDS = 0.2


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise KeyboardInterrupt inside at the first of the signals that stop; later ones change nothing."""
    before = {number: signal.signal(number, _interrupt) for number in STOPS}
    try:
        with _own_foreground():
            _watch_make()
            yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(*_: object) -> None:
    ignore_signals()
    raise KeyboardInterrupt


def ignore_signals() -> None:
    """Hear no signal any more: what is being stopped is stopped to the end."""
    for number in STOPS:
        signal.signal(number, _ignore)


def _ignore(*_: object) -> None:
    """Do nothing; unlike SIG_IGN, no child inherits it."""


@contextmanager
def _own_foreground() -> Iterator[None]:
    """Take the terminal from make's process group, and give it back."""
    group = os.getpgrp()
    if not (_under_make() and sys.stdin.isatty() and _foreground_group() == group):
        yield
        return
    # the terminal stops whoever sets it from the background, unless it does not listen
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
    """End this process as Ctrl-C does when make is gone, or was interrupted and waits."""
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
    """Whether the process has a handler for SIGINT: make removes its own once it was interrupted."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return False
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) >> (signal.SIGINT - 1) & 1)
