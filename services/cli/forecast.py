"""`perennial forecast`: the switches to come, and which of them will fail with what is known now."""

from collections import Counter
from typing import Annotated, Any

import typer

from services.cli.api_client import ApiClient
from services.cli.examples import examples
from services.cli.histories import iter_pages
from services.cli.output import AsJson, say, show_rows
from services.cli.times import parse_end_time
from shared.ledger.events import instant

OUTCOMES = {"switches": "switches", "fails": "FAILS", "runs_on": "renewed meanwhile"}


app = typer.Typer()


@app.command(epilog=examples("perennial forecast --until 2027-06-30 --failing"))
def forecast(
    ctx: typer.Context,
    until: Annotated[str, typer.Option(help="The last day, or a time.")],
    failing: Annotated[bool, typer.Option("--failing", help="Only the switches that will fail.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show when each device with a reserve will switch, and whether the recheck would pass with what is known now."""
    counted: Counter[str] = Counter()
    rows = []
    with ApiClient(ctx.obj) as api:
        for switch in iter_pages(
            api, "activation", "/v1/forecast", "switches", {"until": instant(parse_end_time(until))}
        ):
            counted[switch["outcome"]] += 1
            if switch["outcome"] == "fails" or not failing:
                rows.append(switch if as_json else {**switch, **_words(switch)})
    show_rows(rows, ("switch_at", "device_id", "code", "outcome", "why", "would change it"), as_json=as_json)
    say(f"{counted.total():,} switches until {until}: {counted['fails']:,} will fail, {counted['switches']:,} will not")


def _words(switch: dict[str, Any]) -> dict[str, str]:
    why = str(switch.get("reason", "")).replace("_", " ")
    if switch.get("rivals"):
        why += f": taken before by {', '.join(switch['rivals'])}"
    if switch.get("held_until"):
        why += f" {str(switch['hold']).replace('_', ' ')} until {switch['held_until']}"
    return {
        "code": f"…{switch.get('reserve_last_group', '')}",
        "outcome": OUTCOMES[switch["outcome"]],
        "why": why.strip(),
        "would change it": switch.get("change", ""),
    }
