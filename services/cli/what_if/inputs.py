"""Reconstructs the commands that came from outside, from the events of both ledgers.

A command that changed nothing left no event and is not replayed. Fields that an event does not record are filled in so
that the rules produce the same event again.
"""

from datetime import datetime, timedelta
from typing import Any

import msgspec
from pydantic import BaseModel

from services.activation import decider as activation
from services.device import decider as device
from shared.calendar import FIRST_MOMENT, LAST_MOMENT, in_utc
from shared.messages import (
    ActivateNow,
    ActivationRefused,
    AutoRenewalChanged,
    CloneSuspected,
    CloneSuspicionEnded,
    CodeAdded,
    CodeBlocked,
    CodeEvent,
    CodeIssued,
    CodeRejected,
    CodeRemoved,
    CodeUnblocked,
    CustomerErased,
    DeviceClockObserved,
    DeviceEnrolled,
    DeviceEvent,
    Event,
    InstallationChanged,
    LicenseRemoved,
    LicenseRenewed,
    LicenseShortened,
    OfflineActivationReported,
    PurchaseAnnounced,
    PurchaseCancelled,
    PurchaseRefused,
    RegionCorrected,
    RemovalRefused,
    SeatReleased,
)
from shared.rules.dates import counted
from shared.rules.policy import CONTACTS_MAX

NO_GROUP = "00000"
"""For a code that was refused, whose last group is not recorded."""


def device_command_of(  # noqa: PLR0911, PLR0912 - one line per event
    event: DeviceEvent, before: device.Device, order: dict[str, Any]
) -> device.Command | None:
    """Return the command that led to a device's event; None if it followed from another event, or from a timer.

    `before` is the device's previous state; `order` has `device_id`, `at` and `request_id`. Not for events that record
    verdicts of the activation service.
    """
    match event:
        case DeviceEnrolled():
            # not checked again: an earlier release took in regions that are no countries
            return device.EnrollDevice.model_construct(**_copied(event, device.EnrollDevice, order), **order)
        case InstallationChanged():
            return device.ReportInstallation(**_copied(event, device.ReportInstallation, order), **order)
        case RegionCorrected():
            return device.CorrectRegion(**_copied(event, device.CorrectRegion, order), **order)
        case CodeAdded():
            return _add_code(event, before, order)
        case CodeRejected():
            return device.AddCode(code_ref=event.code_ref, last_group=NO_GROUP, **order)
        case CodeRemoved(cause="removed"):
            return device.RemoveReserve(**order)
        case RemovalRefused():
            return _removal(event, before, order)
        case LicenseRemoved():
            offline = in_utc(event.removed_at) if event.cause == "deactivated_offline" else None
            return device.RemoveLicense(removed_at=offline, **order)
        case ActivateNow():
            return device.Activate(code_ref=event.code_ref, **order)
        case ActivationRefused():
            return _refused_activation(event, order)
        case OfflineActivationReported():
            return device.ReportOfflineActivation(**_copied(event, device.ReportOfflineActivation, order), **order)
        case CloneSuspected():
            # a repeated number is suspected only if the one before it was repeated too, or itself before
            last = event.expected - 1
            return device.RecordContact(sequence=event.received, last_sequence=last, repeated_sequence=last, **order)
        case CloneSuspicionEnded(cause="new_token"):
            return device.RecordNewToken(**order)
        case CloneSuspicionEnded():
            expected = before.clone_expected or 1
            return device.RecordContact(sequence=expected, last_sequence=expected - 1, counted_on=CONTACTS_MAX, **order)
        case DeviceClockObserved():
            device_time = _shifted(order["at"], event.offset_seconds)
            return device.RecordContact(sequence=0, device_time=device_time, **order)
        case _:
            return None


def _add_code(event: CodeAdded, before: device.Device, order: dict[str, Any]) -> device.Command:
    return device.AddCode(
        code_ref=event.code_ref,
        last_group=event.last_group,
        # with a full slot, no other order would have been accepted
        replace=before.reserve is not None,
        when="now" if event.ends_trial else "at_end",
        prior_ref=event.prior_ref,
        accepts_short_term=event.accepts_short_term,
        **order,
    )


