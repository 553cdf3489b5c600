"""What shops and operators make of a code: issued, renewed, blocked, a seat taken away."""

from services.activation.decider.commands import (
    BlockCode,
    IssueCode,
    RecordPurchase,
    ReleaseSeat,
    UnblockCode,
)
from services.activation.decider.policy import POLICY
from services.activation.decider.state import Code
from services.activation.decider.term import end_of
from shared.decider import Refused
from shared.messages import (
    CodeBlocked,
    CodeEvent,
    CodeIssued,
    CodeUnblocked,
    LicenseRenewed,
    PurchaseAnnounced,
    PurchaseRefused,
    SeatReleased,
)


def issue(code: Code, order: IssueCode) -> list[CodeEvent]:
    """Return the code issued, once."""
    if code.code_ref is not None:
        return []
    return [
        CodeIssued(
            code_ref=order.code_ref,
            last_group=order.last_group,
            product=order.product,
            kind=order.kind,
            term=order.term,
            seats=order.seats,
            regions=order.regions,
            activate_by=order.activate_by,
        )
    ]


def record_purchase(code: Code, order: RecordPurchase) -> list[CodeEvent]:
    """Return the renewal of every device on the code, or its announcement: one per order (R-90, R-91, R-95)."""
    if order.order_id in code.orders:
        return []
    if code.ends_at is None:
        refused = PurchaseRefused(code_ref=order.code_ref, order_id=order.order_id, reason="not_activated")
        return [refused]
    if not order.settled:
        return _announce(code, order)
    # nothing is lost by buying early, and no day without a license is paid for;
    # a shop's fast clock sells no days ahead
    ends_at = end_of(max(code.ends_at, min(order.purchased_at, order.at)), order.term or code.term)
    if ends_at <= code.ends_at:
        raise Refused("date_out_of_range", "the license would end beyond the calendar")
    return [
        LicenseRenewed(
            code_ref=order.code_ref,
            order_id=order.order_id,
            purchased_at=order.purchased_at,
            previous_ends_at=code.ends_at,
            ends_at=ends_at,
        )
    ]


def _announce(code: Code, order: RecordPurchase) -> list[CodeEvent]:
    if any(purchase.order_id == order.order_id for purchase in code.pending):
        return []
    hold_until = order.at + POLICY.settlement_hold
    return [PurchaseAnnounced(code_ref=order.code_ref, order_id=order.order_id, hold_until=hold_until)]


def block(code: Code, order: BlockCode) -> list[CodeEvent]:
    """Return the code blocked, if it is not (R-46)."""
    return [] if code.blocked else [CodeBlocked(code_ref=order.code_ref, note=order.note)]


def unblock(code: Code, order: UnblockCode) -> list[CodeEvent]:
    """Return the code unblocked, if it is blocked (R-106)."""
    return [CodeUnblocked(code_ref=order.code_ref, note=order.note)] if code.blocked else []


def release_seat(code: Code, order: ReleaseSeat) -> list[CodeEvent]:
    """Return the seat taken away from the device (R-84). Raises `Refused` if it holds none."""
    if order.device_id not in code.holders:
        raise Refused("not_a_holder", f"device {order.device_id} holds no seat on the code")
    return [SeatReleased(device_id=order.device_id, code_ref=order.code_ref, cause="operator", note=order.note)]
