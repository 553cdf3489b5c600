"""What devices, shops and operators can ask for, each about one code. No rule may come in here.

`at` is the recorded time of the request, or the server's time at a door, so that a request that is handled again is
decided as of the same time (R-76).
"""

from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from shared.messages import (
    CodeKind,
    CodeRef,
    DeviceId,
    Edition,
    Feature,
    LastGroup,
    Note,
    OrderId,
    Product,
    ProductVersion,
    Region,
    Sealed,
    Term,
    ToldMoment,
    ToldRegion,
    Trigger,
    Vendor,
)


def _takes_time(term: Term) -> Term:
    if not any(digit in "123456789" for digit in term):
        raise ValueError("a term of zero length")
    return term


LicenseTerm = Annotated[Term, AfterValidator(_takes_time)]
"""A term that somebody sells or refunds."""


class ForCode(BaseModel):
    """A command about one code. Unknown fields are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    code_ref: CodeRef
    at: AwareDatetime


class Question(ForCode):
    """A device's question about a code. `current_ref` and `current_ends_at` are its license as the device knew it."""

    device_id: DeviceId
    request_id: UUID
    product: Product
    region: Region
    product_version: ProductVersion | None = None
    vendor: Vendor = "default"
    current_ref: CodeRef | None = None
    current_ends_at: AwareDatetime | None = None
    prior_ref: CodeRef | None = None
    accepts_short_term: bool = False
    trials_before: int = 0


class Verify(Question):
    """Is the code good as a reserve? This consumes nothing (R-13, R-14)."""


class Activate(Question):
    """Make the code the device's license. `trigger` says what caused the attempt.

    `ends_trial`: it replaces a trial that is still running (R-26). `activated_at`: the device did it then, offline
    (R-77).
    """

    trigger: Trigger
    ends_trial: bool = False
    activated_at: AwareDatetime | None = None


class IssueCode(ForCode):
    """Issue a code."""

    last_group: LastGroup
    product: Product
    kind: CodeKind
    term: Term
    seats: int = Field(ge=1)
    regions: tuple[ToldRegion, ...] = ()
    activate_by: ToldMoment | None = None
    vendor: Vendor = "default"
    edition: Edition = "standard"
    features: tuple[Feature, ...] = ()
    version_min: ProductVersion | None = None
    version_max: ProductVersion | None = None
    grace_days: int = Field(default=0, ge=0, le=365)
    auto_renews: bool = False
    short_term: Term | None = None
    sealed_customer: Sealed | None = None


class RecordPurchase(ForCode):
    """A shop sold a renewal of the code's license. `term` defaults to the code's own (R-90)."""

    order_id: OrderId
    settled: bool
    purchased_at: ToldMoment
    term: LicenseTerm | None = None


class CancelPurchase(ForCode):
    """An announced purchase will not be settled (R-70)."""

    order_id: OrderId
    note: Note = ""


class RecordRefund(ForCode):
    """A purchase was refunded: all of it, or `term` of what it added (R-96)."""

    order_id: OrderId
    note: Note
    term: LicenseTerm | None = None


class SetAutoRenewal(ForCode):
    """Set whether the subscription renews itself from now on (R-27)."""

    auto_renews: bool


class BlockCode(ForCode):
    """Allow no new activations (R-46), and stop the existing licenses after the notice period (R-105)."""

    note: Note


class UnblockCode(ForCode):
    """Allow activations again (R-106)."""

    note: Note


class ReleaseSeat(ForCode):
    """Release the device's seat remotely (R-84). `keep_reserve`: the device is lost, so do not activate its reserve."""

    device_id: DeviceId
    note: Note
    keep_reserve: bool = False


class ReturnSeat(ForCode):
    """The device gave its seat back by itself (R-84)."""

    device_id: DeviceId


class EraseCustomer(ForCode):
    """The key that encrypts the data of the code's customer has been destroyed (R-115)."""


type Command = (
    IssueCode
    | Verify
    | Activate
    | RecordPurchase
    | CancelPurchase
    | RecordRefund
    | SetAutoRenewal
    | BlockCode
    | UnblockCode
    | ReleaseSeat
    | ReturnSeat
    | EraseCustomer
)
