"""Compares groups in one process per core; the results come back in order.

Each process reads through read-only connections of its own, and ends with its parent.
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
from services.cli.what_if.comparison import Executor, PartialResult, Question, compare_groups
from services.cli.what_if.ledger_reader import Group, open_ledgers

WAITING_PER_PROCESS = 2
"""Batches queued per process: it never waits for its parent, and few results wait for their turn."""


@contextmanager
def process_pool(urls: Mapping[ServiceName, str], question: Question, *, count: int) -> Iterator[Executor]:
    """Yield an executor with `count` processes. It raises `BrokenProcessPool` if one of them is killed."""
    # a forked process would share its parent's connections
    pool = ProcessPoolExecutor(count, mp_context=get_context("spawn"), initializer=_initialize)
    compare_batch = partial(_compare, urls, question)
    try:
        yield Executor(
            lambda groups: asyncio.get_running_loop().run_in_executor(pool, compare_batch, groups),
            at_once=WAITING_PER_PROCESS * count,
        )
    finally:
        pool.shutdown(cancel_futures=True)


def _compare(urls: Mapping[ServiceName, str], question: Question, groups: Sequence[Group]) -> PartialResult:
    return asyncio.run(_read_and_compare(urls, question, groups))


async def _read_and_compare(
    urls: Mapping[ServiceName, str], question: Question, groups: Sequence[Group]
) -> PartialResult:
    async with open_ledgers(urls, until=question.until) as ledgers:
        return await compare_groups(ledgers, question, groups)


def _initialize() -> None:
    # the parent gets Ctrl-C too, and decides
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()
    # states are freed by their reference counts; there are few cycles to look for among them
    gc.freeze()
    gc.set_threshold(100_000, 50, 1_000)


def _end_with_parent() -> None:
    if parent := parent_process():
        wait([parent.sentinel])
        os._exit(1)
