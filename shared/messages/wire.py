"""How an event becomes bytes and bytes an event: which types each log carries, and what is wrong with a bad one."""

import re
from collections.abc import Sequence
from typing import get_args

from pydantic import ValidationError

from shared.messages.code import (
    CodeIssued,
    CustomerErased,
    EarlierActivationReported,
    PriorLicenseUsed,
    PurchaseRefused,
)
from shared.messages.device import (
    ActivateNow,
    ActivationRetried,
    CloneSuspected,
    CodeAdded,
    CodeRemoved,
    DeviceClockObserved,
    DeviceEnrolled,
    GuessesThrottled,
    InstallationChanged,
    LicenseExpired,
    LicenseRemoved,
    OfflineActivationReported,
    PredictionChanged,
    RemovalRefused,
)
from shared.messages.facts import Event, MessageDiscarded, MessageParked, MessageRedriven
from shared.messages.verdicts import (
    ActivationDelayed,
    ActivationRefused,
    AutoRenewalChanged,
    CodeBlocked,
    CodeRejected,
    CodeUnblocked,
    CodeVerified,
    LicenseActivated,
    LicenseRenewed,
    LicenseShortened,
    PurchaseAnnounced,
    PurchaseCancelled,
    SeatReleased,
)

type HoldersEvent = (
    LicenseRenewed
    | LicenseShortened
    | CodeBlocked
    | CodeUnblocked
    | PurchaseAnnounced
    | PurchaseCancelled
    | AutoRenewalChanged
)
"""The facts about a code that concern every device that has it for its license."""

type DeviceEvent = (
    DeviceEnrolled
    | InstallationChanged
    | CodeAdded
    | CodeRemoved
    | RemovalRefused
    | LicenseExpired
    | LicenseRemoved
    | ActivateNow
    | ActivationRetried
    | OfflineActivationReported
    | PredictionChanged
    | GuessesThrottled
    | CloneSuspected
    | DeviceClockObserved
    | CodeVerified
    | CodeRejected
    | LicenseActivated
    | ActivationRefused
    | ActivationDelayed
    | SeatReleased
    | LicenseRenewed
    | LicenseShortened
    | CodeBlocked
    | CodeUnblocked
    | PurchaseAnnounced
    | PurchaseCancelled
    | AutoRenewalChanged
)
"""The facts of a device's life."""

type CodeEvent = (
    CodeIssued
    | CodeVerified
    | CodeRejected
    | LicenseActivated
    | ActivationRefused
    | ActivationDelayed
    | SeatReleased
    | LicenseRenewed
    | LicenseShortened
    | CodeBlocked
    | CodeUnblocked
    | PurchaseAnnounced
    | PurchaseCancelled
    | PurchaseRefused
    | AutoRenewalChanged
    | PriorLicenseUsed
    | EarlierActivationReported
    | CustomerErased
)
"""The facts of a code's life."""

PARKING_EVENTS: tuple[type[Event], ...] = (MessageParked, MessageRedriven, MessageDiscarded)
DEVICE_EVENTS: tuple[type[Event], ...] = (*get_args(DeviceEvent.__value__), *PARKING_EVENTS)
"""What `device.events.v1` may carry."""
ACTIVATION_EVENTS: tuple[type[Event], ...] = (*get_args(CodeEvent.__value__), *PARKING_EVENTS)
"""What `activation.events.v1` may carry."""

EVENT_TYPES: dict[tuple[str, int], type[Event]] = {
    (event.__name__, event.schema_version): event for event in (*DEVICE_EVENTS, *ACTIVATION_EVENTS)
}


FIELD = re.compile("[0-9]{1,4}|[a-z_-]{1,19}")
"""A field name of ours, or a place in a list: shorter than a code without its hyphens, and never both."""


class UnknownEvent(Exception):
    """A type or version that this reader does not know."""


class UnreadableEvent(Exception):
    """Bytes that are not the event they are called."""


def encode(event: Event) -> bytes:
    """Return the JSON bytes of `event`: what the ledger keeps and Kafka carries."""
    return event.__pydantic_serializer__.to_json(event)


def decode(type_name: str, version: int, data: bytes) -> Event:
    """Return the event in `data`.

    Raises `UnknownEvent` for a type or version not known here and `UnreadableEvent` for bytes that do not fit it.
    """
    event_type = EVENT_TYPES.get((type_name, version))
    if event_type is None:
        raise UnknownEvent(f"{type_name[:80]!r} version {version} is not known here")
    try:
        event: Event = event_type.__pydantic_validator__.validate_json(data)
    except (ValueError, RecursionError) as error:
        raise UnreadableEvent(f"{type_name}: {first_problem(error)}") from None
    return event


def first_problem(error: ValueError | RecursionError) -> str:
    """Return where the first problem is and of what kind: never the input, which may hold what must not be logged."""
    if not isinstance(error, ValidationError):
        return "body: json_invalid"
    problem = error.errors(include_input=False, include_url=False, include_context=False)[0]
    return f"{field_name(problem['loc']) or 'body'}: {problem['type']}"


def field_name(parts: Sequence[int | str]) -> str:
    """Return where a problem is. What does not look like a field of ours is input, and input is not repeated."""
    return ".".join(str(part) if FIELD.fullmatch(str(part)) else "?" for part in parts)
