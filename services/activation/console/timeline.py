"""Merges two logs by cause: the events of one stream, each with its causes and effects in the other log. Pure.

A verdict is in both logs: the activation service decides it, the device service applies it. Here it is one line, with
both times. A story is a run of events with the same correlation id.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any, Literal

from services.activation.console.event_sentences import event_sentence
from shared.messages import CodeRef, DeviceId
from shared.pages import Text

Service = Literal["device", "activation"]

type JsonObject = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One event. `other` is when the other service recorded the same verdict."""

    event_id: str
    type: str
    service: Service
    at: datetime
    recorded_at: datetime
    sentence: Text
    place: str
    device_id: DeviceId | None
    code_ref: CodeRef | None
    other: datetime | None = None


@dataclass(frozen=True, slots=True)
class Story:
    """Related events, in the order in which they happened."""

    lines: tuple[Line, ...]


def stories(own: Sequence[JsonObject], others: Sequence[JsonObject], *, service: Service) -> tuple[Story, ...]:
    """Return the stories of a stream of `service`, latest first; `others` are events of the other service."""
    by_id = {other["event_id"]: other for other in others}
    effects: dict[str, list[JsonObject]] = {}
    for other in others:
        effects.setdefault(other["causation_id"] or "", []).append(other)
    causes = {event["causation_id"] for event in own}
    grouped = [Story(tuple(_lines(list(group), by_id, effects, causes, service))) for group in _grouped(own)]
    return tuple(story for story in reversed(grouped))


def _grouped(own: Iterable[JsonObject]) -> Iterable[Iterable[JsonObject]]:
    return (group for _, group in groupby(own, key=lambda event: event["correlation_id"]))


def _lines(
    group: Sequence[JsonObject],
    by_id: Mapping[str, JsonObject],
    effects: Mapping[str, list[JsonObject]],
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
        # an effect that is also a cause of one of these events is shown there
        yield from (_line(o, elsewhere) for o in led_to if o not in same and o["event_id"] not in causes)


def _line(event: JsonObject, service: Service, same: JsonObject | None = None) -> Line:
    data = event["data"]
    return Line(
        event_id=event["event_id"],
        type=event["type"],
        service=service,
        at=datetime.fromisoformat(event["occurred_at"]),
        recorded_at=datetime.fromisoformat(event["recorded_at"]),
        sentence=event_sentence(event["type"], data),
        place=f"{event['slice']}:{event['position']}",
        device_id=event.get("device_id") or data.get("device_id"),
        code_ref=data.get("code_ref"),
        other=datetime.fromisoformat(same["recorded_at"]) if same else None,
    )
