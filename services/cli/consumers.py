"""`perennial consumer`: how far each consumer and each relay is, as the workers themselves told their ledgers."""

from collections.abc import Iterator
from typing import Any

import typer

from services.cli.api_client import ApiClient
from services.cli.examples import examples
from services.cli.names import SERVICES
from services.cli.output import AsJson, show_rows

app = typer.Typer(no_args_is_help=True, help="See how far consumers and relays are.")

COLUMNS = ("name", "topic", "waiting", "seconds", "direction", "workers", "parked", "problem")


@app.command(
    "list", epilog=examples("perennial consumer list", "perennial consumer list --json | jq 'select(.seconds > 5)'")
)
def list_consumers(ctx: typer.Context, as_json: AsJson = False) -> None:
    """List consumers and relays: what waits, for how many seconds, whether that grows, and what is wrong."""
    with ApiClient(ctx.obj) as api:
        told = [api.call(service, "GET", "/v1/operations/consumers") for service in SERVICES]
    rows = [row for each in told for row in _rows(each)]
    show_rows(rows if as_json else [{**row, **_words(row)} for row in rows], COLUMNS, as_json=as_json)


def _rows(told: dict[str, Any]) -> Iterator[dict[str, Any]]:
    service = told["service"]
    for consumer in told["consumers"]:
        yield {"service": service, **consumer}
    yield {"service": service, "name": f"{service}.relay", **told["relay"]}


def _words(row: dict[str, Any]) -> dict[str, Any]:
    return {"direction": row["trend"]["direction"] if row["trend"] else None, "parked": row.get("parked", 0)}
