"""The events of both services: every fact that is written to a ledger and sent over Kafka.

A name and its version are storage: they stay for ever. A field may be added with a default;
anything else is a new version. `tests/shared/golden/` pins one example of each version.
No rule and no I/O may come in here.

An activation code is named by its reference (`shared.codes`) and its last group, never in full
(R-112). A verdict has the same type in both logs: the activation service writes it to the code's
stream, the device service writes the one it received and applied to the device's stream.
"""

import re
from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal, get_args
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

DeviceId = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._:-]+$")]
CodeRef = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
LastGroup = Annotated[str, StringConstraints(pattern=r"^[0-9A-Z]{5}$")]
Term = Annotated[str, StringConstraints(pattern=r"^P(\d{1,2}Y(\d{1,3}M)?(\d{1,4}D)?|\d{1,3}M(\d{1,4}D)?|\d{1,4}D)$")]
"""A calendar duration in ISO 8601 form: years, months, days (`P1Y`, `P1M`, `P30D`)."""
Product = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[a-z0-9-]+$")]
Region = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
"""An ISO 3166-1 alpha-2 country code."""
OrderId = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f]+$")]
Note = Annotated[str, StringConstraints(max_length=500, pattern=r"^[^\x00-\x08\x0b-\x1f]*$")]
"""What an operator writes: text with line breaks, without other control characters."""

CodeKind = Literal["paid", "trial", "subscription"]
Trigger = Literal["immediate", "automatic", "manual", "retry"]
"""What asked for an activation: a code added without a license in force, the expiry, the user, the back-off."""
Reason = Literal[
    "unknown_code",
    "code_blocked",
    "wrong_product",
    "wrong_region",
    "term_over",
    "activate_by_passed",
    "seats_exhausted",
    "same_as_current",
    "not_later_than_current",
    "trial_not_allowed",
    "subscription_not_allowed",
    "subscription_active",
    "already_used_for_renewal",
    "no_prior_license",
    "version_incompatible",
    "reserve_exists",
    "not_expired",
    "stale",
    "no_reserve",
    "already_activated",
    "activation_running",
    "not_activated",
]
"""Why something was refused: the same word in event, API, log and page (R-19)."""
Notice = Literal["seats_exhausted", "less_than_full_term"]
"""A warning that comes with a good verdict (R-03, R-78)."""


class Event(BaseModel):
    """A fact. Frozen; fields that this reader does not know are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    schema_version: ClassVar[int] = 1


class ForDevice(Event):
    """A fact about one device."""

    device_id: DeviceId


class Verdict(ForDevice):
    """The activation service's answer to one request of one device about one code.

    `request_id` is the id that the asking event carried; `policy_version` names the policy used (R-54).
    """

    code_ref: CodeRef
    request_id: UUID
    policy_version: int


class ActivationRequest(ForDevice):
    """The device service asks for an activation attempt: what the recheck needs to know.

    `current_ref` and `current_ends_at` name the license that ran out, as the device knew it.
    """

    code_ref: CodeRef
    request_id: UUID
    product: Product
    region: Region
    current_ref: CodeRef | None = None
    current_ends_at: AwareDatetime | None = None


# --- the life of a device -------------------------------------------------------------------


class DeviceEnrolled(ForDevice):
    """A device is known from now on."""

    product: Product
    region: Region


class CodeAdded(ActivationRequest):
    """A person pressed Add. `purpose` says whether it waits in reserve or is tried at once (R-01, R-04)."""

    last_group: LastGroup
    purpose: Literal["reserve", "immediate"]


class CodeRemoved(ForDevice):
    """The reserve slot gave its code back, unspent (R-20, R-24)."""

    code_ref: CodeRef
    cause: Literal["removed", "replaced"]


class RemovalRefused(ForDevice):
    """The reserve could not be removed, because its activation is running."""

    code_ref: CodeRef
    reason: Reason


class LicenseExpired(ForDevice):
    """The current license ran out at `ended_at`; `reserve_ref` is the code that should take over (R-31)."""

    code_ref: CodeRef
    ended_at: AwareDatetime
    generation: int
    request_id: UUID
    product: Product
    region: Region
    reserve_ref: CodeRef | None = None


class ActivateNow(ActivationRequest):
    """The user asked for the activation, after expiry (R-55)."""


class ActivationRetried(ActivationRequest):
    """A delayed activation is tried again (R-49)."""


# --- verdicts: the life of a code, and what devices did with it -----------------------------


class CodeVerified(Verdict):
    """The code is good as a reserve today (R-13). `predicted_ends_at` is the end if it takes over as planned."""

    last_group: LastGroup
    term: Term
    predicted_ends_at: AwareDatetime
    started_at: AwareDatetime | None = None
    notices: tuple[Notice, ...] = ()


class CodeRejected(Verdict):
    """The code is not taken (R-15)."""

    reason: Reason


class LicenseActivated(Verdict):
    """The code is the device's license. `started_at` belongs to the code: its first activation anywhere (R-66)."""

    last_group: LastGroup
    trigger: Trigger
    activated_at: AwareDatetime
    started_at: AwareDatetime
    ends_at: AwareDatetime
    replaced_ref: CodeRef | None = None


