"""How a code's events become its state. Nothing is refused here: every event has already happened."""

from typing import assert_never

from services.activation.decider.renewals import without, without_as_before
from services.activation.decider.seats import seat_released, seat_taken
from services.activation.decider.state import Code, EarlyRefund, PendingPurchase, Renewal
from shared.messages import (
    ActivationDelayed,
    ActivationRefused,
    AutoRenewalChanged,
    CodeBlocked,
    CodeEvent,
    CodeIssued,
    CodeRejected,
    CodeUnblocked,
    CodeVerified,
    CustomerErased,
    EarlierActivationReported,
    LicenseActivated,
    LicenseRenewed,
    LicenseShortened,
    OrderId,
    PriorLicenseUsed,
    PurchaseAnnounced,
    PurchaseCancelled,
    PurchaseRefused,
    SeatReleased,
)


def evolve(code: Code, event: CodeEvent) -> Code:  # noqa: PLR0911 - one line per event
    """Return the code after `event`."""
    match event:
        case CodeIssued():
            return _issued(event)
        case CodeBlocked():
            return code.but(blocked=True, stops_at=event.stops_at)
        case CodeUnblocked():
            return code.but(blocked=False, stops_at=None)
        case LicenseActivated():
            return _activated(code, event)
        case SeatReleased():
            return seat_released(code, event.device_id)
        case LicenseRenewed() | LicenseShortened() | PurchaseAnnounced() | PurchaseCancelled() | PurchaseRefused():
            return _bought(code, event)
        case AutoRenewalChanged():
            return code.but(auto_renews=event.auto_renews)
        case PriorLicenseUsed():
            return code.but(renewed_by=event.renewal_ref)
        case CustomerErased():
            return code.but(has_customer=False)
        case CodeVerified() | CodeRejected() | ActivationRefused() | ActivationDelayed():
            return code  # questions and refusals change nothing
        case EarlierActivationReported():
            return code  # the start never changes
        case _:
            assert_never(event)


def _issued(event: CodeIssued) -> Code:
    return Code(
        code_ref=event.code_ref,
        vendor=event.vendor,
        last_group=event.last_group,
        product=event.product,
        kind=event.kind,
        edition=event.edition,
        features=event.features,
        version_min=event.version_min,
        version_max=event.version_max,
        term=event.term,
        short_term=event.short_term,
        grace_days=event.grace_days,
        auto_renews=event.auto_renews,
        seats=event.seats,
        regions=event.regions,
        activate_by=event.activate_by,
        has_customer=event.sealed_customer is not None,
    )


def _activated(code: Code, event: LicenseActivated) -> Code:
    started = code if code.started_at is not None else code.but(started_at=event.started_at, ends_at=event.ends_at)
    return seat_taken(started, event.device_id)


def _bought(
    code: Code, event: LicenseRenewed | LicenseShortened | PurchaseAnnounced | PurchaseCancelled | PurchaseRefused
) -> Code:
    match event:
        case PurchaseRefused():
            return _came_early(code, event) if event.awaits_purchase else code
        case LicenseRenewed():
            return _renewed(code, event)
        case LicenseShortened():
            return _shortened(code, event)
        case PurchaseAnnounced():
            announced = PendingPurchase(order_id=event.order_id, hold_until=event.hold_until)
            waiting = (*_pending_but(code, event.order_id), announced)
            return code.but(pending=tuple(sorted(waiting, key=lambda purchase: purchase.order_id)))
        case PurchaseCancelled():
            cancelled = _with(code.cancelled, event.order_id)
            return code.but(pending=_pending_but(code, event.order_id), cancelled=cancelled)
        case _:
            assert_never(event)


def _came_early(code: Code, event: PurchaseRefused) -> Code:
    """Remember a refund or a cancellation until its order comes (R-132)."""
    if event.what == "cancellation":
        return code.but(cancelled=_with(code.cancelled, event.order_id))
    refund = EarlyRefund(order_id=event.order_id, note=event.note, term=event.term)
    return code if refund in code.early_refunds else code.but(early_refunds=(*code.early_refunds, refund))


def _with(orders: tuple[OrderId, ...], order_id: OrderId) -> tuple[OrderId, ...]:
    return tuple(sorted({*orders, order_id}))


def _renewed(code: Code, event: LicenseRenewed) -> Code:
    renewal = Renewal(
        order_id=event.order_id,
        purchased_at=event.purchased_at,
        previous_ends_at=event.previous_ends_at,
        ends_at=event.ends_at,
        term=event.term or code.term,
        anchor_at=event.anchor_at,
    )
    return code.but(
        ends_at=event.ends_at, renewals=(*code.renewals, renewal), pending=_pending_but(code, event.order_id)
    )


def _shortened(code: Code, event: LicenseShortened) -> Code:
    # what an earlier release recorded is folded as it was then
    kept = without if event.anchor_at is not None else without_as_before
    return code.but(ends_at=event.ends_at, renewals=kept(code, event.order_id, event.term))


def _pending_but(code: Code, order_id: str) -> tuple[PendingPurchase, ...]:
    return tuple(purchase for purchase in code.pending if purchase.order_id != order_id)
