"""Goes out: a stream that tells an open window when to look again, so that it follows the log within a second."""

from collections.abc import AsyncIterator
from time import monotonic

from services.device.api.representation import representation_of
from services.device.api.watch import wait_for_change
from services.device.window.links import Session
from services.device.window.opening import Window

STREAM_SECONDS_MAX = 300.0
"""Then the browser opens it anew, and its session is looked at again."""
STREAMS_MAX = 1_000
"""Of one process."""
SILENCE_SECONDS_MAX = 15.0
RETRY_MILLISECONDS = 1_000


class Streams:
    """Counts the streams of this process."""

    def __init__(self) -> None:
        self.open = 0

    @property
    def full(self) -> bool:
        """Whether no further window can be followed."""
        return self.open >= STREAMS_MAX

    async def follow(self, window: Window, session: Session) -> AsyncIterator[str]:
        """Yield the tag of what is shown, first as it is now, then whenever it changes."""
        self.open += 1
        try:
            async for line in _told(window, session):
                yield line
        finally:
            self.open -= 1


async def _told(window: Window, session: Session) -> AsyncIterator[str]:
    until, spoken_at, told = monotonic() + STREAM_SECONDS_MAX, monotonic(), None
    yield f"retry: {RETRY_MILLISECONDS}\n\n"
    with window.doors.watch.on(session.device_id) as changed:
        while monotonic() < until and not window.stopping.is_set():
            shown = await representation_of(window.doors, session.device_id)
            if shown.etag != told:
                told, spoken_at = shown.etag, monotonic()
                yield f"event: shown\ndata: {told}\n\n"
            elif monotonic() - spoken_at > SILENCE_SECONDS_MAX:
                # a proxy ends a connection on which nothing is heard, and a page takes it for lost
                spoken_at = monotonic()
                yield "event: here\ndata:\n\n"
            await wait_for_change(changed, seconds_max=SILENCE_SECONDS_MAX)
