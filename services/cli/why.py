"""`perennial device why`: what both services say about why a device stands where it stands, as one answer."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import httpx
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from services.cli.api_client import ApiClient
from services.cli.failures import RefusedByService
from services.cli.output import say, show, stdout_console

type Said = dict[str, Any]

ABOUT = {
    "license": "license",
    "term": "dates",
    "switch": "reserve",
    "refusal": "last refusal",
    "activate_now": "Activate now",
}
INDENT = 2


def why(api: ApiClient, device_id: str, asked: Mapping[str, str], *, as_json: bool) -> None:
    """Show why the device stands where it stands, with what the activation service tells beside it."""
    said = api.call("device", "GET", f"/v1/devices/{device_id}/why", params=asked)
    for answer in said["answers"]:
        answer["activation"] = list(_told_further(api, answer.get("further", ())))
    if as_json:
        show(said, as_json=True)
    else:
        print_why(said, stdout_console())


def _told_further(api: ApiClient, further: Sequence[Said]) -> Iterator[Said]:
    for link in further:
        try:
            yield api.call("activation", "GET", link["path"])
        except RefusedByService as refused:
            say(f"the activation service does not tell: {refused.message}")
        except httpx.TransportError as away:
            say(f"the activation service cannot be reached, so half of the answer is missing: {away}")


def print_why(said: Said, console: Console) -> None:
    """Print for people, within the console's width; whether it has colours is the console's matter."""
    console.print(Text(said["verdict"], style="bold"))
    console.print(Text(f"as of {said['as_of']}", style="dim"))
    for answer in said["answers"]:
        console.print()
        console.print(Text.assemble((f"{ABOUT[answer['about']]}: ", "bold"), answer["sentence"]))
        for part in _parts(answer):
            console.print(Padding(part, (0, 0, 0, INDENT)))


def _parts(answer: Said) -> Iterator[Text | Table]:
    """Give what stands below an answer's sentence."""
    if answer["rules"]:
        yield _rules(answer["rules"])
    if answer.get("change"):
        yield Text.assemble(("would have changed it: ", "bold"), answer["change"])
    yield from (_fact(event) for event in answer["evidence"])
    for further in answer["activation"]:
        yield Text.assemble(("activation service: ", "bold"), further["verdict"])
        for entry in further["evidence"]:
            yield Text(f"{entry['what']}:")
            yield from (_fact(event) for event in entry["events"])
            if entry["more"]:
                yield Text("  … and more")


def _rules(rules: Sequence[Said]) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    for name in ("outcome", "rule", "reason", "change"):
        table.add_column(name, overflow="fold", no_wrap=name == "outcome")
    for rule in rules:
        passed = rule["passed"]
        outcome = Text("passed" if passed else "broken", style="green" if passed else "red")
        change = f"would pass with: {rule['change']}" if rule.get("change") else ""
        table.add_row(outcome, Text(rule["rule"]), Text(rule["reason"].replace("_", " ")), Text(change))
    return table


def _fact(event: Said) -> Text:
    """Return an event in a line: what it says, and where anybody finds it."""
    data = event.get("data", {})
    told = [event["type"], event["occurred_at"]]
    told += [f"device {data['device_id']}"] if data.get("device_id") else []
    told += [data["note"]] if data.get("note") else []
    place = f" ({event['slice']}:{event['position']}, {event['event_id']})"
    return Text.assemble("  - ", " ".join(told), (place, "dim"))
