"""`perennial license forecast`: upcoming switches to the code in reserve, and which will fail as things stand."""

from collections import Counter
from typing import Annotated, Any

import typer

from services.cli.api_client import ApiClient
from services.cli.examples import examples
from services.cli.histories import iter_pages
from services.cli.output import AsJson, plural, say, show_rows
from services.cli.times import DAY_INCLUDED, parse_time
from shared.calendar import instant

OUTCOMES = {"switches": "switches", "fails": "FAILS", "contested": "CONTESTED", "runs_on": "renewed instead"}
FAILING = ("fails", "contested")

app = typer.Typer()


@app.command(epilog=examples("perennial license forecast --until 2027-06-30 --failing"))
def forecast(
    ctx: typer.Context,
    until: Annotated[str, typer.Option(help=f"Only switches before this time. {DAY_INCLUDED}")],
    failing: Annotated[
        bool, typer.Option("--failing", help="Show only switches that will fail or are contested.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show when devices will switch to the code in reserve, and whether the recheck would pass as things stand."""
    outcomes: Counter[str] = Counter()
    rows = []
    with ApiClient(ctx.obj) as api:
        params = {"until": instant(parse_time(until, option="--until", day="after"))}
        for switch in iter_pages(api, "activation", "/v1/forecast", "switches", params):
            outcomes[switch["outcome"]] += 1
            if switch["outcome"] in FAILING or not failing:
                rows.append(switch if as_json else {**switch, **_display(switch)})
    show_rows(rows, ("switch_at", "device_id", "code", "outcome", "why", "what would change it"), as_json=as_json)
    will_switch, will_fail, contested, renewed = (outcomes[outcome] for outcome in OUTCOMES)
    counts = (
        f"{will_switch:,} will switch, {will_fail:,} will fail, {contested:,} contested, {renewed:,} renewed instead"
    )
    say(f"{plural(outcomes.total(), 'device')} due to switch until {until}: {counts}")


def _display(switch: dict[str, Any]) -> dict[str, str]:
    why = str(switch.get("reason", "")).replace("_", " ")
    if contested := switch.get("contested"):
        why += f": {contested['seats']:,} of {contested['devices']:,} will get it"
    if switch.get("rivals"):
        why += f"; {'wanted too' if contested else 'taken first'} by {', '.join(switch['rivals'])}"
    if switch.get("held_until"):
        why += f" {str(switch['hold']).replace('_', ' ')} until {switch['held_until']}"
    return {
        "code": f"…{switch.get('reserve_last_group', '')}",
        "outcome": OUTCOMES[switch["outcome"]],
        "why": why.strip(),
        "what would change it": switch.get("change", ""),
    }
