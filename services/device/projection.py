"""What people see of a device: the license view, a fold of the device's events.

Pure but for `fold_batch`, which writes the rows in the consumer's transaction, beside its position
vector: the same code serves the live view and a rebuild.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from services.device.decider import Device, DeviceEvent, evolve
from shared.consumer import Handled, Source
from shared.database import Connection
from shared.inbox import Accepted
from shared.messages import (
    ActivationRefused,
    CodeRejected,
    DeviceId,
    Event,
    LastGroup,
    MessageParked,
    MessageRedriven,
    Reason,
    RemovalRefused,
)
from shared.orders import read_event

NOT_ABOUT_DEVICES = frozenset({MessageParked.__name__, MessageRedriven.__name__})


class Refusal(BaseModel):
    """The last thing that was refused: shown until something succeeds."""

    model_config = ConfigDict(frozen=True)

    what: Literal["add", "activation", "removal"]
    reason: Reason
    refused_at: datetime
    last_group: LastGroup | None = None
    available_at: datetime | None = None


class LicenseView(BaseModel):
    """One row: the device as the rules see it, and what is shown beside it."""

    model_config = ConfigDict(frozen=True)

    device: Device = Device()
    last_refusal: Refusal | None = None
    changed_at: datetime | None = None


def project(view: LicenseView, event: DeviceEvent, *, occurred_at: datetime, recorded_at: datetime) -> LicenseView:
    """Return the row after `event`."""
    return LicenseView(
        device=evolve(view.device, event),
        last_refusal=_refusal(view, event, occurred_at),
        changed_at=recorded_at,
    )


def _refusal(view: LicenseView, event: DeviceEvent, refused_at: datetime) -> Refusal | None:
    match event:
        case CodeRejected():
            last_group = _last_group(view.device, event.code_ref)
            return Refusal(what="add", reason=event.reason, refused_at=refused_at, last_group=last_group)
        case ActivationRefused():
            return Refusal(
                what="activation", reason=event.reason, refused_at=refused_at, available_at=event.available_at
            )
        case RemovalRefused():
            return Refusal(what="removal", reason=event.reason, refused_at=refused_at)
        case _:
            return None


def _last_group(device: Device, code_ref: str) -> LastGroup | None:
    for slot in (device.incoming, device.reserve, device.license):
        if slot is not None and slot.code_ref == code_ref:
            return slot.last_group
    return None


def license_view(topic: str, changed: Callable[[Iterable[DeviceId]], None]) -> Source[Event]:
    """Return the consumer that keeps table `license_view`; `changed` hears whose rows are new."""
    return Source(
        name="license_view",
        topic=topic,
        ledger=True,
        read=read_event,
        handle=fold_batch,
        ignored=NOT_ABOUT_DEVICES,
        derived=True,
        committed=lambda accepted: changed({entry.envelope.subject for entry in accepted}),
    )


async def fold_batch(connection: Connection, accepted: Sequence[Accepted[Event]]) -> Handled:
    """Fold a batch into the rows of its devices."""
    device_ids = sorted({entry.envelope.subject for entry in accepted})
    if not device_ids:
        return Handled()
    rows = await connection.fetch(
        "select device_id, version, view from license_view where device_id = any($1::text[])", device_ids
    )
    views: dict[DeviceId, tuple[int, LicenseView]] = {
        row["device_id"]: (row["version"], LicenseView.model_validate_json(row["view"])) for row in rows
    }
    for entry in accepted:
        version, view = views.get(entry.envelope.subject, (0, LicenseView()))
        view = project(
            view,
            entry.message,  # type: ignore[arg-type] # the device topic carries device events
            occurred_at=entry.envelope.occurred_at,
            recorded_at=entry.envelope.recorded_at,
        )
        views[entry.envelope.subject] = (version + 1, view)
    await _save(connection, views)
    return Handled()


async def _save(connection: Connection, views: Mapping[DeviceId, tuple[int, LicenseView]]) -> None:
    ids = sorted(views)
    await connection.execute(
        """
        insert into license_view (device_id, version, view)
        select * from unnest($1::text[], $2::int[], $3::jsonb[])
        on conflict (device_id) do update set version = excluded.version, view = excluded.view
        """,
        ids,
        [views[device_id][0] for device_id in ids],
        [views[device_id][1].model_dump_json(exclude_none=True) for device_id in ids],
    )