class ActivationRefused(ForDevice):
    """An attempt, or a request for one, came to nothing and spent nothing (R-51).

    `code_ref` is absent when there was no reserve; `available_at` is the time from which it is possible (R-56).
    """

    reason: Reason
    trigger: Trigger
    request_id: UUID
    policy_version: int = 0
    code_ref: CodeRef | None = None
    available_at: AwareDatetime | None = None


class ActivationDelayed(Verdict):
    """No verdict yet: a purchase of a renewal is announced but not settled (R-70). Try again at `retry_at`."""

    trigger: Trigger
    retry_at: AwareDatetime
    cause: Literal["purchase_pending"]


class LicenseRenewed(Event):
    """A purchase extends the license (R-90). Without `device_id` it concerns every device on the code (R-91)."""

    code_ref: CodeRef
    order_id: OrderId
    purchased_at: AwareDatetime
    previous_ends_at: AwareDatetime
    ends_at: AwareDatetime
    device_id: DeviceId | None = None


class SeatReleased(ForDevice):
    """The device no longer holds a seat on the code (R-84, R-87)."""

    code_ref: CodeRef
    cause: Literal["switched", "operator"]
    note: Note = ""


# --- the life of a code ---------------------------------------------------------------------


class ForCode(Event):
    """A fact about one code."""

    code_ref: CodeRef


class CodeIssued(ForCode):
    """A code exists. No `regions` means everywhere; an unused code without `activate_by` never expires (R-79)."""

    last_group: LastGroup
    product: Product
    kind: CodeKind
    term: Term
    seats: int = Field(ge=1)
    regions: tuple[Region, ...] = ()
    activate_by: AwareDatetime | None = None


class CodeBlocked(ForCode):
    """No new activation until it is unblocked (R-46)."""

    note: Note


class CodeUnblocked(ForCode):
    """Activations are possible again (R-106)."""

    note: Note


class PurchaseAnnounced(ForCode):
    """A renewal is bought but not settled: switches away from the code wait until `hold_until` (R-70)."""

    order_id: OrderId
    hold_until: AwareDatetime


class PurchaseRefused(ForCode):
    """A purchase could not renew the license."""

    order_id: OrderId
    reason: Reason


# --- both services --------------------------------------------------------------------------


class MessageParked(Event):
    """A record was set aside with its reason; everything else goes on (R-122)."""

    topic: str
    partition: int
    offset: int
    reason: str
    detail: str


class MessageRedriven(Event):
    """A parked record was handled after all, by an operator's order."""

    topic: str
    partition: int
    offset: int


type DeviceEvent = (
    DeviceEnrolled
    | CodeAdded
    | CodeRemoved
    | RemovalRefused
    | LicenseExpired
    | ActivateNow
    | ActivationRetried
    | CodeVerified
    | CodeRejected
    | LicenseActivated
    | ActivationRefused
    | ActivationDelayed
    | LicenseRenewed
    | SeatReleased
)
"""The facts of a device's life."""

type CodeEvent = (
    CodeIssued
    | CodeBlocked
    | CodeUnblocked
    | CodeVerified
    | CodeRejected
    | LicenseActivated
    | ActivationRefused
    | ActivationDelayed
    | LicenseRenewed
    | SeatReleased
    | PurchaseAnnounced
    | PurchaseRefused
)
"""The facts of a code's life."""

PARKING_EVENTS: tuple[type[Event], ...] = (MessageParked, MessageRedriven)
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