def _removal(event: RemovalRefused, before: device.Device, order: dict[str, Any]) -> device.Command:
    reserve = before.reserve
    if event.reason == "activation_running" and reserve is not None and event.code_ref == reserve.code_ref:
        return device.RemoveReserve(**order)
    return device.RemoveLicense(**order)


def _refused_activation(event: ActivationRefused, order: dict[str, Any]) -> device.Command | None:
    if event.trigger == "manual":
        return device.Activate(code_ref=event.code_ref, **order)
    if event.trigger == "automatic" and event.available_at is not None:
        return device.ReportExpiry(ended_at=event.available_at, **order)
    return None  # the claim is not recorded


def code_command_of(  # noqa: PLR0911 - one line per event
    event: CodeEvent, order: dict[str, Any]
) -> activation.Command | None:
    """Return the command of a shop or an operator that led to a code's event; None if a device requested it.

    `order` has `code_ref` and `at`.
    """
    match event:
        case CodeIssued():
            return _issue(event, order)
        case LicenseRenewed():
            return _purchase(event, order)
        case PurchaseAnnounced():
            return activation.RecordPurchase(order_id=event.order_id, settled=False, purchased_at=order["at"], **order)
        case PurchaseCancelled():
            return activation.CancelPurchase(order_id=event.order_id, note=event.note, **order)
        case LicenseShortened():
            return activation.RecordRefund(**_copied(event, activation.RecordRefund, order), **order)
        case PurchaseRefused():
            return _refused_purchase(event, order)
        case AutoRenewalChanged():
            return activation.SetAutoRenewal(auto_renews=event.auto_renews, **order)
        case CodeBlocked():
            return activation.BlockCode(note=event.note, **order)
        case CodeUnblocked():
            return activation.UnblockCode(note=event.note, **order)
        case SeatReleased(cause="operator"):
            return activation.ReleaseSeat(
                device_id=event.device_id, note=event.note, keep_reserve=event.keeps_reserve, **order
            )
        case CustomerErased():
            return activation.EraseCustomer(**order)
        case _:
            return None


def _refused_purchase(event: PurchaseRefused, order: dict[str, Any]) -> activation.Command:
    match event.what:
        case "purchase":
            bought = {"order_id": event.order_id, "settled": True, "purchased_at": order["at"]}
            return activation.RecordPurchase(**bought, **order)
        case "refund":
            note = event.note if event.awaits_purchase else "replayed"
            return activation.RecordRefund(order_id=event.order_id, note=note, term=event.term, **order)
        case "cancellation":
            return activation.CancelPurchase(order_id=event.order_id, **order)


def _purchase(event: LicenseRenewed, order: dict[str, Any]) -> activation.Command:
    sold = _copied(event, activation.RecordPurchase, order)
    # an earlier release counted a date ahead as its own time, and recorded what it was told
    sold["purchased_at"] = counted(sold["purchased_at"], at=order["at"])
    return activation.RecordPurchase(**sold, settled=True, **order)


def _issue(event: CodeIssued, order: dict[str, Any]) -> activation.Command:
    # not checked again: an earlier release took in regions that are no countries
    issued = activation.IssueCode.model_construct(**_copied(event, activation.IssueCode, order), **order)
    if issued.activate_by is None or issued.activate_by > issued.at:
        return issued
    # an earlier release issued codes that were already over
    return issued.model_copy(update={"at": _shifted(issued.activate_by, -1)})


def _shifted(at: datetime, seconds: int) -> datetime:
    """Return what a clock showed that differs by `seconds`; an earlier release took in any clock of years 1 to 9999."""
    try:
        return at + timedelta(seconds=seconds)
    except OverflowError:
        return FIRST_MOMENT if seconds < 0 else LAST_MOMENT


def _copied(event: Event, command: type[BaseModel], order: dict[str, Any]) -> dict[str, Any]:
    """Return the event's fields that the command has too, except those in `order`."""
    fields = msgspec.structs.asdict(event)
    wanted = {name: value for name, value in fields.items() if name in command.model_fields and name not in order}
    return {name: in_utc(value) if isinstance(value, datetime) else value for name, value in wanted.items()}
