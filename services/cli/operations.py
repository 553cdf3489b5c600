"""`perennial code block|unblock|release|refund`: what an operator does to a code, with a reason, or only foreseen."""

from typing import Annotated, Any
from urllib.parse import quote

import typer

from services.cli.doors import Doors
from services.cli.output import AsJson, say, show, show_rows
from services.cli.typed import code_ref

Ref = Annotated[
    str,
    typer.Argument(help="The code's reference; - reads a whole code from stdin, because a command line is public."),
]
Reason = Annotated[str, typer.Option(help="Why: it stays in the code's history.")]
Preview = Annotated[bool, typer.Option("--preview", help="Tell what it would do and to whom, and change nothing.")]
Device = Annotated[str, typer.Argument(help="The device's id.")]
Order = Annotated[str, typer.Argument(help="The order's id, as the shop gave it.")]


def block(ctx: typer.Context, ref: Ref, reason: Reason, preview: Preview = False, as_json: AsJson = False) -> None:
    """Allow no new activation of a code; where it is active it stops after the notice period."""
    _done(ctx, ref, "block", "POST", "/block", preview=preview, as_json=as_json, json={"note": reason})


def unblock(ctx: typer.Context, ref: Ref, reason: Reason, preview: Preview = False, as_json: AsJson = False) -> None:
    """Allow activations of a code again; licenses that the block stopped go on."""
    _done(ctx, ref, "unblock", "POST", "/unblock", preview=preview, as_json=as_json, json={"note": reason})


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
    about = {"device_id": device_id, "keep_reserve": keep_reserve}
    params = {"note": reason, "keep_reserve": keep_reserve}
    path = f"/devices/{quote(device_id, safe='')}"
    _done(ctx, ref, "release", "DELETE", path, about, preview=preview, as_json=as_json, params=params)


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
    about = {"order_id": order_id, **({"term": term} if term else {})}
    if preview:
        _foreseen(ctx, code_ref(ref), "refund", about, as_json=as_json)
        return
    body = {"code_ref": code_ref(ref), "note": reason, **({"term": term} if term else {})}
    with Doors(ctx.obj) as doors:
        answer = doors.ask("activation", "POST", f"/v1/purchases/{quote(order_id, safe='')}/refund", json=body)
    show(answer, as_json=as_json)


def _done(
    ctx: typer.Context,
    ref: str,
    action: str,
    method: str,
    path: str,
    about: dict[str, Any] | None = None,
    *,
    preview: bool,
    as_json: bool,
    **request: Any,
) -> None:
    """Do it, or only tell what it would do."""
    if preview:
        _foreseen(ctx, code_ref(ref), action, about or {}, as_json=as_json)
        return
    with Doors(ctx.obj) as doors:
        show(doors.ask("activation", method, f"/v1/codes/{code_ref(ref)}{path}", **request), as_json=as_json)


def _foreseen(ctx: typer.Context, ref: str, action: str, about: dict[str, Any], *, as_json: bool) -> None:
    with Doors(ctx.obj) as doors:
        seen = doors.ask("activation", "POST", f"/v1/codes/{ref}/preview", json={"action": action, **about})
    if as_json:
        show(seen, as_json=True)
        return
    for sentence in [seen["refused"]] if seen["refused"] else seen["would_happen"]:
        typer.echo(sentence)
    if seen["affected"]:
        show_rows(seen["affected"], ("device_id", "until", "until_then", "follows_then"), as_json=False)
    say("nothing was changed" + ("; there are more devices than these" if seen["more"] else ""))
