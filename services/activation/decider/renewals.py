"""What was paid for a license, and when that ends: the anchor plus the sum of all terms (R-129).

The sum is added as months first, then days. The anchor is the first activation of the code or, after a gap, the
purchase that closed it. A refund takes its part out of the sum (R-96). Pure arithmetic on recorded facts: no policy and
no clock may come in here.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from services.activation.decider.state import Code, Renewal
from shared.messages import OrderId, Term
from shared.rules.term import CALENDAR_START, Length, earlier_by, end_after, end_of, length_of

NOTHING = Length()


class Run(NamedTuple):
    """A license without a gap: `length` was paid for since `anchor_at`. `ends_at` is the end that was recorded.

    `by_sum` is false if an end in it was recorded by an earlier release, which counted from the end before.
    """

    anchor_at: datetime
    length: Length
    ends_at: datetime
    by_sum: bool = True

    def end_with(self, length: Length) -> datetime:
        """Return the end if `length` more is paid for: never earlier than an end recorded before would have led to."""
        counted = end_after(self.anchor_at, self.length + length)
        if self.by_sum and self.ends_at == end_after(self.anchor_at, self.length):
            return counted
        return max(counted, end_after(self.ends_at, length))


def run_of(code: Code, ends_at: datetime) -> Run:
    """Return the run that a renewal of the code continues; `ends_at` is the code's end.

    An end that only a refund's notice period gave is an anchor of its own (R-96).
    """
    *_, last = _runs(code)
    return last if last.ends_at == ends_at else _anchored(ends_at)


def exceeds(code: Code, sold: Renewal, term: Term) -> bool:
    """Tell whether `term` is more than the purchase ever added."""
    before = next(run for run, renewal in zip(_runs(code), code.renewals, strict=False) if renewal is sold)
    base = _continued(before, sold)
    return base.end_with(length_of(term)) > base.end_with(length_of(sold.term))


def without(code: Code, order_id: OrderId, term: Term | None) -> tuple[Renewal, ...]:
    """Return the code's renewals as if `term` of the purchase, or all of it, had never been bought.

    Later renewals begin where the ones before them now end: no day is lost and none is given twice.
    """
    run, kept, moves = _first(code), list[Renewal](), False
    for renewal in code.renewals:
        counted = renewal
        if renewal.order_id == order_id:
            counted = _counted(_continued(run, renewal), _refunded(renewal, term), renewal.previous_ends_at)
            moves = True
        elif moves:
            counted = _counted(_begun(run, renewal), renewal, run.ends_at)
        run = _after(run, counted)
        kept.append(counted)
    return tuple(kept)


def _runs(code: Code) -> Iterator[Run]:
    """Yield the run before each renewal, and the last one."""
    run = _first(code)
    yield run
    for renewal in code.renewals:
        run = _after(run, renewal)
        yield run


def _first(code: Code) -> Run:
    """Return the run of the first activation: its term was the code's, or the shorter one that was accepted (R-30)."""
    ends_at = code.renewals[0].previous_ends_at if code.renewals else code.ends_at
    if code.started_at is None or ends_at is None:
        raise ValueError("a code that was never activated has no end")
    for term in (code.term, code.short_term):
        if term is not None and end_of(code.started_at, term) == ends_at:
            return Run(code.started_at, length_of(term), ends_at)
    return _anchored(ends_at)


def _anchored(at: datetime) -> Run:
    return Run(at, NOTHING, at)


def _after(run: Run, renewal: Renewal) -> Run:
    """Return the run after the renewal, if anything is left of it."""
    if renewal.ends_at <= renewal.previous_ends_at:
        return run
    base = _continued(run, renewal)
    by_sum = base.by_sum and renewal.anchor_at is not None
    return Run(base.anchor_at, base.length + _left(renewal), renewal.ends_at, by_sum)


def _continued(run: Run, renewal: Renewal) -> Run:
    """Return the run that the renewal continued when it was recorded: the one before it, or one of its own."""
    if renewal.anchor_at is not None:
        return run if renewal.anchor_at == run.anchor_at else _anchored(renewal.anchor_at)
    if _closed_gap_before(renewal):
        return _anchored(renewal.purchased_at)
    return run if renewal.previous_ends_at == run.ends_at else _anchored(renewal.previous_ends_at)


def _begun(run: Run, renewal: Renewal) -> Run:
    """Return the run that the renewal continues now that the one before it may end elsewhere."""
    if renewal.previous_ends_at == run.ends_at:
        return _continued(run, renewal)
    begins_at = _may_begin_at(renewal)
    return run if begins_at <= run.ends_at else _anchored(begins_at)


def _may_begin_at(renewal: Renewal) -> datetime:
    """Return from when on the renewal counts, whatever was paid before it."""
    if renewal.anchor_at is None:
        # one that was dated ahead was told before the end, at a time that is not known
        dated_ahead = renewal.purchased_at > renewal.previous_ends_at and not _closed_gap_before(renewal)
        return CALENDAR_START if dated_ahead else renewal.purchased_at
    return renewal.anchor_at if renewal.anchor_at > renewal.previous_ends_at else renewal.purchased_at


def _counted(base: Run, renewal: Renewal, previous_ends_at: datetime) -> Renewal:
    """Return the renewal with its end counted anew. A refund never makes it longer."""
    ends_at = base.end_with(_left(renewal))
    left = not renewal.paid_back and ends_at > max(previous_ends_at, base.ends_at)
    return renewal.but(
        previous_ends_at=previous_ends_at,
        ends_at=min(ends_at, renewal.ends_at) if left else previous_ends_at,
        anchor_at=base.anchor_at,
    )


def _left(renewal: Renewal) -> Length:
    return sum((NOTHING - length_of(part) for part in renewal.refunded), length_of(renewal.term))


def _refunded(renewal: Renewal, term: Term | None) -> Renewal:
    return renewal.but(paid_back=True) if term is None else renewal.but(refunded=(*renewal.refunded, term))


# --- as an earlier release counted it: what it recorded is read for ever -----------------------------------


def without_as_before(code: Code, order_id: OrderId, term: Term | None) -> tuple[Renewal, ...]:
    """Return the renewals after a refund that was recorded before R-129, each counted from the end before it."""
    kept: list[Renewal] = []
    for renewal in code.renewals:
        if renewal.order_id == order_id:
            kept.append(_ended_as_before(_refunded(renewal, term), renewal.previous_ends_at))
        elif any(earlier.order_id == order_id for earlier in kept):
            kept.append(_ended_as_before(renewal, kept[-1].ends_at))
        else:
            kept.append(renewal)
    return tuple(kept)


def _ended_as_before(renewal: Renewal, previous_ends_at: datetime) -> Renewal:
    begins_at = max(previous_ends_at, renewal.purchased_at)
    ends_at = _end_as_before(renewal, begins_at)
    left = not renewal.paid_back and ends_at > begins_at
    return renewal.but(
        previous_ends_at=previous_ends_at, ends_at=min(ends_at, renewal.ends_at) if left else previous_ends_at
    )


def _end_as_before(renewal: Renewal, begins_at: datetime) -> datetime:
    ends_at = end_of(begins_at, renewal.term)
    for part in renewal.refunded:
        ends_at = earlier_by(ends_at, part)
    return ends_at


def _closed_gap_before(renewal: Renewal) -> bool:
    # a purchase dated ahead was recorded with that date and not counted by it
    bought_at = renewal.purchased_at
    return bought_at > renewal.previous_ends_at and renewal.ends_at == _end_as_before(renewal, bought_at)
