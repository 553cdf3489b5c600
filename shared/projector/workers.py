"""Runs the worker processes of a rebuild, one per core, and replaces those that are killed."""

import asyncio
import json
import os
import pickle
import sys
from collections.abc import Callable, Sequence
from typing import cast

from shared.projector.failures import ProjectorFailed
from shared.projector.task import Task

DEATHS_MAX = 20
LINE_BYTES_MAX = 1_048_576

type OnLeft = Callable[[int], None]
"""Called with the number of events still to fold."""


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


async def run_in_processes(tasks: Sequence[Task], on_left: OnLeft) -> None:
    """Run the tasks in parallel. Raises `ProjectorFailed` as soon as one fails, and ends the others."""
    left = {number: sum(task.upto.values()) for number, task in enumerate(tasks)}

    def note(number: int, events: int) -> None:
        left[number] = events
        on_left(sum(left.values()))

    running = [asyncio.create_task(_until_done(task, number, note)) for number, task in enumerate(tasks)]
    try:
        await asyncio.gather(*running)
    finally:
        for each in running:
            each.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _until_done(task: Task, number: int, note: Callable[[int, int], None]) -> None:
    """Run a process for the task; if it is killed, start another, which continues after the last commit."""
    for _ in range(DEATHS_MAX):
        code = await _run(task, number, note)
        if code == 0:
            return
        if code > 0:
            raise ProjectorFailed("worker_failed", f"a process ended with exit code {code}; see its output on stderr")
    raise ProjectorFailed("worker_killed", f"a process was killed {DEATHS_MAX} times")


async def _run(task: Task, number: int, note: Callable[[int, int], None]) -> int:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "shared.projector.worker",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=LINE_BYTES_MAX,
    )
    try:
        stdin, stdout = cast("asyncio.StreamWriter", process.stdin), cast("asyncio.StreamReader", process.stdout)
        stdin.write(pickle.dumps(task))
        async for line in stdout:
            message = json.loads(line)
            if "failed" in message:
                raise ProjectorFailed(*message["failed"])
            note(number, message["left"])
        return await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
