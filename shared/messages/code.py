"""The life of a code: what shops, operators and devices made of it."""

from typing import Annotated, Literal

from pydantic import Field

from shared.messages.facts import ForCode
from shared.messages.fields import (
    CodeKind,
    CodeRef,
    DeviceId,
    Edition,
    Feature,
    LastGroup,
    Moment,
    Note,
    OrderId,
    Product,
    ProductVersion,
    Reason,
    Region,
    Sealed,
    Term,
    Vendor,
)


class CodeIssued(ForCode):
    """A code exists. No `regions` means everywhere; an unused code without `activate_by` never expires (R-79).

    It fits product versions from `version_min` to `version_max`. A renewal code is worth `short_term` to those
    who had no license before (R-30); without one it is worth nothing to them.
    """

    last_group: LastGroup
    product: Product
    kind: CodeKind
    term: Term
    seats: Annotated[int, Field(ge=1)]
    regions: tuple[Region, ...] = ()
    activate_by: Moment | None = None
    vendor: Vendor = "default"
    edition: Edition = "standard"
    features: tuple[Feature, ...] = ()
    version_min: ProductVersion | None = None
    version_max: ProductVersion | None = None
    grace_days: Annotated[int, Field(ge=0, le=365)] = 0
    auto_renews: bool = False
    short_term: Term | None = None
    sealed_customer: Sealed | None = None


class PriorLicenseUsed(ForCode):
    """The license of this code was the prior license of a discounted renewal code, and is so once (R-30)."""

    renewal_ref: CodeRef
    device_id: DeviceId


class EarlierActivationReported(ForCode):
    """A device activated the code before its first recorded activation and told it late (R-77).

    The start stays what it was: it is write-once (R-66). `affected` names the devices whose term would have
    been another.
    """

    device_id: DeviceId
    activated_at: Moment
    started_at: Moment
    affected: tuple[DeviceId, ...] = ()


class PurchaseRefused(ForCode):
    """A purchase, its refund or its cancellation could not change the license.

    With `awaits_purchase`, a refund or cancellation came before its order: it counts as soon as that comes (R-132).
    `note` and `term` are the refund's. Events of earlier releases await nothing.
    """

    order_id: OrderId
    reason: Reason
    what: Literal["purchase", "refund", "cancellation"] = "purchase"
    awaits_purchase: bool = False
    note: Note = ""
    term: Term | None = None


class CustomerErased(ForCode):
    """The key that sealed what was told of the customer is destroyed (R-115)."""
