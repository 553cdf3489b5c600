"""Which devices and codes an event names. They are compared exactly: `pc-1` is not `pc-10`."""

import json
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

Kind = Literal["device", "code"]

FIELDS: Mapping[Kind, frozenset[str]] = {
    "device": frozenset({"device_id", "part_of", "affected"}),
    "code": frozenset({"code_ref", "current_ref", "prior_ref", "renewal_ref", "replaced_ref", "reserve_ref"}),
}
"""The fields of all events that hold the id of a device, or several, or the reference of a code."""


class Name(NamedTuple):
    """The id of a device, or the reference of a code."""

    kind: Kind
    text: str


def names(row: Any, name: Name) -> bool:
    """Whether an event, a row of table `event`, belongs to the device or code, or names it in a field."""
    return bool(row["stream_id"] == name.text) or name.text in _named(json.loads(row["data"]), name.kind)


def _named(data: Mapping[str, Any], kind: Kind) -> set[str]:
    named: set[str] = set()
    for field in FIELDS[kind] & data.keys():
        value = data[field]
        named.update(value if isinstance(value, list) else [value])
    return named
