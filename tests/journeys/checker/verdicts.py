"""Does every question have one answer, and every answer that a device keeps a cause in the other ledger?"""

from collections import Counter
from uuid import UUID

from shared.ledger.events import RecordedEvent
from shared.messages import (
    ActivateNow,
    ActivationDelayed,
    ActivationRefused,
    ActivationRetried,
    CodeAdded,
    CodeRejected,
    CodeVerified,
    Event,
    LicenseActivated,
    LicenseExpired,
    LicenseRenewed,
    SeatReleased,
    VerificationRepeated,
    decode,
)
from tests.journeys.checker.findings import Finding, Name, ServiceName


class Verdicts:
    """The questions and answers of both ledgers; the device ledger is seen first."""

    def __init__(self) -> None:
        self._asked: dict[UUID, str] = {}
        self._answers: Counter[UUID] = Counter()
        self._said: dict[UUID, tuple[str, bytes]] = {}
        self._activated: dict[UUID, str] = {}
        self._received: list[tuple[RecordedEvent, Event]] = []

    def see_device(self, entry: RecordedEvent, event: Event) -> None:
        """Look at the next event of the device ledger."""
        match event:
            case (
                CodeAdded()
                | ActivateNow()
                | ActivationRetried()
                | VerificationRepeated()
                | LicenseExpired(reserve_ref=str())
            ):
                self._asked[event.request_id] = _where(entry)
            case (
                CodeVerified()
                | CodeRejected()
                | LicenseActivated()
                | ActivationRefused()
                | ActivationDelayed()
                | LicenseRenewed()
                | SeatReleased()
            ):
                self._received.append((entry, event))
            case _:
                pass

    def see_activation(self, entry: RecordedEvent, event: Event) -> None:
        """Look at the next event of the activation ledger."""
        match event:
            case CodeVerified() | CodeRejected() | LicenseActivated() | ActivationRefused() | ActivationDelayed():
                self._answers[event.request_id] += 1
                self._said[entry.event.event_id] = (entry.event.type_name, entry.event.data)
                if isinstance(event, LicenseActivated):
                    self._activated[entry.event.event_id] = _where(entry)
            case LicenseRenewed() | SeatReleased():
                self._said[entry.event.event_id] = (entry.event.type_name, entry.event.data)
            case _:
                pass

    def findings(self) -> list[Finding]:
        """Return the questions without exactly one answer, and the answers without a cause."""
        return [*self._of_requests(), *self._of_causes(), *self._of_activations()]

    def _of_requests(self) -> list[Finding]:
        found = []
        for request_id, where in self._asked.items():
            count = self._answers[request_id]
            if count != 1:
                name: Name = "request_with_verdicts" if count else "request_without_verdict"
                found.append(_finding(name, "device", where, f"request {request_id} has {count} verdicts"))
        return found

    def _of_causes(self) -> list[Finding]:
        found = []
        for entry, event in self._received:
            if isinstance(event, CodeRejected | ActivationRefused) and event.request_id not in self._answers:
                continue  # the device service's own answer: the activation service was not asked
            if isinstance(event, ActivationDelayed) and event.cause == "no_answer":
                continue  # the device service's own word that no answer came in time
            cause = self._said.get(entry.event.causation_id) if entry.event.causation_id else None
            if cause is None:
                detail = f"{entry.event.type_name} names {entry.event.causation_id}"
                found.append(_finding("verdict_without_cause", "device", _where(entry), detail))
            elif not _same(entry, event, cause):
                detail = f"{entry.event.type_name} is not what {entry.event.causation_id} said"
                found.append(_finding("verdict_differs_from_cause", "device", _where(entry), detail))
        return found

    def _of_activations(self) -> list[Finding]:
        recorded = Counter(
            entry.event.causation_id for entry, event in self._received if isinstance(event, LicenseActivated)
        )
        found = []
        for event_id, where in self._activated.items():
            if recorded[event_id] != 1:
                name: Name = "activation_recorded_twice" if recorded[event_id] else "activation_not_recorded"
                detail = f"LicenseActivated {event_id} is {recorded[event_id]} times in the device ledger"
                found.append(_finding(name, "activation", where, detail))
        return found


def _same(entry: RecordedEvent, event: Event, cause: tuple[str, bytes]) -> bool:
    type_name, data = cause
    if isinstance(event, LicenseRenewed):
        # each device notes the renewal under its own name
        return type_name == "LicenseRenewed" and decode("LicenseRenewed", 1, data) == event.but(device_id=None)
    return (type_name, data) == (entry.event.type_name, entry.event.data)


def _where(entry: RecordedEvent) -> str:
    return f"slice {entry.event.slice_number} position {entry.position}"


def _finding(name: Name, ledger: ServiceName, where: str, detail: str) -> Finding:
    return Finding(name=name, ledger=ledger, where=where, detail=detail)
