"""Comes in: HTTP for the operator of one service. It translates and decides nothing."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from pydantic import StringConstraints

from shared.doors.credentials import operator_check
from shared.doors.fields import Body, PageLimit
from shared.keys.operators import OperatorTokens
from shared.operations.operations import Operations
from shared.operations.parked import AFTER_PATTERN, ID_PATTERN, State
from shared.projector.shadow import LogName
from shared.recovery.redrive import ParkedRecord

NOTE_CHARACTERS_MAX = 500

ParkedId = Annotated[str, Path(pattern=ID_PATTERN)]
ProjectionName = Annotated[str, Path(pattern=r"^[a-z_]{1,60}$")]
Note = Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=NOTE_CHARACTERS_MAX)]


class Discard(Body):
    """Why a message will never be handled, for anybody who asks later."""

    reason: Note


class Rebuild(Body):
    """Which copy of the log to read, and whether to replace the table even if it differs."""

    source: LogName = "kafka"
    accept_differences: bool = False


def operations_door(operations: Operations, operator_key_hash: str, tokens: OperatorTokens | None = None) -> APIRouter:
    """Return the operator's routes, the same in both services; `tokens` are those of the other service's console."""
    operator = Depends(operator_check(operator_key_hash, tokens))
    router = APIRouter(prefix="/v1", tags=["operations"], dependencies=[operator])
    _add_lags(router, operations)
    _add_parked(router, operations)
    _add_projections(router, operations)
    return router


def _add_lags(router: APIRouter, operations: Operations) -> None:
    @router.get("/operations/consumers")
    async def consumers() -> dict[str, Any]:
        """Return how far each consumer and the relay are, all workers together, with the trend of 15 minutes."""
        return await operations.consumers()

    @router.get("/log/checkpoints")
    async def checkpoints() -> dict[str, Any]:
        """Return the latest signed checkpoint that was exported of the ledger, and its age."""
        return await operations.checkpoint()


def _add_parked(router: APIRouter, operations: Operations) -> None:
    parked = operations.parked

    @router.get("/operations/parked")
    async def listed(
        limit: PageLimit,
        state: State = "waiting",
        after: Annotated[str, Query(max_length=100, pattern=AFTER_PATTERN)] = "",
    ) -> dict[str, Any]:
        """Return parked messages, oldest first; `next` continues."""
        return await parked.listed(state=state, after=after, limit=limit)

    @router.get("/operations/parked/{parked_id}")
    async def one(parked_id: ParkedId) -> dict[str, Any]:
        """Return a parked message with its headers and body."""
        return await parked.one(ParkedRecord.named(parked_id))

    @router.get("/operations/parked/{parked_id}/redrive")
    async def foresee_redrive(parked_id: ParkedId) -> dict[str, Any]:
        """Return what a redrive would record now, or the problem that would refuse it. Nothing is changed."""
        return await parked.foresee_redrive(ParkedRecord.named(parked_id))

    @router.post("/operations/parked/{parked_id}/redrive")
    async def redrive(parked_id: ParkedId) -> dict[str, Any]:
        """Handle a parked message after all.

        Takes no Idempotency-Key: a message is handled once.
        """
        return await parked.redrive(ParkedRecord.named(parked_id))

    @router.post("/operations/parked/{parked_id}/discard")
    async def discard(parked_id: ParkedId, body: Discard) -> dict[str, Any]:
        """Record that a message will never be handled, and why. It can still be viewed.

        Takes no Idempotency-Key: a message is discarded once.
        """
        return await parked.discard(ParkedRecord.named(parked_id), body.reason)


def _add_projections(router: APIRouter, operations: Operations) -> None:
    projections = operations.projections

    @router.get("/operations/projections")
    async def listed() -> dict[str, Any]:
        """Return each projection: who keeps its table, how far it is, and its last rebuild."""
        return await projections.listed()

    @router.get("/operations/projections/{name}/rebuild")
    async def progress(name: ProjectionName) -> dict[str, Any]:
        """Return the progress of a projection's rebuild, or the outcome of the last one."""
        return await projections.progress(name)

    @router.post("/operations/projections/{name}/rebuild", status_code=202)
    async def rebuild(name: ProjectionName, body: Rebuild) -> dict[str, Any]:
        """Rebuild a projection in the background; a rebuild that was interrupted is continued.

        Takes no Idempotency-Key: while one runs, another is refused.
        """
        return await projections.order(name, source=body.source, accept_differences=body.accept_differences)
