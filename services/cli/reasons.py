"""`perennial reason`: what a word means by which something was refused, warned of or parked. Asks nobody."""

from typing import Annotated, Literal

import typer

from services.cli.completions import words
from services.cli.examples import examples
from services.cli.failures import CommandFailed, ExitCode
from services.cli.output import AsJson, show, show_rows
from shared.reasons import CATALOGUE, Explained

app = typer.Typer(no_args_is_help=True, help="Explain the words of refusals, notices, problems and parked messages.")

Chapter = Literal["reasons", "notices", "problems", "parking"]


@app.command("list", epilog=examples("perennial reason list", "perennial reason list --about parking --json"))
def list_reasons(
    about: Annotated[Chapter | None, typer.Option(help="Only the words of this kind.", show_default="all")] = None,
    as_json: AsJson = False,
) -> None:
    """List every word with what happened and what to do."""
    chapters: tuple[Chapter, ...] = ("reasons", "notices", "problems", "parking")
    rows = [
        {"kind": chapter, **entry.model_dump(mode="json", exclude_none=True)}
        for chapter in chapters
        for entry in getattr(CATALOGUE, chapter)
        if about in (None, chapter)
    ]
    show_rows(rows, ("word", "meaning", "what_to_do"), as_json=as_json)


@app.command("show", epilog=examples("perennial reason show seats_exhausted"))
def show_reason(
    word: Annotated[str, typer.Argument(help="The word, as an answer or a row shows it.", autocompletion=words)],
    as_json: AsJson = False,
) -> None:
    """Explain one word: what happened, what to do, what happens next, and by which rules."""
    entries: tuple[Explained, ...] = CATALOGUE.about(word)
    if not entries:
        raise CommandFailed(ExitCode.REFUSED, "unknown_word: no answer says this; see `perennial reason list`")
    for entry in entries:
        show(entry.model_dump(mode="json", exclude_none=True), as_json=as_json)
