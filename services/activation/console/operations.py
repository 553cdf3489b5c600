"""The operations of both services for the pages: this service's directly, the device service's through its API.

Both return the same JSON and refuse with a `Problem`; only the device service can be unavailable.
"""

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, Literal

from services.activation.console.console import Console
from services.activation.console.device_client import DeviceClient, DeviceRefused, DeviceUnavailable, JsonObject
from services.activation.console.operators import Operator
from services.activation.console.sessions import Session
from shared.doors.problems import Problem
from shared.operations import Operations, State
from shared.projector.shadow import LogName
from shared.recovery.redrive import ParkedRecord

type Side = Literal["device", "activation"]
type AnyOperations = Operations | RemoteOperations

SIDES: tuple[Side, ...] = ("device", "activation")


@dataclass(frozen=True, slots=True)
class RemoteApi:
    """The device service's API on behalf of an operator. Every call may raise `DeviceUnavailable`."""

    devices: DeviceClient
    operator: Operator

    async def request(self, path: str, method: str = "GET", **options: Any) -> JsonObject:
        """Return the answer of the route at `path`. Raises `Problem` or `DeviceUnavailable`."""
        try:
            return await self.devices.request(self.operator, f"/v1/{path}", method, **options)
        except DeviceRefused as refused:
            raise Problem(refused.status, refused.code, refused.detail) from None


class RemoteParkedMessages(RemoteApi):
    """The same interface as `shared.operations.ParkedMessages`."""

    async def listed(self, *, state: State, after: str, limit: int) -> JsonObject:
        """Return a page of messages."""
        return await self.request("operations/parked", params={"state": state, "after": after, "limit": limit})

    async def one(self, parked: ParkedRecord) -> JsonObject:
        """Return a message with its content."""
        return await self.request(_path(parked))

    async def foresee_redrive(self, parked: ParkedRecord) -> JsonObject:
        """Return what a redrive would record."""
        return await self.request(f"{_path(parked)}/redrive")

    async def redrive(self, parked: ParkedRecord) -> JsonObject:
        """Process a parked message again."""
        return await self.request(f"{_path(parked)}/redrive", "POST")

    async def discard(self, parked: ParkedRecord, note: str) -> JsonObject:
        """Record that a message will never be processed."""
        return await self.request(f"{_path(parked)}/discard", "POST", json={"reason": note})


class RemoteProjections(RemoteApi):
    """The same interface as `shared.operations.Projections`."""

    async def listed(self) -> JsonObject:
        """Return all projections."""
        return await self.request("operations/projections")

    async def progress(self, name: str) -> JsonObject:
        """Return the progress of a rebuild."""
        return await self.request(f"operations/projections/{name}/rebuild")

    async def order(self, name: str, *, source: LogName, accept_differences: bool) -> JsonObject:
        """Order a rebuild of a projection."""
        body = {"source": source, "accept_differences": accept_differences}
        return await self.request(f"operations/projections/{name}/rebuild", "POST", json=body)


class RemoteOperations(RemoteApi):
    """The same interface as `shared.operations.Operations`."""

    @property
    def parked(self) -> RemoteParkedMessages:
        """The parked messages."""
        return RemoteParkedMessages(self.devices, self.operator)

    @property
    def projections(self) -> RemoteProjections:
        """The projections."""
        return RemoteProjections(self.devices, self.operator)

    async def consumers(self) -> JsonObject:
        """Return the progress of consumers and relay."""
        return await self.request("operations/consumers")

    async def checkpoint(self) -> JsonObject:
        """Return the latest checkpoint."""
        return await self.request("log/checkpoints")


def operations_of(console: Console, session: Session, side: Side) -> AnyOperations:
    """Return the operations of a service, on behalf of the session's operator."""
    return console.operations if side == "activation" else RemoteOperations(console.devices, session.operator)


async def unless_unavailable[Answer](answer: Awaitable[Answer]) -> Answer | None:
    """Return the answer, or None if the device service is unavailable."""
    try:
        return await answer
    except DeviceUnavailable:
        return None


def _path(parked: ParkedRecord) -> str:
    return f"operations/parked/{parked}"
