"""What purchases added to a license, and what is left of it when one of them is refunded (R-92, R-96)."""

from datetime import datetime

from services.activation.decider.state import Renewal
from shared.messages import OrderId, Term
from shared.rules.term import earlier_by, end_of


def exceeds(sold: Renewal, term: Term) -> bool:
    """Tell whether `term` is more than the purchase ever added."""
    begins_at = max(sold.previous_ends_at, sold.purchased_at)
    return end_of(begins_at, term) > end_of(begins_at, sold.term)


def without(renewals: tuple[Renewal, ...], order_id: OrderId, term: Term | None) -> tuple[Renewal, ...]:
    """Return the renewals as if `term` of the purchase, or all of it, had never been bought.

    Later renewals begin where the ones before them now end: no day is lost and none is given twice.
    """
    kept: list[Renewal] = []
    for renewal in renewals:
        if renewal.order_id == order_id:
            kept.append(_ended(_refunded(renewal, term), renewal.previous_ends_at))
        elif any(earlier.order_id == order_id for earlier in kept):
            kept.append(_ended(renewal, kept[-1].ends_at))
        else:
            kept.append(renewal)
    return tuple(kept)


def _refunded(renewal: Renewal, term: Term | None) -> Renewal:
    return renewal.but(paid_back=True) if term is None else renewal.but(refunded=(*renewal.refunded, term))


def _ended(renewal: Renewal, previous_ends_at: datetime) -> Renewal:
    """Return the renewal, recomputed from the license's previous end. A refund never makes it longer."""
    begins_at = max(previous_ends_at, renewal.purchased_at)
    ends_at = end_of(begins_at, renewal.term)
    for part in renewal.refunded:
        ends_at = earlier_by(ends_at, part)
    left = not renewal.paid_back and ends_at > begins_at
    return renewal.but(
        previous_ends_at=previous_ends_at, ends_at=min(ends_at, renewal.ends_at) if left else previous_ends_at
    )
