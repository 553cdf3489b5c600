"""Are the tables folds? What rules read and people see, made anew from the events, is the same, byte for byte.

Folding and comparing are the projector's own, as in `perennial projection verify`: there is one digest of a table. What
the checker adds is that it reads on through a ledger that is not whole, and in the caller's transaction.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from services.activation.projection import CODE, CODE_VIEW
from services.device.projection import DEVICE, LICENSE_VIEW
from shared.cloudevents import UnreadableEnvelope, header_texts, read_envelope, read_place
from shared.database import Connection
from shared.ledger import RecordedEvent
from shared.messages import UnknownEvent, UnreadableEvent
from shared.orders import read_event
from shared.projector import Projection
from shared.projector.digest import compared
from shared.projector.folding import Entry, Folding
from tests.journeys.checker.findings import Finding, Name, ServiceName
from tests.journeys.checker.topic import Record

CHARACTERS_SHOWN_MAX = 600
ALL = 10**9
"""Everything a checked system has fits into memory."""

FROM_LEDGER: Mapping[ServiceName, Mapping[Name, Projection[Any]]] = {
    "device": {"view_differs_from_ledger": LICENSE_VIEW, "device_table_differs": DEVICE},
    "activation": {"code_view_differs_from_ledger": CODE_VIEW, "code_table_differs": CODE},
}


class Folds:
    """The rows of devices, codes and their views, folded anew."""

    def __init__(self) -> None:
        self._from_topic = Folding(LICENSE_VIEW, ALL, ALL)
        self._from_ledger: dict[ServiceName, dict[Name, Folding[Any]]] = {
            service: {name: Folding(projection, ALL, ALL) for name, projection in projections.items()}
            for service, projections in FROM_LEDGER.items()
        }

    def see(self, service: ServiceName, entry: RecordedEvent) -> None:
        """Fold the next event of a ledger, one that can be read."""
        event = entry.event
        read = Entry(
            event.slice_number,
            entry.position,
            entry.hash,
            event.stream_id,
            event.version,
            event.type_name,
            event.schema_version,
            event.occurred_at,
            event.recorded_at,
            event.data,
        )
        for folding in self._from_ledger[service].values():
            folding.fold([read])

    def see_record(self, record: Record) -> None:
        """Fold the next record of the device topic, as a rebuild of the view would."""
        try:
            texts = header_texts(record.headers)
            envelope, place = read_envelope(texts), read_place(texts, record.key)
            read_event(envelope, record.value or b"")
        except (UnreadableEnvelope, UnknownEvent, UnreadableEvent):
            return  # the comparison with the ledger tells
        read = Entry(
            *place,
            envelope.subject,
            0,
            envelope.type_name,
            envelope.schema_version,
            envelope.occurred_at,
            envelope.recorded_at,
            record.value or b"",
        )
        self._from_topic.fold([read])

    async def check_tables(self, device_ledger: Connection, activation_ledger: Connection) -> list[Finding]:
        """Compare the tables with what was folded."""
        found = await _differences(device_ledger, "device", "view_differs_from_topic", self._from_topic)
        for service, ledger in (("device", device_ledger), ("activation", activation_ledger)):
            for name, folding in self._from_ledger[service].items():
                found += await _differences(ledger, service, name, folding)
        return found


async def _differences(ledger: Connection, service: ServiceName, name: Name, folding: Folding[Any]) -> list[Finding]:
    """Write what was folded beside the table, for the length of the comparison: so both are as PostgreSQL has them."""
    projection = folding.projection
    async with ledger.transaction():
        # without the table's checks: what breaks them is a finding, too
        await ledger.execute(f"create temp table {projection.name} (like public.{projection.name})")
        await ledger.copy_records_to_table(
            projection.name, schema_name="pg_temp", records=list(folding.checkpoint().added)
        )
        comparison = await compared(projection, stored=(ledger, "public"), folded=(ledger, "pg_temp"))
        await ledger.execute(f"drop table pg_temp.{projection.name}")
    return [
        Finding(
            name=name,
            ledger=service,
            where=f"row {each.key}",
            detail=f"the table has {each.stored}, the events say {each.folded}"[:CHARACTERS_SHOWN_MAX],
        )
        for each in comparison.listed
    ]
