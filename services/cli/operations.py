"""`perennial code block|unblock|release|refund`: what an operator does to a code, with a reason, or only foreseen."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any
from urllib.parse import quote

import typer

from services.cli.api_client import ApiClient
from services.cli.code_input import parse_code_ref
from services.cli.output import AsJson, say, show, show_rows

Ref = Annotated[
    str,
    typer.Argument(help="The code's reference; - reads a whole code from stdin, because a command line is public."),
]
Reason = Annotated[str, typer.Option(help="Why: it stays in the code's history.")]
Preview = Annotated[bool, typer.Option("--preview", help="Tell what it would do and to whom, and change nothing.")]
Device = Annotated[str, typer.Argument(help="The device's id.")]
Order = Annotated[str, typer.Argument(help="The order's id, as the shop gave it.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """What is done to a code: as the door takes it, and by the words in which it is foreseen."""

    code_ref: str
    name: str
    about: Mapping[str, Any] = field(default_factory=dict)
    method: str = "POST"
    path: str
    request: Mapping[str, Any]


def block(ctx: typer.Context, ref: Ref, reason: Reason, preview: Preview = False, as_json: AsJson = False) -> None:
    """Allow no new activation of a code; where it is active it stops after the notice period."""
    _act(ctx, _noted(parse_code_ref(ref), "block", reason), preview=preview, as_json=as_json)


def unblock(ctx: typer.Context, ref: Ref, reason: Reason, preview: Preview = False, as_json: AsJson = False) -> None:
    """Allow activations of a code again; licenses that the block stopped go on."""
    _act(ctx, _noted(parse_code_ref(ref), "unblock", reason), preview=preview, as_json=as_json)


def _noted(ref: str, name: str, reason: str) -> Action:
    return Action(code_ref=ref, name=name, path=f"/v1/codes/{ref}/{name}", request={"json": {"note": reason}})


def release(
    ctx: typer.Context,
    ref: Ref,
    device_id: Device,
    reason: Reason,
    keep_reserve: Annotated[
        bool, typer.Option("--keep-reserve", help="The device is lost: spend nothing on it.")
    ] = False,
    preview: Preview = False,
    as_json: AsJson = False,
) -> None:
    """Take a device's seat on a code away, even if the device is lost."""
    known = parse_code_ref(ref)
    action = Action(
        code_ref=known,
        name="release",
        about={"device_id": device_id, "keep_reserve": keep_reserve},
        method="DELETE",
        path=f"/v1/codes/{known}/devices/{quote(device_id, safe='')}",
        request={"params": {"note": reason, "keep_reserve": keep_reserve}},
    )
    _act(ctx, action, preview=preview, as_json=as_json)


def refund(
    ctx: typer.Context,
    ref: Ref,
    order_id: Order,
    reason: Reason,
    term: Annotated[str | None, typer.Option(help="A part of what it added.", show_default="all of it")] = None,
    preview: Preview = False,
    as_json: AsJson = False,
) -> None:
    """Tell that a purchase was paid back: the license is shortened, not before the notice period is over."""
    known, part = parse_code_ref(ref), {"term": term} if term else {}
    action = Action(
        code_ref=known,
        name="refund",
        about={"order_id": order_id, **part},
        path=f"/v1/purchases/{quote(order_id, safe='')}/refund",
        request={"json": {"code_ref": known, "note": reason, **part}},
    )
    _act(ctx, action, preview=preview, as_json=as_json)


def _act(ctx: typer.Context, action: Action, *, preview: bool, as_json: bool) -> None:
    """Do it, or only tell what it would do."""
    with ApiClient(ctx.obj) as api:
        if not preview:
            show(api.call("activation", action.method, action.path, **action.request), as_json=as_json)
            return
        asked = {"action": action.name, **action.about}
        seen = api.call("activation", "POST", f"/v1/codes/{action.code_ref}/preview", json=asked)
    if as_json:
        show(seen, as_json=True)
    else:
        _show_foreseen(seen)


def _show_foreseen(seen: Mapping[str, Any]) -> None:
    for sentence in [seen["refused"]] if seen["refused"] else seen["would_happen"]:
        typer.echo(sentence)
    if seen["affected"]:
        show_rows(seen["affected"], ("device_id", "until", "until_then", "follows_then"), as_json=False)
    say("nothing was changed" + ("; there are more devices than these" if seen["more"] else ""))
