"""What people see of a device: the license view, a fold of the device's events.

The folds are pure. Each projection is one value that the live consumer, a rebuild and a verification share
(`shared.projector`).
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Literal

from services.device.decider import Device, DeviceEvent, evolve
from services.device.store import row_of
from shared.ledger.command_handler import Stored
from shared.messages import (
    ActivationRefused,
    AutoRenewalChanged,
    CloneSuspected,
    CloneSuspicionEnded,
    CodeBlocked,
    CodeRejected,
    CodeUnblocked,
    DeviceClockObserved,
    DeviceId,
    GuessesThrottled,
    LastGroup,
    LicenseRenewed,
    PredictionChanged,
    PurchaseAnnounced,
    PurchaseCancelled,
    Reason,
    RemovalRefused,
)
from shared.projector.projection import FoldedEvent, OnFolded, Projection, Row, view_of
from shared.rules.decider import StateStruct, always
from shared.watching.metrics import time_renewals

TOPIC = "device.events.v1"
Asked = Literal["add", "activation", "removal"]
LEAVES_REFUSAL_STANDING = frozenset(
    {
        GuessesThrottled,
        PredictionChanged,
        CloneSuspected,
        CloneSuspicionEnded,
        DeviceClockObserved,
        PurchaseAnnounced,
        PurchaseCancelled,
        AutoRenewalChanged,
        CodeBlocked,
        CodeUnblocked,
    }
)
"""Events that no request of the user caused: the last refusal is still shown after them."""


class Refusal(StateStruct, frozen=True):
    """The last refusal: shown until something succeeds."""

    what: Asked
    reason: Reason
    refused_at: datetime
    last_group: LastGroup | None = None
    available_at: datetime | None = None


class LicenseView(StateStruct, frozen=True):
    """One row: the device as the rules see it, and what else is shown.

    `renewal_seconds` is the time from the last purchase until it was recorded here (R-99).
    """

    device: Device = always(Device())
    last_refusal: Refusal | None = None
    renewal_seconds: float | None = None
    changed_at: datetime | None = None


def project(view: LicenseView, event: DeviceEvent, /, *, occurred_at: datetime, recorded_at: datetime) -> LicenseView:
    """Return the row after `event`."""
    return view.but(
        device=evolve(view.device, event),
        last_refusal=_refusal(view, event, occurred_at),
        renewal_seconds=_renewal_seconds(view, event, occurred_at, recorded_at),
        changed_at=recorded_at,
    )


def _renewal_seconds(
    view: LicenseView, event: DeviceEvent, occurred_at: datetime, recorded_at: datetime
) -> float | None:
    if not isinstance(event, LicenseRenewed):
        return view.renewal_seconds
    # two services have two clocks, and the second may lag by more than the message took
    return max(0.0, (recorded_at - occurred_at).total_seconds())


def _refusal(view: LicenseView, event: DeviceEvent, refused_at: datetime) -> Refusal | None:
    match event:
        case CodeRejected():
            return Refusal(
                what="add",
                reason=event.reason,
                refused_at=refused_at,
                last_group=_last_group(view.device, event.code_ref),
                available_at=view.device.throttled_until if event.reason == "throttled" else None,
            )
        case ActivationRefused():
            return Refusal(
                what="activation", reason=event.reason, refused_at=refused_at, available_at=event.available_at
            )
        case RemovalRefused():
            return Refusal(what="removal", reason=event.reason, refused_at=refused_at)
        case _:
            return view.last_refusal if type(event) in LEAVES_REFUSAL_STANDING else None


def _last_group(device: Device, code_ref: str) -> LastGroup | None:
    for slot in (device.incoming, device.reserve, device.license):
        if slot is not None and slot.code_ref == code_ref:
            return slot.last_group
    return None


LICENSE_VIEW = view_of(name="license_view", topic=TOPIC, key="device_id", initial=LicenseView(), fold=project)
"""What people see: one row per device."""


def _evolve(device: Device, event: DeviceEvent, /, **_: datetime) -> Device:
    return evolve(device, event)


def _rows(device_id: DeviceId, version: int, device: Device) -> list[Row]:
    return [row_of(device_id, Stored(version, device))]


DEVICE = Projection(name="device", topic=TOPIC, key=("device_id",), initial=Device(), fold=_evolve, rows=_rows)
"""What the rules and timers read. Written with each event by the command handler, and still a fold of the events."""


def on_folded(changed: Callable[[Iterable[DeviceId]], None]) -> OnFolded:
    """Return what runs once events are in the view: it calls `changed` with the devices, and times renewals."""

    def folded(events: Sequence[FoldedEvent]) -> None:
        changed({each.stream_id for each in events})
        time_renewals(each.correlation_id for each in events if isinstance(each.event, LicenseRenewed))

    return folded
