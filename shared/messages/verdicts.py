"""The facts that stand in both logs: the activation service decides them, the device service applies them.

Each has the same type in both: the activation service writes it to the code's stream, the device service
writes the one it received and applied to the device's stream.
"""

from datetime import datetime
from typing import Literal
from uuid import UUID

from shared.messages.facts import Finding, ForDevice, ForHolders, Verdict
from shared.messages.fields import (
    CodeKind,
    CodeRef,
    Edition,
    Feature,
    LastGroup,
    Moment,
    Note,
    Notice,
    OrderId,
    Reason,
    Term,
    Trigger,
)


class CodeVerified(Verdict):
    """The code is good as a reserve today (R-13). `predicted_ends_at` is the end if it takes over as planned.

    `devices_left_out` belongs to the notice `fewer_seats`: so many devices of today find no seat (R-29).
    """

    last_group: LastGroup
    term: Term
    predicted_ends_at: Moment
    started_at: Moment | None = None
    notices: tuple[Notice, ...] = ()
    kind: CodeKind = "paid"
    edition: Edition = "standard"
    features: tuple[Feature, ...] = ()
    devices_left_out: int = 0


class CodeRejected(Verdict):
    """The code is not taken (R-15). `asked_at` is when it was asked for: guesses are counted by it (R-107).

    `findings` are the rules that the activation service looked at, so that each log explains itself.
    """

    reason: Reason
    asked_at: Moment | None = None
    findings: tuple[Finding, ...] = ()


class LicenseActivated(Verdict):
    """The code is the device's license. `started_at` belongs to the code: its first activation anywhere (R-66).

    For `grace_days` after the end the product goes on, though the license is over (R-65). `starts_term` says whether
    this is that first activation. Events of earlier releases do not say it.
    """

    last_group: LastGroup
    trigger: Trigger
    activated_at: Moment
    started_at: Moment
    ends_at: Moment
    replaced_ref: CodeRef | None = None
    kind: CodeKind = "paid"
    edition: Edition = "standard"
    features: tuple[Feature, ...] = ()
    grace_days: int = 0
    auto_renews: bool = False
    prior_ref: CodeRef | None = None
    starts_term: bool | None = None

    @property
    def may_start_term(self) -> bool:
        """Tell whether it started the code's term, as far as it says.

        Of those that do not say it, each that was dated like the first one may have been it.
        """
        return self.activated_at == self.started_at if self.starts_term is None else self.starts_term


class ActivationRefused(ForDevice):
    """An attempt, or a request for one, came to nothing and spent nothing (R-51).

    `code_ref` is absent when there was no reserve; `available_at` is the time from which it is possible (R-56).
    `findings` are the rules that the activation service looked at, so that each log explains itself.
    """

    reason: Reason
    trigger: Trigger
    request_id: UUID
    code_ref: CodeRef | None = None
    available_at: Moment | None = None
    findings: tuple[Finding, ...] = ()


class ActivationDelayed(Verdict):
    """No verdict yet: try again at `retry_at`.

    A purchase is announced but not settled (R-70), a subscription is about to renew itself, or no answer
    came in time: the last is the device service's own word (R-49).
    """

    trigger: Trigger
    retry_at: Moment
    cause: Literal["purchase_pending", "renewal_due", "no_answer"]


class SeatReleased(ForDevice):
    """The device no longer holds a seat on the code (R-84, R-87). `keeps_reserve`: nothing takes over by itself."""

    code_ref: CodeRef
    cause: Literal["switched", "operator", "removed"]
    note: Note = ""
    keeps_reserve: bool = False


class LicenseRenewed(ForHolders):
    """A purchase extends the license by `term` (R-90).

    `anchor_at` is the moment from which the end is counted, with all terms since: the first activation, or what closed
    the last gap (R-129). Events of earlier releases do not say it: their ends were counted from the end before.
    """

    order_id: OrderId
    purchased_at: Moment
    previous_ends_at: Moment
    ends_at: Moment
    term: Term | None = None
    anchor_at: Moment | None = None

    @property
    def counts_from(self) -> datetime:
        """From where `term` counts: the old end, or after a gap the purchase or its arrival (R-92, R-130)."""
        return max(self.previous_ends_at, self.anchor_at or self.purchased_at)


class LicenseShortened(ForHolders):
    """A purchase was refunded: the license ends earlier, not before the notice period is over (R-96).

    `term` is what was paid back, None all that was left of the order. `anchor_at` is the moment from which what is left
    was counted (R-129); events of earlier releases do not say it.
    """

    order_id: OrderId
    previous_ends_at: Moment
    ends_at: Moment
    note: Note
    term: Term | None = None
    anchor_at: Moment | None = None


class CodeBlocked(ForHolders):
    """No new activation until it is unblocked (R-46). Where it is active it stops at `stops_at` (R-105)."""

    note: Note
    stops_at: Moment | None = None


class CodeUnblocked(ForHolders):
    """Activations are possible again, and licenses that the block stopped go on (R-106)."""

    note: Note


class PurchaseAnnounced(ForHolders):
    """A renewal is bought but not settled: switches away from the code wait until `hold_until` (R-70, R-98, R-103)."""

    order_id: OrderId
    hold_until: Moment


class PurchaseCancelled(ForHolders):
    """An announced purchase came to nothing: nothing waits for it any more."""

    order_id: OrderId
    note: Note = ""


class AutoRenewalChanged(ForHolders):
    """The subscription renews itself from now on, or does so no more (R-27)."""

    auto_renews: bool
