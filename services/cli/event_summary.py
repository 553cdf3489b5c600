"""Summarizes an event in one line for people. The full event is in the JSON output."""

from collections.abc import Mapping
from typing import Any

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
    "order_id",
    "product",
    "region",
    "kind",
    "term",
    "seats",
    "note",
    "topic",
    "partition",
    "offset",
)
REF_CHARACTERS = 8


def summarize(data: Mapping[str, Any]) -> str:
    """Return the main fields of an event as text. The code reference is left out if the last group is there."""
    hidden = {"code_ref"} if data.get("last_group") else set()
    names = [name for name in SHOWN if data.get(name) not in (None, "") and name not in hidden]
    return " ".join(_field(name, data[name]) for name in names)


def _field(name: str, value: Any) -> str:
    match name:
        case "last_group":
            return f"…{value}"
        case "code_ref":
            return f"code {str(value)[:REF_CHARACTERS]}…"
        case _ if name.endswith("_at"):
            return f"{name.removesuffix('_at')} {str(value)[:10]}"
        case "reason" | "purpose" | "trigger" | "product" | "region" | "kind":
            return str(value)
        case _:
            return f"{name} {value}"
