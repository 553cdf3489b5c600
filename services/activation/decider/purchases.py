"""Decides what shops do with a code's license: sell, announce, cancel or refund a renewal, set auto-renewal."""

from datetime import datetime
from typing import assert_never

from services.activation.decider.checks import renews_until
from services.activation.decider.commands import CancelPurchase, RecordPurchase, RecordRefund, SetAutoRenewal
from services.activation.decider.evolve import evolve
from services.activation.decider.renewals import exceeds, run_of, without
from services.activation.decider.state import EARLY_MAX, Code, EarlyRefund, Renewal
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
    Term,
)
from shared.rules.checks import moment
from shared.rules.dates import counted, lies_ahead
from shared.rules.decider import Refused, fold
from shared.rules.policy import Policy
from shared.rules.term import end_of, length_of


def record_purchase(code: Code, command: RecordPurchase, policy: Policy) -> list[CodeEvent]:
    """Renew the license of every device on the code, or announce that: once per order (R-90, R-91, R-95).

    Raises `Refused` for a purchase dated ahead of its time (R-131), for an order that was settled with another term
    (R-133), or if the license would end beyond the calendar.
    """
    if lies_ahead(command.purchased_at, at=command.at, policy=policy):
        raise Refused("date_out_of_range", "purchased_at lies in the future", field="purchased_at")
    if (settled := code.renewal(command.order_id)) is not None:
        return _told_again(code, command, settled)
    if code.ends_at is None:
        return [_refused(command, "not_activated")]
    if not command.settled:
        return _announce(code, command, policy)
    term = command.term or code.term
    # a shop's fast clock must not sell days in the future
    purchased_at = counted(command.purchased_at, at=command.at)
    anchor_at, ends_at = _counted(code, code.ends_at, purchased_at, term, policy)
    if ends_at <= command.at:
        # nobody pays for days that are over when the shop tells of them
        anchor_at, ends_at = command.at, end_of(command.at, term)
    if ends_at <= code.ends_at:
        raise Refused("date_out_of_range", "the license would end beyond the calendar")
    renewed = LicenseRenewed(
        code_ref=command.code_ref,
        order_id=command.order_id,
        purchased_at=purchased_at,
        previous_ends_at=code.ends_at,
        ends_at=ends_at,
        term=term,
        anchor_at=anchor_at,
    )
    return [renewed, *_refunded_early(code, renewed, command.at, policy)]


def _told_again(code: Code, command: RecordPurchase, settled: Renewal) -> list[CodeEvent]:
    """Change nothing, if it is told as it was settled. An announcement need not name the term."""
    term = command.term or (code.term if command.settled else settled.term)
    if term != settled.term:
        bought = f"bought at {moment(settled.purchased_at)} with a term of {settled.term}"
        raise Refused("order_reused", f"an order of this id was settled as {bought}", field="term")
    return []


def _refunded_early(code: Code, renewed: LicenseRenewed, at: datetime, policy: Policy) -> list[CodeEvent]:
    """Return what the refunds change that came before their purchase: in the end it is as in order (R-36, R-132)."""
    early = [refund for refund in code.early_refunds if refund.order_id == renewed.order_id]
    events: list[CodeEvent] = [renewed] if early else []
    for told in early:
        now = fold(evolve, events, code)
        order = RecordRefund(code_ref=renewed.code_ref, at=at, order_id=told.order_id, note=told.note, term=told.term)
        events += _shorten(now, order, policy)
    return events[1:]


def _counted(
    code: Code, previous_ends_at: datetime, bought_at: datetime, term: Term, policy: Policy
) -> tuple[datetime, datetime]:
    """Return from where the end of a renewal is counted, and that end (R-129).

    Buying early loses nothing, and nobody pays for days without a license (R-92). A subscription that renews itself is
    renewed from its end, though the payment comes after it (R-135).
    """
    awaited_until = renews_until(code, policy)
    if bought_at <= previous_ends_at or (awaited_until is not None and bought_at < awaited_until):
        run = run_of(code, previous_ends_at)
        return run.anchor_at, run.end_with(length_of(term))
    return bought_at, end_of(bought_at, term)


