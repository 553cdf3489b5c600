"""The progress of the work: recorded, sent to Kafka, consumed by the other service, and shown in the view.

It is read from positions. They are counts, so a query reads only a few hundred short rows, however long the logs are.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from services.cli.names import SERVICES
from tests.benchmarks.stand import Stand

POLL_SECONDS = 0.1
STILL_SECONDS_MAX = 60.0


class Stuck(Exception):
    """The work made no progress, or was not done completely; the message says how far it got."""


@dataclass(frozen=True, slots=True)
class Flow:
    """Counts of events since the ledgers were created."""

    device_recorded: int
    device_published: int
    device_heard: int
    shown: int
    activation_recorded: int
    activation_published: int
    activation_heard: int

    @property
    def drained(self) -> bool:
        """Whether every event is on Kafka, consumed by the other service, and in the view."""
        device = {self.device_recorded, self.device_published, self.device_heard, self.shown}
        return len(device) == 1 and (self.activation_recorded == self.activation_published == self.activation_heard)


async def look(stand: Stand) -> Flow:
    """Return the current progress of both services."""
    device, activation = await asyncio.gather(*(stand.ledgers[service].fetchrow(POSITIONS) for service in SERVICES))
    assert device
    assert activation
    return Flow(
        device_recorded=device["recorded"],
        device_published=device["published"],
        device_heard=activation["heard"],
        shown=device["shown"],
        activation_recorded=activation["recorded"],
        activation_published=activation["published"],
        activation_heard=device["heard"],
    )


async def drained(stand: Stand, *, device_events_min: int, watch: Callable[[Flow], None]) -> Flow:
    """Wait until the device ledger has that many events and everything is drained. Raises `Stuck` without progress."""
    last, moved_at = None, time.monotonic()
    while True:
        flow = await look(stand)
        watch(flow)
        if flow.device_recorded >= device_events_min and flow.drained:
            return flow
        if flow != last:
            last, moved_at = flow, time.monotonic()
        if time.monotonic() - moved_at > STILL_SECONDS_MAX:
            raise Stuck(
                f"no progress for {STILL_SECONDS_MAX:.0f} s while waiting for {device_events_min} events: {flow}"
            )
        await asyncio.sleep(POLL_SECONDS)


async def events_by_type(stand: Stand) -> Counter[str]:
    """Return the number of events per type, with keys like `device CodeAdded`. Reads all events: not for timed runs."""
    counts: Counter[str] = Counter()
    for service in SERVICES:
        for row in await stand.ledgers[service].fetch("select type, count(*) from event group by type"):
            counts[f"{service} {row['type']}"] = row["count"]
    return counts


POSITIONS = """
select (select sum(position) from slice_head)::bigint as recorded,
       (select sum(position) from slice_published)::bigint as published,
       coalesce((select sum(position) from inbound_slice where consumer in ('device.verdicts', 'activation.requests')),
                0)::bigint as heard,
       coalesce((select sum(position) from inbound_slice where consumer = 'license_view'), 0)::bigint as shown
"""
