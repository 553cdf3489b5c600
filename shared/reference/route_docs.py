"""The documentation of a route beyond its code: who may call it, examples, and possible problems."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

type Access = Literal["anybody", "device", "operator", "seller"]

ACCESS_TEXTS: Mapping[Access, str] = {
    "anybody": "Anybody; no credential is needed.",
    "device": "The device's token or the operator key.",
    "operator": "The operator key.",
    "seller": "The operator key, or a vendor's key for that vendor's own data.",
}

ACCESS_PROBLEMS: Mapping[Access, Mapping[int, tuple[str, ...]]] = {
    "anybody": {},
    "device": {401: ("credential_missing", "credential_unknown"), 403: ("not_your_device",)},
    "operator": {401: ("credential_missing",), 403: ("not_the_operator",)},
    "seller": {401: ("credential_missing",), 403: ("not_the_operator",)},
}
"""The problems that every caller without access gets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteDocs:
    """One route: who may call it, example bodies of answer and request, and its own problems by status."""

    who: Access
    answer: Any
    body: Any = None
    problems: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    media_type: str = "application/json"
    status: int | None = None
    """The success status, where the code does not declare it."""


type Routes = Mapping[str, RouteDocs]
"""By method and path: `GET /v1/codes/{code_ref}`."""
