"""`perennial device`: devices, through the device service's API."""

from itertools import islice
from typing import Annotated, Literal

import typer

from services.cli.api_client import ApiClient, window_link
from services.cli.code_input import read_code_input
from services.cli.device_names import PATH, with_names
from services.cli.examples import examples
from services.cli.histories import After, At, Known, as_of_params, iter_pages, show_history
from services.cli.output import AsJson, plural, say, show, show_rows, tell
from services.cli.times import DAY_INCLUDED, parse_time
from services.cli.why import why
from shared.calendar import instant

app = typer.Typer(
    no_args_is_help=True,
    help="Enroll, list and explain devices, and add, activate or remove codes.",
)

FOR_PROGRAMS = frozenset(
    {
        "generation",
        "expired",
        "awaits",
        "added_request_id",
        "attempt_request_id",
        "attempt_trigger",
        "answer_by",
        "unanswered",
        "manual_attempts",
        "again_at",
        "rejected",
    }
)
"""How the service keeps track of a license and of its requests. --json has these fields; people are not shown them."""

Status = Literal["unlicensed", "active", "over", "grace", "expired", "blocked"]
NAMED = ("device_id", "name", "product", "region", "last_contact_at")
LISTED = ("device_id", "name", "status", "product", "ends_at", "reserve", "last_contact_at")

Id = Annotated[str, typer.Argument(help="The id of the device.")]


