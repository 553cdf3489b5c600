"""`perennial code block|unblock|release|refund`: an operator's actions on a code, each with a reason and a preview."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any
from urllib.parse import quote

import typer

from services.cli.api_client import ApiClient
from services.cli.code_input import parse_code_ref
from services.cli.output import AsJson, say, show, show_rows, tell

Ref = Annotated[
    str,
    typer.Argument(help="The code reference, or - to read a whole code from stdin, out of sight of other users."),
]
Reason = Annotated[str, typer.Option(help="Why you do this. It is kept in the history of the code.")]
Preview = Annotated[bool, typer.Option("--preview", help="Show what would happen, and change nothing.")]
Device = Annotated[str, typer.Argument(help="The id of the device.")]
Order = Annotated[str, typer.Argument(help="The id of the order, as the shop gave it.")]


PREVIEW_HEADINGS = {
    "device_id": "device",
    "until": "license ends",
    "until_then": "would end",
    "follows_then": "what follows",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """An operation on a code: the request that runs it, and the fields that preview it."""

    code_ref: str
    name: str
    preview_fields: Mapping[str, Any] = field(default_factory=dict)
    method: str = "POST"
    path: str
    request: Mapping[str, Any]


def block(ctx: typer.Context, ref: Ref, reason: Reason, preview: Preview = False, as_json: AsJson = False) -> None:
    """Block a code: no new activations, and active licenses stop after the notice period."""
    _run(ctx, _action_with_note(parse_code_ref(ref), "block", reason), preview=preview, as_json=as_json)


def unblock(ctx: typer.Context, ref: Ref, reason: Reason, preview: Preview = False, as_json: AsJson = False) -> None:
    """Unblock a code: it can be activated again, and licenses that the block stopped continue."""
    _run(ctx, _action_with_note(parse_code_ref(ref), "unblock", reason), preview=preview, as_json=as_json)


def _action_with_note(ref: str, name: str, reason: str) -> Action:
    return Action(code_ref=ref, name=name, path=f"/v1/codes/{ref}/{name}", request={"json": {"note": reason}})


def release(
    ctx: typer.Context,
    ref: Ref,
    device_id: Device,
    reason: Reason,
    keep_reserve: Annotated[
        bool, typer.Option("--keep-reserve", help="Do not activate the code in reserve, because the device is lost.")
    ] = False,
    preview: Preview = False,
    as_json: AsJson = False,
) -> None:
    """Release the seat that a device holds on a code, even if the device is lost."""
    known = parse_code_ref(ref)
    action = Action(
        code_ref=known,
        name="release",
        preview_fields={"device_id": device_id, "keep_reserve": keep_reserve},
        method="DELETE",
        path=f"/v1/codes/{known}/devices/{quote(device_id, safe='')}",
        request={"params": {"note": reason, "keep_reserve": keep_reserve}},
    )
    _run(ctx, action, preview=preview, as_json=as_json)


def refund(
    ctx: typer.Context,
    ref: Ref,
    order_id: Order,
    reason: Reason,
    term: Annotated[
        str | None,
        typer.Option(help="How much of the purchased term to take back.", show_default="all of it"),
    ] = None,
    preview: Preview = False,
    as_json: AsJson = False,
) -> None:
    """Refund a purchase: the license is shortened, but it does not end before the notice period is over."""
    known, part = parse_code_ref(ref), {"term": term} if term else {}
    action = Action(
        code_ref=known,
        name="refund",
        preview_fields={"order_id": order_id, **part},
        path=f"/v1/purchases/{quote(order_id, safe='')}/refund",
        request={"json": {"code_ref": known, "note": reason, **part}},
    )
    _run(ctx, action, preview=preview, as_json=as_json)


def _run(ctx: typer.Context, action: Action, *, preview: bool, as_json: bool) -> None:
    """Run the action, or preview it."""
    with ApiClient(ctx.obj) as api:
        if not preview:
            show(api.call("activation", action.method, action.path, **action.request), as_json=as_json)
            return
        body = {"action": action.name, **action.preview_fields}
        outcome = api.call("activation", "POST", f"/v1/codes/{action.code_ref}/preview", json=body)
    if as_json:
        show(outcome, as_json=True)
    else:
        _show_preview(outcome)


def _show_preview(outcome: Mapping[str, Any]) -> None:
    for sentence in [outcome["refused"]] if outcome["refused"] else outcome["would_happen"]:
        tell(sentence)
    if outcome["affected"]:
        show_rows(outcome["affected"], tuple(PREVIEW_HEADINGS), as_json=False, headings=PREVIEW_HEADINGS)
    say("nothing was changed" + ("; more devices are affected than listed" if outcome["more"] else ""))
