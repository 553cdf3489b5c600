"""What every event is: a frozen fact, about a device, a code, or every device on a code."""

from typing import Any, ClassVar, Self, dataclass_transform
from uuid import UUID

import msgspec

from shared.messages.fields import (
    Change,
    CodeRef,
    DeviceId,
    Hold,
    Moment,
    Product,
    ProductVersion,
    Reason,
    Region,
    Rules,
    Vendor,
)


class FactType(msgspec.StructMeta):
    """Lets the fields of facts be named at the call, in every class of them."""

    def __new__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **settings: Any) -> "FactType":
        """Return the class."""
        return super().__new__(cls, name, bases, namespace, kw_only=True, **settings)


@dataclass_transform(frozen_default=True, kw_only_default=True)
class Fact(msgspec.Struct, metaclass=FactType, frozen=True, gc=False):
    """What was so. It is checked when it is read and when it is written (`wire`); fields not known here are ignored.

    None refers to itself, so that Python's collector need not look at them.
    """

    def but(self, **changes: object) -> Self:
        """Return the same with `changes`."""
        return msgspec.structs.replace(self, **changes)


class Finding(Fact):
    """What was looked at for a verdict: whether it passed; if not, `change` tells what would have made it pass.

    `reason` is the word by which it refuses. A refusal keeps its findings, so that it can be explained from the log.
    """

    rule: Rules
    reason: Reason | Hold
    passed: bool
    change: Change = ""


class Event(Fact):
    """A fact of a log.

    `policy_version` names the policy by which it was decided (R-54); 0 is a fact that no policy decided.
    """

    schema_version: ClassVar[int] = 1
    ignorable: ClassVar[bool] = False
    """Whether a reader that does not know it may pass it over: true only if nobody ever needs to act on it."""

    policy_version: int = 0


class ForDevice(Event):
    """A fact about one device."""

    device_id: DeviceId


class Verdict(ForDevice):
    """The activation service's answer to one request of one device about one code.

    `request_id` is the id that the asking event carried.
    """

    code_ref: CodeRef
    request_id: UUID


class Installation(ForDevice):
    """What is installed on a device, as a check of a code needs to know it (R-45, R-48)."""

    product: Product
    region: Region
    product_version: ProductVersion | None = None
    vendor: Vendor = "default"


class Attempt(Installation):
    """A fact that asks for an activation attempt. Unanswered by `answer_by` it counts as delayed (R-49).

    `prior_ref` and `accepts_short_term` are what the user said about a discounted renewal code (R-30). `trials_before`
    is how many other trials of the product the device has had (R-136); events of earlier releases do not say it.
    """

    request_id: UUID
    answer_by: Moment | None = None
    prior_ref: CodeRef | None = None
    accepts_short_term: bool = False
    trials_before: int = 0


class ActivationRequest(Attempt):
    """The device service asks for an attempt of a code.

    `current_ref` and `current_ends_at` name the license that it should follow, as the device knew it.
    """

    code_ref: CodeRef
    current_ref: CodeRef | None = None
    current_ends_at: Moment | None = None


class ForHolders(Event):
    """A fact about a code. In the device service's log `device_id` names the device whose license it is (R-91)."""

    code_ref: CodeRef
    device_id: DeviceId | None = None


class ForCode(Event):
    """A fact about one code."""

    code_ref: CodeRef


class MessageParked(Event):
    """A record was set aside with its reason; everything else goes on (R-122)."""

    topic: str
    partition: int
    offset: int
    reason: str
    detail: str


class MessageRedriven(Event):
    """A parked record was handled after all, by an operator's order."""

    topic: str
    partition: int
    offset: int


class MessageDiscarded(Event):
    """A parked record will never be handled, by an operator's order: `note` says why. Its row stays."""

    ignorable: ClassVar[bool] = True

    topic: str
    partition: int
    offset: int
    note: str
