"""Replays in one process per core: what belongs together goes to one of them, and the answers come back in order.

The processes read for themselves, each with connections of its own that cannot write, and end with their parent.
"""

import asyncio
import gc
import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from threading import Thread

from services.cli.names import ServiceName
from services.cli.what_if.reading import Together, opened_for_reading
from services.cli.what_if.run import Answer, Answering, Question, answer_for

WAITING_PER_PROCESS = 2
"""Batches that a process has before it: it never waits for its parent, and few answers wait for their turn."""


@contextmanager
def processes(urls: Mapping[ServiceName, str], question: Question, *, count: int) -> Iterator[Answering]:
    """Yield `count` processes that answer. They raise `BrokenProcessPool` if one of them is killed."""
    # a process that is forked has its parent's connections
    pool = ProcessPoolExecutor(count, mp_context=get_context("spawn"), initializer=_begin)
    ask_one = partial(_answer, urls, question)
    try:
        yield Answering(
            lambda groups: asyncio.get_running_loop().run_in_executor(pool, ask_one, groups),
            at_once=WAITING_PER_PROCESS * count,
        )
    finally:
        pool.shutdown(cancel_futures=True)


def _answer(urls: Mapping[ServiceName, str], question: Question, groups: Sequence[Together]) -> Answer:
    return asyncio.run(_read_and_answer(urls, question, groups))


async def _read_and_answer(urls: Mapping[ServiceName, str], question: Question, groups: Sequence[Together]) -> Answer:
    async with opened_for_reading(urls, until=question.until) as ledgers:
        return await answer_for(ledgers, question, groups)


def _begin() -> None:
    # the parent hears of Ctrl-C too, and decides
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()
    # states are freed by their reference counts; there are few circles to look for among them
    gc.freeze()
    gc.set_threshold(100_000, 50, 1_000)


def _end_with_parent() -> None:
    if parent := parent_process():
        wait([parent.sentinel])
        os._exit(1)
