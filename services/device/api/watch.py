"""Wakes those who wait for a change of a license view, as soon as this process has shown it.

Another worker may show it instead: who waits also looks by itself now and then.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

from shared.messages import DeviceId

LOOK_SECONDS = 0.5


class Watch:
    """Who waits for which device, in this process."""

    def __init__(self) -> None:
        self._waiting: dict[DeviceId, set[asyncio.Event]] = defaultdict(set)

    def changed(self, device_ids: Iterable[DeviceId]) -> None:
        """Wake those who wait for the devices."""
        for device_id in device_ids:
            for event in self._waiting.get(device_id, ()):
                event.set()

    @contextmanager
    def on(self, device_id: DeviceId) -> Iterator[asyncio.Event]:
        """Yield an event that is set whenever the device's view changes here; begin before you look."""
        event = asyncio.Event()
        self._waiting[device_id].add(event)
        try:
            yield event
        finally:
            self._waiting[device_id].discard(event)
            if not self._waiting[device_id]:
                del self._waiting[device_id]


async def next_look(changed: asyncio.Event, *, seconds_max: float) -> None:
    """Return when the view changed here, or it is time to look anyway."""
    with suppress(TimeoutError):
        await asyncio.wait_for(changed.wait(), min(seconds_max, LOOK_SECONDS))
    changed.clear()
