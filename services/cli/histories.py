"""The history of a device or a code, page by page through the doors."""

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from services.cli.doors import Doors
from services.cli.facts import facts_of
from services.cli.output import show_rows
from services.cli.system import ServiceName

After = Annotated[int, typer.Option(min=0, help="Only what came after this version.")]
PAGE_EVENTS = 500


def history_of(doors: Doors, service: ServiceName, path: str, *, after: int, as_json: bool) -> None:
    """Show the history at `path`, oldest first."""
    rows = [
        event if as_json else {**event, "facts": facts_of(event["data"])}
        for event in events_at(doors, service, path, after=after)
    ]
    show_rows(rows, ("version", "occurred_at", "type", "facts"), as_json=as_json)


def events_at(doors: Doors, service: ServiceName, path: str, *, after: int = 0) -> Iterator[dict[str, Any]]:
    """Give the events at `path` after a version, asking for page after page."""
    next_after: int | None = after
    while next_after is not None:
        page = doors.ask(service, "GET", f"{path}/history", params={"after": next_after, "limit": PAGE_EVENTS})
        yield from page["events"]
        next_after = page["next"]
