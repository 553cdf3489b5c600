"""What the device service's rules look at: the device as it is, and what was asked."""

from dataclasses import dataclass

from services.device.decider.state import Device
from shared.looking import Check as AnyCheck
from shared.messages import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Case[Asked]:
    """What an order is decided on."""

    device: Device
    asked: Asked


class Check[Asked](AnyCheck[Case[Asked], Reason]):
    """One rule for orders of one kind."""
