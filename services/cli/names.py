"""What the command line calls things."""

from typing import Literal

ServiceName = Literal["device", "activation"]
Mode = Literal["production", "sandbox"]
SERVICES: tuple[ServiceName, ...] = ("device", "activation")
