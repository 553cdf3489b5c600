"""Comes in: the HTTP API to preview an operator's action. Translates; nothing is recorded."""

import asyncio
from typing import Any, Literal

from fastapi import APIRouter, Depends

from services.activation.api import Doors
from services.activation.console.action_scope import action_scope_of
from services.activation.console.preview import Action, Affected, preview
from services.activation.console.queries import code_of
from services.activation.decider import BlockCode, LicenseTerm, RecordRefund, ReleaseSeat, UnblockCode
from shared.calendar import instant
from shared.doors.credentials import operator_check
from shared.doors.fields import Body
from shared.doors.problems import Problem
from shared.messages import CodeRef, DeviceId, OrderId
from shared.pages import plain


class PreviewRequest(Body):
    """The action to preview: `release` needs `device_id`, `refund` needs `order_id`."""

    action: Literal["block", "unblock", "release", "refund"]
    device_id: DeviceId | None = None
    keep_reserve: bool = False
    order_id: OrderId | None = None
    term: LicenseTerm | None = None


def preview_door(doors: Doors) -> APIRouter:
    """Return the route; it requires the operator key."""
    operator = Depends(operator_check(doors.operator_key_hash))
    router = APIRouter(prefix="/v1", tags=["codes"], dependencies=[operator])

    @router.post("/codes/{code_ref}/preview")
    async def preview_action(code_ref: CodeRef, body: PreviewRequest) -> dict[str, Any]:
        """Preview an action on a code: what it would do now, and to which devices. Nothing is changed.

        Takes no Idempotency-Key.
        """
        action = _action(doors, code_ref, body)
        if await code_of(doors.pool, code_ref) is None:
            raise Problem(404, "unknown_code", "no such code was issued")
        scope = await action_scope_of(doors.pool, action)
        # in a thread: thousands of switches are foreseen
        result = await asyncio.to_thread(preview, action, scope.snapshot, doors.policy)
        return {
            "as_of": instant(scope.snapshot.now),
            "refused": result.refused,
            "would_happen": [plain(sentence) for sentence in result.events],
            "affected": [_affected(each) for each in result.affected],
            "more": scope.more,
        }

    return router


def _action(doors: Doors, code_ref: CodeRef, body: PreviewRequest) -> Action:
    common: dict[str, Any] = {"code_ref": code_ref, "at": doors.clock.now(), "note": ""}
    match body:
        case PreviewRequest(action="block"):
            return BlockCode(**common)
        case PreviewRequest(action="unblock"):
            return UnblockCode(**common)
        case PreviewRequest(action="release", device_id=str(device_id)):
            return ReleaseSeat(**common, device_id=device_id, keep_reserve=body.keep_reserve)
        case PreviewRequest(action="refund", order_id=str(order_id)):
            return RecordRefund(**common, order_id=order_id, term=body.term)
        case _:
            raise Problem(422, "invalid_fields", "release needs device_id, refund needs order_id")


def _affected(each: Affected) -> dict[str, Any]:
    return {
        "device_id": each.device_id,
        "until": instant(each.until) if each.until else None,
        "until_then": instant(each.until_then) if each.until_then else None,
        "follows": plain(each.follows),
        "follows_then": plain(each.follows_then),
    }
