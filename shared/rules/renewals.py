"""From where a renewal counts, in words for both explanations and the command line (R-92, R-130). Pure."""

from shared.calendar import in_utc, instant
from shared.messages import LicenseRenewed

GAP = "because that was after the license had ended"


def start_of(renewed: LicenseRenewed) -> str:
    """Return from where the term counts, and why, as a sentence goes on after "counts from"."""
    at = instant(in_utc(renewed.counts_from))
    if renewed.counts_from == renewed.previous_ends_at:
        return f"the old end, {at}"
    if renewed.counts_from == renewed.purchased_at:
        return f"its purchase, {at}, {GAP}"
    return f"its arrival, {at}, {GAP}"
