"""What the activation service needs to know to decide about one code, stored as one row per code.

No rule and no I/O may come in here.
"""

from datetime import datetime
from typing import Any

from shared.messages import (
    CodeKind,
    CodeRef,
    DeviceId,
    Edition,
    Feature,
    OrderId,
    ProductVersion,
    Region,
    Term,
    Vendor,
)
from shared.rules.decider import StateStruct, always

NOBODY: frozenset[DeviceId] = frozenset()
HOLDERS_NAMED_MAX = 100
"""The maximum number of other holders that an event names."""
EARLY_MAX = 100
"""How many refunds and cancellations of unknown orders a code remembers; any shop can send one."""


class PendingPurchase(StateStruct, frozen=True):
    """A renewal that is bought but not settled. Switches away from the code wait for it (R-70)."""

    order_id: OrderId
    hold_until: datetime


class Renewal(StateStruct, frozen=True):
    """What one purchase added to the license, so that a refund can subtract it (R-96).

    `refunded` are the parts of `term` that were refunded; `paid_back` means all of it was. `anchor_at` is the moment
    from which the end was counted (R-129); a renewal of an earlier release was counted from `previous_ends_at`, or from
    the purchase if that was later.
    """

    order_id: OrderId
    purchased_at: datetime
    previous_ends_at: datetime
    ends_at: datetime
    term: Term
    refunded: tuple[Term, ...] = ()
    paid_back: bool = False
    anchor_at: datetime | None = None

    @property
    def counts_from(self) -> datetime:
        """From where its term counts: the end before it, or after a gap the purchase or its arrival (R-92, R-130)."""
        return max(self.previous_ends_at, self.anchor_at or self.purchased_at)


class EarlyRefund(StateStruct, frozen=True):
    """A refund that came before its purchase: all of it, or `term` (R-132)."""

    order_id: OrderId
    note: str
    term: Term | None = None


class Code(StateStruct, frozen=True):
    """One code. Without `code_ref` it was never issued.

    `seats_taken` counts all seats; `holders` has only the devices in the commands at hand, so it is not a count, and it
    is not stored with the row. `started_at` is the first activation on any device (R-66). The licenses of a blocked
    code stop at `stops_at` (R-105). `renewed_by` is the discounted renewal code that followed this one (R-30);
    `cancelled` are the orders of cancelled announcements, also of those still to come (R-132).
    """

    code_ref: CodeRef | None = None
    vendor: Vendor = always("default")
    last_group: str = always("")
    product: str = always("")
    kind: CodeKind = always("paid")
    edition: Edition = always("standard")
    features: tuple[Feature, ...] = ()
    version_min: ProductVersion | None = None
    version_max: ProductVersion | None = None
    term: Term = always("P0D")
    short_term: Term | None = None
    grace_days: int = 0
    auto_renews: bool = False
    seats: int = 0
    regions: tuple[Region, ...] = ()
    activate_by: datetime | None = None
    has_customer: bool = False
    blocked: bool = False
    stops_at: datetime | None = None
    started_at: datetime | None = None
    ends_at: datetime | None = None
    seats_taken: int = 0
    holders: frozenset[DeviceId] = NOBODY
    renewals: tuple[Renewal, ...] = ()
    pending: tuple[PendingPurchase, ...] = ()
    cancelled: tuple[OrderId, ...] = ()
    early_refunds: tuple[EarlyRefund, ...] = ()
    renewed_by: CodeRef | None = None

    def to_json(self) -> str:
        """Return the state as JSON, without its holders."""
        return StateStruct.to_json(self.but(holders=NOBODY))

    def to_dict(self) -> dict[str, Any]:
        """Return all fields but the holders as JSON values."""
        return {name: value for name, value in super().to_dict().items() if name != "holders"}

    @property
    def over_at(self) -> datetime | None:
        """When licenses on the code are over: at the end of the term, or earlier if a block stops them."""
        if self.ends_at is None or self.stops_at is None:
            return self.ends_at
        return min(self.ends_at, self.stops_at)

    def renewal(self, order_id: OrderId) -> Renewal | None:
        """Return the renewal of this order, or None if there is none."""
        return next((renewal for renewal in self.renewals if renewal.order_id == order_id), None)