@app.command(epilog=examples("perennial device enroll --product antivirus --region DE"))
def enroll(
    ctx: typer.Context,
    product: Annotated[str, typer.Option(help="The product installed on the device.")],
    region: Annotated[str, typer.Option(help="The country of the device: two letters of ISO 3166-1, such as GB.")],
    name: Annotated[
        str | None, typer.Option(help="The name of the device. It is stored encrypted and can be erased.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Enroll a device. This is the only time its token is shown."""
    named = {} if name is None else {"name": name}
    with ApiClient(ctx.obj) as api:
        body = {"product": product, "region": region, **named}
        show(api.call("device", "POST", "/v1/devices", json=body), as_json=as_json)
    say("keep the token: it is never shown again, because only its hash is stored")


@app.command(
    "show",
    epilog=examples(
        "perennial device show 0199… --json | jq .status", "perennial device show 0199… --at 2027-03-12 --known"
    ),
)
def show_device(
    ctx: typer.Context, device_id: Id, at: At = None, known: Known = False, as_json: AsJson = False
) -> None:
    """Show the license of a device as its user sees it, now or at an earlier time."""
    params = as_of_params(at, known=known)
    with ApiClient(ctx.obj) as api:
        shown = api.call("device", "GET", f"/v1/devices/{device_id}/license", params=params)
    show(shown, as_json=as_json, hidden=FOR_PROGRAMS)


@app.command(
    "list",
    epilog=examples(
        "perennial device list --name notebook",
        "perennial device list --status active --until 2027-03-31",
        "perennial device list --status over --product antivirus --limit 1000 --json | jq -r .device_id",
    ),
)
def list_devices(
    ctx: typer.Context,
    name: Annotated[
        str | None, typer.Option(help="Only devices whose name contains this text. Takes no other filter.")
    ] = None,
    status: Annotated[
        Status | None, typer.Option(help="Only devices of this status; `over` is grace, expired or blocked.")
    ] = None,
    product: Annotated[str | None, typer.Option(help="Only devices with this product.")] = None,
    vendor: Annotated[str | None, typer.Option(help="Only devices of this vendor.")] = None,
    until: Annotated[
        str | None, typer.Option(help=f"Only licenses in force that end before this time. {DAY_INCLUDED}")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many devices to list at most.")] = 100,
    as_json: AsJson = False,
) -> None:
    """List devices with their names and last contact, or search for them by name."""
    filters = {
        "status": status,
        "product": product,
        "vendor": vendor,
        "expiring_before": until and instant(parse_time(until, option="--until", day="after")),
    }
    given = {field: value for field, value in filters.items() if value is not None}
    if name is not None and given:
        raise typer.BadParameter("--name takes no other filter")
    with ApiClient(ctx.obj) as api:
        pages = (PATH, {"name": name}) if name is not None else ("/v1/devices", given)
        found = list(islice(iter_pages(api, "device", pages[0], "devices", pages[1]), limit + 1))
        rows = found[:limit] if name is not None else with_names(api, found[:limit])
    show_rows(rows, NAMED if name is not None else LISTED, as_json=as_json)
    more = "; there are more: raise --limit" if len(found) > limit else ""
    say(f"{plural(len(rows), 'device')} listed{more}")


@app.command("add-code", epilog=examples("perennial device add-code 0199… < code.txt"))
def add_code(
    ctx: typer.Context,
    device_id: Id,
    replace: Annotated[bool, typer.Option("--replace", help="Replace the code in reserve, if there is one.")] = False,
    as_json: AsJson = False,
) -> None:
    """Add an activation code, from a prompt or stdin. The verdict appears in the history of the device."""
    body = {"code": read_code_input(), "replace": replace}
    with ApiClient(ctx.obj) as api:
        show(api.call("device", "POST", f"/v1/devices/{device_id}/codes", json=body), as_json=as_json)


@app.command(
    "activate-now",
    epilog=examples("perennial device activate-now 0199…", "perennial device activate-now 0199… --code-ref 6f0c…"),
)
def activate_now(
    ctx: typer.Context,
    device_id: Id,
    code_ref: Annotated[
        str | None,
        typer.Option(
            help="Only if this is the reference of the code in reserve.", show_default="whatever is in reserve"
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Activate the code in reserve, once the license has expired. The verdict appears in the history of the device."""
    body = {"code_ref": code_ref} if code_ref else {}
    with ApiClient(ctx.obj) as api:
        show(api.call("device", "POST", f"/v1/devices/{device_id}/activate-now", json=body), as_json=as_json)


@app.command("remove-reserve", epilog=examples("perennial device remove-reserve 0199…"))
def remove_reserve(ctx: typer.Context, device_id: Id, as_json: AsJson = False) -> None:
    """Take the code in reserve off a device. It is unused and can be added again, here or on another device."""
    with ApiClient(ctx.obj) as api:
        show(api.call("device", "DELETE", f"/v1/devices/{device_id}/codes/reserve"), as_json=as_json)


@app.command(
    "correct-region", epilog=examples('perennial device correct-region 0199… --region GB --reason "said UK at first"')
)
def correct_region(
    ctx: typer.Context,
    device_id: Id,
    region: Annotated[str, typer.Option(help="The country where the device is: two letters of ISO 3166-1.")],
    reason: Annotated[str, typer.Option(help="Kept in the log forever.")] = "",
    as_json: AsJson = False,
) -> None:
    """Correct the region of a device and of all products on it. Codes that wait there are verified again."""
    body = {"region": region, "note": reason}
    with ApiClient(ctx.obj) as api:
        show(api.call("device", "PUT", f"/v1/devices/{device_id}/region", json=body), as_json=as_json)


@app.command(epilog=examples("perennial device history 0199… --at 2027-03-12"))
def history(
    ctx: typer.Context,
    device_id: Id,
    after: After = 0,
    at: At = None,
    known: Known = False,
    as_json: AsJson = False,
) -> None:
    """Show the history of a device, oldest event first."""
    params = as_of_params(at, known=known)
    with ApiClient(ctx.obj) as api:
        show_history(api, "device", f"/v1/devices/{device_id}", after=after, as_json=as_json, params=params)


@app.command(
    "why", epilog=examples("perennial device why 0199…", "perennial device why 0199… --at 2027-03-12T10:00:00Z")
)
def why_device(ctx: typer.Context, device_id: Id, at: At = None, known: Known = False, as_json: AsJson = False) -> None:
    """Explain the license of a device: the rules checked, the evidence, and what would change the result."""
    with ApiClient(ctx.obj) as api:
        why(api, device_id, as_of_params(at, known=known), as_json=as_json)


@app.command(epilog=examples("perennial device window 0199…", "perennial device window 0199… --json | jq -r .url"))
def window(ctx: typer.Context, device_id: Id, as_json: AsJson = False) -> None:
    """Make a link to the Licensing window of a device. It opens in a browser and expires in ten minutes."""
    with ApiClient(ctx.obj) as api:
        link = window_link(api, device_id)
    if as_json:
        show(link, as_json=True)
    else:
        tell(link["url"])
        say(f"the link expires at {link['expires_at']}")
