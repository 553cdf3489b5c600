"""How an event becomes bytes and bytes an event, and which types each log carries."""

from collections.abc import Callable
from typing import NamedTuple, get_args

import msgspec

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
    CloneSuspicionEnded,
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
    RegionCorrected,
    RemovalRefused,
    VerificationRepeated,
)
from shared.messages.facts import Event, MessageDiscarded, MessageParked, MessageRedriven
from shared.messages.forms import Check, check_of
from shared.messages.problems import first_problem
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
    | RegionCorrected
    | CodeAdded
    | CodeRemoved
    | RemovalRefused
    | LicenseExpired
    | LicenseRemoved
    | ActivateNow
    | ActivationRetried
    | VerificationRepeated
    | OfflineActivationReported
    | PredictionChanged
    | GuessesThrottled
    | CloneSuspected
    | CloneSuspicionEnded
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


class UnknownEvent(Exception):
    """A type or version that this reader does not know."""


class UnreadableEvent(Exception):
    """Bytes that are not the event they are called."""


class _Reader(NamedTuple):
    """What reads the events of one type: msgspec their types, pydantic what they are like beyond."""

    decode: Callable[[str], Event]
    check: Check


class _Readers(dict[tuple[str, int], _Reader]):
    """The readers by name and version, each made when it is first needed."""

    def __missing__(self, version: tuple[str, int]) -> _Reader:
        """Raise `UnknownEvent` for an event that is not known here."""
        event_type = EVENT_TYPES.get(version)
        if event_type is None:
            raise UnknownEvent(f"{version[0][:80]!r} version {version[1]} is not known here")
        self[version] = reader = _Reader(msgspec.json.Decoder(event_type).decode, check_of(event_type))
        return reader


_ENCODER = msgspec.json.Encoder()
_READERS = _Readers()


def encode(event: Event) -> bytes:
    """Return the JSON bytes of `event`: what the ledger keeps and Kafka carries.

    Raises `ValueError` if they would not be read as the same event: what is written is read for ever.
    """
    data = _ENCODER.encode(event)
    try:
        same = decode(type(event).__name__, event.schema_version, data) == event
    except UnreadableEvent as error:
        raise ValueError(str(error)) from None
    if not same:
        raise ValueError(f"{type(event).__name__}: it would be read as another event")
    return data


def decode(type_name: str, version: int, data: bytes) -> Event:
    """Return the event in `data`.

    Raises `UnknownEvent` for a type or version not known here and `UnreadableEvent` for bytes that do not fit it.
    """
    reader = _READERS[type_name, version]
    try:
        event = reader.decode(data.decode())  # as text, for msgspec does not look at the letters that it passes over
        reader.check(msgspec.structs.astuple(event))
    except (ValueError, RecursionError) as error:
        problem = first_problem(error, within=EVENT_TYPES[type_name, version])
        raise UnreadableEvent(f"{type_name}: {problem}") from None
    return event
