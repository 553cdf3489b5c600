"""The names that people gave devices, and when each was last in contact, fetched from the device service."""

from collections.abc import Iterable, Mapping
from itertools import batched
from typing import Any

from services.cli.api_client import ApiClient

IDS_PER_REQUEST = 100
PATH = "/v1/devices/named"


def with_names(api: ApiClient, rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return rows that have a `device_id`, each with `name` and `last_contact_at`; null where nothing is known."""
    named: list[dict[str, Any]] = []
    for some in batched(rows, IDS_PER_REQUEST, strict=False):
        params = {"device_id": [row["device_id"] for row in some]}
        found = {each["device_id"]: each for each in api.call("device", "GET", PATH, params=params)["devices"]}
        named += [{**row, **_told(found.get(row["device_id"], {}))} for row in some]
    return named


def _told(device: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": device.get("name"), "last_contact_at": device.get("last_contact_at")}
