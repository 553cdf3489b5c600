"""`perennial code`: activation codes, through the activation service's doors."""

from typing import Annotated, Any

import typer

from services.cli.doors import Doors
from services.cli.examples import examples
from services.cli.histories import After, At, Known, as_of, history_of
from services.cli.output import AsJson, say, show, show_rows
from services.cli.typed import code_ref
from shared.messages import CodeKind

app = typer.Typer(no_args_is_help=True, help="Issue codes, look at them, block them.")

Ref = Annotated[
    str,
    typer.Argument(help="The code's reference; - reads a whole code from stdin, because a command line is public."),
]
Note = Annotated[str, typer.Option(help="Why: it stays in the code's history.")]


@app.command(
    epilog=examples(
        "perennial code issue --product antivirus --term P1Y --seats 3 --count 10",
        "perennial code issue --product antivirus --kind trial --term P30D --json | jq -r .code",
    )
)
def issue(
    ctx: typer.Context,
    product: Annotated[str, typer.Option(help="What the code activates.")],
    term: Annotated[str, typer.Option(help="How long, as an ISO 8601 duration.")] = "P1Y",
    kind: Annotated[CodeKind, typer.Option(help="What kind of code.")] = "paid",
    seats: Annotated[int, typer.Option(help="On how many devices at once.")] = 1,
    region: Annotated[
        list[str] | None, typer.Option(help="Where it is valid; again for more. None: everywhere.")
    ] = None,
    activate_by: Annotated[str | None, typer.Option(help="The last moment for its first activation.")] = None,
    count: Annotated[int, typer.Option(help="How many codes.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Issue codes. This is the only time that a whole code is shown."""
    wanted: dict[str, Any] = {"product": product, "term": term, "kind": kind, "seats": seats, "count": count}
    wanted |= {"regions": region or []} | ({"activate_by": activate_by} if activate_by else {})
    with Doors(ctx.obj) as doors:
        issued = doors.ask("activation", "POST", "/v1/codes", json=wanted)["codes"]
    show_rows(issued, ("code", "code_ref"), as_json=as_json)
    say(f"{len(issued)} issued; nobody can read a whole code again")


@app.command("show", epilog=examples("perennial code show - < code.txt", "perennial code show 6f0c… --at 2027-03-12"))
def show_code(ctx: typer.Context, ref: Ref, at: At = None, known: Known = False, as_json: AsJson = False) -> None:
    """Show a code: its terms, its first activation, its seats; or as it was."""
    asked = as_of(at, known=known)
    with Doors(ctx.obj) as doors:
        show(doors.ask("activation", "GET", f"/v1/codes/{code_ref(ref)}", params=asked), as_json=as_json)


@app.command(epilog=examples('perennial code block 6f0c… --note "chargeback 4711"'))
def block(ctx: typer.Context, ref: Ref, note: Note, as_json: AsJson = False) -> None:
    """Allow no new activation of a code."""
    _order(ctx, "block", ref, note, as_json)


@app.command(epilog=examples('perennial code unblock 6f0c… --note "paid after all"'))
def unblock(ctx: typer.Context, ref: Ref, note: Note, as_json: AsJson = False) -> None:
    """Allow activations of a code again."""
    _order(ctx, "unblock", ref, note, as_json)


@app.command(epilog=examples("perennial code history 6f0c… --json | jq .type"))
def history(
    ctx: typer.Context,
    ref: Ref,
    after: After = 0,
    at: At = None,
    known: Known = False,
    as_json: AsJson = False,
) -> None:
    """Show everything that happened to a code, oldest first."""
    asked = as_of(at, known=known)
    with Doors(ctx.obj) as doors:
        history_of(doors, "activation", f"/v1/codes/{code_ref(ref)}", after=after, as_json=as_json, asked=asked)


def _order(ctx: typer.Context, what: str, ref: str, note: str, as_json: bool) -> None:
    with Doors(ctx.obj) as doors:
        answer = doors.ask("activation", "POST", f"/v1/codes/{code_ref(ref)}/{what}", json={"note": note})
    show(answer, as_json=as_json)
