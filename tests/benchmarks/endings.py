"""How a benchmark ends: by itself, by Ctrl-C, by SIGTERM, or at once, when it cannot be run as it was asked to."""

import signal
import sys
from collections.abc import Callable


class CannotRun(Exception):
    """A benchmark cannot be run as asked. The message says why, and what to do if anything can be done."""


def run(main: Callable[[], None]) -> None:
    """Run a benchmark; however it ends, all that it started is stopped and removed first."""
    signal.signal(signal.SIGTERM, _ended)
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    except CannotRun as refusal:
        sys.exit(str(refusal))


def _ended(*_: object) -> None:
    sys.exit(128 + signal.SIGTERM)
