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
    LastGroup,
    Note,
    OrderId,
    Product,
    Region,
    Term,
    Trigger,
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
    current_ref: CodeRef | None = None
    current_ends_at: AwareDatetime | None = None


class Verify(Question):
    """Is the code good as a reserve? Asking spends nothing (R-13, R-14)."""


class Activate(Question):
    """Make the code the device's license. `trigger` says what asked for it."""

    trigger: Trigger


class IssueCode(ForCode):
    """Bring a code into being."""

    last_group: LastGroup
    product: Product
    kind: CodeKind
    term: Term
    seats: int = Field(ge=1)
    regions: tuple[Region, ...] = ()
    activate_by: AwareDatetime | None = None


class RecordPurchase(ForCode):
    """A shop sold a renewal of the code's license. Without `term` it is the code's own (R-90)."""

    order_id: OrderId
    settled: bool
    purchased_at: AwareDatetime
    term: Term | None = None


class BlockCode(ForCode):
    """Allow no new activation (R-46)."""

    note: Note


class UnblockCode(ForCode):
    """Allow activations again (R-106)."""

    note: Note


class ReleaseSeat(ForCode):
    """Take the device's seat away, from afar too (R-84)."""

    device_id: DeviceId
    note: Note


type Command = IssueCode | Verify | Activate | RecordPurchase | BlockCode | UnblockCode | ReleaseSeat
