"""A worker process of a rebuild: reads its task from stdin and reports its progress on stdout.

Run as `python -m shared.projector.worker`. It ends when its parent does, which holds the other end of stdin.
"""

import asyncio
import gc
import json
import os
import pickle
import signal
import sys
from threading import Thread

from shared.projector.failures import ProjectorFailed, errors_translated
from shared.projector.task import Task, remaining_ranges, run_task

NICENESS = 10
"""Traffic on the same machine has priority."""


def main() -> None:
    """Run the task; print `{"left": n}`, the number of events still to fold, and `{"failed": [code, detail]}`."""
    task: Task = pickle.load(sys.stdin.buffer)  # noqa: S301 - it comes from our own parent, by a pipe
    # the parent gets Ctrl-C too, and decides
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=end_with_parent, daemon=True).start()
    os.nice(NICENESS)
    # states are freed by their reference counts; looking for cycles among them took a fifth of the time
    gc.freeze()
    gc.disable()
    try:
        with errors_translated():
            asyncio.run(_run(task))
    except ProjectorFailed as failed:
        _report({"failed": [failed.code, failed.detail]})


async def _run(task: Task) -> None:
    async with task.connections() as connections:
        left = (await remaining_ranges(task, connections.table)).event_count

        def report(event_count: int) -> None:
            nonlocal left
            left -= event_count
            _report({"left": left})

        report(0)
        await run_task(task, connections, report)


def _report(message: dict[str, object]) -> None:
    print(json.dumps(message), flush=True)


def end_with_parent() -> None:
    """Wait until the other end of stdin is closed, then end this process."""
    # not by way of `sys.stdin`, whose lock would be held at the end
    while os.read(0, 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    main()
