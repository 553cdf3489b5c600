"""What devices, shops and operators ask about one code. No rule may come in here.

`at` is the time of the recorded request, or the server's time at a door: handled again, a request is
decided by the same time (R-76).
"""

from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

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
    Trigger,
    Vendor,
)


class ForCode(BaseModel):
    """A command about one code. Frozen, and strict about its fields: a misspelt one is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    code_ref: CodeRef
    at: AwareDatetime


class Question(ForCode):
    """A device asks about a code. `current_ref` and `current_ends_at` name its license, as the device knew it."""

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


class Verify(Question):
    """Is the code good as a reserve? Asking spends nothing (R-13, R-14)."""


class Activate(Question):
    """Make the code the device's license. `trigger` says what asked for it.

    `ends_trial`: in place of a trial that still runs (R-26). `activated_at`: the device did it then, by itself (R-77).
    """

    trigger: Trigger
    ends_trial: bool = False
    activated_at: AwareDatetime | None = None


class IssueCode(ForCode):
    """Bring a code into being."""

    last_group: LastGroup
    product: Product
    kind: CodeKind
    term: Term
    seats: int = Field(ge=1)
    regions: tuple[Region, ...] = ()
    activate_by: AwareDatetime | None = None
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
    """A shop sold a renewal of the code's license. Without `term` it is the code's own (R-90)."""

    order_id: OrderId
    settled: bool
    purchased_at: AwareDatetime
    term: Term | None = None


class CancelPurchase(ForCode):
    """An announced purchase will not be settled (R-70)."""

    order_id: OrderId
    note: Note = ""


class RecordRefund(ForCode):
    """A purchase was paid back: all of it, or `term` of what it added (R-96)."""

    order_id: OrderId
    note: Note
    term: Term | None = None


class SetAutoRenewal(ForCode):
    """The subscription renews itself from now on, or does so no more (R-27)."""

    auto_renews: bool


class BlockCode(ForCode):
    """Allow no new activation (R-46), and end those there are after the notice period (R-105)."""

    note: Note


class UnblockCode(ForCode):
    """Allow activations again (R-106)."""

    note: Note


class ReleaseSeat(ForCode):
    """Take the device's seat away, from afar too (R-84). `keep_reserve`: the device is lost, spend nothing on it."""

    device_id: DeviceId
    note: Note
    keep_reserve: bool = False


class ReturnSeat(ForCode):
    """The device gave its seat back itself (R-84)."""

    device_id: DeviceId


class EraseCustomer(ForCode):
    """The key that sealed what was told of the code's customer is destroyed (R-115)."""


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
