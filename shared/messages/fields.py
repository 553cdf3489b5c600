"""The values that events are made of: their forms, and the words that are one of a fixed set.

A word is storage: it stays for ever, and the same word stands in event, API, log and page (R-19).
"""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta
from pydantic import StringConstraints

Moment = Annotated[datetime, Meta(tz=True)]
"""A time, which has a zone (R-76)."""
DeviceId = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._:-]+$")]
CodeRef = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
LastGroup = Annotated[str, StringConstraints(pattern=r"^[0-9A-Z]{5}$")]
Term = Annotated[str, StringConstraints(pattern=r"^P(\d{1,2}Y(\d{1,3}M)?(\d{1,4}D)?|\d{1,3}M(\d{1,4}D)?|\d{1,4}D)$")]
"""A calendar duration in ISO 8601 form: years, months, days (`P1Y`, `P1M`, `P30D`)."""
Product = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[a-z0-9-]+$")]
Region = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
"""A country as two letters. What comes from outside must be one of ISO 3166-1 (`regions`)."""
ProductVersion = Annotated[str, StringConstraints(pattern=r"^\d{1,5}(\.\d{1,5}){0,3}$")]
"""A version of the installed product: up to four numbers (`21.3`)."""
Edition = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,19}$")]
Feature = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,19}$")]
Vendor = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,19}$")]
"""Who sells the product: what belongs to one vendor does not exist for another (R-108)."""
Sealed = Annotated[str, StringConstraints(max_length=2_000, pattern=r"^[A-Za-z0-9_=-]+\.[A-Za-z0-9_=-]+$")]
"""What is told of a person, encrypted with that person's own key: destroying the key erases it (R-115)."""
PublicKey = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{43}$")]
"""An Ed25519 public key: 32 bytes, base64url without padding."""
OrderId = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f]+$")]
Note = Annotated[str, StringConstraints(max_length=500, pattern=r"^[^\x00-\x08\x0b-\x1f]*$")]
"""What an operator writes: text with line breaks, without other control characters."""

Rules = Annotated[str, StringConstraints(max_length=60, pattern=r"^R-\d{2,3}b?(, R-\d{2,3}b?)*$")]
"""Rules of the rulebook, which are numbered for life (`R-13, R-45`)."""
CHANGE_MAX = 300
Change = Annotated[str, StringConstraints(max_length=CHANGE_MAX)]
"""What would have changed a verdict, in words for people."""

CodeKind = Literal["paid", "trial", "subscription", "renewal"]
"""`renewal` is a discounted code, for those who had a license before (R-30)."""
Trigger = Literal["immediate", "automatic", "manual", "retry", "removal", "offline"]
"""What asked for an activation: a code added without a license in force, the expiry, the user, the back-off,
the removal of the license before it, an activation that a device made by itself while it was away."""
Reason = Literal[
    "malformed",
    "unknown_code",
    "code_blocked",
    "wrong_product",
    "wrong_region",
    "term_over",
    "activate_by_passed",
    "seats_exhausted",
    "same_as_current",
    "not_later_than_current",
    "trial_not_allowed",
    "subscription_not_allowed",
    "subscription_active",
    "already_used_for_renewal",
    "no_prior_license",
    "version_incompatible",
    "reserve_exists",
    "not_expired",
    "stale",
    "no_reserve",
    "already_activated",
    "activation_running",
    "not_activated",
    "no_license",
    "throttled",
    "unknown_order",
    "refund_exceeds_purchase",
    "already_settled",
    "date_out_of_range",
]
"""Why something was refused: the same word in event, API, log and page (R-19)."""
Hold = Literal["purchase_pending", "renewal_due"]
"""Why the activation service lets an attempt wait (R-27, R-70)."""
Notice = Literal[
    "seats_exhausted",
    "less_than_full_term",
    "not_later_than_current",
    "other_edition",
    "fewer_features",
    "fewer_seats",
    "shorter_term",
]
"""A warning that comes with a good verdict (R-03, R-28, R-29, R-30, R-73, R-78)."""
