"""Comes in: the time that a page is asked about, as people type it into a field. Pure."""

from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlencode

from shared.ledger.events import instant

NOT_A_TIME = "This is not a time. Write it as 2027-03-12 or 2027-03-12 14:30; it is read as UTC."


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A time, and in which sense it is asked about; without a time it is now."""

    typed: str
    sense: str
    at: datetime | None
    problem: str | None = None

    @classmethod
    def of(cls, typed: str, sense: str) -> "Asked":
        """Return what was typed, read; a day is its beginning."""
        typed = typed.strip()
        if not typed:
            return cls(typed="", sense=sense, at=None)
        try:
            at = datetime.fromisoformat(typed)
            aware = at if at.tzinfo else at.replace(tzinfo=UTC)
            return cls(typed=typed, sense=sense, at=aware.astimezone(UTC))
        except (ValueError, OverflowError):
            return cls(typed=typed, sense=sense, at=None, problem=NOT_A_TIME)

    @property
    def params(self) -> dict[str, str]:
        """What asks a door about this time."""
        return {"at": instant(self.at), "sense": self.sense} if self.at else {}

    @property
    def query(self) -> str:
        """What asks a page about this time, as the end of its address."""
        return f"?{urlencode({'at': self.typed, 'sense': self.sense})}" if self.at else ""
