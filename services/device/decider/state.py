"""What the device service must know to decide about one device. No rule and no I/O may come in here.

The models are stored as one row per device: `model_dump_json` writes the same bytes for the same state.
"""

from datetime import datetime
from typing import Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from shared.messages import CodeRef, DeviceId, LastGroup, Notice, Reason, Term, Trigger

ReserveStatus = Literal["verifying", "ready", "refused", "activating", "retrying"]


class Part(BaseModel):
    """A part of the state: frozen, so that only `evolve` makes a new one."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    def but(self, **changes: object) -> Self:
        """Return the same with `changes`. The state is made of facts, so nothing is checked again."""
        return self.model_copy(update=changes)


class License(Part):
    """The license on the device. `expired` says that its end was recorded, not what time it is."""

    code_ref: CodeRef
    last_group: LastGroup
    started_at: datetime
    ends_at: datetime
    trigger: Trigger
    generation: int
    expired: bool = False


class Reserve(Part):
    """The extra code on the device, and how far it got.

    `added_request_id` awaits the verdict on the Add, `attempt_request_id` that on the last activation attempt.
    `term` is known from the good verdict on; an immediate code is never asked for one.
    """

    code_ref: CodeRef
    last_group: LastGroup
    purpose: Literal["reserve", "immediate"]
    status: ReserveStatus
    added_request_id: UUID
    attempt_request_id: UUID | None = None
    reason: Reason | None = None
    predicted_ends_at: datetime | None = None
    started_at: datetime | None = None
    term: Term | None = None
    notices: tuple[Notice, ...] = ()
    retry_at: datetime | None = None


class Device(Part):
    """One device. `incoming` is a code that will replace the reserve if it is good (R-15, R-20).

    `generation` counts the terms that the device has had: an expiry is of one generation, once.
    """

    device_id: DeviceId | None = None
    product: str = ""
    region: str = ""
    license: License | None = None
    reserve: Reserve | None = None
    incoming: Reserve | None = None
    generation: int = 0
