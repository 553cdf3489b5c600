"""What people, timers and the activation service ask of one device. No rule may come in here.

An order from a door carries the server's time and an id; a timer carries the time at which it looked.
"""

from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from shared.messages import (
    CodeEvent,
    CodeRef,
    DeviceId,
    LastGroup,
    Product,
    ProductVersion,
    PublicKey,
    Region,
    Sealed,
    Vendor,
)


class ForDevice(BaseModel):
    """A command about one device. Frozen, and strict about its fields: a misspelt one is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    device_id: DeviceId


class Order(ForDevice):
    """A command that came in by a door, at server time `at`, under the id `request_id`."""

    at: AwareDatetime
    request_id: UUID


class EnrollDevice(Order):
    """Make a device known, or an add-on product that is `part_of` one (R-42)."""

    product: Product
    region: Region
    product_version: ProductVersion | None = None
    vendor: Vendor = "default"
    part_of: DeviceId | None = None
    sealed_name: Sealed | None = None
    public_key: PublicKey | None = None


class ReportInstallation(Order):
    """Another product or version is installed now (R-48)."""

    product: Product
    product_version: ProductVersion | None = None


class AddCode(Order):
    """Add a code; `replace` allows it to take the place of the reserve (R-20).

    `when` says when a code that is added on top of a trial takes over (R-26). `prior_ref` names the license that
    a discounted renewal code follows, `accepts_short_term` takes less where there was none (R-30).
    """

    code_ref: CodeRef
    last_group: LastGroup
    replace: bool = False
    when: Literal["at_end", "now"] = "at_end"
    prior_ref: CodeRef | None = None
    accepts_short_term: bool = False


class RemoveReserve(Order):
    """Give the reserve back, unspent (R-24)."""


class Activate(Order):
    """Activate the reserve now; `code_ref` is the code that the page showed (R-61)."""

    code_ref: CodeRef | None = None


class RemoveLicense(Order):
    """Give the license back; the reserve is tried (R-25, R-84).

    With `removed_at` the device did it by itself while it was away, as its signed proof says (R-114). The proof is of
    the license of `code_ref`: told late, it must not take the one that came after.
    """

    code_ref: CodeRef | None = None
    removed_at: AwareDatetime | None = None


class ReportOfflineActivation(Order):
    """The device activated the code at `activated_at` by itself, while it was away (R-77)."""

    code_ref: CodeRef
    last_group: LastGroup
    activated_at: AwareDatetime


class RecordContact(Order):
    """The device spoke. What the door looked up comes with it; only what is unusual becomes a fact (R-88, R-111).

    `sequence` is the device's own count of its contacts, `last_sequence` the last that was heard of;
    `device_time` is what its clock says.
    """

    sequence: int = Field(ge=0)
    last_sequence: int | None = None
    device_time: AwareDatetime | None = None


class ReportExpiry(Order):
    """A device or a tool claims that the license that ends at `ended_at` has expired (R-33, R-34)."""

    ended_at: AwareDatetime


class Expire(ForDevice):
    """The timer looked at the license's end (R-39)."""

    at: AwareDatetime


class RetryActivation(ForDevice):
    """The timer looked at a delayed activation (R-49)."""

    at: AwareDatetime


class RecordVerdict(ForDevice):
    """The activation service said something, at `at`, that concerns the device."""

    verdict: CodeEvent
    at: AwareDatetime


type Command = (
    EnrollDevice
    | ReportInstallation
    | AddCode
    | RemoveReserve
    | RemoveLicense
    | Activate
    | ReportOfflineActivation
    | ReportExpiry
    | RecordContact
    | Expire
    | RetryActivation
    | RecordVerdict
)
