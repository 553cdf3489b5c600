"""`perennial code`: activation codes, through the activation service's API."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from time import sleep
from typing import Annotated, Any

import httpx
import typer

from services.cli import operations
from services.cli.api_client import ApiClient
from services.cli.code_input import parse_code_ref, read_json_input
from services.cli.device_names import with_names
from services.cli.examples import examples
from services.cli.failures import CommandFailed, ExitCode
from services.cli.histories import After, At, Known, as_of_params, iter_pages, show_history
from services.cli.new_file import new_file, write_rows
from services.cli.operations import Ref
from services.cli.output import AsJson, plural, say, show, show_rows
from services.cli.times import DAY_INCLUDED, parse_time
from shared.calendar import instant
from shared.ledger.identity import new_id
from shared.messages import CodeKind

WAITS_SECONDS = (0.2, 1.0)
"""How long to wait before each further attempt to get the codes of a lost answer."""

CUSTOMER_HELP = (
    'A file that says who bought the codes: {"subject": "c-77", "name": "Ada", "contact": "ada@example.org"}, or - to '
    "read it from stdin, out of sight of other users. `subject` is your own id of the customer; the rest may be left "
    "out. It is stored encrypted and can be erased."
)

app = typer.Typer(
    no_args_is_help=True, help="Issue, find, show, block and refund activation codes, and release their seats."
)


@app.command(
    epilog=examples(
        "perennial code issue --product antivirus --term P1Y --seats 3 --count 10",
        "perennial code issue --product antivirus --kind trial --term P30D --json | jq -r .code",
        "perennial code issue --product antivirus --kind subscription --term P1M --auto-renews --grace-days 7",
        "perennial code issue --product antivirus --edition pro --feature vpn --version-min 21.3 --customer ada.json",
        "perennial code issue --product antivirus --count 1000 --to codes.jsonl > /dev/null",
    )
)
def issue(
    ctx: typer.Context,
    product: Annotated[str, typer.Option(help="The product that the code activates.")],
    term: Annotated[str, typer.Option(help="How long the license lasts, as an ISO 8601 duration.")] = "P1Y",
    kind: Annotated[CodeKind, typer.Option(help="The kind of code.")] = "paid",
    seats: Annotated[int, typer.Option(help="How many devices can use the code at the same time.")] = 1,
    region: Annotated[
        list[str] | None,
        typer.Option(
            help="A country where the code is valid: two letters of ISO 3166-1. Repeat for more. Default: everywhere."
        ),
    ] = None,
    activate_by: Annotated[
        str | None, typer.Option(help=f"The time by which the code must first be activated. {DAY_INCLUDED}")
    ] = None,
    vendor: Annotated[
        str | None, typer.Option(help="Whose codes they are.", show_default="the vendor of the key, or `default`")
    ] = None,
    edition: Annotated[str | None, typer.Option(help="The edition of the product.", show_default="standard")] = None,
    feature: Annotated[
        list[str] | None, typer.Option(help="A feature that the license includes. Repeat for more.")
    ] = None,
    version_min: Annotated[
        str | None, typer.Option(help="The lowest product version that the code activates, such as 21.3.")
    ] = None,
    version_max: Annotated[
        str | None, typer.Option(help="The highest product version that the code activates, such as 22.")
    ] = None,
    grace_days: Annotated[
        int | None, typer.Option(help="For how many days after its end the product still works.", show_default="0")
    ] = None,
    auto_renews: Annotated[bool, typer.Option("--auto-renews", help="The subscription renews itself.")] = False,
    short_term: Annotated[
        str | None,
        typer.Option(help="The term that a renewal code gives a device without a prior license, if it may have one."),
    ] = None,
    customer: Annotated[str | None, typer.Option(help=CUSTOMER_HELP)] = None,
    count: Annotated[int, typer.Option(help="How many codes to issue.")] = 1,
    to: Annotated[
        Path | None,
        typer.Option(
            help="Write the codes, as JSON lines, to this new file before they are printed. Only you can read it."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Issue codes. This is the only time the whole codes are shown."""
    given = {
        "vendor": vendor,
        "edition": edition,
        "version_min": version_min,
        "version_max": version_max,
        "grace_days": grace_days,
        "short_term": short_term,
        "activate_by": activate_by and instant(parse_time(activate_by, option="--activate-by", day="last")),
        "customer": customer and read_json_input(customer, option="--customer"),
    }
    wanted = {name: value for name, value in given.items() if value is not None} | {
        "product": product,
        "term": term,
        "kind": kind,
        "seats": seats,
        "count": count,
        "regions": region or [],
        "features": feature or [],
        "auto_renews": auto_renews,
    }
    with ApiClient(ctx.obj) as api, new_file(to) as file:
        issued = _issued(api, wanted)
        unwritten = write_rows(file, issued)
    show_rows(issued, ("code", "code_ref"), as_json=as_json)
    say(f"{plural(len(issued), 'code')} issued; keep them, because whole codes are never shown again")
    if unwritten:
        message = f"not_written: {to} is incomplete: {unwritten}; keep what was printed"
        raise CommandFailed(ExitCode.REFUSED, message)


