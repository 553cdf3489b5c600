"""The history of a device or a code, page by page through the api."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from services.cli.api_client import ApiClient
from services.cli.event_summary import summarize
from services.cli.names import ServiceName
from services.cli.output import show_rows
from services.cli.times import parse_time
from shared.ledger.events import instant

After = Annotated[int, typer.Option(min=0, help="Only what came after this version.")]
At = Annotated[str | None, typer.Option(help="As of this time, or the beginning of this day, instead of now.")]
Known = Annotated[bool, typer.Option("--known", help="With --at: what was known then, not what was true then.")]
PAGE_ENTRIES = 500


def as_of_params(at: str | None, *, known: bool) -> dict[str, str]:
    """Return what asks a door about another time than now."""
    if at is None:
        return {}
    return {"at": instant(parse_time(at)), "sense": "known" if known else "true"}


def show_history(
    api: ApiClient,
    service: ServiceName,
    path: str,
    *,
    after: int,
    as_json: bool,
    asked: Mapping[str, str] | None = None,
) -> None:
    """Show the history at `path`, oldest first; `asked` may name a time."""
    rows = [
        event if as_json else {**event, "facts": summarize(event["data"])}
        for event in iter_events(api, service, path, after=after, asked=asked)
    ]
    show_rows(rows, ("version", "occurred_at", "type", "facts"), as_json=as_json)


def iter_events(
    api: ApiClient, service: ServiceName, path: str, *, after: int = 0, asked: Mapping[str, str] | None = None
) -> Iterator[dict[str, Any]]:
    """Give the events at `path` after a version, asking for page after page."""
    yield from iter_pages(api, service, f"{path}/history", "events", {"after": after, **(asked or {})})


def iter_pages(api: ApiClient, service: ServiceName, path: str, what: str, asked: Mapping[str, Any]) -> Iterator[Any]:
    """Give what stands under the name `what` in the pages at `path`, one after the other."""
    page = api.call(service, "GET", path, params={"limit": PAGE_ENTRIES, **asked})
    yield from page[what]
    while page["next"] is not None:
        page = api.call(service, "GET", path, params={"limit": PAGE_ENTRIES, **asked, "after": page["next"]})
        yield from page[what]
