"""What people, timers and the activation service can ask for, each about one device. No rule may come in here.

A command from outside carries the server's time and an id; a timer's carries the time at which it fired.
"""

from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from shared.messages import (
    CodeEvent,
    CodeRef,
    DeviceId,
    LastGroup,
    Note,
    Product,
    ProductVersion,
    PublicKey,
    Sealed,
    ToldMoment,
    ToldRegion,
    Vendor,
)


class ForDevice(BaseModel):
    """A command about one device. Unknown fields are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    device_id: DeviceId


class ExternalCommand(ForDevice):
    """A command from outside, received at server time `at` under the id `request_id`."""

    at: AwareDatetime
    request_id: UUID


class EnrollDevice(ExternalCommand):
    """Enroll a device, or an add-on product that is `part_of` one (R-42)."""

    product: Product
    region: ToldRegion
    product_version: ProductVersion | None = None
    vendor: Vendor = "default"
    part_of: DeviceId | None = None
    sealed_name: Sealed | None = None
    public_key: PublicKey | None = None


class ReportInstallation(ExternalCommand):
    """Report that another product or version is installed (R-48)."""

    product: Product
    product_version: ProductVersion | None = None


class CorrectRegion(ExternalCommand):
    """Correct the region of the device (R-137)."""

    region: ToldRegion
    note: Note = ""


class AddCode(ExternalCommand):
    """Add a code; `replace` allows it to replace the reserve (R-20).

    `when` says when a code that is added during a trial takes over (R-26). `prior_ref` names the license that a
    discounted renewal code follows; `accepts_short_term` accepts a shorter term if there was none (R-30).
    """

    code_ref: CodeRef
    last_group: LastGroup
    replace: bool = False
    when: Literal["at_end", "now"] = "at_end"
    prior_ref: CodeRef | None = None
    accepts_short_term: bool = False


class RemoveReserve(ExternalCommand):
    """Give the reserve back, unused (R-24)."""


class Activate(ExternalCommand):
    """Activate the reserve now; `code_ref` is the code that the page displayed (R-61)."""

    code_ref: CodeRef | None = None


class RemoveLicense(ExternalCommand):
    """Give the license back; the reserve is then tried (R-25, R-84).

    With `removed_at`, the device did it offline, according to its signed proof (R-114). The proof names the license by
    `code_ref`, so that a late report cannot remove a later license.
    """

    code_ref: CodeRef | None = None
    removed_at: ToldMoment | None = None


class ReportOfflineActivation(ExternalCommand):
    """Report that the device activated the code offline at `activated_at` (R-77)."""

    code_ref: CodeRef
    last_group: LastGroup
    activated_at: ToldMoment


class RecordContact(ExternalCommand):
    """Record that the device made contact. Only what is unusual about it becomes an event (R-88, R-111, R-138).

    `sequence` is the device's own count of its contacts. As the door read them: `last_sequence` is the last one
    received, `repeated_sequence` the last one that came again in another request, and `counted_on` the number of
    contacts in a row, up to the last one, that each had a higher number than the one before. `device_time` is what the
    device's clock says.
    """

    sequence: int = Field(ge=0)
    last_sequence: int | None = None
    repeated_sequence: int | None = None
    counted_on: int = Field(default=0, ge=0)
    device_time: ToldMoment | None = None


class RecordNewToken(ExternalCommand):
    """Record that the device has a new token: whoever used the old one can do so no longer (R-138)."""


class ReportExpiry(ExternalCommand):
    """Claim that the license that ends at `ended_at` has expired (R-33, R-34)."""

    ended_at: ToldMoment


class Expire(ForDevice):
    """The timer fired for the license's end (R-39)."""

    at: AwareDatetime


class RetryActivation(ForDevice):
    """The timer fired for a delayed or unanswered activation (R-49)."""

    at: AwareDatetime


class RecordVerdict(ForDevice):
    """Record a verdict of the activation service, given at `at`, if it concerns the device."""

    model_config = ConfigDict(arbitrary_types_allowed=True)  # an event was checked when it was read

    verdict: CodeEvent
    at: AwareDatetime


type Command = (
    EnrollDevice
    | ReportInstallation
    | CorrectRegion
    | AddCode
    | RemoveReserve
    | RemoveLicense
    | Activate
    | ReportOfflineActivation
    | ReportExpiry
    | RecordContact
    | RecordNewToken
    | Expire
    | RetryActivation
    | RecordVerdict
)
