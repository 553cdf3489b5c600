"""A stop signal ends the work of an event loop as a whole, wherever it arrives."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import suppress

import pytest

from services.cli.foreground import STOP_SIGNALS, interruptible, run


@pytest.fixture(autouse=True)
def handlers_are_put_back() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_a_signal_that_arrives_in_another_task_ends_the_work_and_no_task_fails(number: signal.Signals) -> None:
    ends: list[str] = []

    async def signalled() -> None:
        try:
            signal.raise_signal(number)
            await asyncio.Event().wait()
        except BaseException as error:
            ends.append(type(error).__name__)
            raise

    async def work() -> None:
        background = asyncio.create_task(signalled())
        try:
            await asyncio.Event().wait()
        finally:
            signal.raise_signal(number)  # a second one, while the work is closing
            background.cancel()
            await asyncio.wait([background])
            ends.append("closed")

    with pytest.raises(KeyboardInterrupt), interruptible():
        run(work())
    assert ends == ["CancelledError", "closed"]


def test_a_signal_is_not_lost_if_the_work_does_not_heed_it() -> None:
    async def work() -> None:
        signal.raise_signal(signal.SIGTERM)
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()

    with pytest.raises(KeyboardInterrupt), interruptible():
        run(work())


def test_work_that_ends_by_itself_gives_its_answer_and_the_handlers_back() -> None:
    async def work() -> int:
        return 42

    with interruptible():
        inner = signal.getsignal(signal.SIGINT)
        assert run(work()) == 42
        assert signal.getsignal(signal.SIGINT) is inner
