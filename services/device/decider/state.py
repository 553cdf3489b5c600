"""What the device service needs to know to decide about one device, stored as one row per device.

No rule and no I/O may come in here.
"""

from datetime import datetime
from typing import Literal
from uuid import UUID

from shared.messages import (
    CodeKind,
    CodeRef,
    DeviceId,
    Edition,
    Feature,
    LastGroup,
    Notice,
    OrderId,
    Reason,
    Term,
    Trigger,
    Vendor,
)
from shared.rules.decider import StateStruct, always

ReserveStatus = Literal["verifying", "ready", "refused", "activating", "retrying"]
Delay = Literal["purchase_pending", "renewal_due", "no_answer"]


class AnnouncedPurchase(StateStruct, frozen=True):
    """A renewal that is bought but not settled. It protects the device until `hold_until` (R-98)."""

    order_id: OrderId
    hold_until: datetime


class Trial(StateStruct, frozen=True):
    """A trial that the device has had, whatever became of it (R-136)."""

    product: str
    code_ref: CodeRef


class License(StateStruct, frozen=True):
    """The license on the device. `expired` means that its end was recorded, which says nothing about the time.

    `activated_at` is when it came to this device, `started_at` when its code was first activated on any device (R-66).
    """

    code_ref: CodeRef
    last_group: LastGroup
    activated_at: datetime
    started_at: datetime
    ends_at: datetime
    trigger: Trigger
    generation: int
    expired: bool = False
    kind: CodeKind = always("paid")
    edition: Edition = always("standard")
    features: tuple[Feature, ...] = ()
    grace_days: int = 0
    auto_renews: bool = False
    stops_at: datetime | None = None
    announced: tuple[AnnouncedPurchase, ...] = ()

    @property
    def over_at(self) -> datetime:
        """When it is over: at the end of its term, or earlier if a block stops it (R-105)."""
        return self.ends_at if self.stops_at is None else min(self.ends_at, self.stops_at)


class Reserve(StateStruct, frozen=True):
    """A waiting code on the device, and how far it has got.

    `added_request_id` is answered by the verdict on the Add, `attempt_request_id` by that on the last activation
    attempt. While the slot `awaits` the latter, the code stays where it is, because it may be the license already.
    `term` is known once the code is verified; an immediate code never is. `rejected` is a bad verdict that came during
    an attempt. `held`: nothing is tried automatically (R-25).
    """

    code_ref: CodeRef
    last_group: LastGroup
    purpose: Literal["reserve", "immediate", "offline"]
    status: ReserveStatus
    added_request_id: UUID
    ends_trial: bool = False
    prior_ref: CodeRef | None = None
    accepts_short_term: bool = False
    held: bool = False

    rejected: Reason | None = None
    term: Term | None = None
    predicted_ends_at: datetime | None = None
    started_at: datetime | None = None
    notices: tuple[Notice, ...] = ()
    devices_left_out: int = 0
    kind: CodeKind = always("paid")
    edition: Edition = always("standard")
    features: tuple[Feature, ...] = ()

    attempt_request_id: UUID | None = None
    attempt_trigger: Trigger | None = None
    awaits: bool = False
    answer_by: datetime | None = None
    activated_at: datetime | None = None
    unanswered: int = 0
    manual_attempts: int = 0
    again_at: datetime | None = None
    reason: Reason | None = None
    retry_at: datetime | None = None
    delay: Delay | None = None


class Device(StateStruct, frozen=True):
    """One device, or an add-on product that is `part_of` one (R-42).

    `incoming` is a code that will replace the reserve if it is verified (R-15, R-20), or the reserve itself while an
    offline activation of another code is being judged (R-77). `generation` counts the terms that the device has had:
    each has one expiry. `guesses` are the times of unknown codes, oldest first (R-107).
    """

    device_id: DeviceId | None = None
    part_of: DeviceId | None = None
    product: str = always("")
    product_version: str | None = None
    region: str = always("")
    vendor: Vendor = always("default")
    license: License | None = None
    reserve: Reserve | None = None
    incoming: Reserve | None = None
    generation: int = 0
    trials: tuple[Trial, ...] = ()
    guesses: tuple[datetime, ...] = ()
    throttled_until: datetime | None = None
    clone_expected: int | None = None
    clock_deviates: bool = False
    clock_offset_seconds: int = 0

    @property
    def slots(self) -> tuple[Reserve, ...]:
        """The waiting codes, the next one first."""
        return tuple(slot for slot in (self.reserve, self.incoming) if slot is not None)
