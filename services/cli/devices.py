"""`perennial device`: devices, through the device service's api."""

from typing import Annotated

import typer

from services.cli.api_client import ApiClient, window_link
from services.cli.code_input import read_code_input
from services.cli.examples import examples
from services.cli.histories import After, At, Known, as_of_params, show_history
from services.cli.output import AsJson, say, show
from services.cli.why import why

app = typer.Typer(no_args_is_help=True, help="Enroll devices, look at their licenses, add codes, open their windows.")

Id = Annotated[str, typer.Argument(help="The device's id.")]


@app.command(epilog=examples("perennial device enroll --product antivirus --region DE"))
def enroll(
    ctx: typer.Context,
    product: Annotated[str, typer.Option(help="What runs on the device.")],
    region: Annotated[str, typer.Option(help="Its country, two letters.")],
    as_json: AsJson = False,
) -> None:
    """Make a device known. Its token is shown here and never again."""
    with ApiClient(ctx.obj) as api:
        show(api.call("device", "POST", "/v1/devices", json={"product": product, "region": region}), as_json=as_json)
    say("keep the token: only its hash is stored")


@app.command(
    "show",
    epilog=examples(
        "perennial device show 0199… --json | jq .status", "perennial device show 0199… --at 2027-03-12 --known"
    ),
)
def show_device(
    ctx: typer.Context, device_id: Id, at: At = None, known: Known = False, as_json: AsJson = False
) -> None:
    """Show the license of a device, as its user sees it, or as it was."""
    asked = as_of_params(at, known=known)
    with ApiClient(ctx.obj) as api:
        show(api.call("device", "GET", f"/v1/devices/{device_id}/license", params=asked), as_json=as_json)


@app.command("add-code", epilog=examples("perennial device add-code 0199… < code.txt"))
def add_code(
    ctx: typer.Context,
    device_id: Id,
    replace: Annotated[bool, typer.Option("--replace", help="Let it take the place of the reserve.")] = False,
    as_json: AsJson = False,
) -> None:
    """Add a code, asked for without an echo or read from stdin; the verdict follows in the history."""
    typed = {"code": read_code_input(), "replace": replace}
    with ApiClient(ctx.obj) as api:
        show(api.call("device", "POST", f"/v1/devices/{device_id}/codes", json=typed), as_json=as_json)


@app.command(epilog=examples("perennial device history 0199… --at 2027-03-12"))
def history(
    ctx: typer.Context,
    device_id: Id,
    after: After = 0,
    at: At = None,
    known: Known = False,
    as_json: AsJson = False,
) -> None:
    """Show everything that happened to a device, oldest first."""
    asked = as_of_params(at, known=known)
    with ApiClient(ctx.obj) as api:
        show_history(api, "device", f"/v1/devices/{device_id}", after=after, as_json=as_json, asked=asked)


@app.command(
    "why", epilog=examples("perennial device why 0199…", "perennial device why 0199… --at 2027-03-12T10:00:00Z")
)
def why_device(ctx: typer.Context, device_id: Id, at: At = None, known: Known = False, as_json: AsJson = False) -> None:
    """Explain where a device stands: the rules that were looked at, the evidence, and what would change it."""
    with ApiClient(ctx.obj) as api:
        why(api, device_id, as_of_params(at, known=known), as_json=as_json)


@app.command(epilog=examples("perennial device window 0199…", "perennial device window 0199… --json | jq -r .url"))
def window(ctx: typer.Context, device_id: Id, as_json: AsJson = False) -> None:
    """Make a link that opens the device's Licensing window in a browser, within ten minutes."""
    with ApiClient(ctx.obj) as api:
        link = window_link(api, device_id)
    if as_json:
        show(link, as_json=True)
    else:
        typer.echo(link["url"])
        say(f"it opens until {link['expires_at']}")
