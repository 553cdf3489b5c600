"""What people, timers and the activation service ask of one device. No rule may come in here.

An order from a door carries the server's time and an id; a timer carries the time at which it looked.
"""

from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict

from shared.messages import CodeEvent, CodeRef, DeviceId, LastGroup, Product, Region


class ForDevice(BaseModel):
    """A command about one device. Frozen, and strict about its fields: a misspelt one is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    device_id: DeviceId


class Order(ForDevice):
    """A command that came in by a door, at server time `at`, under the id `request_id`."""

    at: AwareDatetime
    request_id: UUID


class EnrollDevice(Order):
    """Make a device known."""

    product: Product
    region: Region


class AddCode(Order):
    """Add a code; `replace` allows it to take the place of the reserve (R-20)."""

    code_ref: CodeRef
    last_group: LastGroup
    replace: bool = False


class RemoveReserve(Order):
    """Give the reserve back, unspent (R-24)."""


class Activate(Order):
    """Activate the reserve now; `code_ref` is the code that the page showed (R-61)."""

    code_ref: CodeRef | None = None


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
    """The activation service said something that concerns the device."""

    verdict: CodeEvent


type Command = (
    EnrollDevice | AddCode | RemoveReserve | Activate | ReportExpiry | Expire | RetryActivation | RecordVerdict
)
