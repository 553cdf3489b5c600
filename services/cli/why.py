"""`perennial device why`: explains the license of a device, with the answers of both services in one."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import httpx
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from services.cli.api_client import ApiClient
from services.cli.failures import RefusedByService
from services.cli.output import all_visible, say, show, told_at_once
from shared.reasons.checked import words_of_check

type Json = dict[str, Any]

ABOUT = {
    "license": "license",
    "term": "dates",
    "switch": "reserve",
    "refusal": "last refusal",
    "activate_now": "Activate now",
}
INDENT = 2


def why(api: ApiClient, device_id: str, params: Mapping[str, str], *, as_json: bool) -> None:
    """Print the explanation of the device service, with that of the activation service in each answer."""
    explanation = api.call("device", "GET", f"/v1/devices/{device_id}/why", params=params)
    for answer in explanation["answers"]:
        answer["activation"] = list(_activation_answers(api, answer.get("further", ())))
    if as_json:
        show(explanation, as_json=True)
    else:
        with told_at_once() as console:
            print_why(explanation, console)


def _activation_answers(api: ApiClient, links: Sequence[Json]) -> Iterator[Json]:
    for link in links:
        try:
            yield api.call("activation", "GET", link["path"])
        except RefusedByService as refused:
            say(f"the activation service did not explain its part: {refused.message}")
        except httpx.TransportError as error:
            say(f"the activation service is unreachable, so its part of the explanation is missing: {error}")


def print_why(explanation: Json, console: Console) -> None:
    """Print the explanation for people, wrapped to the console's width, in color if the console has colors."""
    explanation = all_visible(explanation)
    console.print(Text(explanation["verdict"], style="bold"))
    console.print(Text(f"as of {explanation['as_of']}", style="dim"))
    for answer in explanation["answers"]:
        console.print()
        console.print(Text.assemble((f"{ABOUT[answer['about']]}: ", "bold"), answer["sentence"]))
        for part in _parts(answer):
            console.print(Padding(part, (0, 0, 0, INDENT), expand=False))


def _parts(answer: Json) -> Iterator[Text | Table]:
    """Yield the details below the sentence of an answer."""
    if answer["rules"]:
        yield _rules(answer["rules"])
    if answer.get("change"):
        yield Text.assemble(("what would change it: ", "bold"), answer["change"])
    yield from (_event_line(event) for event in answer["evidence"])
    for further in answer["activation"]:
        yield Text.assemble(("activation service: ", "bold"), further["verdict"])
        for entry in further["evidence"]:
            yield Text(f"{entry['what']}:")
            yield from (_event_line(event) for event in entry["events"])
            if entry["more"]:
                yield Text("  … and more")


def _rules(rules: Sequence[Json]) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    for name in ("outcome", "rule", "reason", "change"):
        table.add_column(name, overflow="fold", no_wrap=name == "outcome")
    for rule in rules:
        passed = rule["passed"]
        outcome = Text("passed" if passed else "failed", style="green" if passed else "red")
        change = f"would pass with: {rule['change']}" if rule.get("change") else ""
        words = words_of_check(rule["reason"], passed=passed)
        table.add_row(outcome, Text(rule["rule"]), Text(words), Text(change))
    return table


def _event_line(event: Json) -> Text:
    """Return one line for an event: its type, time and subject, and its place in the log."""
    data = event.get("data", {})
    words = [event["type"], event["occurred_at"]]
    words += [f"device {data['device_id']}"] if data.get("device_id") else []
    words += [data["note"]] if data.get("note") else []
    place = f" ({event['slice']}:{event['position']}, {event['event_id']})"
    return Text.assemble("  - ", " ".join(words), (place, "dim"))
