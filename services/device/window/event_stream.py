"""Goes out: server-sent events that tell an open window to refresh, within a second of a change."""

from collections.abc import AsyncIterator
from time import monotonic

from services.device.api.representation import representation_of
from services.device.api.watch import wait_for_change
from services.device.window.links import Session
from services.device.window.window import Window

STREAM_SECONDS_MAX = 300.0
"""After that the browser reconnects, and its session is checked again."""
STREAMS_MAX = 1_000
"""Per process."""
SILENCE_SECONDS_MAX = 15.0
RETRY_MILLISECONDS = 1_000


class Streams:
    """Counts this process's open streams."""

    def __init__(self) -> None:
        self.open = 0

    @property
    def full(self) -> bool:
        """Whether the limit is reached."""
        return self.open >= STREAMS_MAX

    async def follow(self, window: Window, session: Session) -> AsyncIterator[str]:
        """Yield the current ETag of the window at once, and again after each change."""
        self.open += 1
        try:
            async for line in _events(window, session):
                yield line
        finally:
            self.open -= 1


async def _events(window: Window, session: Session) -> AsyncIterator[str]:
    until, sent_at, sent = monotonic() + STREAM_SECONDS_MAX, monotonic(), None
    # in the block of the first event: several clients hand over a block without data as an empty event
    retry = f"retry: {RETRY_MILLISECONDS}\n"
    with window.doors.watch.on(session.device_id) as changed:
        while monotonic() < until and not window.stopping.is_set():
            shown = await representation_of(window.doors, session.device_id)
            if shown.etag != sent:
                sent, sent_at = shown.etag, monotonic()
                yield f"{retry}event: shown\ndata: {sent}\n\n"
                retry = ""
            elif monotonic() - sent_at > SILENCE_SECONDS_MAX:
                # a heartbeat: proxies close idle connections, and the page takes silence for a lost one
                sent_at = monotonic()
                yield "event: here\ndata:\n\n"
            await wait_for_change(changed, seconds_max=SILENCE_SECONDS_MAX)
