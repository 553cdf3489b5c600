"""`perennial reason`: what the reasons of refusals, notices, problems and parked messages mean. Works offline."""

from typing import Annotated, Literal

import typer

from services.cli.completions import reasons
from services.cli.examples import examples
from services.cli.failures import CommandFailed, ExitCode
from services.cli.output import AsJson, show, show_rows
from shared.reasons import CATALOGUE, Explained

app = typer.Typer(
    no_args_is_help=True, help="Explain the reasons given for refusals, notices, problems and parked messages."
)

Kind = Literal["reasons", "notices", "problems", "parking"]


@app.command("list", epilog=examples("perennial reason list", "perennial reason list --about parking --json"))
def list_reasons(
    about: Annotated[Kind | None, typer.Option(help="Only reasons of this kind.", show_default="all")] = None,
    as_json: AsJson = False,
) -> None:
    """List all reasons, what they mean and what to do."""
    kinds: tuple[Kind, ...] = ("reasons", "notices", "problems", "parking")
    rows = [
        {"kind": kind, **entry.model_dump(mode="json", exclude_none=True)}
        for kind in kinds
        for entry in getattr(CATALOGUE, kind)
        if about in (None, kind)
    ]
    headings = {"word": "reason", "what_to_do": "what to do"}
    show_rows(rows, ("word", "meaning", "what_to_do"), as_json=as_json, headings=headings)


@app.command("show", epilog=examples("perennial reason show seats_exhausted"))
def show_reason(
    word: Annotated[str, typer.Argument(help="The reason, such as seats_exhausted.", autocompletion=reasons)],
    as_json: AsJson = False,
) -> None:
    """Explain a reason: what happened, what to do, what happens next, and the rules behind it."""
    entries: tuple[Explained, ...] = CATALOGUE.about(word)
    if not entries:
        raise CommandFailed(ExitCode.REFUSED, "unknown_word: there is no such reason; see `perennial reason list`")
    for entry in entries:
        show(entry.model_dump(mode="json", exclude_none=True), as_json=as_json)
