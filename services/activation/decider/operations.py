"""Decides what operators do with a code: issue it, block it, release a seat, erase the customer."""

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


def issue(code: Code, command: IssueCode) -> list[CodeEvent]:
    """Issue the code, once.

    Raises `Refused` for a code that nobody could activate any more (R-134), or that would renew itself without being a
    subscription.
    """
    if code.code_ref is not None:
        return []
    if command.auto_renews and command.kind != "subscription":
        raise Refused("not_a_subscription", "only a subscription renews itself")
    if command.activate_by is not None and command.activate_by <= command.at:
        raise Refused("date_out_of_range", "activate_by is already over", field="activate_by")
    return [
        CodeIssued(
            code_ref=command.code_ref,
            last_group=command.last_group,
            product=command.product,
            kind=command.kind,
            term=command.term,
            seats=command.seats,
            regions=command.regions,
            activate_by=command.activate_by,
            vendor=command.vendor,
            edition=command.edition,
            features=command.features,
            version_min=command.version_min,
            version_max=command.version_max,
            grace_days=command.grace_days,
            auto_renews=command.auto_renews,
            short_term=command.short_term,
            sealed_customer=command.sealed_customer,
        )
    ]


def block(code: Code, command: BlockCode, policy: Policy) -> list[CodeEvent]:
    """Block the code, unless it is blocked: no new activations, and notice to running licenses (R-46, R-105)."""
    if code.blocked:
        return []
    return [CodeBlocked(code_ref=command.code_ref, note=command.note, stops_at=command.at + policy.block_notice)]


def unblock(code: Code, command: UnblockCode) -> list[CodeEvent]:
    """Unblock the code, if it is blocked (R-106)."""
    return [CodeUnblocked(code_ref=command.code_ref, note=command.note)] if code.blocked else []


def release_seat(code: Code, command: ReleaseSeat) -> list[CodeEvent]:
    """Release the device's seat (R-84). Raises `Refused` if it holds none."""
    if command.device_id not in code.holders:
        raise Refused("not_a_holder", f"device {command.device_id} holds no seat on the code")
    return [
        SeatReleased(
            device_id=command.device_id,
            code_ref=command.code_ref,
            cause="operator",
            note=command.note,
            keeps_reserve=command.keep_reserve,
        )
    ]


def return_seat(code: Code, command: ReturnSeat) -> list[CodeEvent]:
    """Release the seat that the device gave back, if it held one (R-25, R-84)."""
    if command.device_id not in code.holders:
        return []
    return [SeatReleased(device_id=command.device_id, code_ref=command.code_ref, cause="removed")]


def erase_customer(code: Code, command: EraseCustomer) -> list[CodeEvent]:
    """Record that the customer was erased, if the code has one (R-115)."""
    return [CustomerErased(code_ref=command.code_ref)] if code.has_customer else []
