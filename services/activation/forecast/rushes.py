"""Tells a seat that is foreseen from a seat that chance gives away (R-141).

Devices whose licenses end together, as all of one shared code do, want their next seats at the same time. Which of them
comes first is decided by timers, Kafka and networks. If the seats do not suffice, nobody can know who gets one. Pure.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from services.activation.decider import Code
from shared.messages import ActivationRefused, CodeEvent, CodeRef, DeviceId, LicenseActivated
from shared.rules.chance import CHANCE

RIVALS_MAX = 20
"""Each of thousands of devices names so many of the others."""


@dataclass(frozen=True, slots=True)
class Place:
    """What a device can count on. If `contested`, `seats` of `contenders` devices will get one; `rivals` are others."""

    device_id: DeviceId
    rivals: tuple[DeviceId, ...]
    seats: int | None = None
    contenders: int | None = None

    @property
    def contested(self) -> bool:
        """Whether chance decides."""
        return self.contenders is not None


@dataclass(slots=True)
class _Rush:
    """The devices that want a seat of one code at about the same time, in the order in which they were simulated."""

    began_at: datetime
    devices: list[DeviceId] = field(default_factory=list)
    seats: int = 0

    @property
    def contested(self) -> bool:
        return 0 < self.seats < len(self.devices)


class Rushes:
    """Who wants a seat of which code, and when."""

    def __init__(self) -> None:
        self._by_code: dict[CodeRef, list[_Rush]] = {}

    def note(self, at: datetime, device_id: DeviceId, event: CodeEvent, codes: Mapping[CodeRef, Code]) -> None:
        """Note the answer to an attempt at `at`. `codes` are as the attempt found them."""
        if not _depends_on_a_seat(device_id, event, codes):
            return
        rushes = self._by_code.setdefault(event.code_ref or "", [])
        if not rushes or at - rushes[-1].began_at > CHANCE:
            rushes.append(_Rush(began_at=at))
        rushes[-1].devices.append(device_id)
        rushes[-1].seats += isinstance(event, LicenseActivated)

    def places(self) -> Iterator[Place]:
        """Yield what those devices can count on who do not surely get a seat."""
        for rushes in self._by_code.values():
            ahead: list[DeviceId] = []
            for rush in rushes:
                yield from _places_in(rush, ahead)
                if rush.seats:
                    ahead += rush.devices


def _depends_on_a_seat(device_id: DeviceId, event: CodeEvent, codes: Mapping[CodeRef, Code]) -> bool:
    """Tell whether a free seat decided. Not for a device that has one, or where more than a seat is missing."""
    match event:
        case LicenseActivated():
            return device_id not in codes[event.code_ref].holders
        case ActivationRefused(reason="seats_exhausted"):
            return all(finding.passed or finding.reason == event.reason for finding in event.findings)
        case _:
            return False


def _places_in(rush: _Rush, ahead: list[DeviceId]) -> Iterator[Place]:
    if rush.contested:
        first = rush.devices[: RIVALS_MAX + 1]
        for device_id in rush.devices:
            rivals = [other for other in first if other != device_id][:RIVALS_MAX]
            yield Place(device_id, tuple(rivals), seats=rush.seats, contenders=len(rush.devices))
    elif not rush.seats:
        for device_id in rush.devices:
            yield Place(device_id, tuple(ahead[:RIVALS_MAX]))
