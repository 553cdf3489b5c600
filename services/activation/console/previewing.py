"""Comes in: HTTP for tools that ask what an operator's action would do. Translates; nothing is recorded."""

from typing import Any, Literal

from fastapi import APIRouter, Depends

from services.activation.api import Doors
from services.activation.api.issuing import LicenseTerm
from services.activation.console.known import code_of
from services.activation.console.preview import Action, Affected, preview
from services.activation.console.reach import reach_of
from services.activation.decider import BlockCode, RecordRefund, ReleaseSeat, UnblockCode
from shared.doors.credentials import operator_check
from shared.doors.fields import Body
from shared.doors.problems import Problem
from shared.ledger.events import instant
from shared.messages import CodeRef, DeviceId, OrderId
from shared.pages import plain


class Asked(Body):
    """What would be done: `release` needs `device_id`, `refund` needs `order_id`."""

    action: Literal["block", "unblock", "release", "refund"]
    device_id: DeviceId | None = None
    keep_reserve: bool = False
    order_id: OrderId | None = None
    term: LicenseTerm | None = None


def preview_door(doors: Doors) -> APIRouter:
    """Return the route; it needs the operator key."""
    operator = Depends(operator_check(doors.operator_key_hash))
    router = APIRouter(prefix="/v1", tags=["codes"], dependencies=[operator])

    @router.post("/codes/{code_ref}/preview")
    async def preview_action(code_ref: CodeRef, body: Asked) -> dict[str, Any]:
        """Tell what an action on a code would do now, and to which devices. Nothing is changed."""
        action = _action(doors, code_ref, body)
        if await code_of(doors.pool, code_ref) is None:
            raise Problem(404, "unknown_code", "no such code was issued")
        reach = await reach_of(doors.pool, action)
        seen = preview(action, reach.known, doors.policy)
        return {
            "as_of": instant(reach.known.now),
            "refused": seen.refused,
            "would_happen": [plain(told) for told in seen.told],
            "affected": [_shown(each) for each in seen.affected],
            "more": reach.more,
        }

    return router


def _action(doors: Doors, code_ref: CodeRef, asked: Asked) -> Action:
    about: dict[str, Any] = {"code_ref": code_ref, "at": doors.clock.now(), "note": ""}
    match asked:
        case Asked(action="block"):
            return BlockCode(**about)
        case Asked(action="unblock"):
            return UnblockCode(**about)
        case Asked(action="release", device_id=str(device_id)):
            return ReleaseSeat(**about, device_id=device_id, keep_reserve=asked.keep_reserve)
        case Asked(action="refund", order_id=str(order_id)):
            return RecordRefund(**about, order_id=order_id, term=asked.term)
        case _:
            raise Problem(422, "invalid_fields", "release needs device_id, refund needs order_id")


def _shown(each: Affected) -> dict[str, Any]:
    return {
        "device_id": each.device_id,
        "until": instant(each.until) if each.until else None,
        "until_then": instant(each.until_then) if each.until_then else None,
        "follows": plain(each.follows),
        "follows_then": plain(each.follows_then),
    }
