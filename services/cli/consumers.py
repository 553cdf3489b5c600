"""`perennial consumer`: the progress of each consumer and relay, as the workers report it to their ledgers."""

from collections.abc import Iterator
from typing import Any

import typer

from services.cli.api_client import ApiClient
from services.cli.examples import examples
from services.cli.names import SERVICES
from services.cli.output import AsJson, show_rows

app = typer.Typer(no_args_is_help=True, help="Show the progress of consumers and relays.")

COLUMNS = ("name", "topic", "waiting", "seconds", "trend", "workers", "parked", "problem")
HEADINGS = {"seconds": "oldest (s)"}


@app.command(
    "list", epilog=examples("perennial consumer list", "perennial consumer list --json | jq 'select(.seconds > 5)'")
)
def list_consumers(ctx: typer.Context, as_json: AsJson = False) -> None:
    """List consumers and relays: records waiting, seconds the oldest has waited, trend, workers and problems."""
    with ApiClient(ctx.obj) as api:
        reports = [api.call(service, "GET", "/v1/operations/consumers") for service in SERVICES]
    rows = [row for report in reports for row in _rows(report)]
    show_rows(
        rows if as_json else [{**row, **_display(row)} for row in rows], COLUMNS, as_json=as_json, headings=HEADINGS
    )


def _rows(report: dict[str, Any]) -> Iterator[dict[str, Any]]:
    service = report["service"]
    for consumer in report["consumers"]:
        yield {"service": service, **consumer}
    yield {"service": service, "name": f"{service}.relay", **report["relay"]}


def _display(row: dict[str, Any]) -> dict[str, Any]:
    return {"trend": row["trend"]["direction"] if row["trend"] else None, "parked": row.get("parked", 0)}