def _announce(code: Code, command: RecordPurchase, policy: Policy) -> list[CodeEvent]:
    if command.order_id in code.cancelled or _is_pending(code, command.order_id):
        return []
    hold_until = command.at + policy.settlement_hold
    return [PurchaseAnnounced(code_ref=command.code_ref, order_id=command.order_id, hold_until=hold_until)]


def _is_pending(code: Code, order_id: OrderId) -> bool:
    return any(purchase.order_id == order_id for purchase in code.pending)


def cancel(code: Code, command: CancelPurchase) -> list[CodeEvent]:
    """Cancel the announced purchase, once, so that nothing waits for it any longer (R-70).

    If its announcement is still to come, it will hold nothing then (R-132).
    """
    if _is_pending(code, command.order_id):
        return [PurchaseCancelled(code_ref=command.code_ref, order_id=command.order_id, note=command.note)]
    if code.renewal(command.order_id) is not None:
        return [_refused(command, "already_settled")]
    return [] if command.order_id in code.cancelled else [_came_early(code, command)]


def refund(code: Code, command: RecordRefund, policy: Policy) -> list[CodeEvent]:
    """Shorten the license by what is left of the order, or by a part of it (R-96).

    If the purchase is still to come, the refund counts then (R-132).
    """
    if code.renewal(command.order_id) is None:
        return [_came_early(code, command)]
    if command.term is not None and _early(command) in code.early_refunds:
        return []  # the shop was told that it came too early, and repeats it
    return _shorten(code, command, policy)


def _early(command: RecordRefund) -> EarlyRefund:
    return EarlyRefund(order_id=command.order_id, note=command.note, term=command.term)


def _came_early(code: Code, command: CancelPurchase | RecordRefund) -> PurchaseRefused:
    """Refuse what is told of an unknown order, but remember it."""
    refused = _refused(command, "unknown_order")
    if len(code.early_refunds) + len(code.cancelled) >= EARLY_MAX:
        return refused
    if isinstance(command, CancelPurchase):
        return refused.but(awaits_purchase=True)
    return refused.but(awaits_purchase=True, note=command.note, term=command.term)


def _shorten(code: Code, command: RecordRefund, policy: Policy) -> list[CodeEvent]:
    """Shorten the license, but never at once.

    If the notice period is longer than the license, the license ends when it would anyway; the refund is recorded.
    """
    sold = code.renewal(command.order_id)
    if code.ends_at is None or sold is None:
        return []
    if command.term is not None and exceeds(code, sold, command.term):
        return [_refused(command, "refund_exceeds_purchase")]
    kept = code.but(renewals=without(code, command.order_id, command.term))
    left = kept.renewal(command.order_id)
    if left is None or left.ends_at == sold.ends_at:
        return []  # nothing of it was left
    ends_at = kept.renewals[-1].ends_at
    soonest_at = min(code.ends_at, command.at + policy.refund_notice)
    return [
        LicenseShortened(
            code_ref=command.code_ref,
            order_id=command.order_id,
            previous_ends_at=code.ends_at,
            ends_at=min(code.ends_at, max(ends_at, soonest_at)),
            note=command.note,
            term=command.term,
            anchor_at=run_of(kept, ends_at).anchor_at,
        )
    ]


def _refused(command: RecordPurchase | CancelPurchase | RecordRefund, reason: Reason) -> PurchaseRefused:
    match command:
        case RecordPurchase():
            return PurchaseRefused(code_ref=command.code_ref, order_id=command.order_id, reason=reason)
        case CancelPurchase():
            return PurchaseRefused(
                code_ref=command.code_ref, order_id=command.order_id, reason=reason, what="cancellation"
            )
        case RecordRefund():
            return PurchaseRefused(code_ref=command.code_ref, order_id=command.order_id, reason=reason, what="refund")
        case _:
            assert_never(command)


def set_auto_renewal(code: Code, command: SetAutoRenewal) -> list[CodeEvent]:
    """Record the change, if it is one (R-27). Raises `Refused` for a code that is not a subscription."""
    if code.kind != "subscription":
        raise Refused("not_a_subscription", "only a subscription renews itself")
    if code.auto_renews == command.auto_renews:
        return []
    return [AutoRenewalChanged(code_ref=command.code_ref, auto_renews=command.auto_renews)]
