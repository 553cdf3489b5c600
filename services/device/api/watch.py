"""Notifies requests that wait for a change of a license view (long polling, SSE) as soon as this process has made it.

Another worker may make the change instead, so a waiting request also polls now and then.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

from shared.messages import DeviceId

POLL_SECONDS = 0.5


class Watch:
    """The requests in this process that wait for a change, by device."""

    def __init__(self) -> None:
        self._waiting: dict[DeviceId, set[asyncio.Event]] = defaultdict(set)

    def changed(self, device_ids: Iterable[DeviceId]) -> None:
        """Wake the requests that wait for any of the devices."""
        for device_id in device_ids:
            for event in self._waiting.get(device_id, ()):
                event.set()

    @contextmanager
    def on(self, device_id: DeviceId) -> Iterator[asyncio.Event]:
        """Yield an event that is set whenever the device's view changes here. Enter before reading the view."""
        event = asyncio.Event()
        self._waiting[device_id].add(event)
        try:
            yield event
        finally:
            self._waiting[device_id].discard(event)
            if not self._waiting[device_id]:
                del self._waiting[device_id]


async def wait_for_change(changed: asyncio.Event, *, seconds_max: float) -> None:
    """Return when the view has changed here, or it is time to poll."""
    with suppress(TimeoutError):
        await asyncio.wait_for(changed.wait(), min(seconds_max, POLL_SECONDS))
    changed.clear()
