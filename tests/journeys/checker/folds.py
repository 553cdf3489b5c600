"""Are the tables folds? What rules read and people see, made anew from the events, is the same, byte for byte."""

from collections.abc import Mapping
from itertools import batched
from typing import cast

from services.activation.decider import Code, CodeEvent
from services.activation.decider import evolve as evolve_code
from services.device.decider import Device, DeviceEvent, expires_at, retry_at
from services.device.decider import evolve as evolve_device
from services.device.projection import LicenseView, project
from shared.kafka.cloudevents import UnreadableEnvelope, header_texts, read_envelope
from shared.ledger.database import Connection
from shared.ledger.events import RecordedEvent
from shared.messages import (
    Event,
    MessageDiscarded,
    MessageParked,
    MessageRedriven,
    UnknownEvent,
    UnreadableEvent,
    decode,
)
from tests.journeys.checker.chain import slice_of_key
from tests.journeys.checker.evidence import rows_of
from tests.journeys.checker.findings import Finding, Name, ServiceName
from tests.journeys.checker.topic import Record

ROWS_PER_ROUND_TRIP = 5_000
CHARACTERS_SHOWN_MAX = 600

type Rows = dict[str, tuple[object, ...]]


class Folds:
    """The states of devices, views and codes, folded anew."""

    def __init__(self) -> None:
        self._devices: dict[str, tuple[int, Device]] = {}
        self._views: dict[str, tuple[int, LicenseView]] = {}
        self._views_from_topic: dict[str, tuple[int, LicenseView]] = {}
        self._codes: dict[str, tuple[int, Code]] = {}

    def see_device(self, entry: RecordedEvent, event: Event) -> None:
        """Fold the next event of the device ledger."""
        if isinstance(event, MessageParked | MessageRedriven | MessageDiscarded):
            return
        stream_id, fact = entry.event.stream_id, cast("DeviceEvent", event)
        version, device = self._devices.get(stream_id, (0, Device()))
        self._devices[stream_id] = (version + 1, evolve_device(device, fact))
        version, view = self._views.get(stream_id, (0, LicenseView()))
        view = project(view, fact, occurred_at=entry.event.occurred_at, recorded_at=entry.event.recorded_at)
        self._views[stream_id] = (version + 1, view)

    def see_activation(self, entry: RecordedEvent, event: Event) -> None:
        """Fold the next event of the activation ledger."""
        if isinstance(event, MessageParked | MessageRedriven | MessageDiscarded):
            return
        version, code = self._codes.get(entry.event.stream_id, (0, Code()))
        self._codes[entry.event.stream_id] = (version + 1, evolve_code(code, cast("CodeEvent", event)))

    def see_record(self, record: Record) -> None:
        """Fold the next record of the device topic, as a rebuild of the view would."""
        try:
            envelope = read_envelope(header_texts(record.headers))
            event = decode(envelope.type_name, envelope.schema_version, record.value or b"")
        except (UnreadableEnvelope, UnknownEvent, UnreadableEvent):
            return  # the comparison with the ledger tells
        if isinstance(event, MessageParked | MessageRedriven | MessageDiscarded):
            return
        version, view = self._views_from_topic.get(envelope.subject, (0, LicenseView()))
        view = project(
            view, cast("DeviceEvent", event), occurred_at=envelope.occurred_at, recorded_at=envelope.recorded_at
        )
        self._views_from_topic[envelope.subject] = (version + 1, view)

    async def check_tables(self, device_ledger: Connection, activation_ledger: Connection) -> list[Finding]:
        """Compare tables `license_view`, `device` and `code`."""
        views = "select device_id, version, view::text from license_view"
        stored_views = await _stored(device_ledger, views)
        from_topic = await _as_stored(device_ledger, _view_rows(self._views_from_topic))
        from_ledger = await _as_stored(device_ledger, _view_rows(self._views))
        devices = await _as_stored(device_ledger, {key: _device_row(key, *kept) for key, kept in self._devices.items()})
        codes = await _as_stored(activation_ledger, {key: _code_row(key, *kept) for key, kept in self._codes.items()})
        return [
            *_differences("view_differs_from_topic", "device", stored_views, from_topic),
            *_differences("view_differs_from_ledger", "device", stored_views, from_ledger),
            *_differences("device_table_differs", "device", await _stored(device_ledger, DEVICES), devices),
            *_differences("code_table_differs", "activation", await _stored(activation_ledger, CODES), codes),
        ]


DEVICES = """
select device_id, version, state::text, slice, license_ref, reserve_ref, incoming_ref, expires_at, retry_at from device
"""

CODES = "select code_ref, version, state::text, slice, last_group, seats, seats_taken from code"


def _view_rows(views: Mapping[str, tuple[int, LicenseView]]) -> Rows:
    return {device_id: (version, view.to_json()) for device_id, (version, view) in views.items()}


def _device_row(device_id: str, version: int, device: Device) -> tuple[object, ...]:
    slots = (device.license, device.reserve, device.incoming)
    refs = tuple(slot.code_ref if slot else None for slot in slots)
    state = device.to_json()
    return (version, state, slice_of_key(device_id.encode()), *refs, expires_at(device), retry_at(device))


def _code_row(code_ref: str, version: int, code: Code) -> tuple[object, ...]:
    state = code.to_json()
    return (version, state, slice_of_key(code_ref.encode()), code.last_group or None, code.seats, len(code.holders))


async def _stored(ledger: Connection, statement: str) -> Rows:
    return {row[0]: tuple(row)[1:] async for row in rows_of(ledger, statement)}


async def _as_stored(ledger: Connection, rows: Rows) -> Rows:
    """Return rows with their JSON in the form in which PostgreSQL keeps it: the same bytes for the same value."""
    stored: Rows = {}
    for some in batched(rows.items(), ROWS_PER_ROUND_TRIP, strict=False):
        texts = await ledger.fetch(
            "select state::jsonb::text from unnest($1::text[]) with ordinality as given(state, number) order by number",
            [cast("str", row[1]) for _, row in some],
        )
        for (key, (version, _, *columns)), text in zip(some, texts, strict=True):
            stored[key] = (version, text[0], *columns)
    return stored


def _differences(name: Name, ledger: ServiceName, stored: Rows, folded: Rows) -> list[Finding]:
    found = []
    for key in sorted(stored.keys() | folded.keys()):
        row, fold = stored.get(key), folded.get(key)
        if row == fold:
            continue
        detail = f"the table has {row}, the events say {fold}"[:CHARACTERS_SHOWN_MAX]
        found.append(Finding(name=name, ledger=ledger, where=f"row {key}", detail=detail))
    return found
