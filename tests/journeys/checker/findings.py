"""What the checker says: one finding per thing that is wrong, with the place where it is wrong."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID

ServiceName = Literal["device", "activation"]
Name = Literal[
    "acknowledged_but_lost",
    "acknowledged_but_doubled",
    "position_gap_in_ledger",
    "broken_chain",
    "version_gap",
    "wrong_slice",
    "wrong_head",
    "topic_truncated",
    "missing_on_topic",
    "unknown_on_topic",
    "out_of_order_on_topic",
    "doubled_with_other_bytes",
    "other_bytes_on_topic",
    "other_headers_on_topic",
    "wrong_partition",
    "unreadable_on_topic",
    "not_published",
    "not_consumed",
    "parked_by_mistake",
    "seats_exceeded",
    "seat_table_differs",
    "first_activation_changed",
    "first_activation_mismarked",
    "first_activation_table_differs",
    "view_differs_from_topic",
    "view_differs_from_ledger",
    "device_table_differs",
    "code_table_differs",
    "request_without_verdict",
    "request_with_verdicts",
    "verdict_without_cause",
    "verdict_differs_from_cause",
    "activation_not_recorded",
    "activation_recorded_twice",
]
"""Every kind of finding; the words stay as they are, tests name them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong: `where` is a slice and position, a stream, a row or a request."""

    name: Name
    ledger: ServiceName
    where: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.name} ({self.ledger} ledger, {self.where}) {self.detail}".rstrip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledged:
    """What somebody was told, or sent to a topic for certain: exactly one such event must be in the ledger.

    The event has the given `type_name`, all of `fields` in its body, and, if given, the cause `causation_id`.
    """

    ledger: ServiceName
    type_name: str
    fields: Mapping[str, str] = field(default_factory=dict)
    causation_id: UUID | None = None

    def __str__(self) -> str:
        return f"{self.type_name} {dict(self.fields)}" + (f" of {self.causation_id}" if self.causation_id else "")
