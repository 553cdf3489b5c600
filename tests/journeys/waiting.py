"""Waits for a condition, with a deadline: what happens on other processes tells nobody when it is done."""

import time
from collections.abc import Callable

PATIENCE_SECONDS = 20.0
POLL_SECONDS = 0.02


def until[Answer](
    ask: Callable[[], Answer], wanted: Callable[[Answer], object], *, seconds: float = PATIENCE_SECONDS
) -> Answer:
    """Ask until the answer is `wanted` and return it. Raises AssertionError with the last answer when time is up."""
    deadline = time.monotonic() + seconds
    while not wanted(answer := ask()):
        assert time.monotonic() < deadline, f"still not so after {seconds:.0f} seconds: {answer!r}"
        time.sleep(POLL_SECONDS)
    return answer
