"""What the activation service must know to decide about one code, and how the code's facts become it.

Nothing is refused here: every fact has already happened. The model is stored as one row per code;
`model_dump_json` writes the same bytes for the same state.
"""

from datetime import datetime
from typing import Self, assert_never

from pydantic import BaseModel, ConfigDict, Field

from shared.messages import (
    ActivationDelayed,
    ActivationRefused,
    CodeBlocked,
    CodeEvent,
    CodeIssued,
    CodeKind,
    CodeRef,
    CodeRejected,
    CodeUnblocked,
    CodeVerified,
    DeviceId,
    LicenseActivated,
    LicenseRenewed,
    OrderId,
    PurchaseAnnounced,
    PurchaseRefused,
    Region,
    SeatReleased,
    Term,
)


class Part(BaseModel):
    """A part of the state: frozen, so that only `evolve` makes a new one."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    def but(self, **changes: object) -> Self:
        """Return the same with `changes`. The state is made of facts, so nothing is checked again."""
        return self.model_copy(update=changes)


class PendingPurchase(Part):
    """A renewal that is bought but not settled; switches away from the code wait for it (R-70)."""

    order_id: OrderId
    hold_until: datetime


class Code(Part):
    """One code. Without `code_ref` nobody issued it.

    `seats_taken` counts every seat; `holders` has only the devices that the commands at hand speak of, so
    it is no count and is not stored with the row. `started_at` is the first activation anywhere (R-66).
    """

    code_ref: CodeRef | None = None
    last_group: str = ""
    product: str = ""
    kind: CodeKind = "paid"
    term: Term = "P0D"
    seats: int = 0
    regions: tuple[Region, ...] = ()
    activate_by: datetime | None = None
    blocked: bool = False
    started_at: datetime | None = None
    ends_at: datetime | None = None
    seats_taken: int = 0
    holders: frozenset[DeviceId] = Field(default=frozenset(), exclude=True)
    orders: tuple[OrderId, ...] = ()
    pending: tuple[PendingPurchase, ...] = ()


def evolve(code: Code, event: CodeEvent) -> Code:  # noqa: PLR0911 - one line per event
    """Return the code after `event`."""
    match event:
        case CodeIssued():
            return _issued(event)
        case CodeBlocked() | CodeUnblocked():
            return code.but(blocked=isinstance(event, CodeBlocked))
        case LicenseActivated():
            return _activated(code, event)
        case SeatReleased():
            return _released(code, event)
        case LicenseRenewed():
            return _renewed(code, event)
        case PurchaseAnnounced():
            return _announced(code, event)
        case CodeVerified() | CodeRejected() | ActivationRefused() | ActivationDelayed() | PurchaseRefused():
            return code  # a question and a refusal change nothing
        case _:
            assert_never(event)


def _issued(event: CodeIssued) -> Code:
    return Code(
        code_ref=event.code_ref,
        last_group=event.last_group,
        product=event.product,
        kind=event.kind,
        term=event.term,
        seats=event.seats,
        regions=event.regions,
        activate_by=event.activate_by,
    )


def _activated(code: Code, event: LicenseActivated) -> Code:
    started = code if code.started_at is not None else code.but(started_at=event.started_at, ends_at=event.ends_at)
    if event.device_id in code.holders:
        return started
    return started.but(holders=code.holders | {event.device_id}, seats_taken=code.seats_taken + 1)


def _released(code: Code, event: SeatReleased) -> Code:
    if event.device_id not in code.holders:
        return code
    return code.but(holders=code.holders - {event.device_id}, seats_taken=code.seats_taken - 1)


def _renewed(code: Code, event: LicenseRenewed) -> Code:
    return code.but(
        ends_at=event.ends_at,
        orders=tuple(sorted({*code.orders, event.order_id})),
        pending=tuple(purchase for purchase in code.pending if purchase.order_id != event.order_id),
    )


def _announced(code: Code, event: PurchaseAnnounced) -> Code:
    announced = PendingPurchase(order_id=event.order_id, hold_until=event.hold_until)
    pending = {purchase.order_id: purchase for purchase in (*code.pending, announced)}
    return code.but(pending=tuple(pending[order_id] for order_id in sorted(pending)))
