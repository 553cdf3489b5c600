"""The device's life as periods and marks, which a time line shows: a fold of the explanation's own events. Pure."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from services.device.decider import Device, License, evolve
from services.device.explanation.parts import Life, Mark, Period, Told
from shared.messages import (
    ActivationRefused,
    CodeBlocked,
    CodeRef,
    CodeRejected,
    CodeUnblocked,
    LicenseActivated,
    LicenseRenewed,
    LicenseShortened,
    RemovalRefused,
)

PERIODS_MAX = 50
MARKS_MAX = 100


def life_of(life: Sequence[Told]) -> Life:
    """Return the latest periods and marks. A license that runs lasts until its end as known today (R-40, R-105)."""
    device, running, waiting = Device(), Running(), dict[CodeRef, Period]()
    periods: list[Period] = []
    for told in life:
        device = evolve(device, told.event)
        periods += running.moved(device.license, told)
        periods += _waited(waiting, device, told.occurred_at)
    periods += [*running.open(device.license), *waiting.values()]
    marks = [mark for told in life for mark in _marks(told)]
    return Life(
        periods=tuple(sorted(periods, key=lambda period: period.since)[-PERIODS_MAX:]),
        marks=tuple(marks[-MARKS_MAX:]),
        cut=len(periods) > PERIODS_MAX or len(marks) > MARKS_MAX,
    )


class Running:
    """The license that runs at a point of the life, and since when."""

    def __init__(self) -> None:
        self.license: License | None = None
        self.since: datetime | None = None

    def moved(self, current: License | None, told: Told) -> Iterator[Period]:
        """Take in the license after an event, and yield the period that the event ended."""
        before, event = self.license, told.event
        runs = current if current is not None and not current.expired else None
        replaced = isinstance(event, LicenseActivated)
        if before is not None and (runs is None or replaced):
            yield self._until(before, min(before.over_at, told.occurred_at))
            self.since = None
        if runs is not None and self.since is None:
            # one that was renewed after its end runs again from then on
            self.since = runs.activated_at if replaced else told.occurred_at
        self.license = runs

    def open(self, current: License | None) -> Iterator[Period]:
        """Yield the period that no event has ended."""
        if self.license is not None and current is not None:
            yield self._until(current, current.over_at)

    def _until(self, ended: License, until: datetime) -> Period:
        since = self.since or ended.activated_at
        return Period(
            what="license",
            code_ref=ended.code_ref,
            last_group=ended.last_group,
            since=since,
            until=max(since, until),
        )


def _waited(waiting: dict[CodeRef, Period], device: Device, at: datetime) -> Iterator[Period]:
    """Yield the periods of codes that wait no more, and keep those of codes that do."""
    # a code that is activated at once waits for its answer only
    slots = {slot.code_ref: slot for slot in device.slots if slot.purpose == "reserve" or slot.status != "activating"}
    for code_ref in [ref for ref in waiting if ref not in slots]:
        yield waiting.pop(code_ref).model_copy(update={"until": at})
    for code_ref, slot in slots.items():
        if code_ref not in waiting:
            waiting[code_ref] = Period(what="reserve", code_ref=code_ref, last_group=slot.last_group, since=at)


def _marks(told: Told) -> Iterator[Mark]:
    event, at = told.event, told.occurred_at
    match event:
        case CodeRejected() | ActivationRefused() | RemovalRefused():
            yield Mark(what="refusal", at=at, reason=event.reason)
        case LicenseRenewed():
            yield Mark(what="renewal", at=at, order_id=event.order_id)
        case LicenseShortened():
            yield Mark(what="refund", at=at, order_id=event.order_id)
        case CodeBlocked():
            yield Mark(what="block", at=at)
        case CodeUnblocked():
            yield Mark(what="unblock", at=at)
