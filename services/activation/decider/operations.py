"""What operators make of a code: issued, blocked, a seat taken away, the customer forgotten."""

from services.activation.decider.commands import (
    BlockCode,
    EraseCustomer,
    IssueCode,
    ReleaseSeat,
    ReturnSeat,
    UnblockCode,
)
from services.activation.decider.state import Code
from shared.messages import CodeBlocked, CodeEvent, CodeIssued, CodeUnblocked, CustomerErased, SeatReleased
from shared.rules.decider import Refused
from shared.rules.policy import Policy


def issue(code: Code, order: IssueCode) -> list[CodeEvent]:
    """Return the code issued, once. Raises `Refused` for a code that would renew itself and is no subscription."""
    if code.code_ref is not None:
        return []
    if order.auto_renews and order.kind != "subscription":
        raise Refused("not_a_subscription", "only a subscription renews itself")
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
            vendor=order.vendor,
            edition=order.edition,
            features=order.features,
            version_min=order.version_min,
            version_max=order.version_max,
            grace_days=order.grace_days,
            auto_renews=order.auto_renews,
            short_term=order.short_term,
            sealed_customer=order.sealed_customer,
        )
    ]


def block(code: Code, order: BlockCode, policy: Policy) -> list[CodeEvent]:
    """Return the code blocked, if it is not: no new activation, and notice to those that run (R-46, R-105)."""
    if code.blocked:
        return []
    return [CodeBlocked(code_ref=order.code_ref, note=order.note, stops_at=order.at + policy.block_notice)]


def unblock(code: Code, order: UnblockCode) -> list[CodeEvent]:
    """Return the code unblocked, if it is blocked (R-106)."""
    return [CodeUnblocked(code_ref=order.code_ref, note=order.note)] if code.blocked else []


def release_seat(code: Code, order: ReleaseSeat) -> list[CodeEvent]:
    """Return the seat taken away from the device (R-84). Raises `Refused` if it holds none."""
    if order.device_id not in code.holders:
        raise Refused("not_a_holder", f"device {order.device_id} holds no seat on the code")
    return [
        SeatReleased(
            device_id=order.device_id,
            code_ref=order.code_ref,
            cause="operator",
            note=order.note,
            keeps_reserve=order.keep_reserve,
        )
    ]


def return_seat(code: Code, order: ReturnSeat) -> list[CodeEvent]:
    """Return the seat that the device gave back, if it held one (R-25, R-84)."""
    if order.device_id not in code.holders:
        return []
    return [SeatReleased(device_id=order.device_id, code_ref=order.code_ref, cause="removed")]


def erase_customer(code: Code, order: EraseCustomer) -> list[CodeEvent]:
    """Return the customer forgotten, if one was told (R-115)."""
    return [CustomerErased(code_ref=order.code_ref)] if code.has_customer else []
