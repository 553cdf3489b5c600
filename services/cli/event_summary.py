"""Summarizes an event in one line for people. The full event is in the JSON output."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from shared.calendar import instant
from shared.messages import LicenseRenewed
from shared.rules.renewals import start_of

SHOWN = (
    "last_group",
    "code_ref",
    "purpose",
    "cause",
    "reason",
    "trigger",
    "started_at",
    "ends_at",
    "ended_at",
    "predicted_ends_at",
    "available_at",
    "retry_at",
    "until",
    "stops_at",
    "hold_until",
    "purchased_at",
    "removed_at",
    "activated_at",
    "counts_from",
    "order_id",
    "product",
    "product_version",
    "previous_region",
    "region",
    "kind",
    "term",
    "seats",
    "guesses",
    "expected",
    "received",
    "deviates",
    "offset_seconds",
    "auto_renews",
    "keeps_reserve",
    "awaits_purchase",
    "note",
    "topic",
    "partition",
    "offset",
)
REF_CHARACTERS = 8
TIMES = ("until", "hold_until")
PLAIN = ("reason", "purpose", "trigger", "product", "region", "kind")
STATES = {
    ("deviates", True): "clock deviates",
    ("deviates", False): "clock is right again, off",
    ("auto_renews", True): "renews itself",
    ("auto_renews", False): "does not renew itself",
    ("awaits_purchase", True): "awaits its purchase",
    ("keeps_reserve", True): "keeps the reserve",
}
"""What is said of a field that is true or false; of any other it is said only when it is true."""


def summarize(type_name: str, data: Mapping[str, Any]) -> str:
    """Return the main fields of an event as text. The code reference is left out if the last group is there."""
    hidden = {"code_ref"} if data.get("last_group") else set()
    told = {**data, "counts_from": _counts_from(type_name, data)}
    names = [name for name in SHOWN if told.get(name) not in (None, "") and name not in hidden]
    return " ".join(filter(None, (_field(name, told[name]) for name in names)))


def _counts_from(type_name: str, data: Mapping[str, Any]) -> str | None:
    """Return from where a renewal counts: the old end, or after a gap the purchase or its arrival (R-92, R-130)."""
    try:
        renewed = type_name == "LicenseRenewed" and msgspec.convert(data, LicenseRenewed)
    except ValueError:
        return None  # on a topic, and not the event that it is called
    return start_of(renewed) if renewed else None


def _written(moment: str) -> str:
    try:
        return instant(datetime.fromisoformat(moment))
    except ValueError:
        return moment


def _field(name: str, value: Any) -> str:  # noqa: PLR0911 - one line per kind of value
    match name, value:
        case "last_group", _:
            return f"…{value}"
        case "code_ref", _:
            return f"code {str(value)[:REF_CHARACTERS]}…"
        case _, bool():
            return STATES.get((name, value), "")
        case _ if name.endswith("_at") or name in TIMES:
            return f"{name.removesuffix('_at').replace('_', ' ')} {_written(str(value))}"
        case "offset_seconds", int():
            return f"by {value:+,} s"
        case "cause", _:
            return f"cause {str(value).replace('_', ' ')}"
        case _ if name in PLAIN:
            return str(value)
        case _:
            return f"{name.replace('_', ' ')} {value}"
