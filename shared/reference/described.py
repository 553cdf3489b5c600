"""What a service tells of one of its routes: who may ask, examples of what goes in and out, and what can go wrong."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

type Who = Literal["anybody", "device", "operator", "seller"]

WHO: Mapping[Who, str] = {
    "anybody": "Anybody: no credential is asked for.",
    "device": "The device's token, or the operator key.",
    "operator": "The operator key.",
    "seller": "The operator key, or a vendor's key for what is its own.",
}

ENTRY: Mapping[Who, Mapping[int, tuple[str, ...]]] = {
    "anybody": {},
    "device": {401: ("credential_missing", "credential_unknown"), 403: ("not_your_device",)},
    "operator": {401: ("credential_missing",), 403: ("not_the_operator",)},
    "seller": {401: ("credential_missing",), 403: ("not_the_operator",)},
}
"""The problems of those who may not come in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """One route: who may ask, an example of what it answers and of what it is sent, and its own problems by status."""

    who: Who
    answer: Any
    body: Any = None
    problems: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    media_type: str = "application/json"
    status: int | None = None
    """The status of success, where the code does not say it by itself."""


type Routes = Mapping[str, Described]
"""By method and path: `GET /v1/codes/{code_ref}`."""
