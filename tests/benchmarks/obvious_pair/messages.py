"""What the pair's services say to each other, as JSON."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from shared.ledger.identity import new_id

COMMANDS = "device.commands"
DEVICE_EVENTS = "device.events"
ACTIVATION_EVENTS = "activation.events"
TOPICS = (COMMANDS, DEVICE_EVENTS, ACTIVATION_EVENTS)


class Message(BaseModel):
    """What every message has: its own id, by which it is handled once, and the device that it is about."""

    message_id: UUID = Field(default_factory=new_id)
    device_id: UUID
    code: str


class AddCode(Message):
    """Keep this code in reserve."""

    type: Literal["AddCode"] = "AddCode"


class Expire(Message):
    """The license has expired; `code` is the one that it was activated with."""

    type: Literal["Expire"] = "Expire"


class CodeAdded(Message):
    """A code is in reserve and asks to be verified."""

    type: Literal["CodeAdded"] = "CodeAdded"


class LicenseExpired(Message):
    """A license has expired, and the code in reserve asks to be activated."""

    type: Literal["LicenseExpired"] = "LicenseExpired"


class CodeVerified(Message):
    """The code exists and has a free seat."""

    type: Literal["CodeVerified"] = "CodeVerified"


class CodeRejected(Message):
    """The code does not exist, or all its seats are taken."""

    type: Literal["CodeRejected"] = "CodeRejected"


class LicenseActivated(Message):
    """The device has taken a seat of the code."""

    type: Literal["LicenseActivated"] = "LicenseActivated"


type Command = Annotated[AddCode | Expire, Field(discriminator="type")]
type Request = Annotated[CodeAdded | LicenseExpired, Field(discriminator="type")]
type Verdict = Annotated[CodeVerified | CodeRejected | LicenseActivated, Field(discriminator="type")]
