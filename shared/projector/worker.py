"""A process of a rebuild: gets its task on stdin, tells its progress on stdout. `python -m shared.projector.worker`.

It ends with its parent, who holds the other end of stdin.
"""

import asyncio
import gc
import json
import os
import pickle
import signal
import sys
from threading import Thread

from shared.projector.failures import ProjectorFailed, told_plainly
from shared.projector.work import Task, bench, left, work

NICENESS = 10
"""Traffic that shares the machine goes first."""


def main() -> None:
    """Do the task; say `{"left": n}` of the events still to come, and `{"failed": [code, detail]}` of a failure."""
    task: Task = pickle.load(sys.stdin.buffer)  # noqa: S301 - it comes from our own parent, by a pipe
    # the parent hears of Ctrl-C too, and decides
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=end_with_parent, daemon=True).start()
    os.nice(NICENESS)
    # states are freed by their reference counts; looking for circles among them took a fifth of the time
    gc.freeze()
    gc.disable()
    try:
        with told_plainly():
            asyncio.run(_work(task))
    except ProjectorFailed as failed:
        _say({"failed": [failed.code, failed.detail]})


async def _work(task: Task) -> None:
    async with bench(task) as opened:
        to_come = (await left(task, opened.writing)).events

        def tell(events: int) -> None:
            nonlocal to_come
            to_come -= events
            _say({"left": to_come})

        tell(0)
        await work(task, opened, tell)


def _say(what: dict[str, object]) -> None:
    print(json.dumps(what), flush=True)


def end_with_parent() -> None:
    """Wait until the other end of stdin is closed, and end."""
    # not by way of `sys.stdin`, whose lock would be held at the end
    while os.read(0, 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    main()
