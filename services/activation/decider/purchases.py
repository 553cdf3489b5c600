"""What shops make of a code's license: renewed, announced, cancelled, refunded, renewed by itself."""

from datetime import datetime
from typing import assert_never

from services.activation.decider.commands import CancelPurchase, RecordPurchase, RecordRefund, SetAutoRenewal
from services.activation.decider.renewals import exceeds, without
from services.activation.decider.state import Code, Renewal
from shared.messages import (
    AutoRenewalChanged,
    CodeEvent,
    LicenseRenewed,
    LicenseShortened,
    OrderId,
    PurchaseAnnounced,
    PurchaseCancelled,
    PurchaseRefused,
    Reason,
)
from shared.rules.decider import Refused
from shared.rules.policy import Policy
from shared.rules.term import end_of


def record_purchase(code: Code, order: RecordPurchase, policy: Policy) -> list[CodeEvent]:
    """Return the renewal of every device on the code, or its announcement: one per order (R-90, R-91, R-95).

    Raises `Refused` for a term that ends beyond the calendar.
    """
    if code.renewal(order.order_id) is not None:
        return []
    if code.ends_at is None:
        return [_refused(order, "not_activated")]
    if not order.settled:
        return _announce(code, order, policy)
    term = order.term or code.term
    # nothing is lost by buying early, and no day without a license is paid for;
    # a shop's fast clock sells no days ahead
    ends_at = end_of(max(code.ends_at, min(order.purchased_at, order.at)), term)
    if ends_at <= code.ends_at:
        raise Refused("date_out_of_range", "the license would end beyond the calendar")
    return [
        LicenseRenewed(
            code_ref=order.code_ref,
            order_id=order.order_id,
            purchased_at=order.purchased_at,
            previous_ends_at=code.ends_at,
            ends_at=ends_at,
            term=term,
        )
    ]


def _announce(code: Code, order: RecordPurchase, policy: Policy) -> list[CodeEvent]:
    if order.order_id in code.cancelled or _is_pending(code, order.order_id):
        return []
    hold_until = order.at + policy.settlement_hold
    return [PurchaseAnnounced(code_ref=order.code_ref, order_id=order.order_id, hold_until=hold_until)]


def _is_pending(code: Code, order_id: OrderId) -> bool:
    return any(purchase.order_id == order_id for purchase in code.pending)


def cancel(code: Code, order: CancelPurchase) -> list[CodeEvent]:
    """Return the announced purchase cancelled, once, so that nothing waits for it any more (R-70)."""
    if _is_pending(code, order.order_id):
        return [PurchaseCancelled(code_ref=order.code_ref, order_id=order.order_id, note=order.note)]
    if code.renewal(order.order_id) is not None:
        return [_refused(order, "already_settled")]
    return [] if order.order_id in code.cancelled else [_refused(order, "unknown_order")]


def refund(code: Code, order: RecordRefund, policy: Policy) -> list[CodeEvent]:
    """Return the license shortened by what is left of the order, or by a part of it, but never at once (R-96).

    Where the notice period outlasts the license it ends as it would: the refund stays a fact.
    """
    sold = code.renewal(order.order_id)
    if code.ends_at is None or sold is None:
        return [_refused(order, "unknown_order")]
    if order.term is not None and exceeds(sold, order.term):
        return [_refused(order, "refund_exceeds_purchase")]
    kept = without(code.renewals, order.order_id, order.term)
    if _ends(kept) == _ends(code.renewals):
        return []  # nothing of it was left
    soonest_at = min(code.ends_at, order.at + policy.refund_notice)
    return [
        LicenseShortened(
            code_ref=order.code_ref,
            order_id=order.order_id,
            previous_ends_at=code.ends_at,
            ends_at=min(code.ends_at, max(kept[-1].ends_at, soonest_at)),
            note=order.note,
            term=order.term,
        )
    ]


def _ends(renewals: tuple[Renewal, ...]) -> list[datetime]:
    return [renewal.ends_at for renewal in renewals]


def _refused(order: RecordPurchase | CancelPurchase | RecordRefund, reason: Reason) -> PurchaseRefused:
    match order:
        case RecordPurchase():
            return PurchaseRefused(code_ref=order.code_ref, order_id=order.order_id, reason=reason)
        case CancelPurchase():
            return PurchaseRefused(code_ref=order.code_ref, order_id=order.order_id, reason=reason, what="cancellation")
        case RecordRefund():
            return PurchaseRefused(code_ref=order.code_ref, order_id=order.order_id, reason=reason, what="refund")
        case _:
            assert_never(order)


def set_auto_renewal(code: Code, order: SetAutoRenewal) -> list[CodeEvent]:
    """Return the change, if it is one (R-27). Raises `Refused` for a code that is no subscription."""
    if code.kind != "subscription":
        raise Refused("not_a_subscription", "only a subscription renews itself")
    if code.auto_renews == order.auto_renews:
        return []
    return [AutoRenewalChanged(code_ref=order.code_ref, auto_renews=order.auto_renews)]
