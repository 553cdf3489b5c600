"""The history of a device or a code, fetched page by page through the API."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from services.cli.api_client import ApiClient
from services.cli.event_summary import summarize
from services.cli.names import ServiceName
from services.cli.output import show_rows
from services.cli.times import DAY_BEGINS, parse_time
from shared.calendar import instant

After = Annotated[int, typer.Option(min=0, help="Show only events after this version of the device or code.")]
At = Annotated[str | None, typer.Option(help=f"Show it as of this time instead of now. {DAY_BEGINS}")]
Known = Annotated[bool, typer.Option("--known", help="With --at, show what was known at that time, not what was true.")]
PAGE_ENTRIES = 500


def as_of_params(at: str | None, *, known: bool) -> dict[str, str]:
    """Return the query parameters for another time than now."""
    if at is None:
        return {}
    return {"at": instant(parse_time(at, option="--at")), "sense": "known" if known else "true"}


def show_history(
    api: ApiClient,
    service: ServiceName,
    path: str,
    *,
    after: int,
    as_json: bool,
    params: Mapping[str, str] | None = None,
) -> None:
    """Print the history at `path`, oldest event first; `params` may set a time."""
    rows = [
        event if as_json else {**event, "details": summarize(event["type"], event["data"])}
        for event in iter_events(api, service, path, after=after, params=params)
    ]
    show_rows(rows, ("version", "occurred_at", "type", "details"), as_json=as_json)


def iter_events(
    api: ApiClient, service: ServiceName, path: str, *, after: int = 0, params: Mapping[str, str] | None = None
) -> Iterator[dict[str, Any]]:
    """Yield the events at `path` after a version, fetching one page at a time."""
    yield from iter_pages(api, service, f"{path}/history", "events", {"after": after, **(params or {})})


def iter_pages(api: ApiClient, service: ServiceName, path: str, key: str, params: Mapping[str, Any]) -> Iterator[Any]:
    """Yield the entries under `key` in each page at `path`."""
    page = api.call(service, "GET", path, params={"limit": PAGE_ENTRIES, **params})
    yield from page[key]
    while page["next"] is not None:
        page = api.call(service, "GET", path, params={"limit": PAGE_ENTRIES, **params, "after": page["next"]})
        yield from page[key]