def _issued(api: ApiClient, wanted: Mapping[str, Any]) -> Sequence[dict[str, Any]]:
    """Issue codes and return them. After a lost answer the same key gets the same codes (R-140)."""
    key = str(new_id())
    for wait_seconds in WAITS_SECONDS:
        with suppress(httpx.TransportError):
            return _issue(api, wanted, key)
        sleep(wait_seconds)
    return _issue(api, wanted, key)


def _issue(api: ApiClient, wanted: Mapping[str, Any], key: str) -> Sequence[dict[str, Any]]:
    codes: list[dict[str, Any]] = api.call("activation", "POST", "/v1/codes", json=wanted, idempotency_key=key)["codes"]
    return codes


@app.command("show", epilog=examples("perennial code show - < code.txt", "perennial code show 6f0c… --at 2027-03-12"))
def show_code(ctx: typer.Context, ref: Ref, at: At = None, known: Known = False, as_json: AsJson = False) -> None:
    """Show a code with its term, first activation and seats, now or at an earlier time."""
    params = as_of_params(at, known=known)
    with ApiClient(ctx.obj) as api:
        show(api.call("activation", "GET", f"/v1/codes/{parse_code_ref(ref)}", params=params), as_json=as_json)


@app.command(epilog=examples("perennial code history 6f0c… --json | jq .type"))
def history(
    ctx: typer.Context,
    ref: Ref,
    after: After = 0,
    at: At = None,
    known: Known = False,
    as_json: AsJson = False,
) -> None:
    """Show the history of a code, oldest event first."""
    params = as_of_params(at, known=known)
    with ApiClient(ctx.obj) as api:
        show_history(api, "activation", f"/v1/codes/{parse_code_ref(ref)}", after=after, as_json=as_json, params=params)


@app.command(
    epilog=examples(
        "perennial code find --last-group 7QX2M", "perennial code find --order order-2026/77 --json | jq -r .code_ref"
    )
)
def find(
    ctx: typer.Context,
    last_group: Annotated[str | None, typer.Option(help="The last five characters of the code.")] = None,
    order: Annotated[str | None, typer.Option(help="The id of a shop order for the code.")] = None,
    device: Annotated[str | None, typer.Option(help="The id of a device that holds a seat on the code.")] = None,
    as_json: AsJson = False,
) -> None:
    """Find codes by last group, order or device."""
    criteria = {"last_group": last_group and last_group.upper(), "order_id": order, "device_id": device}
    given = {name: value for name, value in criteria.items() if value}
    if len(given) != 1:
        raise typer.BadParameter("give exactly one of --last-group, --order and --device")
    with ApiClient(ctx.obj) as api:
        codes = list(iter_pages(api, "activation", "/v1/codes", "codes", given))
    show_rows(codes, ("code_ref", "last_group", "product", "kind", "seats", "seats_taken", "ends_at"), as_json=as_json)
    say(f"{plural(len(codes), 'code')} found")


@app.command(epilog=examples("perennial code devices 6f0c…"))
def devices(ctx: typer.Context, ref: Ref, as_json: AsJson = False) -> None:
    """List the devices that hold a seat on a code, with their names and last contact."""
    with ApiClient(ctx.obj) as api:
        device_ids = list(iter_pages(api, "activation", f"/v1/codes/{parse_code_ref(ref)}/devices", "devices", {}))
        rows = _named(api, device_ids)
    show_rows(rows, ("device_id", "name", "last_contact_at"), as_json=as_json)
    say(f"{plural(len(rows), 'seat')} taken")


def _named(api: ApiClient, device_ids: Sequence[str]) -> list[dict[str, Any]]:
    """Return the devices with their names; without them, and a message, if the device service does not answer."""
    rows = [{"device_id": device_id} for device_id in device_ids]
    try:
        return with_names(api, rows)
    except httpx.TransportError as error:
        say(f"the device service is unreachable, so names and last contacts are missing: {error}")
        return rows


app.command(
    epilog=examples(
        'perennial code block 6f0c… --reason "chargeback 4711" --preview',
        'perennial code block 6f0c… --reason "chargeback 4711"',
    )
)(operations.block)
app.command(epilog=examples('perennial code unblock 6f0c… --reason "paid after all"'))(operations.unblock)
app.command(epilog=examples('perennial code release 6f0c… 0199… --reason "the notebook was stolen" --keep-reserve'))(
    operations.release
)
app.command(epilog=examples('perennial code refund 6f0c… order-2026/77 --reason "sent back"'))(operations.refund)
