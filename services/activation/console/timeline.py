"""Merges two logs by cause: the events of one stream, and beside each what it came from and led to in the other. Pure.

A verdict stands in both logs: the activation service decides it, the device service applies it. It is one line here,
with both times. Consecutive events of one story share a correlation.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any, Literal

from services.activation.console.told import told_of
from shared.messages import CodeRef, DeviceId
from shared.pages import Text

Service = Literal["device", "activation"]

type Said = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing that happened. `other` is when the other service recorded the same."""

    event_id: str
    type: str
    service: Service
    at: datetime
    recorded_at: datetime
    told: Text
    place: str
    device_id: DeviceId | None
    code_ref: CodeRef | None
    other: datetime | None = None


@dataclass(frozen=True, slots=True)
class Story:
    """What belongs together, in the order in which it happened."""

    lines: tuple[Line, ...]


def stories(own: Sequence[Said], others: Sequence[Said], *, service: Service) -> tuple[Story, ...]:
    """Return the stories of a stream's events of `service`, latest first; `others` are events of the other one."""
    by_id = {other["event_id"]: other for other in others}
    effects: dict[str, list[Said]] = {}
    for other in others:
        effects.setdefault(other["causation_id"] or "", []).append(other)
    causes = {event["causation_id"] for event in own}
    told = [Story(tuple(_lines(list(group), by_id, effects, causes, service))) for group in _grouped(own)]
    return tuple(story for story in reversed(told))


def _grouped(own: Iterable[Said]) -> Iterable[Iterable[Said]]:
    return (group for _, group in groupby(own, key=lambda event: event["correlation_id"]))


def _lines(
    group: Sequence[Said],
    by_id: Mapping[str, Said],
    effects: Mapping[str, list[Said]],
    causes: set[str | None],
    service: Service,
) -> Iterable[Line]:
    elsewhere: Service = "activation" if service == "device" else "device"
    for event in group:
        cause, led_to = by_id.get(event["causation_id"] or ""), effects.get(event["event_id"], [])
        same = [other for other in (cause, *led_to) if other and other["type"] == event["type"]]
        if cause and cause not in same:
            yield _line(cause, elsewhere)
        yield _line(event, service, same=same[0] if same else None)
        # what itself led to one of these lines stands there
        yield from (_line(o, elsewhere) for o in led_to if o not in same and o["event_id"] not in causes)


def _line(event: Said, service: Service, same: Said | None = None) -> Line:
    data = event["data"]
    return Line(
        event_id=event["event_id"],
        type=event["type"],
        service=service,
        at=datetime.fromisoformat(event["occurred_at"]),
        recorded_at=datetime.fromisoformat(event["recorded_at"]),
        told=told_of(event["type"], data),
        place=f"{event['slice']}:{event['position']}",
        device_id=event.get("device_id") or data.get("device_id"),
        code_ref=data.get("code_ref"),
        other=datetime.fromisoformat(same["recorded_at"]) if same else None,
    )
