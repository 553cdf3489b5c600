"""Are the seats right? Never more devices on a code than it has seats, at no moment; one first activation per code."""

from datetime import datetime

from shared.ledger.database import Connection
from shared.ledger.events import RecordedEvent
from shared.messages import CodeIssued, Event, LicenseActivated, SeatReleased
from tests.journeys.checker.evidence import rows_of
from tests.journeys.checker.findings import Finding, Name


class Seats:
    """The activation ledger's codes: seats, who holds them, and the first activation."""

    def __init__(self) -> None:
        self._seats: dict[str, int] = {}
        self._holders: dict[str, set[str]] = {}
        self._started: dict[str, datetime] = {}
        self.findings: list[Finding] = []

    def see(self, entry: RecordedEvent, event: Event) -> None:
        """Look at the next event of the ledger."""
        where = f"slice {entry.event.slice_number} position {entry.position}"
        match event:
            case CodeIssued():
                self._seats[event.code_ref] = event.seats
            case LicenseActivated():
                self._activated(event, where)
            case SeatReleased():
                self._holders.setdefault(event.code_ref, set()).discard(event.device_id)
            case _:
                pass

    def _activated(self, event: LicenseActivated, where: str) -> None:
        holders = self._holders.setdefault(event.code_ref, set())
        holders.add(event.device_id)
        seats = self._seats.get(event.code_ref, 0)
        if len(holders) > seats:
            self._find("seats_exceeded", where, f"code {event.code_ref}: {len(holders)} devices on {seats} seats")
        if event.starts_term not in (None, event.code_ref not in self._started):
            self._find("first_activation_mismarked", where, f"code {event.code_ref}: starts_term={event.starts_term}")
        started = self._started.setdefault(event.code_ref, event.started_at)
        if event.started_at != started:
            self._find("first_activation_changed", where, f"code {event.code_ref}: {started} became {event.started_at}")

    async def check_tables(self, ledger: Connection) -> None:
        """Compare tables `seat` and `first_activation` with what the events say."""
        rows = [row async for row in rows_of(ledger, "select code_ref, device_id from seat")]
        stored_seats = {(row["code_ref"], row["device_id"]) for row in rows}
        seats = {(code_ref, device_id) for code_ref, holders in self._holders.items() for device_id in holders}
        for code_ref, device_id in sorted(seats ^ stored_seats):
            side = "the table lacks" if (code_ref, device_id) in seats else "only the table has"
            self._find("seat_table_differs", f"code {code_ref}", f"{side} device {device_id}")
        rows = [row async for row in rows_of(ledger, "select code_ref, started_at from first_activation")]
        stored = {row["code_ref"]: row["started_at"] for row in rows}
        for code_ref in sorted(stored.keys() | self._started.keys()):
            if stored.get(code_ref) != self._started.get(code_ref):
                detail = f"the table says {stored.get(code_ref)}, the events say {self._started.get(code_ref)}"
                self._find("first_activation_table_differs", f"code {code_ref}", detail)

    def _find(self, name: Name, where: str, detail: str) -> None:
        self.findings.append(Finding(name=name, ledger="activation", where=where, detail=detail))
