"""What the activation service must know to decide about one code. No rule and no I/O may come in here.

The states are stored as one row per code.
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
from shared.rules.decider import Part, always

NOBODY: frozenset[DeviceId] = frozenset()
HOLDERS_NAMED_MAX = 100
"""How many of the other holders an event names at most."""


class PendingPurchase(Part, frozen=True):
    """A renewal that is bought but not settled; switches away from the code wait for it (R-70)."""

    order_id: OrderId
    hold_until: datetime


class Renewal(Part, frozen=True):
    """What one order added to the license, so that a refund can take it off again (R-96).

    `refunded` are the parts of `term` that were paid back; `paid_back` says that all of it was.
    """

    order_id: OrderId
    purchased_at: datetime
    previous_ends_at: datetime
    ends_at: datetime
    term: Term
    refunded: tuple[Term, ...] = ()
    paid_back: bool = False


class Code(Part, frozen=True):
    """One code. Without `code_ref` nobody issued it.

    `seats_taken` counts every seat; `holders` has only the devices that the commands at hand speak of, so
    it is no count and is not stored with the row. `started_at` is the first activation anywhere (R-66).
    A blocked code's licenses stop at `stops_at` (R-105). `renewed_by` is the discounted renewal code that
    followed this one (R-30); `cancelled` are announced purchases that came to nothing.
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
    renewed_by: CodeRef | None = None

    def to_json(self) -> str:
        """Return it as text, without its holders."""
        return Part.to_json(self.but(holders=NOBODY))

    def shown(self) -> dict[str, Any]:
        """Return all its fields as JSON values, without its holders."""
        return {name: value for name, value in super().shown().items() if name != "holders"}

    @property
    def over_at(self) -> datetime | None:
        """When licenses on the code are over: at the end of the term, or when a block stops them before it."""
        if self.ends_at is None or self.stops_at is None:
            return self.ends_at
        return min(self.ends_at, self.stops_at)

    def renewal(self, order_id: OrderId) -> Renewal | None:
        """Return what the order added, or None if it renewed nothing here."""
        return next((renewal for renewal in self.renewals if renewal.order_id == order_id), None)
