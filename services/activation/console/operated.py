"""The operations of both services as the pages ask for them: this one's directly, the device service's at its doors.

Either side answers with the same JSON. What is refused is a `Problem` from both; only the other one can be away.
"""

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, Literal

from services.activation.console.console import Console
from services.activation.console.devices import DeviceAway, DeviceDoors, DeviceRefused, Said
from services.activation.console.logins import Operator
from services.activation.console.sessions import Session
from shared.doors.problems import Problem
from shared.operations import Operations, State
from shared.projector.shadow import LogName
from shared.recovery.redrive import ParkedRecord

type Side = Literal["device", "activation"]
type Operated = Operations | There

SIDES: tuple[Side, ...] = ("device", "activation")


@dataclass(frozen=True, slots=True)
class Asking:
    """The device service's doors, in the name of one operator. Every question may raise `DeviceAway`."""

    devices: DeviceDoors
    operator: Operator

    async def ask(self, path: str, method: str = "GET", **request: Any) -> Said:
        """Return what the door at `path` answers. Raises `Problem` or `DeviceAway`."""
        try:
            return await self.devices.ask(self.operator, f"/v1/{path}", method, **request)
        except DeviceRefused as refused:
            raise Problem(refused.status, refused.code, refused.detail) from None


class ParkedThere(Asking):
    """As `shared.operations.ParkedMessages`."""

    async def listed(self, *, state: State, after: str, limit: int) -> Said:
        """Return a page of messages."""
        return await self.ask("operations/parked", params={"state": state, "after": after, "limit": limit})

    async def one(self, parked: ParkedRecord) -> Said:
        """Return a message with its content."""
        return await self.ask(_path(parked))

    async def foresee_redrive(self, parked: ParkedRecord) -> Said:
        """Return what a redrive would record."""
        return await self.ask(f"{_path(parked)}/redrive")

    async def redrive(self, parked: ParkedRecord) -> Said:
        """Handle a message after all."""
        return await self.ask(f"{_path(parked)}/redrive", "POST")

    async def discard(self, parked: ParkedRecord, note: str) -> Said:
        """Note that a message will never be handled."""
        return await self.ask(f"{_path(parked)}/discard", "POST", json={"reason": note})


class ProjectionsThere(Asking):
    """As `shared.operations.Projections`."""

    async def listed(self) -> Said:
        """Return each projection."""
        return await self.ask("operations/projections")

    async def progress(self, name: str) -> Said:
        """Return how far a rebuild is."""
        return await self.ask(f"operations/projections/{name}/rebuild")

    async def order(self, name: str, *, source: LogName, accept_differences: bool) -> Said:
        """Let a projection be made anew."""
        body = {"source": source, "accept_differences": accept_differences}
        return await self.ask(f"operations/projections/{name}/rebuild", "POST", json=body)


class There(Asking):
    """As `shared.operations.Operations`."""

    @property
    def parked(self) -> ParkedThere:
        """Its parked messages."""
        return ParkedThere(self.devices, self.operator)

    @property
    def projections(self) -> ProjectionsThere:
        """Its projections."""
        return ProjectionsThere(self.devices, self.operator)

    async def consumers(self) -> Said:
        """Return how far consumers and relay are."""
        return await self.ask("operations/consumers")

    async def checkpoint(self) -> Said:
        """Return the latest checkpoint."""
        return await self.ask("log/checkpoints")


def operated_by(console: Console, session: Session, side: Side) -> Operated:
    """Return the operations of a service, for who is logged in."""
    return console.operations if side == "activation" else There(console.devices, session.operator)


async def if_there[Answer](asked: Awaitable[Answer]) -> Answer | None:
    """Return the answer, or None if the device service is away."""
    try:
        return await asked
    except DeviceAway:
        return None


def _path(parked: ParkedRecord) -> str:
    return f"operations/parked/{parked}"
